"""Escaping CSV cells that spreadsheets would evaluate as formulas."""

from __future__ import annotations

import re

_FORMULA_STARTS = "=+-@\t\r"
_NUMBER = re.compile(r"[+-]?[\d.]+(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


def guard_formula(text: str, *, numbers_stay: bool = False) -> str:
    """Return text as a CSV cell, prefixed with an apostrophe if a spreadsheet would evaluate it as a formula.

    Parameters
    ----------
    text
        The text to escape.
    numbers_stay
        Whether to leave numeric text (such as `-1.5`) unchanged.
    """
    if numbers_stay and _NUMBER.fullmatch(text):
        return text
    start = next((c for c in text if c in _FORMULA_STARTS or not _is_blank(c)), "")
    return f"'{text}" if start and start in _FORMULA_STARTS else text


def _is_blank(character: str) -> bool:
    """Return whether a character is invisible; a spreadsheet may skip such characters at the start of a cell.

    Spreadsheets differ in what they trim; control and format characters (NUL, a byte-order mark, a
    zero-width space) count as blank here, as a precaution.
    """
    return character.isspace() or not character.isprintable()
