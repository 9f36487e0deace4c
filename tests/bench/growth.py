"""How seconds grow with rows and with buckets: the points that table and plot are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .runner import Figure
from .steps import BUCKETS, CACHED, MONTHS, SIZE_STEPS, SQL


@dataclass(frozen=True)
class Point:
    """Seconds of a first call, imports not included, and the process's peak, at so many rows or buckets."""

    count: int
    name: str
    seconds: float
    peak_mb: float


def by_rows(figures: Mapping[int, Sequence[Figure]]) -> list[Point]:
    """Return the points of 24 months from the figures by rows."""
    return [
        Point(rows, step.name, *_measured(figures[rows], MONTHS, step.name))
        for rows in sorted(figures)
        for step in SIZE_STEPS
    ]


def by_buckets(figures: Sequence[Figure]) -> list[Point]:
    """Return the points of one mart."""
    return [
        Point(count, name, *_measured(figures, question, name))
        for count, question in BUCKETS.items()
        for name in (SQL, CACHED)
    ]


def _measured(figures: Sequence[Figure], question: str, name: str) -> tuple[float, float]:
    (figure,) = (f for f in figures if (f.step.question, f.step.name) == (question, name))
    seconds, peak_mb = figure.median("first_call"), figure.median("peak_mb")
    assert seconds is not None, f"{name} is missing"
    assert peak_mb is not None, f"{name} is missing"
    return seconds, peak_mb
