"""Rounding columns in fixed point, once and half-even, to get a report's values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from custdyn_widgets.engine.fixed_columns import FixedColumn
from custdyn_widgets.engine.fixed_point import MILLION
from custdyn_widgets.engine.rounding import decimals_of
from custdyn_widgets.mart import Bools, Int64s, distinct_values
from custdyn_widgets.report import Column, Value

_PERCENT_LIMIT = 1 << 60


class Rounded(NamedTuple):
    """A column rounded to millionths, with masks of the missing numbers and of those certain to be right."""

    millionths: Int64s
    null: Bools
    sure: Bools

    @classmethod
    def of(cls, column: FixedColumn) -> Rounded:
        """Round a column."""
        millionths, sure = column.amounts.rounded()
        return cls(millionths, column.null, sure | column.null)

    @classmethod
    def percentages(cls, changes: FixedColumn, befores: FixedColumn) -> Rounded:
        """Round 100 × change / |before|; missing where either is missing or `before` is 0."""
        null = changes.null | befores.null
        nonzero, sure = befores.amounts.nonzero()
        moved, still = changes.amounts.nonzero()
        null = null | (~nonzero & sure)
        millionths, sure = np.zeros(len(null), np.int64), sure & still | null
        some = np.flatnonzero(~null & nonzero & moved)
        if len(some):
            millionths[some], sure[some] = _divide(changes.take(some), befores.take(some))
        return cls(millionths, null, sure)


def _divide(changes: FixedColumn, befores: FixedColumn) -> tuple[Int64s, Bools]:
    """Return rounded percentages in millionths, and whether each is certain to be right."""
    top, top_missing = changes.amounts.scaled()
    bottom, bottom_missing = befores.amounts.scaled()
    bottom = np.abs(bottom)
    quotient = 100 * MILLION * top // bottom
    rest = 100 * MILLION * top - quotient * bottom
    # If top and bottom are off by at most their bounds, the quotient is off by at most
    # `error` / (3/4 of bottom).
    error = 100 * MILLION * top_missing + (np.abs(quotient) + 1) * bottom_missing
    from_half = 2 * rest - bottom
    up = (from_half > 0) | ((from_half == 0) & (quotient % 2 != 0))
    sure = (error == 0) | ((4 * bottom_missing <= bottom) & (np.abs(from_half) > 3 * error))
    sure &= np.abs(quotient) < _PERCENT_LIMIT
    millionths = np.where(sure, quotient + up, 0).astype(np.int64)
    return millionths, sure.astype(np.bool_)


def values_of(columns: Sequence[Rounded], abouts: Sequence[Column]) -> list[list[Value]]:
    """Return columns as values of a report: counts as ints, all others as Decimals with 6 places.

    Equal amounts share one Decimal, which saves memory.
    """
    amounts = [own.millionths for own, about in zip(columns, abouts, strict=True) if about.unit != "count"]
    place, distinct = distinct_values(np.concatenate([np.zeros(0, np.int64), *amounts]))
    decimals = np.empty(len(distinct), object)
    decimals[:] = decimals_of(distinct.tolist())
    places = iter(np.split(place, max(len(amounts), 1)))
    values = []
    for own, about in zip(columns, abouts, strict=True):
        found = own.millionths // MILLION if about.unit == "count" else decimals[next(places)]
        values.append(_with_none(found.tolist(), own.null))
    return values


def _with_none(values: list[Value], null: Bools) -> list[Value]:
    for i in np.flatnonzero(null).tolist():
        values[i] = None
    return values
