"""Fitting names into drawings, using estimated text widths."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable
from functools import partial

from custdyn_widgets.text import isolate, short_names, text_width

AXIS_WIDTH = 350  # pixels for category names side by side
FEW_CATEGORIES = 12  # with more, slanted names would overlap, so names are vertical
LEGEND_ROOM, LONG_LEGEND_ROOM, AXIS_ROOM, ANGLED_ROOM = 150, 330, 160, 105  # pixels for a name
SLACK = 1.15  # relative to the drawing library's limit, because widths here are estimates
LETTERS, SMALL_LETTERS = 12.5, 11
_NARROW = frozenset("fijlrtI.,:;'|!()[] -/")
_WIDE = frozenset("mwMW@%…")


def drawn_width(text: str, size: float = LETTERS) -> float:
    """Return an estimate of the width of text in pixels, more likely too large than too small."""
    return size * sum(map(_letter_width, text))


def fitting_names(names: Iterable[str], room: float, size: float = LETTERS) -> dict[str, str]:
    """Return the names, shortened to fit a width in pixels. No two are the same."""
    return short_names(names, room, partial(drawn_width, size=size))


def fitting_categories(names: Collection[str]) -> dict[str, str]:
    """Return each category name as shown on an axis."""
    if not are_crowded(names):
        return fitting_names(names, AXIS_ROOM)
    return fitting_names(names, ANGLED_ROOM, LETTERS if len(names) <= FEW_CATEGORIES else SMALL_LETTERS)


def are_crowded(names: Collection[str]) -> bool:
    """Return whether an axis has too little room for its category names side by side."""
    return sum(max(len(name), 4) for name in names) * 7 > AXIS_WIDTH


def fitting_columns(names: Iterable[str]) -> dict[str, str]:
    """Return each column's name, `group: label`, with each part shortened to fit on its own line."""
    split = {name: name.split(": ", 1) for name in names}
    lines = [
        fitting_names((parts[i] for parts in split.values() if i < len(parts)), AXIS_ROOM) for i in (0, 1)
    ]
    return {
        name: ": ".join(line[part] for line, part in zip(lines, parts, strict=False))
        for name, parts in split.items()
    }


def fitting_pairs(pairs: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Return each name with its column as shown in a legend: `Gold · Balance Refill: Total`."""
    columns = fitting_names((column for _, column in pairs), LONG_LEGEND_ROOM - LEGEND_ROOM / 2)
    room = LONG_LEGEND_ROOM - max(drawn_width(f" · {shown}") for shown in columns.values())
    names = fitting_names((name for name, _ in pairs), room)
    return {pair: f"{isolate(names[pair[0]])} · {isolate(columns[pair[1]])}" for pair in pairs}


def _letter_width(letter: str) -> float:
    """Return a character's approximate width in Arial, relative to the font size."""
    if not letter.isascii():
        return 0.0 if not text_width(letter) else 1.0 if text_width(letter) == 2 or letter in _WIDE else 0.7
    if letter in _NARROW:
        return 0.34
    if letter in _WIDE:
        return 0.95
    return 0.72 if letter.isupper() or unicodedata.category(letter) == "Sm" else 0.56
