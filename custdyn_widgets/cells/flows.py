"""Flows: what moved in each row, by currency and by the quote that values it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from custdyn_widgets.cells.grid import Grid, Locator, Piece
from custdyn_widgets.cells.sums import KeyedSums, join
from custdyn_widgets.intervals import utc_date
from custdyn_widgets.mart.facts import PACKAGE_FEE, FlowClass
from custdyn_widgets.mart.values import Int64s

_C = FlowClass
# Column → the classes whose counts or sums it holds.
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
# Within a class amounts have one sign, so a sum is zero only if every amount is.
_VALUED = tuple(f for column, classes in _SUMS.items() if column != "ignored_refill" for f in classes)


class FlowSums:
    """Sums by row, currency, segment and flow class."""

    def __init__(self, grid: Grid, currency_count: int) -> None:
        self._grid = grid
        self._shape = (grid.groups, currency_count, len(grid.segments), len(FlowClass))
        self._sums = KeyedSums(int(np.prod(self._shape)))
        self.segment_of = Locator(grid.segments)
        # History (segment -1, so the last entry) counts for the first bucket's stocks.
        self.bucket_of = np.append(np.searchsorted(grid.edges, grid.segments[:-1], "right") - 1, 0)

    def add(self, piece: Piece, segment: Int64s) -> None:
        """Add the rows of a piece, which lie in these segments."""
        _, _, segments, classes = self._shape
        of_client = (piece.currency * segments + 1) * classes  # one more, because history comes first
        keys = np.repeat(of_client, piece.count)
        keys += segment * classes
        flow = piece.flow
        if piece.package is not None:
            flow = np.where(
                PACKAGE_FEE[flow] & ~self._grid.fee_counts[piece.package], np.uint8(_C.OTHER), flow
            )
            keys += (self._grid.group_of * self._shape[1] * segments * classes)[piece.package]
        keys += flow
        self._sums.add(keys, piece.amount)

    def frame(self, currencies: Sequence[str]) -> pd.DataFrame:
        """Return the flows as the schema of `cells` describes them."""
        keys, counts, high, low = self._sums.totals()
        group, currency, segment, flow = np.unravel_index(keys, self._shape)
        counted = (segment > 0) & (flow != _C.OTHER)
        group, currency, segment = group[counted], currency[counted], segment[counted] - 1
        row = self.bucket_of[segment] * self._grid.groups + group
        shape = (self._grid.bucket_count * self._grid.groups, self._shape[1], self._shape[2])
        lines, line = np.unique(np.ravel_multi_index((row, currency, segment), shape), return_inverse=True)
        count = np.zeros((len(FlowClass), len(lines)), np.int64)
        amount = np.zeros((len(FlowClass), len(lines)), object)
        count[flow[counted], line] = counts[counted]
        amount[flow[counted], line] = join(high[counted], low[counted])
        row, currency, segment = np.unravel_index(lines, shape)
        columns: dict[str, object] = {
            "row": row.astype(np.int64),
            "currency": [currencies[c] for c in currency.tolist()],
            "value_date": [utc_date(int(self._grid.segments[s])) for s in segment],
            "needs_quote": (amount[list(_VALUED)] != 0).any(axis=0),
        }
        for name, classes in _COUNTS.items():
            columns[name] = pd.Series(count[list(classes)].sum(axis=0).tolist(), dtype=object)
        for name, classes in _SUMS.items():
            columns[name] = amount[list(classes)].sum(axis=0)
        return pd.DataFrame(columns)
