"""Detecting data that ends before the report does, which makes its figures too low."""

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

    Until the interval ends, the data is allowed to lag behind the report: by up to an hour if the rows are
    days, otherwise by up to a day or the length of the interval so far, whichever is less. A transaction
    dated after the data was written does not show that the data is complete.

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
        longest = _longest_pause(_union([days for _, days in parts]))
        if longest and end - last > longest + _DAY_S:
            yield _pause_warning("The last transaction of the data", last, end, zone)
            return
    for kind, last_of_kind in _kinds_that_stopped(facts, min(end, written), [own for _, own in recent]):
        yield _pause_warning(f"The last transaction of kind {kind}", last_of_kind, end, zone)


def _pause_warning(what: str, last: int, end: int, zone: str) -> str:
    days = (end - last) // _DAY_S
    return (
        f"{what} is from {_clock(last, zone)}, {days:,} day{'' if days == 1 else 's'} before the report's "
        f"end at {_clock(end, zone)}, and no earlier pause was this long. Check that the data is "
        "complete."
    )


@dataclass(frozen=True)
class _RecentUses:
    """The kinds of use in the day before a report's end, and the last transaction.

    `last` is the time of the last transaction before the data was written, if there is one. `going` and
    `exists` say for each kind of use whether it occurs on that day, and whether it occurs at all. `exists`
    may be incomplete if every kind occurs on that day.
    """

    last: int | None
    going: Bools
    exists: Bools


def _recent_uses(facts: Facts, clients: Int64s, *, end: int, written: int) -> _RecentUses:
    ends = first_row_at(facts, clients, written)
    ends = ends[ends > facts.offset[clients]]
    last = int(facts.time[ends - 1].max()) if len(ends) else None
    going = np.zeros(len(_USES) + 1, dtype=bool)
    exists = going.copy()
    for times, use in _parts(facts):
        recent = use[(times >= end - _DAY_S) & (times < written)]
        going |= np.bincount(recent, minlength=len(going)) > 0
        exists |= np.bincount(use, minlength=len(going)) > 0
        if going[1:].all():
            break
    return _RecentUses(last, going, exists)


def _kinds_that_stopped(facts: Facts, end: int, recent: Sequence[_RecentUses]) -> Iterator[tuple[str, int]]:
    """Yield each kind of use that occurred on nearly every day until it stopped, with its last time.

    A kind that still occurs on the last day before `end` or later is skipped, often without reading all rows.
    """
    going = np.logical_or.reduce([own.going for own in recent])
    exists = np.logical_or.reduce([own.exists for own in recent])
    stopped = [place for place in range(1, len(_USES) + 1) if exists[place] and not going[place]]
    if not stopped:
        return
    work = partial(_days_of_uses, places=stopped, end=end)
    found = [own for _, own in facts.each(work, np.arange(facts.client_count))]
    for place in stopped:
        days = _union([own[place][0] for own in found])
        if len(days) < _MIN_DAYS_OF_USE or len(days) < _NEARLY_EVERY * int(days[-1] - days[0] + 1):
            continue
        last, longest = max(own[place][1] for own in found), int(np.diff(days).max()) * _DAY_S
        if end - last > longest + _DAY_S:
            yield list(_USES)[place - 1], last


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
    """Return the longest pause in seconds between days with transactions; 0 for too few days."""
    return int(np.diff(days).max()) * _DAY_S if len(days) >= _MIN_DAYS else 0


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
