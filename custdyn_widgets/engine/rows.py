"""Lines, rows and Total of a report, computed from its plan."""

from __future__ import annotations

import gc
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from custdyn_widgets.engine.cells.balances import BalanceTables
from custdyn_widgets.engine.cells.compute import Cells, compute_cells
from custdyn_widgets.engine.cells.grid import utc_days
from custdyn_widgets.engine.cells.table import SumTable
from custdyn_widgets.engine.conversion import LINE_COLUMNS, add_up_rows
from custdyn_widgets.engine.groups import UNGROUPED, label_headings
from custdyn_widgets.engine.lines import ConvertedCells, Lines, compute_lines
from custdyn_widgets.engine.plan import Plan
from custdyn_widgets.engine.values import ValueRow, compute_values
from custdyn_widgets.mart import Int64s
from custdyn_widgets.query import COLUMN_GROUPS, Bucket
from custdyn_widgets.report import Row
from custdyn_widgets.text import format_instant_utc, format_millionths

if TYPE_CHECKING:
    import pandas as pd

_NO_ROWS = np.zeros(0, np.int64)


def labelled_lines(plan: Plan) -> pd.DataFrame:
    """Return the lines indexed by the labels of their rows; see `report_lines`."""
    import pandas as pd  # imported late: reports need no DataFrames

    if not plan.buckets:
        return pd.DataFrame(columns=LINE_COLUMNS, dtype=object)
    lines = compute_lines(replace(plan, befores=[]))[0].exact.copy()
    levels = [[b.label for b in plan.buckets], list(plan.groups.labels)]
    shown = [plan.query.time_group is not None, plan.query.row_group is not None]
    if plan.query.group_by:
        index = pd.MultiIndex.from_product(levels)
        lines.index = index.droplevel([i for i in (0, 1) if not shown[i]]).set_names(
            label_headings(plan.query)
        )
    return lines


def build_rows(plan: Plan) -> tuple[list[Row], Row | None, str | None]:
    """Return the rows, the Total if there is one, and a warning if some refills are not counted."""
    if not plan.buckets:
        return [], None, None
    now, before, flows = compute_lines(plan)
    with _without_garbage_collection():
        rows = _rows(plan, *_shown_values(plan, now, before))
    total = _total(plan, now, before) if plan.query.group_by else None
    return rows, total, _ignored_refills(flows)


