"""How far the reading of a source is, in a notebook that has no form yet."""

from __future__ import annotations

from typing import Any

from custdyn_widgets.progress import ProgressBar
from custdyn_widgets.text import printable


class EarlyProgress(ProgressBar):
    """One output that tells the step, and is empty in the end: a stream's lines would be saved for ever.

    Attributes
    ----------
    notes
        The sentences that were said meanwhile, for the form to say.
    """

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []
        self._handle: Any = None

    def note(self, words: str) -> None:
        """Keep a sentence."""
        self.notes.append(words)

    def _show(self) -> None:
        with self._lock:
            if self._words:
                self._write(f"{printable(self._words)} ({self._done:.0%} done)")

    def _erase(self) -> None:
        if self._handle is not None:
            self._write("")

    def _write(self, words: str) -> None:
        from IPython.display import display  # late: only notebooks have it

        told = {"text/plain": words}
        if self._handle is None:
            self._handle = display(told, raw=True, display_id=True)
        else:
            self._handle.update(told, raw=True)
