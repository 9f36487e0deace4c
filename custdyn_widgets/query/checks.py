"""Checks on a query's values, one for each kind of field.

A check takes the name of a field and a JSON or Python value. It returns the value as a query stores it, or
raises a `QueryError` that names the field and the value and suggests the nearest valid values. `fields.py`
assigns the checks to fields.
"""

from __future__ import annotations

import functools
import re
import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from custdyn_widgets.errors import QueryError

TIME_GROUPS = ("year", "month", "date")
CLIENT_GROUPS = ("company", "owner_user", "client_type", "currency", "cohort")
ROW_GROUPS = ("package", *CLIENT_GROUPS)
YEARS = range(1900, 2101)

_WALL_TIME_FORM = "a wall time in the form YYYY-MM-DD HH:MM:SS"
_WALL_TIME = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[ T](\d{2}:\d{2}:\d{2}))?", re.ASCII)
_WALL_TIMES = re.compile(rf"({_WALL_TIME.pattern})(?:\D{{1,6}}({_WALL_TIME.pattern}))?", re.ASCII)
_YEAR = re.compile(r"(?<!\d)(?:19|20|21)\d\d", re.ASCII)  # every date contains a year, but no preset does
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
_NOT_ZONES = ("posix/", "right/")
_NO_PLACES = ("localtime", "Factory", "posixrules")


@dataclass(frozen=True)
class Period:
    """A fixed interval, as wall times in the query's time zone; `end` is the last second included."""

    start: datetime
    end: datetime

    def to_dict(self) -> dict[str, str]:
        """Return the two wall times as strings."""
        return {"start": self.start.isoformat(sep=" "), "end": self.end.isoformat(sep=" ")}


@functools.cache
def time_zones() -> tuple[str, ...]:
    """Return the IANA time zone names that a query may use, sorted."""
    return tuple(sorted(filter(_is_allowed_zone, zoneinfo.available_timezones())))


def is_time_zone(name: str) -> bool:
    """Return whether a query may use this IANA time zone name.

    The usual names are listed in one file, which is searched first, because Python opens hundreds of files to
    list all names on this machine.
    """
    return name in _usual_time_zones() or name in time_zones()


@functools.cache
def _usual_time_zones() -> frozenset[str]:
    import tzdata  # imported late: only queries need it

    listed = Path(tzdata.__file__).with_name("zones").read_text(encoding="ascii")
    return frozenset(filter(_is_allowed_zone, listed.split()))


def _is_allowed_zone(zone: str) -> bool:
    return zone not in _NO_PLACES and not zone.startswith(_NOT_ZONES)


def check_interval(name: str, value: object, presets: Sequence[str]) -> str | Period:
    """Check an interval: a preset's name, a `Period`, or a period as a JSON object."""
    if isinstance(value, str):
        if value not in presets and _YEAR.search(value):
            raise QueryError.invalid(name, value, f"is not a preset. Write a period as {_as_object(value)}")
        return check_choice(name, value, presets)
    if isinstance(value, Period):
        return _period(name, *(_wall_text(wall) for wall in (value.start, value.end)))
    if not isinstance(value, Mapping):
        raise QueryError.wrong_type(name, value, 'the name of a preset or {"start": …, "end": …}')
    for key in value:
        if key not in ("start", "end"):
            raise QueryError.unknown_field(f"{name}.{key}", ["interval.start", "interval.end"])
    for key in ("start", "end"):
        if value.get(key) is None:
            raise QueryError.missing(f"{name}.{key}", _WALL_TIME_FORM)
    return _period(name, value["start"], value["end"])


def _as_object(text: str) -> str:
    """Return the JSON object for a period written as text, or a template if its dates are not valid."""
    found = _WALL_TIMES.fullmatch(text.strip())
    start, end = (found[1], found[4] or found[1]) if found else ("", "")
    try:
        _period("interval", start, end)
    except QueryError:
        start, end = "YYYY-MM-DD", "YYYY-MM-DD"
    return f'{{"start": "{start}", "end": "{end}"}}'


