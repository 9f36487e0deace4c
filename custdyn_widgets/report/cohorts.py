"""The retention triangle: how many clients in each cohort had a paid use, month by month."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class CohortTriangle:
    """The number of clients by cohort (the month of their first paid use) and by the number of months since.

    Attributes
    ----------
    cohorts
        The cohorts' labels, such as `2021-10`, in order.
    sizes
        The number of clients in each cohort.
    counts
        For each cohort, how many of its clients had a paid use in the cohort's month, one month later, and so
        on; None for months that begin at or after the report's end. All rows have the same length.
    """

    cohorts: tuple[str, ...]
    sizes: tuple[int, ...]
    counts: tuple[tuple[int | None, ...], ...]

    @property
    def headings(self) -> tuple[str, ...]:
        """The headings of the table: `Cohort`, `Size`, `0`, `1` and so on."""
        return ("Cohort", "Size", *map(str, range(len(self.counts[0]) if self.counts else 0)))

    @property
    def rows(self) -> list[tuple[str | int | None, ...]]:
        """The rows of the table under the headings."""
        cohorts = zip(self.cohorts, self.sizes, self.counts, strict=True)
        return [(cohort, size, *counts) for cohort, size, counts in cohorts]

    def to_dict(self) -> dict[str, Any]:
        """Return the triangle as JSON values."""
        return {"cohorts": list(self.cohorts), "sizes": list(self.sizes), "counts": [*map(list, self.counts)]}

    @staticmethod
    def from_dict(data: Mapping[str, Sequence[Any]]) -> CohortTriangle:
        """Return a triangle from the output of `to_dict`."""
        return CohortTriangle(tuple(data["cohorts"]), tuple(data["sizes"]), tuple(map(tuple, data["counts"])))
