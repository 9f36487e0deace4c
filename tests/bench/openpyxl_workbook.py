"""A report as XLSX as openpyxl alone writes it: one sheet with one line of headings, no charts, no borders.

It has the same values and number formats, in write-only mode, with one cell for each column, used again for
every row.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import date
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell

from custdyn_widgets.report.report import Report

from . import answer
from .question import Question
from .workbook import SHEET, cells, prepare

__all__ = ["prepare", "report"]

_FORMATS = {"count": "#,##0", "money": "#,##0.00"}


def report(given: Report, _question: Question) -> Callable[[], answer.Table]:
    """Write the workbook, and return its cells as a function."""
    data = _written(given)
    return lambda: cells(given, data)


def _written(given: Report) -> bytes:
    book = Workbook(write_only=True)
    sheet: Any = book.create_sheet(SHEET)
    sheet.append([*given.headings, *(column.name for column in given.columns)])
    day = _cell(sheet, "yyyy-mm-dd")
    numbers = [_cell(sheet, _FORMATS[column.unit]) for column in given.columns]
    for row in given.rows:
        first, *others = row.labels
        day.value = date.fromisoformat(first)
        sheet.append([day, *others, *_filled(numbers, row.values)])
    if given.total:
        sheet.append([*given.total.labels, *_filled(numbers, given.total.values)])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _cell(sheet: Any, number_format: str) -> Any:
    cell = WriteOnlyCell(sheet)
    cell.number_format = number_format
    return cell


def _filled(cells: list[Any], values: tuple[Any, ...]) -> list[Any]:
    for cell, value in zip(cells, values, strict=True):
        cell.value = value
    return cells
