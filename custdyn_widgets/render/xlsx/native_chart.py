"""Native charts in a workbook, with values from the Chart data sheet."""

from __future__ import annotations

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
from openpyxl.drawing.text import CharacterProperties, Paragraph, ParagraphProperties

from custdyn_widgets.render.charts.specs import column_colour
from custdyn_widgets.render.charts.vegalite import GREY, PALETTE
from custdyn_widgets.render.xlsx.cells import cell_text
from custdyn_widgets.render.xlsx.chart_data import Drawing
from custdyn_widgets.render.xlsx.table import COUNT_FORMAT, DATE_FORMATS
from custdyn_widgets.report import Report

WIDTH, HEIGHT = 17.5, 9.5  # centimetres

_FEW_CATEGORIES = 31
_INK, _GRID = "3C4A5A", "D5DBE2"


def native_chart(data: Any, heading: int, drawing: Drawing, report: Report) -> Any:
    """Return a native chart of the block whose headings are in row `heading` of the data sheet."""
    chart = _empty_chart(drawing)
    first, last = heading + 1, heading + len(drawing.points.categories)
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
    chart.width, chart.height = WIDTH, HEIGHT
    chart.display_blanks = "gap"
    chart.visible_cells_only = False  # the data sheet is hidden
    _set_axes(chart, drawing, report)
    _set_legend(chart, drawing)
    if len(drawing.points.categories) == 1 or not report.headings:
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
    """Colour a series as the page does: a single one in its group's colour, others from the palette."""
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
        few = len(drawing.points.categories) <= _FEW_CATEGORIES
        series.marker.symbol = "circle" if few or not shown else "none"
        series.marker.size = 5
        series.marker.graphicalProperties = GraphicalProperties(solidFill=colour)
        series.marker.graphicalProperties.line.solidFill = colour
    else:
        series.graphicalProperties = GraphicalProperties(solidFill=colour)
        series.graphicalProperties.line.noFill = True
        series.invertIfNegative = False


def _set_axes(chart: Any, drawing: Drawing, report: Report) -> None:
    dates = drawing.dates
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
        chart.y_axis.scaling.min = 0  # bars that do not start at zero are misleading
    chart.y_axis.number_format = COUNT_FORMAT if _is_large(drawing) else "#,##0.00"
    chart.x_axis.title = _title(drawing.points.x)
    money = any(column.unit == "money" for column in drawing.columns)
    chart.y_axis.title = _title(report.currency if money else "Number")
    chart.x_axis.majorGridlines = None
    chart.y_axis.majorGridlines = ChartLines(GraphicalProperties(ln=LineProperties(solidFill=_GRID)))
    chart.x_axis.tickLblPos = "low"  # below the chart even if values are negative
    for axis in (chart.x_axis, chart.y_axis):
        axis.delete = False  # openpyxl hides axes by default
        axis.txPr = RichText(p=[Paragraph(pPr=ParagraphProperties(defRPr=_ink(9)), endParaRPr=_ink(9))])
        axis.graphicalProperties = GraphicalProperties(ln=LineProperties(solidFill=_INK, w=6_000))


def _is_large(drawing: Drawing) -> bool:
    """Return whether the axis needs no decimal places, because it shows counts or reaches at least ten."""
    if all(column.unit == "count" for column in drawing.columns):
        return True
    return max((abs(p.y) for p in drawing.points.values if p.y is not None), default=0.0) >= 10


def _set_legend(chart: Any, drawing: Drawing) -> None:
    """Show a legend if there are several series. Grey series have no entries."""
    if len(drawing.series) == 1:
        chart.legend = None
        return
    chart.legend.position = "b"
    chart.legend.overlay = False
    grey = range(len(drawing.points.series), len(drawing.series))
    chart.legend.legendEntry = [LegendEntry(idx=index, delete=True) for index in grey]


def _title(text: str, size: int = 9, *, bold: bool = False) -> Title:
    """Return a title placed next to the plot, not on top of it."""
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
