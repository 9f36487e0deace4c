"""Notes from a check: sentences about data that is allowed but may be a mistake."""

from __future__ import annotations

from typing import Any


class Note(str):
    """A sentence, with the note's kind and figures for use in programs."""

    __slots__ = ("figures", "kind")

    kind: str
    figures: dict[str, Any]

    def __new__(cls, text: str, kind: str, **figures: Any) -> Note:
        """Create a note from a sentence, its kind and its figures."""
        note = super().__new__(cls, text)
        note.kind, note.figures = kind, figures
        return note
