"""The widths of the columns of the Report sheet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from custdyn_widgets.render.xlsx.headings import heading_width
from custdyn_widgets.render.xlsx.text_width import EDGES, WIDEST, count_lines, width_in_digits
from custdyn_widgets.report import Column, Report, TableView, Value, format_value

WIDEST_LABELS = 44  # digits: the maximum width of a column of labels
_NARROWEST_LABELS = 9  # digits
_BESIDE_LABEL = 3  # digits: the space beside a label


def is_tall(label: str) -> bool:
    """Return whether a label needs more than one line."""
    room = WIDEST_LABELS - _BESIDE_LABEL
    is_wide = WIDEST * len(label) > room and width_in_digits(label) > room
    return is_wide or len(label.splitlines()) > 1


def label_lines(label: str) -> int:
    """Return the number of lines that a label needs in the widest column of labels."""
    return count_lines(label, WIDEST_LABELS)


def column_widths(report: Report, view: TableView) -> Iterator[float]:
    """Yield column widths, in characters, large enough that no number is shown as ###."""
    for index, heading in enumerate(view.headings):
        labels = {row.source.labels[index] for row in view.rows}
        longest = max(map(width_in_digits, labels), default=0.0)
        yield min(max(longest, len(heading), _NARROWEST_LABELS) + _BESIDE_LABEL, WIDEST_LABELS)
    for group in view.groups:
        for index, column in zip(group.positions, group.columns, strict=True):
            values = [row.values[index] for row in view.all_rows()]
            number_width = _shown_width(values, column, report.currency)
            yield max(number_width, heading_width(column.label, group))


def _shown_width(values: Iterable[Value], column: Column, currency: str) -> float:
    """Return the width, in characters, that a column's longest number needs in the bold Total row."""
    numbers = [value for value in values if value is not None]
    extremes = [min(numbers), max(numbers)] if numbers else []
    texts = [_cell_shows(value, column, currency) for value in extremes]
    return EDGES + max((width_in_digits(text, bold=True) for text in texts), default=0)


def _cell_shows(value: Value, column: Column, currency: str) -> str:
    """Return a number as its cell's number format shows it; percentage points take more characters there."""
    text = format_value(value, column, currency)
    return text.removesuffix(" pp") + "% pts" if column.unit == "points" else text
