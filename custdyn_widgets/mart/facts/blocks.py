"""Sorting the rows of a block of adjacent clients by client and time, and writing them to the output."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from custdyn_widgets.mart.columns import Int64s
from custdyn_widgets.mart.facts.flow_class import PAID, Flows

if TYPE_CHECKING:
    from custdyn_widgets.mart.facts.by_client import Merged, Times

_PART = 2**18  # rows of a large block that are sorted at a time
_MOST_PARTS = 2**8  # a part's number has 8 bits
_SAMPLED = 2**10  # the bounds of the parts are chosen from every 1,024th row

Records = npt.NDArray[Any]
UInt64s = npt.NDArray[np.uint64]


def place_block(out: Merged, rows: Records, clients: slice, place: slice) -> None:
    """Sort the records of a block, which are in ledger order, and write them to the output."""
    out.offset[clients] = place.start + _place(out, rows, clients, place)


def place_large_block(
    out: Merged, runs: Sequence[Records], clients: slice, place: slice, pool: ThreadPoolExecutor
) -> None:
    """Place a block in parts, on several cores.

    One client may have most of the ledger's rows. Each part is a range of clients and times.

    Parameters
    ----------
    out
        The output.
    runs
        The records of the block, in ledger order.
    clients, place
        The positions of the block's clients and rows in the output.
    pool
        Threads that are idle.
    """
    times = [run["time"] for run in runs if len(run)]
    low, high = int(min(time.min() for time in times)), int(max(time.max() for time in times))
    span = (high - low).bit_length()
    if (clients.stop - clients.start).bit_length() + span > 64:
        place_block(out, np.concatenate(runs), clients, place)
        return

    def keys(rows: Records) -> UInt64s:
        found = rows["client"].astype(np.uint64) << np.uint64(span)
        found |= (rows["time"] - low).astype(np.uint64)
        return found

    def parts_of(run: Records) -> npt.NDArray[np.uint8]:
        return np.searchsorted(bounds, keys(run), "right").astype(np.uint8)

    def put(part: int) -> Int64s:
        rows = [run.take(np.flatnonzero(own == part)) for run, own in zip(plain, part_of, strict=True)]
        return _place(out, np.concatenate(rows).view(runs[0].dtype), clients, places[part])

    bounds = _bounds([keys(run[::_SAMPLED]) for run in runs], place.stop - place.start)
    plain = [run.view(f"V{run.dtype.itemsize}") for run in runs]  # structured records are copied slowly
    part_of = list(pool.map(parts_of, runs))
    sizes = np.sum([np.bincount(part, minlength=len(bounds) + 1) for part in part_of], axis=0)
    ends = (place.start + np.cumsum(sizes)).tolist()
    places = [slice(end - size, end) for end, size in zip(ends, sizes.tolist(), strict=True)]
    firsts = list(pool.map(put, range(len(places))))
    out.offset[clients] = place.start + np.sum(firsts, axis=0)
    _continue_last_paid(out.paid_at, places, firsts)


def _bounds(samples: Sequence[UInt64s], count: int) -> UInt64s:
    """Return the keys at which the parts of a block begin, except the first one."""
    sample = np.sort(np.concatenate(samples))
    parts = min(-(-count // _PART), _MOST_PARTS)
    return np.unique(sample[np.arange(1, parts) * len(sample) // parts])


def _continue_last_paid(paid_at: Times, places: Sequence[slice], firsts: Sequence[Int64s]) -> None:
    """Fill in the last paid use of rows whose client had it in an earlier part.

    `firsts` contains the first row of each client in each part.
    """
    never = np.iinfo(paid_at.dtype).min
    last = -1  # the client of the previous part's last row
    for place, first in zip(places, firsts, strict=True):
        if place.start == place.stop:
            continue
        client = int(np.searchsorted(first, 0, "right")) - 1
        if client == last:
            own = paid_at[place][: first[client + 1] if client + 1 < len(first) else None]
            own[own == never] = paid_at[place.start - 1]
        last = int(np.searchsorted(first, place.stop - place.start - 1, "right")) - 1


def _place(out: Merged, rows: Records, clients: slice, place: slice) -> Int64s:
    """Sort records by client and time, write them to the output, and return each client's first row."""
    client, time = np.ascontiguousarray(rows["client"]), np.ascontiguousarray(rows["time"])
    order = _order(client, time)
    client, time, rows = client.take(order), time.take(order), rows.take(order)
    out.time[place] = time
    for name in ("amount", "flow", "package"):
        getattr(out, name)[place] = rows[name]
    first = np.searchsorted(client, np.arange(clients.stop - clients.start, dtype=client.dtype))
    out.paid_at[place] = last_paid(time, out.flow[place], first)
    return first


def _order(client: npt.NDArray[Any], time: Times) -> npt.NDArray[Any]:
    """Return the stable order of rows by client and time."""
    if not (time[1:] < time[:-1]).any():  # most ledgers are sorted by time
        return np.argsort(client, kind="stable")
    bits, first = max(len(client) - 1, 1).bit_length(), int(time.min())
    span = (int(time.max()) - first).bit_length()
    if int(client.max()).bit_length() + span + bits > 64:
        return np.lexsort((time, client))
    # 64-bit numbers sort faster than anything else, so client, time and position are packed into one.
    keys = client.astype(np.uint64) << np.uint64(span)
    keys |= (time - first).astype(np.uint64)
    keys <<= np.uint64(bits)
    keys |= np.arange(len(client), dtype=np.uint64)
    keys.sort()
    return (keys & np.uint64((1 << bits) - 1)).view(np.int64)


def last_paid(time: Times, flow: Flows, first: Int64s) -> Times:
    """Return the time of the client's last paid use up to each row, or the type's minimum if there is none.

    `first` contains the position of each client's first row.
    """
    paid = PAID.take(flow)
    found = time.copy()
    found[~paid] = np.iinfo(time.dtype).min
    paid[first[first < len(time)]] = True  # earlier rows belong to another client
    sources, others = np.flatnonzero(paid), np.flatnonzero(~paid)
    before = others - np.arange(1, len(others) + 1)  # for each other row, the paid use before it
    found[others] = found.take(sources.take(before))
    return found
