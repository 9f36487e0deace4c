"""A ledger's rows by client, in order of time within: sorted runs, then merged.

The ledger comes in batches. Each becomes a run, in order of client. Of all runs together the rows of a few
clients at a time, as many as fit a processor's cache, are put behind each other in the order of the ledger
and sorted by client again: so no row is compared with all others, and none is moved far.

Both sorts are by counting: NumPy sorts numbers of 16 bits so, in a fifth of the time that wider ones take.
What is made is put into a few large arrays: memory that is new costs more than what is done with it, and
large arrays get theirs in large pages.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from itertools import pairwise
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from custdyn_widgets.mart.columns import Codes
from custdyn_widgets.mart.flow_class import PAID, Flows
from custdyn_widgets.mart.values import Int64s

_BLOCK = 2**17  # rows
_MOST_CLIENTS = 2**16  # of a block, so that 16 bits tell them apart

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

    @classmethod
    def empty(cls, count: int, time_type: npt.DTypeLike, package_type: npt.DTypeLike) -> Rows:
        """Return room for so many rows."""
        types = (np.int32, time_type, np.int64, np.uint8, package_type)
        return cls(*(np.empty(count, kind) for kind in types))

    def columns(self) -> Iterator[npt.NDArray[Any]]:
        """Yield the arrays, in order."""
        return (getattr(self, column.name) for column in fields(self))

    def part(self, begin: int, end: int) -> Rows:
        """Return some of the rows, as views."""
        return Rows(*(column[begin:end] for column in self.columns()))


@dataclass(frozen=True)
class Merged:
    """All rows by client and time, as `Facts` holds them, but amounts are not yet summed."""

    offset: Int64s
    time: Times
    amount: Int64s
    flow: Flows
    package: Packages
    paid_at: Times


@dataclass
class Runs:
    """Room for a ledger, which is filled with runs.

    Parameters
    ----------
    count, client_count
        How many rows and clients there are.
    time_type, package_type
        What times and codes of packages are held as.

    Attributes
    ----------
    rows
        The room.
    of_client
        How many rows each client has so far.
    """

    count: int
    client_count: int
    time_type: npt.DTypeLike
    package_type: npt.DTypeLike
    ends: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.rows = Rows.empty(self.count, self.time_type, self.package_type)
        self.of_client = np.zeros(self.client_count, np.int64)
        self._counting = Lock()

    def put(self, first: int, rows: Rows) -> None:
        """Put in rows of the ledger that follow the first ones, in order of client.

        Threads may do so at the same time.
        """
        end = first + len(rows)
        order = _by_client(rows.client, self.client_count)
        for column, out in zip(rows.columns(), self.rows.part(first, end).columns(), strict=True):
            column.take(order, out=out, mode="clip")  # any other mode makes a copy first
        counts = np.bincount(rows.client, minlength=self.client_count)
        with self._counting:
            self.of_client += counts
            self.ends.add(end)

    def merged(self) -> Merged:
        """Return all rows by client and time."""
        bounds = [0, *sorted(self.ends)]
        runs = [self.rows.part(begin, end) for begin, end in pairwise(bounds)]
        offset = np.concatenate(([0], np.cumsum(self.of_client)))
        package_type: npt.DTypeLike = self.rows.package.dtype
        types = (self.time_type, np.int64, np.uint8, package_type, self.time_type)
        out = Merged(offset, *(np.empty(self.count, kind) for kind in types))
        blocks = list(_blocks(offset))
        lows = [low for low, _ in blocks]
        begins = [np.append(np.searchsorted(run.client, lows), len(run)).tolist() for run in runs]

        def put(number: int) -> None:
            parts = [run.part(*at[number : number + 2]) for run, at in zip(runs, begins, strict=True)]
            _put(out, [part for part in parts if len(part)], *blocks[number])

        with ThreadPoolExecutor(threads()) as pool:
            for _ in pool.map(put, range(len(blocks))):
                pass
        return out


def threads() -> int:
    """Return how many threads work at once: each has work for a core, and holds memory."""
    return min(len(os.sched_getaffinity(0)), 4)


def fit(seconds: Int64s) -> bool:
    """Tell whether an uint32 holds all times; 0 is left for "never"."""
    return bool(seconds.min(initial=1) >= 1 and seconds.max(initial=1) < 2**32)


def _blocks(offset: Int64s) -> Iterator[tuple[int, int]]:
    """Yield ranges of clients, each of one client at least."""
    low, count = 0, len(offset) - 1
    while low < count:
        high = int(np.searchsorted(offset, offset[low] + _BLOCK, "right")) - 1
        high = min(max(high, low + 1), low + _MOST_CLIENTS)
        yield low, high
        low = high


def _put(out: Merged, parts: Sequence[Rows], low: int, high: int) -> None:
    """Put the rows of the clients from `low` to below `high`, which come in the ledger's order, in place."""
    begin, end = int(out.offset[low]), int(out.offset[high])
    if begin == end:
        return
    client, time = (np.concatenate([getattr(part, name) for part in parts]) for name in ("client", "time"))
    order = _by_client(client - np.int32(low), high - low)
    client, time = client.take(order), time.take(order)
    if ((time[1:] < time[:-1]) & (client[1:] == client[:-1])).any():  # mostly a ledger is in order of time
        again = np.lexsort((time, client))
        order, time = order.take(again), time.take(again)
    out.time[begin:end] = time
    for name in ("amount", "flow", "package"):
        column = np.concatenate([getattr(part, name) for part in parts])
        column.take(order, out=getattr(out, name)[begin:end], mode="clip")
    offset = out.offset[low : high + 1] - begin
    out.paid_at[begin:end] = _last_paid(time, out.flow[begin:end], offset)


def _by_client(client: Codes, count: int) -> Int64s:
    """Return the order of rows by client, rows of one client as they come."""
    order = np.argsort(client.astype(np.uint16), kind="stable")
    if count <= 2**16:
        return order
    upper = (client >> 16).astype(np.uint16)
    return order.take(np.argsort(upper.take(order), kind="stable"))


def _last_paid(time: Times, flow: Flows, offset: Int64s) -> Times:
    """Return when, up to each row, its client's last paid use was; the type's least value if none was."""
    never = np.iinfo(time.dtype).min
    paid = PAID.take(flow)
    paying, others = np.flatnonzero(paid), np.flatnonzero(~paid)
    paid_at = time.copy()
    if not len(paying):
        paid_at[:] = never
        return paid_at
    last = others - np.arange(1, len(others) + 1)  # which paying row comes before; -1 for none
    row = paying.take(last, mode="clip")
    found = time.take(row)
    first = np.repeat(offset[:-1], np.diff(offset)).take(others)
    found[(last < 0) | (row < first)] = never
    paid_at[others] = found
    return paid_at
