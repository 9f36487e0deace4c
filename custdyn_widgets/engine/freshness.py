"""Detection of data that ends before the report does, which makes the report's figures too low."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from custdyn_widgets.engine.cells.pieces import first_row_at
from custdyn_widgets.engine.strays import (
    DAY_S,
    MOST_STRAYS,
    Daily,
    are_few,
    possible_strays,
    without_strays,
)
from custdyn_widgets.mart import NEVER, Bools, Facts, FlowClass, Int64s, OpenedMart
from custdyn_widgets.query import ResolvedInterval
from custdyn_widgets.report import format_instant
from custdyn_widgets.text import format_instant_utc

_HOUR_S = 3_600
_MIN_DAYS = 7  # with transactions on fewer days, no gap counts as unusual
_MIN_DAYS_OF_USE, _NEARLY_EVERY = 28, 0.9  # the minimum number and share of days with a kind of use
_FEW_ROWS, _FIRST_ROWS = 1 << 16, 1 << 20  # usually enough to find every kind of use on a day
_ROWS_AT_ONCE = 1 << 20  # limits the memory needed
_C = FlowClass
_USES = {
    "usage": (_C.USAGE_PAID, _C.USAGE_NOT_PAID),
    "package_activation": (_C.ACTIVATION_PAID, _C.ACTIVATION_FREE, _C.ACTIVATION_REVERSED),
    "package_renewal": (_C.RENEWAL_PAID, _C.RENEWAL_FREE, _C.RENEWAL_REVERSED),
}
_ANY = 0  # any kind of transaction; other values are positions in `_USES`, counted from 1
# each class's position in `_USES`, counted from 1; `_ANY` if it has none
_USE_OF_CLASS = np.zeros(len(FlowClass), np.uint8)
for _place, _classes in enumerate(_USES.values(), 1):
    _USE_OF_CLASS[list(_classes)] = _place


def data_gaps(mart: OpenedMart, interval: ResolvedInterval, time_group: str | None) -> Iterator[str]:
    """Yield a sentence for each sign that the data ends before the report does.

    Until the interval ends, the data is allowed to lag behind the report: by up to an hour if each row is a
    day, otherwise by up to a day or the length of the interval so far, whichever is less. A transaction
    dated after the data was written does not show that the data is complete.

    The time from the last transaction to the report's end is compared with the longest earlier gap. Gaps
    next to stray transactions are ignored. Transactions at the beginning or end of the data are strays if
    they are on no more than three days, and on no more than a tenth of all days with transactions, and are
    set apart by a gap more than twice as long as any gap between the other days. Without this rule, a
    single test call made long before all other transactions could hide the fact that the data ends early.

    Up to three transactions at the end, after a day without any, are strays too if the first is at least a
    day old and they are at most a tenth of what is usual in the time since then. If so, the time from the
    transaction before them to the report's end is compared with the longest earlier period with as few.

    Parameters
    ----------
    mart
        The open source.
    interval
        The report's interval.
    time_group
        The query's grouping by time.
    """
    if interval.is_empty:
        return
    end, zone = interval.effective_end, interval.zone.key
    is_running = interval.end > interval.as_of
    tolerance = _HOUR_S if time_group == "date" else min(DAY_S, end - interval.start)
    tolerance = tolerance if is_running else 0
    if mart.data_as_of is not None and mart.data_as_of + tolerance < end:
        yield (
            f"The data is as of {_clock(mart.data_as_of, zone)}, before the report's end at "
            f"{_clock(end, zone)}. Transactions between these times are missing."
        )
    facts, everyone = mart.facts, np.arange(mart.facts.client_count)
    written = interval.as_of if mart.data_as_of is None else min(interval.as_of, mart.data_as_of + 1)
    recent = facts.each(partial(_recent_uses, end=min(end, written), written=written), everyone)
    recent_uses = [own for _, own in recent]
    last = max((own.last for own in recent_uses if own.last is not None), default=end)
    if end - last > DAY_S or sum(int(own.rows[_ANY]) for own in recent_uses) <= MOST_STRAYS:
        [daily] = _daily(facts, [_ANY], written)
        found = _ending(facts, _ANY, daily, end, written) if len(daily) >= _MIN_DAYS else None
        if found:
            yield _pause_warning("the last transaction in the data", found, end, zone)
            return
    for kind, found in _kinds_that_stopped(facts, min(end, written), written, recent_uses):
        yield _pause_warning(f"the last transaction of kind {kind}", found, end, zone)


class _Ending(NamedTuple):
    """The end of data that ends early: its last transaction and its days, without strays after it.

    `strays` and `stray_days` are the number of these strays and their days.
    """

    last: int
    daily: Daily
    strays: int
    stray_days: Int64s


def _ending(facts: Facts, place: int, daily: Daily, end: int, written: int) -> _Ending | None:
    """Return the end of the data, or of one kind of use, if it is too early; otherwise, return None."""
    if not len(daily):
        return None
    for days in [*possible_strays(daily), 0]:
        earlier, strays = daily.part(0, len(daily) - days), daily.part(len(daily) - days, len(daily))
        count = int(strays.rows.sum())
        longest = without_strays(earlier).longest_pause(count)
        if not longest or end - int(earlier.days[-1]) * DAY_S <= longest + DAY_S:
            continue
        begin = int(strays.days[0]) * DAY_S if days else written
        work = partial(_times_around, place=place, begin=begin, written=written)
        parts = [own for _, own in facts.each(work, np.arange(facts.client_count))]
        last, first = max(own[0] for own in parts), min(own[1] for own in parts)
        is_end = not days or are_few(count, written - first, earlier.usual())
        if is_end and end - last > longest + DAY_S:
            return _Ending(last, earlier, count, strays.days)
    return None


def _pause_warning(what: str, found: _Ending, end: int, zone: str) -> str:
    """Return the warning; strays at the beginning are named only if the gap after them is as long."""
    since = (end - found.last) // DAY_S
    others = np.setdiff1d(found.daily.days, without_strays(found.daily).days)
    is_beside = len(others) and end - found.last <= found.daily.longest_pause(found.strays) + DAY_S
    beside = f", except next to stray transactions {_dates(others)}" if is_beside else ""
    one = "a stray transaction" if found.strays == 1 else "stray transactions"
    begin = f"Apart from {one} {_dates(found.stray_days)}, {what}" if found.strays else f"T{what[1:]}"
    return (
        f"{begin} is from {_clock(found.last, zone)}, {since:,} day{'' if since == 1 else 's'} before the "
        f"report's end at {_clock(end, zone)}, and no earlier gap was this long{beside}. Check that the "
        "data is complete."
    )


def _dates(days: Int64s) -> str:
    dates = ", ".join(map(str, days.astype("datetime64[D]")))
    return f"(UTC date{'s' if len(days) > 1 else ''}: {dates})"


class _RecentUses(NamedTuple):
    """The transactions from one day before a report's end onward, and the last one.

    `last` is the time of the last transaction before the data was written, or None if there is none. It may
    instead be the report's end if the last transaction is too recent to matter. `rows` is the number of
    transactions of any kind and of each kind of use; numbers above `MOST_STRAYS` may be too low. `exists`
    says for each kind of use whether it occurs at all.
    """

    last: int | None
    rows: Int64s
    exists: Bools


def _recent_uses(facts: Facts, clients: Int64s, *, end: int, written: int) -> _RecentUses:
    count = np.zeros(len(_USES) + 1, np.int64)
    for first in range(0, _FIRST_ROWS if end < written else 0, _FEW_ROWS):
        few = slice(first, first + _FEW_ROWS)
        count += _counts(facts.flow[few][(facts.time[few] >= end - DAY_S) & (facts.time[few] < written)])
        if (count > MOST_STRAYS).all():
            return _RecentUses(end, count, count > 0)
    exists = _counts(np.flatnonzero(facts.flow_classes)) > 0
    begins, ends = (first_row_at(facts, clients, at) for at in (end - DAY_S, written))
    count[:] = 0
    for rows in _ranges(begins, ends):
        count += _counts(facts.flow[rows])
        if (count > MOST_STRAYS)[exists].all():
            break
    ends = ends[ends > facts.offset[clients]]
    return _RecentUses(int(facts.time[ends - 1].max()) if len(ends) else None, count, exists)


def _counts(classes: npt.NDArray[np.integer]) -> Int64s:
    """Return the number of flow classes, and how many of them are of each kind of use."""
    counts = np.bincount(_USE_OF_CLASS[classes], minlength=len(_USES) + 1)
    counts[_ANY] = len(classes)
    return counts


def _ranges(begins: Int64s, ends: Int64s) -> Iterator[Int64s]:
    """Yield the integers in some ranges, a limited number at a time."""
    after = np.cumsum(ends - begins)
    for first in range(0, int(after[-1]) if len(after) else 0, _ROWS_AT_ONCE):
        places = np.arange(first, min(first + _ROWS_AT_ONCE, int(after[-1])))
        own = np.searchsorted(after, places, side="right")
        yield places + (ends - after)[own]


def _kinds_that_stopped(
    facts: Facts, end: int, written: int, recent: Sequence[_RecentUses]
) -> Iterator[tuple[str, _Ending]]:
    """Yield each kind of use that occurred on nearly every day until it stopped, and its end.

    A kind with transactions on the last day before `end`, or later, is skipped, unless they are only strays.
    """
    exists = np.logical_or.reduce([own.exists for own in recent])
    rows = np.add.reduce([own.rows for own in recent])
    stopped = [place for place in range(1, len(_USES) + 1) if exists[place] and rows[place] <= MOST_STRAYS]
    if not stopped:
        return
    for place, daily in zip(stopped, _daily(facts, stopped, written), strict=True):
        found = _ending(facts, place, daily, end, written)
        days = without_strays(found.daily).days if found else daily.days[:0]
        if found and len(days) >= max(_MIN_DAYS_OF_USE, _NEARLY_EVERY * int(days[-1] - days[0] + 1)):
            yield list(_USES)[place - 1], found


def _daily(facts: Facts, places: Sequence[int], written: int) -> list[Daily]:
    """Return the days before the data was written that have transactions of each given kind (or of any)."""
    work = partial(_daily_of_part, places=places, written=written)
    parts = [own for _, own in facts.each(work, np.arange(facts.client_count))]
    return [Daily.joined(several) for several in zip(*parts, strict=True)]


def _daily_of_part(facts: Facts, _: Int64s, *, places: Sequence[int], written: int) -> list[Daily]:
    return [Daily.of(times[times < written] for times in _times(facts, place)) for place in places]


def _times_around(facts: Facts, _: Int64s, *, place: int, begin: int, written: int) -> tuple[int, int]:
    """Return the times of a kind's last transaction before `begin` and its first one at or after `begin`."""
    last, first = -NEVER, NEVER
    for times in _times(facts, place):
        before, later = times[times < begin], times[(times >= begin) & (times < written)]
        last = max(last, int(before.max())) if len(before) else last
        first = min(first, int(later.min())) if len(later) else first
    return last, first


def _times(facts: Facts, place: int) -> Iterator[npt.NDArray[np.integer]]:
    """Yield the times of transactions of one kind, or of any kind, in parts."""
    classes = list(_USES.values())[place - 1] if place else ()
    for start in range(0, len(facts.time), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        flow, times = facts.flow[part], facts.time[part]
        yield times[np.logical_or.reduce([flow == one for one in classes])] if classes else times


def _clock(instant: int, zone: str) -> str:
    return format_instant(format_instant_utc(instant), zone)
