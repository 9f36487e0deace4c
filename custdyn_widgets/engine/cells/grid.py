"""A report's rows as arrays of edges and groups, and a fast way to locate times among the edges."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

import numpy as np

from custdyn_widgets.mart import Bools, Int64s, Times

_FINEST = 11  # a granule spans at least 2**11 seconds
_LARGEST = 17  # there are at most about 2**17 granules


class Grid(NamedTuple):
    """The edges and groups of a report's rows.

    Each bucket has a row for each group of clients and, within it, for each group of packages.
    A client belongs to one group of clients, but to every group of packages in which it has transactions.

    Attributes
    ----------
    edges
        int64[buckets + 1], ascending: the edges of the buckets, without gaps.
    windows
        int64[buckets]: the start of each bucket's window; not necessarily ascending.
    changes
        int64 arrays by currency code, ascending: the times at which the currency's rate may change.
    package_groups
        The number of groups of packages; 1 if not grouped by package. The last group is for all other
        transactions.
    package_group
        int64[packages + 1]: the group of each package, by code; the last entry is for transactions without a
        package.
    fee_counts
        bool[packages + 1]: whether fees for a package count in the Packages columns.
    client_groups
        The number of groups of clients; 1 if not grouped by a client attribute.
    client_group
        int64[clients]: the group of each client in the facts, by position; None for a single group.
    movement, balances
        Whether to compute the sums behind the movement of clients and of balances.
    opening_window
        The start of the window that ends at the first edge.
    """

    edges: Int64s
    windows: Int64s
    changes: tuple[Int64s, ...]
    package_groups: int
    package_group: Int64s
    fee_counts: Bools
    client_groups: int
    client_group: Int64s | None
    movement: bool
    balances: bool
    opening_window: int

    @property
    def bucket_count(self) -> int:
        """The number of buckets."""
        return len(self.windows)

    @property
    def groups(self) -> int:
        """The number of rows in each bucket."""
        return self.client_groups * self.package_groups

    @property
    def by_package(self) -> bool:
        """Whether each bucket has package rows."""
        return self.package_groups > 1

    def with_opening(self) -> Grid:
        """Return the grid preceded by an empty bucket, whose stocks are those at the first edge."""
        return self._replace(
            edges=np.append(self.edges[:1], self.edges),
            windows=np.append(np.int64(self.opening_window), self.windows),
        )

    @property
    def needs_packages(self) -> bool:
        """Whether any sum depends on the packages of transactions."""
        return self.by_package or not bool(self.fee_counts.all())


class CounterArrays(NamedTuple):
    """The arrays of an `EdgeCounter`, for the kernel (see `cells.kernel`).

    Attributes
    ----------
    edges, table
        The edges, and the result for each granule, or -1 for a granule with an edge.
    first, bits
        The index of the first granule in the table, and the binary logarithm of a granule's length.
    """

    edges: Int64s
    table: Int64s
    first: int
    bits: int


class EdgeCounter:
    """A faster equivalent of `numpy.searchsorted(edges, at, "right")` for times.

    A table contains the result for each granule of time without an edge. Only the few times in the other
    granules are searched for.
    """

    def __init__(self, edges: Int64s) -> None:
        self._edges = edges
        span = int(edges[-1] - edges[0])
        self._bits = max(_FINEST, span.bit_length() - _LARGEST)
        self._first = (int(edges[0]) >> self._bits) - 1  # granule 0 is for times before all edges
        last = (int(edges[-1]) >> self._bits) + 1  # the last granule is for times after all edges
        starts = np.arange(self._first, last + 2) << self._bits
        at_start = np.searchsorted(edges, starts[:-1], "right")
        at_end = np.searchsorted(edges, starts[1:] - 1, "right")
        self._table = np.where(at_start == at_end, at_start, -1)

    def arrays(self) -> CounterArrays:
        """Return the arrays of the counter, for the kernel."""
        return CounterArrays(self._edges, self._table, self._first, self._bits)

    def __call__(self, at: Times) -> Int64s:
        """Return the number of edges at or before each time."""
        granule = np.subtract(at >> self._bits, self._first, dtype=np.int64)
        found: Int64s = self._table.take(granule, mode="clip")
        shared = np.flatnonzero(found < 0)
        if len(shared):
            found[shared] = np.searchsorted(self._edges, at[shared], "right")
        return found


def utc_date(instant: int) -> date:
    """Return the UTC date of a time in seconds since 1970."""
    (day,) = utc_dates(np.array([instant], np.int64))
    return day


def utc_dates(instants: Int64s) -> list[date]:
    """Return the UTC dates of times in seconds since 1970."""
    days: list[date] = utc_days(instants).astype("datetime64[D]").tolist()
    return days


def utc_days(instants: Int64s) -> Int64s:
    """Return the UTC dates of times in seconds since 1970, as days since then."""
    days: Int64s = instants // 86_400
    return days
