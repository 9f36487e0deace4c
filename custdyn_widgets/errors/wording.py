"""Quoting values in messages, and suggesting allowed values."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from custdyn_widgets.errors.urls import mask_passwords

_SHOWN_VALUE = 80
_SEARCHED = 4_000  # characters at the start of a value that are searched for passwords
_COLLECTIONS = (list, tuple, set, frozenset)
_FEW, _LISTED = 12, 20


def shown(value: object) -> str:
    """Return a value as shown in messages: quoted, on one line, and at most 80 characters long.

    Passwords are masked.
    """
    if isinstance(value, str):
        # Escaping never shortens text, so the text can be cut first.
        value = _masked_text(value)[:_SHOWN_VALUE]
        text = repr(value) if value.isprintable() else ascii(value)
    else:
        try:
            text = mask_passwords(repr(_masked(value)))
        except RecursionError:
            text = f"a {type(value).__name__} that contains itself or is nested too deeply"
        text = "".join(c if c.isprintable() else " " for c in text)
    return text if len(text) <= _SHOWN_VALUE else text[: _SHOWN_VALUE - 1] + "…"


def _masked(value: object) -> object:
    """Return text, bytes, a path or a built-in collection with passwords masked; other values unchanged."""
    if isinstance(value, _COLLECTIONS) and type(value) in _COLLECTIONS:
        return type(value)([_masked(item) for item in value])
    if type(value) is dict:
        return {_masked(key): _masked(item) for key, item in value.items()}
    if isinstance(value, (bytes, bytearray)):
        return type(value)(_masked_text(value.decode("latin-1")), "latin-1")
    if isinstance(value, os.PathLike):
        masked = _masked_text(str(value), None)
        return value if masked == str(value) else masked
    return _masked_text(value) if isinstance(value, str) else value


def _masked_text(text: str, limit: int | None = _SEARCHED) -> str:
    # Imported late: compiling its patterns is slow.
    from custdyn_widgets.errors.whole_values import mask_value

    return mask_value(text, limit)


def nearest(value: object, allowed: Iterable[str], count: int = 3) -> list[str]:
    """Return the allowed values closest to the given one, best first, ignoring case."""
    import difflib  # imported late: only needed for mistakes

    by_folded: dict[str, str] = {}
    for name in allowed:
        by_folded.setdefault(name.casefold()[:200], name)
    close = difflib.get_close_matches(str(value).casefold()[:200], by_folded, n=count, cutoff=0.5)
    return [by_folded[name] for name in close]


def hint(value: object, allowed: Sequence[str]) -> str:
    """Return a sentence that suggests allowed values: all if there are few, otherwise the nearest ones."""
    if not allowed:
        return "There are none."
    close = nearest(value, allowed) if len(allowed) > _FEW else []
    if close:
        return "Did you mean " + " or ".join(shown(a) for a in close) + "?"
    if len(allowed) <= _LISTED:
        return "Choose from: " + ", ".join(shown(a) for a in allowed) + "."
    return f"There are {len(allowed)}, including " + ", ".join(shown(a) for a in list(allowed)[:3]) + "."
