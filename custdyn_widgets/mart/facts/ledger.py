"""The ledger, checked and brought in order of client piece by piece, on all cores.

Most ledgers have no fault, and then nothing needs to be held but what the facts need. So each piece is
read, checked and made a `Run`, and what was read is given back; at the first doubt all of this is given up,
and whoever asked reads the mart as a whole, which finds every fault and names it.

Both ways check with the same functions. What no piece can tell alone is found here: whether ids are unique
(they are if each is greater than the one before; else they are compared as a whole), and whether a balance
might leave an int64.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from custdyn_widgets import progress
from custdyn_widgets.mart import columns
from custdyn_widgets.mart.checking.balances import might_leave
from custdyn_widgets.mart.checking.checked import CheckedTable
from custdyn_widgets.mart.checking.checks import BatchCheck, rising
from custdyn_widgets.mart.checking.values import MICROS
from custdyn_widgets.mart.columns import Codes, positions
from custdyn_widgets.mart.facts.by_client import Merged, Packages, Rows, Runs, Times, fit, threads
from custdyn_widgets.mart.facts.flow_class import flow_classes
from custdyn_widgets.mart.reading.stored import Piece, StoredLedger

T = TypeVar("T")


@dataclass(frozen=True)
class Ledger:
    """A whole ledger by client, and the ids that its package codes count, in order."""

    rows: Merged
    packages: tuple[str, ...]


@dataclass(frozen=True)
class _Batch:
    """What is known of a batch without faults.

    Attributes
    ----------
    rows
        Which rows of the ledger it is.
    packages
        The ids that its package codes count.
    ids
        The first and the last transaction's.
    rises
        Whether each id is greater than the one before.
    largest
        The size of the largest amount.
    """

    rows: slice
    packages: tuple[str, ...]
    ids: tuple[str, ...]
    rises: bool
    largest: int


def package_ids(ledger: CheckedTable) -> tuple[str, ...]:
    """Return the packages that a ledger names, in order."""
    ids = columns.decoded(pc.unique(ledger.columns["package_id"]))
    named = ids.filter(pa.array(~columns.blanks(ids)))
    return tuple(sorted(set(named.to_pylist())))  # a dictionary may hold a text twice


def whole_ledger(table: CheckedTable, place: Codes, packages: Sequence[str]) -> Ledger:
    """Return a ledger without faults that was read as a whole.

    Parameters
    ----------
    table
        The ledger.
    place
        For each row of the table of clients, the client's place in the order.
    packages
        The ids that package codes count.
    """
    seconds = table.columns["at"] // MICROS
    kind = np.uint32 if fit(seconds) else np.int64
    runs = Runs(len(table), len(place), kind, _type_of_codes(packages))
    codes = positions(table.columns["package_id"], packages)
    runs.put(0, _rows(table, seconds.astype(kind), place, codes))
    return Ledger(runs.merged(), tuple(packages))


def _rows(table: CheckedTable, seconds: Times, place: Codes, package: Packages) -> Rows:
    amount = table.columns["amount"]
    flow = flow_classes(table.codes["kind"], amount)
    return Rows(place.take(table.codes["client_id"]), seconds, amount, flow, package)


def _type_of_codes(packages: Sequence[str] | None) -> np.dtype[Any]:
    """Return the least type that has a code for each package, and -1; of unknown packages, the largest."""
    return np.dtype(np.int32) if packages is None else np.min_scalar_type(-max(len(packages), 1))


def checked_ledger(
    stored: StoredLedger, others: Mapping[str, CheckedTable], place: Codes, packages: Sequence[str] | None
) -> Ledger | None:
    """Read, check and sort a ledger piece by piece.

    Parameters
    ----------
    stored
        The ledger as stored.
    others
        The other tables, without faults.
    place, packages
        As for `whole_ledger`; None for the packages that the ledger names.

    Returns
    -------
    None where anything may be wrong, or where a time needs more than 32 bits.

    Raises
    ------
    SourceError
        If the ledger cannot be read.
    """
    progress.step("Reading and checking the transactions", 0.4)
    runs = Runs(stored.count, len(place), np.uint32, _type_of_codes(packages))
    work = _Work(stored, runs, others, place, packages)
    found: list[_Batch] = []
    with closing(_in_threads(work.done_with, stored.pieces)) as results:
        for done, batches in enumerate(results, start=1):
            if batches is None:
                return None
            found += batches
            progress.step("Reading and checking the transactions", 0.4 + 0.3 * done / len(stored.pieces))
    pa.default_memory_pool().release_unused()
    if not found or not _in_sequence(stored, found) or not _all_different(stored, found):
        return None
    progress.step("Putting the transactions of each client together", 0.8)
    named = _one_coding(runs, found)
    rows = runs.merged(_type_of_codes(named))
    return None if work.balances_might_leave(rows, found) else Ledger(rows, named)


def _in_threads(work: Callable[[Piece], T], pieces: Sequence[Piece]) -> Generator[T]:
    """Yield the result of each piece, in order; once closed, begin no other piece."""
    pool = ThreadPoolExecutor(threads())
    try:
        for future in [pool.submit(work, piece) for piece in pieces]:
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


@dataclass(frozen=True)
class _Work:
    """What threads do with the pieces of a ledger; parameters as for `checked_ledger`."""

    stored: StoredLedger
    runs: Runs
    others: Mapping[str, CheckedTable]
    place: Codes
    packages: Sequence[str] | None

    def done_with(self, piece: Piece) -> list[_Batch] | None:
        """Put a piece's rows among the runs; None if a batch has a fault or an odd time."""
        check, found = BatchCheck(self.others), []
        for stored in piece():
            table, faults = check.read(stored)
            seconds = table.columns["at"] // MICROS
            first = stored.first_row - self.stored.first_row
            if faults or not fit(seconds) or first + len(table) > self.stored.count:
                return None
            packages = package_ids(table) if self.packages is None else self.packages
            codes = self._package_codes(table, packages)
            self.runs.put(first, _rows(table, seconds.astype(np.uint32), self.place, codes))
            found.append(_batch(table, slice(first, first + len(table)), tuple(packages)))
        return found

    def _package_codes(self, table: CheckedTable, packages: Sequence[str]) -> Packages:
        """Return the package code of each row; the check has looked the rows up where there is a table."""
        if "packages" not in self.others:
            return positions(table.columns["package_id"], packages)
        codes = positions(self.others["packages"].columns["package_id"], packages)
        of_table = np.append(codes, -1).astype(_type_of_codes(self.packages))
        return of_table.take(table.codes["package_id"], mode="wrap")  # -1 for none is the last one

    def balances_might_leave(self, rows: Merged, batches: Sequence[_Batch]) -> bool:
        """Return whether a balance might leave an int64."""
        opening = self.others["clients"].columns["opening_balance"]
        largest = max(batch.largest for batch in batches)
        return might_leave(np.diff(rows.offset)[self.place], largest, opening)


