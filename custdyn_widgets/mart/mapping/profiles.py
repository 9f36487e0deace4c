"""Profiles of the columns of an export, from a sample of its rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from custdyn_widgets.mart.dialect import DateOrder, DecimalMark
from custdyn_widgets.mart.mapping.forms import Form, amount_form, plain_amount, time_form, two_digit_years
from custdyn_widgets.mart.mapping.sql_text import DUCKDB, Syntax
from custdyn_widgets.mart.mapping.words import rank
from custdyn_widgets.mart.reading.near_names import normalized_name

_CERTAIN_MARK = re.compile(r".*([.,])(\d{1,2}|\d{4,})|.*([.,])\d{3}([.,])\d{3}", re.ASCII)
_ISO = re.compile(
    r"\d{4}-\d\d-\d\d(?P<clock>[T ]\d\d:\d\d(:\d\d(\.\d+)?)?)?(?P<offset> ?(Z|[+-]\d\d(:?\d\d)?))?", re.ASCII
)
_OF_DAY = r"\d{1,2}:\d\d(:\d\d([.,]\d+)?)?( ?[AP]\.?M\.?)?"
_LOCAL = re.compile(
    r"(?P<first>\d{1,2})(?P<mark>[/.\-])(?P<second>\d{1,2})(?P=mark)\d\d(\d\d)?"
    rf"(?P<clock>[ T,]+{_OF_DAY})?",
    re.ASCII | re.IGNORECASE,
)
_YEAR_FIRST = re.compile(rf"\d{{4}}[/.]\d\d?[/.]\d\d?(?P<clock>[ T]{_OF_DAY})?", re.ASCII | re.IGNORECASE)
_CLOCK = re.compile(_OF_DAY, re.ASCII | re.IGNORECASE)
_MIDNIGHT = re.compile(r"[ T,]+(00?:00(:00([.,]0+)?)?|12:00(:00)? ?AM)", re.ASCII | re.IGNORECASE)
_SHORT_YEAR = re.compile(r"\d{1,2}[/.\-]\d{1,2}[/.\-]\d\d(?!\d).*", re.ASCII)
_SMALL_UNITS = {"cents": "0.01", "minorunits": "0.01", "minor": "0.01", "micros": "0.000001"}
_PLAIN_NUMBER = "number({})"
_GROUPS = " '’\u00a0\u202f"  # thousands separators other than comma and period
_ZERO_DATE = "0000-00-00"  # MySQL's placeholder for a missing date
_MOST = 0.9  # the share of values that must fit; checks report the others as faults


@dataclass(frozen=True)
class Column:
    """A column of an export or a database, with its cells in a sample of rows.

    Attributes
    ----------
    table, name
        The name of the table, and the heading of the column.
    cells
        The cells in the sample; None for a blank cell.
    null
        The word that marks blank cells, if any.
    typed
        Whether the column has a type other than text.
    syntax
        The SQL dialect in which the column is read.
    family
        The family of the column's type in a database.
    decimal
        The decimal separator of numbers in text, if it is known.
    padding
        The characters that were removed from the ends of cells.
    """

    table: str
    name: str
    cells: tuple[str | None, ...]
    null: str = ""
    typed: bool = False
    syntax: Syntax = DUCKDB
    family: str = "text"
    decimal: DecimalMark | None = None
    padding: str = ""

    @cached_property
    def values(self) -> tuple[str, ...]:
        """The values that are not blank."""
        return tuple(cell for cell in self.cells if cell)

    @cached_property
    def sql(self) -> str:
        """The column in SQL, with NULL in place of the word that marks blank cells."""
        return f"nullif({self.quoted}, {self.syntax.literal(self.null)})" if self.null else self.quoted

    @property
    def quoted(self) -> str:
        """The column's name in SQL."""
        return self.syntax.identifier(self.name)

    @property
    def text(self) -> str:
        """The column as text in SQL."""
        return self.syntax.text(self.sql)

    @property
    def word(self) -> str:
        """The column in SQL, trimmed for comparison with words."""
        return f"trim({self.sql})" if " " in self.padding else self.sql

    @property
    def word_as_text(self) -> str:
        """`word` as text in SQL."""
        return (
            f"CAST({self.word} AS VARCHAR)"
            if self.typed and self.syntax == DUCKDB
            else self.syntax.text(self.word)
        )

    @cached_property
    def small_unit(self) -> str:
        """The unit at the end of the heading, such as cents, if the values are whole numbers, or else ""."""
        heading = normalized_name(self.name)
        unit = next((unit for unit in _SMALL_UNITS if heading.endswith(unit)), "")
        return unit if unit and self.is_number and not self.has_fractions else ""

    @cached_property
    def plain(self) -> str:
        """The heading in lowercase, without spaces, punctuation or a unit such as cents."""
        plain = normalized_name(self.name).removesuffix(self.small_unit)
        return plain.removesuffix("in") if self.small_unit else plain

    @cached_property
    def is_unique(self) -> bool:
        """Whether each row of the sample has a value, and all values are different."""
        return bool(self.values) and len(set(self.values)) == len(self.cells)

    # Numbers

    @cached_property
    def _amounts(self) -> tuple[tuple[str, str, str] | None, ...]:
        return tuple(plain_amount(cell) if cell else None for cell in self.cells)

    @cached_property
    def number_cells(self) -> tuple[str | None, ...]:
        """The number in each row of the sample, with any minus sign in front; None if a row has no number."""
        return tuple(amount[0] if amount else None for amount in self._amounts)

    @cached_property
    def numbers(self) -> tuple[str, ...]:
        """The numbers among the values, with any minus signs in front."""
        return tuple(number for number in self.number_cells if number)

    @cached_property
    def amounts(self) -> Form | None:
        """How to read the values as numbers, or None if they are not numbers."""
        found = [amount for amount in self._amounts if amount]
        form = amount_form(found) if found and len(found) >= _MOST * len(self.values) else None
        return form if self.syntax == DUCKDB or (form and form.sql == _PLAIN_NUMBER) else None

    @property
    def is_number(self) -> bool:
        """Whether the values are numbers, possibly with a few exceptions."""
        return self.amounts is not None

    @property
    def as_number(self) -> str:
        """The SQL that reads the numbers."""
        assert self.amounts is not None
        if self.syntax == DUCKDB:
            number = self.amounts.sql.replace("{}", self.sql)
        else:
            number = self.sql if self.typed else self._number_of_text
        return f"({number} * {_SMALL_UNITS[self.small_unit]})" if self.small_unit else number

    @property
    def _number_of_text(self) -> str:
        """The SQL that reads numbers from text on a server, except ambiguous text such as 1,234."""
        mark = self.decimal or decimal_mark([self])
        groups = [
            c for c in _GROUPS + {",": ".", ".": ",", None: ""}[mark] if any(c in v for v in self.numbers)
        ]
        return self.syntax.number(self.sql, groups, mark or ".")

    @cached_property
    def has_fractions(self) -> bool:
        """Whether the values are numbers, and some of them contain a decimal separator."""
        return self.is_number and any("." in v or "," in v for v in self.numbers)

    # Times

    @cached_property
    def times(self) -> Form | None:
        """How to read the values as times, or None if they are not times."""
        matches = [match for value in self.values if (match := _time_match(value))]
        if not matches or len(matches) < _MOST * len(self.values):
            return time_form(self.values, self.syntax) if self._may_be_time else None
        clock = any(match["clock"] for match in matches)
        if any(map(_SHORT_YEAR.fullmatch, self.values)):
            form = two_digit_years(self.values) if self.syntax == DUCKDB else None
            return replace(form, has_clock=clock) if form else None
        return Form("{}", has_clock=clock, has_offset=all(m.groupdict().get("offset") for m in matches))

    @property
    def _may_be_time(self) -> bool:
        """Whether the heading suggests a time, or the values are not numbers."""
        wanted = ("at", "created_at", "closed_at", "date")
        return not self.is_number or any(rank(self.plain, column) is not None for column in wanted)

    @property
    def is_time(self) -> bool:
        """Whether the values are dates or times, possibly with a few exceptions."""
        return self.times is not None

    @property
    def as_time(self) -> str:
        """The SQL that reads the times."""
        assert self.times is not None
        if self.syntax.name == "mysql" and any(v.startswith(_ZERO_DATE) for v in self.values):
            return f"NULLIF({self.sql}, 0)"
        return self.times.sql.replace("{}", self.sql)

    @property
    def time_family(self) -> str:
        """The database type of the times that `as_time` reads."""
        assert self.times is not None
        return self.times.family or self.family

    @cached_property
    def is_clock(self) -> bool:
        """Whether all values are times of day without a date."""
        return bool(self.values) and all(_CLOCK.fullmatch(v) for v in self.values)

    @property
    def has_clock(self) -> bool:
        """Whether the values are times that include a time of day."""
        return self.times is not None and self.times.has_clock

    @cached_property
    def is_midnight(self) -> bool:
        """Whether the values include a time of day that is always midnight."""
        clocks = [match["clock"] for value in self.values if (match := _time_match(value))]
        return self.has_clock and bool(clocks) and all(not c or _MIDNIGHT.fullmatch(c) for c in clocks)

    @property
    def lacks_offset(self) -> bool:
        """Whether some of the values are times without an offset from UTC."""
        return self.times is not None and not self.times.has_offset


