"""The retention triangle: how many clients of each cohort had a paid use, month by month."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from custdyn_widgets.engine.cells.grid import EdgeCounter
from custdyn_widgets.engine.cells.pieces import Span, first_row_at, parts, rows_of
from custdyn_widgets.engine.groups import cohorts
from custdyn_widgets.engine.plan import Plan, plan_report
from custdyn_widgets.mart import PAID, Facts, Int64s, SourceLike, open_mart
from custdyn_widgets.query import ReportQuery, parse_as_of
from custdyn_widgets.report import CohortTriangle

if TYPE_CHECKING:
    import pandas as pd


def cohort_triangle(
    query: ReportQuery | Mapping[str, Any], source: SourceLike, *, as_of: str | datetime | None = None
) -> pd.DataFrame:
    """Return how many clients of each cohort had a paid use, month by month.

    A client's cohort is the month of its first paid use, in the calendar of the query's time zone.
    `group_by`, `columns`, `compare` and `active_duration` are ignored.

    Parameters
    ----------
    query, source, as_of
        As for `run_report`.

    Returns
    -------
    DataFrame
        One line for each cohort that has clients, beginning with the month in which the interval starts. The
        columns are `Cohort`, `Size` (int64), and `0`, `1`, `2` and so on (Int64): the number of clients with
        a paid use that many months later and before the effective end; missing for months that begin at or
        after that end.

    Raises
    ------
    QueryError, SourceError, MartError
        As for `run_report`.
    """
    import pandas as pd  # imported late: the triangle in a report does not need it

    asked = query if isinstance(query, ReportQuery) else ReportQuery.from_dict(query)
    triangle = build_triangle(plan_report(asked, open_mart(source).facts, parse_as_of(as_of)))
    frame = pd.DataFrame(triangle.rows, columns=list(triangle.headings))
    return frame.astype(dict.fromkeys(triangle.headings[2:], "Int64"))


def build_triangle(plan: Plan) -> CohortTriangle:
    """Compute the retention triangle of the chosen clients."""
    months, cohort = cohorts(plan.facts, plan.selection.clients, plan.interval)
    # Show the cohorts beginning with the month in which the interval starts.
    first = max(0, sum(start <= plan.interval.start for _, start in months) - 1)
    present = sorted(set(cohort[cohort >= first].tolist()))
    if not present:
        return CohortTriangle((), (), ())
    low = present[0]
    shown = cohort >= low
    starts = np.array([start for _, start in months[low:]], np.int64)
    edges = np.append(starts, plan.interval.effective_end)
    cohort_of = np.zeros(plan.facts.client_count, np.int64)
    cohort_of[plan.selection.clients] = cohort - low
    count = partial(_count_payers, cohort_of=cohort_of, edges=edges)
    counted = plan.facts.each(count, plan.selection.clients[shown])
    found = np.sum([own for _, own in counted], axis=0)
    counts = [(*found[c - low, c - low :].tolist(), *[None] * (c - low)) for c in present]
    sizes = np.bincount(cohort[shown] - low)
    return CohortTriangle(
        tuple(months[c][0] for c in present), tuple(int(sizes[c - low]) for c in present), tuple(counts)
    )


def _count_payers(facts: Facts, clients: Int64s, *, cohort_of: Int64s, edges: Int64s) -> Int64s:
    """Return int64[cohorts, months]: the number of clients of each cohort with a paid use in each month."""
    begin, end = (first_row_at(facts, clients, int(edge)) for edge in (edges[0], edges[-1]))
    month_of, months = EdgeCounter(edges), len(edges) - 1
    found = np.zeros(months * months, np.int64)
    for span in parts(facts, Span(clients, begin, begin, end)):
        count = span.end - span.begin
        rows = rows_of(span.begin, count)
        paid = PAID[facts.flow[rows]]
        client = np.repeat(span.clients, count)[paid]
        month = month_of(facts.time[rows][paid]) - 1
        changed = np.ones(len(client), np.bool_)  # a client's rows are in chronological order
        changed[1:] = (client[1:] != client[:-1]) | (month[1:] != month[:-1])
        keys = cohort_of[client[changed]] * months + month[changed]
        found += np.bincount(keys, minlength=len(found))
    return found.reshape(months, months)
