"""The sheets Charts and Chart data: the presets as native charts, over the values that they draw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, cast

from openpyxl.chart import AreaChart, BarChart, LineChart, Reference, Series
from openpyxl.chart.axis import ChartLines, DateAxis, TextAxis
from openpyxl.chart.data_source import StrRef
from openpyxl.chart.label import DataLabelList
from openpyxl.chart.layout import Layout
from openpyxl.chart.legend import LegendEntry
from openpyxl.chart.series import SeriesLabel
from openpyxl.chart.shapes import GraphicalProperties
from openpyxl.chart.text import RichText
from openpyxl.chart.title import Title, title_maker
from openpyxl.drawing.line import LineProperties
from openpyxl.drawing.spreadsheet_drawing import AbsoluteAnchor
from openpyxl.drawing.text import CharacterProperties, Paragraph, ParagraphProperties
from openpyxl.drawing.xdr import XDRPoint2D, XDRPositiveSize2D
from openpyxl.utils import get_column_letter

from custdyn_widgets.render.charts.drawing import column_colour, one_row_charts, preset_mark
from custdyn_widgets.render.charts.points import COLUMNS, Points, points_of
from custdyn_widgets.render.charts.presets import presets_of
from custdyn_widgets.render.charts.vegalite import GREY, PALETTE
from custdyn_widgets.render.xlsx.cells import cell_text, styled_cell, text_cell
from custdyn_widgets.render.xlsx.table import (
    COUNT_FORMAT,
    DATE_FORMATS,
    date_label,
    money_format,
    print_one_page_wide,
    write_title,
)
from custdyn_widgets.report import CUT_SHORT, Column, Report

DATA_SHEET = "Chart data"

_MOST_SERIES = 40  # more cannot be told apart, and a native chart takes at most 255
_WIDTH, _HEIGHT = 17.5, 9.5  # centimetres
_GAP, _ROW = 0.8, 0.55
_EMU = 360_000  # the format's unit of length, in a centimetre
_LONGEST_NAME = 28
_SERIES_WIDTH = 30
_FEW_PLACES = 31
_INK, _GRID = "3C4A5A", "D5DBE2"


@dataclass(frozen=True)
class Drawing:
    """One chart to draw: its title, what is joined with what, and its points."""

    title: str
    mark: str
    columns: tuple[Column, ...]
    points: Points

    @property
    def series(self) -> tuple[str, ...]:
        """The names of the series that are drawn: the coloured ones first, then those in grey."""
        others = dict.fromkeys(p.series for p in self.points.values if p.series not in self.points.series)
        return (*self.points.series, *others)[:_MOST_SERIES]

    @property
    def left_out(self) -> int:
        """How many series are not drawn."""
        return len({p.series for p in self.points.values}) - len(self.series)


def write_charts(book: Any, report: Report) -> None:
    """Write the two sheets; a report without rows has a Charts sheet that says why it is empty."""
    sheet = book.create_sheet("Charts")
    drawings = list(_drawings(report))
    notes = _notes(report, drawings)
    sheet.sheet_view.showGridLines = False
    print_one_page_wide(sheet)
    write_title(sheet, report.title, notes)
    if not drawings:
        return
    data = book.create_sheet(DATA_SHEET)
    data.sheet_state = "hidden"  # it repeats the Report, and would print as many pages again
    data.column_dimensions["A"].width = 24
    for index in range(max(len(drawing.series) for drawing in drawings)):
        data.column_dimensions[get_column_letter(index + 2)].width = _SERIES_WIDTH
    print_one_page_wide(data)
    row = 1
    for index, drawing in enumerate(drawings):
        chart = _chart(data, row + 1, drawing, report)
        chart.anchor = _anchor(index, len(notes))
        sheet.add_chart(chart)
        row = _write_data(data, row, drawing, report)


def _anchor(index: int, notes: int) -> AbsoluteAnchor:
    """Return a chart's place, two side by side; absolute, as programs differ in how wide a column is."""
    x = (index % 2) * (_WIDTH + _GAP) + _GAP / 2
    y = (notes + 3) * _ROW + index // 2 * (_HEIGHT + _GAP)
    left, top, width, height = (round(centimetres * _EMU) for centimetres in (x, y, _WIDTH, _HEIGHT))
    return AbsoluteAnchor(XDRPoint2D(left, top), XDRPositiveSize2D(width, height))


