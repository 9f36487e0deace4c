"""Summing pieces with the compiled kernel, if it is available."""

from __future__ import annotations

import importlib
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from custdyn_widgets.engine.cells.flows import FlowSums
from custdyn_widgets.engine.cells.grid import Grid
from custdyn_widgets.engine.cells.pieces import Span, first_paid_use, values_before
from custdyn_widgets.engine.cells.stocks import StockSums
from custdyn_widgets.mart import Facts

# After this many rows, the kernel would have saved more time than it takes to import numba and load the
# kernel.
WORTH_ITS_IMPORT = 2**25
_NO_PACKAGES = np.zeros(0, np.int8)
_WORKS: dict[object, bool] = {}  # whether the kernel works, by dtype of package codes
_summed = 0  # the number of rows that this process has summed with NumPy


class Kernel:
    """The kernel with the facts and grid of a report."""

    def __init__(self, module: ModuleType, facts: Facts, grid: Grid) -> None:
        self._module, self._facts, self._grid = module, facts, grid
        rows = (facts.time, facts.running, facts.paid_at, facts.flow)
        package = facts.package if grid.needs_packages else _NO_PACKAGES
        self._ledger = module.Ledger(*map(_read_only, (*rows, package)))

    @staticmethod
    def fits(flows: FlowSums, stocks: StockSums) -> bool:
        """Return whether the sums have a slot for every key, as the kernel requires."""
        return bool(
            len(flows.sums.dense().counts)
            and len(stocks.sums.dense().counts)
            and (not stocks.movement or len(stocks.movement.sums.dense().counts))
        )

    def add(self, span: Span, flows: FlowSums, stocks: StockSums) -> None:
        """Add the clients of a span, which all have the same currency, to the sums."""
        self._module.add_clients(self._ledger, self._clients(span), flows.tables(), stocks.tables())

    def _clients(self, span: Span) -> Any:
        facts, grid, clients = self._facts, self._grid, span.clients
        first = facts.offset[clients]
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
            paid_before=values_before(facts.paid_at, np.where(span.begin > first, span.begin, 0), 0),
            base=facts.opening[clients] - values_before(facts.running, first, 0),
            first_paid=first_paid_use(facts, clients) if grid.movement else np.zeros(0, np.int64),
        )


def kernel_for(facts: Facts, grid: Grid, rows: int) -> Kernel | None:
    """Return the kernel for summing this many rows, or None if NumPy should sum them.

    Loading the kernel takes time, so a process loads it only once it has had many rows to sum.
    """
    global _summed
    if grid.by_package or facts.time.dtype != np.uint32:
        return None
    if _summed + rows < WORTH_ITS_IMPORT:
        _summed += rows
        return None
    _summed = WORTH_ITS_IMPORT
    module = _module()
    return _tried(module, facts, grid) if module else None


@cache
def _module() -> ModuleType | None:
    try:
        return importlib.import_module("custdyn_widgets.engine.cells.kernel")
    except Exception:  # numba is missing or incompatible, or its cache is not writable: use NumPy
        return None


def _tried(module: ModuleType, facts: Facts, grid: Grid) -> Kernel | None:
    """Return the kernel after compiling it for a new dtype of package codes; None if that fails."""
    kernel = Kernel(module, facts, grid)
    kind = facts.package.dtype if grid.needs_packages else _NO_PACKAGES.dtype
    if kind not in _WORKS:
        empty = np.zeros(0, np.int64)
        try:
            kernel.add(Span(empty, empty, empty, empty), FlowSums(grid, 0), StockSums(grid))
            _WORKS[kind] = True
        except Exception:  # such as a full disk
            _WORKS[kind] = False
    return kernel if _WORKS[kind] else None


def _read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a read-only view, like a mapped array, so that the kernel is compiled for only one type."""
    view = array.view()
    view.flags.writeable = False
    return view
