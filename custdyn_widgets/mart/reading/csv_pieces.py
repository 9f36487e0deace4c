"""Dividing a large CSV file into pieces of whole rows, and counting the rows of each."""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PIECE = 2**24  # bytes; small enough for several to be read at once
_TAIL = 2**16  # bytes
_FEED, _QUOTE = ord("\n"), ord('"')


@dataclass(frozen=True)
class CsvPiece:
    """Some rows of a CSV file.

    Attributes
    ----------
    begin, end
        Their bytes.
    first, rows
        The number of rows before them, and their number.
    """

    begin: int
    end: int
    first: int
    rows: int


@dataclass(frozen=True)
class _Block:
    """Some bytes: their quotes, and the line breaks that end a row.

    The latter are counted as if the bytes began outside a quoted cell, and as if they began inside one.
    """

    quotes: int
    breaks: tuple[int, int]


def csv_pieces(path: Path) -> list[CsvPiece]:
    """Divide the rows below the headings into pieces of about `PIECE` bytes.

    The result is empty for a small file, and if it is not possible: rows do not end in line feeds, or one is
    too long. A count is only wrong if there are empty lines or misplaced quotes.
    """
    if path.stat().st_size <= PIECE:
        return []
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        begin = content.find(b"\n") + 1
        end = _without_empty_lines(content)
        if not 0 < begin < end or content[:begin].count(b'"') % 2:
            return []
        places = [*range(begin, end, PIECE), end]
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            blocks = list(pool.map(lambda a, b: _scanned(content, a, b), places, places[1:]))
        return _whole_rows(content, places, blocks)


def _without_empty_lines(content: mmap.mmap) -> int:
    """Return the length of a file without the line breaks at its end."""
    tail = content[max(0, len(content) - _TAIL) :]
    return len(content) - len(tail) + len(tail.rstrip(b"\r\n"))


def _scanned(content: mmap.mmap, begin: int, end: int) -> _Block:
    octets = np.frombuffer(content[begin:end], np.uint8)
    feeds = octets == _FEED
    quote = octets == _QUOTE
    quotes = int(np.count_nonzero(quote))
    count = int(np.count_nonzero(feeds))
    if not quotes:
        return _Block(0, (count, 0))
    inside = np.cumsum(quote, dtype=np.uint8) & 1  # wraps around at 256, which keeps it even or odd
    enclosed = int(np.count_nonzero(feeds & inside.view(np.bool_)))
    return _Block(quotes, (count - enclosed, enclosed))


def _whole_rows(content: mmap.mmap, places: Sequence[int], blocks: Sequence[_Block]) -> list[CsvPiece]:
    """Return pieces that end where the row at each place ends, or nothing if that is after the next place."""
    pieces: list[CsvPiece] = []
    begin, first, inside = places[0], 0, False
    for place, limit, block in zip(places[1:], [*places[2:], places[-1]], blocks, strict=True):
        # One row more ends after the place; the first one that is counted belongs to the piece before.
        rows = block.breaks[inside] + (not pieces)
        inside ^= block.quotes % 2 == 1
        end = _end_of_row(content, place, limit, inside)
        if end is None and limit < places[-1]:
            return []
        end = limit if end is None else end
        if begin < end:
            pieces.append(CsvPiece(begin, end, first, rows))
        begin, first = end, first + rows
    return [] if inside else pieces


def _end_of_row(content: mmap.mmap, place: int, limit: int, inside: bool) -> int | None:
    """Return where the row that contains a place ends, or None if that is not before a limit."""
    end = place
    while end := content.find(b"\n", end, limit) + 1:
        if (content[place:end].count(b'"') + inside) % 2 == 0:
            return end
    return None
