"""A part of the work reports its progress as a part of the whole."""

from __future__ import annotations

from custdyn_widgets import progress


class Recorded:
    def __init__(self) -> None:
        self.steps: list[tuple[str, float]] = []
        self.notes: list[str] = []

    def step(self, words: str, done: float) -> None:
        self.steps.append((words, done))

    def note(self, words: str) -> None:
        self.notes.append(words)


def test_progress_of_a_part_is_a_part_of_the_progress() -> None:
    told = Recorded()
    with progress.report_to(told):
        progress.step("one", 0.1)
        with progress.part(0.5, 0.75):
            progress.step("two", 0.0)
            progress.step("three", 1.0)
            progress.note("a note")
        progress.step("four", 0.9)
    assert told.steps == [("one", 0.1), ("two", 0.5), ("three", 0.75), ("four", 0.9)]
    assert told.notes == ["a note"]


def test_without_a_listener_a_part_is_silent() -> None:
    with progress.part(0.5, 0.75):
        progress.step("one", 0.1)
