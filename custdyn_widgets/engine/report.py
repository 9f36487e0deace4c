"""Computing reports from an open mart."""

from __future__ import annotations

import functools
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from custdyn_widgets import __version__, settings
from custdyn_widgets.engine.cells.pieces import transactions_within
from custdyn_widgets.engine.evidence import EvidenceMaker
from custdyn_widgets.engine.freshness import data_gaps
from custdyn_widgets.engine.groups import label_headings
from custdyn_widgets.engine.metrics import SURPRISES
from custdyn_widgets.engine.plan import Plan, plan_report
from custdyn_widgets.engine.rows import build_rows
from custdyn_widgets.mart import OpenedMart
from custdyn_widgets.query import ReportQuery, parse_as_of, time_zone_data
from custdyn_widgets.report import CohortTriangle, Info, Report
from custdyn_widgets.text import format_instant_utc


def report_on(
    query: ReportQuery,
    mart: OpenedMart,
    as_of: str | datetime | None = None,
    *,
    role: str | None = None,
    began: float | None = None,
) -> Report:
    """Compute a report from an open mart, so that several reports can use the same data.

    Parameters
    ----------
    query, as_of, role
        As for `run_report`.
    mart
        The return value of `open_mart`.
    began
        The `time.monotonic` time at which work on the report began. Defaults to now.

    Raises
    ------
    QueryError, RateError, SettingsError
        As for `run_report`.
    """
    began = time.monotonic() if began is None else began
    loaded = settings.load()
    plan = plan_report(query, mart.facts, parse_as_of(as_of))
    rows, total, warning = build_rows(plan)
    return Report(
        query=plan.query,
        headings=label_headings(plan.query),
        columns=plan.columns,
        rows=tuple(rows),
        total=total,
        info=_info(plan, mart, warning, role or loaded.role, time.monotonic() - began),
        message=None if plan.buckets else _why_no_rows(plan),
        definitions=SURPRISES,
        triangle=_triangle(plan),
        evidence=EvidenceMaker(plan) if loaded.evidence and not mart.facts.is_distributed else None,
    )


def _info(plan: Plan, mart: OpenedMart, warning: str | None, role: str, seconds: float) -> Info:
    interval = plan.interval
    count, first, last = _transactions(plan)
    gaps = tuple(data_gaps(mart, interval, plan.query.time_group))
    return Info(
        interval_start=interval.period.start.isoformat(sep=" "),
        interval_end=interval.period.end.isoformat(sep=" "),
        timezone=plan.query.timezone,
        start=format_instant_utc(interval.start),
        effective_end=format_instant_utc(interval.effective_end),
        actual_start=_text_or_none(first),
        actual_end=_text_or_none(last),
        role=role,
        generated_at=format_instant_utc(datetime.now(UTC)),
        duration_ms=round(seconds * 1000),
        as_of=format_instant_utc(interval.as_of),
        data_as_of=_text_or_none(mart.data_as_of),
        source=mart.name,
        clients=len(plan.selection.clients),
        transactions=count,
        currency=plan.rates.target,
        time_zone_data=time_zone_data(),
        quotes=plan.rates.used(),
        warnings=(*mart.warnings, *gaps, *([warning] if warning else [])),
        data_gaps=gaps,
        versions={"custdyn-widgets": __version__, "pandas": _pandas_version(), "numpy": np.__version__},
    )


@functools.cache
def _pandas_version() -> str:
    """Return the version of pandas, if possible without importing it, because most reports do not need it."""
    if "pandas" not in sys.modules:
        for folder in sys.path:
            found = [path.stem.removeprefix("pandas-") for path in Path(folder).glob("pandas-*.dist-info")]
            if len(found) == 1:
                return found[0]
    import pandas as pd  # imported late: slow

    return pd.__version__


def _triangle(plan: Plan) -> CohortTriangle | None:
    if "cohort" not in plan.query.group_by:
        return None
    from custdyn_widgets.engine.cohorts import build_triangle  # imported late: rarely needed

    return build_triangle(plan)


def _text_or_none(instant: int | None) -> str | None:
    return None if instant is None else format_instant_utc(instant)


def _why_no_rows(plan: Plan) -> str:
    interval = plan.interval
    if interval.end <= interval.start:
        return "There is nothing to show: clocks in this time zone skipped the whole interval."
    if interval.is_empty:
        return (
            f"There is nothing to show yet: the interval starts at {format_instant_utc(interval.start)}, and "
            f"nothing at or after {format_instant_utc(interval.as_of)} is counted."
        )
    if not len(plan.selection.clients):
        return "There is nothing to show: no client matches the filters."
    end = format_instant_utc(interval.effective_end)
    return f"There is nothing to show: no chosen client existed before {end}."


def _transactions(plan: Plan) -> tuple[int, int | None, int | None]:
    """Return how many transactions were read, and the times of the first and last ones in the report."""
    if not plan.buckets:
        return 0, None, None
    start, end = plan.buckets[0].start, plan.buckets[-1].end
    return transactions_within(plan.facts, plan.selection.clients, start, end)
