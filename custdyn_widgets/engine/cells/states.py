"""States of individual clients at the start and at the end of one row.

Reports sum clients without examining each one (see `cells.compute`). This module examines them individually
to find the clients behind a row, and to count movements in the Total and in rows whose windows are not in
order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np

from custdyn_widgets.engine.cells.grid import Grid
from custdyn_widgets.engine.cells.pieces import first_paid_use, first_row_at
from custdyn_widgets.mart import NEVER, PAID, Bools, Facts, Int64s

NOT_YET = np.iinfo(np.int64).min


class Moment(NamedTuple):
    """The state of clients just before an instant, one value per client.

    Attributes
    ----------
    alive
        Whether the client belongs to the row and is alive.
    last_paid
        The time of the row's last paid use before the instant; the minimum of int64 if there was none.
    active
        Whether the client is alive and that paid use is in the window.
    balance
        int64, millionths of the client's currency.
    """

    alive: Bools
    last_paid: Int64s
    active: Bools
    balance: Int64s

    @property
    def paid(self) -> Bools:
        """Whether there was a paid use before the instant."""
        return self.last_paid > NOT_YET


@dataclass(frozen=True, eq=False)
class RowStates:
    """Clients at the start and at the end of a row.

    `first_paid` is the time of each client's first paid use in the row, or `NEVER` if there is none before
    the end. `has_transactions` says whether the client has a transaction in the row. `starts_at` is the row's
    start. `first_row` is each client's first ledger row at or after the start, and `row_after` is its first
    one at or after the end.
    """

    start: Moment
    end: Moment
    first_paid: Int64s
    has_transactions: Bools
    starts_at: int
    first_row: Int64s
    row_after: Int64s

    def rows_of(self, chosen: Bools) -> tuple[Int64s, Int64s]:
        """Return `first_row` and `row_after` for some of the clients."""
        return self.first_row[chosen], self.row_after[chosen]

    @cached_property
    def movement(self) -> dict[str, Bools]:
        """Masks of the clients that each movement column counts."""
        start, end = self.start, self.end
        return {
            "opening_qty": start.active,
            "new_qty": end.active & ~start.paid,
            "reactivated_qty": end.active & ~start.active & start.paid,
            "lapsed_qty": start.active & ~end.active & end.alive,
            "closed_qty": start.active & ~end.alive,
            "first_use_qty": (self.first_paid >= self.starts_at) & (self.first_paid < NEVER),
        }


def row_states(facts: Facts, clients: Int64s, grid: Grid, package_group: int | None = None) -> RowStates:
    """Return the states of a row's clients.

    Parameters
    ----------
    facts
        The facts of the source.
    clients
        Positions of the clients, int64, ascending.
    grid
        A grid whose only bucket is the row's.
    package_group
        The row's group of packages; None for all transactions.
    """
    (start, end), window = grid.edges.tolist(), int(grid.windows[0])
    moments = [(start, grid.opening_window), (end, window)]
    own = None if package_group is None else _OwnRows.of(facts, clients, grid, package_group)
    first = own.first_paid if own else first_paid_use(facts, clients)
    rows = [first_row_at(facts, clients, at) for at in (start, end)]
    at_start, at_end = (
        _moment(facts, clients, row, at, window, own) for row, (at, window) in zip(rows, moments, strict=True)
    )
    has = own.within(start) if own else rows[0] < rows[1]
    return RowStates(at_start, at_end, np.where(first < end, first, NEVER), has, start, *rows)


def movement_of_states(facts: Facts, clients: Int64s, grid: Grid) -> Int64s:
    """Count the movements in a grid with a single bucket, client by client: int64[groups, columns]."""
    parts = facts.each(partial(_movement_of, grid=grid), clients)
    total: Int64s = np.sum([counts for _, counts in parts], axis=0)
    return total


def _movement_of(facts: Facts, clients: Int64s, *, grid: Grid) -> Int64s:
    groups = np.zeros(len(clients), np.int64) if grid.client_group is None else grid.client_group[clients]
    found = []
    for package_group in range(grid.package_groups) if grid.by_package else [None]:
        masks = row_states(facts, clients, grid, package_group).movement.values()
        counts = [np.bincount(groups[mask], minlength=grid.client_groups) for mask in masks]
        found.append(np.stack(counts, axis=1))
    return np.stack(found, axis=1).reshape(grid.groups, -1)


def _moment(facts: Facts, clients: Int64s, row: Int64s, at: int, window: int, own: _OwnRows | None) -> Moment:
    begin = facts.offset[clients]
    some = row > begin
    balance = facts.opening[clients].copy()
    before = np.zeros(len(clients), np.int64)
    before[begin > 0] = facts.running[begin[begin > 0] - 1]
    balance[some] += facts.running[row[some] - 1] - before[some]
    if own is None:
        present, last_paid = facts.exists[clients] < at, np.full(len(clients), NOT_YET)
        last = facts.paid_at[row[some] - 1]
        last_paid[some] = np.where(last > np.iinfo(last.dtype).min, last.astype(np.int64), NOT_YET)
    else:
        present, last_paid = own.present(at, facts.exists[clients], some), own.last_paid(at)
    alive = present & (facts.closed[clients] >= at)
    active = alive & (last_paid >= window) & (last_paid > NOT_YET)
    return Moment(alive, last_paid, active, balance)


class _OwnRows(NamedTuple):
    """The transactions in one group of packages, sorted by `client`, a position among the given clients."""

    client: Int64s
    time: Int64s
    paid: Bools
    client_count: int
    is_rest: bool

    @classmethod
    def of(cls, facts: Facts, clients: Int64s, grid: Grid, package_group: int) -> _OwnRows:
        begin, end = facts.offset[clients], first_row_at(facts, clients, int(grid.edges[-1]))
        count = end - begin
        rows = np.arange(int(count.sum())) + np.repeat(begin - np.cumsum(count) + count, count)
        mine = grid.package_group.take(facts.package[rows], mode="wrap") == package_group
        rows = rows[mine]
        return cls(
            client=np.repeat(np.arange(len(clients)), count)[mine],
            time=facts.time[rows].astype(np.int64),
            paid=PAID[facts.flow[rows]],
            client_count=len(clients),
            is_rest=package_group == grid.package_groups - 1,
        )

    @property
    def first_paid(self) -> Int64s:
        """The time of each client's first paid use, or `NEVER`."""
        first = np.full(self.client_count, NEVER)
        np.minimum.at(first, self.client[self.paid], self.time[self.paid])
        return first

    def last_paid(self, before: int) -> Int64s:
        """Return the time of each client's last paid use before an instant."""
        last = np.full(self.client_count, NOT_YET)
        some = self.paid & (self.time < before)
        np.maximum.at(last, self.client[some], self.time[some])
        return last

    def within(self, start: int) -> Bools:
        """Return whether each client has a transaction at or after an instant."""
        found = np.zeros(self.client_count, np.bool_)
        found[self.client[self.time >= start]] = True
        return found

    def present(self, at: int, exists: Int64s, has_transactions: Bools) -> Bools:
        """Return, for each client, whether it belongs to the row just before an instant.

        A client belongs to a row from its first transaction in that row onward. Before its first transaction
        of any kind, it belongs to the last package row.
        """
        found = np.zeros(self.client_count, np.bool_)
        found[self.client[self.time < at]] = True
        if self.is_rest:
            found |= (exists < at) & ~has_transactions
        return found
