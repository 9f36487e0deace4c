"""A report as XLSX by the product itself: all sheets and charts."""

from __future__ import annotations

from collections.abc import Callable

from custdyn_widgets.render.xlsx.workbook import to_xlsx
from custdyn_widgets.report.report import Report

from . import answer
from .question import Question
from .workbook import cells, prepare

__all__ = ["prepare", "report"]


def report(given: Report, _question: Question) -> Callable[[], answer.Table]:
    """Write the workbook, and return its cells as a function."""
    data = to_xlsx(given)
    return lambda: cells(given, data)