def _drawings(report: Report) -> Iterator[Drawing]:
    """Yield the charts of a report: as on its page, without those that the report carries as pictures."""
    if not report.rows:
        return
    by_name = {column.name: column for column in report.columns}
    if report.headings:
        wanted = [(name, preset.columns, preset.mark) for name, preset in presets_of(report).items()]
    else:
        wanted = [(title, tuple(names), "bar") for title, names in one_row_charts(report).items()]
    x = report.headings[0] if report.headings else COLUMNS
    for title, names, mark in wanted:
        columns = [by_name[name] for name in names]
        points = points_of(report, x, columns, joined=True)
        if points.is_time:
            mark = preset_mark(mark, by_package=report.query.by_package, places=len(points.places))
        elif mark == "line":
            mark = "bar"
        yield Drawing(title, mark, tuple(columns), points)


def _notes(report: Report, drawings: Sequence[Drawing]) -> list[str]:
    if not drawings:
        return [f"A report without rows has nothing to draw. {report.message or ''}".strip()]
    notes = [note for drawing in drawings for note in drawing.points.notes]
    folded = max(drawing.points.folded for drawing in drawings)
    if folded:
        notes.append(f"In grey: {folded:,} more packages, those with the fewest active clients.")
    left_out = max(drawing.left_out for drawing in drawings)
    if left_out:
        notes.append(f"{left_out:,} of them are not drawn; the table has them.")
    if report.query.time_group and any(row.partial for row in report.rows):
        ends = [row.labels[0] for row in report.rows if row.partial]
        buckets = " and ".join(dict.fromkeys(ends))
        notes.append(f"{buckets}: {CUT_SHORT}.")
    return list(dict.fromkeys(notes))


def _write_data(sheet: Any, row: int, drawing: Drawing, report: Report) -> int:
    """Write a chart's block (title, headings, a row for each place, a blank one); return the next row."""
    style: dict[str, Any] = {"bold": True, "shade": True, "bottom": "thin"}
    sheet.append([text_cell(sheet, drawing.title, bold=True)])
    names = [_short(name or drawing.columns[0].name) for name in drawing.series]
    headings = [text_cell(sheet, name, **style, align="right") for name in names]
    sheet.append([text_cell(sheet, drawing.points.x, **style), *headings])
    values = {(p.x, p.series): p.y for p in drawing.points.values}
    dates = _dates(drawing, report)
    numbers = [styled_cell(sheet, number_format=_number_format(drawing, report)) for _ in names]
    for index, place in enumerate(drawing.points.places):
        label = text_cell(sheet, _short(place)) if dates is None else _date_cell(sheet, dates[index], report)
        for cell, name in zip(numbers, drawing.series, strict=True):
            cell.value = values.get((place, name))
        sheet.append([label, *numbers])
    sheet.append([])
    return row + 3 + len(drawing.points.places)


def _date_cell(sheet: Any, begins: date, report: Report) -> Any:
    cell = styled_cell(sheet, number_format=DATE_FORMATS[str(report.query.time_group)], align="left")
    cell.value = begins
    return cell


def _dates(drawing: Drawing, report: Report) -> list[date] | None:
    """Return the places as dates, or None where they have to stay texts."""
    if not drawing.points.is_time:
        return None
    dates = [date_label(report, place) for place in drawing.points.places]
    return None if None in dates else [begins for begins in dates if begins is not None]


def _short(name: str) -> str:
    """Return a name as charts show it: a long one would leave no room for the picture."""
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"


def _number_format(drawing: Drawing, report: Report) -> str:
    money = any(column.unit == "money" for column in drawing.columns)
    return money_format(report.currency) if money else COUNT_FORMAT


def _chart(data: Any, heading: int, drawing: Drawing, report: Report) -> Any:
    """Return the native chart over the block whose headings stand in row `heading` of the data sheet."""
    chart = _empty_chart(drawing)
    first, last = heading + 1, heading + len(drawing.points.places)
    for index in range(len(drawing.series)):
        column = index + 2
        values = Reference(data, min_col=column, min_row=first, max_row=last)
        series = Series(values)
        series.tx = _reference_title(data, column, heading)
        _colour(series, drawing, index)
        chart.series.append(series)
    chart.set_categories(Reference(data, min_col=1, min_row=first, max_row=last))
    chart.title = _title(drawing.title, size=13, bold=True)
    chart.roundedCorners = False
    chart.width, chart.height = _WIDTH, _HEIGHT
    chart.display_blanks = "gap"
    chart.visible_cells_only = False  # the data's sheet is hidden
    _set_axes(chart, drawing, report)
    _set_legend(chart, drawing)
    if len(drawing.points.places) == 1 or not report.headings:
        chart.dataLabels = DataLabelList(
            showVal=True, showSerName=False, showCatName=False, showLegendKey=False
        )
    return chart