def _shown_values(plan: Plan, now: Lines, before: Lines) -> tuple[Int64s, list[ValueRow]]:
    """Return the positions of the rows that the report shows, and their values."""
    groups = len(plan.groups.labels)
    counterpart = np.full(len(now.rows), -1)
    compared = np.flatnonzero([bucket is not None for bucket in plan.befores])
    places = (compared[:, None] * groups + np.arange(groups)).ravel()
    counterpart[places] = np.arange(len(places))
    leave_out_empty = plan.query.row_group is not None
    return compute_values(plan, now, before, counterpart, leave_out_empty=leave_out_empty)


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Pause garbage collection: rows have no reference cycles, but creating them would trigger it often."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _rows(plan: Plan, positions: Int64s, values: Sequence[ValueRow]) -> list[Row]:
    labels = row_labels(plan)
    edges = [_edges(bucket) for bucket in plan.buckets]
    count = len(plan.groups.labels)
    return [
        Row(labels[at], own, *edges[at // count]) for at, own in zip(positions.tolist(), values, strict=True)
    ]


def _edges(bucket: Bucket) -> tuple[str, str, bool]:
    return format_instant_utc(bucket.start), format_instant_utc(bucket.end), bucket.partial


def row_labels(plan: Plan) -> list[tuple[str, ...]]:
    """Return the labels of each row by position, including rows that are left out."""
    is_level = (plan.query.time_group is not None, plan.query.row_group is not None)
    return [
        tuple(itertools.compress((bucket.label, label), is_level))
        for bucket in plan.buckets
        for label in plan.groups.labels
    ]


def is_shown(plan: Plan, position: int) -> bool:
    """Return whether the report shows the row at a position.

    Only the row's period is computed, unless there are custom metrics, which may depend on other rows.
    """
    if all(metric.id in COLUMN_GROUPS for metric in plan.metrics):
        bucket, position = divmod(position, len(plan.groups.labels))
        period = slice(bucket, bucket + 1)
        plan = replace(plan, buckets=plan.buckets[period], befores=plan.befores[period])
    now, before, _ = compute_lines(plan)
    return position in _shown_values(plan, now, before)[0].tolist()


def _total(plan: Plan, now: Lines, before: Lines) -> Row:
    """Return the row of the same query without grouping, for the whole interval."""
    whole, whole_before = plan.interval.whole(), plan.whole_before
    lines = _line_of_total(plan, now, whole)
    compared = _line_of_total(plan, before, whole_before) if whole_before else lines._replace(rows=_NO_ROWS)
    counterpart = np.array([0 if whole_before else -1])
    (values,) = compute_values(plan, lines, compared, counterpart, leave_out_empty=False)[1]
    return Row(("Total",) + ("",) * (len(plan.query.group_by) - 1), values, *_edges(whole))


def _line_of_total(plan: Plan, lines: Lines, whole: Bucket) -> Lines:
    """Return the line of the same query without grouping, for the whole interval.

    Unless the report is grouped by package, it is derived from the rows' cells: flows add up, and stocks are
    those of the last rows, provided that these rows have the same window as the Total (their windows may
    differ if the end or `as_of` is a skipped wall time).
    """
    grid = plan.grid([whole], UNGROUPED)
    last = lines.buckets[-1] if lines.buckets else None
    ends_alike = last and (last.end, last.window_start) == (whole.end, whole.window_start)
    if ends_alike and not plan.query.by_package and not _gaps(lines.buckets):
        cells = _sum_of_cells(plan, lines, whole)
    else:
        cells = compute_cells(plan.facts, plan.selection.clients, grid)
    if plan.has_movement:
        from custdyn_widgets.engine.cells.states import movement_of_states  # imported late: rarely needed

        cells = cells._replace(movement=movement_of_states(plan.facts, plan.selection.clients, grid))
    return Lines([whole], ConvertedCells(cells, plan.rates, 1), np.zeros(1, np.int64))


def _gaps(buckets: Sequence[Bucket]) -> bool:
    return any(left.end != right.start for left, right in itertools.pairwise(buckets))


def _sum_of_cells(plan: Plan, lines: Lines, whole: Bucket) -> Cells:
    """Return the cells of the Total: all flows, the stocks of the last rows and the openings of the first."""
    count, cells = len(plan.groups.labels), lines.source.cells

    def total_of(table: SumTable, rows: Int64s) -> SumTable:
        return add_up_rows(table.take(np.isin(table["row"], rows)))

    balances = cells.balances
    if balances is not None:
        value_day = np.repeat(utc_days(np.array([whole.end - 1])), len(balances.left))
        balances = BalanceTables(
            openings=total_of(balances.openings, lines.rows[:count]),
            flows=total_of(balances.flows, lines.rows),
            left=total_of(balances.left.replace(value_day=value_day), lines.rows),
        )
    return Cells(total_of(cells.flows, lines.rows), total_of(cells.stocks, lines.rows[-count:]), balances)


def _ignored_refills(flows: SumTable) -> str | None:
    """Return a warning if some refills are not counted."""
    some = flows.take(flows["ignored_refill_qty"] != 0)
    if not len(some):
        return None
    count = sum(some["ignored_refill_qty"].tolist())
    totals = Counter[str]()
    for code, millionths in zip(some["currency"].tolist(), some["ignored_refill"].tolist(), strict=True):
        totals[some.currencies[code]] += millionths
    sums = (f"{format_millionths(total)} {currency}" for currency, total in sorted(totals.items()))
    refills, sum_of = ("refill has", "Its amount") if count == 1 else ("refills have", "Their sum")
    return (
        f"{count:,} {refills} an amount of 0 or less, which counts toward balances but not toward Balance "
        f"Refill. {sum_of}: {', '.join(sums)}."
    )
