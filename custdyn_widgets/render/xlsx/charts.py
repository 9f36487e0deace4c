"""The Charts sheet: presets as native charts of the values on the Chart data sheet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from openpyxl.drawing.spreadsheet_drawing import AbsoluteAnchor
from openpyxl.drawing.xdr import XDRPoint2D, XDRPositiveSize2D
from openpyxl.utils import get_column_letter

from custdyn_widgets.render.xlsx.chart_data import Drawing, report_drawings, write_data
from custdyn_widgets.render.xlsx.native_chart import HEIGHT, WIDTH, native_chart
from custdyn_widgets.render.xlsx.page_setup import print_one_page_wide
from custdyn_widgets.render.xlsx.title import write_title
from custdyn_widgets.report import Report, partial_notes

DATA_SHEET = "Chart data"

_GAP, _ROW = 0.8, 0.55  # centimetres
_EMU = 360_000  # the format's units of length per centimetre
_SERIES_WIDTH = 30


def write_charts(book: Any, report: Report) -> None:
    """Write the sheets Charts and Chart data, or only Charts with the reason if there is nothing to draw."""
    sheet = book.create_sheet("Charts")
    drawings = list(report_drawings(report))
    notes = _notes(report, drawings)
    sheet.sheet_view.showGridLines = False
    print_one_page_wide(sheet)
    write_title(sheet, report.title, notes)
    if not drawings:
        return
    data = book.create_sheet(DATA_SHEET)
    # This sheet repeats values from the Report sheet and would double the number of printed pages.
    data.sheet_state = "hidden"
    data.column_dimensions["A"].width = 24
    for index in range(max(len(drawing.series) for drawing in drawings)):
        data.column_dimensions[get_column_letter(index + 2)].width = _SERIES_WIDTH
    print_one_page_wide(data)
    row = 1
    for index, drawing in enumerate(drawings):
        chart = native_chart(data, row + 1, drawing, report)
        chart.anchor = _anchor(index, len(notes))
        sheet.add_chart(chart)
        row = write_data(data, row, drawing, report)


def _anchor(index: int, notes: int) -> AbsoluteAnchor:
    """Return the position of a chart; each row has two charts.

    It is absolute, because column widths vary between programs.
    """
    x = (index % 2) * (WIDTH + _GAP) + _GAP / 2
    y = (notes + 3) * _ROW + index // 2 * (HEIGHT + _GAP)
    left, top, width, height = (round(centimetres * _EMU) for centimetres in (x, y, WIDTH, HEIGHT))
    return AbsoluteAnchor(XDRPoint2D(left, top), XDRPositiveSize2D(width, height))


def _notes(report: Report, drawings: Sequence[Drawing]) -> list[str]:
    if not drawings:
        return [f"There is nothing to draw: the report has no rows. {report.message or ''}".strip()]
    notes = [note for drawing in drawings for note in drawing.points.notes]
    folded = max(drawing.points.folded for drawing in drawings)
    if folded:
        names = "packages" if report.query.by_package else "series"
        notes.append(f"In grey: {folded:,} more {names}, the smallest in each chart.")
    left_out = max(drawing.left_out for drawing in drawings)
    if left_out:
        notes.append(f"Not drawn: {left_out:,} of them; the table has them all.")
    return list(dict.fromkeys([*notes, *partial_notes(report)]))
