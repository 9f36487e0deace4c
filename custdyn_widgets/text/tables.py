"""Aligned tables for terminals, where a character is zero, one or two columns wide."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence

GAP = "  "


def text_width(text: str) -> int:
    """Return the width of text on a terminal: wide characters count as two, combining ones as zero."""
    return len(text) if text.isascii() else sum(map(_character_width, text))


def align_cells(cells: Sequence[str], widths: Sequence[int], *, right: Collection[int] = ()) -> str:
    """Return a line of a table.

    Parameters
    ----------
    cells
        The text of each cell.
    widths
        The minimum width of each column.
    right
        The positions of the columns to right-align, such as those with numbers.
    """
    padded = []
    for i, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        room = " " * (width - text_width(cell))
        padded.append(room + cell if i in right else cell + room)
    return GAP.join(padded).rstrip()


def align_rows(rows: Sequence[Sequence[str]], *, right: Collection[int] = ()) -> list[str]:
    """Return the lines of a table, each column as wide as its widest cell; `right` as for `align_cells`."""
    widths = [max(map(text_width, column)) for column in zip(*rows, strict=True)]
    return [align_cells(row, widths, right=right) for row in rows]


def _character_width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf") and character != "\N{SOFT HYPHEN}":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
