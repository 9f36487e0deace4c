"""From a query and a source to a report, or to the lines that its metrics read."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pandas as pd

from custdyn_widgets.engine.plan import plan_report
from custdyn_widgets.engine.report import report_on
from custdyn_widgets.engine.rows import labelled_lines
from custdyn_widgets.mart import SourceLike, open_mart
from custdyn_widgets.query import ReportQuery, parse_as_of
from custdyn_widgets.report import Report


def run_report(
    query: ReportQuery | Mapping[str, Any],
    source: SourceLike,
    *,
    as_of: str | datetime | None = None,
    role: str | None = None,
) -> Report:
    """Compute a report.

    Parameters
    ----------
    query
        The query: a `ReportQuery`, or its JSON object.
    source
        A name of `sources.toml`, a folder of CSV or Parquet files, a DuckDB file, `demo`, a dict of
        DataFrames by the names of the tables, or a `Source`, which says what happens to faulty rows.
    as_of
        The instant at and after which nothing counts, and that relative intervals resolve against;
        ISO 8601 or a datetime, without an offset UTC, cut to its second. Default: now.
    role
        The role that the report names as its generator. Defaults to the setting.

    Returns
    -------
    Report
        Counts as int; money as Decimal with 6 places in `report.currency`, rounded once, half-even.

    Raises
    ------
    QueryError
        If the value of a field is not allowed, or names something that is not in the data.
    SourceError, MartError
        If the source cannot be read or has faults.
    RateError
        If a conversion needs a quote that is missing.
    SettingsError
        If an extension that the settings name cannot be imported.
    """
    began = time.monotonic()
    asked = query if isinstance(query, ReportQuery) else ReportQuery.from_dict(query)
    instant = parse_as_of(as_of)
    mart = open_mart(source)
    return report_on(asked, mart, instant, role=role, began=began)


def report_lines(
    query: ReportQuery | Mapping[str, Any], source: SourceLike, *, as_of: str | datetime | None = None
) -> pd.DataFrame:
    """Compute the lines of a report: what its metrics are computed from, exact and unrounded.

    Parameters
    ----------
    query, source, as_of
        As for `run_report`.

    Returns
    -------
    DataFrame
        A line for each row of the report, and for package rows in which nothing happened too. Index: the
        labels, a level for each heading (none without grouping). Columns as `conversion.to_lines` describes
        them: `…_qty` Python ints, all others Fractions in the report's currency. Without rows: empty.

    Raises
    ------
    QueryError, SourceError, MartError, RateError
        As `run_report`.
    """
    asked = query if isinstance(query, ReportQuery) else ReportQuery.from_dict(query)
    instant = parse_as_of(as_of)
    mart = open_mart(source)
    return labelled_lines(plan_report(asked, mart.facts, instant))
