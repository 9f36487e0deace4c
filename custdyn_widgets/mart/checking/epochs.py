"""Numbers that represent times: seconds or smaller units since 1970, or spreadsheet day numbers."""

from __future__ import annotations

import re

from custdyn_widgets.mart.checking import fault_kinds
from custdyn_widgets.mart.checking.faults import FaultKind

_NUMBER = re.compile(r"\d{5,19}(\.\d*)?|\d(\.\d+)?[eE]\+?\d\d?", re.ASCII)
_YEARS = (946_684_800, 2_208_988_800)  # 2000 to 2039, in seconds since 1970
_UNITS = (
    (1, fault_kinds.EPOCH_SECONDS),
    (10**3, fault_kinds.EPOCH_MILLISECONDS),
    (10**6, fault_kinds.EPOCH_MICROSECONDS),
    (10**9, fault_kinds.EPOCH_NANOSECONDS),
)
_SPREADSHEET = (36_526, 51_136)  # the same years, in days since 1899-12-30


def not_a_time(value: object) -> FaultKind:
    """Return the kind of fault for a value that is not a time, naming the likely unit if it is a number."""
    if isinstance(value, str):
        value = float(value) if _NUMBER.fullmatch(value) else None
    return number_as_time(value) if isinstance(value, (int, float)) else fault_kinds.NOT_A_TIME


def number_as_time(value: float) -> FaultKind:
    """Return the kind of fault for a number, naming any unit that makes it a time from 2000 to 2039."""
    if _SPREADSHEET[0] <= value < _SPREADSHEET[1]:
        return fault_kinds.SPREADSHEET_DAYS
    return next((kind for unit, kind in _UNITS if _is_recent(value / unit)), fault_kinds.NOT_A_TIME)


def outside_calendar(seconds: float) -> FaultKind:
    """Return the kind of fault for a time in seconds since 1970 that is outside the years 1 to 9999."""
    in_larger_unit = any(_is_recent(seconds / unit) for unit, _ in _UNITS)
    return fault_kinds.LARGER_UNIT if in_larger_unit else fault_kinds.OUTSIDE_CALENDAR


def _is_recent(seconds: float) -> bool:
    return _YEARS[0] <= seconds < _YEARS[1]
