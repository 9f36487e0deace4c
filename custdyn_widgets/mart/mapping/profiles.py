"""Profiles of the columns of an export, from a sample of its rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from custdyn_widgets.mart.dialect import DateOrder, DecimalMark
from custdyn_widgets.mart.mapping.sql_text import identifier
from custdyn_widgets.mart.reading.near_names import normalized_name

_NUMBER = re.compile(r"[+\-−]?(\d+|\d{1,3}([ .,'’\u00a0\u202f]\d{3})+)?([.,]\d*)?", re.ASCII)
_CERTAIN_MARK = re.compile(r".*([.,])(\d{1,2}|\d{4,})|.*([.,])\d{3}([.,])\d{3}", re.ASCII)
_ISO = re.compile(
    r"\d{4}-\d\d-\d\d(?P<clock>[T ]\d\d:\d\d(:\d\d(\.\d+)?)?)?(?P<offset> ?(Z|[+-]\d\d(:?\d\d)?))?", re.ASCII
)
_LOCAL = re.compile(
    r"(?P<first>\d{1,2})(?P<mark>[/.\-])(?P<second>\d{1,2})(?P=mark)\d{4}"
    r"(?P<clock>[ T,]+\d{1,2}:\d\d(:\d\d)?)?",
    re.ASCII,
)
_YEAR_FIRST = re.compile(r"\d{4}[/.]\d\d?[/.]\d\d?(?P<clock>[ T]\d{1,2}:\d\d(:\d\d)?)?", re.ASCII)
_CLOCK = re.compile(r"\d{1,2}:\d\d(:\d\d)?", re.ASCII)


@dataclass(frozen=True)
class Column:
    """A column of an export: its table, its heading, and its cells in a sample of rows, None for a blank."""

    table: str
    name: str
    cells: tuple[str | None, ...]

    @cached_property
    def values(self) -> tuple[str, ...]:
        """The values that are not blank."""
        return tuple(cell for cell in self.cells if cell)

    @property
    def sql(self) -> str:
        """The column's name in SQL."""
        return identifier(self.name)

    @cached_property
    def plain(self) -> str:
        """The heading without case, blanks and punctuation."""
        return normalized_name(self.name)

    @cached_property
    def is_unique(self) -> bool:
        """Whether every row of the sample has a different value."""
        return bool(self.values) and len(set(self.values)) == len(self.cells)

    @cached_property
    def is_number(self) -> bool:
        """Whether all values are numbers."""
        return bool(self.values) and all(
            _NUMBER.fullmatch(v) and any(map(str.isdigit, v)) for v in self.values
        )

    @cached_property
    def has_fractions(self) -> bool:
        """Whether the values are numbers, some of them with a decimal separator."""
        return self.is_number and any("." in v or "," in v for v in self.values)

    @cached_property
    def positive_share(self) -> float:
        """The share of positive values among those that are not 0, from 0 to 1."""
        return positive_share(self.values)

    @cached_property
    def is_time(self) -> bool:
        """Whether all values are dates or times."""
        return bool(self.values) and all(_time_match(v) for v in self.values)

    @cached_property
    def is_clock(self) -> bool:
        """Whether all values are times of day without a date."""
        return bool(self.values) and all(_CLOCK.fullmatch(v) for v in self.values)

    @cached_property
    def has_clock(self) -> bool:
        """Whether the values are times with a time of day."""
        return self.is_time and any(m["clock"] for v in self.values if (m := _time_match(v)))

    @cached_property
    def lacks_offset(self) -> bool:
        """Whether some of the values are times without an offset from UTC."""
        found = [match.groupdict() for v in self.values if (match := _time_match(v))]
        return self.is_time and any(not match.get("offset") for match in found)


def positive_share(values: Iterable[str]) -> float:
    """Return the share of positive numbers among those that are not 0, or 1 if there are none."""
    signs = [v.startswith(("-", "−")) for v in values if any(c in "123456789" for c in v)]
    return signs.count(False) / len(signs) if signs else 1.0


def _time_match(value: str) -> re.Match[str] | None:
    return _ISO.fullmatch(value) or _LOCAL.fullmatch(value) or _YEAR_FIRST.fullmatch(value)


def decimal_mark(columns: Sequence[Column]) -> DecimalMark | None:
    """Return the only decimal separator that fits all numbers, or None if it is ambiguous.

    A number such as 1,234 is ambiguous; 1,5 and 1.234,567 and 1.234.567 are not.
    """
    found: set[DecimalMark] = set()
    for column in columns:
        for value in column.values if column.is_number else ():
            if match := _CERTAIN_MARK.fullmatch(value):
                _, _, before, last = match.groups()
                mark = match[1] or (last if last != before else "," if last == "." else ".")
                found.add("," if mark == "," else ".")
    return found.pop() if len(found) == 1 else None


def date_order(columns: Sequence[Column]) -> tuple[DateOrder | None, str]:
    """Return the only order of day, month and year that fits all dates, and a value that shows it.

    The order is None if all dates are in the order of ISO 8601 (with an empty value), or if it is ambiguous.
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
