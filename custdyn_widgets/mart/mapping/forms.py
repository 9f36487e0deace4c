"""Formats of amounts and times that only mappings can read, with the SQL that reads each.

Amounts may look like `$1,250.00`, `1250.00-`, `(1250.00)` or `1250.00 DR`. Times may look like `05-JAN-26` or
`20260105`, or be seconds since 1970. A format is used only for columns whose values are in that format.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from custdyn_widgets.errors import shown
from custdyn_widgets.mart.mapping.sql_text import DUCKDB, Syntax, literal

_DIGITS = r"(?:\d+|\d{1,3}(?:[ .,'’\u00a0\u202f]\d{3})+)?(?:[.,]\d*)?"
_AMOUNT = re.compile(
    rf"(?P<open>\()?(?P<sign>[+\-−]?) ?(?P<before>[^\d\s.,+\-−()]{{0,4}}) ?(?P<inner>[+\-−]?) ?"
    rf"(?P<digits>{_DIGITS})[ \u00a0\u202f]?(?P<after>[^\d\s.,+\-−()]{{0,4}}?)(?P<last>[-−]?)(?P<close>\))?"
    r"(?: ?(?P<side>CR|DR))?",
    re.ASCII | re.IGNORECASE,
)
_WORDS = ("zł", "kč", "kr", "грн", "руб", "лв", "ft", "lei")
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_NAMED = re.compile(
    r"\d{1,2}(?P<gap>[- ])(?P<month>[a-z]{3})(?P=gap)(?P<year>\d\d|\d{4})"
    r"(?: (?P<hour>\d{1,2})(?P<mark>[:.])\d\d(?:(?P=mark)\d\d(?P<part>\.\d{1,9})?)?(?P<half> [ap]m)?)?",
    re.ASCII | re.IGNORECASE,
)
_COMPACT = re.compile(
    r"20[0-3]\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(([01]\d|2[0-3])[0-5]\d[0-5]\d)?", re.ASCII
)
_EPOCH = re.compile(r"\d{9,16}(\.0*)?", re.ASCII)
_SERIAL = re.compile(r"[34]\d{4}([.,]\d+)?", re.ASCII)  # Excel: 1982 to 2036
_RECENT = (946_684_800, 2_208_988_800)  # 2000 to 2039, in seconds since 1970
_UNITS = ((1, "seconds"), (1_000, "milliseconds"), (1_000_000, "microseconds"))
_TWO_DIGITS = re.compile(r"(\d{1,2})[/.\-]\d{1,2}[/.\-](\d\d)(?!\d).*", re.ASCII | re.DOTALL)


@dataclass(frozen=True)
class Form:
    """How a mapping reads a column whose values are in a given format.

    Attributes
    ----------
    sql
        The SQL, with `{}` for the column.
    why
        What the SQL does, for the reviewer; empty for an ordinary format.
    has_clock
        Whether the values include a time of day.
    has_offset
        Whether the values are instants.
    family
        The type that the SQL returns, if it is not the column's own.
    """

    sql: str
    why: str = ""
    has_clock: bool = False
    has_offset: bool = False
    family: str = ""


def plain_amount(value: str) -> tuple[str, str, str] | None:
    """Split an amount into its number (sign first), currency symbol or code, and side: CR, DR or empty.

    Return None if the value is not an amount.
    """
    match = _AMOUNT.fullmatch(value)
    if match is None or not any(map(str.isdigit, match["digits"])):
        return None
    marks, signs = match["before"] + match["after"], match["sign"] + match["inner"] + match["last"]
    side, brackets = (match["side"] or "").upper(), bool(match["open"]) + bool(match["close"])
    if (marks and not _is_currency(marks)) or (match["before"] and match["after"]):
        return None
    if brackets == 1 or len(signs) + bool(side) + brackets // 2 > 1:
        return None
    negative = signs in ("-", "−") or brackets == 2 or side == "DR"
    return f"-{match['digits']}" if negative else match["digits"], marks, side


@functools.cache
def _is_currency(mark: str) -> bool:
    if any(unicodedata.category(c) == "Sc" for c in mark) or mark.casefold() in _WORDS:
        return True
    from babel.numbers import list_currencies  # imported late: rarely needed

    return mark in list_currencies()


def amount_form(values: Sequence[tuple[str, str, str]]) -> Form | None:
    """Return how a mapping reads amounts, or None if they are in several currencies."""
    marks = {mark for _, mark, _ in values if mark}
    if len(marks) > 1:
        return None
    sql, whys = "{}", []
    if any(side for _, _, side in values):
        sql = f"regexp_replace({sql}, ' ?(CR|DR)$', '', 'i')"
        whys.append("DR is negative")
    for mark in marks:
        sql = f"replace({sql}, {literal(mark)}, '')"
        whys.append(f"{shown(mark)} is removed; it must be the clients' currency")
    if any(side for _, _, side in values):
        sql = f"CASE WHEN {{}} ILIKE '%DR' THEN '-' ELSE '' END || {sql}"
    return Form(f"number({sql})", "; ".join(whys))


def time_form(values: Sequence[str], syntax: Syntax = DUCKDB) -> Form | None:
    """Return how a mapping reads times in formats that a mart does not allow, or None if it cannot do so."""
    return (_named_months(values) if syntax == DUCKDB else None) or _numbers_as_times(values, syntax)


def _named_months(values: Sequence[str]) -> Form | None:
    formats: dict[str, re.Match[str]] = {}
    for value in values:
        match = _NAMED.fullmatch(value)
        if match is None or match["month"].lower() not in _MONTHS:
            return None
        formats.setdefault(_format(match), match)
    if not formats:
        return None
    named = ", ".join(map(literal, formats))
    short = any(len(match["year"]) == 2 for match in formats.values())
    return Form(
        f"strptime({{}}, {named})" if len(formats) == 1 else f"strptime({{}}, [{named}])",
        "two-digit years are read as 1969 to 2068" if short else "month names are in English",
        has_clock=any(match["hour"] for match in formats.values()),
    )


def _format(match: re.Match[str]) -> str:
    """Return DuckDB's `strptime` format for a time that contains the name of a month."""
    gap, mark = match["gap"], match["mark"]
    found = f"%d{gap}%b{gap}{'%y' if len(match['year']) == 2 else '%Y'}"
    if match["hour"]:
        seconds = match[0].count(mark) > 1
        found += f" {'%I' if match['half'] else '%H'}{mark}%M{mark + '%S' if seconds else ''}"
        part = len(match["part"] or "") - 1
        found += "" if part < 0 else ".%n" if part > 6 else ".%f"
        found += " %p" if match["half"] else ""
    return found


