"""Conversion of many amounts at once, in whole numbers, with a bound on the error.

Fractions are exact but slow. Here, factors are truncated to 48 binary places, so that sums of converted
amounts are sums of integers. What is cut off is bounded: if it cannot change how a sum is rounded, which is
the usual case, the rounded sum is that of the exact fractions. Otherwise, the rounded sum is uncertain and
must be computed from fractions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from custdyn_widgets.mart import Bools, Int64s

_LIMB, _PLACES = 24, 48  # the products of two limbs are below 2**48, so that many can be added
_MASK = (1 << _LIMB) - 1
_HALF = 1 << (_PLACES - 1)
_LIMIT = 1 << 60  # all sums of absolute values must stay below


@dataclass(frozen=True)
class Amounts:
    """Amounts in millionths: `whole`, plus `part` / 2**48, give or take `missing` / 2**48."""

    whole: Int64s
    part: Int64s
    missing: Int64s

    def __sub__(self, other: Amounts) -> Amounts:
        part = self.part - other.part
        whole = self.whole - other.whole + (part >> _PLACES)
        return Amounts(whole, part & ((1 << _PLACES) - 1), self.missing + other.missing)

    def rounded(self) -> tuple[Int64s, Bools]:
        """Return the amounts rounded half-even to millionths, and whether each is certain to be right."""
        up = (self.part > _HALF) | ((self.part == _HALF) & (self.whole % 2 != 0))
        sure = (self.missing == 0) | (np.abs(self.part - _HALF) > self.missing)
        return self.whole + up, sure

    @classmethod
    def joined(cls, parts: Sequence[Amounts]) -> Amounts:
        """Return the amounts of several parts, one after the other."""
        empty = np.zeros(0, np.int64)
        columns = zip(*((own.whole, own.part, own.missing) for own in parts), strict=True)
        return cls(*(map(np.concatenate, columns) if parts else (empty, empty, empty)))


@dataclass(frozen=True)
class Factors:
    """Factors truncated to 48 binary places, in three limbs of 24 bits.

    `above` is a whole number that no factor exceeds; `inexact` says which factors lost digits.
    """

    limbs: tuple[Int64s, Int64s, Int64s]
    inexact: Bools
    above: int

    @classmethod
    def of(cls, ratios: Sequence[tuple[int, int]]) -> Factors:
        """Truncate ratios of whole numbers, given as (numerator, denominator); none is negative."""
        cut = [divmod(numerator << _PLACES, denominator) for numerator, denominator in ratios]
        above = max(((value >> _PLACES) + 1 for value, _ in cut), default=1)
        values = [value if above < 1 << _LIMB else 0 for value, _ in cut]
        limbs = (np.array([v >> bits & _MASK for v in values], np.int64) for bits in (0, _LIMB, 2 * _LIMB))
        low, middle, high = limbs
        return cls((low, middle, high), np.array([rest != 0 for _, rest in cut], np.bool_), above)


def add_up(amounts: Int64s, bounds: Int64s, factors: Factors | None, which: Int64s) -> Amounts:
    """Convert amounts and add them up.

    Parameters
    ----------
    amounts
        The amounts in millionths.
    bounds
        int64[sums + 1]: sum i is that of the amounts from `bounds[i]` to `bounds[i + 1]`.
    factors
        The factors; None if nothing is to be converted.
    which
        The position of each amount's factor.
    """
    size = np.abs(amounts)
    at_most = (int((size >> _LIMB).sum()) + len(size)) << _LIMB
    none = np.zeros(len(bounds) - 1, np.int64)
    above = 1 if factors is None else factors.above
    if at_most * above >= _LIMIT or above >= 1 << _LIMB:
        return Amounts(none, none, np.full_like(none, _LIMIT))
    if factors is None:
        return Amounts(_sums(amounts, bounds), none, none)
    low, middle, high = (limb.take(which) for limb in factors.limbs)
    first, second = amounts & _MASK, amounts >> _LIMB
    place0 = first * low
    place1 = first * middle + second * low + (place0 >> _LIMB)
    whole = first * high + second * middle + (place1 >> _LIMB) + ((second * high) << _LIMB)
    part0, part1 = _sums(place0 & _MASK, bounds), _sums(place1 & _MASK, bounds)
    part1 += part0 >> _LIMB
    return Amounts(
        _sums(whole, bounds) + (part1 >> _LIMB),
        (part1 & _MASK) << _LIMB | (part0 & _MASK),
        _sums(np.where(factors.inexact.take(which), size, 0), bounds),
    )


def _sums(values: Int64s, bounds: Int64s) -> Int64s:
    running = np.zeros(len(values) + 1, np.int64)
    np.cumsum(values, out=running[1:])
    found: Int64s = running[bounds[1:]] - running[bounds[:-1]]
    return found
