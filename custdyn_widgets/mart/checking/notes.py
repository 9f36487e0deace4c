"""Notes of a check: sentences about data that is no fault."""

from __future__ import annotations

from typing import Any


class Note(str):
    """A sentence, the kind of note for programs, and the figures in it."""

    __slots__ = ("figures", "kind")

    kind: str
    figures: dict[str, Any]

    def __new__(cls, text: str, kind: str, **figures: Any) -> Note:
        """Return a note."""
        note = super().__new__(cls, text)
        note.kind, note.figures = kind, figures
        return note
