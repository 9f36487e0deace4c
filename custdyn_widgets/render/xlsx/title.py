"""The lines above a sheet's table: its title and notes, which wrap if print would cut them off."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from custdyn_widgets.render.xlsx.cells import merge, set_lines, text_cell
from custdyn_widgets.render.xlsx.page_setup import Pages

_TITLE_SIZE = 15
_LEAST_WIDTH = 110  # characters
_WORD = 1.1  # what lines lose where words do not fit any more
_EMPTY_WIDTH = 8  # characters; programs make empty columns at least this wide


@dataclass(frozen=True)
class Room:
    """The columns, from the first, that notes may cover: their number and their width in characters."""

    columns: int
    width: float


def room_for(notes: Sequence[str], widths: Sequence[float], pages: Pages) -> Room:
    """Return the room for notes above a table: the columns of its first page.

    If a note would wrap above a narrow table, empty columns beside the table are added.
    """
    columns = pages.parts[0].stop
    width = sum(widths[:columns])
    if columns == len(widths):
        while width < _LEAST_WIDTH and any(_lines(note, width) > 1 for note in notes):
            columns, width = columns + 1, width + _EMPTY_WIDTH
    return Room(columns, width)


def write_title(sheet: Any, title: str, notes: Sequence[str], room: Room | None = None) -> None:
    """Write the first rows of a sheet: its title, then a row for each note."""
    set_lines(sheet, 1, 1, _TITLE_SIZE)
    sheet.append([text_cell(sheet, title, bold=True, size=_TITLE_SIZE)])
    for row, note in enumerate(notes, 2):
        write_note(sheet, row, note, room)


def write_note(sheet: Any, row: int, note: str, room: Room | None) -> None:
    """Write the next row of a sheet, which has this number: a note, wrapped if it is longer than `room`."""
    lines = _lines(note, room.width) if room else 1
    set_lines(sheet, row, lines)
    if room and lines > 1:
        merge(sheet, row, 1, row, room.columns)
    sheet.append([text_cell(sheet, note, color="52606D", wrap=lines > 1)])


def _lines(note: str, width: float) -> int:
    """Return the number of lines of a note wrapped at `width` characters, rather too many than too few."""
    widths = [sum(map(_width, line)) for line in note.splitlines() or [""]]
    return sum(1 if needed <= width else math.ceil(needed * _WORD / width) for needed in widths)


def _width(letter: str) -> float:
    """Return the width of a letter relative to a digit."""
    if unicodedata.east_asian_width(letter) in "WF":
        return 2.0
    return 1.3 if letter.isupper() else 0.9
