"""Lines, rows and Total of a report, computed from its plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from fractions import Fraction

import pandas as pd

from custdyn_widgets.engine.cells.compute import Cells, compute_cells
from custdyn_widgets.engine.cells.stocks import STOCK_COLUMNS
from custdyn_widgets.engine.conversion import LINE_COLUMNS, lines_of, to_lines
from custdyn_widgets.engine.labels import label_headings, package_labels
from custdyn_widgets.engine.metrics import columns, compute_metrics
from custdyn_widgets.engine.numbers import round_value
from custdyn_widgets.engine.plan import Plan
from custdyn_widgets.query import Bucket
from custdyn_widgets.report import Column, Row
from custdyn_widgets.text import format_instant_utc, format_millionths


def labelled_lines(plan: Plan) -> pd.DataFrame:
    """Return the lines indexed by the labels of their rows; see `report_lines`."""
    if not plan.buckets:
        return pd.DataFrame(columns=LINE_COLUMNS, dtype=object)
    lines, _ = _lines(plan)
    levels = [[b.label for b in plan.buckets], package_labels(plan)]
    shown = [plan.query.time_group is not None, plan.query.by_package]
    if plan.query.group_by:
        index = pd.MultiIndex.from_product(levels)
        lines.index = index.droplevel([i for i in (0, 1) if not shown[i]]).set_names(
            label_headings(plan.query)
        )
    return lines


def build_rows(plan: Plan) -> tuple[list[Row], Row | None, Cells | None]:
    """Return the rows, the Total if there is one, and the cells behind the rows."""
    if not plan.buckets:
        return [], None, None
    labels = package_labels(plan)
    lines, cells = _lines(plan)
    shown = columns()
    rows = []
    for i, values in enumerate(zip(*compute_metrics(lines).values(), strict=True)):
        bucket, package = plan.buckets[i // len(labels)], labels[i % len(labels)]
        if plan.query.by_package and not any(values):
            continue
        by_time, by_package = plan.query.time_group is not None, plan.query.by_package
        row_labels = [bucket.label] * by_time + [package] * by_package
        rows.append(_row(row_labels, values, bucket, shown))
    if not plan.query.group_by:
        return rows, None, cells
    whole = plan.interval.whole()
    (values,) = zip(*compute_metrics(_total_line(plan, lines, whole)).values(), strict=True)
    total_labels = ["Total"] + [""] * (len(label_headings(plan.query)) - 1)
    return rows, _row(total_labels, values, whole, shown), cells


def _lines(plan: Plan) -> tuple[pd.DataFrame, Cells]:
    """Return a line for each row, including rows that are later left out, and the cells behind them."""
    grid = plan.grid(plan.buckets, plan.query.by_package)
    cells = compute_cells(plan.facts, plan.selection.clients, grid)
    return to_lines(cells, plan.rates, len(plan.buckets) * len(package_labels(plan))), cells


def _total_line(plan: Plan, lines: pd.DataFrame, whole: Bucket) -> pd.DataFrame:
    """Return the line of the same query without grouping.

    When grouped by time only, it follows from `lines`: flows add up, and stocks are those of the last row,
    provided its window is also the Total's (an end or `as_of` at a skipped wall time may separate them).
    """
    if plan.query.by_package or plan.buckets[-1].window_start != whole.window_start:
        cells = compute_cells(plan.facts, plan.selection.clients, plan.grid([whole], by_package=False))
        return to_lines(cells, plan.rates, 1)
    total = {
        name: lines[name].tolist()[-1:] if name in STOCK_COLUMNS else [sum(lines[name])]
        for name in LINE_COLUMNS
    }
    return lines_of(total)


def _row(
    labels: Iterable[str], values: Iterable[int | Fraction | None], bucket: Bucket, shown: Iterable[Column]
) -> Row:
    rounded = (round_value(value, column) for value, column in zip(values, shown, strict=True))
    return Row(
        tuple(labels),
        tuple(rounded),
        format_instant_utc(bucket.start),
        format_instant_utc(bucket.end),
        bucket.partial,
    )


def ignored_refills(cells: Cells) -> str | None:
    """Return a warning if some refills are not counted."""
    values = (cells.flows[name] for name in ("currency", "ignored_refill_qty", "ignored_refill"))
    ignored = [line for line in zip(*values, strict=True) if line[1]]
    if not ignored:
        return None
    count = sum(qty for _, qty, _ in ignored)
    totals = Counter[str]()
    for currency, _, millionths in ignored:
        totals[currency] += millionths
    sums = (f"{format_millionths(total)} {currency}" for currency, total in sorted(totals.items()))
    refills = "refill has" if count == 1 else "refills have"
    return (
        f"{count:,} {refills} an amount of 0 or less: part of balances, not of Balance Refill. "
        f"Their sum: {', '.join(sums)}."
    )
