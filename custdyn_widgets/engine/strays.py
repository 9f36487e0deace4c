"""Days with transactions, and the stray transactions before and after the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custdyn_widgets.mart import Int64s

DAY_S = 86_400
MOST_STRAYS = 3  # the maximum number of stray days at either end, and of stray transactions at the end
# At most one in `_DAYS_PER_STRAY` days has strays. The gap next to them is more than `_APART` times as long
# as any gap between the other days.
_DAYS_PER_STRAY, _APART = 10, 2
_RECENT_DAYS = 28  # days with transactions, from which the usual number is estimated
_STRAY_SHARE = 0.1  # the maximum share of the usual number of transactions that may be strays


@dataclass(frozen=True, eq=False)
class Daily:
    """The days with transactions, counted from 1970, and the number of transactions on each day."""

    days: Int64s
    rows: Int64s

    @classmethod
    def of(cls, parts: Iterable[npt.NDArray[np.integer]]) -> Daily:
        """Count the transactions on each day, given arrays of their times."""
        return cls.joined([_counted(times) for times in parts])

    @classmethod
    def joined(cls, several: Sequence[Daily]) -> Daily:
        """Add up the transactions of several parts of a ledger."""
        none = np.zeros(0, np.int64)
        days, place = np.unique(np.concatenate([none, *(one.days for one in several)]), return_inverse=True)
        rows = np.concatenate([none, *(one.rows for one in several)])
        return cls(days, np.bincount(place, rows, len(days)).astype(np.int64))

    def __len__(self) -> int:
        return len(self.days)

    def part(self, begin: int, end: int) -> Daily:
        """Return the days at the positions `begin:end`."""
        return Daily(self.days[begin:end], self.rows[begin:end])

    def longest_pause(self, few: int = 0) -> int:
        """Return the longest time in seconds between two days with at most `few` transactions in between."""
        if not len(self):
            return 0
        before = np.cumsum(self.rows)
        after = np.searchsorted(before, before + few, side="right")
        return int((self.days[np.minimum(after, len(self) - 1)] - self.days).max()) * DAY_S

    def usual(self) -> float:
        """Return the usual number of transactions per day, judging by the most recent days."""
        rows, days = self.rows[-_RECENT_DAYS:], self.days[-_RECENT_DAYS:]
        return min(float(np.median(rows)), int(rows.sum()) / int(days[-1] - days[0] + 1))


def _counted(times: npt.NDArray[np.integer]) -> Daily:
    if not len(times):
        return Daily(np.zeros(0, np.int64), np.zeros(0, np.int64))
    days = (times // DAY_S).astype(np.int64)
    first = int(days.min())
    rows = np.bincount(days - first)
    found = np.flatnonzero(rows)
    return Daily(found + first, rows[found])


def without_strays(daily: Daily) -> Daily:
    """Return the days, except for a few at either end that a long gap sets apart."""
    most = _most_days(daily)
    if not most:
        return daily
    gaps = np.diff(daily.days)
    is_long = gaps > _APART * gaps[most:-most].max()
    before, after = np.flatnonzero(is_long[:most]), np.flatnonzero(is_long[-most:])
    begin = int(before[-1]) + 1 if len(before) else 0
    return daily.part(begin, len(daily) - most + int(after[0]) if len(after) else len(daily))


def possible_strays(daily: Daily) -> list[int]:
    """Return how many days at the end may have only strays: each possible number, largest first.

    There are few transactions on these days, and none on the day before them.
    """
    return [
        count
        for count in range(_most_days(daily), 0, -1)
        if daily.rows[-count:].sum() <= MOST_STRAYS and daily.days[-count] - daily.days[-count - 1] > 1
    ]


def are_few(count: int, seconds: int, usual: float) -> bool:
    """Return whether a transaction count is far below what is usual in a period of this length.

    For a period of less than a day, this is always False, because most transactions may occur at other hours.
    """
    return seconds >= DAY_S and count * DAY_S <= _STRAY_SHARE * usual * seconds


def _most_days(daily: Daily) -> int:
    return min(MOST_STRAYS, len(daily) // _DAYS_PER_STRAY)
