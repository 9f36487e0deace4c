"""The values in a file that show the format of its numbers and dates, counted batch by batch."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa


@dataclass
class Forms:
    """The values in a file that show the format of its numbers or dates.

    Attributes
    ----------
    counts
        For each form, the number of values that fit only that form.
    examples
        The first such value of each form, as (column, value).
    doubtful
        The first value that has different meanings in two forms.
    """

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, tuple[str, str]] = field(default_factory=dict)
    doubtful: tuple[str, str] | None = None

    def add(self, form: str, column: str, values: pa.Array) -> None:
        """Count values that fit only this form."""
        if len(values):
            self.counts[form] = self.counts.get(form, 0) + len(values)
            self.examples.setdefault(form, (column, values[0].as_py()))

    def doubt(self, column: str, values: pa.Array) -> None:
        """Keep the first of the values that have different meanings in two forms."""
        if len(values) and self.doubtful is None:
            self.doubtful = column, values[0].as_py()

    def join(self, later: Forms) -> None:
        """Add the values of later rows."""
        for form, count in later.counts.items():
            self.counts[form] = self.counts.get(form, 0) + count
            self.examples.setdefault(form, later.examples[form])
        self.doubtful = self.doubtful or later.doubtful


@dataclass
class Dates:
    """The values of a column that show the format of its dates, and how many of its values are dates.

    Attributes
    ----------
    forms
        The values that show that dates begin with the year.
    short
        Other dates and day numbers, which count only if they make up most of the column's values.
    others, values
        The number of other dates and day numbers, and the number of values that are not blank.
    """

    forms: Forms = field(default_factory=Forms)
    short: Forms = field(default_factory=Forms)
    others: int = 0
    values: int = 0

    def join(self, later: Dates) -> None:
        """Add the values of later rows."""
        self.forms.join(later.forms)
        self.short.join(later.short)
        self.others += later.others
        self.values += later.values
