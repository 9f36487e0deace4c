"""Read stored columns into exact arrays, and give a reason for every value that cannot be read.

Each function takes a column as a pyarrow array, and returns its values, in a NumPy array or a list of the
same length, and its faults, as a dict from position to kind. Slices without faults are read with Arrow's
casts; other slices are read value by value to find each fault.

A blank (null or empty text) is not a fault here and becomes a filler value; the caller decides whether blanks
are allowed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from custdyn_widgets.mart.arrow_arrays import from_bools, scalar, to_bools, to_numpy
from custdyn_widgets.mart.checking.epochs import not_a_time, outside_calendar
from custdyn_widgets.mart.checking.fault_kinds import (
    INFINITE_TIME,
    NOT_A_DATE,
    NOT_A_TIME,
    OUTSIDE_CALENDAR,
)
from custdyn_widgets.mart.checking.faults import FaultKind
from custdyn_widgets.mart.checking.local_times import to_utc
from custdyn_widgets.mart.columns import Bools, Int64s, is_text

Faults = dict[int, FaultKind]

MICROS = 1_000_000
DAY = 86_400 * MICROS
_SLICE = 4096
_PER_SECOND = {"s": 1, "ms": 1000, "us": MICROS}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_LAST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_DATE_THEN_TIME = re.compile(r"\d{4}-?(\d{2}-?\d{2}|W\d{2}(-?\d)?)([T ].+)?", re.ASCII)
_INFINITE = 2**63 - 1  # infinity in DuckDB, and the latest time in pandas; the negative is the earliest time
_INSTANTS = pa.timestamp("us", "UTC")


def times(column: pa.Array, blank: Bools, zone: str = "UTC") -> tuple[Int64s, Faults]:
    """Return times as microseconds since 1970 in UTC, truncating finer fractions.

    Accept text, timestamps and dates; values without an offset are local times in `zone`.
    """
    kind = column.type
    is_date = pa.types.is_date(kind)
    if pa.types.is_date64(kind):  # a cast fails unless every value is a whole day
        column, kind = column.view(pa.timestamp("ms")), pa.timestamp("ms")
    elif is_date:
        column, kind = column.cast(pa.timestamp("s")), pa.timestamp("s")
    if pa.types.is_timestamp(kind):  # stored as units since 1970 in UTC, whatever its zone
        units = _filled(column)
        micros, faults = _in_micros(units, kind.unit)
        if kind.unit in _PER_SECOND and not is_date:
            faults = {i: outside_calendar(int(units[i]) / _PER_SECOND[kind.unit]) for i in faults}
        if kind.tz is None and zone != "UTC":
            micros, outside = _in_micros(to_utc(micros, zone), "us")
            faults |= outside
        return micros, faults
    if not is_text(kind):
        return _no_times(column, blank)
    by_arrow, by_value = partial(_times_by_arrow, zone=zone), partial(_read_time, zone=ZoneInfo(zone))
    micros, faults = by_slices(column, blank, by_arrow, by_value)
    micros, outside = _in_micros(micros, "us")
    return micros, faults | outside


def _in_micros(units: Int64s, unit: str) -> tuple[Int64s, Faults]:
    """Return times in microseconds; times outside the years 1 to 9999 are faults."""
    if unit == "ns":  # int64 nanoseconds cover only 1677 to 2262
        infinite = np.flatnonzero((units == _INFINITE) | (units == -_INFINITE))
        return units // 1000, dict.fromkeys(infinite.tolist(), INFINITE_TIME)
    scale = {"us": 1, "ms": 1000, "s": MICROS}[unit]
    first, last = _FIRST // scale, _LAST // scale
    faults: Faults = {}
    if units.min(initial=first) < first or units.max(initial=last) > last:
        outside = np.flatnonzero((units < first) | (units > last))
        units = units.copy()
        units[outside] = 0
        faults = dict.fromkeys(outside.tolist(), OUTSIDE_CALENDAR)
    return units if scale == 1 else units * scale, faults


def dates(column: pa.Array, blank: Bools) -> tuple[Int64s, Faults]:
    """Return dates as days since 1970; accept text `YYYY-MM-DD`, dates, and timestamps (in UTC).

    The source's time zone does not affect dates.
    """
    micros, faults = times(column, blank)
    return micros // DAY, dict.fromkeys(faults, NOT_A_DATE)


def wrong_type(column: pa.Array, blank: Bools, why: FaultKind) -> tuple[Int64s, Faults]:
    """Return zeros, and a fault for every value, for a column of an unsupported type."""
    return np.zeros(len(column), np.int64), {int(i): why for i in np.flatnonzero(~blank)}


def _no_times(column: pa.Array, blank: Bools) -> tuple[Int64s, Faults]:
    """Return zeros, and a fault for every value, for a column that contains neither text nor times."""
    kind = column.type
    zeros, faults = wrong_type(column, blank, NOT_A_TIME)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        numbers = to_numpy(column.cast(pa.float64(), safe=False)).tolist()
        faults = {i: not_a_time(numbers[i]) for i in faults}
    return zeros, faults


def _filled(column: pa.Array) -> Int64s:
    """Return a timestamp or integer array as int64, with 0 for nulls."""
    integers = column.cast(pa.int64()) if not pa.types.is_int64(column.type) else column
    integers = pc.fill_null(integers, scalar(0, pa.int64())) if integers.null_count else integers
    return to_numpy(integers)


def by_slices(
    column: pa.Array,
    blank: Bools,
    read_slice: Callable[[pa.Array], Int64s],
    read_value: Callable[[Any], int | FaultKind],
) -> tuple[Int64s, Faults]:
    """Read a column in one step; if that fails, read it in slices, and failing slices value by value."""
    if blank.any():
        column = pc.if_else(from_bools(blank), scalar(None, column.type), column)
    try:
        return read_slice(column), {}
    except (pa.ArrowInvalid, OverflowError):
        pass
    out = np.zeros(len(column), np.int64)
    faults: Faults = {}
    for low in range(0, len(column), _SLICE):
        part = column.slice(low, _SLICE)
        try:
            out[low : low + len(part)] = read_slice(part)
        except (pa.ArrowInvalid, OverflowError):
            for i, value in enumerate(part.to_pylist(), start=low):
                read = 0 if value is None else read_value(value)
                if isinstance(read, FaultKind):
                    faults[i] = read
                else:
                    out[i] = read
    return out, faults


def _times_by_arrow(column: pa.Array, zone: str) -> Int64s:
    valid = to_bools(column.is_valid())
    first = column.slice(int(valid.argmax()) if len(valid) else 0, 1)
    try:  # try the first value: a cast that fails takes a microsecond per value
        first.cast(_INSTANTS)
    except pa.ArrowInvalid:
        return to_utc(_filled(column.cast(pa.timestamp("us"))), zone)  # fails if a value has an offset
    return _filled(column.cast(_INSTANTS))  # fails if a value has no offset


def _read_time(value: str, zone: ZoneInfo) -> int | FaultKind:
    if not _DATE_THEN_TIME.fullmatch(value):  # Python accepts any character between date and time
        return not_a_time(value)
    try:
        at = datetime.fromisoformat(value)
        at = at.replace(tzinfo=zone) if at.tzinfo is None else at
        return (at - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError):
        return NOT_A_TIME
