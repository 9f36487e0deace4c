"""Movement: the clients that become active or stop being active in each row."""

from __future__ import annotations

import numpy as np

from custdyn_widgets.engine.cells.grid import Grid
from custdyn_widgets.engine.cells.stays import Stays
from custdyn_widgets.engine.cells.sums import KeyedSums
from custdyn_widgets.mart import Bools, Int64s

_NEW, _REACTIVATED, _LAPSED, _CLOSED, _FIRST_USE = range(5)
_KINDS = ("new_qty", "reactivated_qty", "lapsed_qty", "closed_qty", "first_use_qty")
MOVEMENT_COLUMNS = ("opening_qty", *_KINDS)


class MovementSums:
    """Client counts in one currency, by kind of movement, group and bucket.

    Counts in the opening bucket (0) and after the last bucket are ignored.
    """

    def __init__(self, grid: Grid) -> None:
        self._shape = (len(_KINDS), grid.groups, grid.bucket_count + 1)
        self.sums = KeyedSums(int(np.prod(self._shape)))

    def add(self, stays: Stays, high: Int64s, paid: Bools, active: Bools, until: Int64s) -> None:
        """Add the movements within and between stays, and the first paid uses.

        Parameters
        ----------
        stays
            The stays.
        high
            The first bucket after each stay.
        paid, active
            Whether there was a paid use by the end of each stay's first bucket, and whether the last one was
            in the window.
        until
            The first bucket whose window no longer contains the last paid use.
        """
        some = np.flatnonzero(stays.low < high)
        entity = np.repeat(np.arange(len(stays.first)), stays.stay_count)[some]
        group, low = stays.group[entity], stays.low[some]
        high, paid, active, until = high[some], paid[some], active[some], until[some]
        stays_active = active & (until >= high)
        later = np.zeros(len(low), np.bool_)
        later[1:] = entity[1:] == entity[:-1]
        last = ~np.append(later[1:], False)[: len(low)]
        was_active, had_paid = later.copy(), later.copy()
        was_active[1:] &= stays_active[:-1]
        had_paid[1:] &= paid[:-1]
        entered = active & ~was_active
        lapsed, lapsed_within = was_active & ~active, active & ~stays_active
        self._count(_NEW, group, low, entered & ~had_paid)
        self._count(_REACTIVATED, group, low, entered & had_paid)
        self._count(_LAPSED, group, low, lapsed)
        self._count(_LAPSED, group, until, lapsed_within)
        self._count(_CLOSED, group, high, stays_active & last)
        if stays.first_use is not None:
            self._count(_FIRST_USE, stays.group, stays.first_use)

    def _count(self, kind: int, group: Int64s, bucket: Int64s, which: Bools | None = None) -> None:
        at = slice(None) if which is None else np.flatnonzero(which)
        self.sums.count((kind * self._shape[1] + group[at]) * self._shape[2] + bucket[at])

    def merge(self, other: MovementSums) -> None:
        """Add the sums of another `MovementSums` with the same grid."""
        self.sums.merge(other.sums)

    def counts(self) -> Int64s:
        """Return int64[rows, kinds]: the counts by row and kind, excluding the opening bucket."""
        keys, counts, _, _ = self.sums.totals()
        found = np.zeros(self._shape, np.int64)
        found.ravel()[keys] = counts
        return found[:, :, 1:-1].transpose(2, 1, 0).reshape(-1, len(_KINDS))
