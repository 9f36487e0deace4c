"""Table cells that show a number together with its change.

Pages, notebooks and emails show the change below the number, because four columns per number would be hard to
read. Exports and terminal text have separate columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from custdyn_widgets.report.formatting import NULL, format_value
from custdyn_widgets.report.report import Column, Value

if TYPE_CHECKING:
    from custdyn_widgets.query import ReportQuery

_PARTS = 4  # columns for each number in a comparison


class Cell(NamedTuple):
    """A formatted number.

    Attributes
    ----------
    text
        The number.
    change
        The change, such as `+12 (+3.4%)`; empty without a comparison.
    before
        The earlier number; empty without a comparison.
    """

    text: str
    change: str = ""
    before: str = ""


def value_positions(columns: Sequence[Column]) -> tuple[int, ...]:
    """Return the positions of the columns with values, excluding earlier values and changes."""
    return tuple(position for position, column in enumerate(columns) if column.part == "value")


def number_cells(
    texts: Sequence[str], values: Sequence[Value], columns: Sequence[Column], currency: str
) -> Iterator[Cell]:
    """Yield a cell for each number in a row, given the row's formatted and unformatted values."""
    for position in value_positions(columns):
        parts = range(position + 1, min(position + _PARTS, len(columns)))
        if [columns[i].part for i in parts] != ["before", "change", "change_percent"]:
            yield Cell(texts[position])
            continue
        before, change, percent = parts
        yield Cell(
            texts[position],
            _describe_change(
                _signed(values[change], columns[change], currency),
                # A rate's percentage change is easily mistaken for a change in percentage points.
                "" if columns[position].unit == "rate" else _signed(values[percent], columns[percent], ""),
            ),
            texts[before],
        )


def comparison_note(query: ReportQuery) -> str:
    """Return the note that explains the changes shown below each number; empty if there is no comparison."""
    if not query.compare:
        return ""
    earlier = query.compare.replace("_", " ")
    return f"Below each number: its change from the {earlier}, with the percentage change in parentheses."


def _describe_change(change: str, percent: str) -> str:
    return f"{change} ({percent})" if change and percent else change or NULL


def _signed(value: Value, column: Column, currency: str) -> str:
    """Format a change with its sign; return an empty string if it is undefined."""
    if value is None:
        return ""
    text = format_value(value, column, currency)
    return f"+{text}" if value > 0 and any(digit in text for digit in "123456789") else text
