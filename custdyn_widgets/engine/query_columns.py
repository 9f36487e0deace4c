"""The columns that the report of a query has, known before any data is read."""

from __future__ import annotations

from custdyn_widgets import settings
from custdyn_widgets.engine import metrics as _metrics  # noqa: F401  # registers those of every report
from custdyn_widgets.engine.comparison import compared_columns
from custdyn_widgets.engine.extensions import load_extensions
from custdyn_widgets.engine.registry import chosen_metrics
from custdyn_widgets.query import ReportQuery
from custdyn_widgets.report import Column


def columns_of(query: ReportQuery) -> tuple[Column, ...]:
    """Return the columns of a query's report, with those of the metrics registered in this process.

    Raises
    ------
    SettingsError
        If an extension cannot be imported.
    QueryError
        If the query asks for columns that no metric has.
    """
    load_extensions(settings.load().extensions)
    columns = tuple(column for metric in chosen_metrics(query.columns) for column in metric.columns)
    return tuple(compared_columns(columns, query.compare)) if query.compare else columns
