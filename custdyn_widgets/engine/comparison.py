"""Comparison of a report's numbers with those of an earlier period."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from fractions import Fraction

from custdyn_widgets.engine.registry import Metric
from custdyn_widgets.errors import QueryError, shown
from custdyn_widgets.report import Column

Number = int | Fraction | None
NumberRow = tuple[Number, ...]


def report_columns(metrics: Iterable[Metric], comparison: str | None) -> tuple[Column, ...]:
    """Return the columns of these metrics in a report, including those of a comparison.

    Raises
    ------
    QueryError
        If a custom metric has a column with the same name as a column of the comparison.
    """
    columns = tuple(column for metric in metrics for column in metric.columns)
    if comparison is None:
        return columns
    compared = tuple(_compared(columns, comparison))
    counts = Counter(column.name for column in compared)
    for column in compared:
        if counts[column.name] > 1:
            why = f"would give two columns the name {shown(column.name)}; rename the custom metric's column"
            raise QueryError.invalid("compare", comparison, why)
    return compared


def _compared(columns: Iterable[Column], comparison: str) -> Iterator[Column]:
    """Yield each column, followed by the columns for its earlier value and its change."""
    earlier = comparison.replace("_", " ")
    for column in columns:
        group, label, unit = column.group, column.label, column.unit
        yield column
        yield Column(group, f"{label} Before", unit, f"{label} of the {earlier}.", "before")
        change_unit = "points" if unit == "rate" else unit
        yield Column(group, f"{label} Change", change_unit, f"{label} minus {label} Before.", "change")
        yield Column(
            group,
            f"{label} Change %",
            "percent",
            f"100 × {label} Change / |{label} Before|; empty if {label} Before is 0 or empty.",
            "change_percent",
        )


def compare_values(values: NumberRow, before: NumberRow | None) -> NumberRow:
    """Return each value, followed by the earlier value, the change, and the percentage change.

    `before` is None if there is no counterpart.
    """
    found: list[Number] = []
    for now, earlier in zip(values, before or (None,) * len(values), strict=True):
        found += compare_numbers(now, earlier)
    return tuple(found)


def compare_numbers(now: Number, earlier: Number) -> NumberRow:
    """Return a number, the earlier one, the change, and the percentage change."""
    change = None if now is None or earlier is None else now - earlier
    percent = None if change is None or not earlier else Fraction(100 * change) / abs(Fraction(earlier))
    return now, earlier, change, percent
