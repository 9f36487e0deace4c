"""Adding up pieces by the compiled kernel, where it can be had."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from custdyn_widgets.engine.cells.flows import FlowSums
from custdyn_widgets.engine.cells.grid import EdgeCounter, Grid
from custdyn_widgets.engine.cells.pieces import Span, first_paid_use, values_before
from custdyn_widgets.engine.cells.stocks import StockSums
from custdyn_widgets.engine.cells.sums import KeyedSums
from custdyn_widgets.mart import PACKAGE_FEE, Facts

WORTH_ITS_IMPORT = 2**24  # rows: importing numba takes as long as summing them by NumPy


class Kernel:
    """The kernel, compiled for the facts and the grid of a report."""

    def __init__(self, module: ModuleType, facts: Facts, grid: Grid) -> None:
        self._module, self._facts, self._grid = module, facts, grid
        self._ledger = module.Ledger(facts.time, facts.running, facts.paid_at, facts.flow, facts.package)

    @staticmethod
    def fits(flows: FlowSums, stocks: StockSums) -> bool:
        """Return whether the sums have a place for every key, as the kernel needs."""
        return bool(
            len(flows.sums.dense()[0])
            and len(stocks.sums.dense()[0])
            and (not stocks.movement or len(stocks.movement.sums.dense()[0]))
        )

    def add(self, span: Span, flows: FlowSums, stocks: StockSums) -> None:
        """Add the clients of a span, who have one currency, to the sums."""
        self._module.add_clients(self._ledger, self._clients(span), self._flows(flows), self._stocks(stocks))

    def _clients(self, span: Span) -> Any:
        facts, grid, clients = self._facts, self._grid, span.clients
        first = facts.offset[clients]
        never = np.iinfo(facts.paid_at.dtype).min
        return self._module.Clients(
            begin=span.begin,
            end=span.end,
            exists=facts.exists[clients],
            closed=facts.closed[clients],
            opening=facts.opening[clients],
            group=np.zeros(len(clients), np.int64)
            if grid.client_group is None
            else grid.client_group[clients],
            running_before=values_before(facts.running, span.begin, 0),
            paid_before=values_before(facts.paid_at, np.where(span.begin > first, span.begin, 0), never),
            base=facts.opening[clients] - values_before(facts.running, first, 0),
            first_paid=first_paid_use(facts, clients) if grid.movement else np.zeros(0, np.int64),
        )

    def _flows(self, flows: FlowSums) -> Any:
        tables, grid = flows.tables(), self._grid
        return self._module.FlowTables(
            segment_of=self._counter(tables.segment_of),
            bucket_of=tables.bucket_of,
            class_count=tables.class_count,
            per_group=tables.per_group,
            is_fee=PACKAGE_FEE,
            fee_counts=grid.fee_counts if grid.needs_packages else np.zeros(0, np.bool_),
            not_counted=tables.not_counted,
            below=tables.below,
            joined=tables.joined,
            sums=self._sums(flows.sums),
        )

    def _stocks(self, stocks: StockSums) -> Any:
        return self._module.StockTables(
            reach=self._counter(stocks.reach),
            buckets=self._grid.bucket_count,
            groups=self._grid.groups,
            sums=self._sums(stocks.sums),
            movement=stocks.movement.sums.dense()[0] if stocks.movement else np.zeros(0, np.int64),
        )

    def _counter(self, counter: EdgeCounter) -> Any:
        return self._module.Counter(*counter.arrays())

    def _sums(self, sums: KeyedSums) -> Any:
        return self._module.Sums(*sums.dense())


def kernel_for(facts: Facts, grid: Grid, rows: int) -> Kernel | None:
    """Return the kernel for a report on so many rows, or None if NumPy has to do or does as well."""
    if grid.by_package or (rows < WORTH_ITS_IMPORT and "numba" not in sys.modules):
        return None
    module = _module()
    return Kernel(module, facts, grid) if module else None


@cache
def _module() -> ModuleType | None:
    if not importlib.util.find_spec("numba"):
        return None
    try:
        return importlib.import_module("custdyn_widgets.engine.cells.kernel")
    except Exception:  # whatever is wrong with an installation of numba, NumPy gives the same integers
        return None
