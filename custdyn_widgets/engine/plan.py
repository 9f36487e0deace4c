"""Report plans: queries applied to their data, with edges computed and clients selected."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from custdyn_widgets.engine.cells.grid import Grid
from custdyn_widgets.engine.conversion import Rates, target_currency
from custdyn_widgets.engine.selection import Selection, select
from custdyn_widgets.mart import Facts
from custdyn_widgets.query import Bucket, ReportQuery, ResolvedInterval, resolve

_DAY = 86_400


@dataclass(frozen=True)
class Plan:
    """Everything needed to compute the report of a query."""

    query: ReportQuery
    facts: Facts
    interval: ResolvedInterval
    selection: Selection
    rates: Rates
    buckets: list[Bucket]
    packages: tuple[int, ...]  # codes of the package rows in order, without the last row; () if ungrouped

    def grid(self, buckets: list[Bucket], by_package: bool) -> Grid:
        """Return the edges, windows and groups by which cells are summed."""
        edges = np.array([b.start for b in buckets] + [buckets[-1].end], np.int64)
        first, last = int(edges[0]) // _DAY + 1, (int(edges[-1]) - 1) // _DAY
        changes = (self.rates.changes([c], first, last) for c in self.facts.names.currencies)
        count = len(self.facts.names.packages)
        fee_counts = np.ones(count + 1, np.bool_)
        if self.selection.packages:
            fee_counts[:] = False
            fee_counts[list(self.selection.packages)] = True
        groups = len(self.packages) + 1 if by_package else 1
        group_of = np.full(count + 1, groups - 1, np.int64)
        if by_package:
            group_of[list(self.packages)] = np.arange(groups - 1)
        return Grid(
            edges=edges,
            windows=np.array([b.window_start for b in buckets], np.int64),
            changes=tuple(np.array(days, np.int64) * _DAY for days in changes),
            groups=groups,
            group_of=group_of,
            fee_counts=fee_counts,
        )


def plan_report(query: ReportQuery, facts: Facts, as_of: datetime) -> Plan:
    """Apply a query to its data.

    Raises
    ------
    QueryError
        If a field names something that is not in the data.
    """
    interval = resolve(query, as_of)
    rates = Rates(facts.names, target_currency(facts.names, query.currency))
    selection = select(facts, query, interval.effective_end)
    exists = facts.exists[selection.clients]
    since = int(exists.min()) if len(exists) else interval.effective_end
    nothing = interval.is_empty or since >= interval.effective_end
    names = facts.names.packages
    shown = selection.packages or tuple(range(len(names)))
    return Plan(
        query=replace(query, package=tuple(names[p][0] for p in selection.packages)),
        facts=facts,
        interval=interval,
        selection=selection,
        rates=rates,
        buckets=[] if nothing else interval.buckets(query.time_group, since),
        packages=tuple(sorted(shown, key=lambda p: (names[p][1], names[p][0]))) if query.by_package else (),
    )
