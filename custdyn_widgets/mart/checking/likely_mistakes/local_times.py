"""Evidence that times read as UTC are clock times of another time zone.

Three things show it: no transaction is in the hours that the clocks of a zone skip, though that hour of the
week usually has some; the last transactions are later than the file that contains them; or clients have
transactions a few hours before they were created.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt

from custdyn_widgets.mart.checking.likely_mistakes.evidence import Evidence, time_text
from custdyn_widgets.mart.checking.likely_mistakes.shifted_clients import LONG_AGO, shift_of_creations
from custdyn_widgets.mart.checking.values import DAY, MICROS
from custdyn_widgets.mart.columns import Int64s

# One zone for each rule by which clocks change.
_ZONES = (
    "Europe/London", "Europe/Berlin", "Europe/Kyiv", "Europe/Moscow", "America/New_York",
    "America/Mexico_City", "America/Havana", "America/Sao_Paulo", "America/Santiago", "America/Asuncion",
    "Asia/Jerusalem", "Asia/Beirut", "Asia/Tehran", "Africa/Cairo", "Australia/Sydney", "Pacific/Auckland",
)  # fmt: skip
_HOUR = 3600 * MICROS
_WEEK = 7 * 24  # hours
_EXPECTED = 36  # transactions that must be missing from a skipped hour; from three of them, a third of that
_OFFSETS = 14 * _HOUR  # no zone is further from UTC
_MOMENT = 15 * 60 * MICROS
_FEW_ROWS, _FEW_CLIENTS = 3, 10

Floats = npt.NDArray[np.float64]


def why_local(evidence: Evidence) -> str:
    """Return a sentence on why the transactions' times seem to be local times; empty if they do not."""
    return next((why for find in (_skipped_hours, _future, _early) for why in find(evidence)), "")


def _skipped_hours(evidence: Evidence) -> Iterator[str]:
    """Compare the hours that clocks skip with the same hour one and two weeks before and after."""
    first, last = evidence.range_of_days
    if last - first < 28:
        return
    hour = evidence.hours - np.int32(first * 24)
    length = (last - first + 1) * 24
    if hour.min() < 0 or hour.max() >= length:
        hour = hour[(hour >= 0) & (hour < length)]
    hours = np.bincount(hour, minlength=length)
    years = [(datetime(1970, 1, 1) + timedelta(days=day)).year for day in (first, last)]
    found = []
    for zone in _ZONES:
        skipped = np.array(_skips(zone, *years), np.int64) - first * 24
        skipped = skipped[(skipped >= 2 * _WEEK + 1) & (skipped < length - 2 * _WEEK - 1)]
        skipped = skipped[_usual(hours, skipped) > 0]
        # Around an outage, the hours before and after it are empty too.
        for beside in (-1, 1):
            skipped = skipped[3 * hours[skipped + beside] >= _usual(hours, skipped + beside)]
            skipped = skipped[_usual(hours, skipped + beside) > 0]
        usual = _usual(hours, skipped)
        enough = _EXPECTED / max(min(len(skipped), 3), 1)
        if usual.sum() >= enough and 50 * hours[skipped].sum() <= usual.sum():
            found.append((float(usual.sum()), zone, int(skipped[np.argmax(usual)])))
    if found:
        expected, zone, example = max(found)
        begin = (example + first * 24) * _HOUR
        yield (
            f"{evidence.file}, at: these seem to be clock times of {zone} or a zone with the "
            f"same clock changes, not UTC: almost none is in the hours that these clocks skip, such as the "
            f"one from {time_text(begin)[:16]}, where about {expected:,.0f} were to be expected. Convert "
            "them to UTC, or write them without an offset and set timezone."
        )


def _usual(hours: Int64s, places: Int64s) -> Floats:
    """Return the mean number in the same hour of the week, one and two weeks before and after.

    The largest of the four is left out.
    """
    if not len(places):
        return np.zeros(0)
    beside = np.sort([hours[places + weeks * _WEEK] for weeks in (-2, -1, 1, 2)], axis=0)
    usual: Floats = beside[:3].mean(axis=0)
    return usual


@functools.cache
def _skips(zone: str, first: int, last: int) -> tuple[int, ...]:
    """Return the clock hours that a zone skips in some years, as hours since 1970."""
    try:
        clock = ZoneInfo(zone)
    except ZoneInfoNotFoundError:  # the system's database is older
        return ()

    def offset(hour: int) -> int:
        at = datetime.fromtimestamp(hour * 3600, UTC).astimezone(clock)
        return int((at.utcoffset() or timedelta()).total_seconds())

    months = [
        int(datetime(year, month, 1, tzinfo=UTC).timestamp()) // 3600
        for year in range(first, last + 1)
        for month in range(1, 13)
    ]
    found: list[int] = []
    for low, high in itertools.pairwise(months):
        before, after = offset(low), offset(high)
        if after - before != 3600 or before % 3600:
            continue
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if offset(middle) == before else (low, middle)
        found.append(high + before // 3600)
    return tuple(found)


def _future(evidence: Evidence) -> Iterator[str]:
    """Compare the last transactions with the time at which the file was written."""
    written = int(evidence.written * MICROS)
    if not len(evidence.rows) or evidence.rows.at.max() <= written:
        return
    ahead = evidence.rows.at - written
    late = ahead > 60 * MICROS
    # Rows that stand for a day, such as summaries at 23:59:59, are at one time.
    if len(np.unique(ahead[late] // MICROS)) < _FEW_ROWS or ahead.max() > _OFFSETS:
        return
    yield (
        f"{evidence.file}, at: these may be local times and not UTC: {late.sum():,} transactions are "
        f"up to {_hours(int(ahead.max()))} later than the file itself, the last at "
        f"{time_text(evidence.rows.at.max())}. Convert them to UTC, or write them without an offset and set "
        "timezone."
    )


def _early(evidence: Evidence) -> Iterator[str]:
    """Compare the first transactions of clients with the time of their creation."""
    rows, clients = evidence.rows, evidence.clients
    created = np.where(clients.blank["created_at"], LONG_AGO, clients.columns["created_at"])
    # A fee of the first minute may well be older than the account, and a mere date is that of its midnight.
    early = np.flatnonzero(rows.at < (created - _MOMENT).take(rows.client))
    if len(np.unique(rows.at[early] % DAY)) < _FEW_CLIENTS:
        return
    ahead = created[rows.client[early]] - rows.at[early]
    far = len(np.unique(rows.client[early[ahead > _OFFSETS]]))
    count = len(np.unique(rows.client[early])) - far
    if count < _FEW_CLIENTS or count < 10 * far or 20 * count < len(clients) or shift_of_creations(evidence):
        return
    first = evidence.number(int(early[0]))
    yield (
        f"{evidence.file}, at: these may be local times and not UTC, or created_at may be: "
        f"{count:,} clients have transactions up to {_hours(int(ahead[ahead <= _OFFSETS].max()))} before "
        f"they were created, the first in row {first}. Convert both to UTC."
    )


def _hours(micros: int) -> str:
    minutes = -(-micros // (60 * MICROS))
    return f"{minutes // 60} h {minutes % 60:02} min"
