"""Exact sums by key: counts and int64 amounts, as large as they get.

`numpy.bincount` is the fastest way to add up by key, but its weights are doubles. A sum of doubles is
exact as long as every partial sum is a whole number below 2**53; so amounts too large for the number of
rows are split into halves of 32 bits, which are added up apart.
"""

from __future__ import annotations

import numpy as np

from custdyn_widgets.mart.values import Int64s

_MAX_ROWS = 2**21  # so many halves below 2**32 add up to less than 2**53
_DENSE = 2**20
_HALF = 32
_LOW = (1 << _HALF) - 1


class KeyedSums:
    """Counts and exact sums for integer keys below `size`.

    Keys of a small range have a slot each; of a large one, only those that occur are kept.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._parts: list[tuple[Int64s, Int64s, Int64s, Int64s]] = []
        dense = size if size <= _DENSE else 0
        self._counts, self._high, self._low = (np.zeros(dense, np.int64) for _ in range(3))

    def add(self, keys: Int64s, amounts: Int64s) -> None:
        """Add a count of 1 and an amount to each key."""
        for low in range(0, len(keys), _MAX_ROWS):
            self._add(keys[low : low + _MAX_ROWS], amounts[low : low + _MAX_ROWS])

    def _add(self, keys: Int64s, amounts: Int64s) -> None:
        if len(self._counts):
            counts, high, low = _add_up(keys, amounts, self.size)
            self._counts += counts
            self._high += high
            self._low += low
            self._high += self._low >> _HALF
            self._low &= _LOW
            return
        present, inverse = np.unique(keys, return_inverse=True)
        self._parts.append((present, *_add_up(inverse, amounts, len(present))))

    def totals(self) -> tuple[Int64s, Int64s, Int64s, Int64s]:
        """Return the keys that occurred, their counts, and the halves of their sums (see `join`)."""
        if len(self._counts):
            keys = np.flatnonzero(self._counts)
            return keys, self._counts[keys], self._high[keys], self._low[keys]
        if not self._parts:
            empty = np.zeros(0, np.int64)
            return empty, empty, empty, empty
        all_keys, counts, high, low = (np.concatenate(c) for c in zip(*self._parts, strict=True))
        keys, inverse = np.unique(all_keys, return_inverse=True)
        out = [np.zeros(len(keys), np.int64) for _ in range(3)]
        for total, part in zip(out, (counts, high + (low >> _HALF), low & _LOW), strict=True):
            np.add.at(total, inverse, part)
        return keys, out[0], out[1], out[2]


def _add_up(keys: Int64s, amounts: Int64s, size: int) -> tuple[Int64s, Int64s, Int64s]:
    counts = np.bincount(keys, minlength=size)
    largest = max(int(amounts.max()), -int(amounts.min()))
    if largest * len(amounts) < 2**53:
        low = np.bincount(keys, weights=amounts, minlength=size).astype(np.int64)
        return counts, np.zeros(size, np.int64), low
    high = np.bincount(keys, weights=amounts >> _HALF, minlength=size).astype(np.int64)
    low = np.bincount(keys, weights=amounts & _LOW, minlength=size).astype(np.int64)
    return counts, high, low


def join(high: Int64s, low: Int64s) -> list[int]:
    """Return sums as Python ints, which have no largest value."""
    return [(h << _HALF) + part for h, part in zip(high.tolist(), low.tolist(), strict=True)]
