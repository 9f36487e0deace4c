"""The kernel: `FlowSums.add` and `StockSums.add` in one pass over the rows, compiled by numba.

It computes the same integers without intermediate arrays. `fast` imports this module if numba is installed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from custdyn_widgets.engine.cells.flows import FlowTables
from custdyn_widgets.engine.cells.grid import CounterArrays
from custdyn_widgets.engine.cells.stocks import StockTables
from custdyn_widgets.engine.cells.sums import DenseSums
from custdyn_widgets.mart import Flows, Int64s, Packages

_HALF = 32
_LOW = (1 << _HALF) - 1
_LEVELS = 3
_STATES = 2 * _LEVELS
_NEW, _REACTIVATED, _LAPSED, _CLOSED, _FIRST_USE = range(5)
_Past = tuple[Any, Any, Any, Any, Any]  # NumPy or Python numbers; see `_stay`
# Reference counting (`_nrt`) is off because it would take longer than computing the sums.
_compiled = numba.njit(nogil=True, cache=True, error_model="numpy", _nrt=False)
_inlined = numba.njit(nogil=True, error_model="numpy", _nrt=False, forceinline=True)


class Ledger(NamedTuple):
    """The rows of all clients, as in `Facts`."""

    time: npt.NDArray[np.uint32]
    running: Int64s
    paid_at: npt.NDArray[np.uint32]
    flow: Flows
    package: Packages


class Clients(NamedTuple):
    """Clients that share a currency: their rows within the report, and their values, as in `Piece`."""

    begin: Int64s
    end: Int64s
    exists: Int64s
    closed: Int64s
    opening: Int64s
    group: Int64s
    running_before: Int64s
    paid_before: npt.NDArray[np.uint32]
    base: Int64s
    first_paid: Int64s


@_compiled
def add_clients(ledger: Ledger, clients: Clients, flows: FlowTables, stocks: StockTables) -> None:
    """Add the rows and the stays of clients to the sums."""
    for i in range(len(clients.begin)):
        if len(flows.joined):
            _add_joined(clients, i, flows)
        if len(stocks.movement):
            _count(stocks, _FIRST_USE, clients.group[i], _bucket(flows, stocks, clients.first_paid[i]))
        _add_client(ledger, clients, i, flows, stocks)


@_inlined
def _add_client(ledger: Ledger, clients: Clients, i: int, flows: FlowTables, stocks: StockTables) -> None:
    group, base, running = clients.group[i], clients.base[i], clients.running_before[i]
    begin, end, paid_at = clients.begin[i], clients.end[i], clients.paid_before[i]
    gone = _bucket(flows, stocks, clients.closed[i])
    low = min(_bucket(flows, stocks, clients.exists[i]), gone)
    past = (np.int64(-1), np.int64(0), False, False, np.int64(0))
    bucket, until, offset = np.int64(-1), np.int64(-1), np.int64(0)
    for row in range(begin, end + 1):
        entered = bucket
        if row == end:
            entered = np.int64(stocks.buckets)
        elif ledger.time[row] >= until:
            segment = _position(flows.segment_of, np.int64(ledger.time[row]))
            until = flows.segment_of.edges[segment]
            offset = group * flows.per_group + segment * flows.class_count
            entered = flows.bucket_of[segment]
        if entered != bucket:  # the previous row was the last one in its bucket
            high = min(entered, gone)
            if row > begin:
                paid_at = ledger.paid_at[row - 1]
            past = _stay(stocks, group, low, high, running + base, np.int64(paid_at), past)
            low, bucket = high, entered
        if row < end:
            amount = ledger.running[row] - running
            running = ledger.running[row]
            _add(flows.sums, offset + _class(ledger, row, amount, flows), 1, amount)
    left, balance, is_active, _, high = past
    _take(stocks.sums, _key(stocks, group, left, gone), balance)
    if len(stocks.movement) and is_active:
        _count(stocks, _CLOSED, group, high)


@_inlined
def _class(ledger: Ledger, row: int, amount: int, flows: FlowTables) -> np.int64:
    """Return the flow class of a row in this report."""
    flow = np.int64(ledger.flow[row])
    if len(flows.fee_counts) and flows.is_fee[flow] and not flows.fee_counts[ledger.package[row]]:
        flow = np.int64(flows.not_counted)
    return np.int64(flows.below[flow]) if amount < 0 else flow


@_inlined
def _stay(
    stocks: StockTables, group: int, low: int, high: int, balance: int, paid_at: int, past: _Past
) -> _Past:
    """Record a stay, and return the values needed to record the next one.

    These are the state and the balance at the end of this stay, and three values from the last nonempty stay:
    whether the client is active when that stay ends, whether it has had a paid use by then, and the first
    bucket after the stay.
    """
    before, balance_before, was_active, had_paid, end = past
    paid = paid_at > 0
    until = _position(stocks.reach, paid_at) if paid else np.int64(0)
    active = paid and until > low
    lapses = active and until < high
    state = np.int64(balance < 0) * _LEVELS + np.int64(paid) + np.int64(active)
    left = state - np.int64(lapses)
    if before == state:
        _add(stocks.sums, _key(stocks, group, state, low), 0, balance - balance_before)
    else:
        _add(stocks.sums, _key(stocks, group, state, low), 1, balance)
        if before >= 0:
            _take(stocks.sums, _key(stocks, group, before, low), balance_before)
    if lapses:
        _take(stocks.sums, _key(stocks, group, state, until), balance)
        _add(stocks.sums, _key(stocks, group, left, until), 1, balance)
    if len(stocks.movement) and low < high:
        if active and not was_active:
            _count(stocks, _REACTIVATED if had_paid else _NEW, group, low)
        if was_active and not active:
            _count(stocks, _LAPSED, group, low)
        if lapses:
            _count(stocks, _LAPSED, group, until)
        was_active, had_paid, end = active and not lapses, paid, high
    return left, balance, was_active, had_paid, end


@_inlined
def _add_joined(clients: Clients, i: int, flows: FlowTables) -> None:
    """Add the opening balance of a client if it was created before the report's end."""
    opening, exists = clients.opening[i], clients.exists[i]
    if opening != 0 and exists < flows.segment_of.edges[-1]:
        key = clients.group[i] * flows.per_group
        key += _position(flows.segment_of, exists) * flows.class_count + flows.joined[int(opening < 0)]
        _add(flows.sums, key, 0, opening)


