"""The Report sheet: title, notes, two-level headings, rows and Total."""

from __future__ import annotations

import functools
from datetime import date
from decimal import Decimal
from typing import Any

from openpyxl.cell.cell import Cell
from openpyxl.utils import get_column_letter

from custdyn_widgets import progress
from custdyn_widgets.render.xlsx.cells import put_text, set_height, styled_cell
from custdyn_widgets.render.xlsx.column_widths import WIDEST_LABELS, column_widths, is_tall, label_lines
from custdyn_widgets.render.xlsx.headings import write_headings
from custdyn_widgets.render.xlsx.page_setup import divide_columns, print_divided
from custdyn_widgets.render.xlsx.title import room_for, shortened_note, write_title
from custdyn_widgets.report import (
    ASTERISK_NOTE,
    Report,
    TableRow,
    TableView,
    Value,
    minor_digits,
    table_view,
)

DATE_FORMATS = {"year": "yyyy", "month": "yyyy-mm", "date": "yyyy-mm-dd"}
COUNT_FORMAT = "#,##0"
_PERCENT_FORMATS = {
    "rate": "0.0%",
    "points": '0.0%" pts"',
    "percent": '#,##0.0"%"',  # values with this unit are already percentages
}

_FIRST_SAFE_DATE = date(1900, 3, 1)  # spreadsheets disagree about the serial numbers of earlier dates
_STEP = 5_000  # rows between progress messages
_ALWAYS_EXACT = 2**33  # below this, adjacent doubles are less than 10⁻⁶ apart


def write_table(sheet: Any, report: Report) -> list[str]:
    """Write the sheet, with the Total in the row below the others.

    Returns
    -------
    list[str]
        The full text of each note that is shortened above the table. The shortened notes refer to the Info
        sheet, which must contain these.
    """
    view = table_view(report, partial_note=ASTERISK_NOTE)
    notes = _notes(report, view)
    heading, labels = 2 + len(notes), len(report.headings)
    first, last = heading + 2, heading + 1 + len(report.rows)
    widths = list(column_widths(report, view))
    for index, width in enumerate(widths, 1):
        sheet.column_dimensions[get_column_letter(index)].width = width
    pages = divide_columns(widths, labels, [labels + start for start in sorted(view.group_starts)])
    room = room_for(notes, widths, pages)
    sheet.freeze_panes = f"{get_column_letter(labels + 1)}{first}"
    rows = last + (report.total is not None)
    print_divided(sheet, pages, max(len(widths), room.columns), rows, headings=(heading, heading + 1))
    shown = [shortened_note(note, room.width) for note in notes]
    write_title(sheet, report.title, shown, room)
    write_headings(sheet, view, heading, widths, pages.starts)
    _write_rows(sheet, report, view, first)
    if report.rows and report.headings:
        # The filter excludes the Total, so that it stays in place when the rows are sorted.
        sheet.auto_filter.ref = f"A{heading + 1}:{get_column_letter(len(widths))}{last}"
    return [note for note, short in zip(notes, shown, strict=True) if short != note]


def money_format(currency: str) -> str:
    """Return the number format for amounts: thousands separators and the currency's usual decimal places.

    The currency code appears once above the table. If every cell contained it, the table would be wider and
    would print a fifth smaller.
    """
    digits = minor_digits(currency)
    return "#,##0" + ("." + "0" * digits if digits else "")


def date_label(report: Report, label: str) -> date | None:
    """Return the first day of the bucket with this label, or None if the label must remain text."""
    if report.query.time_group is None:
        return None
    begins = date.fromisoformat(label + "0000-01-01"[len(label) :])
    return begins if begins >= _FIRST_SAFE_DATE else None


def fits_a_double(value: Value) -> bool:
    """Return whether the number stored in a cell, rounded to six places, equals the value."""
    if not isinstance(value, Decimal) or abs(value) < _ALWAYS_EXACT:
        return True
    written = float(f"{float(value):.16g}")  # openpyxl writes 16 digits
    return f"{written:.6f}" == f"{value:.6f}"


def _notes(report: Report, view: TableView) -> list[str]:
    """Return the lines between the title and the headings: the query, and notes for the reader."""
    notes = [f"Amounts in {report.currency}. {report.query.describe()}."]  # the end may be left out
    if report.message:
        notes.append(report.message)
    notes += view.notes
    inexact = sum(not fits_a_double(value) for row in view.all_rows() for value in row.values)
    if inexact:
        notes.append(
            f"Amounts with more digits than a spreadsheet can store (15 to 17): {inexact:,}. "
            "The CSV export contains them exactly."
        )
    if view.warnings:
        notes.append(f"Warnings: {len(view.warnings)}. See the Info sheet.")
    return notes


def _left_border(view: TableView, index: int) -> str | None:
    """Return the left border of a column, which is a line at the start of a group."""
    return "thin" if index in view.group_starts else None


def _write_rows(sheet: Any, report: Report, view: TableView, first: int) -> None:
    line = _Line(sheet, report, view)
    for done, row in enumerate(view.rows):
        if done and done % _STEP == 0:
            words = f"Writing the workbook: {done:,} of {len(view.rows):,} rows"
            progress.step(words, done / len(view.rows))
        tallest = max(filter(is_tall, row.source.labels), key=label_lines, default="")
        if tallest:
            set_height(sheet, first + done, tallest, WIDEST_LABELS)
        sheet.append(line.cells(row))
    if view.total is not None:
        sheet.append(_Line(sheet, report, view, bold=True, shade=True, top="medium").cells(view.total))


class _Line:
    """The cells of a row, reused for every row."""

    def __init__(self, sheet: Any, report: Report, view: TableView, **style: Any) -> None:
        self._report = report
        self._label = functools.partial(styled_cell, sheet, align="left", **style)
        self._dates = functools.cache(lambda number_format: self._label(number_format=number_format))
        self._texts = [self._label() for _ in view.headings]
        self._tall = [self._label(wrap=True) for _ in view.headings]
        self._partial = self._label(number_format='@" *"', wrap=True)
        formats = {"count": COUNT_FORMAT, "money": money_format(report.currency), **_PERCENT_FORMATS}
        self._numbers = [
            styled_cell(sheet, number_format=formats[column.unit], **style, left=_left_border(view, index))
            for index, column in enumerate(view.columns)
        ]

    def cells(self, row: TableRow) -> list[Cell]:
        """Return the cells of a row. The next call reuses them."""
        cells = [self._text(index, label) for index, label in enumerate(row.source.labels)]
        if cells:
            cells[0] = self._first(row)
        for cell, value in zip(self._numbers, row.values, strict=True):
            cell.value = value
            cells.append(cell)
        return cells

    def _text(self, index: int, label: str) -> Cell:
        """Return a label as text; it wraps if it is long or has line breaks."""
        return put_text((self._tall if is_tall(label) else self._texts)[index], label)

    def _first(self, row: TableRow) -> Cell:
        """Return the first label, as a date if it is a time, with an asterisk if the bucket is partial."""
        label = row.source.labels[0]
        begins = None if row.is_total else date_label(self._report, label)
        if begins is None:
            return put_text(self._partial, label) if row.is_partial else self._text(0, label)
        shown = DATE_FORMATS[str(self._report.query.time_group)] + ('" *"' if row.is_partial else "")
        cell: Cell = self._dates(shown)
        cell.value = begins
        return cell
