"""The columns that the report of a query has, known before any data is read."""

from __future__ import annotations

from custdyn_widgets import settings
from custdyn_widgets.engine.comparison import report_columns
from custdyn_widgets.engine.extensions import load_extensions
from custdyn_widgets.engine.metrics import chosen_metrics
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
    return report_columns(chosen_metrics(query.columns), query.compare)
