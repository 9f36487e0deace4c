"""What the fields of a query may hold: their choices, and a check for each.

A check takes a field's name and a JSON value and returns the value as a query holds it, or raises a
`QueryError` that names both and offers the nearest valid ones.
"""

from __future__ import annotations

import functools
import importlib.resources
import re
import zoneinfo
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from custdyn_widgets.errors import QueryError

CLIENT_TYPES = ("client", "reseller", "calling_card", "call_shop")
TIME_GROUPS = ("year", "month", "date")
GROUPS = (*TIME_GROUPS, "package")
PRESETS = (
    "today", "yesterday", "this_week", "last_week", "this_month", "last_month", "this_quarter",
    "last_quarter", "this_year", "last_year", "last_3_days", "last_7_days", "last_30_days", "last_90_days",
    "last_12_months",
)  # fmt: skip
YEARS = range(1900, 2101)
ACTIVE_DURATIONS = range(1, 121)

_WALL_TIME = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[ T](\d{2}:\d{2}:\d{2}))?", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
_NOT_ZONES = ("posix/", "right/")
_NO_PLACES = ("localtime", "Factory", "posixrules")


@dataclass(frozen=True)
class Period:
    """A fixed interval, as wall times in the query's time zone; `end` is the last second that counts."""

    start: datetime
    end: datetime

    def to_dict(self) -> dict[str, str]:
        """Return the two wall times as text."""
        return {"start": self.start.isoformat(sep=" "), "end": self.end.isoformat(sep=" ")}


def wall_time(name: str, value: object, *, end: bool) -> datetime:
    """Read a wall time `YYYY-MM-DD[ HH:MM:SS]`; a date alone is its first or, at an end, last second."""
    expected = "a wall time YYYY-MM-DD HH:MM:SS"
    if not isinstance(value, str):
        raise QueryError.wrong_type(name, value, expected)
    match = _WALL_TIME.fullmatch(value)
    if not match:
        raise QueryError.wrong_type(name, value, expected)
    try:
        wall = datetime.fromisoformat(f"{match[1]} {match[2] or ('23:59:59' if end else '00:00:00')}")
    except ValueError:
        raise QueryError.invalid(name, value, "is not a date and time of the calendar") from None
    if wall.year not in YEARS:
        raise QueryError.invalid(name, value, f"is not in the years {YEARS[0]} to {YEARS[-1]}")
    return wall


@functools.cache
def time_zones() -> tuple[str, ...]:
    """Return the IANA names that a query may use, sorted."""
    return tuple(sorted(filter(_names_a_place, zoneinfo.available_timezones())))


def is_time_zone(name: str) -> bool:
    """Tell whether a query may use this IANA name.

    The names that everybody knows stand in one file; to find those that only this machine knows, Python
    opens hundreds.
    """
    return name in _usual_time_zones() or name in time_zones()


@functools.cache
def _usual_time_zones() -> frozenset[str]:
    listed = importlib.resources.files("tzdata").joinpath("zones").read_text(encoding="ascii")
    return frozenset(filter(_names_a_place, listed.split()))


def _names_a_place(zone: str) -> bool:
    return zone not in _NO_PLACES and not zone.startswith(_NOT_ZONES)


def _interval(name: str, value: object) -> str | Period:
    if isinstance(value, str):
        return _choice(name, value, PRESETS)
    if not isinstance(value, Mapping):
        raise QueryError.wrong_type(name, value, 'a preset\'s name or {"start": …, "end": …}')
    for key in value:
        if key not in ("start", "end"):
            raise QueryError.unknown_field(f"{name}.{key}", ["interval.start", "interval.end"])
    for key in ("start", "end"):
        if value.get(key) is None:
            raise QueryError.missing(f"{name}.{key}", "a wall time YYYY-MM-DD HH:MM:SS")
    period = Period(
        wall_time(f"{name}.start", value["start"], end=False),
        wall_time(f"{name}.end", value["end"], end=True),
    )
    if period.start > period.end:
        raise QueryError.invalid(f"{name}.start", value["start"], f"is after the end {value['end']!r}")
    return period


def _choice(name: str, value: object, allowed: Sequence[str]) -> str:
    if not isinstance(value, str):
        raise QueryError.wrong_type(name, value, "text")
    if value not in allowed:
        raise QueryError.not_allowed(name, value, allowed)
    return value


def _texts(name: str, value: object) -> tuple[str, ...]:
    if (
        isinstance(value, str)
        or not isinstance(value, Sequence)
        or not all(isinstance(v, str) for v in value)
    ):
        raise QueryError.wrong_type(name, value, "a list of texts")
    return tuple(dict.fromkeys(value))


def _group_by(name: str, value: object) -> tuple[str, ...]:
    chosen = _texts(name, value)
    for group in chosen:
        _choice(name, group, GROUPS)
    times = [g for g in chosen if g in TIME_GROUPS]
    if len(times) > 1:
        raise QueryError.invalid(name, value, "has more than one of year, month and date")
    return tuple(g for g in GROUPS if g in chosen)


def _zone(name: str, value: object) -> str:
    if isinstance(value, str) and is_time_zone(value):
        return value
    return _choice(name, value, time_zones())


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise QueryError.wrong_type(name, value, "true or false")
    return value


def _currency(name: str, value: object) -> str:
    if not isinstance(value, str) or not _CURRENCY.fullmatch(value):
        raise QueryError.wrong_type(name, value, "an ISO 4217 code of three capital letters, such as USD")
    return value


def _months(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise QueryError.wrong_type(name, value, "a whole number of months")
    if value not in ACTIVE_DURATIONS:
        raise QueryError.invalid(name, value, "is not between 1 and 120 months")
    return value


CHECKS: dict[str, Callable[[str, object], Any]] = {
    "interval": _interval,
    "timezone": _zone,
    "client_type": lambda name, value: _choice(name, value, (*CLIENT_TYPES, "all")),
    "client_tags": _texts,
    "tags_match": lambda name, value: _choice(name, value, ("any", "all")),
    "company": _texts,
    "include_descendants": _flag,
    "owner_user": _texts,
    "package": _texts,
    "group_by": _group_by,
    "currency": _currency,
    "active_duration": _months,
}
