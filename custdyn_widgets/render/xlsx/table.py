"""The sheet Report: title, notes, two-level headings, the rows and the Total."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import accumulate
from typing import Any

from openpyxl.cell.cell import Cell
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.cell_range import CellRange

from custdyn_widgets.render.xlsx.cells import put_text, set_height, styled_cell, text_cell
from custdyn_widgets.report import (
    CUT_SHORT,
    Column,
    Report,
    Row,
    Value,
    format_value,
    heading_groups,
    minor_digits,
)

DATE_FORMATS = {"year": "yyyy", "month": "yyyy-mm", "date": "yyyy-mm-dd"}
COUNT_FORMAT = "#,##0"
PARTIAL = f"* {CUT_SHORT}"

_FIRST_SAFE_DATE = date(1900, 3, 1)  # before it, spreadsheets disagree about what a serial number means
_ALWAYS_EXACT = 2**33  # below, neighbouring doubles are less than 10⁻⁶ apart
_LABEL_WIDTHS = (9, 44)
_TITLE_SIZE = 15
_A4 = 9


@dataclass(frozen=True)
class Placement:
    """Where the rows stand on the sheet Report: first and last row, and how many label columns."""

    first: int
    last: int
    labels: int


def write_table(sheet: Any, report: Report) -> Placement:
    """Write the sheet and return where its rows stand (the Total, if any, is the row after the last)."""
    notes = _notes(report)
    heading = 2 + len(notes)
    placement = Placement(heading + 2, heading + 1 + len(report.rows), len(report.headings))
    for index, width in enumerate(_widths(report), 1):
        sheet.column_dimensions[get_column_letter(index)].width = width
    sheet.freeze_panes = f"{get_column_letter(placement.labels + 1)}{placement.first}"
    print_one_page_wide(sheet, heading_rows=f"{heading}:{heading + 1}")
    write_title(sheet, report.title, notes)
    _write_headings(sheet, report, heading)
    _write_rows(sheet, report, placement)
    end = placement.last + (report.total is not None)
    sheet.print_area = f"A1:{get_column_letter(placement.labels + len(report.columns))}{end}"
    return placement


def write_title(sheet: Any, title: str, notes: Iterable[str]) -> None:
    """Write a sheet's first rows: its title, then a row for each note."""
    set_height(sheet, 1, "", 1, _TITLE_SIZE)
    sheet.append([text_cell(sheet, title, bold=True, size=_TITLE_SIZE)])
    for note in notes:
        sheet.append([text_cell(sheet, note, color="52606D")])


def print_one_page_wide(sheet: Any, heading_rows: str | None = None) -> None:
    """Set a sheet to print on landscape A4, one page wide, its heading rows on every page."""
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
    """Return the number format of amounts: grouped, with the currency's minor digits.

    The code stands above the table once: in each of its cells it would make a printed page a fifth smaller.
    """
    digits = minor_digits(currency)
    return "#,##0" + ("." + "0" * digits if digits else "")


def date_label(report: Report, label: str) -> date | None:
    """Return a time label as the date on which its bucket begins; None where it has to stay a text."""
    if report.query.time_group is None:
        return None
    begins = date.fromisoformat(label + "0000-01-01"[len(label) :])
    return begins if begins >= _FIRST_SAFE_DATE else None


def fits_a_double(value: Value) -> bool:
    """Tell whether a spreadsheet's number, rounded to six places, gives the value back."""
    if not isinstance(value, Decimal) or abs(value) < _ALWAYS_EXACT:
        return True
    written = float(f"{float(value):.16g}")  # openpyxl writes 16 digits
    return f"{written:.6f}" == f"{value:.6f}"


def _notes(report: Report) -> list[str]:
    """Return the lines between title and headings: what was asked, and what the numbers need to be told."""
    notes = [report.query.describe() + f". Amounts in {report.currency}."]
    if report.message:
        notes.append(report.message)
    if report.headings and any(row.partial for row in report.rows):
        notes.append(PARTIAL)
    inexact = sum(not fits_a_double(value) for row in report.shown_rows() for value in row.values)
    if inexact:
        notes.append(
            f"Amounts with more digits than a spreadsheet's number holds (15 to 17): {inexact:,}. "
            "The CSV export has them exactly."
        )
    if report.info.warnings:
        notes.append(f"Warnings: {len(report.info.warnings)}. See the sheet Info.")
    return notes


