"""The rows of a report as arrays of edges, and the ledger's rows in pieces of bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custdyn_widgets.mart.facts import NONE, Facts
from custdyn_widgets.mart.values import Bools, Int64s

PIECE_ROWS = 2**16  # so that what is at work on a piece stays in the cache of a processor
_GRANULE = 11  # bits: 2**11 seconds; edges closer than that are found by binary search


@dataclass(frozen=True)
class Grid:
    """Where the rows of a report lie.

    Attributes
    ----------
    edges
        int64[buckets + 1], rising: the buckets, without gaps.
    windows
        int64[buckets]: the start of each bucket's window; need not rise.
    segments
        int64, rising: the edges and the instants between them at which a quote changes.
    groups
        How many rows of packages each bucket has; 1 without a package grouping.
    group_of
        int64[packages + 1]: the row of each package by code; the last entry is for no package.
    fee_counts
        bool[packages + 1]: whether fees of a package count in the Packages columns.
    """

    edges: Int64s
    windows: Int64s
    segments: Int64s
    groups: int
    group_of: Int64s
    fee_counts: Bools

    @property
    def bucket_count(self) -> int:
        """How many buckets there are."""
        return len(self.windows)

    @property
    def needs_packages(self) -> bool:
        """Whether a transaction's package matters to any sum."""
        return self.groups > 1 or not bool(self.fee_counts.all())


class Locator:
    """Finds the interval [edges[i], edges[i + 1]) that holds an instant; -1 before the first edge.

    A table over granules of time gives the interval at each granule's start; one comparison corrects it.
    """

    def __init__(self, edges: Int64s) -> None:
        self._edges = edges
        self._table: Int64s | None = None
        if len(edges) > 1 and int(np.diff(edges).min()) >= 1 << _GRANULE:
            starts = np.arange(edges[0], edges[-1] + (1 << _GRANULE), 1 << _GRANULE)
            at_start = np.searchsorted(edges, starts, "right") - 1
            self._table = np.concatenate(([NONE], at_start))
            self._before = int(edges[0]) - (1 << _GRANULE)  # so that granule 0 is all that came before
            self._next = np.append(edges[1:], edges[0])  # of interval -1, the last entry: the first edge

    def __call__(self, at: Int64s) -> Int64s:
        """Return the interval of each instant; all must lie before the last edge."""
        if self._table is None:
            return np.asarray(np.searchsorted(self._edges, at, "right") - 1, np.int64)
        granule = at - self._before
        granule >>= _GRANULE
        np.maximum(granule, 0, out=granule)
        found: Int64s = self._table[granule]
        found += at >= self._next[found]
        return found


@dataclass(frozen=True)
class Piece:
    """The rows of some clients before a report's end, and those clients.

    Attributes
    ----------
    client, time, amount, flow, package
        Of each row; the client as its position in the piece; the package only where it matters.
    first, count
        Of each client: the position of its first row, and how many it has.
    exists, closed, opening, currency
        Of each client, as in the facts.
    """

    client: Int64s
    time: Int64s
    amount: Int64s
    flow: npt.NDArray[np.uint8]
    package: npt.NDArray[np.int32] | None
    first: Int64s
    count: Int64s
    exists: Int64s
    closed: Int64s
    opening: Int64s
    currency: Int64s


def pieces(facts: Facts, clients: Int64s, grid: Grid) -> Iterator[Piece]:
    """Yield the chosen clients with their rows before the last edge, whole clients, so many at a time."""
    counts = facts.offset[clients + 1] - facts.offset[clients]
    ends = np.cumsum(counts)
    low = 0
    while low < len(clients):
        before = int(ends[low - 1]) if low else 0
        high = max(low + 1, int(np.searchsorted(ends, before + PIECE_ROWS, "right")))
        high = min(high, low + PIECE_ROWS)
        yield _piece(facts, clients[low:high], counts[low:high], grid)
        low = high


def _piece(facts: Facts, clients: Int64s, counts: Int64s, grid: Grid) -> Piece:
    rows = _rows(facts.offset[clients], counts)
    client = np.repeat(np.arange(len(clients)), counts)
    time, amount, flow = facts.time[rows], facts.amount[rows], facts.flow[rows]
    package = facts.package[rows] if grid.needs_packages else None
    early = time < grid.edges[-1]
    if not early.all():
        client, time, amount, flow = client[early], time[early], amount[early], flow[early]
        package = None if package is None else package[early]
        counts = np.bincount(client, minlength=len(clients))
    return Piece(
        client=client,
        time=time,
        amount=amount,
        flow=flow,
        package=package,
        first=np.cumsum(counts) - counts,
        count=counts,
        exists=facts.exists[clients],
        closed=facts.closed[clients],
        opening=facts.opening[clients],
        currency=facts.currency[clients].astype(np.int64),
    )


def _rows(starts: Int64s, counts: Int64s) -> slice | Int64s:
    """Return the rows of clients: a slice where they are adjacent, so that nothing is copied."""
    total = int(counts.sum())
    if int(starts[-1] + counts[-1] - starts[0]) == total:
        return slice(int(starts[0]), int(starts[0]) + total)
    rows: Int64s = np.arange(total) + np.repeat(starts - np.cumsum(counts) + counts, counts)
    return rows
