"""Flows of individual clients within one row, in the report's currency."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from custdyn_widgets.engine.cells.compute import sum_flows
from custdyn_widgets.engine.cells.flows import COUNTED_CLASSES, SUMMED_CLASSES
from custdyn_widgets.engine.cells.grid import EdgeCounter, Grid, utc_date
from custdyn_widgets.engine.cells.pieces import Piece, Span, parts
from custdyn_widgets.engine.conversion import convert
from custdyn_widgets.engine.fixed_point import Amounts, Factors, add_up
from custdyn_widgets.engine.groups import Groups
from custdyn_widgets.engine.plan import Plan
from custdyn_widgets.engine.quotes import Ratio
from custdyn_widgets.engine.rounding import decimals_of, round_to_six_places
from custdyn_widgets.mart import PACKAGE_FEE, Bools, FlowClass, Int64s
from custdyn_widgets.query import Bucket

COUNTS = ("refill_qty", "activation_qty", "renewal_qty")
_SUMS = ("refill", "usage", "activation", "renewal")
_NONE = np.zeros(0, np.int64)
_CLASS_COUNT = len(FlowClass)


def _mask(classes: tuple[int, ...]) -> Bools:
    return np.isin(np.arange(_CLASS_COUNT), classes)


_COUNTED = {name: _mask(COUNTED_CLASSES[name]) for name in COUNTS}
_SUMMED = {name: _mask(SUMMED_CLASSES[name]) for name in _SUMS}
_VALUED = np.logical_or.reduce([*_SUMMED.values()])


class ClientFlows:
    """The flows of clients in one or more periods of a row.

    Parameters
    ----------
    plan
        The plan of the report.
    clients
        Positions of the clients, int64, in any order.
    groups, package_group
        The row's groups, and its group of packages; None for all transactions.
    periods
        The periods, as buckets.
    rows
        For each period, each client's first ledger row in the period and first row after the period, in
        ascending order of the clients' positions.

    Raises
    ------
    RateError
        If the quote needed to convert a nonzero amount is missing.
    """

    def __init__(
        self,
        plan: Plan,
        clients: Int64s,
        groups: Groups,
        package_group: int | None,
        periods: Sequence[Bucket],
        rows: Sequence[tuple[Int64s, Int64s]],
    ) -> None:
        self._plan, self._package_group = plan, package_group
        self._clients = np.sort(clients)
        self._place = np.searchsorted(self._clients, clients)
        grids = (plan.grid([period], groups) for period in periods)
        self._grids = [grid._replace(movement=False, balances=False) for grid in grids]
        self._found = [self._of_period(grid, *own) for grid, own in zip(self._grids, rows, strict=True)]

    def column(self, name: str, sign: int, weights: Sequence[int] = (1,)) -> Any:
        """Return the sum of a column over the periods, each multiplied by its weight.

        The first weight other than 0 must be 1, and all later ones 0 or -1.

        Returns
        -------
        array or list
            Counts as int64; money in the report's currency as Decimals, multiplied by `sign`.
        """
        weighted = [(weight, own) for weight, own in zip(weights, self._found, strict=False) if weight]
        if name in COUNTS:
            return sum(weight * own[name] for weight, own in weighted)[self._place]
        (_, first), *others = weighted
        amounts = first[name]
        for _, own in others:
            amounts = amounts - own[name]
        millionths, sure = amounts.rounded()
        found = decimals_of((sign * millionths)[self._place].tolist())
        if not sure.all():
            unsure = np.flatnonzero(~sure[self._place])
            exact = self._exact(name, self._place[unsure], weights)
            for i, value in zip(unsure.tolist(), exact, strict=True):
                found[i] = round_to_six_places(sign * value)
        return found

    def _of_period(self, grid: Grid, first: Int64s, after: Int64s) -> dict[str, Any]:
        facts = self._plan.facts
        segments: dict[int, _Segments] = {}
        found = []
        for part in parts(facts, Span(self._clients, first, first, after)):
            piece = Piece.of(facts, part, grid)
            if piece.currency not in segments:
                segments[piece.currency] = _Segments(self._plan, grid, piece.currency)
            found.append(_of_piece(piece, grid, segments[piece.currency], self._package_group))
        return {
            **{name: np.concatenate([_NONE, *(own[name] for own in found)]) for name in COUNTS},
            **{name: Amounts.joined([own[name] for own in found]) for name in _SUMMED},
        }

    def _exact(self, name: str, which: Int64s, weights: Sequence[int]) -> list[Fraction]:
        """Return the sums of some clients as exact fractions, which takes much longer."""
        plan, clients = self._plan, self._clients[which]
        own_group = np.zeros(plan.facts.client_count, np.int64)
        own_group[clients] = np.arange(len(clients))
        totals = [Fraction(0)] * len(clients)
        for weight, grid in zip(weights, self._grids, strict=False):
            own = grid._replace(client_groups=len(clients), client_group=own_group)
            flows = sum_flows(plan.facts, clients, own)
            client, of_package = np.divmod(flows["row"], grid.package_groups)
            mine = np.ones(len(flows), np.bool_)
            if self._package_group is not None:
                mine = of_package == self._package_group
            lines: Any = convert(flows.take(mine).replace(row=client[mine]), plan.rates, len(clients))
            totals = [total + weight * value for total, value in zip(totals, lines[name], strict=True)]
        return totals


class _Segments:
    """The spans of a row in which a currency's rate does not change, with their factors."""

    def __init__(self, plan: Plan, grid: Grid, currency: int) -> None:
        self._rates, self._name = plan.rates, plan.facts.names.currencies[currency]
        self._edges = np.union1d(grid.edges, grid.changes[currency])
        self._position = EdgeCounter(self._edges)

    def factors(self, piece: Piece, needed: Bools) -> tuple[Factors | None, Int64s]:
        """Return the factors of a piece, and the position of each row's factor."""
        if self._name == self._rates.target:
            return None, np.zeros(0, np.int64)
        segment = self._position(piece.time) - 1
        used = set(np.flatnonzero(np.bincount(segment[needed])).tolist())
        return Factors.of([*self._ratios(used)]), segment

    def _ratios(self, used: set[int]) -> Iterator[Ratio]:
        for segment, edge in enumerate(self._edges[:-1].tolist()):
            yield self._rates.factor(self._name, utc_date(edge)) if segment in used else (0, 1)


def _of_piece(piece: Piece, grid: Grid, segments: _Segments, package_group: int | None) -> dict[str, Any]:
    bounds = np.append(0, piece.end)
    amount, flow, counted = piece.amount(), piece.flow, None
    if piece.package is not None:
        counted = grid.fee_counts.take(piece.package, mode="wrap") | ~PACKAGE_FEE[flow]
        if package_group is not None:
            counted &= grid.package_group.take(piece.package, mode="wrap") == package_group

    def rows(classes: Bools) -> Bools:
        mask = classes[flow]
        return mask if counted is None else mask & counted

    factors, which = segments.factors(piece, rows(_VALUED) & (amount != 0))
    found: dict[str, Any] = {}
    for name, classes in _COUNTED.items():
        found[name] = np.diff(_bounds(rows(classes), bounds))
    for name, classes in _SUMMED.items():
        mask = rows(classes)
        own = which[mask] if len(which) else which
        found[name] = add_up(amount[mask], _bounds(mask, bounds), factors, own)
    return found


def _bounds(mask: Bools, bounds: Int64s) -> Int64s:
    """Return how many of the rows before each bound are in the mask."""
    before = np.zeros(len(mask) + 1, np.int64)
    np.cumsum(mask, out=before[1:])
    return before[bounds]
