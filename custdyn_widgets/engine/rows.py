"""Lines, rows and Total of a report, computed from its plan."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from custdyn_widgets.engine.cells.compute import compute_cells
from custdyn_widgets.engine.cells.grid import utc_date
from custdyn_widgets.engine.cells.movement import MOVEMENT_COLUMNS
from custdyn_widgets.engine.cells.states import movement_of_states
from custdyn_widgets.engine.cells.stocks import STOCK_COLUMNS
from custdyn_widgets.engine.comparison import NumberRow, compare_values
from custdyn_widgets.engine.conversion import LINE_COLUMNS, convert, lines_of, to_lines
from custdyn_widgets.engine.groups import UNGROUPED, label_headings
from custdyn_widgets.engine.lines import Lines, compute_lines
from custdyn_widgets.engine.numbers import add_exactly, round_value
from custdyn_widgets.engine.plan import Plan
from custdyn_widgets.engine.registry import compute_metrics
from custdyn_widgets.query import COLUMN_GROUPS, Bucket
from custdyn_widgets.report import Row
from custdyn_widgets.text import format_instant_utc, format_millionths


def labelled_lines(plan: Plan) -> pd.DataFrame:
    """Return the lines indexed by the labels of their rows; see `report_lines`."""
    if not plan.buckets:
        return pd.DataFrame(columns=LINE_COLUMNS, dtype=object)
    lines = compute_lines(replace(plan, befores=[]))[0].frame
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
    numbers, earlier = _numbers(plan, now), _before_numbers(plan, before)
    labels = row_labels(plan)
    rows = [
        _row(plan, labels[i], numbers[i], earlier.get(i), plan.buckets[i // len(plan.groups.labels)])
        for i in _shown(plan, numbers, earlier)
    ]
    total = None
    if plan.query.group_by:
        whole, whole_before = plan.interval.whole(), plan.whole_before
        total_labels = ["Total"] + [""] * (len(plan.query.group_by) - 1)
        total_before = _total(plan, before, whole_before) if whole_before else None
        total = _row(plan, total_labels, _total(plan, now, whole), total_before, whole)
    return rows, total, _ignored_refills(flows)


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
    return position in _shown(plan, _numbers(plan, now), _before_numbers(plan, before))


def _shown(plan: Plan, numbers: Sequence[NumberRow], before: Mapping[int, NumberRow]) -> list[int]:
    """Return the positions of the rows; with groups, without rows that are empty in both periods."""
    if not plan.query.row_group:
        return list(range(len(numbers)))
    return [i for i, own in enumerate(numbers) if any(own) or any(before.get(i, ()))]


def _numbers(plan: Plan, lines: Lines) -> list[NumberRow]:
    """Return the exact values of each line's row."""
    return list(zip(*compute_metrics(lines.frame, plan.metrics).values(), strict=True))


def _before_numbers(plan: Plan, before: Lines) -> dict[int, NumberRow]:
    """Return the figures of the earlier periods, by the position of the row compared with each."""
    if not before.buckets:
        return {}
    count = len(plan.groups.labels)
    compared = [k for k, bucket in enumerate(plan.befores) if bucket]
    positions = [k * count + i for k in compared for i in range(count)]
    return dict(zip(positions, _numbers(plan, before), strict=True))


def _total(plan: Plan, lines: Lines, whole: Bucket) -> NumberRow:
    """Return the exact values of the same query without grouping, for the whole interval.

    Unless grouped by package, they follow from the lines of the rows: flows add up, and stocks are those of
    the last rows, provided the last window is also the Total's (they may differ if the end or `as_of` is a
    skipped wall time).
    """
    grid = plan.grid([whole], UNGROUPED)
    last = lines.buckets[-1] if lines.buckets else None
    ends_alike = last and (last.end, last.window_start) == (whole.end, whole.window_start)
    if ends_alike and not plan.query.by_package and not _gaps(lines.buckets):
        total = _sum_of_lines(plan, lines, whole)
    else:
        total = to_lines(compute_cells(plan.facts, plan.selection.clients, grid), plan.rates, 1)
    if plan.has_movement:
        (counts,) = movement_of_states(plan.facts, plan.selection.clients, grid).tolist()
        total = total.assign(**dict(zip(MOVEMENT_COLUMNS, counts, strict=True)))
    (values,) = zip(*compute_metrics(total, plan.metrics).values(), strict=True)
    return values


def _gaps(buckets: Sequence[Bucket]) -> bool:
    return any(left.end != right.start for left, right in itertools.pairwise(buckets))


def _sum_of_lines(plan: Plan, lines: Lines, whole: Bucket) -> pd.DataFrame:
    count = len(plan.groups.labels)
    total: dict[str, list[object]] = {}
    for name in lines.frame.columns:
        values = lines.frame[name].tolist()
        if name in STOCK_COLUMNS:
            values = values[-count:]
        elif name == "opening_balance":
            values = values[:count]
        total[name] = [sum(values) if name.endswith("_qty") else add_exactly(values)]
    if lines.left is not None:
        left = lines.left.assign(row=0, value_date=utc_date(whole.end - 1))
        total |= convert(left, plan.rates, 1)
    return lines_of(total)


def _row(
    plan: Plan, labels: Sequence[str], values: NumberRow, before: NumberRow | None, bucket: Bucket
) -> Row:
    if plan.query.compare:
        values = compare_values(values, before)
    rounded = (round_value(value, column) for value, column in zip(values, plan.columns, strict=True))
    return Row(
        tuple(labels),
        tuple(rounded),
        format_instant_utc(bucket.start),
        format_instant_utc(bucket.end),
        bucket.partial,
    )


def _ignored_refills(flows: pd.DataFrame) -> str | None:
    """Return a warning if some refills are not counted."""
    values = (flows[name] for name in ("currency", "ignored_refill_qty", "ignored_refill"))
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
