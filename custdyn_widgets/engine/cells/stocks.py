"""Stocks: the clients at the end of each row, and their balances.

A client is in one state at a time: a level (all, overall active or active) and the sign of its balance. It
enters a state with a balance and leaves it with that balance. Only entries and exits are recorded,
and one cumulative sum over the buckets yields every stock. While the state stays the same, only changes in
the balance are recorded. See `cells.compute` for cells and their reach.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from custdyn_widgets.engine.cells.grid import CounterArrays, EdgeCounter, Grid, utc_days
from custdyn_widgets.engine.cells.movement import MovementSums
from custdyn_widgets.engine.cells.pieces import Piece
from custdyn_widgets.engine.cells.stays import Stays, stays_of
from custdyn_widgets.engine.cells.sums import DenseSums, KeyedSums, Sums, join
from custdyn_widgets.mart import Int64s

LEVELS = ("all", "overall", "active")  # each is a subset of the previous one
_NEGATIVE = len(LEVELS)  # a state is a level, plus this if the balance is negative
_STATES = 2 * len(LEVELS)

STOCK_COLUMNS = tuple(f"{level}_{what}" for level in reversed(LEVELS) for what in ("qty", "pos", "neg"))


class StockTables(NamedTuple):
    """Tables that tell the kernel where a client's balance belongs (see `cells.kernel`).

    Attributes
    ----------
    reach
        The last bucket whose window contains a given time, plus 1.
    buckets, groups
        The number of buckets and of groups.
    sums, movement
        The sums by state, and the counts of movements; the latter are empty if movements are not counted.
    """

    reach: CounterArrays
    buckets: int
    groups: int
    sums: DenseSums
    movement: Int64s


class StockSums:
    """Counts and balances of clients entering each state, minus those of clients leaving it, in one currency.

    `movement` counts the movements of the same clients, if the grid requests them.
    """

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._shape = (grid.groups, _STATES, grid.bucket_count + 1)
        self.sums = KeyedSums(int(np.prod(self._shape)))
        self._reach = EdgeCounter(grid.windows)
        self.movement = MovementSums(grid) if grid.movement else None

    def add(self, piece: Piece, bucket: Int64s) -> None:
        """Add the clients of a piece; `bucket` gives the bucket of each row."""
        for stays in stays_of(piece, self._grid, bucket):
            self._record(stays)

    def _record(self, stays: Stays) -> None:
        """Record every change of state, and every change in the balance within a state."""
        low, balance = stays.low, stays.balance
        high = np.append(low[1:], 0)
        high[np.append(stays.first[1:], len(low)) - 1] = stays.gone
        paid = stays.paid_at > np.iinfo(stays.paid_at.dtype).min
        # From this bucket on, windows no longer contain the last paid use.
        until = self._reach(stays.paid_at)
        active = paid & (until > low)
        lapses = active & (until < high)
        state = (balance < 0) * np.int8(_NEGATIVE)  # int8, because processors handle many of them at a time
        state += paid.view(np.int8)
        state += active.view(np.int8)
        left = state - lapses.view(np.int8)  # the state at the end of the stay
        before = np.append(np.int8(-1), left[:-1])
        before[stays.first] = -1
        same = before == state
        groups = np.repeat(stays.group, stays.stay_count) if self._grid.groups > 1 else None
        keys = partial(self._keys, groups)
        entered = keys(slice(None), state, low)
        moved = balance.copy()
        moved[1:] -= np.where(same[1:], balance[:-1], 0)
        self.sums.add(entered, moved)
        self.sums.count(entered[~same])
        # Clients leave a state when they enter another one, when they lapse, and when they are closed.
        came, lapsed = np.flatnonzero((before >= 0) & ~same), np.flatnonzero(lapses)
        last = np.append(stays.first[1:], len(low)) - 1
        where = [
            keys(came, before, low[came]),
            keys(lapsed, state, until[lapsed]),
            keys(last, left, stays.gone),
        ]
        self._leave(np.concatenate(where), balance[np.concatenate((came - 1, lapsed, last))])
        self._enter(keys(lapsed, left, until[lapsed]), balance[lapsed])
        if self.movement:
            self.movement.add(stays, high, paid, active, until)

    def _keys(
        self, groups: Int64s | None, at: Int64s | slice, state: npt.NDArray[np.int8], bucket: Int64s
    ) -> Int64s:
        """Return a key that combines group, state and bucket for each entry to or exit from a state."""
        keys = np.multiply(state[at], self._shape[2], dtype=np.int64)
        keys += bucket
        if groups is not None:
            keys += groups[at] * (_STATES * self._shape[2])
        return keys

    def _enter(self, keys: Int64s, balances: Int64s) -> None:
        self.sums.add(keys, balances)
        self.sums.count(keys)

    def _leave(self, keys: Int64s, balances: Int64s) -> None:
        self.sums.add(keys, balances, -1)
        self.sums.count(keys, -1)

    def tables(self) -> StockTables:
        """Return the tables that the kernel needs to process a balance as `add` does."""
        return StockTables(
            reach=self._reach.arrays(),
            buckets=self._grid.bucket_count,
            groups=self._grid.groups,
            sums=self.sums.dense(),
            movement=self.movement.sums.dense().counts if self.movement else np.zeros(0, np.int64),
        )

    def __getstate__(self) -> dict[str, Any]:
        """Pickle what `merge` and `columns` need, but not the large attributes that only `add` needs."""
        return {**vars(self), "_grid": self._grid._replace(client_group=None), "_reach": None}

    def merge(self, other: StockSums) -> None:
        """Add the sums of another `StockSums` with the same grid."""
        self.sums.merge(other.sums)
        if self.movement and other.movement:
            self.movement.merge(other.movement)

    def columns(self) -> dict[str, Sums]:
        """Return the stock columns of the schema in `cells.compute`, except the currency."""
        counts, high, low = self.levels()
        # The axes are level, sign, group, bucket. There is a line wherever a client is alive.
        bucket, group = np.nonzero(counts[0].sum(axis=0).T)
        sums: dict[str, Sums] = {}
        for i, level in reversed(list(enumerate(LEVELS))):
            sums[f"{level}_qty"] = counts[i][:, group, bucket].sum(axis=0)
            for sign, name in enumerate(("pos", "neg")):
                place = (i, sign, group, bucket)
                sums[f"{level}_{name}"] = join(high[place], low[place])
        return {
            "row": bucket * self._grid.groups + group,
            "value_day": utc_days(self._grid.edges[bucket + 1] - 1),
            "needs_quote": (sums["all_pos"] != 0) | (sums["all_neg"] != 0),
            **sums,
        }

    def levels(self) -> tuple[Int64s, Int64s, Int64s]:
        """Return counts and the halves of sums by (level, sign, group, bucket)."""
        keys, *columns = self.sums.totals()
        out = []
        for column in columns:
            moments = np.zeros(self._shape, np.int64)
            moments.ravel()[keys] = column
            held = np.cumsum(moments, axis=2)[:, :, :-1]
            by_sign = held.reshape(len(held), 2, len(LEVELS), -1).transpose(2, 1, 0, 3)
            out.append(np.cumsum(by_sign[::-1], axis=0)[::-1])  # active clients are also overall active, etc.
        return out[0], out[1], out[2]
