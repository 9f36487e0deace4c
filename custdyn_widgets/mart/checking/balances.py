"""Find balances that, in millionths, do not fit in an int64."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from custdyn_widgets.mart.checking.checked import CheckedTable
from custdyn_widgets.mart.checking.fault_kinds import BALANCE_TOO_LARGE
from custdyn_widgets.mart.checking.faults import Fault
from custdyn_widgets.mart.checking.values import MICROS
from custdyn_widgets.mart.columns import Bools, Codes, Int64s

_SAFE = 2.0**62
_AT_ONCE = 2**22  # transactions


def balance_faults(tables: Mapping[str, CheckedTable], counts: Bools | None = None) -> Iterator[Fault]:
    """Yield a fault for each client whose balance exceeds the range of an int64 at the end of any second.

    Parameters
    ----------
    tables
        The checked clients and transactions tables, with codes for `client_id`.
    counts
        A mask of the transactions to include, or None to include all.
    """
    clients, ledger = tables["clients"], tables["transactions"]
    client, at, amount = ledger.codes["client_id"], ledger.columns["at"], ledger.columns["amount"]
    if counts is not None:
        client, at, amount = client[counts], at[counts], amount[counts]
    opening = clients.columns["opening_balance"]
    for i in overflowing(client, at // MICROS, amount, opening):
        yield clients.fault(i, "client_id", BALANCE_TOO_LARGE)


def overflowing(client: Codes, second: npt.NDArray[Any], amount: Int64s, opening: Int64s) -> Iterator[int]:
    """Yield the clients whose balance exceeds the range of an int64 at the end of any second.

    Parameters
    ----------
    client, second, amount
        Each transaction's client position, time in seconds and amount; transactions may be in any order.
    opening
        Each client's opening balance.
    """
    for i in _suspects(client, amount, opening):
        rows = np.flatnonzero(client == i)
        if _overflows(int(opening[i]), second[rows], amount[rows]):
            yield int(i)


def any_overflow(
    offset: Int64s, second: npt.NDArray[Any], amount: Int64s, opening: Int64s, largest: int
) -> bool:
    """Return whether any balance exceeds the range of an int64 at the end of any second.

    Parameters
    ----------
    offset
        The transactions of client i are `offset[i]:offset[i + 1]`.
    second, amount
        The time in seconds and the amount of each transaction.
    opening
        Each client's opening balance.
    largest
        The largest absolute amount.
    """
    counts = np.diff(offset)
    suspects = np.flatnonzero(_may_be_large(counts, largest, opening))
    if len(suspects):
        sizes = _sums_of_sizes(offset, amount)
        suspects = suspects[sizes[suspects] + np.abs(opening[suspects].astype(np.float64)) >= _SAFE]
    ends = np.cumsum(counts[suspects])
    begin = 0
    while begin < len(suspects):  # limits the number of transactions processed at once
        end = max(begin + 1, int(np.searchsorted(ends, ends[begin] - counts[suspects[begin]] + _AT_ONCE)))
        some = suspects[begin:end]
        rows = np.concatenate([np.arange(offset[i], offset[i + 1]) for i in some])
        client = np.repeat(np.arange(len(some), dtype=np.int32), counts[some])
        if any(True for _ in overflowing(client, second[rows], amount[rows], opening[some])):
            return True
        begin = end
    return False


def _sums_of_sizes(offset: Int64s, amount: Int64s) -> npt.NDArray[np.float64]:
    """Return the sum of the absolute amounts of each client, whose rows are consecutive."""
    sums = np.zeros(len(offset) - 1)
    filled = np.flatnonzero(np.diff(offset))
    begin = 0
    while begin < len(filled):  # limits the memory needed
        last = offset[filled[begin]] + _AT_ONCE
        end = max(begin + 1, int(np.searchsorted(offset[filled + 1], last, "right")))
        some, first = filled[begin:end], offset[filled[begin]]
        sizes = np.abs(amount[first : offset[some[-1] + 1]].astype(np.float64))
        sums[some] = np.add.reduceat(sizes, offset[some] - first)
        begin = end
    return sums


def might_overflow(rows: Int64s, largest: int, opening: Int64s) -> bool:
    """Return whether any balance might exceed the range of an int64.

    Parameters
    ----------
    rows
        Each client's number of transactions.
    largest
        The largest absolute amount.
    opening
        Each client's opening balance.
    """
    return bool(_may_be_large(rows, largest, opening).any())


def _may_be_large(rows: Int64s, largest: int, opening: Int64s) -> Bools:
    return rows * float(largest) + np.abs(opening.astype(np.float64)) >= _SAFE


def largest_amount(amount: Int64s) -> int:
    """Return the largest absolute amount, or 0 if there are no amounts."""
    return max(int(amount.max(initial=0)), -int(amount.min(initial=0)))


def _suspects(client: Codes, amount: Int64s, opening: Int64s) -> Int64s:
    """Return the clients whose absolute amounts could add up to more than a balance can hold."""
    rows = np.bincount(client, minlength=len(opening))
    if not might_overflow(rows, largest_amount(amount), opening):
        return np.empty(0, np.int64)
    sizes = np.bincount(client, np.abs(amount.astype(np.float64)), minlength=len(opening))
    return np.flatnonzero(sizes + np.abs(opening.astype(np.float64)) >= _SAFE)


def _overflows(balance: int, second: npt.NDArray[Any], amount: Int64s) -> bool:
    """Return whether a client's balance exceeds the range of an int64 at the end of any second."""
    order = np.argsort(second, kind="stable")
    ends = np.append(np.diff(second[order]) > 0, True)
    for value, end in zip(amount[order].tolist(), ends.tolist(), strict=False):
        balance += value
        if end and not -(2**63) <= balance < 2**63:
            return True
    return False
