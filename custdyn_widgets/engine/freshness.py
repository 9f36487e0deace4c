"""Detection of data that ends before the report does, which makes its figures too low."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from custdyn_widgets.engine.cells.pieces import first_row_at
from custdyn_widgets.mart import OpenedMart
from custdyn_widgets.query import ResolvedInterval
from custdyn_widgets.report import format_instant
from custdyn_widgets.text import format_instant_utc

_HOUR_S, _DAY_S = 3_600, 86_400
_FEWEST_DAYS = 7  # with transactions, before a pause can be called unusual
_AT_ONCE = 1 << 20  # rows, so that little memory is needed


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
            f"The data is as of {_clock(mart.data_as_of, zone)}, before the report's end "
            f"{_clock(end, zone)}: what happened in between is missing."
        )
    times = mart.facts.time
    written = interval.as_of if mart.data_as_of is None else min(interval.as_of, mart.data_as_of + 1)
    ends = first_row_at(mart.facts, np.arange(mart.facts.client_count), written)
    ends = ends[ends > mart.facts.offset[:-1]]
    last = int(times[ends - 1].max()) if len(ends) else end
    if end - last > _DAY_S and (longest := _longest_pause(times, last)) and end - last > longest + _DAY_S:
        days = (end - last) // _DAY_S
        yield (
            f"The last transaction of the data is from {_clock(last, zone)}, {days:,} "
            f"day{'' if days == 1 else 's'} before the report's end {_clock(end, zone)}, and there has never "
            "been such a long pause: check that the data is complete."
        )


def _longest_pause(times: npt.NDArray[np.integer], last: int) -> int:
    """Return the longest pause between days with transactions up to `last`, in seconds; 0 for few days."""
    first = int(times.min()) // _DAY_S
    has_any = np.zeros(last // _DAY_S - first + 1, dtype=bool)
    for start in range(0, len(times), _AT_ONCE):
        some = times[start : start + _AT_ONCE]
        has_any[some[some <= last] // _DAY_S - first] = True
    days = np.flatnonzero(has_any)
    return int(np.diff(days).max()) * _DAY_S if len(days) >= _FEWEST_DAYS else 0


def _clock(instant: int, zone: str) -> str:
    return format_instant(format_instant_utc(instant), zone)
