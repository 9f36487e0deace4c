"""Checking that a report has the columns named in conditions, before anything is saved, frozen or sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from custdyn_widgets.errors import SavedQueryError, hint, shown
from custdyn_widgets.report import Column
from custdyn_widgets.saved_queries.alerts.condition import Condition

CHANGE, CHANGE_PERCENT, BEFORE = " Change", " Change %", " Before"


def is_rate(column: Column) -> bool:
    """Return whether the values of a column are fractions that pages show as percentages."""
    return str(column.unit) in ("rate", "points")


def is_in_percent(column: Column) -> bool:
    """Return whether the values of a column are percentages: 5 for 5%."""
    return str(column.unit) == "percent"


def change_column(condition: Condition, column: Column) -> str:
    """Return the name of the column that holds the change in a given column, for a condition on a comparison.

    The change in a rate is in percentage points, as it is on report pages.
    """
    relative = condition.bound.percent and not is_rate(column)
    return column.name + (CHANGE_PERCENT if relative else CHANGE)


def check_columns(conditions: Sequence[Condition], columns: Iterable[Column]) -> None:
    """Reject conditions on columns that a report does not have.

    Raises
    ------
    SavedQueryError
        If a column is missing, or if the bound for an amount or a count is a percentage.
    """
    by_name = {column.name: column for column in columns}
    for number, condition in enumerate(conditions):
        field, column = f"alert_if[{number}]", by_name.get(condition.column)
        if column is None:
            name, names = condition.column, list(by_name)
            words = f"{field}.column: the report has no column {shown(name)}. {hint(name, names)}"
            raise SavedQueryError(words, field=f"{field}.column")
        if not condition.is_change:
            if condition.bound.percent and not is_rate(column) and not is_in_percent(column):
                why = "is a percentage, but the column is not: give a number, or choose falls_by or rises_by"
                raise SavedQueryError.invalid(f"{field}.{condition.relation}", str(condition.bound), why)
        elif condition.against == "compare" and change_column(condition, column) not in by_name:
            needed = shown(change_column(condition, column))
            raise SavedQueryError(
                f"{field}.against: 'compare' needs the column {needed}, which the report does not have. Set "
                "compare in the query, or choose another column.",
                field=f"{field}.against",
            )
