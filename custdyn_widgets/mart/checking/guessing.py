"""Detect the format of numbers and dates, based on the values that are not in the format of a mart.

Detection runs only if such values are among the first values of a column or the faults of a check, and only
for settings that the source lacks. If only one format fits the values in a file, that format is used for the
file. If no value in a file shows a format, the file is read like the other files. If the format remains
ambiguous, an error names the setting.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc

from custdyn_widgets.errors import SourceError, shown
from custdyn_widgets.mart import columns
from custdyn_widgets.mart.checking.faults import Fault
from custdyn_widgets.mart.checking.notes import Note
from custdyn_widgets.mart.checking.written_forms import DATE_PATTERNS, SERIAL_PATTERN, number_pattern
from custdyn_widgets.mart.dialect import DateOrder, DecimalMark
from custdyn_widgets.mart.reading.stored import StoredTable

_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_CODES = ("not_an_amount", "not_a_time", "not_a_date", "spreadsheet_days")
_PLAIN_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)$"
_PLAIN_TIME = r"^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d+)?)?(Z|[+-]\d\d(:?\d\d(:?\d\d)?)?)?)?$"
_SAMPLE = 1000  # rows
_IN_GROUPS = r"\d[^\d.,]+\d|,.*\.|,.*,"  # if the decimal separator is a point, these separate thousands


@dataclass
class _Forms:
    """The values in a file that show the format of its numbers or dates.

    Attributes
    ----------
    counts
        For each form, the number of values that are only in that form.
    examples
        For each form, the first such value, as (column, value).
    doubtful
        The first value that has different meanings in two forms.
    """

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, tuple[str, str]] = field(default_factory=dict)
    doubtful: tuple[str, str] | None = None

    def add(self, form: str, column: str, values: pa.Array) -> None:
        """Count values that are only in this form."""
        if len(values):
            self.counts[form] = self.counts.get(form, 0) + len(values)
            self.examples.setdefault(form, (column, values[0].as_py()))

    def doubt(self, column: str, values: pa.Array) -> None:
        """Record the first of the values that have different meanings in two forms."""
        if len(values) and self.doubtful is None:
            self.doubtful = column, values[0].as_py()


def have_other_formats(tables: Mapping[str, StoredTable]) -> bool:
    """Return whether the first rows contain numbers or times that are not in the format of a mart."""
    return any(
        len(_unlike(text, plain))
        for table in (replace(table, data=table.data.slice(0, _SAMPLE)) for table in tables.values())
        for plain, kinds, known in (
            (_PLAIN_NUMBER, ("amount", "positive"), table.dialect.decimal),
            (_PLAIN_TIME, ("time", "date"), table.dialect.dates),
        )
        if known is None
        for _, text in _text_columns(table, *kinds)
    )


def may_have_other_formats(faults: Iterable[Fault]) -> bool:
    """Return whether some faulty values may be numbers or times in another format."""
    return any(fault.kind.code in _CODES for fault in faults)


def guess_dialects(tables: Mapping[str, StoredTable]) -> dict[str, StoredTable]:
    """Detect dialects, and return the tables to read in another dialect, by name.

    Raises
    ------
    SourceError
        If values can be read in two ways, or a file mixes two formats.
    """
    dates = _guess_dates(tables)
    decimals = _guess_decimals(tables)
    found = {}
    for name, table in tables.items():
        guessed = []
        dialect = table.dialect
        if decimal := decimals.get(name):
            dialect = replace(dialect, decimal=decimal)
            guessed.append(f"decimal {shown(decimal)}")
        if order := dates.get(name):
            dialect = replace(dialect, dates=order)
            guessed.append(f"dates {shown(order)}")
        if guessed:
            found[name] = replace(table, dialect=dialect, guessed=(*table.guessed, *guessed))
    return found


def _text_columns(table: StoredTable, *kinds: str) -> Iterator[tuple[str, pa.Array]]:
    """Yield the text columns that should contain values of the given kinds."""
    for spec in table.spec.columns:
        if spec.kind in kinds and spec.name in table.data.column_names:
            column = columns.decoded(columns.plain(table.data.column(spec.name)))
            if columns.is_text(column.type):
                yield spec.name, column


def _unlike(text: pa.Array, plain: str) -> pa.Array:
    """Return the values that are neither blank nor in the format of a mart."""
    return _matching(text, r"\S", unlike=[plain])


def _matching(text: pa.Array, *patterns: str, unlike: Sequence[str] = ()) -> pa.Array:
    """Return the values that match all `patterns` and none of those in `unlike`."""
    for pattern in patterns:
        text = text.filter(pc.match_substring_regex(text, pattern))
    for pattern in unlike:
        text = text.filter(pc.invert(pc.match_substring_regex(text, pattern)))
    return text


# Numbers


def _guess_decimals(tables: Mapping[str, StoredTable]) -> dict[str, DecimalMark | None]:
    """Return the decimal separator of each table whose numbers are not plain decimals."""
    unset = {name: table for name, table in tables.items() if table.dialect.decimal is None}
    seen = {name: _other_number_forms(table) for name, table in unset.items()}
    if not any(forms.counts or forms.doubtful for forms in seen.values()):
        return {}
    for name, table in unset.items():
        _add_plain_numbers(seen[name], table)
    found = {name: _decimal(tables[name], forms) for name, forms in seen.items()}
    commas = any(mark == "," for mark in found.values())
    for name, forms in seen.items():
        if found[name] is None and forms.doubtful and not forms.counts.get("point"):
            column, value = forms.doubtful
            if "," in value and commas:
                found[name] = ","
            elif "," in value or commas:
                raise _ambiguous_number(tables[name], column, value)
    return found


def _other_number_forms(table: StoredTable) -> _Forms:
    forms = _Forms()
    point, comma = number_pattern("."), number_pattern(",")
    for name, text in _text_columns(table, "amount", "positive"):
        other = _unlike(text, _PLAIN_NUMBER)
        forms.add("comma", name, _matching(other, comma, unlike=[point]))
        forms.add("grouped", name, _matching(other, point, _IN_GROUPS))
        forms.doubt(name, _matching(other, ",", comma, point))
    return forms


def _add_plain_numbers(forms: _Forms, table: StoredTable) -> None:
    """Add the numbers that contain a point, which may be the decimal point or separate thousands."""
    point, comma = number_pattern("."), number_pattern(",")
    for name, text in _text_columns(table, "amount", "positive"):
        pointed = text.filter(pc.fill_null(pc.match_substring(text, "."), False))
        forms.add("point", name, _matching(pointed, point, unlike=[comma]))
        forms.doubt(name, _matching(pointed, comma, point))


def _decimal(table: StoredTable, forms: _Forms) -> DecimalMark | None:
    """Return the only decimal separator that fits a file's values, or None if they are plain or ambiguous."""
    commas, points = forms.counts.get("comma", 0), forms.counts.get("point", 0)
    if commas > points > 0:
        raise _mixed(table, forms.examples["comma"], forms.examples["point"], "decimal", ",", ".")
    if commas and not points:
        return ","
    return "." if "grouped" in forms.counts and not commas else None


