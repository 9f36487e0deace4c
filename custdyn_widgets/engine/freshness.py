"""Detection of data that ends before the report does, which makes the report's figures too low."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from custdyn_widgets.engine.cells.pieces import first_row_at
from custdyn_widgets.mart import Bools, Facts, FlowClass, Int64s, OpenedMart
from custdyn_widgets.query import ResolvedInterval
from custdyn_widgets.report import format_instant
from custdyn_widgets.text import format_instant_utc

_HOUR_S, _DAY_S = 3_600, 86_400
_MIN_DAYS = 7  # with transactions on fewer days, no pause counts as unusual
_MIN_DAYS_OF_USE, _NEARLY_EVERY = 28, 0.9  # the minimum number and share of days with a kind of use
# At either end of the data, up to `_MOST_STRAYS` days, but at most one in `_DAYS_PER_STRAY`, are strays if
# they are set apart by a pause more than `_APART` times as long as any pause between the other days.
_MOST_STRAYS, _DAYS_PER_STRAY, _APART = 3, 10, 2
_FEW_ROWS, _FIRST_ROWS = 1 << 16, 1 << 20  # usually enough to find every kind of use on a day
_ROWS_AT_ONCE = 1 << 20  # limits the memory needed
_C = FlowClass
_USES = {
    "usage": (_C.USAGE_PAID, _C.USAGE_NOT_PAID),
    "package_activation": (_C.ACTIVATION_PAID, _C.ACTIVATION_FREE, _C.ACTIVATION_REVERSED),
    "package_renewal": (_C.RENEWAL_PAID, _C.RENEWAL_FREE, _C.RENEWAL_REVERSED),
}
# 0 for none, otherwise the position in `_USES`, counted from 1
_USE_OF_CLASS = np.zeros(len(FlowClass), np.uint8)
for _place, _classes in enumerate(_USES.values(), 1):
    _USE_OF_CLASS[list(_classes)] = _place


def data_gaps(mart: OpenedMart, interval: ResolvedInterval, time_group: str | None) -> Iterator[str]:
    """Yield a sentence for each sign that the data ends before the report does.

    Until the interval ends, the data is allowed to lag behind the report: by up to an hour if each row is a
    day, otherwise by up to a day or the length of the interval so far, whichever is less. A transaction
    dated after the data was written does not show that the data is complete.

    The time from the last transaction to the report's end is compared with the longest earlier pause. Pauses
    next to stray transactions are ignored. Transactions at the beginning or end of the data are strays if
    they are on no more than three days, and on no more than a tenth of all days with transactions, and are
    set apart by a pause more than twice as long as any pause between the other days. Without this rule, a
    single test call made long before all other transactions could hide the fact that the data ends early.

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
    tolerance = _HOUR_S if time_group == "date" else min(_DAY_S, end - interval.start)
    tolerance = tolerance if is_running else 0
    if mart.data_as_of is not None and mart.data_as_of + tolerance < end:
        yield (
            f"The data is as of {_clock(mart.data_as_of, zone)}, before the report's end at "
            f"{_clock(end, zone)}. Transactions between these times are missing."
        )
    facts, everyone = mart.facts, np.arange(mart.facts.client_count)
    written = interval.as_of if mart.data_as_of is None else min(interval.as_of, mart.data_as_of + 1)
    recent = facts.each(partial(_recent_uses, end=min(end, written), written=written), everyone)
    last = max((own.last for _, own in recent if own.last is not None), default=end)
    if end - last > _DAY_S:
        parts = facts.each(partial(_days_until, last=last), everyone)
        days = _union([days for _, days in parts])
        longest = _longest_pause(_without_strays(days)) if len(days) >= _MIN_DAYS else 0
        if longest and end - last > longest + _DAY_S:
            yield _pause_warning("The last transaction in the data", last, days, end, zone)
            return
    recent_uses = [own for _, own in recent]
    for kind, last_of_kind, days in _kinds_that_stopped(facts, min(end, written), recent_uses):
        yield _pause_warning(f"The last transaction of kind {kind}", last_of_kind, days, end, zone)


def _pause_warning(what: str, last: int, days: Int64s, end: int, zone: str) -> str:
    """Return the warning; it names strays only if the pause next to them is as long as the current one."""
    since = (end - last) // _DAY_S
    strays = np.setdiff1d(days, _without_strays(days))
    beside = ""
    if len(strays) and end - last <= _longest_pause(days) + _DAY_S:
        dates = ", ".join(map(str, strays.astype("datetime64[D]")))
        beside = f", except next to stray transactions (UTC date{'s' if len(strays) > 1 else ''}: {dates})"
    return (
        f"{what} is from {_clock(last, zone)}, {since:,} day{'' if since == 1 else 's'} before the report's "
        f"end at {_clock(end, zone)}, and no earlier pause was this long{beside}. Check that the data is "
        "complete."
    )


@dataclass(frozen=True)
class _RecentUses:
    """The kinds of use in the day before a report's end, and the last transaction.

    `last` is the time of the last transaction before the data was written, or None if there is none. It may
    instead be the report's end if the last transaction is too recent to matter. `going` and `exists` say for
    each kind of use whether it occurs from that day on, and whether it occurs at all.
    """

    last: int | None
    going: Bools
    exists: Bools


