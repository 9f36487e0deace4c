"""Detect the format of numbers and dates from the values that are not in the mart's own format.

Detection runs only if such values are among the first values of a column or the faults that a check found,
and only for settings that are not set for the source. If only one format fits the values in a file, that
format is used for the file. If no value in a file shows a format, the file is read like the other files. If
the format remains ambiguous, an error names the setting.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from custdyn_widgets.errors import shown
from custdyn_widgets.mart import columns
from custdyn_widgets.mart.arrow_arrays import scalar
from custdyn_widgets.mart.checking.format_errors import ambiguous_date, ambiguous_number, mixed
from custdyn_widgets.mart.checking.forms import Dates, Forms
from custdyn_widgets.mart.checking.other_formats import (
    PLAIN_NUMBER,
    PLAIN_TIME,
    matching,
    not_plain,
    text_columns,
)
from custdyn_widgets.mart.checking.written_forms import DATE_PATTERNS, SERIAL_PATTERN, number_pattern
from custdyn_widgets.mart.dialect import DateOrder, DecimalMark
from custdyn_widgets.mart.reading.stored import StoredTable

T = TypeVar("T")
_IN_GROUPS = r"\d[^\d.,]+\d|,.*\.|,.*,"  # if the decimal separator is a point, these separate thousands


# Calls a function on each batch of a table, and yields the results in order.
EachBatch = Callable[[Callable[[StoredTable], T]], Iterable[T]]


def guess_dialects(
    tables: Mapping[str, StoredTable], each_batch: Mapping[str, EachBatch[Any]] | None = None
) -> dict[str, StoredTable]:
    """Detect dialects, and return the tables to read in another dialect, keyed by name.

    Parameters
    ----------
    tables
        All tables.
    each_batch
        For each table name, how to read all its rows in batches; needed if `tables` has only some of them.

    Raises
    ------
    SourceError
        If values can be read in two ways, or a file mixes two formats.
    """
    rows = {name: _reading(table, (each_batch or {}).get(name)) for name, table in tables.items()}
    seen = {name: _seen(rows[name](_forms)) for name in tables}
    dates = _guess_dates(tables, {name: dates for name, (dates, _) in seen.items()})
    decimals = _guess_decimals(tables, {name: numbers for name, (_, numbers) in seen.items()}, rows)
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
            found[name] = table._replace(dialect=dialect, guessed=(*table.guessed, *guessed))
    return found


def _reading(table: StoredTable, each_batch: EachBatch[Any] | None) -> EachBatch[Any]:
    """Return how to read a table in batches.

    A table without text has no formats to detect, so it is not read.
    """
    has_text = any(True for _ in text_columns(table, "amount", "positive", "time", "date"))
    if each_batch and has_text:
        return each_batch
    return lambda function: [function(table)]


def _forms(table: StoredTable) -> tuple[dict[str, Dates], Forms]:
    """Return the forms of dates by column, and the forms of numbers that are not plain."""
    dates = _dates(table) if table.dialect.dates is None else {}
    return dates, _other_number_forms(table) if table.dialect.decimal is None else Forms()


def _seen(batches: Iterable[tuple[dict[str, Dates], Forms]]) -> tuple[Forms, Forms]:
    """Return the forms of dates and numbers in a table, given the forms in each of its batches."""
    columns_of_dates: dict[str, Dates] = {}
    numbers = Forms()
    for dates, others in batches:
        for name, of_column in dates.items():
            columns_of_dates.setdefault(name, Dates()).join(of_column)
        numbers.join(others)
    return _date_forms(columns_of_dates), numbers


# Numbers


def _guess_decimals(
    tables: Mapping[str, StoredTable], found: Mapping[str, Forms], rows: Mapping[str, EachBatch[Any]]
) -> dict[str, DecimalMark | None]:
    """Return the decimal separator of each table whose numbers are not plain decimals."""
    seen = {name: found[name] for name, table in tables.items() if table.dialect.decimal is None}
    if not any(forms.counts or forms.doubtful for forms in seen.values()):
        return {}
    for name, forms in seen.items():
        for plain in rows[name](_plain_number_forms):
            forms.join(plain)
    marks = {name: _decimal(tables[name], forms) for name, forms in seen.items()}
    commas = any(mark == "," for mark in marks.values())
    for name, forms in seen.items():
        if marks[name] is None and forms.doubtful and not forms.counts.get("point"):
            column, value = forms.doubtful
            if "," in value and commas:
                marks[name] = ","
            elif "," in value or commas:
                raise ambiguous_number(tables[name], column, value)
    return marks


def _other_number_forms(table: StoredTable) -> Forms:
    forms = Forms()
    point, comma = number_pattern("."), number_pattern(",")
    for name, text in text_columns(table, "amount", "positive"):
        other = not_plain(text, PLAIN_NUMBER)
        forms.add("comma", name, matching(other, comma, unlike=[point]))
        forms.add("grouped", name, matching(other, point, _IN_GROUPS))
        forms.doubt(name, matching(other, ",", comma, point))
    return forms


def _plain_number_forms(table: StoredTable) -> Forms:
    """Return the forms of numbers with a point: a decimal point, or one that may separate thousands."""
    forms = Forms()
    point, comma = number_pattern("."), number_pattern(",")
    for name, text in text_columns(table, "amount", "positive"):
        pointed = text.filter(pc.match_substring(text, "."))
        forms.add("point", name, matching(pointed, point, unlike=[comma]))
        forms.doubt(name, matching(pointed, comma, point))
    return forms


def _decimal(table: StoredTable, forms: Forms) -> DecimalMark | None:
    """Return the only decimal separator that fits a file's numbers; None if they are plain or ambiguous."""
    commas, points = forms.counts.get("comma", 0), forms.counts.get("point", 0)
    if commas > points > 0:
        raise mixed(table, forms.examples["comma"], forms.examples["point"], "decimal", ",", ".")
    if commas and not points:
        return ","
    return "." if "grouped" in forms.counts and not commas else None