def _batch(table: CheckedTable, rows: slice, packages: tuple[str, ...]) -> _Batch:
    ids, amount = table.columns["transaction_id"], table.columns["amount"]
    largest = max(int(amount.max(initial=0)), -int(amount.min(initial=0)))
    ends = (ids[0].as_py(), ids[-1].as_py()) if len(ids) else ()
    return _Batch(rows, packages, ends, rising(ids), largest)


def _in_sequence(stored: StoredLedger, batches: Sequence[_Batch]) -> bool:
    """Return whether all rows came: Arrow may end a damaged group of rows early, and say nothing."""
    begins = [batch.rows.start for batch in batches]
    ends = [batch.rows.stop for batch in batches]
    return [*begins, stored.count] == [0, *ends]


def _all_different(stored: StoredLedger, batches: Sequence[_Batch]) -> bool:
    """Return whether no two transactions have the same id."""
    ends = [batch.ids for batch in batches if batch.ids]
    if all(one[1] < other[0] for one, other in pairwise(ends)) and all(batch.rises for batch in batches):
        return True
    progress.step("Comparing the transactions' ids", 0.7)
    ids = columns.as_text(columns.decoded(columns.plain(stored.whole(("transaction_id",)).data.column(0))))
    return len(pc.unique(ids)) == len(ids)


def _one_coding(runs: Runs, batches: Sequence[_Batch]) -> tuple[str, ...]:
    """Let the package codes of all batches count the same ids; return these."""
    packages = tuple(sorted(set().union(*(batch.packages for batch in batches))))
    for batch in batches:
        if batch.packages != packages:
            places = positions(pa.array(batch.packages, pa.large_string()), packages)
            codes = runs.package[batch.rows]
            codes[:] = np.append(places, np.int32(-1))[codes]
    return packages
