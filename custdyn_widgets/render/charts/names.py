"""Names as a drawing has room for them: how wide a text is drawn, and names made to fit."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable
from functools import partial

from custdyn_widgets.text import short_names, text_width

AXIS_WIDTH = 350  # pixels for the names of places beside each other
FEW_PLACES = 12  # more of them overlap unless they stand upright
LEGEND_ROOM, AXIS_ROOM, ANGLED_ROOM = 150, 160, 105  # pixels for a name
SLACK = 1.15  # of the drawing library's own limit, as it measures letters and this estimates them
LETTERS, SMALL_LETTERS = 12.5, 11
_NARROW = frozenset("fijlrtI.,:;'|!()[] -/")
_WIDE = frozenset("mwMW@%…")


def drawn_width(text: str, size: float = LETTERS) -> float:
    """Return about how many pixels a text is wide in a drawing's letters of a size; rather more than less."""
    return size * sum(map(_letter_width, text))


def fitting_names(names: Iterable[str], room: float, size: float = LETTERS) -> dict[str, str]:
    """Return each name as a drawing shows it in so many pixels, no two alike."""
    return short_names(names, room, partial(drawn_width, size=size))


def fitting_places(names: Collection[str]) -> dict[str, str]:
    """Return each name of a place as an axis shows it."""
    if not are_crowded(names):
        return fitting_names(names, AXIS_ROOM)
    return fitting_names(names, ANGLED_ROOM, LETTERS if len(names) <= FEW_PLACES else SMALL_LETTERS)


def are_crowded(names: Collection[str]) -> bool:
    """Return whether the names of an axis' places do not fit beside each other."""
    return sum(max(len(name), 4) for name in names) * 7 > AXIS_WIDTH


def fitting_columns(names: Iterable[str]) -> dict[str, str]:
    """Return each column's name (`group: label`, drawn on two lines) as a drawing shows it."""
    split = {name: name.split(": ", 1) for name in names}
    lines = [
        fitting_names((parts[i] for parts in split.values() if i < len(parts)), AXIS_ROOM) for i in (0, 1)
    ]
    return {
        name: ": ".join(line[part] for line, part in zip(lines, parts, strict=False))
        for name, parts in split.items()
    }


def _letter_width(letter: str) -> float:
    """Return a letter's width in parts of its size, as in Arial."""
    if not letter.isascii():
        return 0.0 if not text_width(letter) else 1.0 if text_width(letter) == 2 or letter in _WIDE else 0.7
    if letter in _NARROW:
        return 0.34
    if letter in _WIDE:
        return 0.95
    return 0.72 if letter.isupper() or unicodedata.category(letter) == "Sm" else 0.56
