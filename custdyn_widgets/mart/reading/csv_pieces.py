"""Split a large CSV file into pieces of whole rows, and count the rows in each."""

from __future__ import annotations

import codecs
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PIECE = 2**24  # bytes; small enough to read several pieces at the same time
_WINDOW = 2**16  # bytes: longer than most rows
_FEED, _QUOTE = ord("\n"), ord('"')


@dataclass(frozen=True)
class CsvPiece:
    """Some rows of a CSV file.

    Attributes
    ----------
    begin, end
        The positions of the first byte, and of the byte after the last one.
    first, rows
        The number of rows before the piece, and the number of rows in it.
    """

    begin: int
    end: int
    first: int
    rows: int


@dataclass(frozen=True)
class _Block:
    """The number of quotes, and of line breaks that end a row, in a block of bytes.

    Line breaks are counted both as if the block began outside a quoted cell and as if it began inside one.
    """

    quotes: int
    breaks: tuple[int, int]


def csv_pieces(path: Path, *, small: bool) -> list[CsvPiece]:
    """Split the rows below the headings into pieces of about `PIECE` bytes.

    The result is empty for a small file (unless `small` is set), and for a file whose rows are too long or do
    not end in line feeds. A count is wrong only if there are empty lines or misplaced quotes.
    """
    size = path.stat().st_size
    if size <= PIECE and not (small and size):
        return []
    with path.open("rb") as file:
        content = _Content(file.fileno())
        headings = content[0:_WINDOW]
        begin = headings.find(b"\n") + 1
        tail = content[max(begin, size - _WINDOW) : size]
        end = size - len(tail) + len(tail.rstrip(b"\r\n"))  # excluding empty lines at the end
        first_line = headings[:begin].removeprefix(codecs.BOM_UTF8).rstrip(b"\r\n")
        if begin >= end or not first_line or b"\r" in first_line or first_line.count(b'"') % 2:
            return []
        places = [*range(begin, end, PIECE), end]
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            blocks = list(pool.map(lambda a, b: _scanned(content[a:b]), places, places[1:]))
        return _whole_rows(content, places, blocks)


@dataclass(frozen=True)
class _Content:
    """The bytes of an open file; unlike those of a memory map, they do not stay in memory once read."""

    descriptor: int

    def __getitem__(self, part: slice) -> bytes:
        return os.pread(self.descriptor, part.stop - part.start, part.start)


def _scanned(octets: bytes) -> _Block:
    content = np.frombuffer(octets, np.uint8)
    feeds, quote = content == _FEED, content == _QUOTE
    count, quotes = int(np.count_nonzero(feeds)), int(np.count_nonzero(quote))
    if not quotes:
        return _Block(0, (count, 0))
    inside = np.cumsum(quote, dtype=np.uint8) & 1  # wraps around at 256, which preserves the parity
    enclosed = int(np.count_nonzero(feeds & inside.view(np.bool_)))
    return _Block(quotes, (count - enclosed, enclosed))


def _whole_rows(content: _Content, places: Sequence[int], blocks: Sequence[_Block]) -> list[CsvPiece]:
    """Return the pieces, each ending with the row at one of the offsets in `places`.

    The list is empty if such a row extends past the next offset, or if a quote is not closed.
    """
    pieces: list[CsvPiece] = []
    begin, first, inside = places[0], 0, False
    for place, limit, block in zip(places[1:], [*places[2:], places[-1]], blocks, strict=True):
        # The row at this offset is counted in the next block, and the first row counted in this block
        # belongs to the previous piece, if there is one.
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


def _end_of_row(content: _Content, place: int, limit: int, inside: bool) -> int | None:
    """Return the end of the row at offset `place`, or None if the row does not end before `limit`."""
    for near in (min(place + _WINDOW, limit), limit):
        window = content[place:near]
        end = 0
        while end := window.find(b"\n", end) + 1:
            if (window[:end].count(b'"') + inside) % 2 == 0:
                return place + end
    return None
