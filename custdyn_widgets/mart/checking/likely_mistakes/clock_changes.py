"""Find evidence, around clock changes, that the times in a ledger are local times rather than UTC.

Local times never fall in an hour that clocks skip. Events at a fixed time in UTC, such as a bill run, move by
an hour in local time, as the clocks do. (Events at a fixed local time move the other way in UTC.)
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt

from custdyn_widgets.mart.checking.likely_mistakes.evidence import Evidence, day_text
from custdyn_widgets.mart.columns import Int64s

# One zone for each set of rules for clock changes.
_ZONES = (
    "Europe/Berlin", "Europe/London", "Europe/Kyiv", "Europe/Moscow", "America/New_York",
    "America/Mexico_City", "America/Havana", "America/Sao_Paulo", "America/Santiago", "America/Asuncion",
    "Asia/Jerusalem", "Asia/Beirut", "Asia/Tehran", "Africa/Cairo", "Australia/Sydney", "Pacific/Auckland",
)  # fmt: skip
_WEEK = 7 * 24  # hours
# The minimum number of transactions missing from skipped hours; a third of that for three or more such hours.
_EXPECTED = 36
_SPAN = 14  # days to compare before and after a clock change
_ROWS = 300  # the minimum number of transactions in these days
_CHANGES = 2  # the minimum number of clock changes
_REMEDY = "Convert them to UTC, or write them without an offset and set timezone."

Floats = npt.NDArray[np.float64]


def skipped_hours(evidence: Evidence) -> Iterator[str]:
    """Compare the hours that clocks skip with the same hours one and two weeks before and after."""
    found = []
    hours = evidence.hourly
    for zone, changes in _changes_in_range(evidence):
        skipped = np.array([hour for hour, direction in changes if direction > 0], np.int64)
        skipped = skipped[(skipped >= 2 * _WEEK + 1) & (skipped < len(hours) - 2 * _WEEK - 1)]
        skipped = skipped[_usual(hours, skipped) > 0]
        # In an outage, the hours before and after are empty too.
        for beside in (-1, 1):
            skipped = skipped[3 * hours[skipped + beside] >= _usual(hours, skipped + beside)]
            skipped = skipped[_usual(hours, skipped + beside) > 0]
        usual = _usual(hours, skipped)
        enough = _EXPECTED / max(min(len(skipped), 3), 1)
        if usual.sum() >= enough and 50 * hours[skipped].sum() <= usual.sum():
            found.append((float(usual.sum()), zone, int(skipped[np.argmax(usual)])))
    if found:
        expected, zone, example = max(found)
        day = day_text(evidence.range_of_days[0] + example // 24)
        yield (
            f"{evidence.file}, at: these seem to be local times in {zone} or a zone with the same clock "
            f"changes, not UTC. Almost none are in the hours that clocks skip there, such as the hour from "
            f"{example % 24:02}:00 on {day}, although about {expected:,.0f} would be expected. {_REMEDY}"
        )


def moved_hours(evidence: Evidence) -> Iterator[str]:
    """Compare the times of day in the two weeks before and after each clock change."""
    daily = evidence.hourly.reshape(-1, 24)
    found = []
    for zone, changes in _changes_in_range(evidence):
        compared = {
            change: distances
            for change in changes
            if (distances := _distances(daily, change[0] // 24, change[1])) is not None
        }
        if len(compared) < _CHANGES:
            continue
        as_before, moved = np.array(list(compared.values())).T
        if (moved < as_before).all() and 2 * moved.sum() < as_before.sum():
            found.append((float(moved.sum() / as_before.sum()), zone, list(compared)))
    if found:
        _, zone, changed = min(found, key=itemgetter(0))
        hour, direction = changed[0]
        moves = "later" if direction > 0 else "earlier"
        day = day_text(evidence.range_of_days[0] + hour // 24)
        yield (
            f"{evidence.file}, at: these seem to be local times in {zone} or a zone whose clocks change at "
            f"the same time, not UTC. From {day}, when clocks change there, times of day are an hour "
            f"{moves}; {len(changed)} clock changes show such a shift. {_REMEDY}"
        )


def _changes_in_range(evidence: Evidence) -> Iterator[tuple[str, list[tuple[int, int]]]]:
    """Yield each zone with its clock changes, as (hours since the first day of the ledger, direction)."""
    first, last = evidence.range_of_days
    if last - first < 2 * _SPAN:
        return
    years = [(datetime(1970, 1, 1) + timedelta(days=day)).year for day in (first, last)]
    for zone in _ZONES:
        changes = [(hour - first * 24, direction) for hour, direction in _clock_changes(zone, *years)]
        yield zone, [change for change in changes if 0 <= change[0] < (last - first + 1) * 24]


def _usual(hours: Int64s, places: Int64s) -> Floats:
    """Return the mean count in the same hour of the week, one and two weeks before and after.

    The largest of the four counts is ignored.
    """
    if not len(places):
        return np.zeros(0)
    beside = np.sort([hours[places + weeks * _WEEK] for weeks in (-2, -1, 1, 2)], axis=0)
    usual: Floats = beside[:3].mean(axis=0)
    return usual


def _distances(daily: Int64s, day: int, direction: int) -> tuple[float, float] | None:
    """Return how much the times of day differ before and after a change: as recorded, and shifted back.

    Return None if there are too few transactions before or after.
    """
    if day < _SPAN or day + _SPAN >= len(daily):
        return None
    before, after = daily[day - _SPAN : day].sum(axis=0), daily[day + 1 : day + 1 + _SPAN].sum(axis=0)
    if min(before.sum(), after.sum()) < _ROWS:
        return None
    before, after = before / before.sum(), after / after.sum()
    return float(np.abs(after - before).sum()), float(np.abs(after - np.roll(before, direction)).sum())


@functools.cache
def _clock_changes(zone: str, first: int, last: int) -> tuple[tuple[int, int], ...]:
    """Return a zone's one-hour clock changes from the year `first` to the year `last`.

    Each is a pair: the local hour, counted from 1970, and 1 for forward or -1 for back.
    """
    try:
        clock = ZoneInfo(zone)
    except ZoneInfoNotFoundError:  # the system's time zone database lacks the zone
        return ()

    def offset(hour: int) -> int:
        at = datetime.fromtimestamp(hour * 3600, UTC).astimezone(clock)
        return int((at.utcoffset() or timedelta()).total_seconds())

    months = [
        int(datetime(year, month, 1, tzinfo=UTC).timestamp()) // 3600
        for year in range(first, last + 1)
        for month in range(1, 13)
    ]
    found: list[tuple[int, int]] = []
    for low, high in itertools.pairwise(months):
        before, after = offset(low), offset(high)
        if abs(after - before) != 3600 or before % 3600:
            continue
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if offset(middle) == before else (low, middle)
        found.append((high + before // 3600, 1 if after > before else -1))
    return tuple(found)
