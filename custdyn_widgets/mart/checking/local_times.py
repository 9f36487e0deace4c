"""Convert whole columns of local times to UTC, with the same results as Python's `fold=0`.

If clocks repeat an hour, a time in it refers to the first occurrence. If clocks skip an hour, a time in it is
read with the offset before the change. `zoneinfo` is called once for each day of the years in the data; the
offsets of individual times are then looked up in a table.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from custdyn_widgets.mart.columns import Int64s

_MICROS = 1_000_000
_SECOND = timedelta(seconds=1)
_EPOCH = datetime(1970, 1, 1)


def to_utc(walls: Int64s, zone: str) -> Int64s:
    """Convert local times in a zone to UTC, both in microseconds since 1970.

    The times must be in the years 1 to 9999; results may be slightly outside these years.
    """
    if zone == "UTC" or not len(walls):
        return walls
    seconds = walls // _MICROS
    years = np.unique(seconds.astype("datetime64[s]").astype("datetime64[Y]").astype(np.int64)) + 1970
    tables = [_offsets_of_year(zone, year) for year in years.tolist()]
    starts = np.concatenate([starts for starts, _ in tables])
    offsets = np.concatenate([offsets for _, offsets in tables])
    places = np.searchsorted(starts, seconds, side="right") - 1
    shifted: Int64s = walls - offsets.take(places) * _MICROS
    return shifted


@functools.lru_cache(maxsize=1024)
def _offsets_of_year(zone: str, year: int) -> tuple[Int64s, Int64s]:
    """Return the local times at which offsets take effect, in seconds since 1970, and the offsets in seconds.

    At most one change per day is found, which is enough: no zone has changes less than six days apart.
    """
    clock = ZoneInfo(zone)

    def offset(wall: datetime) -> timedelta:
        found = wall.replace(tzinfo=clock).utcoffset()
        assert found is not None
        return found

    first, last = datetime(year, 1, 1), datetime(year, 12, 31, 23, 59, 59)
    starts, offsets = [first], [offset(first)]
    low = first
    while low < last:
        high = low + timedelta(days=1) if low.date() < last.date() else last
        if offset(high) != offsets[-1]:
            starts.append(_change(low, high, offset))
            offsets.append(offset(high))
        low = high
    return (
        np.array([(start - _EPOCH) // _SECOND for start in starts], np.int64),
        np.array([found // _SECOND for found in offsets], np.int64),
    )


def _change(low: datetime, high: datetime, offset: Callable[[datetime], timedelta]) -> datetime:
    """Return the first second between two times at which the offset has changed."""
    before = offset(low)
    while high - low > _SECOND:
        middle = low + (high - low) // 2 // _SECOND * _SECOND
        low, high = (middle, high) if offset(middle) == before else (low, middle)
    return high
