"""Cells: what is summed, exactly. Facts and the edges of a report in, integer sums per row out.

The cost grows with ledger rows, not with rows × buckets. The rows of a client stand in order of time, so

- a running sum over all rows is, less its value before the client's first row, the client's balance;
- only the last row of a client in a bucket matters for stocks: it makes a *cell*, which holds from its
  bucket until the client's next cell. History before the first bucket folds into it;
- the last paid use so far gives the cell's *reach*, the last bucket in whose window it lies. Windows rise
  with the buckets, so that is one binary search, and the client is active from the cell's bucket up to
  the reach or the next cell, whichever comes first.

So each cell adds (1, balance) where it begins and takes it away where it ends, and one cumulative sum
over the buckets gives every stock. A client's creation is one more such moment, its closing an end.
Flows are sums by bucket, further divided at the UTC dates on which a quote changes.

Grouped by package, the entity is (client, row of its packages) instead of the client: balances are the
client's, presence and reach those of the entity's own transactions.

Cells add up over disjoint sets of clients, so they are computed in pieces of bounded memory.

Schema
------
`Cells.flows` and `Cells.stocks` are DataFrames with one line for each row of the report, currency and
date of valuation. Common columns: `row` (int64, position of the row), `currency` (str), `value_date`
(datetime.date in UTC: amounts are converted at the latest quote on or before it), `needs_quote` (bool:
whether any amount in the line is not zero). All other columns hold Python ints: `…_qty` counts, the
rest sums in millionths of `currency`.

- flows: `refill_qty`, `refill`, `usage`, `activation_qty`, `activation`, `renewal_qty`, `renewal`,
  `ignored_refill_qty`, `ignored_refill` (refills with an amount ≤ 0, for a warning). Signs are those of
  the ledger: a fee is negative.
- stocks: `active_qty`, `active_pos`, `active_neg`, `overall_qty`, `overall_pos`, `overall_neg`,
  `all_qty`, `all_pos`, `all_neg`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from custdyn_widgets.cells.flows import FLOW_COLUMNS, FlowSums
from custdyn_widgets.cells.grid import Grid, pieces
from custdyn_widgets.cells.stocks import STOCK_COLUMNS, StockSums
from custdyn_widgets.mart.facts import NEVER, Facts
from custdyn_widgets.mart.values import Int64s

__all__ = ["FLOW_COLUMNS", "STOCK_COLUMNS", "Cells", "Grid", "compute_cells"]


@dataclass(frozen=True)
class Cells:
    """What was summed.

    Attributes
    ----------
    flows, stocks
        See the schema above.
    transactions
        How many rows the chosen clients have before the report's end.
    first, last
        The first and last of them within the report's rows, in seconds since 1970; None without any.
    """

    flows: pd.DataFrame
    stocks: pd.DataFrame
    transactions: int
    first: int | None
    last: int | None


def compute_cells(facts: Facts, clients: Int64s, grid: Grid) -> Cells:
    """Sum the ledger of the chosen clients.

    Parameters
    ----------
    facts
        The facts of the source.
    clients
        int64: positions of the chosen clients, rising.
    grid
        The rows of the report.
    """
    rising = np.maximum.accumulate(grid.windows)
    cells = _sum_up(facts, clients, replace(grid, windows=rising))
    for k in np.flatnonzero(rising != grid.windows).tolist():
        # An `as_of` in an hour that clocks repeat: the last window may start before the one before it.
        edges = grid.edges[k : k + 2]
        alone = replace(grid, edges=edges, segments=edges, windows=grid.windows[k : k + 1])
        own = _sum_up(facts, clients, alone).stocks
        own["row"] += k * grid.groups
        cells = replace(cells, stocks=_with_active_of(own, cells.stocks))
    return cells


def _with_active_of(own: pd.DataFrame, stocks: pd.DataFrame) -> pd.DataFrame:
    """Return the stocks with the active columns of single rows in the place of theirs."""
    active = ["active_qty", "active_pos", "active_neg"]
    key = ["row", "currency"]
    changed = stocks.set_index(key)
    changed.loc[pd.MultiIndex.from_frame(own[key]), active] = own[active].to_numpy()
    return changed.reset_index()


def _sum_up(facts: Facts, clients: Int64s, grid: Grid) -> Cells:
    currencies = facts.names.currencies
    flows = FlowSums(grid, len(currencies))
    stocks = StockSums(grid, len(currencies))
    read = 0
    firsts, lasts = [], []
    for piece in pieces(facts, clients, grid):
        segment = flows.segment_of(piece.time)
        flows.add(piece, segment)
        stocks.add(piece, flows.bucket_of[segment])
        read += len(piece.time)
        inside = segment >= 0
        if inside.any():
            firsts.append(int(piece.time.min(where=inside, initial=NEVER)))
            lasts.append(int(piece.time.max()))
    return Cells(
        flows=flows.frame(currencies),
        stocks=stocks.frame(currencies),
        transactions=read,
        first=min(firsts, default=None),
        last=max(lasts, default=None),
    )