def _recent_uses(facts: Facts, clients: Int64s, *, end: int, written: int) -> _RecentUses:
    going = np.zeros(len(_USES), np.bool_)
    for first in range(0, _FIRST_ROWS if end < written else 0, _FEW_ROWS):
        few = slice(first, first + _FEW_ROWS)
        going |= _kinds(facts.flow[few][(facts.time[few] >= end - _DAY_S) & (facts.time[few] < written)])
        if going.all():
            return _RecentUses(end, going, going)
    exists = _kinds(np.flatnonzero(facts.flow_classes))
    begins, ends = (first_row_at(facts, clients, at) for at in (end - _DAY_S, written))
    for rows in _ranges(begins, ends):
        if (going == exists).all():
            break
        going |= _kinds(facts.flow[rows])
    ends = ends[ends > facts.offset[clients]]
    return _RecentUses(int(facts.time[ends - 1].max()) if len(ends) else None, going, exists)


def _kinds(classes: npt.NDArray[np.integer]) -> Bools:
    """Return which kinds of use occur in an array of flow classes."""
    found = np.zeros(len(_USES) + 1, dtype=bool)
    found[_USE_OF_CLASS[classes]] = True
    return found[1:]


def _ranges(begins: Int64s, ends: Int64s) -> Iterator[Int64s]:
    """Yield the integers in some ranges, a limited number at a time."""
    after = np.cumsum(ends - begins)
    for first in range(0, int(after[-1]) if len(after) else 0, _ROWS_AT_ONCE):
        places = np.arange(first, min(first + _ROWS_AT_ONCE, int(after[-1])))
        own = np.searchsorted(after, places, side="right")
        yield places + (ends - after)[own]


def _kinds_that_stopped(
    facts: Facts, end: int, recent: Sequence[_RecentUses]
) -> Iterator[tuple[str, int, Int64s]]:
    """Yield each kind of use that occurred nearly every day until it stopped, its last time and its days.

    A kind that still occurs on the last day before `end`, or after `end`, is skipped.
    """
    going = np.logical_or.reduce([own.going for own in recent])
    exists = np.logical_or.reduce([own.exists for own in recent])
    stopped = (np.flatnonzero(exists & ~going) + 1).tolist()
    if not stopped:
        return
    work = partial(_days_of_uses, places=stopped, end=end)
    found = [own for _, own in facts.each(work, np.arange(facts.client_count))]
    for place in stopped:
        every = _union([own[place][0] for own in found])
        days = _without_strays(every)
        if len(days) < _MIN_DAYS_OF_USE or len(days) < _NEARLY_EVERY * int(days[-1] - days[0] + 1):
            continue
        last = max(own[place][1] for own in found)
        if end - last > _longest_pause(days) + _DAY_S:
            yield list(_USES)[place - 1], last, every


def _days_of_uses(
    facts: Facts, _: Int64s, *, places: Sequence[int], end: int
) -> dict[int, tuple[Int64s, int]]:
    """Return the days before `end` on which each kind of use occurred, and the time of its last use."""
    found = {}
    for place in places:
        parts = [times[(use == place) & (times < end)] for times, use in _parts(facts)]
        times = np.concatenate([np.zeros(0, np.int64), *parts])
        found[place] = _days(times, end), int(times.max(initial=np.iinfo(np.int64).min))
    return found


def _parts(facts: Facts) -> Iterator[tuple[npt.NDArray[np.integer], npt.NDArray[np.uint8]]]:
    """Yield the times of rows and the positions of their kinds of use, in parts."""
    for start in range(0, len(facts.time), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        yield facts.time[part], _USE_OF_CLASS[facts.flow[part]]


def _longest_pause(days: Int64s) -> int:
    """Return the longest pause between days with transactions, in seconds."""
    return int(np.diff(days).max(initial=0)) * _DAY_S


def _without_strays(days: Int64s) -> Int64s:
    """Return the days with transactions, except for a few at either end that a long pause sets apart."""
    most = min(_MOST_STRAYS, len(days) // _DAYS_PER_STRAY)
    if not most:
        return days
    pauses = np.diff(days)
    is_long = pauses > _APART * pauses[most:-most].max()
    before, after = np.flatnonzero(is_long[:most]), np.flatnonzero(is_long[-most:])
    begin = int(before[-1]) + 1 if len(before) else 0
    return days[begin : len(days) - most + int(after[0]) if len(after) else None]


def _days_until(facts: Facts, _: Int64s, *, last: int) -> Int64s:
    return _days(facts.time, last)


def _days(times: npt.NDArray[np.integer], last: int) -> Int64s:
    """Return the days (since 1970) that contain any of the times, up to `last`."""
    first = min(int(times.min()), last) // _DAY_S if len(times) else last // _DAY_S
    has_any = np.zeros(last // _DAY_S - first + 1, dtype=bool)
    for start in range(0, len(times), _ROWS_AT_ONCE):
        some = times[start : start + _ROWS_AT_ONCE]
        has_any[some[some <= last] // _DAY_S - first] = True
    return np.flatnonzero(has_any) + first


def _union(days: Sequence[Int64s]) -> Int64s:
    return np.unique(np.concatenate(days))


def _clock(instant: int, zone: str) -> str:
    return format_instant(format_instant_utc(instant), zone)