def _ambiguous_number(table: StoredTable, column: str, value: str) -> SourceError:
    digits = value.replace(",", ".").lstrip()
    return SourceError(
        f"{table.origin}, {column}: {shown(value)} may be {digits.replace('.', '')} or {digits}. "
        f"{_set('decimal', ',', '.')}",
        field="decimal",
    )


# Dates


def _guess_dates(tables: Mapping[str, StoredTable]) -> dict[str, DateOrder | None]:
    """Return the order of day, month and year in each table whose dates are not in ISO 8601."""
    seen = {name: _date_forms(table) for name, table in tables.items() if table.dialect.dates is None}
    found = {name: _order(tables[name], forms) for name, forms in seen.items()}
    others = {order for order in found.values() if order in ("DMY", "MDY")}
    for name, forms in seen.items():
        if found[name] in (None, "YMD") and forms.doubtful:
            if len(others) != 1:
                raise _ambiguous_date(tables[name], *forms.doubtful)
            (found[name],) = others
    return found


def _date_forms(table: StoredTable) -> _Forms:
    forms = _Forms()
    for name, text in _text_columns(table, "time", "date"):
        other = _unlike(text, _PLAIN_TIME)
        some = (len(text) - int(columns.blanks(text).sum())) // 2
        forms.add("YMD", name, _matching(other, DATE_PATTERNS["YMD"]))
        serials, short = _matching(other, SERIAL_PATTERN), _matching(other, DATE_PATTERNS["DMY"])
        if len(serials) + len(short) <= some:  # a few dates in another format among ISO 8601 dates are faults
            continue
        forms.add("YMD", name, serials)
        parts = pc.extract_regex(short, DATE_PATTERNS["DMY"])
        day, month = (parts.field(part).cast(pa.int32()) for part in ("day", "month"))
        forms.add("DMY", name, short.filter(pc.and_(pc.greater(day, 12), pc.less_equal(month, 12))))
        forms.add("MDY", name, short.filter(pc.and_(pc.less_equal(day, 12), pc.greater(month, 12))))
        same = pc.equal(day, month)
        forms.add("same", name, short.filter(same))
        both = pc.and_(pc.less_equal(day, 12), pc.less_equal(month, 12))
        forms.doubt(name, short.filter(pc.and_not(both, same)))
    return forms


