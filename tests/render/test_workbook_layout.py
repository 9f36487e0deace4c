"""The layout of a workbook: widths, heights, borders and what is printed; no number or name is cut off."""

from __future__ import annotations

import io
from dataclasses import replace
from decimal import Decimal
from typing import Any

import openpyxl
import pytest
from openpyxl.cell.cell import MergedCell

from custdyn_widgets.render.xlsx.table import fits_a_double
from custdyn_widgets.render.xlsx.workbook import to_xlsx
from custdyn_widgets.report.cohorts import CohortTriangle
from custdyn_widgets.report.report import Column, Report
from custdyn_widgets.report.table_view import table_view
from tests.make_report import INFO, make_report
from tests.render.test_csv_and_xlsx import headings_row, texts, ungrouped, with_value

LINE = 11 * 1.2  # points that a line of text needs at least


def opened(report: Report) -> Any:
    return openpyxl.load_workbook(io.BytesIO(to_xlsx(report)))


@pytest.mark.parametrize("report", [make_report(3), make_report(2, ("Basic",)), make_report(2, total=None)])
def test_what_is_printed_is_the_title_and_the_whole_table(report: Report) -> None:
    sheet = opened(report)["Report"]
    last = headings_row(sheet) + len(report.rows) + (report.total is not None)
    assert sheet.max_row == last
    column = sheet.cell(1, len(report.headings) + len(report.columns)).column_letter
    assert sheet.print_area == f"'Report'!$A$1:${column}${last}"


@pytest.mark.parametrize(
    ("name", "width"), [("x", 3 + len("Package Name")), ("x" * 20, 23), ("x" * 41, 44), ("x" * 99, 44)]
)
def test_a_column_of_names_is_as_wide_as_the_longest_up_to_a_limit(name: str, width: int) -> None:
    dimensions = opened(make_report(1, (name, "b")))["Report"].column_dimensions
    assert (dimensions["A"].width, dimensions["B"].width) == (9 + 3, width)


