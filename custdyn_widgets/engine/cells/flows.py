"""Flows: the sums of movements in each row, by currency and by the quote that applies."""

from __future__ import annotations

import numpy as np

from custdyn_widgets.engine.cells.grid import EdgeCounter, Grid, utc_dates
from custdyn_widgets.engine.cells.pieces import Piece
from custdyn_widgets.engine.cells.sums import KeyedSums, join
from custdyn_widgets.mart import PACKAGE_FEE, FlowClass, Int64s

_C = FlowClass
# The flow classes that each column counts or sums.
_COUNTS = {
    "refill_qty": (_C.REFILL,),
    "activation_qty": (_C.ACTIVATION_PAID, _C.ACTIVATION_FREE),
    "renewal_qty": (_C.RENEWAL_PAID, _C.RENEWAL_FREE),
    "ignored_refill_qty": (_C.REFILL_NOT_COUNTED,),
}
_SUMS = {
    "refill": (_C.REFILL,),
    "usage": (_C.USAGE_PAID, _C.USAGE_NOT_PAID),
    "activation": (_C.ACTIVATION_PAID, _C.ACTIVATION_REVERSED),
    "renewal": (_C.RENEWAL_PAID, _C.RENEWAL_REVERSED),
    "ignored_refill": (_C.REFILL_NOT_COUNTED,),
}
FLOW_COLUMNS = (*_COUNTS, *_SUMS)
# All amounts of a class have the same sign, so a sum is zero only if every amount is.
_VALUED = tuple(f for column, classes in _SUMS.items() if column != "ignored_refill" for f in classes)


class FlowSums:
    """Sums of one currency by row, segment and flow class.

    Segments are the buckets, split where an exchange rate may change. Segment 0 is everything before the
    first bucket.
    """

    def __init__(self, grid: Grid, currency: int) -> None:
        self._grid = grid
        self._segments = np.union1d(grid.edges, grid.changes[currency])
        self._shape = (grid.groups, len(self._segments), len(FlowClass))
        self._sums = KeyedSums(int(np.prod(self._shape)))
        self._segment_of = EdgeCounter(self._segments)
        # Earlier history counts toward the stocks of the first bucket.
        self._bucket_of = np.append(0, np.searchsorted(grid.edges, self._segments[:-1], "right") - 1)

    def add(self, piece: Piece) -> Int64s:
        """Add the rows of a piece and return their buckets."""
        segment = self._segment_of(piece.time)
        flow = piece.flow
        keys = segment * len(FlowClass)
        if piece.package is not None:
            other = PACKAGE_FEE[flow] & ~self._grid.fee_counts[piece.package]
            flow = np.where(other, np.uint8(_C.OTHER), flow)
            keys += (self._grid.group_of * int(np.prod(self._shape[1:]))).take(piece.package, mode="wrap")
        keys += flow
        self._sums.count(keys)
        self._sums.add(keys, piece.amount())
        return self._bucket_of.take(segment, mode="clip")

    def merge(self, other: FlowSums) -> None:
        """Add the sums of another `FlowSums` with the same grid and currency."""
        self._sums.merge(other._sums)

    def columns(self, currency: str) -> dict[str, list[object]]:
        """Return the flow columns of the schema in `cells.compute` as lists."""
        keys, counts, high, low = self._sums.totals()
        group, segment, flow = np.unravel_index(keys, self._shape)
        counted = (segment > 0) & (flow != _C.OTHER)
        group, segment = group[counted], segment[counted]
        row = self._bucket_of[segment] * self._grid.groups + group
        shape = (self._grid.bucket_count * self._grid.groups, self._shape[1])
        lines, line = np.unique(np.ravel_multi_index((row, segment), shape), return_inverse=True)
        count = np.zeros((len(FlowClass), len(lines)), np.int64)
        amount = np.zeros((len(FlowClass), len(lines)), object)
        count[flow[counted], line] = counts[counted]
        amount[flow[counted], line] = join(high[counted], low[counted])
        row, segment = np.unravel_index(lines, shape)
        return {
            "row": row.tolist(),
            "currency": [currency] * len(lines),
            "value_date": utc_dates(self._segments[segment - 1]),
            "needs_quote": (amount[list(_VALUED)] != 0).any(axis=0).tolist(),
            **{name: count[list(classes)].sum(axis=0).tolist() for name, classes in _COUNTS.items()},
            **{name: amount[list(classes)].sum(axis=0).tolist() for name, classes in _SUMS.items()},
        }