# Dates


def _guess_dates(
    tables: Mapping[str, StoredTable], forms_of: Mapping[str, Forms]
) -> dict[str, DateOrder | None]:
    """Return the order of day, month and year in each table whose dates are not in ISO 8601."""
    seen = {name: forms_of[name] for name, table in tables.items() if table.dialect.dates is None}
    found = {name: _order(tables[name], forms) for name, forms in seen.items()}
    others = {order for order in found.values() if order in ("DMY", "MDY")}
    for name, forms in seen.items():
        if found[name] in (None, "YMD") and forms.doubtful:
            if len(others) != 1:
                raise ambiguous_date(tables[name], *forms.doubtful)
            (found[name],) = others
    return found


def _date_forms(by_column: Mapping[str, Dates]) -> Forms:
    """Return the forms of the dates in a table, given the forms in each of its columns."""
    forms = Forms()
    for dates in by_column.values():
        forms.join(dates.forms)
        if dates.others > dates.values // 2:  # a few dates in another format among ISO 8601 dates are faults
            forms.join(dates.short)
    return forms


def _dates(table: StoredTable) -> dict[str, Dates]:
    """Return the forms of dates by column."""
    found = {}
    for name, text in text_columns(table, "time", "date"):
        other = not_plain(text, PLAIN_TIME)
        serials, short = matching(other, SERIAL_PATTERN), matching(other, DATE_PATTERNS["DMY"])
        values = len(text) - int(columns.blanks(text).sum())
        dates = found[name] = Dates(others=len(serials) + len(short), values=values)
        dates.forms.add("YMD", name, matching(other, DATE_PATTERNS["YMD"]))
        dates.short.add("YMD", name, serials)
        parts = pc.extract_regex(short, DATE_PATTERNS["DMY"])
        day, month = (parts.field(part).cast(pa.int32()) for part in ("day", "month"))
        twelve = scalar(12, pa.int32())
        only_day = pc.and_(pc.greater(day, twelve), pc.less_equal(month, twelve))
        dates.short.add("DMY", name, short.filter(only_day))
        only_month = pc.and_(pc.less_equal(day, twelve), pc.greater(month, twelve))
        dates.short.add("MDY", name, short.filter(only_month))
        same = pc.equal(day, month)
        dates.short.add("same", name, short.filter(same))
        both = pc.and_(pc.less_equal(day, twelve), pc.less_equal(month, twelve))
        dates.short.doubt(name, short.filter(pc.and_not(both, same)))
    return found


def _order(table: StoredTable, forms: Forms) -> DateOrder | None:
    """Return the only order that fits the dates in a file, or None if they are in ISO 8601 or ambiguous."""
    if "DMY" in forms.counts and "MDY" in forms.counts:
        raise mixed(table, forms.examples["DMY"], forms.examples["MDY"], "dates", "DMY", "MDY")
    found: DateOrder
    for found in ("DMY", "MDY"):
        if found in forms.counts:
            return found
    if "same" in forms.counts and not forms.doubtful:  # such as 05/05/2021
        return "DMY"
    return "YMD" if "YMD" in forms.counts else None