@_inlined
def _position(counter: CounterArrays, at: np.int64) -> np.int64:
    """Return the number of edges at or before a time."""
    last = np.int64(len(counter.table) - 1)
    granule = np.int64((at >> counter.bits) - counter.first)
    granule = max(granule, np.int64(0))
    found = counter.table[min(granule, last)]
    if found >= 0:
        return np.int64(found)
    low, high = np.int64(0), np.int64(len(counter.edges))
    while low < high:
        middle = (low + high) >> 1
        if counter.edges[middle] <= at:
            low = middle + 1
        else:
            high = middle
    return low


@_inlined
def _bucket(flows: FlowTables, stocks: StockTables, at: np.int64) -> np.int64:
    """Return the bucket of a time, or the first bucket if the time is before all buckets."""
    if at >= flows.segment_of.edges[-1]:
        return np.int64(stocks.buckets)
    return np.int64(flows.bucket_of[_position(flows.segment_of, at)])


@_inlined
def _key(stocks: StockTables, group: int, state: int, bucket: int) -> int:
    return (group * _STATES + state) * (stocks.buckets + 1) + bucket


@_inlined
def _count(stocks: StockTables, kind: int, group: int, bucket: int) -> None:
    stocks.movement[(kind * stocks.groups + group) * (stocks.buckets + 1) + bucket] += 1


@_inlined
def _add(sums: DenseSums, key: int, count: int, amount: int) -> None:
    low = sums.low[key] + (amount & _LOW)
    sums.counts[key] += count
    sums.high[key] += (amount >> _HALF) + (low >> _HALF)
    sums.low[key] = low & _LOW


@_inlined
def _take(sums: DenseSums, key: int, amount: int) -> None:
    low = sums.low[key] - (amount & _LOW)
    sums.counts[key] -= 1
    sums.high[key] += (low >> _HALF) - (amount >> _HALF)
    sums.low[key] = low & _LOW
