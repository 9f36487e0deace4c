"""Reporting progress to a listener, if there is one.

The command line and the form show progress; other uses of the library are silent.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import NamedTuple, Protocol


class Listener(Protocol):
    """Interface for receiving progress while a source is read."""

    def step(self, words: str, done: float) -> None:
        """Receive the step that is starting and the fraction completed so far (0 to 1)."""

    def note(self, words: str) -> None:
        """Receive a message to show to the user."""


_LISTENER: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextlib.contextmanager
def report_to(listener: Listener) -> Iterator[None]:
    """Report the progress made inside the block to a listener."""
    before = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(before)


@contextlib.contextmanager
def part(begin: float, end: float) -> Iterator[None]:
    """Scale the progress reported inside the block to the range from `begin` to `end`."""
    whole = _LISTENER.get()
    with report_to(_Part(whole, begin, end)) if whole else contextlib.nullcontext():
        yield


class _Part(NamedTuple):
    whole: Listener
    begin: float
    end: float

    def step(self, words: str, done: float) -> None:
        self.whole.step(words, self.begin + (self.end - self.begin) * done)

    def note(self, words: str) -> None:
        self.whole.note(words)


def step(words: str, done: float) -> None:
    """Report that a step is starting."""
    if listener := _LISTENER.get():
        listener.step(words, done)


def note(words: str) -> None:
    """Report a message to show to the user."""
    if listener := _LISTENER.get():
        listener.note(words)
