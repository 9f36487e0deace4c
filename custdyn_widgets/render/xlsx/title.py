"""The lines above a sheet's table: its title, on one line, and its notes, which wrap or are shortened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from custdyn_widgets.render.xlsx.cells import merge, set_lines, text_cell
from custdyn_widgets.render.xlsx.page_setup import Pages
from custdyn_widgets.render.xlsx.text_width import EDGES, count_lines, first_lines

_TITLE_SIZE = 15
_LEAST_WIDTH = 110  # characters
_EMPTY_WIDTH = 8  # characters; spreadsheet programs make empty columns at least this wide
# The notes above the Report sheet's table do not scroll. Longer notes would leave no room for the table's
# rows on a small screen.
_MOST_LINES = 3
_SHORTENED = "… (the rest is on the Info sheet)"


@dataclass(frozen=True)
class Room:
    """The leading columns that notes may cover: how many, and their total width in characters."""

    columns: int
    width: float


def room_for(notes: Sequence[str], widths: Sequence[float], pages: Pages) -> Room:
    """Return the room for notes above a table: the columns of its first page.

    If a note would wrap above a narrow table, the room also includes empty columns beside the table.
    """
    columns = pages.parts[0].stop
    width = sum(widths[:columns])
    if columns == len(widths):
        while width < _LEAST_WIDTH and any(_note_lines(note, width) > 1 for note in notes):
            columns, width = columns + 1, width + _EMPTY_WIDTH
    return Room(columns, width)


def shortened_note(note: str, width: float) -> str:
    """Return a note; if it needs more than three lines, shorten it and refer to the Info sheet."""
    if _note_lines(note, width) <= _MOST_LINES:
        return note
    return first_lines(note, width - EDGES, _MOST_LINES, _SHORTENED).rstrip(" ,;:.") + _SHORTENED


def write_title(sheet: Any, title: str, notes: Sequence[str], room: Room | None = None) -> None:
    """Write the first rows of a sheet: its title, then a row for each note."""
    set_lines(sheet, 1, 1, _TITLE_SIZE)
    sheet.append([text_cell(sheet, title, bold=True, size=_TITLE_SIZE)])
    for row, note in enumerate(notes, 2):
        write_note(sheet, row, note, room)


def write_note(sheet: Any, row: int, note: str, room: Room | None) -> None:
    """Write a note as the next row of a sheet, number `row`; wrap it if it does not fit in `room`."""
    lines = _note_lines(note, room.width) if room else 1
    set_lines(sheet, row, lines)
    if room and lines > 1:
        merge(sheet, row, 1, row, room.columns)
    sheet.append([text_cell(sheet, note, color="52606D", wrap=lines > 1)])


def _note_lines(note: str, width: float) -> int:
    """Return the number of lines that a note needs across columns with this total width."""
    return count_lines(note, width - EDGES)