def test_numbers_and_headings_fit_their_columns_and_groups() -> None:
    report = with_value(Decimal("-9999999.5"))
    wide = (Column("A group with a very long name", "Qty", "count", ""), *report.columns[1:])
    report = replace(report, columns=wide)
    sheet = opened(report)["Report"]
    view = table_view(report)
    for group in view.groups:
        widths = [sheet.column_dimensions[sheet.cell(1, 2 + i).column_letter].width for i in group.positions]
        for width, column, i in zip(widths, group.columns, group.positions, strict=True):
            longest = max((row.texts[i] for row in view.all_rows()), key=len)
            signs = sum(longest.count(sign) for sign in ",.-")
            word = max(len(word) for word in column.label.split())
            assert width >= 1.1 * (len(longest) - signs) + 0.6 * signs + 0.7
            assert width >= 1.1 * max(word, -(-len(group.name) // group.span)) + 0.7
            assert width <= 1.2 * max(word, len(longest), -(-len(group.name) // group.span)) + 2
        assert sum(widths) >= len(group.name)


@pytest.mark.parametrize(
    ("label", "lines"),
    [
        ("Qty", 1),
        ("Balance Pos", 2),
        ("Balance Pos Change", 3),
        ("Share of the clients with a refill", 3),
        ("x" * 500, 13),
    ],
)
def test_the_row_of_labels_is_high_enough_for_the_tallest_and_for_a_filter_button(
    label: str, lines: int
) -> None:
    report = make_report(1)
    columns = tuple(replace(report.columns[0], group="Group", label=name) for name in ("Qty", label))
    rows = (replace(report.rows[0], values=(1, 2)),)
    report = replace(report, columns=columns, rows=rows, total=None)
    ungrouped = replace(report, headings=(), rows=(replace(rows[0], labels=()),))
    for asked, more in ((report, 1), (ungrouped, 0)):
        sheet = opened(asked)["Report"]
        [labels] = [row for row in sheet.iter_rows() if any(cell.value == label for cell in row)]
        height = sheet.row_dimensions[labels[0].row].height
        assert (height or LINE) == pytest.approx(min((lines + more) * 15, 409), rel=0.2)
        cell = labels[len(asked.headings) + 1]
        assert cell.alignment.wrap_text
        assert sheet.column_dimensions[cell.column_letter].width <= 255


@pytest.mark.parametrize(("name", "lines"), [("x" * 41, 1), ("x" * 42, 2), ("a\nb\nc", 3), ("y " * 50, 3)])
def test_a_row_is_high_enough_for_its_name_and_other_rows_stay_as_they_are(name: str, lines: int) -> None:
    sheet = opened(make_report(1, ("short", name)))["Report"]
    row = headings_row(sheet) + 2
    assert sheet.cell(row, 2).value == name
    assert bool(sheet.cell(row, 2).alignment.wrap_text) == (lines > 1)
    assert not sheet.cell(row - 1, 2).alignment.wrap_text
    heights = {n: dimension.height for n, dimension in sheet.row_dimensions.items() if dimension.height}
    labels = headings_row(sheet)
    wrapped = {note for note in range(2, labels) if sheet.cell(note, 1).alignment.wrap_text}
    assert heights.keys() == {1, labels, *wrapped, *([row] if lines > 1 else [])}
    assert LINE * 15 / 11 <= heights[1] <= 2 * LINE  # the title
    assert lines == 1 or lines * LINE <= heights[row] <= (lines + 1) * LINE


def test_no_row_is_higher_than_the_format_allows() -> None:
    sheet = opened(make_report(1, ("x" * 20_000,)))["Report"]
    assert sheet.row_dimensions[headings_row(sheet) + 1].height == 409


def test_groups_begin_with_a_line_and_headings_have_room_for_filters() -> None:
    report = make_report(2, ("A", "B"))
    sheet = opened(report)["Report"]
    row = headings_row(sheet)
    begins = [cell.column - 3 for cell in sheet[row + 1] if cell.border.left and cell.border.left.style]
    assert begins == [0, 4, 8, 12, 15, 17]
    for below in (row, sheet.max_row):
        assert [
            cell.column - 3 for cell in sheet[below] if cell.border.left and cell.border.left.style
        ] == begins
    assert sheet.row_dimensions[row].height > 2 * LINE + 15  # two lines and a button
    assert {f"A{row - 1}:A{row}", f"B{row - 1}:B{row}"} <= {str(area) for area in sheet.merged_cells.ranges}
    without = opened(ungrouped())["Report"]
    assert 2 * LINE <= without.row_dimensions[headings_row(without)].height < 2 * LINE + 15
    assert without.freeze_panes == f"A{headings_row(without) + 1}"


def test_headings_and_the_total_stand_out_and_a_long_partial_name_wraps() -> None:
    report = make_report(1, ("Basic",))
    sheet = opened(report)["Report"]
    row = headings_row(sheet)
    for cells, stands_out in (
        (sheet[row - 1], True),
        (sheet[row], True),
        (sheet[row + 2], True),
        (sheet[row + 1], False),
    ):
        for cell in cells:
            assert isinstance(cell, MergedCell) or bool(cell.font.b) == stands_out
            assert isinstance(cell, MergedCell) or (cell.fill.fill_type == "solid") == stands_out
    assert sheet["A1"].font.b
    query = replace(report.query, group_by=("package",))
    rows = tuple(replace(report.rows[0], labels=(name,), partial=True) for name in ("x" * 99, "y"))
    partial = opened(replace(report, query=query, headings=("Package Name",), rows=rows, total=None))[
        "Report"
    ]
    assert all(row[0].alignment.wrap_text for row in partial.iter_rows(min_row=headings_row(partial) + 1))


def test_notes_above_the_table_count_inexact_amounts_and_warnings() -> None:
    report = with_value(Decimal("123456789012.123457"))
    found = texts(opened(replace(report, info=replace(INFO, warnings=("a", "b"))))["Report"])
    assert "Warnings: 2. See the Info sheet." in found
    assert any(
        text.startswith("Amounts with more digits than a spreadsheet can store (15 to 17): 1.")
        for text in found
    )
    plain = texts(opened(make_report(1, info=replace(INFO, warnings=())))["Report"])
    assert not any("Warnings" in text or "more digits" in text for text in plain)


@pytest.mark.parametrize(
    ("value", "fits"),
    [(None, True), (2**63 - 1, True), (Decimal(2**33), True), (Decimal("99999999999.000001"), False)],
)
def test_counts_fit_and_amounts_fit_as_long_as_their_digits_do(
    value: int | Decimal | None, fits: bool
) -> None:
    assert fits_a_double(value) is fits


def test_the_sheets_of_text_have_a_frozen_heading_and_rows_as_high_as_their_text() -> None:
    report = make_report(1, info=replace(INFO, warnings=("w " * 200,)))
    book = opened(report)
    assert not any(book[name].sheet_view.showGridLines for name in ("Charts", "Info", "Definitions"))
    for name in ("Info", "Definitions"):
        sheet = book[name]
        assert (sheet.freeze_panes, sheet.print_title_rows) == ("A2", "$1:$1")
        longest = max(len(row[0].value) for row in sheet.iter_rows())
        assert sheet.column_dimensions["A"].width == longest + 4
        assert all(cell.alignment.wrap_text for row in sheet.iter_rows(min_row=2) for cell in row)
        assert all(cell.font.b for cell in sheet["A"])
    heights = {n: d.height for n, d in book["Info"].row_dimensions.items() if d.height}
    [(row, height)] = heights.items()
    assert book["Info"].cell(row, 1).value == "Warning"
    assert 4 * LINE <= height <= 6 * LINE  # 400 characters in a column of 100


def test_cohorts_are_frozen_beside_their_sizes_and_columns_are_wide_enough() -> None:
    triangle = CohortTriangle(("2021-10", "2021-11"), (1_234_567, 0), ((5, None), (0, 0)))
    book = opened(make_report(1, triangle=triangle))
    assert book.sheetnames[:3] == ["Report", "Charts", "Cohorts"]
    sheet = book["Cohorts"]
    assert (sheet.freeze_panes, sheet.print_title_rows) == ("C3", "$2:$2")
    widths = {letter: sheet.column_dimensions[letter].width for letter in "ABCD"}
    assert widths == {"A": 10, "B": 11, "C": 11, "D": 11}
    assert {cell.number_format for row in sheet["B3:D4"] for cell in row} == {"#,##0"}
    small = opened(make_report(1, triangle=replace(triangle, sizes=(5, 0))))["Cohorts"]
    assert small.column_dimensions["D"].width == 7
    empty = make_report(1, triangle=CohortTriangle((), (), ()))
    assert "Cohorts" not in opened(empty).sheetnames


@pytest.mark.parametrize(
    ("name", "width", "wraps"),
    [
        ("月" * 16, 35, False),
        ("月額プラン" * 8, 44, True),
        ("W" * 26, 1.3 * 26 + 3, False),
        ("W" * 33, 44, True),
    ],
)
def test_a_column_of_names_is_wide_enough_for_wide_letters(name: str, width: float, wraps: bool) -> None:
    sheet = opened(make_report(1, ("short", name)))["Report"]
    row = headings_row(sheet) + 2
    assert sheet.column_dimensions["B"].width == pytest.approx(width, abs=0.01)
    assert bool(sheet.cell(row, 2).alignment.wrap_text) == wraps
    assert ((sheet.row_dimensions[row].height or LINE) >= 2 * LINE) == wraps
