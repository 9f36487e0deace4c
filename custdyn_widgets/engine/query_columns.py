"""The columns of a query's report, determined before any data is read."""

from __future__ import annotations

import contextlib

from custdyn_widgets import settings
from custdyn_widgets.engine.comparison import report_columns
from custdyn_widgets.engine.extensions import load_extensions
from custdyn_widgets.engine.metrics import chosen_metrics
from custdyn_widgets.engine.registry import METRICS
from custdyn_widgets.errors import CustDynError
from custdyn_widgets.query import ReportQuery
from custdyn_widgets.report import Column


def columns_of(query: ReportQuery) -> tuple[Column, ...]:
    """Return the columns of a query's report, including those of metrics registered in this process.

    Raises
    ------
    SettingsError
        If an extension cannot be imported.
    QueryError
        If the query requests columns that no metric provides.
    """
    load_extensions(settings.load().extensions)
    return report_columns(chosen_metrics(query.columns), query.compare)


def column_groups() -> dict[str, tuple[Column, ...]]:
    """Return the columns of each group that a query can request, by the group's id, in column order.

    Groups of extensions that cannot be imported are left out; running a query reports the error.
    """
    with contextlib.suppress(CustDynError):
        load_extensions(settings.load().extensions)
    return {metric.id: metric.columns for metric in METRICS.values()}
