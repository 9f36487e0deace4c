"""The space that 11-point text needs in cells: its width, relative to a digit's, and its wrapped lines."""

from __future__ import annotations

import functools
import re
import unicodedata
from bisect import bisect_left

WIDEST = 2.0  # digits: the width of an East Asian letter
EDGES = 1.0  # digits: the space that a cell leaves beside its text

# Widths relative to a digit; generous enough for a substitute font with wider letters than Calibri.
_BOLD = 1.1
_CAPITAL = 1.3
_SIGNS = {",": 0.6, ".": 0.6, "-": 0.65, "%": 1.46}
_INEXACT = 1e-6  # sums of the same widths differ by less if they are added in another order


def width_in_digits(text: str, *, bold: bool = False) -> float:
    """Return the width of a text on one line, relative to a digit that is not bold."""
    return sum(map(_letter_width, text)) * (_BOLD if bold else 1.0)


def count_lines(text: str, width: float, *, bold: bool = False) -> int:
    """Return the number of lines of a text that wraps at a width; only words longer than a line are split."""
    room = (width + _INEXACT) / (_BOLD if bold else 1.0)
    return sum(_paragraph_lines(paragraph, room) for paragraph in text.splitlines() or [""])


def first_lines(text: str, width: float, lines: int, mark: str = "") -> str:
    """Return the longest beginning of a text that, followed by `mark`, fits on the given number of lines.

    It ends at the end of a word, or inside a word that is too long. It has at least one character.
    """
    enough = int(2 * width * lines)  # characters; measuring much more would be slow
    begins = text[:enough]

    def too_long(end: int) -> bool:
        return count_lines(begins[:end] + mark, width) > lines

    ends = [found.start() for found in re.finditer(r"(?<=\S)\s", begins)]
    if len(text) <= enough:
        ends.append(len(text))
    fitting = bisect_left(ends, True, key=too_long)
    if fitting:
        return begins[: ends[fitting - 1]]
    return begins[: max(1, bisect_left(range(len(begins)), True, key=too_long) - 1)]


def _paragraph_lines(text: str, room: float) -> int:
    """Return the number of lines of a text without line breaks."""
    lines, used = 1, 0.0
    for word in text.split():
        needed = width_in_digits(word)
        space = _letter_width(" ") if used else 0.0
        if used and used + space + needed > room:
            lines, used, space = lines + 1, 0.0, 0.0
        if needed <= room:
            used += space + needed
            continue
        for letter in word:
            needed = _letter_width(letter)
            if used and used + needed > room:
                lines, used = lines + 1, 0.0
            used += needed
    return lines


@functools.cache
def _letter_width(letter: str) -> float:
    if unicodedata.category(letter) in ("Mn", "Me"):
        return 0.0
    if unicodedata.east_asian_width(letter) in "WF":
        return WIDEST
    return _SIGNS.get(letter, _CAPITAL if letter.isupper() else 1.0)
