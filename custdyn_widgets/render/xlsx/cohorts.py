"""The Cohorts sheet: the retention triangle as numbers, coloured by their share of the cohort."""

from __future__ import annotations

import functools
from typing import Any

from openpyxl.cell.cell import Cell
from openpyxl.utils import get_column_letter

from custdyn_widgets.render.xlsx.cells import put_text, styled_cell, text_cell
from custdyn_widgets.render.xlsx.page_setup import divide_columns, print_divided
from custdyn_widgets.render.xlsx.table import COUNT_FORMAT
from custdyn_widgets.render.xlsx.title import room_for, write_note
from custdyn_widgets.report import LIGHT, TRIANGLE_NOTE, CohortTriangle, share_step

_LABEL_WIDTH, _NUMBER_WIDTH = 10, 7
_HEADING_ROW = 2
_LABELS = 2  # the columns with a cohort's month and size


def write_cohorts(sheet: Any, triangle: CohortTriangle) -> None:
    """Write the sheet: a row for each cohort, with its size and its number of clients in each month since."""
    widest = max(len(f"{size:,}") for size in triangle.sizes)
    widths = [_LABEL_WIDTH] + [max(_NUMBER_WIDTH, widest + 2)] * (len(triangle.headings) - 1)
    for index, width in enumerate(widths, 1):
        sheet.column_dimensions[get_column_letter(index)].width = width
    sheet.sheet_view.showGridLines = False
    sheet.freeze_panes = f"C{_HEADING_ROW + 1}"
    pages = divide_columns(widths, _LABELS, range(_LABELS, len(widths)))
    room = room_for([TRIANGLE_NOTE], widths, pages)
    rows = _HEADING_ROW + len(triangle.rows)
    print_divided(sheet, pages, max(len(widths), room.columns), rows, headings=(_HEADING_ROW, _HEADING_ROW))
    write_note(sheet, 1, TRIANGLE_NOTE, room)
    cohort, *numbers = triangle.headings
    style: dict[str, Any] = {"bold": True, "shade": True, "bottom": "thin"}
    sheet.append([
        text_cell(sheet, cohort, **style), *(text_cell(sheet, n, **style, align="right") for n in numbers)
    ])  # fmt: skip
    label = styled_cell(sheet)

    @functools.cache
    def number(column: int, step: int) -> Cell:  # noqa: ARG001  # a row needs a cell for each column
        return styled_cell(
            sheet, number_format=COUNT_FORMAT, fill=LIGHT[step].removeprefix("#") if step else ""
        )

    for name, size, *counts in triangle.rows:
        cells = [put_text(label, str(name)), number(0, 0)]
        cells[1].value = size
        for column, count in enumerate(counts, 1):
            cell = number(column, share_step(int(count or 0), int(size or 0)))
            cell.value = count
            cells.append(cell)
        sheet.append(cells)
