"""Values of a report's rows, computed in fixed point or, where that would be uncertain, exactly.

A metric's exact numbers define its values. In fixed point, the built-in metrics compute the same values much
faster, but mark some rows as uncertain; these are computed again from Fractions. Custom metrics are always
computed from Fractions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from custdyn_widgets.engine.comparison import Number, NumberRow, compare_numbers, compare_values
from custdyn_widgets.engine.fixed_columns import FixedColumn
from custdyn_widgets.engine.lines import Lines
from custdyn_widgets.engine.plan import Plan
from custdyn_widgets.engine.rounded_columns import Rounded, values_of
from custdyn_widgets.engine.rounding import round_value
from custdyn_widgets.mart import Bools, Int64s
from custdyn_widgets.report import Column, Value

Numbers = FixedColumn | list[Number]  # a column of numbers
ValueRow = tuple[Value, ...]
_TOGETHER = 1 << 22  # how many numbers are rounded at a time


def compute_values(
    plan: Plan, now: Lines, before: Lines, counterpart: Int64s, *, leave_out_empty: bool
) -> tuple[Int64s, list[ValueRow]]:
    """Return the positions of the rows that a report shows, and the values of each.

    Parameters
    ----------
    plan
        The plan of the report.
    now
        The lines of the report's rows.
    before
        The lines of the earlier periods; none without a comparison.
    counterpart
        For each row, the position of the line that it is compared with, or -1.
    leave_out_empty
        Whether to leave out rows that are empty in both periods.
    """
    return _Rows(plan, now, before, counterpart, leave_out_empty).values()


class _Rows:
    """The numbers in a report's rows."""

    def __init__(
        self, plan: Plan, now: Lines, before: Lines, counterpart: Int64s, leave_out_empty: bool
    ) -> None:
        self._plan, self._lines, self._before_lines = plan, now, before
        self._counterpart, self._leave_out_empty = counterpart, leave_out_empty
        self._now = _columns(plan, now)
        self._before: list[Numbers] = []
        if plan.query.compare:
            earlier = (
                _columns(plan, before) if len(before.rows) else [FixedColumn.nothing(0)] * len(self._now)
            )
            self._before = [_take(column, self._counterpart) for column in earlier]

    def values(self) -> tuple[Int64s, list[ValueRow]]:
        shown, doubtful = self._shown()
        unsure = doubtful[shown]
        columns: list[list[Value]] = []
        step = max(1, _TOGETHER // (1 + len(shown) * len(self._plan.columns) // len(self._now)))
        for first in range(0, len(self._now), step):
            some = self._now[first : first + step]
            parts = [
                part
                for i, own in enumerate(some, start=first)
                for part in self._parts(_take(own, shown), i, shown)
            ]
            columns += self._rounded(parts, self._plan.columns[len(columns) :][: len(parts)], unsure)
        rows = list(zip(*columns, strict=True))
        return self._corrected(shown, rows, np.flatnonzero(unsure))

    @staticmethod
    def _rounded(
        parts: Sequence[Rounded | list[Number]], abouts: Sequence[Column], unsure: Bools
    ) -> list[list[Value]]:
        """Return the values of columns, and mark uncertain rows."""
        fixed = [
            (part, about) for part, about in zip(parts, abouts, strict=True) if isinstance(part, Rounded)
        ]
        for part, _ in fixed:
            unsure |= ~part.sure
        values = iter(values_of([part for part, _ in fixed], [about for _, about in fixed]))
        return [
            next(values) if isinstance(part, Rounded) else [round_value(number, about) for number in part]
            for part, about in zip(parts, abouts, strict=True)
        ]

    def _parts(self, now: Numbers, i: int, shown: Int64s) -> list[Rounded | list[Number]]:
        """Return a column, followed by its comparison if there is one."""
        if not self._before:
            return [now if isinstance(now, list) else Rounded.of(now)]
        before = _take(self._before[i], shown)
        if isinstance(now, FixedColumn) and isinstance(before, FixedColumn):
            change = now - before
            percent = Rounded.percentages(change, before)
            return [Rounded.of(now), Rounded.of(before), Rounded.of(change), percent]
        earlier = before if isinstance(before, list) else [None] * len(before)
        assert isinstance(now, list)
        return [*map(list, zip(*map(compare_numbers, now, earlier), strict=True))] if now else [[]] * 4

    def _shown(self) -> tuple[Int64s, Bools]:
        """Return the positions of the rows to show, and which rows may be empty."""
        count = len(self._lines.rows)
        if not self._leave_out_empty:
            return np.arange(count), np.zeros(count, np.bool_)
        shown, doubtful = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
        for column in (*self._now, *self._before):
            nonzero, sure = _nonzero(column)
            shown |= nonzero
            doubtful |= ~sure
        doubtful &= ~shown
        return np.flatnonzero(shown | doubtful), doubtful

    def _corrected(
        self, shown: Int64s, rows: list[ValueRow], unsure: Int64s
    ) -> tuple[Int64s, list[ValueRow]]:
        """Recompute uncertain rows exactly, and leave out those that turn out to be empty."""
        if not len(unsure):
            return shown, rows
        empty = []
        exact = self._exact(shown[unsure])
        for place, (now, before) in zip(unsure.tolist(), exact, strict=True):
            numbers = compare_values(now, before) if self._before else now
            rows[place] = tuple(map(round_value, numbers, self._plan.columns))
            if self._leave_out_empty and not any(now) and not any(before or ()):
                empty.append(place)
        kept = np.delete(np.arange(len(rows)), empty)
        return shown[kept], [rows[place] for place in kept.tolist()] if empty else rows

    def _exact(self, positions: Int64s) -> list[tuple[NumberRow, NumberRow | None]]:
        """Return the exact numbers of some rows, and those of their counterparts."""
        now = _exact_rows(self._plan, self._lines.exact_at(positions), self._now, positions)
        before: list[NumberRow | None] = [None] * len(now)
        if self._before:
            counterpart = self._counterpart[positions]
            compared = np.flatnonzero(counterpart >= 0)
            if len(compared):
                lines = self._before_lines.exact_at(counterpart[compared])
                found = _exact_rows(self._plan, lines, self._before, positions[compared])
                for place, numbers in zip(compared.tolist(), found, strict=True):
                    before[place] = numbers
        return list(zip(now, before, strict=True))


def _columns(plan: Plan, lines: Lines) -> list[Numbers]:
    """Return the columns of all metrics."""
    found: list[Numbers] = []
    fixed = None  # computed only for built-in metrics, and only once
    for metric in plan.metrics:
        if metric.takes_fixed:
            fixed = lines.fixed if fixed is None else fixed
            found += metric.compute_fixed(fixed).values()
        else:
            found += metric.compute(lines.exact).values()
    return found


def _exact_rows(
    plan: Plan,
    lines: Mapping[str, npt.NDArray[np.object_]],
    columns: Sequence[Numbers],
    positions: Int64s,
) -> list[NumberRow]:
    """Return the exact numbers of some rows; columns of custom metrics are already exact."""
    found: list[list[Number]] = []
    for metric in plan.metrics:
        if metric.takes_fixed:
            found += metric.compute_exact(lines).values()
            continue
        for column in columns[len(found) : len(found) + len(metric.columns)]:
            own = _take(column, positions)
            found.append(own if isinstance(own, list) else [None] * len(own))
    return list(zip(*found, strict=True))


def _take(column: Numbers, positions: Int64s) -> Numbers:
    """Return the numbers at the given positions, with a missing number for the position -1."""
    if isinstance(column, FixedColumn):
        return column.take(positions)
    return [column[at] if at >= 0 else None for at in positions.tolist()]


def _nonzero(column: Numbers) -> tuple[Bools, Bools]:
    """Return whether each number is neither 0 nor missing, and whether that is certain."""
    if isinstance(column, FixedColumn):
        nonzero, sure = column.amounts.nonzero()
        return nonzero & ~column.null, sure | column.null
    return np.array([bool(number) for number in column], np.bool_), np.ones(len(column), np.bool_)
