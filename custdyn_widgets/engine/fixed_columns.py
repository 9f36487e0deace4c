"""Fixed-point columns for pandas, which let built-in metrics compute all rows at once.

A column has the dtype `fixed`. Columns can be added, subtracted, negated and, with `ratio`, divided. All
other operations raise an error, so that no metric silently gets an inexact number. The arithmetic is
explained in `fixed_point`. A column may also contain missing numbers, such as undefined averages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionArray, ExtensionDtype, take

from custdyn_widgets.engine.fixed_point import MILLION, Amounts
from custdyn_widgets.mart import Bools, Int64s


class FixedNumber(NamedTuple):
    """A single number in a column; see `Amounts`."""

    whole: int
    part: int
    missing: int


class FixedDtype(ExtensionDtype):
    """The type of fixed-point columns."""

    name = "fixed"
    type = FixedNumber
    na_value = None

    @classmethod
    def construct_array_type(cls) -> Any:
        """Return the class of arrays of this type."""
        return FixedArray


class FixedArray(ExtensionArray):
    """A column of fixed-point numbers, some of which may be missing."""

    __array_ufunc__: Any = None  # NumPy's functions would split the numbers into their parts

    def __init__(self, amounts: Amounts, null: Bools | None = None) -> None:
        self.amounts = amounts
        self.null = np.zeros(len(amounts.whole), np.bool_) if null is None else null

    @classmethod
    def of_counts(cls, counts: Int64s) -> FixedArray:
        """Return a column of whole numbers."""
        fits = np.abs(counts) < 2**40
        amounts = Amounts.exactly(np.where(fits, counts, 0) * MILLION)
        unknown = np.where(fits, amounts.missing, Amounts.unknown(1).missing)
        return cls(Amounts(amounts.whole, amounts.part, unknown))

    @classmethod
    def nothing(cls, count: int) -> FixedArray:
        """Return a column in which every number is missing."""
        return cls(Amounts.exactly(np.zeros(count, np.int64)), np.ones(count, np.bool_))

    @property
    def dtype(self) -> FixedDtype:
        """The type of the column."""
        return FixedDtype()

    @property
    def nbytes(self) -> int:
        """The size of the column in bytes."""
        return 25 * len(self)

    def __len__(self) -> int:
        return len(self.null)

    def __getitem__(self, item: Any) -> Any:
        if isinstance(item, int | np.integer):
            own = self.amounts
            found = FixedNumber(int(own.whole[item]), int(own.part[item]), int(own.missing[item]))
            return None if self.null[item] else found
        at = pd.api.indexers.check_array_indexer(self, item)
        return FixedArray(self.amounts.take(at), self.null[at])

    def isna(self) -> Bools:
        """Return a mask of the missing numbers."""
        return self.null

    def copy(self) -> FixedArray:
        """Return the same column, because columns are never modified."""
        return FixedArray(self.amounts, self.null)

    def take(
        self,
        indices: Any,
        *,
        allow_fill: bool = False,
        fill_value: object = None,  # noqa: ARG002 (only None is ever missing)
    ) -> FixedArray:
        """Return the numbers at the given positions; with `allow_fill`, -1 gives a missing number."""
        at = np.asarray(indices, np.int64)
        if not allow_fill or not (at < 0).any():
            return FixedArray(self.amounts.take(at), self.null[at])
        columns: Any = [
            take(values, at, allow_fill=True, fill_value=fill)
            for values, fill in (*((own, 0) for own in vars(self.amounts).values()), (self.null, True))
        ]
        return FixedArray(Amounts(*columns[:3]), columns[3])

    @classmethod
    def _from_sequence(
        cls,
        scalars: Iterable[Any],
        *,
        dtype: Any = None,  # noqa: ARG003
        copy: bool = False,  # noqa: ARG003
    ) -> FixedArray:
        if isinstance(scalars, cls):
            return scalars
        found = list(scalars)
        values = np.array([(0, 0, 0) if value is None else value for value in found], np.int64).reshape(-1, 3)
        return cls(Amounts(*np.ascontiguousarray(values.T)), np.array([v is None for v in found], np.bool_))

    @classmethod
    def _concat_same_type(cls, to_concat: Sequence[FixedArray]) -> FixedArray:
        amounts = Amounts.joined([own.amounts for own in to_concat])
        return cls(amounts, np.concatenate([own.null for own in to_concat]))

    def __neg__(self) -> FixedArray:
        return FixedArray(-self.amounts, self.null)

    def __add__(self, other: object) -> Any:
        return self._with(other, Amounts.__add__)

    def __radd__(self, other: object) -> Any:
        return self if isinstance(other, int) and other == 0 else NotImplemented  # the initial value of `sum`

    def __sub__(self, other: object) -> Any:
        return self._with(other, Amounts.__sub__)

    def _with(self, other: object, operator: Callable[[Amounts, Amounts], Amounts]) -> Any:
        if not isinstance(other, FixedArray):
            return NotImplemented
        return FixedArray(operator(self.amounts, other.amounts), self.null | other.null)

    def divided_by(self, counts: FixedArray) -> FixedArray:
        """Divide the numbers by counts; a quotient is missing if the count is 0 or missing."""
        by, own = counts.amounts.whole // MILLION, self.amounts
        known = (counts.amounts.missing == 0) & (counts.amounts.part == 0) & (by >= 0)
        known &= counts.amounts.whole == by * MILLION
        found = own.divided_by(np.where(known & (by > 0), by, 1))
        unknown = Amounts.unknown(1).missing
        amounts = Amounts(found.whole, found.part, np.where(known, found.missing, unknown))
        return FixedArray(amounts, self.null | counts.null | (known & (by == 0)))