def _order(table: StoredTable, forms: _Forms) -> DateOrder | None:
    """Return the only order that fits the dates in a file, or None if they are in ISO 8601 or ambiguous."""
    if "DMY" in forms.counts and "MDY" in forms.counts:
        raise _mixed(table, forms.examples["DMY"], forms.examples["MDY"], "dates", "DMY", "MDY")
    found: DateOrder
    for found in ("DMY", "MDY"):
        if found in forms.counts:
            return found
    if "same" in forms.counts and not forms.doubtful:  # such as 05/05/2021
        return "DMY"
    return "YMD" if "YMD" in forms.counts else None


def _ambiguous_date(table: StoredTable, column: str, value: str) -> SourceError:
    parts = pc.extract_regex(pa.scalar(value), DATE_PATTERNS["DMY"]).as_py()
    first, second = int(parts["day"]), int(parts["month"])
    return SourceError(
        f"{table.origin}, {column}: {shown(value)} may be {first} {_MONTHS[second - 1]} or "
        f"{second} {_MONTHS[first - 1]} {parts['year']}. {_set('dates', 'DMY', 'MDY')}",
        field="dates",
    )


# Errors


def _mixed(
    table: StoredTable, one: tuple[str, str], other: tuple[str, str], setting: str, *choices: str
) -> SourceError:
    (column, value), (second, different) = one, other
    places = column if column == second else f"{column} and {second}"
    return SourceError(
        f"{table.origin}, {places}: {shown(value)} and {shown(different)} are in different formats. "
        f"{_set(setting, *choices)}",
        field=setting,
    )


def _set(name: str, *choices: str) -> str:
    settings = " or ".join(f'{name} = "{choice}"' for choice in choices)
    return f"Set {settings} for the source, in sources.toml or with Source(…, dialect=Dialect(…))."


def guessed_dialects(tables: Mapping[str, StoredTable]) -> Iterator[Note]:
    """Yield notes on the formats that were detected in the data."""
    files: dict[tuple[str, ...], list[str]] = {}
    for table in tables.values():
        if table.guessed:
            files.setdefault(table.guessed, []).append(table.origin)
    for guessed, names in files.items():
        was = "was" if len(names) == 1 else "were"
        yield Note(
            f"{_listing(names)} {was} read with {_listing(guessed)}, detected from the data. If that is "
            "wrong, set it for the source in sources.toml.",
            "guessed_dialect",
            files=names,
            guessed=list(guessed),
        )


def _listing(words: Sequence[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
