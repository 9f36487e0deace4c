"""Computation of cells, the exact integer sums behind each row of a report.

The cost grows with the number of ledger rows within the report, not with rows × buckets or with earlier
history. The rows of a client are sorted by time, and each includes the running sum of amounts and the last
paid use. As a result:

- Only a client's last row in a bucket matters for stocks. That row becomes a *cell*, whose balance and last
  paid use are valid until the client's next cell.
- The row before the first one in the report contains the initial balance and last paid use, so earlier rows
  are not read. Package rows are an exception: they depend on the packages of all the client's transactions.
- The last paid use determines the cell's *reach*: the last bucket whose window contains it. Window starts
  increase with the buckets, so the reach is found by counting the windows that start by that time. The client
  is active from the cell's bucket up to the reach or the next cell, whichever comes first.

A client is thus in one state at a time: a level (all, overall active or active) and the sign of its balance.
It enters a state with a balance and leaves it with the same balance, so one cumulative sum of entries minus
exits over the buckets yields every stock. If the state is the same in the next cell, which is the usual case,
only the difference in balance is added. A client's first state starts when the client is created, and its
last state ends when the client is closed.

Flows are sums by bucket, split further where an exchange rate changes.

When a report is grouped by package, the entity is a pair (client, package row) instead of a client. Such
a pair has the client's balances, but its presence and reach depend only on the transactions in that row.

Cells of disjoint sets of clients can be added. They are therefore computed on all cores in pieces of limited
size, each with clients that share a currency. A piece is computed column by column with NumPy. Each row needs
only a few operations: its bucket is looked up in a table, its amount is added to a sum by key, and its bucket
is compared with that of the next row. Everything else is done per cell or per client.

Schema
------
`Cells.flows` and `Cells.stocks` are tables (`SumTable`) with one line for each combination of report row,
currency and valuation date. Common columns: `row` (int64, position of the row), `currency` (int64, position
in the table's `currencies`), `value_day` (int64, days since 1970 in UTC: amounts are converted at the latest
quote on or before it), `needs_quote` (bool: whether any amount in the line is nonzero). All other columns are
int64s, or Python ints if some sum might overflow: `…_qty` are counts, and the rest are sums in millionths of
`currency`.

If the grid requests them, there are three more such tables, and an array for movement, which has a line of
int64 counts for each row of the report, in row order.

- flows: `refill_qty`, `refill`, `usage`, `activation_qty`, `activation`, `renewal_qty`, `renewal`,
  `ignored_refill_qty`, `ignored_refill` (refills with an amount ≤ 0, for a warning). Signs are those of
  the ledger: a fee is negative.
- stocks: `active_qty`, `active_pos`, `active_neg`, `overall_qty`, `overall_pos`, `overall_neg`,
  `all_qty`, `all_pos`, `all_neg`.
- openings: `opening_balance`, the balances of clients alive at the row's start.
- balance flows: `joined` (opening balances of new clients), and the sums of all transactions of each kind:
  `all_refills`, `all_usage`, `all_fees` (including fees for packages that the query leaves out) and `other`.
- left: `left`, the balances of clients that were already closed at the row's start, minus those of clients
  that are closed at its end.
- movement: `opening_qty` (active at the row's start), `new_qty`, `reactivated_qty`, `lapsed_qty`,
  `closed_qty`, `first_use_qty`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from custdyn_widgets.engine.cells.balances import BalanceTables, balance_tables
from custdyn_widgets.engine.cells.fast import kernel_for
from custdyn_widgets.engine.cells.flows import BALANCE_FLOW_COLUMNS, FLOW_COLUMNS, FlowSums
from custdyn_widgets.engine.cells.grid import Grid, utc_days
from custdyn_widgets.engine.cells.pieces import Piece, Span, parts
from custdyn_widgets.engine.cells.stocks import STOCK_COLUMNS, StockSums
from custdyn_widgets.engine.cells.sums import Sums
from custdyn_widgets.engine.cells.table import SumTable
from custdyn_widgets.mart import Facts, Int64s, threads

_Sums = tuple[FlowSums, StockSums]

__all__ = ["FLOW_COLUMNS", "STOCK_COLUMNS", "Cells", "Grid", "compute_cells"]


class Cells(NamedTuple):
    """The sums behind the rows of a report.

    Attributes
    ----------
    flows, stocks, balances, movement
        See the schema above; the last two are None unless the grid requests them.
    """

    flows: SumTable
    stocks: SumTable
    balances: BalanceTables | None = None
    movement: Int64s | None = None

    @property
    def sums(self) -> list[SumTable]:
        """All tables of sums by currency."""
        return [self.stocks, self.flows, *(self.balances or ())]

    def replace_sums(self, change: Callable[[SumTable], SumTable]) -> Cells:
        """Return the cells with every table of sums by currency replaced."""
        balances = self.balances
        if balances is not None:
            balances = BalanceTables(*map(change, balances))
        return self._replace(stocks=change(self.stocks), flows=change(self.flows), balances=balances)

    @classmethod
    def joined(cls, parts: Sequence[Cells], row_counts: Sequence[int]) -> Cells:
        """Concatenate the cells of several reports."""
        if len(parts) == 1:
            return parts[0]
        firsts = np.cumsum([0, *row_counts[:-1]]).tolist()
        moved = [
            cells.replace_sums(partial(_move, by=first)) for cells, first in zip(parts, firsts, strict=True)
        ]
        stocks, flows, *balances = (
            SumTable.joined(tables) for tables in zip(*(c.sums for c in moved), strict=True)
        )
        movements = [cells.movement for cells in moved if cells.movement is not None]
        return cls(
            flows,
            stocks,
            BalanceTables(*balances) if balances else None,
            np.concatenate(movements) if movements else None,
        )


def compute_cells(facts: Facts, clients: Int64s, grid: Grid) -> Cells:
    """Sum the ledger of the selected clients.

    Parameters
    ----------
    facts
        The facts of the source.
    clients
        Positions of the selected clients, int64, ascending.
    grid
        The rows of the report.
    """
    windows = np.maximum.accumulate(np.append(np.int64(grid.opening_window), grid.windows))[1:]
    cells = _sum_up(facts, clients, grid._replace(windows=windows))
    # If clocks skip or repeat an hour, a window may start before the previous window does.
    raised = np.flatnonzero(windows != grid.windows)
    for k in raised.tolist():
        one_row = _single(grid, k)._replace(movement=False, balances=False)
        own = _move(_sum_up(facts, clients, one_row).stocks, by=k * grid.groups)
        cells = cells._replace(stocks=_with_active_of(own, cells.stocks))
    if cells.movement is not None and len(raised):
        from custdyn_widgets.engine.cells.states import movement_of_states  # imported late: rarely needed

        for k in np.union1d(raised, raised[raised + 1 < grid.bucket_count] + 1).tolist():
            rows = slice(k * grid.groups, (k + 1) * grid.groups)
            cells.movement[rows] = movement_of_states(facts, clients, _single(grid, k))
    return cells


def _move(table: SumTable, by: int) -> SumTable:
    return table.replace(row=table["row"] + by)


def _single(grid: Grid, k: int) -> Grid:
    """Return the grid reduced to one bucket."""
    edges = grid.edges[k : k + 2]
    return grid._replace(
        edges=edges,
        windows=grid.windows[k : k + 1],
        changes=tuple(days[days > edges[0]] for days in grid.changes),
        opening_window=int(grid.windows[k - 1]) if k else grid.opening_window,
    )


def _with_active_of(own: SumTable, stocks: SumTable) -> SumTable:
    """Return the stocks, with the active columns replaced in the rows that `own` contains."""
    keys, replaced = (t["row"] * len(t.currencies) + t["currency"] for t in (stocks, own))
    at = np.flatnonzero(np.isin(keys, replaced))  # both tables are sorted by currency and row
    changed = {}
    for name in ("active_qty", "active_pos", "active_neg"):
        changed[name] = stocks[name].astype(np.result_type(stocks[name], own[name]))
        changed[name][at] = own[name]
    return stocks.replace(**changed)


def _sum_up(facts: Facts, clients: Int64s, asked: Grid) -> Cells:
    has_opening = asked.movement or asked.balances
    grid = asked.with_opening() if has_opening else asked
    sums = _merged(own for _, own in facts.each(partial(_sums_of, grid=grid), clients))
    names = facts.names.currencies
    cells = Cells(
        flows=_table({c: flows.columns() for c, (flows, _) in sums}, FLOW_COLUMNS, names),
        stocks=_table({c: stocks.columns() for c, (_, stocks) in sums}, STOCK_COLUMNS, names),
    )
    return _with_opening(cells, asked, sums) if has_opening else cells


def _with_opening(cells: Cells, grid: Grid, sums: list[tuple[int, _Sums]]) -> Cells:
    """Return the cells without the opening bucket, but with the movement and balances derived from it."""
    stocks, flows = cells.stocks, _move(cells.flows, by=-grid.groups)
    row_count = grid.bucket_count * grid.groups
    # The stocks at the end of a row are those at the start of the next one.
    openings = stocks.take(stocks["row"] < row_count)
    stocks = _move(stocks.take(stocks["row"] >= grid.groups), by=-grid.groups)
    movement, balances = None, None
    if grid.movement:
        opening = np.zeros(row_count, np.int64)
        np.add.at(opening, openings["row"], openings["active_qty"])
        moved = sum(own.movement.counts() for _, (_, own) in sums if own.movement)
        movement = np.column_stack([opening, moved])
    if grid.balances:
        moves = _table(
            {c: own.balance_columns() for c, (own, _) in sums}, BALANCE_FLOW_COLUMNS, flows.currencies
        )
        moves = _move(moves, by=-grid.groups)
        balances = balance_tables(openings, stocks, moves, utc_days(grid.edges[1:] - 1), grid.groups)
    return Cells(flows, stocks, balances, movement)


def sum_flows(facts: Facts, clients: Int64s, grid: Grid) -> SumTable:
    """Return only the flows of a grid with one group per client; see the schema above."""
    sums: dict[int, FlowSums] = {}
    for span in parts(facts, Span.of(facts, clients, grid)):
        piece = Piece.of(facts, span, grid)
        sums.setdefault(piece.currency, FlowSums(grid, piece.currency)).add(piece)
    return _table({c: sums[c].columns() for c in sorted(sums)}, FLOW_COLUMNS, facts.names.currencies)


def _sums_of(facts: Facts, clients: Int64s, *, grid: Grid) -> dict[int, _Sums]:
    """Return the sums for each currency, computed in threads that take spans from a shared iterator."""
    spans = parts(facts, Span.of(facts, clients, grid))
    waiting = iter(spans)
    kernel = kernel_for(facts, grid, sum(int((span.end - span.begin).sum()) for span in spans))

    def add_up() -> dict[int, _Sums]:
        own: dict[int, _Sums] = {}
        for span in waiting:
            currency = int(facts.currency[span.clients[0]])
            if currency not in own:
                own[currency] = FlowSums(grid, currency), StockSums(grid)
            flows, stocks = own[currency]
            if kernel and kernel.fits(flows, stocks):
                kernel.add(span, flows, stocks)
            else:
                piece = Piece.of(facts, span, grid)
                stocks.add(piece, flows.add(piece))
        return own

    if len(spans) < 2:
        return add_up()
    with ThreadPoolExecutor(threads()) as pool:
        found = [pool.submit(add_up) for _ in range(threads())]
    return dict(_merged(done.result() for done in found))


def _merged(parts: Iterable[dict[int, _Sums]]) -> list[tuple[int, _Sums]]:
    """Add the sums of disjoint sets of clients; return them sorted by currency code."""
    merged: dict[int, _Sums] = {}
    for own in parts:
        for currency, (flows, stocks) in own.items():
            if currency in merged:
                merged[currency][0].merge(flows)
                merged[currency][1].merge(stocks)
            else:
                merged[currency] = flows, stocks
    return sorted(merged.items(), key=_code)


def _code(of_currency: tuple[int, _Sums]) -> int:
    return of_currency[0]


def _table(
    of_currencies: dict[int, dict[str, Sums]], columns: tuple[str, ...], currencies: tuple[str, ...]
) -> SumTable:
    """Return the lines of all currencies, given by code, as one table."""
    codes, counts = [*of_currencies], [len(own["row"]) for own in of_currencies.values()]

    def joined(name: str, dtype: type[np.generic] = np.int64) -> Any:
        return np.concatenate([np.zeros(0, dtype), *(own[name] for own in of_currencies.values())])

    return SumTable(
        currencies,
        {
            "row": joined("row"),
            "currency": np.repeat(np.array(codes, np.int64), counts),
            "value_day": joined("value_day"),
            "needs_quote": joined("needs_quote", np.bool_),
            **{name: joined(name) for name in columns},
        },
    )
