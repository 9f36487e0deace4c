"""Showing progress on stderr while a source is read: a bar on a terminal, plain lines elsewhere.

Nothing is shown for the first second.
"""

from __future__ import annotations

import shutil
import sys
import threading
import time
from types import TracebackType

from custdyn_widgets.progress import listener as progress
from custdyn_widgets.text import printable

_AFTER = 1.0  # seconds
_BAR = 24  # characters


class ProgressBar:
    """Context manager that shows progress while a source is read."""

    def __init__(self) -> None:
        self._drawn = False
        self._words, self._done = "", 0.0
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._late = threading.Timer(_AFTER, self._show)
        self._late.daemon = True
        self._reporting = progress.report_to(self)

    def __enter__(self) -> ProgressBar:
        self._reporting.__enter__()
        self._late.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._late.cancel()
        with self._lock:
            self._words = ""  # the timer may be about to show a step
            self._erase()
        self._reporting.__exit__(kind, error, trace)

    def step(self, words: str, done: float) -> None:
        """Record the start of a step and, after the first second, show it."""
        self._words, self._done = words, done
        if time.monotonic() - self._began >= _AFTER:
            self._show()

    def note(self, words: str) -> None:
        """Print a message immediately."""
        with self._lock:
            self._erase()
            print(printable(words), file=sys.stderr, flush=True)

    def _show(self) -> None:
        """Draw the bar or print the step; may be called from the timer thread."""
        with self._lock:
            if not self._words:
                return
            words = printable(self._words)
            if sys.stderr.isatty():
                full = round(self._done * _BAR)
                line = f"[{'#' * full}{'.' * (_BAR - full)}] {self._done:4.0%}  {words}"
                print("\r" + self._fit_to_terminal(line), end="", file=sys.stderr, flush=True)
                self._drawn = True
            else:
                print(f"{words} ({self._done:.0%} done)", file=sys.stderr, flush=True)

    def _erase(self) -> None:
        if self._drawn:
            print("\r" + self._fit_to_terminal("") + "\r", end="", file=sys.stderr, flush=True)
            self._drawn = False

    @staticmethod
    def _fit_to_terminal(line: str) -> str:
        """Truncate or pad a line to the width of the terminal, so that it overwrites the previous one."""
        width = shutil.get_terminal_size().columns - 1
        return line[:width].ljust(width)
