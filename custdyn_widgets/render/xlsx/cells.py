"""Cells of a workbook: text that is never a formula, and styles.

Sheets are written in openpyxl's write-only mode: a cell is written when its row is appended, so a single
styled cell can be reused for an entire column.
"""

from __future__ import annotations

import re
from copy import copy
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

from openpyxl import Workbook
from openpyxl.cell.cell import Cell
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.styles.cell_style import StyleArray
from openpyxl.worksheet.cell_range import CellRange

from custdyn_widgets.render.xlsx.text_width import count_lines
from custdyn_widgets.text import replace_not_xml

TEXT_LIMIT = 32_767  # UTF-16 units in a cell; openpyxl silently truncates longer text

_FONT = "Calibri"
SIZE = 11  # points; the font size of most cells
_TALLEST = 409  # points; the format's maximum row height
_LEADING = 1.37  # height of a line relative to its font size
_SAFETY = 1.05  # better one line too many than one cut off
_SHADE = PatternFill("solid", fgColor="E4EBF3")
_LINES: dict[str | None, Side] = {
    "thin": Side(style="thin", color="8A97A6"),
    "medium": Side(style="medium", color="3C4A5A"),
}
_ESCAPE = re.compile("_(?=x[0-9A-Fa-f]{4}_)")
# Each workbook's styles, by `styled_cell`'s arguments, because openpyxl is slow to find existing styles.
_KNOWN_STYLES: WeakKeyDictionary[Workbook, dict[tuple[object, ...], StyleArray]] = WeakKeyDictionary()


class StyledCell(Cell):
    """A cell whose style never changes after the first write, so the style's index is looked up only once."""

    has_style = True
    _style: StyleArray

    @cached_property
    def style_id(self) -> int:
        """The index of the style in the workbook."""
        return super().style_id


def cell_text(text: str) -> str:
    """Return text from the data in a form suitable for cells.

    Characters not allowed in XML become U+FFFD, and line breaks become LF. Text that looks like one of the
    format's escapes (`_x0041_`) is escaped, so that it is shown unchanged. Text that is too long is
    truncated.
    """
    characters = len(text)
    text = replace_not_xml(text.replace("\r\n", "\n").replace("\r", "\n"))
    text = _ESCAPE.sub("_x005F_", text)
    units = text.encode("utf-16-le")
    if len(units) <= 2 * TEXT_LIMIT:
        return text
    mark = f" … (truncated; {characters:,} characters)"
    return units[: 2 * (TEXT_LIMIT - len(mark))].decode("utf-16-le", "ignore") + mark


def put_text(cell: Cell, text: str) -> Cell:
    """Set a cell to text, always as a string and never as a formula, and return the cell."""
    cell.value = cell_text(text)
    cell.data_type = "s"  # openpyxl turns text that begins with "=" into a formula
    return cell


def text_cell(sheet: Any, text: str, **style: Any) -> Cell:
    """Return a new string cell; `style` as for `styled_cell`."""
    return put_text(styled_cell(sheet, **style), text)


def styled_cell(
    sheet: Any,
    *,
    bold: bool = False,
    size: int = SIZE,
    color: str = "1B2733",
    shade: bool = False,
    fill: str = "",
    align: str | None = None,
    indent: int = 0,
    wrap: bool = False,
    number_format: str = "General",
    top: str | None = None,
    left: str | None = None,
    bottom: str | None = None,
) -> Cell:
    """Return a new empty cell.

    `fill` is a colour, as `RRGGBB`; the border styles for `top`, `left` and `bottom` are `thin` and `medium`.
    """
    cell = StyledCell(sheet, row=1, column=1)
    style = (bold, size, color, shade, fill, align, indent, wrap, number_format, top, left, bottom)
    known = _KNOWN_STYLES.setdefault(sheet.parent, {})
    if style in known:
        cell._style = copy(known[style])
        return cell
    cell.font = Font(name=_FONT, size=size, bold=bold, color=color)
    cell.alignment = Alignment(horizontal=align, indent=indent, vertical="top", wrap_text=wrap)
    cell.number_format = number_format
    cell.border = Border(top=_LINES.get(top), left=_LINES.get(left), bottom=_LINES.get(bottom))
    if shade:
        cell.fill = _SHADE
    elif fill:
        cell.fill = PatternFill("solid", fgColor=fill)
    known[style] = copy(cell._style)
    return cell


def set_height(sheet: Any, row: int, text: str, width: float) -> None:
    """Set the height of a row, before it is written, to fit text wrapped at `width` characters."""
    set_lines(sheet, row, count_lines(text, width / _SAFETY))


def set_lines(sheet: Any, row: int, lines: int, size: int = SIZE) -> None:
    """Set the height of a row, before it is written, to fit a given number of lines.

    Otherwise, programs that rely on the file's row heights would draw the lines on top of each other.
    """
    if lines > 1 or size > SIZE:
        sheet.row_dimensions[row].height = min(lines * size * _LEADING, _TALLEST)


def merge(sheet: Any, top: int, left: int, bottom: int, right: int) -> None:
    """Merge the cells of a rectangle; rows and columns are counted from 1."""
    sheet.merged_cells.add(CellRange(min_row=top, min_col=left, max_row=bottom, max_col=right))
