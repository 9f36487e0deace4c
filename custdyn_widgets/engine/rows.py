"""Lines, rows and Total of a report, computed from its plan."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from custdyn_widgets.engine.cells.compute import Cells, compute_cells
from custdyn_widgets.engine.cells.grid import utc_date
from custdyn_widgets.engine.cells.movement import MOVEMENT_COLUMNS
from custdyn_widgets.engine.cells.states import movement_of_states
from custdyn_widgets.engine.cells.stocks import STOCK_COLUMNS
from custdyn_widgets.engine.comparison import NumberRow, compare_values
from custdyn_widgets.engine.conversion import LINE_COLUMNS, convert, lines_of, to_lines
from custdyn_widgets.engine.groups import UNGROUPED, label_headings
from custdyn_widgets.engine.numbers import round_value
from custdyn_widgets.engine.plan import Plan
from custdyn_widgets.engine.registry import compute_metrics
from custdyn_widgets.query import Bucket
from custdyn_widgets.report import Row
from custdyn_widgets.text import format_instant_utc, format_millionths


@dataclass(frozen=True)
class _Run:
    """Buckets without gaps between them, with their cells and a line for each of their rows."""

    buckets: list[Bucket]
    cells: Cells
    lines: pd.DataFrame

    @classmethod
    def of(cls, plan: Plan, buckets: list[Bucket]) -> _Run:
        cells = compute_cells(plan.facts, plan.selection.clients, plan.grid(buckets, plan.groups))
        return cls(buckets, cells, to_lines(cells, plan.rates, len(buckets) * len(plan.groups.labels)))


def labelled_lines(plan: Plan) -> pd.DataFrame:
    """Return the lines indexed by the labels of their rows; see `report_lines`."""
    if not plan.buckets:
        return pd.DataFrame(columns=LINE_COLUMNS, dtype=object)
    lines = _Run.of(plan, plan.buckets).lines
    levels = [[b.label for b in plan.buckets], list(plan.groups.labels)]
    shown = [plan.query.time_group is not None, plan.query.row_group is not None]
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
    now = _Run.of(plan, plan.buckets)
    numbers, before = _numbers(plan, now.lines), _Before.of(plan)
    labels = row_labels(plan)
    rows = [
        _row(plan, labels[i], numbers[i], before.numbers.get(i), plan.buckets[i // len(plan.groups.labels)])
        for i in _shown(plan, numbers, before)
    ]
    if not plan.query.group_by:
        return rows, None, now.cells
    whole = plan.interval.whole()
    total_labels = ["Total"] + [""] * (len(plan.query.group_by) - 1)
    total = _row(plan, total_labels, _total(plan, [now], whole), before.total(plan), whole)
    return rows, total, now.cells


def row_labels(plan: Plan) -> list[tuple[str, ...]]:
    """Return the labels of each row by position, including rows that are left out."""
    is_level = (plan.query.time_group is not None, plan.query.row_group is not None)
    return [
        tuple(itertools.compress((bucket.label, label), is_level))
        for bucket in plan.buckets
        for label in plan.groups.labels
    ]


def shown_positions(plan: Plan) -> list[int]:
    """Return the positions of the rows that are not left out."""
    return _shown(plan, _numbers(plan, _Run.of(plan, plan.buckets).lines), _Before.of(plan))


def _shown(plan: Plan, numbers: Sequence[NumberRow], before: _Before) -> list[int]:
    """Leave out rows of a group in which nothing is there, neither now nor before."""
    if not plan.query.row_group:
        return list(range(len(numbers)))
    return [i for i, own in enumerate(numbers) if any(own) or any(before.numbers.get(i, ()))]


@dataclass(frozen=True)
class _Before:
    """The numbers of the earlier periods that rows are compared with, by position of the row."""

    runs: list[_Run]
    numbers: dict[int, NumberRow]

    @classmethod
    def of(cls, plan: Plan) -> _Before:
        count = len(plan.groups.labels)
        runs: list[_Run] = []
        numbers: dict[int, NumberRow] = {}
        for first, buckets in _without_gaps(plan.befores):
            run = _Run.of(plan, buckets)
            positions = [k * count + i for k in first for i in range(count)]
            numbers |= dict(zip(positions, _numbers(plan, run.lines), strict=True))
            runs.append(run)
        return cls(runs, numbers)

    def total(self, plan: Plan) -> NumberRow | None:
        """Return the numbers before the Total; None if it is not compared or has no counterpart."""
        return None if plan.whole_before is None else _total(plan, self.runs, plan.whole_before)


def _without_gaps(buckets: Sequence[Bucket | None]) -> Iterator[tuple[list[int], list[Bucket]]]:
    """Yield the positions and buckets of each run without gaps; buckets that are None have no length."""
    positions: list[int] = []
    run: list[Bucket] = []
    for position, bucket in enumerate(buckets):
        if bucket is None:
            continue
        if run and run[-1].end != bucket.start:
            yield positions, run
            positions, run = [], []
        positions.append(position)
        run.append(bucket)
    if run:
        yield positions, run


def _numbers(plan: Plan, lines: pd.DataFrame) -> list[NumberRow]:
    """Return the exact values of each line's row."""
    return list(zip(*compute_metrics(lines, plan.metrics).values(), strict=True))


def _total(plan: Plan, runs: Sequence[_Run], whole: Bucket) -> NumberRow:
    """Return the exact values of the same query without grouping, for the whole interval.

    Unless grouped by package, they follow from the lines of the rows: flows add up, and stocks are those of
    the last rows, provided the last window is also the Total's (an end or `as_of` at a skipped wall time may
    separate them).
    """
    grid = plan.grid([whole], UNGROUPED)
    last = runs[-1].buckets[-1] if len(runs) == 1 else None
    ends_alike = last and (last.end, last.window_start) == (whole.end, whole.window_start)
    if ends_alike and not plan.query.by_package:
        lines = _sum_of_lines(plan, runs[0], whole)
    else:
        lines = to_lines(compute_cells(plan.facts, plan.selection.clients, grid), plan.rates, 1)
    if plan.has_movement:
        (counts,) = movement_of_states(plan.facts, plan.selection.clients, grid).tolist()
        lines = lines.assign(**dict(zip(MOVEMENT_COLUMNS, counts, strict=True)))
    (values,) = _numbers(plan, lines)
    return values


def _sum_of_lines(plan: Plan, run: _Run, whole: Bucket) -> pd.DataFrame:
    lines, count = run.lines, len(plan.groups.labels)
    total: dict[str, list[object]] = {}
    for name in lines.columns:
        values = lines[name].tolist()
        if name in STOCK_COLUMNS:
            values = values[-count:]
        elif name == "opening_balance":
            values = values[:count]
        total[name] = [sum(values)]
    if run.cells.balances:
        left = run.cells.balances.left.assign(row=0, value_date=utc_date(whole.end - 1))
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
