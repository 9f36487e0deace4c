"""The Chart data sheet: the charts of a report with their values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from custdyn_widgets.render.charts.points import COLUMNS, Points, points_of
from custdyn_widgets.render.charts.presets import row_presets
from custdyn_widgets.render.charts.specs import one_row_charts, preset_mark
from custdyn_widgets.render.xlsx.cells import put_text, styled_cell, text_cell
from custdyn_widgets.render.xlsx.table import COUNT_FORMAT, DATE_FORMATS, date_label, money_format
from custdyn_widgets.report import Column, Report
from custdyn_widgets.text import short_names

_MAX_SERIES = 40  # more would be indistinguishable; native charts allow at most 255
_MAX_NAME = 28


@dataclass(frozen=True)
class Drawing:
    """A chart to draw: its title, mark, columns and points, and its categories as dates if possible."""

    title: str
    mark: str
    columns: tuple[Column, ...]
    points: Points
    dates: tuple[date, ...] | None = None

    @cached_property
    def series(self) -> tuple[str, ...]:
        """The names of the series drawn: the coloured ones, then the grey ones."""
        return (*self.points.series, *self.points.others)[:_MAX_SERIES]

    @property
    def left_out(self) -> int:
        """The number of series not drawn."""
        return len(self.points.series) + len(self.points.others) - len(self.series)


def report_drawings(report: Report) -> Iterator[Drawing]:
    """Yield the charts of a report's page that can be native: all but bridges and the report's own charts."""
    if not report.rows:
        return
    by_name = {column.name: column for column in report.columns}
    if report.headings:
        wanted = [(preset.name, preset.columns, preset.mark) for preset in row_presets(report)]
    else:
        wanted = [(title, tuple(names), "bar") for title, names in one_row_charts(report).items()]
    x = report.headings[0] if report.headings else COLUMNS
    for title, names, mark in wanted:
        columns = [by_name[name] for name in names]
        points = points_of(report, x, columns, joined=True)
        if points.is_time:
            mark = preset_mark(
                mark, is_shared=report.query.row_group is not None, categories=len(points.categories)
            )
        elif mark == "line":
            mark = "bar"
        yield Drawing(title, mark, tuple(columns), points, _category_dates(points, report))


def write_data(sheet: Any, row: int, drawing: Drawing, report: Report) -> int:
    """Write a chart's block (title, headings, a row per category, a blank row) and return the next row."""
    style: dict[str, Any] = {"bold": True, "shade": True, "bottom": "thin"}
    sheet.append([text_cell(sheet, drawing.title, bold=True)])
    # A long name would leave no room for the plot.
    short = short_names((name or drawing.columns[0].name for name in drawing.series), _MAX_NAME)
    names = [short[name or drawing.columns[0].name] for name in drawing.series]
    headings = [text_cell(sheet, name, **style, align="right") for name in names]
    sheet.append([text_cell(sheet, drawing.points.x, **style), *headings])
    values = {(p.x, p.series): p.y for p in drawing.points.values}
    numbers = [styled_cell(sheet, number_format=_number_format(drawing, report)) for _ in names]
    labels = _category_cells(sheet, drawing, report)
    for category, label in zip(drawing.points.categories, labels, strict=True):
        for cell, name in zip(numbers, drawing.series, strict=True):
            cell.value = values.get((category, name))
        sheet.append([label, *numbers])
    sheet.append([])
    return row + 3 + len(drawing.points.categories)


def _category_cells(sheet: Any, drawing: Drawing, report: Report) -> Iterator[Any]:
    """Yield a cell for each category. The cell is reused, so write it before requesting the next."""
    if drawing.dates is None:
        cell = styled_cell(sheet)
        names = short_names(drawing.points.categories, _MAX_NAME)
        yield from (put_text(cell, names[category]) for category in drawing.points.categories)
        return
    cell = styled_cell(sheet, number_format=DATE_FORMATS[str(report.query.time_group)], align="left")
    for begins in drawing.dates:
        cell.value = begins
        yield cell


def _category_dates(points: Points, report: Report) -> tuple[date, ...] | None:
    """Return the x values of a chart as dates, or None if they must remain text."""
    if not points.is_time:
        return None
    dates = [date_label(report, category) for category in points.categories]
    return None if None in dates else tuple(begins for begins in dates if begins is not None)


def _number_format(drawing: Drawing, report: Report) -> str:
    money = any(column.unit == "money" for column in drawing.columns)
    if any(column.unit in ("rate", "points", "percent") for column in drawing.columns):
        return '#,##0.0"%"'  # the points are percentages
    return money_format(report.currency) if money else COUNT_FORMAT
