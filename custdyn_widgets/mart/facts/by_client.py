"""A ledger's rows by client, in order of time within: sorted runs, then merged.

The ledger comes in batches. Each becomes a run, in which the rows of one block of neighbouring clients stand
together. Then each block's rows, of which a processor's cache holds all, are put behind each other in the
order of the ledger and sorted by client: so no row is compared with all others, and none is moved far.

Both sorts are by counting: NumPy sorts numbers of 8 or 16 bits so, and 8 bits tell blocks apart, and mostly
the clients of one. Until then a row is held as one record, so that it is moved at once, and not each of its
columns alone. What is made is put into a few large arrays: memory that is new costs more than what is done
with it, and large arrays get theirs in large pages.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from custdyn_widgets.mart.checking.values import Int64s
from custdyn_widgets.mart.columns import Codes
from custdyn_widgets.mart.facts.flow_class import PAID, Flows

_BLOCKS = 2**8  # at most, so that 8 bits tell them apart
_BLOCK = 2**14  # rows: for fewer a block is not worth its while

Times = npt.NDArray[np.uint32] | Int64s
Packages = npt.NDArray[np.int8] | npt.NDArray[np.int16] | Codes


@dataclass(frozen=True)
class Rows:
    """Rows of the ledger.

    Attributes
    ----------
    client
        int32: the place of each row's client.
    time
        Seconds since 1970 in UTC: uint32 where all lie from 1970 to 2106, else int64.
    amount, flow, package
        int64 millionths; uint8 `FlowClass`; code of the package, or -1, of the least type that has it.
    """

    client: Codes
    time: Times
    amount: Int64s
    flow: Flows
    package: Packages

    def __len__(self) -> int:
        return len(self.client)

    def part(self, begin: int, end: int) -> Rows:
        """Return some of the rows, as views."""
        return Rows(*(getattr(self, column.name)[begin:end] for column in fields(self)))


@dataclass(frozen=True)
class Merged:
    """All rows by client and time, as `Facts` holds them, but amounts are not yet summed."""

    offset: Int64s
    time: Times
    amount: Int64s
    flow: Flows
    package: Packages
    paid_at: Times


class Runs:
    """Room for a ledger, which is filled with runs.

    Parameters
    ----------
    count, client_count
        How many rows and clients there are.
    time_type, package_type
        What times and codes of packages are held as.
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
        self._rows = np.empty(count, np.dtype(record, align=True))
        self._begins: dict[int, Int64s] = {}  # of each run: where each block begins in it, and its end

    @property
    def package(self) -> Packages:
        """The code of each row's package, as a view, a run's rows in another order than they came in."""
        return self._rows["package"]

    def put(self, first: int, rows: Rows) -> None:
        """Put in rows of the ledger that follow the first ones, as a run.

        Threads may do so at the same time.
        """
        block = (rows.client >> self._bits).astype(np.uint8)
        order = np.argsort(block, kind="stable")
        records = np.empty(len(rows), self._rows.dtype)
        records["client"] = rows.client & ((1 << self._bits) - 1)
        for name in ("amount", "time", "flow", "package"):
            records[name] = getattr(rows, name)
        records.take(order, out=self._rows[first : first + len(rows)], mode="clip")  # others copy first
        self._begins[first] = first + np.searchsorted(block.take(order), np.arange(self._block_count + 1))

    def merged(self, package_type: npt.DTypeLike | None = None) -> Merged:
        """Return all rows by client and time, codes of packages as another type if one is given."""
        begins = np.array([begins for _, begins in sorted(self._begins.items())], np.int64)
        ends = np.cumsum(np.diff(begins).sum(axis=0)).tolist()
        kind = self._rows.dtype
        whole = self._rows.view(f"V{kind.itemsize}")  # records are put together field by field, which is slow
        types = (np.int64, np.uint8, package_type or kind["package"], kind["time"])
        room = [np.empty(len(self._rows), each) for each in (kind["time"], *types)]
        out = Merged(np.zeros(self.client_count + 1, np.int64), *room)

        def put(block: int) -> None:
            low, end = block << self._bits, ends[block]
            parts = [whole[begin:end] for begin, end in begins[:, block : block + 2].tolist()]
            rows = np.concatenate(parts).view(kind)
            high = min(low + (1 << self._bits), self.client_count)
            _put(out, rows, slice(low, high), slice(end - len(rows), end))

        with ThreadPoolExecutor(threads()) as pool:
            for _ in pool.map(put, range(self._block_count)):
                pass
        out.offset[-1] = len(self._rows)
        return out


def threads() -> int:
    """Return how many threads work at once: each has work for a core, and holds memory."""
    return min(len(os.sched_getaffinity(0)), 4)


def fit(seconds: Int64s) -> bool:
    """Return whether an uint32 holds all times; 0 is left for "never"."""
    return bool(seconds.min(initial=1) >= 1 and seconds.max(initial=1) < 2**32)


def _bits_within(client_count: int, blocks: int) -> int:
    """Return how many bits tell the clients of a block apart if there are at most so many blocks."""
    bits = 0
    while client_count > blocks << bits:
        bits += 1
    return bits


def _put(out: Merged, rows: npt.NDArray[Any], clients: slice, place: slice) -> None:
    """Put the records of a block's clients, which come in the ledger's order, in their place."""
    client = np.ascontiguousarray(rows["client"])
    order = np.argsort(client, kind="stable")
    client, rows = client.take(order), rows.take(order)
    time = np.ascontiguousarray(rows["time"])
    if ((time[1:] < time[:-1]) & (client[1:] == client[:-1])).any():  # mostly a ledger is in order of time
        again = np.lexsort((time, client))
        rows, time = rows.take(again), time.take(again)
    out.time[place] = time
    for name in ("amount", "flow", "package"):
        getattr(out, name)[place] = rows[name]
    first = np.searchsorted(client, np.arange(clients.stop - clients.start, dtype=client.dtype))
    out.offset[clients] = place.start + first
    out.paid_at[place] = _last_paid(time, out.flow[place], first)


def _last_paid(time: Times, flow: Flows, first: Int64s) -> Times:
    """Return when, up to each row, its client's last paid use was; the type's least value if none was.

    `first` is where the rows of each client begin.
    """
    paid = PAID.take(flow)
    found = time.copy()
    found[~paid] = np.iinfo(time.dtype).min
    paid[first[first < len(time)]] = True  # a client's first row tells too: what was before is another's
    telling, others = np.flatnonzero(paid), np.flatnonzero(~paid)
    before = others - np.arange(1, len(others) + 1)  # which telling row comes before
    found[others] = found.take(telling.take(before))
    return found
