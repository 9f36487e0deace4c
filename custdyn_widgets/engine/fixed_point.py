"""Vectorized arithmetic on amounts as whole numbers, with a bound on the error.

Fractions are exact but slow. Here, factors are truncated to 64 binary places and amounts to 48, so that sums
of converted amounts are sums of integers. The truncation error is bounded. If it cannot change how an amount
is rounded, which is the usual case, rounding the exact fraction would give the same result. Otherwise, the
amount is uncertain and must be computed from fractions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from custdyn_widgets.mart import Bools, Int64s

MILLION = 10**6
UInt64s = npt.NDArray[np.uint64]
_PLACES, _LIMB = 48, 24  # the binary places of an amount, in two limbs
_PART, _MASK = (1 << _PLACES) - 1, (1 << _LIMB) - 1
_HALF = 1 << (_PLACES - 1)
_LIMIT = 1 << 60  # whole numbers must stay below this
_WORD, _LOW = np.uint64(32), np.uint64((1 << 32) - 1)  # factors have two words of binary places
_LARGEST_FACTOR, _LARGEST_SIZE = 1 << 31, 1 << 32
_LARGEST_DIVISOR = 1 << 38


@dataclass(frozen=True, eq=False)
class Amounts:
    """Amounts in millionths: `whole`, plus `part` / 2**48, with an error of at most `missing` / 2**48."""

    whole: Int64s
    part: Int64s
    missing: Int64s

    @classmethod
    def unknown(cls, count: int) -> Amounts:
        """Return amounts about which nothing is known."""
        none = np.zeros(count, np.int64)
        return cls(none, none, np.full(count, _LIMIT))

    @classmethod
    def exactly(cls, millionths: Int64s) -> Amounts:
        """Return exact amounts."""
        none = np.zeros(len(millionths), np.int64)
        return cls(millionths, none, none)._within_limits()

    def __neg__(self) -> Amounts:
        return Amounts(-self.whole - (self.part != 0), -self.part & _PART, self.missing)

    def __add__(self, other: Amounts) -> Amounts:
        part = self.part + other.part
        whole = self.whole + other.whole + (part >> _PLACES)
        return Amounts(whole, part & _PART, self.missing + other.missing)._within_limits()

    def __sub__(self, other: Amounts) -> Amounts:
        part = self.part - other.part
        whole = self.whole - other.whole + (part >> _PLACES)
        return Amounts(whole, part & _PART, self.missing + other.missing)._within_limits()

    def divided_by(self, divisors: Int64s) -> Amounts:
        """Return the amounts divided by whole numbers above 0."""
        fits = (divisors < _LARGEST_DIVISOR) & (self.missing < _LIMIT)
        by = np.where(fits, divisors, 1)
        whole, rest = np.divmod(self.whole, by)
        upper, rest = np.divmod((rest << _LIMB) + (self.part >> _LIMB), by)
        lower, rest = np.divmod((rest << _LIMB) + (self.part & _MASK), by)
        missing, more = np.divmod(self.missing, by)
        missing += (rest != 0).astype(np.int64) + (more != 0)
        return Amounts(whole, upper << _LIMB | lower, np.where(fits, missing, _LIMIT))

    def take(self, at: Any) -> Amounts:
        """Return the amounts at the given positions, slice or mask."""
        return Amounts(self.whole[at], self.part[at], self.missing[at])

    def rounded(self) -> tuple[Int64s, Bools]:
        """Return the amounts rounded half-even to millionths, and whether each is certain to be right."""
        up = (self.part > _HALF) | ((self.part == _HALF) & (self.whole % 2 != 0))
        sure = (self.missing == 0) | (np.abs(self.part - _HALF) > self.missing)
        return self.whole + up, sure

    def nonzero(self) -> tuple[Bools, Bools]:
        """Return whether each amount is nonzero, and whether that is certain."""
        above = (self.whole > 0) | ((self.whole == 0) & (self.part > self.missing))
        below = (self.whole < -1) | ((self.whole == -1) & (self.part < _PART + 1 - self.missing))
        found = (above | below) & (self.missing <= _PART)
        return found, found | (self.missing == 0)

    def scaled(self) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.object_]]:
        """Return the amounts and the bounds on their errors as Python ints, in millionths / 2**48."""
        return (self.whole.astype(object) << _PLACES) + self.part.astype(object), self.missing.astype(object)

    @classmethod
    def joined(cls, parts: Sequence[Amounts]) -> Amounts:
        """Concatenate the amounts of several parts."""
        empty = np.zeros(0, np.int64)
        columns = zip(*((own.whole, own.part, own.missing) for own in parts), strict=True)
        return cls(*(map(np.concatenate, columns) if parts else (empty, empty, empty)))

    def _within_limits(self) -> Amounts:
        """Return the amounts, with those that might soon overflow marked as unknown."""
        fits = (self.whole < _LIMIT) & (self.whole > -_LIMIT) & (self.missing < _LIMIT)
        if fits.all():
            return self
        return Amounts(
            np.where(fits, self.whole, 0), np.where(fits, self.part, 0), np.where(fits, self.missing, _LIMIT)
        )


class Factors(NamedTuple):
    """Factors truncated to 64 binary places, as 32-bit words, integer part first.

    `inexact` says which factors lost digits; `above` contains whole numbers that the factors do not exceed. A
    factor that is too large is stored as 0, with the largest possible `above`.
    """

    words: tuple[UInt64s, UInt64s, UInt64s]
    inexact: Bools
    above: Int64s

    @classmethod
    def of(cls, ratios: Sequence[tuple[int, int]]) -> Factors:
        """Truncate nonnegative ratios of whole numbers, given as (numerator, denominator)."""
        cut = [divmod(numerator << 64, denominator) for numerator, denominator in ratios]
        above = [min((value >> 64) + 1, _LARGEST_FACTOR) for value, _ in cut]
        values = [
            value if limit < _LARGEST_FACTOR else 0 for (value, _), limit in zip(cut, above, strict=True)
        ]
        first, second, third = (
            np.array([value >> bits & int(_LOW) for value in values], np.uint64) for bits in (64, 32, 0)
        )
        inexact = np.array([rest != 0 for _, rest in cut], np.bool_)
        return cls((first, second, third), inexact, np.array(above, np.int64))

    def times(self, amounts: Int64s, which: Int64s) -> Amounts:
        """Multiply each amount by the factor at the position given in `which`; see `_fit` for the limits."""
        size = np.abs(amounts).view(np.uint64)
        upper, lower = size >> _WORD, size & _LOW
        first, second, third = (word.take(which) for word in self.words)
        last, left, right = lower * third, lower * second, upper * third
        middle = (left & _LOW) + (right & _LOW) + (last >> _WORD)
        whole = lower * first + upper * second + (upper * first << _WORD)
        whole += (left >> _WORD) + (right >> _WORD) + (middle >> _WORD)
        part = (middle & _LOW) << np.uint64(16) | (last & _LOW) >> np.uint64(16)
        missing = np.where(self.inexact.take(which), (size >> np.uint64(16)) + np.uint64(1), np.uint64(0))
        missing += (last & np.uint64(0xFFFF)) != 0
        found = Amounts(whole.view(np.int64), part.view(np.int64), missing.view(np.int64))
        negative = -found
        below = amounts < 0
        return Amounts(
            np.where(below, negative.whole, found.whole),
            np.where(below, negative.part, found.part),
            found.missing,
        )


def add_up(amounts: Int64s, bounds: Int64s, factors: Factors | None, which: Int64s) -> Amounts:
    """Convert amounts and add them up.

    Parameters
    ----------
    amounts
        The amounts in millionths.
    bounds
        int64[sums + 1]: sum i consists of the amounts from `bounds[i]` to `bounds[i + 1]`.
    factors
        The factors; None for amounts that need no conversion.
    which
        The position of each amount's factor.
    """
    fits = _fit(amounts, bounds, None if factors is None else factors.above.take(which))
    if factors is None:
        found = Amounts.exactly(sums_between(amounts, bounds))
    else:
        each = factors.times(amounts, which)
        lower = sums_between(each.part & _MASK, bounds)
        upper = sums_between(each.part >> _LIMB, bounds) + (lower >> _LIMB)
        found = Amounts(
            sums_between(each.whole, bounds) + (upper >> _LIMB),
            (upper & _MASK) << _LIMB | (lower & _MASK),
            sums_between(each.missing, bounds),
        )
    if fits.all():
        return found
    unknown = Amounts.unknown(len(fits))
    return Amounts(
        np.where(fits, found.whole, unknown.whole),
        np.where(fits, found.part, unknown.part),
        np.where(fits, found.missing, unknown.missing),
    )


def _fit(amounts: Int64s, bounds: Int64s, above: Int64s | None) -> Bools:
    """Return whether each sum is sure to stay below the limit."""
    size = (np.abs(amounts).view(np.uint64) >> np.uint64(_LIMB)).view(np.int64) + 1
    if above is not None:
        large = (size >= _LARGEST_SIZE) | (above >= _LARGEST_FACTOR)
        size = np.where(large, _LIMIT >> _LIMB, np.where(large, 0, size) * above)
    total = sums_between(np.minimum(size, _LIMIT >> _LIMB), bounds)
    fits: Bools = total < _LIMIT >> _LIMB
    return fits


def to_int64(amounts: npt.NDArray[Any]) -> Int64s:
    """Return amounts as int64s, clipped to ±2**62; `add_up` marks sums of clipped amounts as unknown."""
    if amounts.dtype != object:
        return amounts
    large = 1 << 62
    return np.array([max(-large, min(amount, large)) for amount in amounts.tolist()], np.int64)


def sums_between(values: Int64s, bounds: Int64s) -> Int64s:
    """Return the sums of values from each bound to the next, modulo 2**64."""
    running = np.zeros(len(values) + 1, np.int64)
    np.cumsum(values, out=running[1:])
    found: Int64s = running[bounds[1:]] - running[bounds[:-1]]
    return found
