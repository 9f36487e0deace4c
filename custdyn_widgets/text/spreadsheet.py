"""Texts in cells of a CSV file, which spreadsheets would run as formulas."""

from __future__ import annotations

import re

_FORMULA_STARTS = "=+-@\t\r"
_NUMBER = re.compile(r"[+-]?[\d.]+(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


def guard_formula(text: str, *, numbers_stay: bool = False) -> str:
    """Return a text as a CSV cell that no spreadsheet runs as a formula: with a leading apostrophe.

    Parameters
    ----------
    text
        The text, from the data.
    numbers_stay
        Whether a text that is entirely a number (`-1.5`) stays as it is.
    """
    if numbers_stay and _NUMBER.fullmatch(text):
        return text
    start = next((c for c in text if c in _FORMULA_STARTS or not _is_blank(c)), "")
    return f"'{text}" if start and start in _FORMULA_STARTS else text


def _is_blank(character: str) -> bool:
    """Return whether a character shows nothing, so that what follows may be taken for a cell's first one.

    Spreadsheets differ in what they trim; control and format characters (NUL, a byte-order mark, a
    zero-width space) count as blank here, to be on the safe side.
    """
    return character.isspace() or not character.isprintable()
