"""The load script in a short form, and that it sees what it is there to see."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.faults.viewer_load import Asked, Seen, run


@pytest.mark.slow
def test_a_short_load_is_answered_without_an_error_and_quickly() -> None:
    seen = run(seconds=3, rate=100, connections=100)
    assert (len(seen.waited), seen.errors) == (300, Counter())
    assert seen.percentile(0.5) <= 10
    assert seen.memory


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (Seen([0.002] * 100), None),
        (Seen([0.011] * 100), "50% percentile is over 10 ms"),
        (Seen([0.002] * 98 + [0.2] * 2), "99% percentile is over 100 ms"),
        (Seen([0.002] * 100, Counter({"HTTP/1.1 500 X": 2})), "2 × HTTP/1.1 500 X"),
        (Seen([0.002] * 100, memory=[2**25, 2**25, *[2**26] * 18]), None),
        (Seen([0.002] * 100, memory=[2**25] * 18 + [2**26] * 2), "memory grew by 32.0 MiB"),
        (Seen([0.002] * 100, memory=[2**25] * 10 + [2**27] + [2**25] * 9), None),
        (Seen(), "50% percentile"),
    ],
)
def test_each_missed_limit_is_reported(seen: Seen, words: str | None) -> None:
    missed = seen.missed()
    assert bool(missed) == bool(words)
    assert words is None or words in missed[0]


def test_an_answer_must_be_the_page_under_its_bar() -> None:
    asked = Asked(b"", b"page")
    assert asked.wrong(b"HTTP/1.1 200 OK", b"bar page") == ""
    assert asked.wrong(b"HTTP/1.1 200 OK", b"page") == "another body"
    assert asked.wrong(b"HTTP/1.1 200 OK", b"bar") == "another body"
    assert asked.wrong(b"HTTP/1.1 404 Not Found", b"bar page") == "HTTP/1.1 404 Not Found"
