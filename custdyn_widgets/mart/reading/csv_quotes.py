"""Find misplaced quotes in CSV files, which Arrow misreads without raising an error."""

from __future__ import annotations

import csv
import io
import mmap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from custdyn_widgets.errors import SourceError

ESCAPED = '\\"'
ESCAPE_REMEDY = r"""Double any quote inside a quoted cell: "" instead of \" (MySQL: ESCAPED BY '"')."""

_BLOCK = 2**18  # bytes: small enough for a processor's cache
_OVERLAP = 4  # bytes: the patterns are at most five bytes long


@dataclass(frozen=True)
class QuoteScan:
    """The number of lines in a file, and whether a quote may be misplaced."""

    lines: int
    doubtful: bool


def has_quotes(path: Path) -> bool:
    """Return whether a file contains quotes, in which case cells may contain line breaks."""
    if path.stat().st_size == 0:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(b'"') >= 0


def scan_quotes(path: Path, delimiter: str = ",") -> QuoteScan:
    r"""Count the lines of a file and look for `\"`, unpaired quotes, and quotes in the middle of text.

    The last line may lack a line break.
    """
    feeds = returns = quotes = 0
    doubtful = False
    block = b""
    with path.open("rb") as file:
        while more := file.read(_BLOCK):
            doubtful = doubtful or _is_doubtful(block[-_OVERLAP:] + more, delimiter)
            block = more
            feeds += block.count(b"\n")
            returns += block.count(b"\r")
            quotes += block.count(b'"')
    lines = (feeds or returns) + (not block.endswith((b"\n", b"\r")))
    return QuoteScan(lines, doubtful or quotes % 2 == 1)


def has_doubtful_quotes(content: bytes, delimiter: str, rows: int) -> bool:
    """Return whether some rows of a file have an odd number of quotes, or a quote that may be misplaced.

    Parameters
    ----------
    content
        Complete rows.
    delimiter
        The delimiter of the rows.
    rows
        The number of rows. If the number of lines differs, a slow check looks for quotes that are not closed
        properly.
    """
    if content.count(b'"') % 2:
        return True
    places = range(0, len(content), _BLOCK)
    if any(_is_doubtful(content[max(0, place - _OVERLAP) : place + _BLOCK], delimiter) for place in places):
        return True
    lines = content.count(b"\n") + (not content.endswith(b"\n"))
    return lines != rows and not is_strict(content, delimiter)


def is_strict(content: bytes, delimiter: str) -> bool:
    """Return whether each quoted cell ends at a delimiter or line break."""
    text = io.StringIO(content.decode(errors="replace"), newline="")
    try:
        for _ in csv.reader(text, delimiter=delimiter, strict=True):
            pass
    except csv.Error:
        return False
    return True


def _is_doubtful(block: bytes, delimiter: str) -> bool:
    r"""Return whether a block contains `\"`, or one or three quotes with other characters on both sides."""
    if b"\\" in block and ESCAPED.encode() in block:
        return True
    content = np.frombuffer(block, np.uint8)
    quote = content == ord('"')
    other = ~(quote | (content == ord(delimiter)) | (content == ord("\n")) | (content == ord("\r")))
    if (other[:-2] & quote[1:-1] & other[2:]).any():
        return True
    return bool((other[:-4] & quote[1:-3] & quote[2:-2] & quote[3:-1] & other[4:]).any())


def reject_misplaced_quotes(path: Path, delimiter: str = ",") -> None:
    """Raise an error if a quoted cell does not end at a delimiter or line break.

    This is slow, so call it only if a file cannot be read, or if a faster check finds that a quote may be
    misplaced.
    """
    begins = 1
    escaped = False

    def noting_escapes(lines: Iterable[str]) -> Iterator[str]:
        nonlocal escaped
        for line in lines:
            escaped = escaped or ESCAPED in line
            yield line

    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        rows = csv.reader(noting_escapes(file), delimiter=delimiter, strict=True)
        try:
            for _ in rows:
                begins = rows.line_num + 1
                escaped = False
        except csv.Error as error:
            why = f'has an opening quote (") that is not closed properly ({error})'
            remedy = "Double any quote inside a quoted cell."
            if escaped:
                why, remedy = r"has a quote written as \"", ESCAPE_REMEDY
            raise SourceError(
                f"{path.name}: the row that starts on line {begins} {why}. {remedy}", field="source"
            ) from None
