"""Stocks: the clients at the end of each row, and their balances.

A client is in one state at a time: a level (all, overall active or active) and the sign of its balance. It
enters a state with a balance and leaves it with that balance. Only these moments are recorded,
and one cumulative sum over the buckets gives every stock. While the state stays the same, only changes of
the balance are recorded. See `cells.compute` for cells and their reach.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from custdyn_widgets.engine.cells.grid import EdgeCounter, Grid, utc_dates
from custdyn_widgets.engine.cells.movement import MovementSums
from custdyn_widgets.engine.cells.pieces import Piece
from custdyn_widgets.engine.cells.sums import KeyedSums, join
from custdyn_widgets.mart import PAID, Bools, Int64s, Times

_Array = TypeVar("_Array", bound=npt.NDArray[Any])

LEVELS = ("all", "overall", "active")  # each is a subset of the previous one
_NEGATIVE = len(LEVELS)  # a state is a level, plus this if the balance is negative
_STATES = 2 * len(LEVELS)

STOCK_COLUMNS = tuple(f"{level}_{what}" for level in reversed(LEVELS) for what in ("qty", "pos", "neg"))


@dataclass(frozen=True)
class _Stays:
    """Spans of buckets with a constant balance and last paid use; an entity's stays are consecutive.

    A stay lasts from its `low` to the `low` of the next stay; an entity's last stay ends at `gone`. Stays may
    be empty.

    Attributes
    ----------
    first
        The position of each entity's first stay.
    group, gone
        The group of each entity, and the first bucket in which it no longer exists.
    low, balance, paid_at
        The first bucket, balance and last paid use of each stay.
    """

    first: Int64s
    group: Int64s
    gone: Int64s
    low: Int64s
    balance: Int64s
    paid_at: Times

    @property
    def count(self) -> Int64s:
        """The number of stays of each entity."""
        return np.diff(self.first, append=len(self.low))


@dataclass(frozen=True)
class _Cells:
    """The last row of each client in each bucket.

    `count` is the number of cells per client, `last` their positions in the piece, `bucket` their buckets.
    """

    count: Int64s
    last: Int64s
    bucket: Int64s


class StockSums:
    """Counts and balances of the clients entering each state, less those leaving, in one currency.

    `movement` has the movements of the same clients; it stays empty unless the grid asks for them.
    """

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._shape = (grid.groups, _STATES, grid.bucket_count + 1)
        self._sums = KeyedSums(int(np.prod(self._shape)))
        self._reach = EdgeCounter(grid.windows)
        self.movement = MovementSums(grid)

    def add(self, piece: Piece, bucket: Int64s) -> None:
        """Add the clients of a piece; `bucket` has the bucket of each row."""
        ends = self._grid.edges[1:]
        present = np.searchsorted(ends, piece.exists, "right")
        gone = np.searchsorted(ends, piece.closed, "right")
        cells = _cells(piece, bucket)
        if not self._grid.by_package:
            self._record(_of_clients(piece, cells, present, gone))
            if piece.first_paid is not None:
                self.movement.add_first_uses(
                    _client_groups(piece), np.searchsorted(ends, piece.first_paid, "right")
                )
            return
        self._record(self._untouched(piece, bucket, present, gone))
        if len(bucket):
            self._record(self._of_packages(piece, bucket, cells, gone))

    def _untouched(self, piece: Piece, bucket: Int64s, present: Int64s, gone: Int64s) -> _Stays:
        """Return the clients' stays in the last package row, from creation to first transaction."""
        some = piece.count > 0
        first = np.full(len(present), self._grid.bucket_count)
        first[some] = bucket[(piece.end - piece.count)[some]]
        until = np.minimum(first, gone)
        return _Stays(
            first=np.arange(len(present)),
            group=_client_groups(piece) * self._grid.package_groups + (self._grid.package_groups - 1),
            gone=until,
            low=np.minimum(present, until),
            balance=piece.running_before + piece.base,
            paid_at=piece.paid_before,
        )

    def _of_packages(self, piece: Piece, bucket: Int64s, cells: _Cells, gone: Int64s) -> _Stays:
        """Repeat each client's cells for every package row in which it has transactions."""
        assert piece.package is not None
        groups, buckets = self._grid.package_groups, self._grid.bucket_count
        client = np.repeat(np.arange(len(piece.count)), piece.count)
        entity_of = client * groups + self._grid.package_group[piece.package]
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
        if self._grid.movement:
            payers, first_use = np.unique(payer, return_index=True)
            self.movement.add_first_uses(group[payers], bucket[paying[first_use]])
        balance = piece.running[cells.last] + np.repeat(piece.base, cells.count)
        return _Stays(
            first=first,
            group=group,
            gone=gone[owner],
            low=np.minimum(np.maximum(cells.bucket[cell], appears[entity]), gone[owner][entity]),
            balance=balance[cell],
            paid_at=paid_at,
        )

    def _record(self, stays: _Stays) -> None:
        """Record every change of a state or of the balance within it."""
        low, balance = stays.low, stays.balance
        high = np.append(low[1:], 0)
        high[np.append(stays.first[1:], len(low)) - 1] = stays.gone
        paid = stays.paid_at > np.iinfo(stays.paid_at.dtype).min
        # From this bucket on, windows no longer contain the last paid use.
        until = self._reach(stays.paid_at)
        active = paid & (until > low)
        lapses = active & (until < high)
        state = (balance < 0) * np.int8(_NEGATIVE)  # int8, because processors handle many at once
        state += paid.view(np.int8)
        state += active.view(np.int8)
        left = state - lapses.view(np.int8)  # the state at the end of the stay
        before = np.append(np.int8(-1), left[:-1])
        before[stays.first] = -1
        same = before == state
        groups = np.repeat(stays.group, stays.count) if self._grid.groups > 1 else None
        keys = partial(self._keys, groups)
        entered = keys(slice(None), state, low)
        moved = balance.copy()
        moved[1:] -= np.where(same[1:], balance[:-1], 0)
        self._sums.add(entered, moved)
        self._sums.count(entered[~same])
        # Clients leave a state when they enter another, when they lapse, and when they are gone.
        came, lapsed = np.flatnonzero((before >= 0) & ~same), np.flatnonzero(lapses)
        last = np.append(stays.first[1:], len(low)) - 1
        where = [
            keys(came, before, low[came]),
            keys(lapsed, state, until[lapsed]),
            keys(last, left, stays.gone),
        ]
        self._leave(np.concatenate(where), balance[np.concatenate((came - 1, lapsed, last))])
        self._enter(keys(lapsed, left, until[lapsed]), balance[lapsed])
        if self._grid.movement:
            self._record_movement(stays, high, paid, active, until)

    def _record_movement(
        self, stays: _Stays, high: Int64s, paid: Bools, active: Bools, until: Int64s
    ) -> None:
        some = np.flatnonzero(stays.low < high)
        entity = np.repeat(np.arange(len(stays.first)), stays.count)[some]
        self.movement.add_stays(
            entity=entity,
            group=stays.group[entity],
            low=stays.low[some],
            high=high[some],
            paid=paid[some],
            active=active[some],
            until=until[some],
        )

    def _keys(
        self, groups: Int64s | None, at: Int64s | slice, state: npt.NDArray[np.int8], bucket: Int64s
    ) -> Int64s:
        """Return the keys of sums for clients that enter or leave these buckets, by group and state."""
        keys = np.multiply(state[at], self._shape[2], dtype=np.int64)
        keys += bucket
        if groups is not None:
            keys += groups[at] * (_STATES * self._shape[2])
        return keys

    def _enter(self, keys: Int64s, balances: Int64s) -> None:
        self._sums.add(keys, balances)
        self._sums.count(keys)

    def _leave(self, keys: Int64s, balances: Int64s) -> None:
        self._sums.add(keys, balances, -1)
        self._sums.count(keys, -1)

    def merge(self, other: StockSums) -> None:
        """Add the sums of another `StockSums` with the same grid."""
        self._sums.merge(other._sums)
        self.movement.merge(other.movement)

    def columns(self, currency: str) -> dict[str, list[object]]:
        """Return the stock columns of the schema in `cells.compute` as lists."""
        counts, high, low = self._levels()
        # The axes are level, sign, group, bucket. There is a line wherever a client is alive.
        bucket, group = np.nonzero(counts[0].sum(axis=0).T)
        sums: dict[str, list[object]] = {}
        for i, level in reversed(list(enumerate(LEVELS))):
            sums[f"{level}_qty"] = counts[i][:, group, bucket].sum(axis=0).tolist()
            for sign, name in enumerate(("pos", "neg")):
                place = (i, sign, group, bucket)
                sums[f"{level}_{name}"] = [*join(high[place], low[place])]
        return {
            "row": (bucket * self._grid.groups + group).tolist(),
            "currency": [currency] * len(bucket),
            "value_date": utc_dates(self._grid.edges[bucket + 1] - 1),
            "needs_quote": [bool(p or n) for p, n in zip(sums["all_pos"], sums["all_neg"], strict=True)],
            **sums,
        }

    def _levels(self) -> tuple[Int64s, Int64s, Int64s]:
        """Return counts and the halves of sums by (level, sign, group, bucket)."""
        keys, *columns = self._sums.totals()
        out = []
        for column in columns:
            moments = np.zeros(self._shape, np.int64)
            moments.ravel()[keys] = column
            held = np.cumsum(moments, axis=2)[:, :, :-1]
            by_sign = held.reshape(len(held), 2, len(LEVELS), -1).transpose(2, 1, 0, 3)
            out.append(np.cumsum(by_sign[::-1], axis=0)[::-1])  # active clients are also overall active, etc.
        return out[0], out[1], out[2]


def _cells(piece: Piece, bucket: Int64s) -> _Cells:
    end = piece.end
    is_last = np.empty(len(bucket), np.bool_)
    np.not_equal(bucket[1:], bucket[:-1], out=is_last[:-1])
    is_last[end[piece.count > 0] - 1] = True
    last = np.flatnonzero(is_last)
    count = np.diff(np.searchsorted(last, end, "left"), prepend=0)
    return _Cells(count, last, bucket[last])


def _of_clients(piece: Piece, cells: _Cells, present: Int64s, gone: Int64s) -> _Stays:
    """Return each client's stays: one before its first row, then one per cell."""
    count = cells.count + 1
    first = np.cumsum(count) - count
    later = np.ones(int(count.sum()), np.bool_)
    later[first] = False
    low = _with_initial(present, first, later, cells.bucket)
    balance = _with_initial(piece.running_before, first, later, piece.running[cells.last])
    return _Stays(
        first=first,
        group=_client_groups(piece),
        gone=gone,
        low=np.minimum(low, np.repeat(gone, count)),
        balance=balance + np.repeat(piece.base, count),
        paid_at=_with_initial(piece.paid_before, first, later, piece.paid_at(cells.last)),
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
