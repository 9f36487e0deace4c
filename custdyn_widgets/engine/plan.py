"""Report plans: queries applied to data, with the edges of buckets and the selected clients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

import numpy as np

from custdyn_widgets import settings
from custdyn_widgets.engine.cells.grid import Grid
from custdyn_widgets.engine.comparison import report_columns
from custdyn_widgets.engine.default_currency import target_currency
from custdyn_widgets.engine.extensions import load_extensions
from custdyn_widgets.engine.groups import Groups, find_groups
from custdyn_widgets.engine.metrics import chosen_metrics
from custdyn_widgets.engine.quotes import Rates
from custdyn_widgets.engine.registry import Metric
from custdyn_widgets.engine.selection import Selection, select
from custdyn_widgets.mart import Facts
from custdyn_widgets.query import Bucket, ReportQuery, ResolvedInterval, resolve
from custdyn_widgets.report import Column

_DAY = 86_400


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything needed to compute the report of a query."""

    query: ReportQuery
    facts: Facts
    interval: ResolvedInterval
    selection: Selection
    rates: Rates
    buckets: list[Bucket]
    groups: Groups
    metrics: tuple[Metric, ...]
    befores: list[Bucket | None]  # the earlier period for each bucket, None if empty; [] if not compared
    whole_before: Bucket | None

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The columns of the report."""
        return report_columns(self.metrics, self.query.compare)

    @property
    def has_movement(self) -> bool:
        """Whether the report includes the movement of clients."""
        return any(metric.id == "movement" for metric in self.metrics)

    @property
    def has_balances(self) -> bool:
        """Whether the report includes the movement of balances."""
        return any(metric.id == "balances" for metric in self.metrics)

    def grid(self, buckets: Sequence[Bucket], groups: Groups) -> Grid:
        """Return the edges, windows and groups by which cells are summed."""
        edges = np.array([b.start for b in buckets] + [buckets[-1].end], np.int64)
        first, last = int(edges[0]) // _DAY + 1, (int(edges[-1]) - 1) // _DAY
        changes = (self.rates.changes([c], first, last) for c in self.facts.names.currencies)
        count = len(self.facts.names.packages)
        fee_counts = np.ones(count + 1, np.bool_)
        if self.selection.packages:
            fee_counts[:] = False
            fee_counts[list(self.selection.packages)] = True
        package_group = np.full(count + 1, len(groups.packages), np.int64)
        package_group[list(groups.packages)] = np.arange(len(groups.packages))
        return Grid(
            edges=edges,
            windows=np.array([b.window_start for b in buckets], np.int64),
            changes=tuple(np.array(days, np.int64) * _DAY for days in changes),
            package_groups=len(groups.packages) + 1,
            package_group=package_group,
            fee_counts=fee_counts,
            client_groups=1 if groups.of_client is None else len(groups.labels),
            client_group=groups.of_client,
            movement=self.has_movement,
            balances=self.has_balances,
            opening_window=buckets[0].opening_window,
        )


def plan_report(query: ReportQuery, facts: Facts, as_of: datetime) -> Plan:
    """Apply a query to its data.

    Raises
    ------
    QueryError
        If a field names something that is not in the data, or a group of columns that does not exist.
    SettingsError
        If an extension listed in the settings cannot be imported.
    """
    load_extensions(settings.load().extensions)
    interval = resolve(query, as_of)
    rates = Rates(facts.names, target_currency(facts.names, query.currency))
    selection = select(facts, query, interval.effective_end)
    exists = facts.exists[selection.clients]
    since = int(exists.min()) if len(exists) else interval.effective_end
    nothing = interval.is_empty or since >= interval.effective_end
    buckets = [] if nothing else interval.buckets(query.time_group, since)
    compare = query.compare if buckets else None
    names = facts.names.packages
    return Plan(
        query=replace(query, package=tuple(names[p][0] for p in selection.packages)),
        facts=facts,
        interval=interval,
        selection=selection,
        rates=rates,
        buckets=buckets,
        groups=find_groups(query, facts, selection, interval),
        metrics=chosen_metrics(query.columns),
        befores=[interval.before(bucket, compare) for bucket in buckets] if compare else [],
        whole_before=interval.before(interval.whole(), compare) if compare else None,
    )
