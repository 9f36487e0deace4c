"""The widths of texts in a workbook: numbers as their format shows them, and letters of every script."""

from __future__ import annotations

import io
from dataclasses import replace
from decimal import Decimal
from typing import Any

import openpyxl
import pytest

from custdyn_widgets.render.xlsx.text_width import count_lines, width_in_digits
from custdyn_widgets.render.xlsx.workbook import to_xlsx
from custdyn_widgets.report.report import Column, Report, Row
from tests.make_report import make_report

WIDTHS = {",": 0.6, ".": 0.6, "-": 0.65, "%": 1.6}  # relative to a digit; a bold digit is 1.1
SHOWN = {
    "#,##0": "{:,.0f}",
    "#,##0.00": "{:,.2f}",
    "0.0%": "{:.1%}",
    '0.0%" pts"': "{:.1%} pts",
    '#,##0.0"%"': "{:,.1f}%",
}


def table(report: Report) -> Any:
    return openpyxl.load_workbook(io.BytesIO(to_xlsx(report)))["Report"]


@pytest.mark.parametrize("value", ["-0.125", "-1.125", "12.345", "-9.99999", "0", "-123456.789", "7654321"])
@pytest.mark.parametrize("unit", ["count", "money", "rate", "points", "percent"])
def test_a_column_is_wide_enough_for_the_text_that_its_number_format_shows(unit: str, value: str) -> None:
    number: Any = int(Decimal(value)) if unit == "count" else Decimal(value)
    columns = (Column("G", "C", unit, ""),)
    report = make_report(
        1, columns=columns, rows=(Row(("2021-01",), (number,)),), total=Row(("",), (number,))
    )
    sheet = table(report)
    cell = sheet.cell(sheet.max_row, 2)
    assert cell.font.b
    shown = SHOWN[cell.number_format].format(Decimal(str(cell.value)))
    needed = sum(WIDTHS.get(sign, 1.1) for sign in shown)
    assert needed + 0.7 <= sheet.column_dimensions["B"].width <= max(needed * 1.1 + 1.5, 6)


def test_the_width_of_a_text() -> None:
    assert width_in_digits("0123456789") == pytest.approx(10)
    assert width_in_digits("プラン") == pytest.approx(6)
    assert width_in_digits("WWW") > width_in_digits("www")
    assert width_in_digits("e\N{COMBINING ACUTE ACCENT}") == width_in_digits("e")
    assert width_in_digits("12", bold=True) == pytest.approx(2.2)


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("", 10, 1),
        ("x" * 10, 10, 1),
        ("x" * 11, 10, 2),
        ("aaa bbb ccc", 7, 2),
        ("aaa bbb ccc", 6, 3),
        ("プラン", 6, 1),
        ("プラン" * 2, 6, 2),
        ("プ" * 3, 1, 3),  # never less than a letter in a line
        ("a\n\nb", 10, 3),
        ("x-y-z" * 2, 10, 1),
    ],
)
def test_lines_are_counted_by_the_widths_of_words(text: str, width: float, lines: int) -> None:
    assert count_lines(text, width) == lines


@pytest.mark.parametrize(
    ("label", "lines"), [("顧客" * 30, 3), ("月額 プラン の 変更", 2), ("残高変動額率", 1)]
)
def test_no_line_of_an_east_asian_heading_is_cut_off(label: str, lines: int) -> None:
    report = make_report(1)
    columns = (replace(report.columns[0], group="月額プランの顧客数", label=label),)
    sheet = table(replace(report, columns=columns, rows=(replace(report.rows[0], values=(1,)),), total=None))
    [row] = [cell.row for cell in sheet["B"] if cell.value == label]
    inner = sheet.column_dimensions["B"].width - 1
    assert inner < 46
    assert sheet.row_dimensions[row].height >= 13.2 * (len(label.replace(" ", "")) * 2.2 / inner + 1)
    assert sheet.row_dimensions[row].height >= 13.2 * (lines + 1)
    group = sheet.row_dimensions[row - 1].height or 15
    assert group >= 13.2 * 9 * 2.2 / inner