def _numbers_as_times(values: Sequence[str], syntax: Syntax) -> Form | None:
    """Return how to read numbers, such as 20260105, 20260105093000 or seconds since 1970, as times."""
    if values and all(map(_COMPACT.fullmatch, values)) and len(set(map(len, values))) == 1:
        clock = len(values[0]) == 14
        return Form(syntax.digits_as_time(has_clock=clock), "times written as digits", clock, family="naive")
    if values and all(map(_SERIAL.fullmatch, values)):
        clock = not all(map(str.isdigit, values))
        text = "CAST({} AS VARCHAR)" if syntax == DUCKDB else syntax.text("{}")
        return Form(text, "Excel's day numbers, counted from 1899-12-30", clock, family="text")
    known = [value for value in values if value.strip("0.")]  # some systems write 0 for a missing time
    if not known or not all(map(_EPOCH.fullmatch, known)):
        return None
    numbers = [int(value.partition(".")[0]) for value in known]
    for unit, name in _UNITS:
        if all(_RECENT[0] <= number / unit < _RECENT[1] for number in numbers):
            why = f"{name} since 1970" + ("; 0 means no time" if len(known) < len(values) else "")
            family = "text" if syntax.name == "mysql" else "instant"
            return Form(syntax.since_1970(unit), why, has_clock=True, has_offset=True, family=family)
    return None


def two_digit_years(values: Sequence[str]) -> Form | None:
    """Return how to read dates with two-digit years, such as 31/01/26, or None if the year may come first."""
    found = [match for value in values if (match := _TWO_DIGITS.fullmatch(value))]
    if not found or any(int(match[2]) > 68 for match in found):
        return None
    if len({match[2] for match in found}) > len({match[1] for match in found}):
        return None
    pattern = r"'^([0-9]+[/.-][0-9]+[/.-])([0-9][0-9])($|[^0-9])', '\120\2\3'"
    return Form(f"regexp_replace({{}}, {pattern})", "two-digit years are read as 2000 or later")


@functools.cache
def null_word(value: str) -> bool:
    """Return whether a value is a word that some systems write for a missing value."""
    return value.casefold() in ("null", "(null)", "none", "nat", "n/a", r"\n")
