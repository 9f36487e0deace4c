"""Progress shown in a notebook until its form appears."""

from __future__ import annotations

from typing import Any

from custdyn_widgets.progress import ProgressBar
from custdyn_widgets.text import printable


class EarlyProgress(ProgressBar):
    """A progress bar in a single output, which is cleared at the end so that no lines remain in the notebook.

    Attributes
    ----------
    notes
        The messages so far, to be shown by the form.
    """

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []
        self._handle: Any = None

    def note(self, words: str) -> None:
        """Store a message."""
        self.notes.append(words)

    def _show(self) -> None:
        with self._lock:
            if self._words:
                self._write(f"{printable(self._words)} ({self._done:.0%} done)")

    def _erase(self) -> None:
        if self._handle is not None:
            self._write("")

    def _write(self, words: str) -> None:
        from IPython.display import display  # imported late because only notebooks have it

        data = {"text/plain": words}
        if self._handle is None:
            self._handle = display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)