def _wall_text(wall: object) -> object:
    return wall.isoformat(sep=" ") if isinstance(wall, datetime) else wall


def _period(name: str, start: object, end: object) -> Period:
    period = Period(
        _wall_time(f"{name}.start", start, "00:00:00"),
        _wall_time(f"{name}.end", end, "23:59:59"),
    )
    if period.start > period.end:
        raise QueryError.invalid(f"{name}.start", start, f"is after the end {end!r}")
    return period


def _wall_time(name: str, value: object, time_of_day: str) -> datetime:
    """Parse a wall time `YYYY-MM-DD[ HH:MM:SS]`; a date alone gets the given time of day."""
    match = _WALL_TIME.fullmatch(value) if isinstance(value, str) else None
    if not match:
        raise QueryError.wrong_type(name, value, _WALL_TIME_FORM)
    try:
        wall = datetime.fromisoformat(f"{match[1]} {match[2] or time_of_day}")
    except ValueError:
        raise QueryError.invalid(name, value, "is not a valid date and time") from None
    if wall.year not in YEARS:
        raise QueryError.invalid(name, value, f"is outside the years {YEARS[0]} to {YEARS[-1]}")
    return wall


def check_zone(name: str, value: object) -> str:
    """Check the IANA name of a time zone."""
    if isinstance(value, str) and is_time_zone(value):
        return value
    return check_choice(name, value, time_zones())


def check_choice(name: str, value: object, allowed: Sequence[str]) -> str:
    """Check that a value is one of the allowed strings."""
    if not isinstance(value, str):
        raise QueryError.wrong_type(name, value, "text")
    if value not in allowed:
        raise QueryError.not_allowed(name, value, allowed)
    return value


def check_strings(name: str, value: object) -> tuple[str, ...]:
    """Check a list of strings and drop duplicates."""
    if (
        isinstance(value, str)
        or not isinstance(value, Sequence)
        or not all(isinstance(v, str) for v in value)
    ):
        raise QueryError.wrong_type(name, value, "a list of strings")
    return tuple(dict.fromkeys(value))


def check_groups(name: str, value: object, allowed: Sequence[str]) -> tuple[str, ...]:
    """Check and sort a list of groupings: at most one by time and one by another attribute."""
    chosen = check_strings(name, value)
    for group in chosen:
        check_choice(name, group, allowed)
    if sum(group in TIME_GROUPS for group in chosen) > 1:
        raise QueryError.invalid(name, value, "has more than one of year, month and date")
    if sum(group in ROW_GROUPS for group in chosen) > 1:
        listed = f"{', '.join(ROW_GROUPS[:-1])} and {ROW_GROUPS[-1]}"
        raise QueryError.invalid(name, value, f"has more than one of {listed}")
    return tuple(group for group in allowed if group in chosen)


def check_columns(name: str, value: object, known: Sequence[str]) -> tuple[str, ...]:
    """Check a list of column groups, and put built-in ones first; custom groups are checked by the engine."""
    chosen = check_strings(name, value)
    return (
        *(group for group in known if group in chosen),
        *(group for group in chosen if group not in known),
    )


def check_flag(name: str, value: object) -> bool:
    """Check that a value is a boolean."""
    if not isinstance(value, bool):
        raise QueryError.wrong_type(name, value, "true or false")
    return value


def check_currency(name: str, value: object) -> str:
    """Check the format of a currency code."""
    if not isinstance(value, str) or not _CURRENCY.fullmatch(value):
        raise QueryError.wrong_type(name, value, "an ISO 4217 code of three capital letters, such as USD")
    return value


def check_number(name: str, value: object, bounds: range, unit: str) -> int:
    """Check that a value is a whole number within bounds."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise QueryError.wrong_type(name, value, f"a whole number of {unit}")
    if value not in bounds:
        raise QueryError.invalid(name, value, f"is not between {bounds[0]} and {bounds[-1]} {unit}")
    return value
