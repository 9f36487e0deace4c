"""How sheets are printed: on landscape A4, one page wide unless the text would be too small to read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from openpyxl.utils import get_column_letter

from custdyn_widgets.render.xlsx.cells import SIZE

_A4 = 9
_ROOM = 150.0  # characters of full size that fit between the margins
# The same limit if Calibri is missing and a wider font replaces it. Pages must suit both, because columns
# that do not fit would get a page of their own.
_ROOM_IN_ANY_FONT = 113.0
# In points: a table whose text would be smaller than this on one page is spread over several. The usual
# columns fit on one page even with long names and amounts in the millions.
_SMALLEST = 5.5
_SPREAD_SIZES = (9.0, 8.5, 8.0, 7.5, 7.0)  # points; as in a report's PDF


@dataclass(frozen=True)
class Pages:
    """How the columns of a sheet are divided between pages.

    Attributes
    ----------
    size
        The font size on paper, in points.
    parts
        The positions of each page's own columns, excluding the repeated ones.
    repeated
        The number of leading columns that are repeated on every page after the first.
    """

    size: float
    parts: tuple[range, ...]
    repeated: int = 0

    @property
    def starts(self) -> tuple[int, ...]:
        """The position of each page's first column."""
        return tuple(part.start for part in self.parts)


def divide_columns(widths: Sequence[float], labels: int, groups: Iterable[int]) -> Pages:
    """Return how columns are divided between pages: one page if it is readable, otherwise as few as possible.

    If there are several pages, the font is the largest that does not require another page. A group of columns
    is divided only if it is too wide for a page. As many label columns are repeated as leave half the page
    free.

    Parameters
    ----------
    widths
        The widths of the columns, in characters.
    labels
        The number of leading columns, which name the rows.
    groups
        The position of each group's first column, in ascending order.
    """
    size_on_one_page = SIZE * min(1.0, _ROOM / max(sum(widths), 1.0))
    if size_on_one_page >= _SMALLEST:
        return Pages(size_on_one_page, (range(len(widths)),))
    rooms = [_ROOM_IN_ANY_FONT * SIZE / size for size in _SPREAD_SIZES]
    repeated = next(n for n in range(labels, -1, -1) if sum(widths[:n]) <= max(rooms) / 2)
    units = [range(*ends) for ends in pairwise([*range(labels), *groups, len(widths)])]
    starts_by_size = [_page_starts(widths, units, repeated, room) for room in rooms]
    best = min(range(len(starts_by_size)), key=lambda index: len(starts_by_size[index]))
    parts = tuple(range(*ends) for ends in pairwise([*starts_by_size[best], len(widths)]))
    return Pages(_SPREAD_SIZES[best], parts, repeated)


def _page_starts(widths: Sequence[float], units: Iterable[range], repeated: int, room: float) -> list[int]:
    """Return the position of each page's first column."""
    starts, used, repeated_width = [0], 0.0, sum(widths[:repeated])
    for unit in units:
        for part in _halved(widths, unit, room - repeated_width):
            needed = sum(widths[part.start : part.stop])
            if used + needed > room and part.start > max(starts[-1], repeated):
                starts.append(part.start)
                used = repeated_width
            used += needed
    return starts


def _halved(widths: Sequence[float], unit: range, room: float) -> Iterator[range]:
    """Yield a unit of columns or, if it is too wide, its parts, halving them until each part fits."""
    if len(unit) <= 1 or sum(widths[unit.start : unit.stop]) <= room:
        yield unit
        return
    middle = (len(unit) + 1) // 2
    yield from _halved(widths, unit[:middle], room)
    yield from _halved(widths, unit[middle:], room)


def print_one_page_wide(sheet: Any, headings: tuple[int, int] | None = None) -> None:
    """Set up a sheet to print on landscape A4, one page wide.

    `headings` gives the sheet's first and last heading rows; these rows are repeated on every page.
    """
    _set_up(sheet, headings)
    sheet.page_setup.fitToWidth = 1
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr.fitToPage = True


def print_divided(
    sheet: Any, pages: Pages, columns: int, rows: int, headings: tuple[int, int] | None = None
) -> None:
    """Set up a sheet to print its first rows and columns, with the columns divided between pages.

    Each page has the heading rows and the repeated columns. Rows above the headings are printed only on the
    first page.

    Parameters
    ----------
    sheet
        The sheet.
    pages
        The division of the table's columns.
    columns, rows
        How many columns and rows to print; there may be more columns than the table has.
    headings
        The first and the last of the heading rows.
    """
    if len(pages.parts) == 1:
        print_one_page_wide(sheet, headings)
        sheet.print_area = _area(range(columns), 1, rows)
        return
    _set_up(sheet, headings)
    # Use one print area per page across, at a fixed scale. Spreadsheet programs ignore column breaks when
    # they fit a sheet to pages. With breaks alone, the repeated columns would also repeat the beginnings of
    # the title and the notes.
    sheet.page_setup.scale = math.floor(100 * pages.size / SIZE)  # rounded up, a full page would be too wide
    first, *others = pages.parts
    top = headings[0] if headings else 1
    sheet.print_area = [_area(first, 1, rows), *(_area(part, top, rows) for part in others)]
    if pages.repeated:
        sheet.print_title_cols = f"A:{get_column_letter(pages.repeated)}"


def _area(columns: range, top: int, bottom: int) -> str:
    return f"{get_column_letter(columns.start + 1)}{top}:{get_column_letter(columns.stop)}{bottom}"


def _set_up(sheet: Any, headings: tuple[int, int] | None) -> None:
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.paperSize = _A4
    margins = sheet.page_margins
    margins.left = margins.right = 0.25
    margins.top, margins.bottom, margins.header, margins.footer = 0.35, 0.6, 0.2, 0.3
    sheet.oddFooter.center.text = "Customer Dynamics – &A – page &P of &N"
    if headings:
        sheet.print_title_rows = f"{headings[0]}:{headings[1]}"
