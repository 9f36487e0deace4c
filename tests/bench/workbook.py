"""One report as XLSX: what the contenders are given, and the cells of what they wrote."""

from __future__ import annotations

import io
from pathlib import Path

from openpyxl import load_workbook

from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.report.report import Report

from . import answer
from .question import AS_OF, Question

SHEET = "Report"


def prepare(folder: Path, question: Question) -> Report:
    """Return the report to write."""
    return run_report(ReportQuery.from_dict(question.query), folder, as_of=AS_OF)


def cells(report: Report, data: bytes) -> answer.Table:
    """Return the value and number format of each cell of the rows and the Total, without headings."""
    sheet = load_workbook(io.BytesIO(data))[SHEET]
    first = sheet.max_row - len(list(report.shown_rows())) + 1
    return [[f"{cell.value} {cell.number_format}" for cell in row] for row in sheet.iter_rows(min_row=first)]
