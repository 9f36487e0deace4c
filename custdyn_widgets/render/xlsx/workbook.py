"""XLSX workbooks of reports: their sheets and properties. Their bytes depend only on the report."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from openpyxl import Workbook
from openpyxl.writer.excel import ExcelWriter

from custdyn_widgets.errors import ExportError
from custdyn_widgets.render.xlsx.cells import set_height, text_cell
from custdyn_widgets.render.xlsx.charts import DATA_SHEET, write_charts
from custdyn_widgets.render.xlsx.cohorts import write_cohorts
from custdyn_widgets.render.xlsx.page_setup import print_one_page_wide
from custdyn_widgets.render.xlsx.table import write_table
from custdyn_widgets.render.xlsx.text_width import first_lines
from custdyn_widgets.report import Report, info_rows

ROW_LIMIT = 100_000
CELL_LIMIT = 3_000_000  # more would take minutes to write and to open

_FIRST_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_TEXT_WIDTH = 100
_MOST_LINES = 8  # of text per row; taller rows are hard to scroll past, and leave pages half empty


def to_xlsx(report: Report) -> bytes:
    """Return the report as an XLSX workbook with the sheets Report, Charts, Info and Definitions.

    A report by cohort also has a Cohorts sheet, with the retention triangle as a heat map. The Report sheet
    contains the table with two-level headings, frozen panes and the Total. The Charts sheet contains the
    presets as native charts. The Info sheet describes the report and contains the full text of any note
    shortened above the table. The Definitions sheet describes the columns. Numbers and dates are formatted
    cells, not text. Since spreadsheets store numbers as doubles, a note above the table gives the number of
    inexact amounts. Text is always a string cell, never a formula.

    Parameters
    ----------
    report
        The report, with or without rows.

    Returns
    -------
    bytes
        The workbook, which depends only on the report.

    Raises
    ------
    ExportError
        If the report has more than 100,000 rows or 3,000,000 cells. The message suggests CSV instead.
    """
    if len(report.rows) > ROW_LIMIT:
        raise ExportError.too_many_rows(len(report.rows), ROW_LIMIT)
    cells = len(report.rows) * (len(report.headings) + len(report.columns))
    if cells > CELL_LIMIT:
        raise ExportError.too_many_rows(cells, CELL_LIMIT, "cells")
    book = Workbook(write_only=True)
    shortened = [("Note", note) for note in write_table(book.create_sheet("Report"), report)]
    write_charts(book, report)
    if report.triangle and report.triangle.cohorts:
        write_cohorts(book.create_sheet("Cohorts"), report.triangle)
    _write_texts(book.create_sheet("Info"), ("Info", ""), shortened + info_rows(report))
    definitions = [(column.name, column.definition) for column in report.columns]
    notes = [("Note", note) for note in report.definitions]
    _write_texts(book.create_sheet("Definitions"), ("Column", "Definition"), definitions + notes)
    if DATA_SHEET in book.sheetnames:
        book.move_sheet(DATA_SHEET, offset=len(book.sheetnames))
    return _bytes(book, report)


def _write_texts(sheet: Any, headings: tuple[str, str], rows: list[tuple[str, str]]) -> None:
    """Write a sheet with a column of names and a column of text.

    Long text continues in the rows below, where the name is left blank.
    """
    sheet.column_dimensions["A"].width = 4 + max(len(name) for name, _ in [headings, *rows])
    sheet.column_dimensions["B"].width = _TEXT_WIDTH
    sheet.sheet_view.showGridLines = False
    sheet.freeze_panes = "A2"
    print_one_page_wide(sheet, headings=(1, 1))
    sheet.append([text_cell(sheet, text, bold=True, shade=True, bottom="thin") for text in headings])
    divided = [(name if first else "", part) for name, text in rows for first, part in _parts(text)]
    for index, (name, text) in enumerate(divided, 2):
        set_height(sheet, index, text, _TEXT_WIDTH)
        sheet.append([text_cell(sheet, name, bold=True, wrap=True), text_cell(sheet, text, wrap=True)])


def _parts(text: str) -> Iterator[tuple[bool, str]]:
    """Yield the parts of a text, one for each row, each with a flag that is true for the first."""
    rest, first = text.lstrip(), True
    while rest or first:
        part = first_lines(rest, _TEXT_WIDTH, _MOST_LINES)
        yield first, part
        rest, first = rest[len(part) :].lstrip(), False


def _bytes(book: Workbook, report: Report) -> bytes:
    """Return the workbook's file, with timestamps taken from the report."""
    moment = datetime.fromisoformat(report.info.generated_at).replace(tzinfo=None)
    book.properties.title = report.title
    book.properties.creator = "Customer Dynamics"
    book.properties.created = book.properties.modified = moment
    out = io.BytesIO()
    # Workbook.save would set the current time; ExcelWriter does not change the properties.
    ExcelWriter(book, _ReproducibleZip(out, "w", ZIP_DEFLATED)).save()
    return out.getvalue()


class _ReproducibleZip(ZipFile):
    """A zip file whose members do not depend on when or where it is written."""

    def writestr(self, zinfo_or_arcname: Any, data: Any, *_: Any, **__: Any) -> None:
        """Add a member with the earliest timestamp that the format allows."""
        member = ZipInfo(zinfo_or_arcname, _FIRST_ZIP_TIME)
        member.create_system = _UNIX
        member.compress_type = ZIP_DEFLATED
        super().writestr(member, data)

    def write(self, filename: Any, arcname: Any = None, *_: Any, **__: Any) -> None:
        """Add the content of a file as a member."""
        self.writestr(arcname, Path(filename).read_bytes())
