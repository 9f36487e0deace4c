"""Flows: the sums of transactions in each row, by currency and applicable quote."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from custdyn_widgets.engine.cells.grid import CounterArrays, EdgeCounter, Grid, utc_date, utc_dates, utc_days
from custdyn_widgets.engine.cells.pieces import Piece
from custdyn_widgets.engine.cells.sums import DenseSums, KeyedSums, Sums, join
from custdyn_widgets.mart import PACKAGE_FEE, Bools, FlowClass, Int64s

_C = FlowClass
# The flow classes that each column counts or sums.
COUNTED_CLASSES = {
    "refill_qty": (_C.REFILL,),
    "activation_qty": (_C.ACTIVATION_PAID, _C.ACTIVATION_FREE),
    "renewal_qty": (_C.RENEWAL_PAID, _C.RENEWAL_FREE),
    "ignored_refill_qty": (_C.REFILL_NOT_COUNTED,),
}
SUMMED_CLASSES = {
    "refill": (_C.REFILL,),
    "usage": (_C.USAGE_PAID, _C.USAGE_NOT_PAID),
    "activation": (_C.ACTIVATION_PAID, _C.ACTIVATION_REVERSED),
    "renewal": (_C.RENEWAL_PAID, _C.RENEWAL_REVERSED),
    "ignored_refill": (_C.REFILL_NOT_COUNTED,),
}
FLOW_COLUMNS = (*COUNTED_CLASSES, *SUMMED_CLASSES)
# All amounts of a class have the same sign, so a sum is zero only if every amount is.
_VALUED = tuple(
    f for column, classes in SUMMED_CLASSES.items() if column != "ignored_refill" for f in classes
)

# Balances also change through other transactions, fees for packages that the query leaves out, and the
# opening balances of new clients. Each has a class for amounts of at least 0 and one for negative amounts
# (`…_BELOW`).
_OTHER_BELOW, _FEE, _FEE_BELOW, _JOINED, _JOINED_BELOW = range(len(FlowClass), len(FlowClass) + 5)
_CLASS_COUNT = len(FlowClass) + 5
_PACKAGE_FEES = tuple(int(c) for c in FlowClass if PACKAGE_FEE[c])
_BALANCE_SUMS = {
    "joined": (_JOINED, _JOINED_BELOW),
    "all_refills": (_C.REFILL, _C.REFILL_NOT_COUNTED),
    "all_usage": (_C.USAGE_PAID, _C.USAGE_NOT_PAID),
    "all_fees": (*_PACKAGE_FEES, _FEE, _FEE_BELOW),
    "other": (_C.OTHER, _OTHER_BELOW),
}
BALANCE_FLOW_COLUMNS = tuple(_BALANCE_SUMS)


class FlowTables(NamedTuple):
    """Tables that tell the kernel where a row's amount belongs (see `cells.kernel`).

    Attributes
    ----------
    segment_of, bucket_of
        The segment of a time, and the bucket of a segment.
    class_count, per_group
        The number of flow classes, and the number of keys per group.
    is_fee, fee_counts, not_counted
        Whether a class is a package fee, whether fees for a package count (empty if all do), and the class of
        fees that do not count.
    below
        The class of a negative amount, by class.
    joined
        The classes of nonnegative and of negative opening balances; empty if these are not summed.
    """

    segment_of: CounterArrays
    bucket_of: Int64s
    class_count: int
    per_group: int
    is_fee: Bools
    fee_counts: Bools
    not_counted: int
    below: npt.NDArray[np.uint8]
    joined: npt.NDArray[np.uint8]
    sums: DenseSums


@dataclass(frozen=True, eq=False)
class FlowEntries:
    """Counts and sums (as halves) by row, segment and flow class, in arrays of the same length.

    `value_date` gives the UTC date of each segment; `counts` and `sums` list the flow classes that each
    column counts or sums.
    """

    row: Int64s
    segment: Int64s
    flow: Int64s
    count: Int64s
    high: Int64s
    low: Int64s
    value_date: Sequence[date]
    counts: Mapping[str, tuple[int, ...]]
    sums: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, eq=False)
class _Lines:
    """Lines of cells: their keys, and counts and amounts for each combination of line and flow class."""

    keys: Mapping[str, Int64s]
    line: Int64s
    flow: Int64s
    count: Int64s
    amount: Sums

    def total(self, classes: Iterable[int], values: Any) -> Sums:
        """Return each line's sum over the given classes."""
        found: Any = np.zeros(len(self.keys["row"]), np.int64 if values.dtype == np.bool_ else values.dtype)
        for own in classes:
            at = np.flatnonzero(self.flow == own)
            found[self.line[at]] += values[at]
        return found  # type: ignore[no-any-return]


