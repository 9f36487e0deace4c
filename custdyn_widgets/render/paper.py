"""Sizes in print: font sizes and chart heights that fit landscape sheets of A4 or Letter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

from custdyn_widgets.report import Cell, TableView

_PAPER_WIDTH = 770  # points between the margins of a landscape sheet, A4 or Letter
_DIGIT = 0.56  # width of a digit relative to the font size
_CHANGE_SIZE = 0.85  # font size of a change relative to that of its number, as in the template
_CELL_SPACE = 5  # points of padding in a cell
_LINE, _ROW_SPACE = 1.3, 5  # height of a line relative to the font size; points of padding in a row
_HEAD_LINES = 3  # lines of the headings, whose labels wrap
_WHOLE = 170  # points: splitting a table shorter than this saves less than a third of a sheet
_LINE_LETTERS, _LINE_MM = 150, 4.3  # characters in a line of text above the charts, and its height
_BOX_MM = 6  # margins of the notes box and of the message
_CHART_MM, _LEAST_CHART_MM = 55, 42  # for three rows on a sheet; smaller charts would be illegible
_TWO_ROWS_MM = 112  # the height left for two rows of charts below one line of text and the figures


def print_size(view: TableView, rows: Sequence[Mapping[str, Any]]) -> float:
    """Return the font size, in points, at which the table's columns fit a landscape sheet."""
    widest = [max(len(word) for word in c.label.split()) for c in view.numbers]
    for row in rows:
        widest = [max(width, _letters(cell)) for width, (cell, _) in zip(widest, row["cells"], strict=True)]
    labels = [
        max([len(heading), *(min(len(row["labels"][i]), 24) + 2 for row in rows if "labels" in row)])
        for i, heading in enumerate(view.headings)
    ]
    letters = (sum(widest) + sum(labels)) * _DIGIT
    room = _PAPER_WIDTH - _CELL_SPACE * (len(widest) + len(labels))
    return max(4.0, min(9.0, room / letters)) if letters else 9.0


def prints_whole(view: TableView, size: float) -> bool:
    """Return whether the table is short enough to stay on one sheet; `size` is its font size."""
    lines = (len(view.rows) + bool(view.total)) * (1 + _CHANGE_SIZE if view.comparison_note else 1)
    return (lines + _HEAD_LINES) * (size * _LINE + _ROW_SPACE) <= _WHOLE


def chart_height(view: TableView, words: str, message: str, *, charts: int, has_sections: bool) -> float:
    """Return the height of charts, in millimetres, so that two rows of them fit on the first sheet.

    If so much is above them that they would be too small, they keep their full height. `words` describe the
    query; `has_sections` says whether the author's sections are above the report.
    """
    above = (_text_lines(words) - 1) * _LINE_MM + (_LINE_MM if view.comparison_note else 0)
    for box in (view.warnings, [message] if message else []):
        above += _BOX_MM + sum(map(_text_lines, box)) * _LINE_MM if box else 0
    height = min(_CHART_MM, (_TWO_ROWS_MM - above) / 2)
    return _CHART_MM if charts <= 2 or has_sections or height < _LEAST_CHART_MM else height


def _text_lines(text: str) -> int:
    return max(1, ceil(len(text) / _LINE_LETTERS))


def _letters(cell: Cell) -> int:
    """Return the width of a cell in digits; a change is printed in a smaller font."""
    return max(len(cell.text), int(len(cell.change) * _CHANGE_SIZE) + 1 if cell.change else 0)
