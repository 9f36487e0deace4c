"""Stays: the spans of a report's buckets in which a client, or one of its package rows, stays the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from custdyn_widgets.engine.cells.grid import Grid
from custdyn_widgets.engine.cells.pieces import Piece
from custdyn_widgets.mart import PAID, Bools, Int64s, Times

_Array = TypeVar("_Array", bound=npt.NDArray[Any])


@dataclass(frozen=True)
class Stays:
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
    def count(self) -> Int64s:
        """The number of stays of each entity."""
        return np.diff(self.first, append=len(self.low))


@dataclass(frozen=True)
class _Cells:
    """The last row of each client in each bucket.

    `count` gives the number of cells of each client; `last` and `bucket` give each cell's position in the
    piece and its bucket.
    """

    count: Int64s
    last: Int64s
    bucket: Int64s


def stays_of(piece: Piece, grid: Grid, bucket: Int64s) -> Iterator[Stays]:
    """Yield the stays of a piece's clients; `bucket` gives the bucket of each row.

    If grouped by package, a client has stays in each of its package rows.
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
        yield _of_packages(piece, grid, bucket, cells, gone)


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


def _of_packages(piece: Piece, grid: Grid, bucket: Int64s, cells: _Cells, gone: Int64s) -> Stays:
    """Repeat each client's cells for every package row in which it has transactions."""
    assert piece.package is not None
    groups, buckets = grid.package_groups, grid.bucket_count
    client = np.repeat(np.arange(len(piece.count)), piece.count)
    entity_of = client * groups + grid.package_group[piece.package]
    order = np.argsort(entity_of, kind="stable")  # by entity, then by time
    entities, begins = np.unique(entity_of[order], return_index=True)
    owner = entities // groups
    first, cell = _repeated(owner, cells.count)
    entity = np.repeat(np.arange(len(entities)), cells.count[owner])
    # Find the entity's last paid use up to each cell; both are sorted by (entity, bucket).
    paying = order[PAID[piece.flow[order]]]
    payer = np.searchsorted(entities, entity_of[paying])
    keys = payer * buckets + bucket[paying]
    found = np.searchsorted(keys, entity * buckets + cells.bucket[cell], "right") - 1
    paid = found >= 0
    paid[paid] = keys[found[paid]] // buckets == entity[paid]
    paid_at = np.full(len(cell), np.iinfo(piece.time.dtype).min, piece.time.dtype)
    paid_at[paid] = piece.time[paying[found[paid]]]
    appears = bucket[order[begins]]
    group = _client_groups(piece)[owner] * groups + entities % groups
    payers, first_payment = np.unique(payer, return_index=True)
    first_use = np.full(len(entities), buckets)
    first_use[payers] = bucket[paying[first_payment]]
    balance = piece.running[cells.last] + np.repeat(piece.base, cells.count)
    return Stays(
        first=first,
        group=group,
        gone=gone[owner],
        low=np.minimum(np.maximum(cells.bucket[cell], appears[entity]), gone[owner][entity]),
        balance=balance[cell],
        paid_at=paid_at,
        first_use=first_use,
    )


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
    count = cells.count + 1
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
    """Return the values of cells, with each client's initial value before its cells."""
    values: Any = np.empty(len(later), at_first.dtype)
    values[first] = at_first
    values[later] = of_cells
    return values  # type: ignore[no-any-return]


def _repeated(owner: Int64s, count: Int64s) -> tuple[Int64s, Int64s]:
    """Return the position of each entity's first cell, and the cells repeated from its owner."""
    begins = np.cumsum(count) - count
    repeats = count[owner]
    first = np.cumsum(repeats) - repeats
    cell = np.arange(int(repeats.sum())) - np.repeat(first - begins[owner], repeats)
    return first, cell
