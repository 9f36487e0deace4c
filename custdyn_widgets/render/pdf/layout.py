"""The layout of a report's table on paper: the orientation, the font size, and which columns fit on a sheet.

A table that is too wide at a legible size is split into parts with the same rows, one below the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from custdyn_widgets.errors import SettingsError, shown
from custdyn_widgets.report import Cell, ColumnGroup, TableView
from custdyn_widgets.settings import PAPERS

MARGIN = 34.0  # points; the left and right margins of a sheet
_HEIGHTS = {"A4": (595.0, 842.0), "letter": (612.0, 792.0)}  # points
_SIZES = (9.0, 8.5, 8.0, 7.5, 7.0)  # points; anything smaller is hard to read on paper
_PORTRAIT_SIZE = 8.0  # the smallest size at which a table is printed in portrait
_DIGIT = 0.64  # width of a digit relative to the font size, in the widest of the fonts (DejaVu Sans)
_PADDING = 6.0  # points; the padding of a cell, left and right together
_CHANGE_SIZE = 0.85  # font size of a change relative to that of its number, as in the template
_MAX_LABEL, _MAX_WORD = 26, 16  # characters; longer labels and words are split across lines
_MAX_STRETCH = 1.5


@dataclass(frozen=True)
class Sheet:
    """A sheet of paper, with its size in points."""

    paper: str
    is_landscape: bool

    @property
    def css(self) -> str:
        """The size in CSS syntax."""
        return f"{self.paper} {'landscape' if self.is_landscape else 'portrait'}"

    @property
    def room(self) -> float:
        """The width between the margins."""
        return _HEIGHTS[self.paper][self.is_landscape] - 2 * MARGIN


@dataclass(frozen=True)
class Part:
    """A part of the table: consecutive columns that fit on one sheet.

    Attributes
    ----------
    groups
        The upper-level headings. The first and the last may cover only part of their group.
    labels, numbers
        The widths of the label columns and of the number columns, in points.
    """

    groups: tuple[ColumnGroup, ...]
    labels: tuple[float, ...]
    numbers: tuple[float, ...]

    @property
    def positions(self) -> range:
        """The positions of the number columns."""
        return range(self.groups[0].first, self.groups[0].first + len(self.numbers))


@dataclass(frozen=True)
class Layout:
    """How a table is laid out: the sheet, the font size in points, and the parts."""

    sheet: Sheet
    size: float
    parts: tuple[Part, ...]


def lay_out(view: TableView, paper: str) -> Layout:
    """Return the layout with the fewest parts or, if several layouts tie, the one with the largest font.

    Portrait is chosen if the entire table fits at a comfortable size.

    Raises
    ------
    SettingsError
        If the paper size is unknown.
    """
    if paper not in PAPERS:
        raise SettingsError(f"paper must be {' or '.join(PAPERS)}, not {shown(paper)}.", field="paper")
    letters = _label_letters(view), _number_letters(view)
    portrait, landscape = Sheet(paper, False), Sheet(paper, True)
    for size in _SIZES:
        parts = _split(view, *_widths(letters, size), portrait.room)
        if size >= _PORTRAIT_SIZE and len(parts) <= 1:
            return Layout(portrait, size, tuple(parts))
    fewest = len(_split(view, *_widths(letters, _SIZES[-1]), landscape.room))
    for size in _SIZES:
        parts = _split(view, *_widths(letters, size), landscape.room)
        if len(parts) == fewest:
            break
    return Layout(landscape, size, tuple(parts))


def _widths(letters: tuple[list[int], list[int]], size: float) -> tuple[list[float], list[float]]:
    """Return the widths, in points, of the label columns and of the number columns at a font size."""
    labels, numbers = ([count * _DIGIT * size + _PADDING for count in counts] for counts in letters)
    return labels, numbers


def _split(view: TableView, labels: list[float], numbers: list[float], room: float) -> list[Part]:
    """Return the parts. A group is split only if it is too wide for a sheet."""
    left = room - sum(labels)
    ranges: list[list[int]] = []
    used = 0.0
    for group in view.number_groups:
        whole = sum(numbers[position] for position in group.positions)
        if used + whole > left and whole <= left:
            used = 0.0  # the group begins a new part
        for position in group.positions:
            if not used or used + numbers[position] > left:
                ranges.append([])
                used = 0.0
            ranges[-1].append(position)
            used += numbers[position]
    return [_part(view, labels, [numbers[i] for i in columns], columns[0], room) for columns in ranges]


def _part(view: TableView, labels: list[float], numbers: list[float], first: int, room: float) -> Part:
    """Return a part, with its columns widened by up to half to fill the sheet."""
    stretch = min(_MAX_STRETCH, max(1.0, room / (sum(labels) + sum(numbers))))
    last = first + len(numbers)
    groups = []
    for group in view.number_groups:
        inside = [p for p in group.positions if first <= p < last]
        if inside:
            groups.append(ColumnGroup(group.name, inside[0], view.numbers[inside[0] : inside[-1] + 1]))
    return Part(
        tuple(groups), tuple(width * stretch for width in labels), tuple(width * stretch for width in numbers)
    )


def _label_letters(view: TableView) -> list[int]:
    """Return the width of each label column in characters; a table without grouping has one for "All"."""
    if not view.headings:
        return [len("Total")]
    texts = [[row.labels[i] for row in view.rows if row.labels] for i in range(len(view.headings))]
    return [
        max(len(heading), *(min(len(label), _MAX_LABEL) + 2 for label in [*labels, "Total"]))
        for heading, labels in zip(view.headings, texts, strict=True)
    ]


def _number_letters(view: TableView) -> list[int]:
    """Return the width of each number column in digits."""
    widest = [max(_longest_word(column.label), 4) for column in view.numbers]
    for group in view.number_groups:
        if group.span == 1:
            widest[group.first] = max(widest[group.first], _longest_word(group.name))
    for row in view.all_rows():
        widest = [max(width, _digits(cell)) for width, cell in zip(widest, row.cells, strict=True)]
    return widest


def _longest_word(text: str) -> int:
    return min(_MAX_WORD, max(map(len, text.split()), default=0))


def _digits(cell: Cell) -> int:
    """Return the width of a cell in digits; a change is printed in a smaller font."""
    return max(len(cell.text), int(len(cell.change) * _CHANGE_SIZE) + 1 if cell.change else 0)


def part_titles(parts: Sequence[Part]) -> Iterator[str]:
    """Yield the heading of each part; a single part is called Table."""
    for number, part in enumerate(parts, start=1):
        names = dict.fromkeys(group.name for group in (part.groups[0], part.groups[-1]))
        yield f"Table, part {number} of {len(parts)}: {' to '.join(names)}" if len(parts) > 1 else "Table"