class FlowSums:
    """Sums of one currency by row, segment and flow class.

    Segments are the buckets, split where an exchange rate may change. Segment 0 is everything before the
    first bucket.
    """

    def __init__(self, grid: Grid, currency: int) -> None:
        self._grid = grid
        self._segments = np.union1d(grid.edges, grid.changes[currency])
        self._shape = (grid.groups, len(self._segments), _CLASS_COUNT)
        self.sums = KeyedSums(int(np.prod(self._shape)))
        self._segment_of = EdgeCounter(self._segments)
        # Earlier history counts toward the stocks of the first bucket.
        self._bucket_of = np.append(0, np.searchsorted(grid.edges, self._segments[:-1], "right") - 1)

    def add(self, piece: Piece) -> Int64s:
        """Add the rows of a piece and return their buckets."""
        segment, amount = self._segment_of(piece.time), piece.amount()
        keys = segment * _CLASS_COUNT
        per_group = int(np.prod(self._shape[1:]))
        if piece.package is not None:
            keys += (self._grid.package_group * per_group).take(piece.package, mode="wrap")
        if piece.client_group is not None:
            keys += np.repeat(piece.client_group * (self._grid.package_groups * per_group), piece.count)
        keys += self._classes(piece, amount)
        self.sums.count(keys)
        self.sums.add(keys, amount)
        if self._grid.balances:
            self._add_joined(piece)
        return self._bucket_of.take(segment, mode="clip")

    def _classes(self, piece: Piece, amount: Int64s) -> npt.NDArray[np.uint8]:
        flow = piece.flow
        if piece.package is not None:
            not_counted = PACKAGE_FEE[flow] & ~self._grid.fee_counts[piece.package]
            flow = np.where(not_counted, np.uint8(_FEE if self._grid.balances else _C.OTHER), flow)
        if self._grid.balances:
            below = amount < 0
            flow = np.where((flow == _C.OTHER) & below, np.uint8(_OTHER_BELOW), flow)
            flow = np.where((flow == _FEE) & below, np.uint8(_FEE_BELOW), flow)
        return flow

    def _add_joined(self, piece: Piece) -> None:
        """Add the opening balances of clients created before the report's end."""
        some = np.flatnonzero((piece.opening != 0) & (piece.exists < self._segments[-1]))
        keys = self._segment_of(piece.exists[some]) * _CLASS_COUNT
        if piece.client_group is not None:
            keys += piece.client_group[some] * int(np.prod(self._shape[1:]))
        opening = piece.opening[some]
        keys += np.where(opening < 0, _JOINED_BELOW, _JOINED)
        self.sums.add(keys, opening)

    def tables(self) -> FlowTables:
        """Return the tables that the kernel needs to process a row as `add` does."""
        below = np.arange(_CLASS_COUNT, dtype=np.uint8)
        if self._grid.balances:
            below[[_C.OTHER, _FEE]] = _OTHER_BELOW, _FEE_BELOW
        return FlowTables(
            segment_of=self._segment_of.arrays(),
            bucket_of=self._bucket_of,
            class_count=_CLASS_COUNT,
            per_group=int(np.prod(self._shape[1:])),
            is_fee=PACKAGE_FEE,
            fee_counts=self._grid.fee_counts if self._grid.needs_packages else np.zeros(0, np.bool_),
            not_counted=_FEE if self._grid.balances else int(_C.OTHER),
            below=below,
            joined=np.array([_JOINED, _JOINED_BELOW] if self._grid.balances else [], np.uint8),
            sums=self.sums.dense(),
        )

    def __getstate__(self) -> dict[str, Any]:
        """Pickle what `merge` and `columns` need, but not the large attributes that only `add` needs."""
        return {**vars(self), "_grid": self._grid._replace(client_group=None), "_segment_of": None}

    def merge(self, other: FlowSums) -> None:
        """Add the sums of another `FlowSums` with the same grid and currency."""
        self.sums.merge(other.sums)

    def columns(self) -> dict[str, Sums]:
        """Return the flow columns of the schema in `cells.compute`, except the currency."""
        lines = self._lines([c for c in FlowClass if c != _C.OTHER])
        return {
            **lines.keys,
            "needs_quote": lines.total(_VALUED, lines.amount != 0) > 0,
            **{name: lines.total(classes, lines.count) for name, classes in COUNTED_CLASSES.items()},
            **{name: lines.total(classes, lines.amount) for name, classes in SUMMED_CLASSES.items()},
        }

    def balance_columns(self) -> dict[str, Sums]:
        """Return the balance flow columns of the schema in `cells.compute`, except the currency."""
        lines = self._lines(range(_CLASS_COUNT))
        return {
            **lines.keys,
            "needs_quote": lines.total(range(_CLASS_COUNT), lines.amount != 0) > 0,
            **{name: lines.total(classes, lines.amount) for name, classes in _BALANCE_SUMS.items()},
        }

    def entries(self) -> FlowEntries:
        """Return the counts and sums of all flows in the rows, without joining the halves of the sums."""
        keys, counts, high, low = self.sums.totals()
        group, segment, flow = np.unravel_index(keys, self._shape)
        counted = segment > 0
        row = self._bucket_of[segment] * self._grid.groups + group
        sums = {n: c for n, c in SUMMED_CLASSES.items() if n != "ignored_refill"}
        return FlowEntries(
            row[counted],
            segment[counted],
            flow[counted],
            counts[counted],
            high[counted],
            low[counted],
            value_date=[utc_date(0), *utc_dates(self._segments)],
            counts={n: c for n, c in COUNTED_CLASSES.items() if n != "ignored_refill_qty"},
            sums={**sums, **_BALANCE_SUMS} if self._grid.balances else sums,
        )

    def _lines(self, classes: Sequence[int]) -> _Lines:
        """Return the lines for some flow classes."""
        keys, counts, high, low = self.sums.totals()
        group, segment, flow = np.unravel_index(keys, self._shape)
        counted = (segment > 0) & np.isin(flow, classes)
        group, segment = group[counted], segment[counted]
        row = self._bucket_of[segment] * self._grid.groups + group
        shape = (self._grid.bucket_count * self._grid.groups, self._shape[1])
        lines, line = np.unique(np.ravel_multi_index((row, segment), shape), return_inverse=True)
        row, segment = np.unravel_index(lines, shape)
        return _Lines(
            keys={"row": row, "value_day": utc_days(self._segments[segment - 1])},
            line=line,
            flow=flow[counted],
            count=counts[counted],
            amount=join(high[counted], low[counted]),
        )
