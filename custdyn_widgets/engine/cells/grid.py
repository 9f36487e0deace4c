"""The rows of a report as arrays of edges, and a quick way to place instants among edges."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from custdyn_widgets.mart import Bools, Int64s, Times

_FINEST = 11  # bits: a granule of 2**11 seconds
_LARGEST = 17  # bits of the number of granules


@dataclass(frozen=True)
class Grid:
    """The rows of a report on the time line.

    Attributes
    ----------
    edges
        int64[buckets + 1], rising: the buckets, without gaps.
    windows
        int64[buckets]: the start of each bucket's window; need not rise.
    changes
        By currency code, int64, rising: the instants at which the worth of its amounts may change.
    groups
        How many rows of packages each bucket has; 1 without a package grouping.
    group_of
        int64[packages + 1]: the row of each package by code; the last entry is for no package.
    fee_counts
        bool[packages + 1]: whether fees of a package count in the Packages columns.
    """

    edges: Int64s
    windows: Int64s
    changes: tuple[Int64s, ...]
    groups: int
    group_of: Int64s
    fee_counts: Bools

    @property
    def bucket_count(self) -> int:
        """The number of buckets."""
        return len(self.windows)

    @property
    def by_package(self) -> bool:
        """Whether each bucket has rows of packages."""
        return self.groups > 1

    @property
    def needs_packages(self) -> bool:
        """Whether a transaction's package matters to any sum."""
        return self.by_package or not bool(self.fee_counts.all())


class EdgeCounter:
    """Counts the edges at or before an instant, as `numpy.searchsorted(edges, at, "right")` does.

    A table over granules of time holds the answer for all but the granules in which an edge lies; only
    their instants are searched for, which are few.
    """

    def __init__(self, edges: Int64s) -> None:
        self._edges = edges
        span = int(edges[-1] - edges[0])
        self._bits = max(_FINEST, span.bit_length() - _LARGEST)
        self._first = (int(edges[0]) >> self._bits) - 1  # times before the edges fall into granule 0
        last = (int(edges[-1]) >> self._bits) + 1  # and times after them into the last one
        starts = np.arange(self._first, last + 2) << self._bits
        at_start = np.searchsorted(edges, starts[:-1], "right")
        at_end = np.searchsorted(edges, starts[1:] - 1, "right")
        self._table = np.where(at_start == at_end, at_start, -1)

    def __call__(self, at: Times) -> Int64s:
        """Return the number of edges at or before each instant."""
        granule = np.subtract(at >> self._bits, self._first, dtype=np.int64)
        found: Int64s = self._table.take(granule, mode="clip")
        shared = np.flatnonzero(found < 0)
        if len(shared):
            found[shared] = np.searchsorted(self._edges, at[shared], "right")
        return found


def utc_dates(instants: Int64s) -> list[date]:
    """Return the UTC dates of instants."""
    days: list[date] = (instants // 86_400).astype("datetime64[D]").tolist()
    return days
