"""The two-level headings of the Report sheet: their widths, heights and cells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from custdyn_widgets.render.xlsx.cells import merge, set_lines, styled_cell, text_cell
from custdyn_widgets.render.xlsx.text_width import EDGES, count_lines, width_in_digits
from custdyn_widgets.report import ColumnGroup, TableView

_MOST_LINES = 3
_WIDEST_WORD = width_in_digits("n" * 40, bold=True)  # a longer word is split


def heading_width(label: str, group: ColumnGroup) -> float:
    """Return the width, in characters, for a column's wrapped label and its share of the group's name."""
    width = max((width_in_digits(word, bold=True) for word in label.split()), default=1.0)
    while width < _WIDEST_WORD and count_lines(label, width, bold=True) > _MOST_LINES:
        width += 1
    share = width_in_digits(group.name, bold=True) / group.span
    return min(max(width, share), _WIDEST_WORD) + EDGES


def write_headings(
    sheet: Any, view: TableView, row: int, widths: Sequence[float], starts: Sequence[int]
) -> None:
    """Write the two heading rows: groups span their columns, and label headings span both rows.

    If a group is divided between pages, its name appears on each of them; `starts` gives each page's first
    column.
    """
    labels = len(view.headings)
    style: dict[str, Any] = {"bold": True, "shade": True}
    upper = [text_cell(sheet, text, **style) for text in view.headings]
    lower = [styled_cell(sheet, **style, bottom="thin") for _ in view.headings]
    for position in range(1, labels + 1):
        merge(sheet, row, position, row + 1, position)
    lines = [1]
    for group in view.groups:
        for part in _parts(group, labels, starts):
            left = "thin" if part[0] == labels + group.first else None
            upper.append(text_cell(sheet, group.name, **style, align="center", wrap=True, left=left))
            upper.extend(styled_cell(sheet, **style) for _ in part[1:])
            needed = _heading_lines(group.name, sum(widths[position] for position in part))
            lines.append(min(needed, _MOST_LINES))  # more would leave the rows no room on a small screen
            if len(part) > 1:
                merge(sheet, row, part[0] + 1, row, part[-1] + 1)
    set_lines(sheet, row, max(lines))
    set_lines(sheet, row + 1, _label_lines(view, widths[labels:]))
    style |= {"align": "right", "wrap": True}
    for index, column in enumerate(view.columns):
        left = "thin" if index in view.group_starts else None
        lower.append(text_cell(sheet, column.label, **style, bottom="thin", left=left))
    sheet.append(upper)
    sheet.append(lower)


def _parts(group: ColumnGroup, labels: int, starts: Sequence[int]) -> Iterator[range]:
    """Yield a group's columns, one range per page, as positions in the sheet counted from 0."""
    first = labels + group.first
    end = first + group.span
    yield from (range(*ends) for ends in pairwise([first, *(s for s in starts if first < s < end), end]))


def _label_lines(view: TableView, widths: Sequence[float]) -> int:
    """Return the number of lines that the labels of the number columns need.

    Filter buttons have a line of their own below the labels: beside the labels, the buttons would widen every
    column.
    """
    lines = [_heading_lines(column.label, width) for column, width in zip(view.columns, widths, strict=True)]
    return max(lines, default=1) + bool(view.rows and view.headings)


def _heading_lines(text: str, width: float) -> int:
    """Return the number of lines that a heading needs across columns with this total width."""
    return count_lines(text, width - EDGES, bold=True)
