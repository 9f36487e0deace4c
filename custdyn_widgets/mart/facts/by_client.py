"""Sorting ledger rows by client and time: each batch becomes a sorted run, and the runs are then merged.

In a run, rows are grouped into blocks of adjacent clients. To merge the runs, the rows of each block are
concatenated in ledger order and sorted by client; a block is small enough to fit in a processor's cache. No
sort spans the entire ledger.

NumPy uses a radix sort for integers of 8 or 16 bits, and 8 bits are enough for blocks and usually for the
clients in a block. Each row is one record, which is moved as a whole rather than column by column. Results
go into a few large arrays, because allocating memory takes longer than the work itself, and large arrays get
large pages.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from custdyn_widgets.mart.columns import Bools, Codes, Int64s
from custdyn_widgets.mart.facts.blocks import place_block, place_large_block
from custdyn_widgets.mart.facts.flow_class import Flows
from custdyn_widgets.mart.facts.large_arrays import LargeArrays
from custdyn_widgets.mart.facts.threads import threads

# The maximum number of blocks: a block number has 8 bits.
_BLOCKS = 2**8
_BLOCK = 2**14  # rows: smaller blocks are not faster
_LARGE_BLOCK = 2**20  # rows: blocks of this size are not divided

Times = npt.NDArray[np.uint32] | Int64s
Packages = npt.NDArray[np.int8] | npt.NDArray[np.int16] | Codes


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of the ledger.

    Attributes
    ----------
    client
        int32: the position of the client in the order of clients.
    time
        Seconds since 1970 in UTC: uint32 if all are from 1970 to 2106, else int64.
    amount, flow, package
        int64 millionths; uint8 `FlowClass`; package code, or -1, in the smallest type that fits.
    """

    client: Codes
    time: Times
    amount: Int64s
    flow: Flows
    package: Packages

    def __len__(self) -> int:
        return len(self.client)

    def part(self, begin: int, end: int) -> Rows:
        """Return a slice of the rows as views."""
        return Rows(*(getattr(self, column.name)[begin:end] for column in fields(self)))


class Merged(NamedTuple):
    """All rows sorted by client and time, as in `Facts`, with amounts not yet summed."""

    offset: Int64s
    time: Times
    amount: Int64s
    flow: Flows
    package: Packages
    paid_at: Times


class SortedRuns:
    """The runs of a ledger, in one preallocated array, which may be larger than memory.

    Parameters
    ----------
    count, client_count
        The numbers of rows and clients.
    time_type, package_type
        The data types of the times and the package codes.
    """

    def __init__(
        self, count: int, client_count: int, time_type: npt.DTypeLike, package_type: npt.DTypeLike
    ) -> None:
        self.client_count = client_count
        self._bits = _bits_within(client_count, min(max(count // _BLOCK, 1), _BLOCKS))
        self._block_count = -(-client_count >> self._bits)
        within = np.min_scalar_type((1 << self._bits) - 1)
        record = [
            *(("amount", np.int64), ("time", time_type)),
            *(("client", within), ("flow", np.uint8), ("package", package_type)),
        ]
        self._large = LargeArrays()
        self._rows = self._large.empty(count, np.dtype(record, align=True))
        # Keyed by the first row of a run: where the blocks of the run begin, and where the run ends.
        self._begins: dict[int, Int64s] = {}

    @property
    def time_type(self) -> np.dtype[Any]:
        """The data type of the times."""
        return self._rows.dtype["time"]

    @property
    def package(self) -> Packages:
        """A view of the package codes, in the row order of the runs."""
        return self._rows["package"]

    def put(self, first: int, rows: Rows) -> None:
        """Add rows of the ledger, from position `first` on, as a run; safe to call from several threads.

        Positions after the last of these rows may be left empty.
        """
        if not len(rows):
            return
        block = (rows.client >> self._bits).astype(np.uint8)
        order = np.argsort(block, kind="stable")
        records = np.empty(len(rows), self._rows.dtype)
        records["client"] = rows.client & ((1 << self._bits) - 1)
        for name in ("amount", "time", "flow", "package"):
            records[name] = getattr(rows, name)
        records.take(order, out=self._rows[first : first + len(rows)], mode="clip")  # the default mode copies
        self._begins[first] = first + np.searchsorted(block.take(order), np.arange(self._block_count + 1))
        self._large.leave_memory()

    def merged(self, package_type: npt.DTypeLike | None = None) -> Merged:
        """Return all rows sorted by client and time, with package codes of the given type, if any."""
        none = np.zeros(self._block_count + 1, np.int64)
        begins = np.array([begins for _, begins in sorted(self._begins.items())] or [none], np.int64)
        ends = np.cumsum(np.diff(begins).sum(axis=0)).tolist()
        kind = self._rows.dtype
        whole = self._rows.view(f"V{kind.itemsize}")  # concatenating structured records is slow
        types = (np.int64, np.uint8, package_type or kind["package"], kind["time"])
        count = ends[-1] if ends else 0
        room = [self._large.empty(count, each) for each in (kind["time"], *types)]
        out = Merged(np.zeros(self.client_count + 1, np.int64), *room)

        sizes = np.diff([0, *ends])
        large = sizes > max(_LARGE_BLOCK, count // (4 * threads()))

        def put(block: int) -> None:
            low, end = block << self._bits, ends[block]
            clients = slice(low, min(low + (1 << self._bits), self.client_count))
            place = slice(end - sizes[block], end)
            parts = [whole[begin:end] for begin, end in begins[:, block : block + 2].tolist()]
            if large[block]:
                place_large_block(out, [part.view(kind) for part in parts], clients, place, pool)
            else:
                place_block(out, np.concatenate(parts).view(kind), clients, place)
            self._large.leave_memory()

        with ThreadPoolExecutor(threads()) as pool:
            for block in np.flatnonzero(large).tolist():  # each in all threads
                put(block)
            for _ in pool.map(put, np.flatnonzero(~large).tolist()):
                pass
        out.offset[-1] = count
        return out


def fit_uint32(seconds: Times) -> bool:
    """Return whether all times fit in a uint32; 0 is reserved for "never"."""
    return bool(seconds.min(initial=1) >= 1 and seconds.max(initial=1) < 2**32)


def in_fewest_bits(rows: Merged) -> Merged:
    """Return rows with their times as uint32 if they fit."""
    if rows.time.dtype == np.uint32 or not fit_uint32(rows.time):
        return rows
    # The int64 for "never" is -2**63; its last 32 bits are 0, the uint32 for "never".
    return rows._replace(time=rows.time.astype(np.uint32), paid_at=rows.paid_at.astype(np.uint32))


def in_uint32(seconds: Int64s) -> Bools:
    """Return a mask of the times that fit in a uint32; see `fit_uint32`."""
    return (seconds >= 1) & (seconds < 2**32)


def _bits_within(client_count: int, blocks: int) -> int:
    """Return how many bits identify a client in a block, given the maximum number of blocks."""
    bits = 0
    while client_count > blocks << bits:
        bits += 1
    return bits
