"""Stays: the spans of a report's buckets in which a client, or one of its package rows, does not change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from custdyn_widgets.engine.cells.grid import Grid
from custdyn_widgets.engine.cells.pieces import Piece
from custdyn_widgets.mart import PAID, Bools, Int64s, Times

_MOST_STAYS = 2**17  # the limit on stays created at a time; each package row repeats its client's cells

_Array = TypeVar("_Array", bound=npt.NDArray[Any])


class Stays(NamedTuple):
    """Spans of buckets with a constant balance and last paid use; an entity's stays are consecutive.

    A stay lasts from its `low` to the `low` of the next stay; an entity's last stay ends at `gone`. Stays may
    be empty.

    Attributes
    ----------
    first
        The position of each entity's first stay.
    group, gone
        The group of each entity, and the first bucket in which it no longer exists.
    first_use
        The bucket of each entity's first paid use; None if no sum depends on it.
    low, balance, paid_at
        The first bucket, balance and last paid use of each stay.
    """

    first: Int64s
    group: Int64s
    gone: Int64s
    low: Int64s
    balance: Int64s
    paid_at: Times
    first_use: Int64s | None

    @property
    def stay_count(self) -> Int64s:
        """The number of stays of each entity."""
        return np.diff(self.first, append=len(self.low))


class _Cells(NamedTuple):
    """The last row of each client in each bucket.

    `cell_count` gives the number of cells of each client; `last` and `bucket` give each cell's position in
    the piece and its bucket.
    """

    cell_count: Int64s
    last: Int64s
    bucket: Int64s


def stays_of(piece: Piece, grid: Grid, bucket: Int64s) -> Iterator[Stays]:
    """Yield the stays of a piece's clients; `bucket` gives the bucket of each row.

    If the report is grouped by package, a client has stays in each of its package rows.
    """
    ends = grid.edges[1:]
    present = np.searchsorted(ends, piece.exists, "right")
    gone = np.searchsorted(ends, piece.closed, "right")
    cells = _cells(piece, bucket)
    if not grid.by_package:
        yield _of_clients(piece, grid, cells, present, gone)
        return
    yield _untouched(piece, grid, bucket, present, gone)
    if len(bucket):
        yield from _of_packages(piece, grid, bucket, cells, gone)


def _untouched(piece: Piece, grid: Grid, bucket: Int64s, present: Int64s, gone: Int64s) -> Stays:
    """Return the clients' stays in the last package row, from creation to first transaction."""
    some = piece.count > 0
    first = np.full(len(present), grid.bucket_count)
    first[some] = bucket[(piece.end - piece.count)[some]]
    until = np.minimum(first, gone)
    return Stays(
        first=np.arange(len(present)),
        group=_client_groups(piece) * grid.package_groups + (grid.package_groups - 1),
        gone=until,
        low=np.minimum(present, until),
        balance=piece.running_before + piece.base,
        paid_at=piece.paid_before,
        first_use=np.full(len(first), grid.bucket_count),
    )


def _of_packages(piece: Piece, grid: Grid, bucket: Int64s, cells: _Cells, gone: Int64s) -> Iterator[Stays]:
    """Repeat each client's cells for every package row in which it has transactions, in batches."""
    rows = _PackageRows.of(piece, grid, bucket, cells)
    balance = piece.running[cells.last] + np.repeat(piece.base, cells.cell_count)
    group = _client_groups(piece)[rows.owner] * grid.package_groups + rows.package_group
    ends = np.cumsum(rows.cell_count)
    low = 0
    while low < len(ends):
        before = int(ends[low - 1]) if low else 0
        high = max(low + 1, int(np.searchsorted(ends, before + _MOST_STAYS, "right")))
        own = slice(low, high)
        first, cell = rows.cells(own)
        yield Stays(
            first=first,
            group=group[own],
            gone=gone[rows.owner[own]],
            low=np.minimum(cells.bucket[cell], np.repeat(gone[rows.owner[own]], rows.cell_count[own])),
            balance=balance[cell],
            paid_at=rows.paid_at(own, first, piece.time),
            first_use=rows.first_use[own],
        )
        low = high


