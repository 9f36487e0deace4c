"""Exact evaluation of a saved query's conditions on its report.

This module is pure: it takes a report and conditions, and returns the result of each condition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from custdyn_widgets.report import Column, Report, Row, Value
from custdyn_widgets.saved_queries import (
    BEFORE,
    Condition,
    change_column,
    check_columns,
    is_in_percent,
    is_rate,
)

NO_ROW = "the report has no such row"
NO_VALUE = "there is no value"
NO_ROW_BEFORE = "there is no previous row"
NO_VALUE_BEFORE = "there is no value to compare with"
ZERO_BEFORE = "the earlier value is 0, so the percentage change is undefined"


@dataclass(frozen=True)
class Cell:
    """The cell of a row that a condition checks.

    Attributes
    ----------
    labels
        The row's labels; `("Total",)` for a report without grouping.
    value, before
        The value, and the value it is compared with; each is None if missing.
    partial
        Whether the row's period is cut short.
    """

    labels: tuple[str, ...]
    value: Value
    before: Value = None
    partial: bool = False


@dataclass(frozen=True)
class Finding:
    """The result of a condition.

    Attributes
    ----------
    condition, column
        The condition and its column.
    met, unmet
        The cells that meet the condition and those that do not, in report order.
    unknown
        The cells for which the condition cannot be evaluated, each with the reason. A reason without a cell
        applies to the whole report.
    """

    condition: Condition
    column: Column
    met: tuple[Cell, ...] = ()
    unmet: tuple[Cell, ...] = ()
    unknown: tuple[tuple[Cell | None, str], ...] = ()

    @property
    def is_true(self) -> bool:
        """Whether the condition is true."""
        return bool(self.met)


def evaluate(report: Report, conditions: Sequence[Condition]) -> tuple[Finding, ...]:
    """Return the result of each condition on a report.

    Raises
    ------
    SavedQueryError
        If the report lacks a condition's column.
    """
    check_columns(conditions, report.columns)
    return tuple(_find(report, condition) for condition in conditions)


def _find(report: Report, condition: Condition) -> Finding:
    column = report.columns[report.column(condition.column)]
    before = _rows_before(report) if condition.is_change and condition.against == "row_before" else None
    met: list[Cell] = []
    unmet: list[Cell] = []
    unknown: list[tuple[Cell | None, str]] = []
    rows = _rows(report, condition)
    if before is not None and condition.row == "any":  # rows of the first period have no previous row
        rows = tuple(row for row in rows if row.start != report.rows[0].start) or rows
    for row in rows:
        cell, found = _judge(report, condition, column, row, before)
        if isinstance(found, str):
            unknown.append((cell, found))
        else:
            (met if found else unmet).append(cell)
    if not rows:
        unknown.append((None, NO_ROW))
    return Finding(condition, column, tuple(met), tuple(unmet), tuple(unknown))


def _rows(report: Report, condition: Condition) -> tuple[Row, ...]:
    """Return the rows that a condition checks, or none if the report lacks them."""
    if condition.row == "any":
        return report.rows
    if condition.row == "total":
        return (report.total,) if report.total is not None else report.rows[:1]
    if len(report.headings) < 2:
        return report.rows[-1:]
    # Rows without activity are left out of reports, so the last period may have no rows.
    return tuple(row for row in report.rows if row.end == report.info.effective_end)


def _rows_before(report: Report) -> Mapping[tuple[str, tuple[str, ...]], Row]:
    """Return the rows, keyed by the end of each row's period and its other labels."""
    return {(row.end, row.labels[1:]): row for row in report.rows}


def _judge(
    report: Report,
    condition: Condition,
    column: Column,
    row: Row,
    rows_before: Mapping[tuple[str, tuple[str, ...]], Row] | None,
) -> tuple[Cell, bool | str]:
    """Return a row's cell and whether it meets a condition, or the reason why it cannot be evaluated."""
    at = report.column(column.name)
    value = row.values[at]
    if not condition.is_change:
        cell = _cell(row, value)
        return cell, NO_VALUE if value is None else _is_beyond(condition, column, Fraction(value))
    if rows_before is None:
        return _judge_compared(report, condition, column, row)
    earlier = rows_before.get((row.start, row.labels[1:]))
    cell = _cell(row, value, earlier.values[at] if earlier else None)
    if value is None:
        return cell, NO_VALUE
    if earlier is None:
        return cell, NO_ROW_BEFORE
    if cell.before is None:
        return cell, NO_VALUE_BEFORE
    change, before = Fraction(value) - Fraction(cell.before), Fraction(cell.before)
    if not condition.bound.percent or is_rate(column):
        return cell, _is_reached(condition, change)
    return cell, _is_reached(condition, change / abs(before)) if before else ZERO_BEFORE


def _judge_compared(
    report: Report, condition: Condition, column: Column, row: Row
) -> tuple[Cell, bool | str]:
    """Evaluate a row using the columns that the query's comparison adds."""
    by_name = {one.name: value for one, value in zip(report.columns, row.values, strict=True)}
    value, before = by_name[column.name], by_name.get(column.name + BEFORE)
    cell = _cell(row, value, before)
    name = change_column(condition, column)
    change = by_name[name]
    if change is not None:
        in_percent = condition.bound.percent and not is_rate(column)
        return cell, _is_reached(condition, Fraction(change) / (100 if in_percent else 1))
    if value is None:
        return cell, NO_VALUE
    return cell, ZERO_BEFORE if before == 0 and before is not None else NO_VALUE_BEFORE


def _cell(row: Row, value: Value, before: Value = None) -> Cell:
    return Cell(row.labels or ("Total",), value, before, row.partial)


def _is_beyond(condition: Condition, column: Column, value: Fraction) -> bool:
    """Return whether a value is strictly below or above the bound, as the condition requires."""
    bound = Fraction(condition.bound.number) if is_in_percent(column) else condition.bound.fraction
    return value < bound if condition.relation == "below" else value > bound


def _is_reached(condition: Condition, change: Fraction) -> bool:
    """Return whether a change is at least as large as the bound, in the condition's direction."""
    size = -change if condition.relation == "falls_by" else change
    return size >= condition.bound.fraction