def _empty_chart(drawing: Drawing) -> Any:
    stacked = drawing.mark.startswith("stacked")
    if drawing.mark.endswith("bar"):
        chart: Any = BarChart()
        chart.gapWidth = 40
        if stacked:
            chart.grouping, chart.overlap = "stacked", 100
        return chart
    if drawing.mark.endswith("area"):
        chart = AreaChart()
        chart.grouping = "stacked" if stacked else "standard"
        return chart
    return LineChart()


def _reference_title(data: Any, column: int, row: int) -> Any:
    cell = Reference(data, min_col=column, min_row=row, max_row=row)
    return SeriesLabel(strRef=StrRef(str(cell)))


def _colour(series: Any, drawing: Drawing, index: int) -> None:
    """Colour a series as the page does: its group's colour alone, the palette side by side, grey beyond."""
    if len(drawing.series) == 1:
        colour = column_colour(drawing.columns[0])
    else:
        colour = PALETTE[index] if index < len(drawing.points.series) else GREY
    colour = colour.removeprefix("#").upper()
    if drawing.mark in ("line", "point"):
        shown = drawing.mark == "line"
        series.graphicalProperties = GraphicalProperties(ln=LineProperties(solidFill=colour, w=24_000))
        series.graphicalProperties.line.noFill = None if shown else True
        series.smooth = False
        few = len(drawing.points.places) <= _FEW_PLACES
        series.marker.symbol = "circle" if few or not shown else "none"
        series.marker.size = 5
        series.marker.graphicalProperties = GraphicalProperties(solidFill=colour)
        series.marker.graphicalProperties.line.solidFill = colour
    else:
        series.graphicalProperties = GraphicalProperties(solidFill=colour)
        series.graphicalProperties.line.noFill = True
        series.invertIfNegative = False


def _set_axes(chart: Any, drawing: Drawing, report: Report) -> None:
    dates = _dates(drawing, report)
    if dates is not None and len(dates) > 1:
        chart.x_axis = DateAxis(crossAx=100)
        chart.x_axis.baseTimeUnit = {"year": "years", "month": "months"}.get(
            str(report.query.time_group), "days"
        )
    else:
        chart.x_axis = TextAxis(crossAx=100)
    chart.y_axis.crossAx = chart.x_axis.axId
    if dates is not None:
        chart.x_axis.number_format = DATE_FORMATS[str(report.query.time_group)]
    values = [p.y for p in drawing.points.values if p.y is not None]
    if min(values, default=0) >= 0:
        chart.y_axis.scaling.min = 0  # a bar that does not begin at zero lies about its length
    chart.y_axis.number_format = COUNT_FORMAT if _is_large(drawing) else "#,##0.00"
    chart.x_axis.title = _title(drawing.points.x)
    money = any(column.unit == "money" for column in drawing.columns)
    chart.y_axis.title = _title(report.currency if money else "Number")
    chart.x_axis.majorGridlines = None
    chart.y_axis.majorGridlines = ChartLines(GraphicalProperties(ln=LineProperties(solidFill=_GRID)))
    chart.x_axis.tickLblPos = "low"  # below the picture also where values are negative
    for axis in (chart.x_axis, chart.y_axis):
        axis.delete = False  # openpyxl hides axes unless told
        axis.txPr = RichText(p=[Paragraph(pPr=ParagraphProperties(defRPr=_ink(9)), endParaRPr=_ink(9))])
        axis.graphicalProperties = GraphicalProperties(ln=LineProperties(solidFill=_INK, w=6_000))


def _is_large(drawing: Drawing) -> bool:
    """Tell whether the axis needs no places: counts, and amounts of ten or more."""
    if all(column.unit == "count" for column in drawing.columns):
        return True
    return max((abs(p.y) for p in drawing.points.values if p.y is not None), default=0.0) >= 10


def _set_legend(chart: Any, drawing: Drawing) -> None:
    """Show a legend for several series; those in grey share the last colour and have no entry."""
    if len(drawing.series) == 1:
        chart.legend = None
        return
    chart.legend.position = "b"
    chart.legend.overlay = False
    grey = range(len(drawing.points.series), len(drawing.series))
    chart.legend.legendEntry = [LegendEntry(idx=index, delete=True) for index in grey]


def _title(text: str, size: int = 9, *, bold: bool = False) -> Title:
    """Return a title that stands beside the picture, not over it."""
    title: Any = title_maker(cell_text(text))
    title.overlay = False
    title.layout = Layout()
    for paragraph in title.tx.rich.p:
        paragraph.pPr = ParagraphProperties(defRPr=_ink(size, bold=bold))
        for run in paragraph.r or ():
            run.rPr = _ink(size, bold=bold)
    return cast(Title, title)


def _ink(size: int, *, bold: bool = False) -> CharacterProperties:
    return CharacterProperties(sz=size * 100, b=bold, solidFill=_INK)
