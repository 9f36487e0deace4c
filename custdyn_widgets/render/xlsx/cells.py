"""Cells of a workbook: texts that stay texts, and styles.

Sheets are written in openpyxl's write-only mode: a cell is written when its row is appended, so one
styled cell serves a whole column, with a new value for each row.
"""

from __future__ import annotations

import re
from typing import Any

from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import Cell
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side

from custdyn_widgets.text import replace_not_xml

TEXT_LIMIT = 32_767  # UTF-16 units in a cell; openpyxl would cut without a word

_FONT = "Calibri"
_SIZE = 11
_TALLEST = 409  # points; the format has no taller rows
_SHADE = PatternFill("solid", fgColor="E4EBF3")
_LINES: dict[str | None, Side] = {
    "thin": Side(style="thin", color="8A97A6"),
    "medium": Side(style="medium", color="3C4A5A"),
}
_ESCAPE = re.compile("_(?=x[0-9A-Fa-f]{4}_)")


def cell_text(text: str) -> str:
    """Return a text from the data as a cell can hold it.

    Characters that XML cannot hold become U+FFFD, line breaks LF; a text that reads like the format's own
    escapes (`_x0041_`) is escaped so that it shows as it is; one that is too long ends by saying so.
    """
    text = replace_not_xml(text.replace("\r\n", "\n").replace("\r", "\n"))
    text = _ESCAPE.sub("_x005F_", text)
    units = text.encode("utf-16-le")
    if len(units) <= 2 * TEXT_LIMIT:
        return text
    mark = f" … (cut here; {len(text):,} characters)"
    return units[: 2 * (TEXT_LIMIT - len(mark))].decode("utf-16-le", "ignore") + mark


def put_text(cell: Cell, text: str) -> Cell:
    """Set a cell to a text, as a string whatever it begins with, and return the cell."""
    cell.value = cell_text(text)
    cell.data_type = "s"  # openpyxl has just made a formula of a text that begins with "="
    return cell


def text_cell(sheet: Any, text: str, **style: Any) -> Cell:
    """Return a new string cell; `style` as for `styled_cell`."""
    return put_text(styled_cell(sheet, **style), text)


def styled_cell(
    sheet: Any,
    *,
    bold: bool = False,
    size: int = _SIZE,
    color: str = "1B2733",
    shade: bool = False,
    align: str | None = None,
    wrap: bool = False,
    number_format: str = "General",
    top: str | None = None,
    left: str | None = None,
    bottom: str | None = None,
) -> Cell:
    """Return a new empty cell; its borders at top, left and bottom are `thin` or `medium`."""
    cell: Cell = WriteOnlyCell(sheet)
    cell.font = Font(name=_FONT, size=size, bold=bold, color=color)
    cell.alignment = Alignment(horizontal=align, vertical="top", wrap_text=wrap)
    cell.number_format = number_format
    cell.border = Border(top=_LINES.get(top), left=_LINES.get(left), bottom=_LINES.get(bottom))
    if shade:
        cell.fill = _SHADE
    return cell


def set_height(sheet: Any, row: int, text: str, width: float, size: int = _SIZE) -> None:
    """Make a row, before it is written, tall enough for a text wrapped at a width in characters.

    Programs that trust the file's heights would otherwise draw the lines over each other.
    """
    lines = sum(max(1, -(-len(line) // max(1, int(width / 1.15)))) for line in text.splitlines() or [""])
    if lines > 1 or size > _SIZE:
        sheet.row_dimensions[row].height = min(lines * size * 1.37, _TALLEST)
