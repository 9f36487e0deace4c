"""Columns in fixed point, which let built-in metrics compute all rows at once.

Columns can be added, subtracted, negated and, with `ratio`, divided. All other operations raise an error, so
that no metric silently gets an inexact number. The arithmetic is explained in `fixed_point`. A column may
also contain missing numbers, such as undefined averages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from custdyn_widgets.engine.fixed_point import MILLION, Amounts
from custdyn_widgets.mart import Bools, Int64s


@dataclass(frozen=True, eq=False)
class FixedColumn:
    """A column of fixed-point numbers, with a mask of those that are missing."""

    __array_ufunc__ = None  # NumPy's functions would treat a column as a single object
    __hash__ = None  # type: ignore[assignment]

    amounts: Amounts
    null: Bools

    @classmethod
    def of(cls, amounts: Amounts) -> FixedColumn:
        """Return a column in which no number is missing."""
        return cls(amounts, np.zeros(len(amounts.whole), np.bool_))

    @classmethod
    def of_counts(cls, counts: Int64s) -> FixedColumn:
        """Return a column of whole numbers."""
        fits = np.abs(counts) < 2**40
        amounts = Amounts.exactly(np.where(fits, counts, 0) * MILLION)
        unknown = np.where(fits, amounts.missing, Amounts.unknown(1).missing)
        return cls.of(Amounts(amounts.whole, amounts.part, unknown))

    @classmethod
    def nothing(cls, count: int) -> FixedColumn:
        """Return a column in which every number is missing."""
        return cls(Amounts.exactly(np.zeros(count, np.int64)), np.ones(count, np.bool_))

    def __len__(self) -> int:
        return len(self.null)

    def __eq__(self, other: object) -> bool:
        raise TypeError("Numbers in fixed point cannot be compared: they may be inexact.")

    def __bool__(self) -> bool:
        raise TypeError("A column has no truth value.")

    def take(self, at: Int64s) -> FixedColumn:
        """Return the numbers at the given positions, with a missing number for the position -1."""
        none = at < 0
        if not none.any():
            return FixedColumn(self.amounts.take(at), self.null[at])
        if not len(self):
            return FixedColumn.nothing(len(at))
        return FixedColumn(self.amounts.take(at), self.null[at] | none)

    def __neg__(self) -> FixedColumn:
        return FixedColumn(-self.amounts, self.null)

    def __add__(self, other: object) -> Any:
        return self._with(other, Amounts.__add__)

    def __radd__(self, other: object) -> Any:
        return self if isinstance(other, int) and other == 0 else NotImplemented  # the initial value of `sum`

    def __sub__(self, other: object) -> Any:
        return self._with(other, Amounts.__sub__)

    def _with(self, other: object, operator: Callable[[Amounts, Amounts], Amounts]) -> Any:
        if not isinstance(other, FixedColumn):
            return NotImplemented
        return FixedColumn(operator(self.amounts, other.amounts), self.null | other.null)

    def divided_by(self, counts: FixedColumn) -> FixedColumn:
        """Divide the numbers by counts; a quotient is missing if the count is 0 or missing."""
        by, own = counts.amounts.whole // MILLION, self.amounts
        known = (counts.amounts.missing == 0) & (counts.amounts.part == 0) & (by >= 0)
        known &= counts.amounts.whole == by * MILLION
        found = own.divided_by(np.where(known & (by > 0), by, 1))
        unknown = Amounts.unknown(1).missing
        amounts = Amounts(found.whole, found.part, np.where(known, found.missing, unknown))
        return FixedColumn(amounts, self.null | counts.null | (known & (by == 0)))
