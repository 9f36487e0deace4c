"""Merging the rows of cached facts with rows that were added to the ledger.

Both are sorted by client and time, so no row is sorted again: each added row is placed after its client's
last cached row that is not later.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from custdyn_widgets.mart.arrow_arrays import from_numpy, from_texts
from custdyn_widgets.mart.columns import Int64s
from custdyn_widgets.mart.facts.blocks import last_paid
from custdyn_widgets.mart.facts.by_client import Merged, Packages, Times
from custdyn_widgets.mart.facts.facts import Facts
from custdyn_widgets.mart.facts.large_arrays import LargeArrays
from custdyn_widgets.mart.facts.ledger import Ledger, type_of_codes
from custdyn_widgets.mart.facts.threads import threads
from custdyn_widgets.mart.positions import positions

_BLOCK = 2**16  # rows: few enough to fit in a processor's cache


def used_packages(facts: Facts) -> tuple[str, ...]:
    """Return the ids of the packages that rows refer to."""
    ids = [i for i, _ in facts.names.packages]
    used = np.zeros(len(ids) + 1, np.bool_)  # the last one is for -1
    for begin in range(0, len(facts.package), _BLOCK):
        used[facts.package[begin : begin + _BLOCK]] = True
    return tuple(i for i, is_used in zip(ids, used[:-1].tolist(), strict=True) if is_used)


def merge(
    facts: Facts, added: Ledger, clients: pa.Array, packages: Sequence[str], *, comes_first: bool
) -> Ledger | None:
    """Return all rows sorted by client and time; None if that is not possible.

    Parameters
    ----------
    facts
        The facts of the earlier rows.
    added
        The added rows.
    clients
        The ids of the clients in the order of the added rows. Each client with earlier rows must be among
        them, or the result is None.
    packages
        The ids of the packages, including all that earlier and added rows refer to.
    comes_first
        Whether the earlier rows come first in the ledger, which determines the order of a client's rows with
        the same time. If not, and a client has a cached and an added row in the same second, the result is
        None.
    """
    counts = np.diff(facts.offset)
    some = np.flatnonzero(counts)
    place = positions(facts.client_ids().take(from_numpy(some)), clients)
    if (place < 0).any():
        return None
    begin, count = np.zeros((2, len(clients)), np.int64)
    begin[place], count[place] = facts.offset[some], counts[some]
    offset = np.append(0, np.cumsum(count + np.diff(added.rows.offset)))
    large = LargeArrays()
    kind = type_of_codes(packages)
    types = (np.uint32, np.int64, np.uint8, kind, np.uint32)
    out = Merged(offset, *(large.empty(int(offset[-1]), each) for each in types))
    codes = (
        _new_codes([i for i, _ in facts.names.packages], packages, kind),
        _new_codes(added.packages, packages, kind),
    )
    work = _Merge(facts, added.rows, out, begin, count, codes, comes_first)

    def put(block: slice) -> bool:
        is_done = work.put(block)
        large.leave_memory()
        return is_done

    with ThreadPoolExecutor(threads()) as pool:
        done = list(pool.map(put, _blocks(offset)))
    return Ledger(out, tuple(packages)) if all(done) else None


def _new_codes(ids: Sequence[str], packages: Sequence[str], kind: np.dtype[Any]) -> Packages:
    """Return the new code for each old code, and then for -1; unused ids need not have a new code."""
    found = positions(from_texts(ids), packages)
    return np.append(found, np.int32(-1)).astype(kind)


def _blocks(offset: Int64s) -> Iterator[slice]:
    """Yield ranges of clients with about `_BLOCK` rows each, or more if a single client has more."""
    bounds = np.searchsorted(offset, np.arange(0, offset[-1], _BLOCK))
    bounds = np.unique(np.append(bounds, len(offset) - 1)).tolist()
    return map(slice, bounds, bounds[1:])


@dataclass(frozen=True)
class _Merge:
    """Merges the rows of blocks of clients.

    Attributes
    ----------
    facts, added
        The earlier and the added rows.
    out
        All rows.
    begin, count
        For each client, the position of its first earlier row in `facts`, and the number of its earlier rows.
    codes
        The new package codes of earlier and of added rows; see `_new_codes`.
    comes_first
        As in `merge`.
    """

    facts: Facts
    added: Merged
    out: Merged
    begin: Int64s
    count: Int64s
    codes: tuple[Packages, Packages]
    comes_first: bool

    def put(self, clients: slice) -> bool:
        """Merge the rows of some clients; return False if the order of two rows is unknown."""
        facts, added, out = self.facts, self.added, self.out
        begin, count = self.begin[clients], self.count[clients]
        bounds = slice(clients.start, clients.stop + 1)
        place, new = (slice(*offset[[clients.start, clients.stop]]) for offset in (out.offset, added.offset))
        old = _rows(begin, count)
        times = (facts.time[old], added.time[new])
        counts = (count, np.diff(added.offset[bounds]))
        keys = [_keys(*each) for each in zip(counts, times, strict=True)]
        after = np.searchsorted(keys[0], keys[1], side="right")
        if not self.comes_first and (after != np.searchsorted(keys[0], keys[1])).any():
            return False
        of_added = after + np.arange(len(after))
        of_earlier = np.ones(place.stop - place.start, np.bool_)
        of_earlier[of_added] = False
        packages = (self.codes[0][facts.package[old]], self.codes[1][added.package[new]])
        for column, earlier, others in (
            (out.time, *times),
            (out.amount, _amounts(facts.running, old, begin, count), added.amount[new]),
            (out.flow, facts.flow[old], added.flow[new]),
            (out.package, *packages),
        ):
            column[place][of_earlier] = earlier
            column[place][of_added] = others
        first = out.offset[clients] - place.start
        out.paid_at[place] = last_paid(out.time[place], out.flow[place], first)
        return True


def _rows(begin: Int64s, count: Int64s) -> slice | Int64s:
    """Return the positions of the earlier rows of clients, as a slice if they are contiguous."""
    begin, count = begin[count > 0], count[count > 0]
    if not len(begin):
        return slice(0, 0)
    if (begin[1:] == begin[:-1] + count[:-1]).all():
        return slice(begin[0], begin[-1] + count[-1])
    ends = np.cumsum(count)
    return np.repeat(begin - (ends - count), count) + np.arange(ends[-1])


def _keys(count: Int64s, time: Times) -> npt.NDArray[np.uint64]:
    """Return a number for each row that increases with client and time."""
    keys = np.repeat(np.arange(len(count), dtype=np.uint64), count) << np.uint64(32)
    keys |= time.astype(np.uint64)
    return keys


def _amounts(running: Int64s, rows: slice | Int64s, begin: Int64s, count: Int64s) -> Int64s:
    """Return the amounts of rows, given the first position and the number of each client's rows."""
    begin, count = begin[count > 0], count[count > 0]
    before = running[begin - 1]
    before[begin == 0] = 0
    found = np.diff(running[rows], prepend=np.int64(0))
    first = np.cumsum(count) - count
    found[first] = running[begin] - before
    return found
