"""Functions that compute a report, or the lines behind it, from a query and a source."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from custdyn_widgets.errors import QueryError
from custdyn_widgets.mart import import_library
from custdyn_widgets.query import ReportQuery, parse_as_of

if TYPE_CHECKING:
    import pandas as pd

    from custdyn_widgets.mart import OpenedMart, SourceLike
    from custdyn_widgets.report import Report

ENGINES = ("local", "spark")


def run_report(
    query: ReportQuery | Mapping[str, Any],
    source: SourceLike,
    *,
    as_of: str | datetime | None = None,
    role: str | None = None,
    engine: str = "local",
) -> Report:
    """Compute a report.

    Parameters
    ----------
    query
        A `ReportQuery`, or a mapping with the same fields.
    source
        A name from `sources.toml`, a folder of CSV or Parquet files, a DuckDB file, the address of either on
        object storage (`s3://bucket/folder`), `demo`, a dict that maps table names to DataFrames, or a
        `Source`, which specifies how to handle faulty rows.
    as_of
        The time that relative intervals are resolved against; transactions at or after it are ignored.
        An ISO 8601 string or a datetime, in UTC if it has no offset, truncated to whole seconds. Defaults
        to now.
    role
        The role shown as the report's author. Defaults to the `role` setting.
    engine
        Where to compute the report: on this machine (`local`) or on a Spark cluster (`spark`), with the same
        result. With `spark`, the source must consist of Parquet files, and may also be the URL of a folder
        that Spark can read, such as `hdfs://…`.

    Returns
    -------
    Report
        Counts are ints. Money is in `report.currency`, as Decimals rounded once, half-even, to 6 places.

    Raises
    ------
    QueryError
        If a field's value is invalid or names something that is not in the data.
    SourceError, MartError
        If the source cannot be read or has faults.
    RateError
        If a quote needed for a conversion is missing.
    SettingsError
        If an extension listed in the settings cannot be imported, or Spark cannot be started.
    """
    began = time.monotonic()
    asked = query if isinstance(query, ReportQuery) else ReportQuery.from_dict(query)
    instant = parse_as_of(as_of)
    mart = _open(source, engine)
    return _report_on(asked, mart, instant, role=role, began=began)


def _report_on(*arguments: Any, **options: Any) -> Report:
    from custdyn_widgets.engine.report import report_on  # imported late: the ledger is read meanwhile

    return report_on(*arguments, **options)


def _open(source: SourceLike, engine: str) -> OpenedMart:
    if engine not in ENGINES:
        raise QueryError.not_allowed("engine", engine, ENGINES)
    if engine == "spark":
        from custdyn_widgets.mart import open_on_spark  # imported late: rarely needed

        return open_on_spark(source)
    # These come first, while the stack is shallow: deep in one, CPython may map memory for each call.
    for library in ("numpy", "pyarrow.compute"):
        import_library(library)
    from custdyn_widgets.mart import open_mart  # imported late: loads Arrow

    return open_mart(source)


def report_lines(
    query: ReportQuery | Mapping[str, Any], source: SourceLike, *, as_of: str | datetime | None = None
) -> pd.DataFrame:
    """Compute the lines of a report: the exact, unrounded sums from which metrics are computed.

    Parameters
    ----------
    query, source, as_of
        As for `run_report`.

    Returns
    -------
    DataFrame
        One line per row of the report, including package rows in which nothing happened; empty if there
        are no rows. The index has a level of labels for each heading; without grouping, it is a plain range.
        Columns are as in `conversion.to_lines`: `…_qty` are Python ints, and all others are Fractions in the
        report's currency.

    Raises
    ------
    QueryError, SourceError, MartError, RateError
        As for `run_report`.
    """
    asked = query if isinstance(query, ReportQuery) else ReportQuery.from_dict(query)
    instant = parse_as_of(as_of)
    mart = _open(source, "local")
    from custdyn_widgets.engine.plan import plan_report  # imported late: slow to load
    from custdyn_widgets.engine.rows import labelled_lines

    return labelled_lines(plan_report(asked, mart.facts, instant))
