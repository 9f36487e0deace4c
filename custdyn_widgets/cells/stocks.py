"""Stocks: who is there at the end of each row, and what they hold.

A client's cells (see the package) hold for whole buckets, so only the moments count at which a client
enters or leaves a level with a balance; one cumulative sum over the buckets then gives every stock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from custdyn_widgets.cells.grid import Grid, Piece
from custdyn_widgets.cells.sums import KeyedSums, join
from custdyn_widgets.intervals import utc_date
from custdyn_widgets.mart.facts import NONE, PAID
from custdyn_widgets.mart.values import Bools, Int64s

LEVELS = ("all", "overall", "active")  # each a part of the one before it

STOCK_COLUMNS = tuple(f"{level}_{what}" for level in reversed(LEVELS) for what in ("qty", "pos", "neg"))

# What happens at a moment: entering as (0) alive, (1) once paid, (2) active; leaving again.
_ENTERS, _LEAVES_UNPAID, _LEAVES_PAID, _LEAVES_ACTIVE, _MOMENTS = 0, 3, 4, 5, 6


@dataclass(frozen=True)
class _Cells:
    """The last row of each client in each bucket: its position, client, bucket, balance, and end."""

    last: Int64s
    owner: Int64s
    bucket: Int64s
    balance: Int64s
    end: Int64s


@dataclass(frozen=True)
class _Stays:
    """Cells over the buckets they hold for: [low, high), active in [low, active_high).

    `group` is the package row, `currency` and `balance` the client's; `paid` whether there was a paid use.
    """

    group: Int64s
    currency: Int64s
    balance: Int64s
    low: Int64s
    high: Int64s
    paid: Bools
    active_high: Int64s


class StockSums:
    """Moments by row, currency and sign of the balance."""

    def __init__(self, grid: Grid, currency_count: int) -> None:
        self._grid = grid
        self._shape = (grid.groups, currency_count, 2, _MOMENTS, grid.bucket_count + 1)
        self._sums = KeyedSums(int(np.prod(self._shape)))

    def add(self, piece: Piece, bucket: Int64s) -> None:
        """Add the clients of a piece, whose rows lie in these buckets."""
        ends = self._grid.edges[1:]
        present = np.searchsorted(ends, piece.exists, "right")
        gone = np.searchsorted(ends, piece.closed, "right")
        self._record(self._untouched(piece, bucket, present, gone))
        if len(bucket):
            cells = self._cells(piece, bucket, gone)
            self._record(
                self._client_stays(piece, cells)
                if self._grid.groups == 1
                else self._package_stays(piece, bucket, cells)
            )

    def _untouched(self, piece: Piece, bucket: Int64s, present: Int64s, gone: Int64s) -> _Stays:
        """Return the stays of clients from their creation to their first transaction, in the last row."""
        some = piece.count > 0
        first = np.full(len(present), self._grid.bucket_count)
        first[some] = bucket[piece.first[some]]
        return _Stays(
            group=np.full(len(present), self._grid.groups - 1),
            currency=piece.currency,
            balance=piece.opening,
            low=present,
            high=np.minimum(first, gone),
            paid=np.zeros(len(present), np.bool_),
            active_high=present,
        )

    def _cells(self, piece: Piece, bucket: Int64s, gone: Int64s) -> _Cells:
        is_last = np.empty(len(bucket), np.bool_)
        np.not_equal(bucket[1:], bucket[:-1], out=is_last[:-1])
        is_last[(piece.first + piece.count - 1)[piece.count > 0]] = True
        last = np.flatnonzero(is_last)
        owner, at = piece.client[last], bucket[last]
        # The running sum may wrap around an int64; its differences are the true balances, which fit.
        running = np.zeros(len(bucket) + 1, np.int64)
        np.cumsum(piece.amount, out=running[1:])
        balance = running[last + 1] - running[piece.first[owner]] + piece.opening[owner]
        end = np.full(len(last), self._grid.bucket_count)
        followed = np.flatnonzero(owner[1:] == owner[:-1])
        end[followed] = at[followed + 1]
        return _Cells(last, owner, at, balance, np.minimum(end, gone[owner]))

    def _client_stays(self, piece: Piece, cells: _Cells) -> _Stays:
        rows = np.arange(len(piece.flow))
        paying = np.where(PAID[piece.flow], rows, NONE)
        last_paid = np.maximum.accumulate(paying)[cells.last]
        return _Stays(
            group=np.zeros(len(last_paid), np.int64),
            currency=piece.currency[cells.owner],
            balance=cells.balance,
            low=cells.bucket,
            high=cells.end,
            paid=last_paid >= piece.first[cells.owner],
            active_high=np.minimum(self._reach(piece.time[last_paid]) + 1, cells.end),
        )

    def _package_stays(self, piece: Piece, bucket: Int64s, cells: _Cells) -> _Stays:
        """Repeat each client's cells for every package row that the client has transactions in."""
        assert piece.package is not None
        groups, buckets = self._grid.groups, self._grid.bucket_count
        entity_of = piece.client * groups + self._grid.group_of[piece.package]
        order = np.argsort(entity_of, kind="stable")  # by entity, and still by time
        entities, begins = np.unique(entity_of[order], return_index=True)
        entity, cell = _repeat_cells(entities // groups, cells.owner, len(piece.exists))
        # The entity's last paid use up to each cell: both are in order of (entity, bucket).
        paying = order[PAID[piece.flow[order]]]
        keys = np.searchsorted(entities, entity_of[paying]) * buckets + bucket[paying]
        found = np.searchsorted(keys, entity * buckets + cells.bucket[cell], "right") - 1
        paid = found >= 0
        paid[paid] = keys[found[paid]] // buckets == entity[paid]
        last_paid = np.zeros(len(cell), np.int64)
        last_paid[paid] = paying[found[paid]]
        appears = bucket[order[begins]]
        return _Stays(
            group=entities[entity] % groups,
            currency=piece.currency[cells.owner[cell]],
            balance=cells.balance[cell],
            low=np.maximum(cells.bucket[cell], appears[entity]),
            high=cells.end[cell],
            paid=paid,
            active_high=np.minimum(self._reach(piece.time[last_paid]) + 1, cells.end[cell]),
        )

    def _reach(self, paid_at: Int64s) -> Int64s:
        """Return the last bucket in whose window an instant lies."""
        return np.asarray(np.searchsorted(self._grid.windows, paid_at, "right") - 1, np.int64)

    def _record(self, stays: _Stays) -> None:
        """Add the moments of the stays that have a length."""
        held = stays.high > stays.low
        active = held & stays.paid & (stays.active_high > stays.low)
        place = (stays.group * self._shape[1] + stays.currency) * 2 + (stays.balance < 0)
        place *= _MOMENTS
        for which, moment, at in (
            (held, _ENTERS + stays.paid.astype(np.int64) + active, stays.low),
            (held, np.where(stays.paid, _LEAVES_PAID, _LEAVES_UNPAID), stays.high),
            (active, _LEAVES_ACTIVE, stays.active_high),
        ):
            keys = (place + moment) * self._shape[4] + at
            self._sums.add(keys[which], stays.balance[which])

    def frame(self, currencies: Sequence[str]) -> pd.DataFrame:
        """Return the stocks as the schema of `cells` describes them."""
        counts, high, low = self._levels()
        # Axes: level, package row, currency, sign, bucket. A line stands where anyone is alive.
        bucket, group, currency = np.nonzero(counts[0].sum(axis=2).transpose(2, 0, 1))
        columns: dict[str, object] = {
            "row": (bucket * self._grid.groups + group).astype(np.int64),
            "currency": [currencies[c] for c in currency.tolist()],
            "value_date": [utc_date(int(self._grid.edges[k + 1]) - 1) for k in bucket],
        }
        sums: dict[str, object] = {}
        for i, level in reversed(list(enumerate(LEVELS))):
            quantity = counts[i][group, currency, :, bucket].sum(axis=1)
            sums[f"{level}_qty"] = pd.Series(quantity.tolist(), dtype=object)
            for sign, name in enumerate(("pos", "neg")):
                place = (i, group, currency, sign, bucket)
                sums[f"{level}_{name}"] = pd.Series(join(high[place], low[place]), dtype=object)
        columns["needs_quote"] = (sums["all_pos"] != 0) | (sums["all_neg"] != 0)
        return pd.DataFrame(columns | sums)

    def _levels(self) -> tuple[Int64s, Int64s, Int64s]:
        """Return counts and halves of sums by (level, package row, currency, sign, bucket)."""
        keys, *columns = self._sums.totals()
        out = []
        for column in columns:
            moments = np.zeros(self._shape, np.int64)
            moments.ravel()[keys] = column
            m = np.moveaxis(moments, 3, 0)
            overall = m[1] + m[2] - m[_LEAVES_PAID]
            active = m[2] - m[_LEAVES_ACTIVE]
            alive = m[0] - m[_LEAVES_UNPAID] + overall
            out.append(np.cumsum(np.stack([alive, overall, active]), axis=4)[..., :-1])
        return out[0], out[1], out[2]


def _repeat_cells(owners: Int64s, cell_owner: Int64s, clients: int) -> tuple[Int64s, Int64s]:
    """Return, for entities with these owners, entity and cell of every cell that the owner has."""
    counts = np.bincount(cell_owner, minlength=clients)
    first = np.cumsum(counts) - counts
    repeats = counts[owners]
    entity = np.repeat(np.arange(len(owners)), repeats)
    within = np.arange(int(repeats.sum())) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    return entity, first[owners][entity] + within
