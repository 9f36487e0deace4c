"""Detection of data that ends before the report does, which makes its figures too low."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from custdyn_widgets.engine.cells.pieces import first_row_at
from custdyn_widgets.mart import Facts, FlowClass, OpenedMart
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

    While an interval is still running, the data may be slightly older than the report: by up to an hour if
    the rows are days, otherwise by up to a day, but not older than the interval's start. A transaction dated
    after the data was written does not show that the data is complete.

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
            f"{_clock(end, zone)}: what happened in between is missing."
        )
    times = mart.facts.time
    written = interval.as_of if mart.data_as_of is None else min(interval.as_of, mart.data_as_of + 1)
    ends = first_row_at(mart.facts, np.arange(mart.facts.client_count), written)
    ends = ends[ends > mart.facts.offset[:-1]]
    last = int(times[ends - 1].max()) if len(ends) else end
    if end - last > _DAY_S and (longest := _longest_pause(times, last)) and end - last > longest + _DAY_S:
        yield _pause_warning("The last transaction of the data", last, end, zone)
        return
    for kind, last_of_kind in _kinds_that_stopped(mart.facts, min(end, written), written):
        yield _pause_warning(f"The last transaction of kind {kind}", last_of_kind, end, zone)


def _pause_warning(what: str, last: int, end: int, zone: str) -> str:
    days = (end - last) // _DAY_S
    return (
        f"{what} is from {_clock(last, zone)}, {days:,} day{'' if days == 1 else 's'} before the report's "
        f"end at {_clock(end, zone)}, and no earlier pause was this long: check that the data is "
        "complete."
    )


def _kinds_that_stopped(facts: Facts, end: int, written: int) -> Iterator[tuple[str, int]]:
    """Yield each kind of use that occurred on nearly every day until it stopped, with its last time.

    A kind that still occurs on the last day before `end` or later is skipped, often without reading all rows.
    """
    going = np.zeros(len(_USES) + 1, dtype=bool)
    exists = going.copy()
    for times, use in _parts(facts):
        recent = use[(times >= end - _DAY_S) & (times < written)]
        going |= np.bincount(recent, minlength=len(going)) > 0
        exists |= np.bincount(use, minlength=len(going)) > 0
        if going[1:].all():
            return
    for place, kind in enumerate(_USES, 1):
        if going[place] or not exists[place]:
            continue
        times = np.concatenate([times[(use == place) & (times < end)] for times, use in _parts(facts)])
        if not len(times):
            continue
        day = times // _DAY_S
        days = np.flatnonzero(np.bincount(day - day.min()))
        if len(days) < max(_MIN_DAYS_OF_USE, _NEARLY_EVERY * (int(days[-1]) + 1)):
            continue
        last, longest = int(times.max()), int(np.diff(days).max()) * _DAY_S
        if end - last > longest + _DAY_S:
            yield kind, last


def _parts(facts: Facts) -> Iterator[tuple[npt.NDArray[np.integer], npt.NDArray[np.uint8]]]:
    """Yield the times of rows and the positions of their kinds of use, in parts."""
    for start in range(0, len(facts.time), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        yield facts.time[part], _USE_OF_CLASS[facts.flow[part]]


def _longest_pause(times: npt.NDArray[np.integer], last: int) -> int:
    """Return the longest pause in seconds between days with transactions up to `last`; 0 for too few days."""
    first = int(times.min()) // _DAY_S
    has_any = np.zeros(last // _DAY_S - first + 1, dtype=bool)
    for start in range(0, len(times), _ROWS_AT_ONCE):
        some = times[start : start + _ROWS_AT_ONCE]
        has_any[some[some <= last] // _DAY_S - first] = True
    days = np.flatnonzero(has_any)
    return int(np.diff(days).max()) * _DAY_S if len(days) >= _MIN_DAYS else 0


def _clock(instant: int, zone: str) -> str:
    return format_instant(format_instant_utc(instant), zone)