class _PackageRows(NamedTuple):
    """The package rows in which each client of a piece has transactions, sorted by client and group.

    Attributes
    ----------
    owner, package_group
        The client and the group of packages of each package row.
    begin, cell_count
        The cell of each package row's first transaction, and the number of the client's cells from that cell
        onward.
    first_use
        The bucket of each package row's first paid use.
    paying, payer, cell_of
        The ledger rows that are paid uses, sorted by package row and time, with the package row and
        the cell of each.
    """

    owner: Int64s
    package_group: Int64s
    begin: Int64s
    cell_count: Int64s
    first_use: Int64s
    paying: Int64s
    payer: Int64s
    cell_of: Int64s

    @classmethod
    def of(cls, piece: Piece, grid: Grid, bucket: Int64s, cells: _Cells) -> _PackageRows:
        assert piece.package is not None
        client = np.repeat(np.arange(len(piece.count)), piece.count)
        key = client * grid.package_groups + grid.package_group[piece.package]
        order = np.argsort(key, kind="stable")  # by package row, then by time
        key = key[order]
        starts = np.ones(len(key), np.bool_)
        np.not_equal(key[1:], key[:-1], out=starts[1:])
        owner, package_group = np.divmod(key[starts], grid.package_groups)
        cell_of = np.zeros(len(key), np.int64)  # the cell of each ledger row
        cell_of[cells.last[:-1] + 1] = 1
        np.cumsum(cell_of, out=cell_of)
        begin = cell_of[order[starts]]
        paid = PAID[piece.flow[order]]
        paying, payer = order[paid], (np.cumsum(starts) - 1)[paid]
        payers, first_payment = np.unique(payer, return_index=True)
        first_use = np.full(len(owner), grid.bucket_count)
        first_use[payers] = bucket[paying[first_payment]]
        count = np.cumsum(cells.cell_count)[owner] - begin
        return cls(owner, package_group, begin, count, first_use, paying, payer, cell_of[paying])

    def cells(self, own: slice) -> tuple[Int64s, Int64s]:
        """Return two arrays: where the cells of each package row begin, and the cells of all these rows."""
        count = self.cell_count[own]
        first = np.cumsum(count) - count
        return first, np.arange(int(count.sum())) + np.repeat(self.begin[own] - first, count)

    def paid_at(self, own: slice, first: Int64s, time: Times) -> Times:
        """Return the last paid use up to each cell of some package rows."""
        low, high = np.searchsorted(self.payer, (own.start, own.stop))
        payer = self.payer[low:high] - own.start
        latest = np.full(int(self.cell_count[own].sum()), -1)
        # A later payment in the same cell overwrites an earlier one.
        latest[first[payer] + self.cell_of[low:high] - self.begin[own][payer]] = np.arange(high - low)
        np.maximum.accumulate(latest, out=latest)
        none_before = np.repeat(np.searchsorted(payer, np.arange(len(first))), self.cell_count[own])
        never = np.full(1, np.iinfo(time.dtype).min, time.dtype)
        times = np.append(never, time[self.paying[low:high]])
        found: Times = times[np.where(latest < none_before, 0, latest + 1)]
        return found


def _cells(piece: Piece, bucket: Int64s) -> _Cells:
    end = piece.end
    is_last = np.empty(len(bucket), np.bool_)
    np.not_equal(bucket[1:], bucket[:-1], out=is_last[:-1])
    is_last[end[piece.count > 0] - 1] = True
    last = np.flatnonzero(is_last)
    count = np.diff(np.searchsorted(last, end, "left"), prepend=0)
    return _Cells(count, last, bucket[last])


def _of_clients(piece: Piece, grid: Grid, cells: _Cells, present: Int64s, gone: Int64s) -> Stays:
    """Return each client's stays: one before its first row, then one per cell."""
    count = cells.cell_count + 1
    first = np.cumsum(count) - count
    later = np.ones(int(count.sum()), np.bool_)
    later[first] = False
    low = _with_initial(present, first, later, cells.bucket)
    balance = _with_initial(piece.running_before, first, later, piece.running[cells.last])
    return Stays(
        first=first,
        group=_client_groups(piece),
        gone=gone,
        low=np.minimum(low, np.repeat(gone, count)),
        balance=balance + np.repeat(piece.base, count),
        paid_at=_with_initial(piece.paid_before, first, later, piece.paid_at(cells.last)),
        first_use=None
        if piece.first_paid is None
        else np.searchsorted(grid.edges[1:], piece.first_paid, "right"),
    )


def _client_groups(piece: Piece) -> Int64s:
    return np.zeros(len(piece.count), np.int64) if piece.client_group is None else piece.client_group


def _with_initial(at_first: _Array, first: Int64s, later: Bools, of_cells: _Array) -> _Array:
    """Insert each client's initial value before the values of its cells."""
    values: Any = np.empty(len(later), at_first.dtype)
    values[first] = at_first
    values[later] = of_cells
    return values  # type: ignore[no-any-return]