def _write_headings(sheet: Any, report: Report, row: int) -> None:
    """Write the two heading rows: groups merged over their columns, label headings over both rows."""
    style: dict[str, Any] = {"bold": True, "shade": True}
    upper = [text_cell(sheet, text, **style) for text in report.headings]
    lower = [styled_cell(sheet, **style, bottom="thin") for _ in report.headings]
    for index in range(1, len(upper) + 1):
        _merge(sheet, row, index, row + 1, index)
    for group, span in heading_groups(report):
        first = len(upper) + 1
        upper.append(text_cell(sheet, group, **style, align="center", left="thin"))
        upper.extend(styled_cell(sheet, **style) for _ in range(span - 1))
        if span > 1:
            _merge(sheet, row, first, row, first + span - 1)
    for column, border in zip(report.columns, _group_borders(report), strict=True):
        lower.append(text_cell(sheet, column.label, **style, align="right", bottom="thin", left=border))
    sheet.append(upper)
    sheet.append(lower)


def _merge(sheet: Any, top: int, left: int, bottom: int, right: int) -> None:
    sheet.merged_cells.add(CellRange(min_row=top, min_col=left, max_row=bottom, max_col=right))


def _group_borders(report: Report) -> Iterator[str | None]:
    """Yield for each column the border on its left: a line where a group begins."""
    begins = set(accumulate((span for _, span in heading_groups(report)), initial=0))
    for index in range(len(report.columns)):
        yield "thin" if index in begins else None


def _write_rows(sheet: Any, report: Report, placement: Placement) -> None:
    line = _Line(sheet, report)
    for index, row in enumerate(report.rows, placement.first):
        tallest = max(filter(_is_tall, row.labels), key=len, default="")
        if tallest:
            set_height(sheet, index, tallest, _LABEL_WIDTHS[1])
        sheet.append(line.cells(row))
    if report.total is not None:
        labels = ("Total", *[""] * (len(report.headings) - 1))
        total = Row(labels, report.total.values)
        sheet.append(_Line(sheet, report, bold=True, shade=True, top="medium").cells(total, is_total=True))


class _Line:
    """The cells of one row, filled anew for each row that is written."""

    def __init__(self, sheet: Any, report: Report, **style: Any) -> None:
        self._report = report
        self._label = functools.partial(styled_cell, sheet, align="left", **style)
        self._dates = functools.cache(lambda number_format: self._label(number_format=number_format))
        self._texts = [self._label() for _ in report.headings]
        self._tall = [self._label(wrap=True) for _ in report.headings]
        self._partial = self._label(number_format='@" *"', wrap=True)
        formats = {"count": COUNT_FORMAT, "money": money_format(report.currency)}
        self._numbers = [
            styled_cell(sheet, number_format=formats[column.unit], **style, left=border)
            for column, border in zip(report.columns, _group_borders(report), strict=True)
        ]

    def cells(self, row: Row, *, is_total: bool = False) -> list[Cell]:
        """Return the row's cells; they are good until the next row is asked for."""
        cells = [self._text(index, label) for index, label in enumerate(row.labels)]
        if cells and not is_total:  # a package may be called Total, too
            cells[0] = self._first(row)
        for cell, value in zip(self._numbers, row.values, strict=True):
            cell.value = value
            cells.append(cell)
        return cells

    def _text(self, index: int, label: str) -> Cell:
        """Return a label as a text; one that is long or has line breaks makes its row taller."""
        return put_text((self._tall if _is_tall(label) else self._texts)[index], label)

    def _first(self, row: Row) -> Cell:
        """Return the first label: a real date under a time heading; a partial bucket shows an asterisk."""
        begins = date_label(self._report, row.labels[0])
        if begins is None:
            return put_text(self._partial, row.labels[0]) if row.partial else self._text(0, row.labels[0])
        shown = DATE_FORMATS[str(self._report.query.time_group)] + ('" *"' if row.partial else "")
        cell: Cell = self._dates(shown)
        cell.value = begins
        return cell


def _is_tall(label: str) -> bool:
    """Tell whether a label takes more than one line."""
    return len(label) + 3 > _LABEL_WIDTHS[1] or len(label.splitlines()) > 1


def _widths(report: Report) -> Iterator[float]:
    """Yield the width of each column, in characters, so that no number shows as ###."""
    for index, heading in enumerate(report.headings):
        longest = max((len(row.labels[index]) for row in report.rows), default=0)
        yield min(max(longest, len(heading), _LABEL_WIDTHS[0]) + 3, _LABEL_WIDTHS[1])
    groups = dict(heading_groups(report))
    for index, column in enumerate(report.columns):
        values = [row.values[index] for row in report.shown_rows()]
        heading_width = max(len(column.label), -(-len(column.group) // groups[column.group]))
        yield 1.1 * max(_shown_width(values, column, report.currency), heading_width) + 2


def _shown_width(values: Iterable[Value], column: Column, currency: str) -> int:
    """Return how many characters the column's longest number takes."""
    numbers = [value for value in values if value is not None]
    extremes = [min(numbers), max(numbers)] if numbers else []
    return max((len(format_value(value, column, currency)) for value in extremes), default=0)
