"""The charts of a workbook: where they stand, what they draw, and in which colours."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import openpyxl
import pytest
from openpyxl.chart import AreaChart, BarChart, LineChart
from openpyxl.chart.axis import DateAxis

from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.render.charts.presets import Preset
from custdyn_widgets.render.charts.specs import column_colour
from custdyn_widgets.render.charts.vegalite import GREY, PALETTE
from custdyn_widgets.render.xlsx.workbook import to_xlsx
from custdyn_widgets.report.report import Report
from tests.make_report import make_comparison, make_report

TITLES = {
    "Clients - Active: Qty": "Clients - Active: Qty",
    "Balance Refill: Total": "Balance Refill: Total",
    "Pay as you Go: Total": "Pay As You Go: Total",
    "Packages: Renew Total": "Packages: Renew Total",
}
NAMES = tuple(f"Package {i:02}" for i in range(47))


def opened(report: Report) -> Any:
    return openpyxl.load_workbook(io.BytesIO(to_xlsx(report)))


def charts(report: Report) -> list[Any]:
    found: list[Any] = opened(report)["Charts"]._charts
    return found


def notes(report: Report) -> list[str]:
    return [row[0] for row in opened(report)["Charts"].iter_rows(min_row=2, values_only=True)]


def values(book: Any, reference: str) -> list[Any]:
    sheet, area = reference.replace("$", "").replace("'", "").split("!")
    found = book[sheet][area]
    return [cell.value for row in found for cell in row] if isinstance(found, tuple) else [found.value]


def by_time(heading: str, labels: list[str], packages: tuple[str, ...] = ()) -> Report:
    """Return a report with a row for each label and package, none of them partial."""
    made = make_report(1, ("A",) if packages else ())
    pairs = [(label, name) for label in labels for name in packages] if packages else [(x,) for x in labels]
    group_by = [heading.lower(), *(["package"] if packages else [])]
    return replace(
        made,
        query=ReportQuery.from_dict({"interval": "this_year", "group_by": group_by, "currency": "USD"}),
        headings=(heading, *made.headings[1:]),
        rows=tuple(replace(made.rows[0], labels=pair, partial=False) for pair in pairs),
        total=None,
    )


def by_package(packages: tuple[str, ...]) -> Report:
    made = make_report(1, packages)
    rows = tuple(replace(row, labels=row.labels[1:], partial=False) for row in made.rows)
    query = replace(made.query, group_by=("package",))
    return replace(made, query=query, headings=("Package Name",), rows=rows, total=None)


def days(count: int) -> list[str]:
    return [f"{date(2021, 1, 1) + timedelta(days=i)}" for i in range(count)]


def test_every_chart_draws_its_column_of_the_report_with_its_categories_and_names() -> None:
    report = make_report(3, ("A", "B", "C"))
    report = replace(report, rows=tuple(r for r in report.rows if r.labels != ("2021-02", "B")))
    book = opened(report)
    drawn = book["Charts"]._charts
    assert [chart.title.tx.rich.p[0].r[0].t for chart in drawn] == [*TITLES]
    for chart, name in zip(drawn, TITLES.values(), strict=True):
        column = report.column(name)
        known = {row.labels: row.values[column] for row in report.rows}
        for series in chart.series:
            [package] = values(book, series.tx.strRef.f)
            months = values(book, series.cat.numRef.f)
            assert months == [datetime(2021, month, 1) for month in (1, 2, 3)]
            shown = [known.get((f"{month:%Y-%m}", package), 0) for month in months]  # left out, as it is 0
            assert values(book, series.val.numRef.f) == [float(value or 0) for value in shown]
        assert {values(book, series.tx.strRef.f)[0] for series in chart.series} == {"A", "B", "C"}
    heads = [
        row[0].value for row in book["Chart data"].iter_rows() if row[0].font.b and row[0].value != "Month"
    ]
    assert heads == [*TITLES]


def test_numbers_and_dates_of_the_chart_data_are_formatted() -> None:
    sheet = opened(make_report(2))["Chart data"]
    formats = [tuple(cell.number_format for cell in row) for row in sheet.iter_rows(min_row=3, max_row=9)]
    assert formats[0] == ("yyyy-mm", "#,##0")
    assert formats[5] == ("yyyy-mm", "#,##0.00")
    churn = Preset("Churn", ("Clients - Movement: Churn Rate",), "line", "Who leaves.")
    sheet = opened(replace(make_comparison(2), charts={"Churn": churn.add_to({})}))["Chart data"]
    [first] = [row[0].row for row in sheet.iter_rows() if row[0].value == "Churn"]
    assert (sheet.cell(first + 2, 2).value, sheet.cell(first + 2, 2).number_format) == (12.5, '#,##0.0"%"')


def test_charts_stand_two_in_a_row_below_the_notes_without_overlapping() -> None:
    report = make_report(2)
    places = [
        (c.anchor.pos.x, c.anchor.pos.y, c.anchor.ext.width, c.anchor.ext.height) for c in charts(report)
    ]
    (x, y, wide, high), right, below, last = places
    assert right[:2] == (last[0], y)
    assert below[:2] == (x, last[1])
    assert right[0] >= x + wide > x >= 0
    assert below[1] >= y + high > y
    assert y >= (1 + len(notes(report))) * 15 * 12_700  # a row of the sheet has 15 points
    assert {place[2:] for place in places} == {(wide, high)}
    assert (right[0] - x - wide, below[1] - y - high) == (0.8 * 360_000, 0.8 * 360_000)


@pytest.mark.parametrize(
    ("report", "kinds"),
    [
        (make_report(2), [(LineChart, "standard"), (BarChart, "clustered")]),
        (make_report(2, ("A", "B")), [(LineChart, "standard"), (BarChart, "stacked")]),
        (by_package(("A", "B")), [(BarChart, "clustered"), (BarChart, "clustered")]),
        (by_time("Date", days(120)), [(LineChart, "standard"), (BarChart, "clustered")]),
        (by_time("Date", days(121)), [(LineChart, "standard"), (AreaChart, "standard")]),
        (by_time("Date", days(120), ("A", "B")), [(LineChart, "standard"), (BarChart, "stacked")]),
        (by_time("Date", days(121), ("A", "B")), [(LineChart, "standard"), (AreaChart, "stacked")]),
    ],
)
def test_a_chart_has_the_mark_of_the_page(report: Report, kinds: list[tuple[type, str]]) -> None:
    drawn = charts(report)[:2]
    assert [(type(chart), chart.grouping) for chart in drawn] == kinds
    for chart in drawn:
        if chart.grouping == "stacked" and isinstance(chart, BarChart):
            assert chart.overlap == 100  # otherwise, bars of a stack would stand beside each other


@pytest.mark.parametrize(
    ("report", "unit", "shown"),
    [
        (by_time("Year", ["2020", "2021"]), "years", "yyyy"),
        (by_time("Month", ["2021-01", "2021-02"]), "months", "yyyy-mm"),
        (by_time("Date", ["2021-01-30", "2021-01-31"]), "days", "yyyy-mm-dd"),
    ],
)
def test_an_axis_of_dates_has_the_unit_of_the_rows(report: Report, unit: str, shown: str) -> None:
    axis = charts(report)[0].x_axis
    assert isinstance(axis, DateAxis)
    assert (axis.baseTimeUnit, axis.number_format.formatCode) == (unit, shown)


def test_a_single_category_or_a_report_in_one_row_shows_its_numbers() -> None:
    for report, shows in ((by_time("Month", ["2021-01"]), True), (make_report(2), False)):
        for chart in charts(report):
            assert isinstance(chart.x_axis, DateAxis) != shows
            assert (chart.dataLabels is not None and chart.dataLabels.showVal) == shows
    made = make_report(1)
    query = replace(made.query, group_by=())
    one = replace(made, query=query, headings=(), rows=(replace(made.rows[0], labels=()),), total=None)
    book = opened(one)
    clients, totals = book["Charts"]._charts
    for chart in (clients, totals):
        labels = chart.dataLabels
        assert (labels.showVal, labels.showSerName, labels.showCatName, labels.showLegendKey) == (True,) + (
            False,
        ) * 3
        assert isinstance(chart, BarChart)
    assert values(book, totals.series[0].cat.numRef.f) == [
        "Balance Refill: Total", "Pay As You Go: Total", "Packages: Renew Total",
    ]  # fmt: skip


@pytest.mark.parametrize(("amount", "lowest"), [("5", 0.0), ("0", 0.0), ("-5", None)])
def test_an_axis_begins_at_zero_unless_there_are_negative_values(amount: str, lowest: float | None) -> None:
    report = make_report(2)
    row = tuple(1 if column.unit == "count" else Decimal(amount) for column in report.columns)
    rows = (replace(report.rows[0], values=row), *report.rows[1:])
    chart = charts(replace(report, rows=rows))[1]
    assert chart.y_axis.scaling.min == lowest
    assert chart.x_axis.tickLblPos == "low"  # below the chart even if bars go down


def test_axes_name_the_unit_and_the_heading() -> None:
    counts, amounts, *_ = charts(make_report(2))
    titles = [
        [axis.title.tx.rich.p[0].r[0].t for axis in (chart.x_axis, chart.y_axis)]
        for chart in (counts, amounts)
    ]
    assert titles == [["Month", "Number"], ["Month", "USD"]]
    for chart in (counts, amounts):
        assert chart.y_axis.crossAx == chart.x_axis.axId
        assert chart.x_axis.majorGridlines is None
        assert chart.y_axis.majorGridlines is not None
        assert not chart.visible_cells_only  # the sheet of the data is hidden
        assert not any(title.overlay for title in (chart.title, chart.x_axis.title, chart.y_axis.title))


def colours(chart: Any) -> list[str]:
    shapes = [series.graphicalProperties for series in chart.series]
    if isinstance(chart, LineChart):
        shapes = [shape.line for shape in shapes]
    return [shape.solidFill.srgbClr for shape in shapes]


def upper(colour: str) -> str:
    return colour.removeprefix("#").upper()


def test_a_single_series_has_the_colour_of_its_group_and_no_legend() -> None:
    report = make_report(2)
    for chart, name in zip(charts(report), TITLES.values(), strict=True):
        assert colours(chart) == [upper(column_colour(report.columns[report.column(name)]))]
        assert chart.legend is None


@pytest.mark.parametrize("count", [2, 7, 8])
def test_series_have_the_colours_of_the_page_and_grey_ones_are_not_in_the_legend(count: int) -> None:
    for chart in charts(make_report(2, NAMES[:count])):
        coloured = count if count <= 7 else 6
        assert colours(chart) == [*map(upper, PALETTE[:coloured]), *[upper(GREY)] * (count - coloured)]
        entries = [(entry.idx, entry.delete) for entry in chart.legend.legendEntry]
        assert entries == [(index, True) for index in range(coloured, count)]
        assert (chart.legend.position, bool(chart.legend.overlay)) == ("b", False)


@pytest.mark.parametrize(("count", "marked"), [(31, True), (32, False)])
def test_a_long_line_has_no_markers(count: int, marked: bool) -> None:
    [series] = charts(by_time("Date", days(count)))[0].series
    assert series.marker.symbol == ("circle" if marked else None)
    assert not series.smooth
    assert not series.graphicalProperties.line.noFill


@pytest.mark.parametrize(("count", "grey", "left_out"), [(7, 0, 0), (8, 2, 0), (40, 34, 0), (47, 41, 7)])
def test_at_most_40_series_are_drawn_and_notes_count_the_others(count: int, grey: int, left_out: int) -> None:
    report = make_report(1, NAMES[:count])
    expected = [
        *([f"In grey: {grey} more packages, the smallest in each chart."] if grey else []),
        *([f"Not drawn: {left_out} of them; the table has them all."] if left_out else []),
        "Partial: the figures run up to 2022-12-16 08:30:00 UTC, the time of the report; "
        "the interval ends at 2022-12-31 23:59:59.",
        "2021-01: cut short by the interval's start or end, or by the time of the report.",
    ]
    assert notes(report) == expected
    assert {len(chart.series) for chart in charts(report)} == {count - left_out}


def test_notes_name_each_partial_bucket_of_time_once_and_none_if_all_are_whole() -> None:
    report = by_time("Month", ["2021-01", "2021-02", "2021-03"], ("A", "B"))
    assert notes(report) == []
    rows = tuple(replace(row, partial=row.labels[0] != "2021-02") for row in report.rows)
    cut = "cut short by the interval's start or end, or by the time of the report."
    assert notes(replace(report, rows=rows)) == [f"2021-01 and 2021-03: {cut}"]
    packages = by_package(("A", "B"))
    rows = tuple(replace(row, partial=True) for row in packages.rows)
    assert notes(replace(packages, rows=rows)) == []


def test_a_date_before_march_1900_leaves_the_whole_axis_as_text() -> None:
    report = by_time("Month", ["1900-01", "1900-02", "1900-03"])
    book = opened(report)
    chart = book["Charts"]._charts[0]
    assert not isinstance(chart.x_axis, DateAxis)
    assert values(book, chart.series[0].cat.numRef.f) == ["1900-01", "1900-02", "1900-03"]


def test_the_sheet_of_the_data_is_hidden_and_comes_last() -> None:
    book = opened(replace(make_report(2), triangle=None))
    assert book.sheetnames[-1] == "Chart data"
    assert {sheet.title: sheet.sheet_state for sheet in book} == {
        "Report": "visible", "Charts": "visible", "Info": "visible", "Definitions": "visible",
        "Chart data": "hidden",
    }  # fmt: skip
    widths = book["Chart data"].column_dimensions
    assert all(widths[letter].width >= 24 for letter in "AB")
