"""Exact sums of counts and int64 amounts by key, without overflow.

`numpy.bincount` is the fastest way to sum by key on several cores, but its weights are doubles. A sum of
doubles is exact as long as every partial sum is an integer below 2**53, so amounts too large for the number
of rows are split into 32-bit halves, which are summed separately. With many slots, `numpy.add.at`, which
adds to the slots in place, is faster than calling `bincount` and adding its result.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from custdyn_widgets.mart import Int64s

_MAX_ROWS = 2**21  # the sum of this many halves below 2**32 is below 2**53
_FEW = 2**14  # with at most this many slots, adding to all of them takes hardly any time
_DENSE = 2**21  # with at most this many keys, each has a slot in memory
_MOST_PARTS = 2**20  # parts with more keys than this are joined, because keys may repeat
_SUM_LIMIT = 2**62  # a sum below this, plus one 32-bit half, fits in an int64
_HALF = 32
_LOW = (1 << _HALF) - 1
_FITS = 1 << 27  # if the upper halves are below this, a few sums can be added in an int64

Sums = npt.NDArray[Any]  # int64s, or Python ints where those might overflow


class DenseSums(NamedTuple):
    """Counts and the halves of sums by key, for the kernel (see `cells.kernel`).

    After an addition, the lower half must be reduced to 32 bits again.
    """

    counts: Int64s
    high: Int64s
    low: Int64s


class KeyedSums:
    """Counts and exact sums for integer keys below `size`.

    If `size` is small, every key has a slot; otherwise only keys that occur are stored.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._parts: list[tuple[Int64s, Int64s, Int64s, Int64s]] = []
        self._most_parts = _MOST_PARTS
        dense = size if size <= _DENSE else 0
        self._counts, self._high, self._low = (np.zeros(dense, np.int64) for _ in range(3))
        self._low_limit = 1 << _HALF  # no lower half exceeds this in absolute value

    def count(self, keys: Int64s, sign: int = 1) -> None:
        """Add 1 to the count of each key, or subtract 1 if `sign` is -1."""
        if self._is_in_place():
            np.add.at(self._counts, keys, sign)
            return
        slots, place, size = self._slots(keys)
        self._keep(slots, counts=sign * np.bincount(place, minlength=size))

    def add(self, keys: Int64s, amounts: Int64s, sign: int = 1) -> None:
        """Add each amount to the sum of its key, or subtract it if `sign` is -1."""
        for first in range(0, len(keys), _MAX_ROWS):
            part = slice(first, first + _MAX_ROWS)
            if self._is_in_place():
                self._add_in_place(keys[part], amounts[part], np.add if sign > 0 else np.subtract)
                continue
            slots, place, size = self._slots(keys[part])
            high, low = _add_up(place, amounts[part], size)
            self._keep(slots, high=None if high is None else sign * high, low=sign * low)

    def dense(self) -> DenseSums:
        """Return the counts and sums by key for the kernel to update; empty unless every key has a slot."""
        self._carry()
        return DenseSums(self._counts, self._high, self._low)

    def __reduce__(self) -> tuple[Any, tuple[int, tuple[Int64s, ...]]]:
        """Pickle only the keys that occur."""
        return _keyed_sums, (self.size, self.totals())

    def merge(self, other: KeyedSums) -> None:
        """Add the sums of another `KeyedSums` of the same size."""
        other._carry()
        self._parts += other._parts
        self._join_parts()
        if len(self._counts):
            self._keep(None, other._counts, other._high, other._low)

    def _is_in_place(self) -> bool:
        return len(self._counts) > _FEW

    def _add_in_place(self, keys: Int64s, amounts: Int64s, operator: np.ufunc) -> None:
        most = _largest(amounts) * len(amounts)
        if most >= _SUM_LIMIT:
            operator.at(self._high, keys, amounts >> _HALF)
            amounts, most = amounts & _LOW, len(amounts) << _HALF
        if self._low_limit + most >= _SUM_LIMIT:
            self._carry()
        self._low_limit += most
        operator.at(self._low, keys, amounts)

    def _carry(self) -> None:
        """Carry the excess over 32 bits from the lower halves to the upper ones."""
        if self._low_limit > 1 << _HALF:
            self._high += self._low >> _HALF
            self._low &= _LOW
            self._low_limit = 1 << _HALF

    def _slots(self, keys: Int64s) -> tuple[Int64s | None, Int64s, int]:
        """Return the slots in use (None for all), each key's position among them, and the number of slots."""
        if len(self._counts):  # only a few slots; if there are many, `_slots` is not called
            return None, keys, self.size
        slots, place = np.unique(keys, return_inverse=True)
        return slots, place, len(slots)

    def _keep(
        self,
        slots: Int64s | None,
        counts: Int64s | None = None,
        high: Int64s | None = None,
        low: Int64s | None = None,
    ) -> None:
        if not len(self._counts):
            assert slots is not None
            counts, high, low = (np.zeros_like(slots) if c is None else c for c in (counts, high, low))
            self._parts.append((slots, counts, high, low))
            self._join_parts()
            return
        at = slice(None) if slots is None else slots
        if counts is not None:
            self._counts[at] += counts
        if high is not None:
            self._high[at] += high
        if low is not None:
            low = self._low[at] + low
            self._high[at] += low >> _HALF
            self._low[at] = low & _LOW

    def totals(self) -> tuple[Int64s, Int64s, Int64s, Int64s]:
        """Return the keys that occur, their counts, and the halves of their sums (see `join`)."""
        self._carry()
        if len(self._counts):
            keys = np.flatnonzero(self._counts | self._high | self._low)
            return keys, self._counts[keys], self._high[keys], self._low[keys]
        if not self._parts:
            empty = np.zeros(0, np.int64)
            return empty, empty, empty, empty
        return self._joined()

    def _join_parts(self) -> None:
        """Join the parts once they have twice as many keys as after the previous join."""
        if sum(len(part[0]) for part in self._parts) > self._most_parts:
            self._parts = [self._joined()]
            self._most_parts = max(_MOST_PARTS, 2 * len(self._parts[0][0]))

    def _joined(self) -> tuple[Int64s, Int64s, Int64s, Int64s]:
        all_keys, counts, high, low = (np.concatenate(c) for c in zip(*self._parts, strict=True))
        keys, inverse = np.unique(all_keys, return_inverse=True)
        out = [np.zeros(len(keys), np.int64) for _ in range(3)]
        for total, part in zip(out, (counts, high + (low >> _HALF), low & _LOW), strict=True):
            np.add.at(total, inverse, part)
        return keys, out[0], out[1], out[2]


def _keyed_sums(size: int, totals: tuple[Int64s, ...]) -> KeyedSums:
    sums = KeyedSums(size)
    sums._keep(*totals)
    return sums


def _add_up(place: Int64s, amounts: Int64s, size: int) -> tuple[Int64s | None, Int64s]:
    """Return the sums by slot in two halves; the upper one is None if the lower one suffices."""
    if _largest(amounts) * len(amounts) < 2**53:
        return None, np.bincount(place, weights=amounts, minlength=size).astype(np.int64)
    high = np.bincount(place, weights=amounts >> _HALF, minlength=size).astype(np.int64)
    low = np.bincount(place, weights=amounts & _LOW, minlength=size).astype(np.int64)
    return high, low


def _largest(amounts: Int64s) -> int:
    return max(int(amounts.max()), -int(amounts.min()))


def join(high: Int64s, low: Int64s) -> Sums:
    """Combine the halves of sums into int64s, or into Python ints if those might overflow when added."""
    if not len(high) or (high.min() >= -_FITS and high.max() < _FITS):
        return (high << _HALF) + low
    joined: npt.NDArray[np.object_] = (high.astype(object) << _HALF) + low.astype(object)
    return joined
