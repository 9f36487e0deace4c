"""The Report sheet: title, notes, two-level headings, rows and Total."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any

from openpyxl.cell.cell import Cell
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.cell_range import CellRange

from custdyn_widgets import progress
from custdyn_widgets.render.xlsx.cells import put_text, set_height, styled_cell, text_cell
from custdyn_widgets.report import (
    ASTERISK_NOTE,
    Column,
    Report,
    TableRow,
    TableView,
    Value,
    format_value,
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
_LABEL_WIDTHS = (9, 44)
_TITLE_SIZE = 15
_BUTTON = 2  # characters at the end of a heading that a filter button covers
_A4 = 9
_MOST_COLUMNS_ON_A_PAGE = 30
_COLUMNS_ON_A_PAGE = 20


def write_table(sheet: Any, report: Report) -> None:
    """Write the sheet. The Total is in the row below the others."""
    view = table_view(report, partial_note=ASTERISK_NOTE)
    notes = _notes(report, view)
    heading = 2 + len(notes)
    first, last, labels = heading + 2, heading + 1 + len(report.rows), len(report.headings)
    for index, width in enumerate(_widths(report, view), 1):
        sheet.column_dimensions[get_column_letter(index)].width = width
    sheet.freeze_panes = f"{get_column_letter(labels + 1)}{first}"
    print_one_page_wide(sheet, heading_rows=f"{heading}:{heading + 1}")
    _spread_over_pages(sheet, report)
    write_title(sheet, report.title, notes)
    _write_headings(sheet, view, heading)
    _write_rows(sheet, report, view, first)
    end = last + (report.total is not None)
    last_column = get_column_letter(labels + len(report.columns))
    sheet.print_area = f"A1:{last_column}{end}"
    if report.rows and report.headings:
        # The filter excludes the Total, so that it stays in place when the rows are sorted.
        sheet.auto_filter.ref = f"A{heading + 1}:{last_column}{last}"


def _spread_over_pages(sheet: Any, report: Report) -> None:
    """Spread a table with many columns over several pages; on one page, it would be too small to read."""
    count = len(report.columns)
    if count <= _MOST_COLUMNS_ON_A_PAGE:
        return
    sheet.page_setup.fitToWidth = math.ceil(count / _COLUMNS_ON_A_PAGE)
    if report.headings:
        sheet.print_title_cols = f"A:{get_column_letter(len(report.headings))}"


def write_title(sheet: Any, title: str, notes: Iterable[str]) -> None:
    """Write the first rows of a sheet: its title, then a row for each note."""
    set_height(sheet, 1, "", 1, _TITLE_SIZE)
    sheet.append([text_cell(sheet, title, bold=True, size=_TITLE_SIZE)])
    for note in notes:
        sheet.append([text_cell(sheet, note, color="52606D")])


def print_one_page_wide(sheet: Any, heading_rows: str | None = None) -> None:
    """Set up a sheet to print on landscape A4, one page wide, with its heading rows on every page."""
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.paperSize = _A4
    sheet.page_setup.fitToWidth = 1
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr.fitToPage = True
    margins = sheet.page_margins
    margins.left = margins.right = margins.top = 0.35
    margins.bottom, margins.header, margins.footer = 0.6, 0.2, 0.3
    sheet.oddFooter.center.text = "Customer Dynamics – &A – page &P of &N"
    if heading_rows:
        sheet.print_title_rows = heading_rows


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
    notes = [report.query.describe() + f". Amounts in {report.currency}."]
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


def _write_headings(sheet: Any, view: TableView, row: int) -> None:
    """Write the two heading rows: groups span their columns, and label headings span both rows."""
    style: dict[str, Any] = {"bold": True, "shade": True}
    upper = [text_cell(sheet, text, **style) for text in view.headings]
    indent = _BUTTON if view.rows and view.headings else 0
    lower = [styled_cell(sheet, **style, bottom="thin") for _ in view.headings]
    for index in range(1, len(upper) + 1):
        _merge(sheet, row, index, row + 1, index)
    for group in view.groups:
        first = len(upper) + 1
        upper.append(text_cell(sheet, group.name, **style, align="center", left="thin"))
        upper.extend(styled_cell(sheet, **style) for _ in range(group.span - 1))
        if group.span > 1:
            _merge(sheet, row, first, row, first + group.span - 1)
    for index, column in enumerate(view.columns):
        border = _left_border(view, index)
        lower.append(
            text_cell(sheet, column.label, **style, align="right", indent=indent, bottom="thin", left=border)
        )
    sheet.append(upper)
    sheet.append(lower)


def _merge(sheet: Any, top: int, left: int, bottom: int, right: int) -> None:
    sheet.merged_cells.add(CellRange(min_row=top, min_col=left, max_row=bottom, max_col=right))


def _left_border(view: TableView, index: int) -> str | None:
    """Return the left border of a column, which is a line at the start of a group."""
    return "thin" if index in view.group_starts else None


def _write_rows(sheet: Any, report: Report, view: TableView, first: int) -> None:
    line = _Line(sheet, report, view)
    for done, row in enumerate(view.rows):
        if done and done % _STEP == 0:
            words = f"Writing the workbook: {done:,} of {len(view.rows):,} rows"
            progress.step(words, done / len(view.rows))
        tallest = max(filter(_is_tall, row.source.labels), key=len, default="")
        if tallest:
            set_height(sheet, first + done, tallest, _LABEL_WIDTHS[1])
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
        return put_text((self._tall if _is_tall(label) else self._texts)[index], label)

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


def _is_tall(label: str) -> bool:
    """Return whether a label needs more than one line."""
    return len(label) + 3 > _LABEL_WIDTHS[1] or len(label.splitlines()) > 1


def _widths(report: Report, view: TableView) -> Iterator[float]:
    """Yield column widths, in characters, large enough that no number is shown as ###."""
    for index, heading in enumerate(view.headings):
        longest = max((len(row.source.labels[index]) for row in view.rows), default=0)
        yield min(max(longest, len(heading), _LABEL_WIDTHS[0]) + 3, _LABEL_WIDTHS[1])
    for group in view.groups:
        for index, column in zip(group.positions, group.columns, strict=True):
            values = [row.values[index] for row in view.all_rows()]
            heading_width = max(len(column.label) + _BUTTON, -(-len(group.name) // group.span))
            yield 1.1 * max(_shown_width(values, column, report.currency), heading_width) + 2


def _shown_width(values: Iterable[Value], column: Column, currency: str) -> int:
    """Return the length of a column's longest number in characters."""
    numbers = [value for value in values if value is not None]
    extremes = [min(numbers), max(numbers)] if numbers else []
    return max((len(format_value(value, column, currency)) for value in extremes), default=0)