def stripped(cells: Iterable[str | None]) -> tuple[tuple[str | None, ...], str]:
    """Return cells without spaces at either end (None if nothing is left), and the removed characters."""
    found: list[str | None] = []
    removed: set[str] = set()
    for cell in cells:
        plain = (cell or "").strip()
        found.append(plain or None)
        if plain and plain != cell:
            removed |= set(str(cell).replace(plain, "", 1))
    return tuple(found), "".join(sorted(removed))


def positive_share(values: Iterable[str]) -> float:
    """Return the share of positive numbers among nonzero numbers, or 1 if all are zero."""
    signs = [v.startswith(("-", "−")) for v in values if any(c in "123456789" for c in v)]
    return signs.count(False) / len(signs) if signs else 1.0


def is_time(value: str) -> bool:
    """Return whether a single value is a time in a known format."""
    return _time_match(value) is not None or time_form([value]) is not None


def is_amount(value: str) -> bool:
    """Return whether a single value is a number in a known format."""
    return plain_amount(value) is not None


def _time_match(value: str) -> re.Match[str] | None:
    return _ISO.fullmatch(value) or _LOCAL.fullmatch(value) or _YEAR_FIRST.fullmatch(value)


def decimal_mark(columns: Sequence[Column]) -> DecimalMark | None:
    """Return the only decimal separator that fits all numbers, or None if it is ambiguous.

    A number such as `1,234` is ambiguous; `1,5`, `1.234,567` and `1.234.567` are not.
    """
    found: set[DecimalMark] = set()
    for column in columns:
        for value in column.numbers if column.is_number and not column.typed else ():
            if match := _CERTAIN_MARK.fullmatch(value):
                _, _, before, last = match.groups()
                mark = match[1] or (last if last != before else "," if last == "." else ".")
                found.add("," if mark == "," else ".")
    return found.pop() if len(found) == 1 else None


def date_order(columns: Sequence[Column]) -> tuple[DateOrder | None, str]:
    """Return the only order of day, month and year that fits all dates, and a value that shows it.

    The order is None if it is ambiguous, or if all dates are in ISO 8601 order; in the latter case, the
    value is empty.
    """
    example = ""
    for column in columns:
        for value in column.values if column.is_time else ():
            if _YEAR_FIRST.fullmatch(value):
                return "YMD", value
            if match := _LOCAL.fullmatch(value):
                example = value
                if int(match["first"]) > 12:
                    return "DMY", value
                if int(match["second"]) > 12:
                    return "MDY", value
    return None, example
