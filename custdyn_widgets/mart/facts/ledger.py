"""Checking a ledger and sorting it by client, piece by piece on all cores.

Most ledgers have no faults, so each piece is read, checked, added to the runs and freed. At the first sign of
a fault, this stops, and the caller reads the entire mart to report every fault.

The checks are the same in both cases, except for those that span pieces: whether ids are unique, and whether
a balance might exceed an int64.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from custdyn_widgets import progress
from custdyn_widgets.mart import columns
from custdyn_widgets.mart.checking.balances import largest_amount, might_overflow
from custdyn_widgets.mart.checking.checked import CheckedTable
from custdyn_widgets.mart.checking.checks import BatchCheck
from custdyn_widgets.mart.checking.distinct_ids import DistinctIds
from custdyn_widgets.mart.checking.values import MICROS
from custdyn_widgets.mart.columns import Codes, positions
from custdyn_widgets.mart.facts.by_client import (
    Merged,
    Packages,
    Rows,
    SortedRuns,
    Times,
    fit_uint32,
    threads,
)
from custdyn_widgets.mart.facts.flow_class import flow_classes
from custdyn_widgets.mart.facts.large_arrays import LargeArrays
from custdyn_widgets.mart.reading.stored import Piece, StoredLedger

T = TypeVar("T")


@dataclass(frozen=True)
class Ledger:
    """A ledger sorted by client, and the package ids by code."""

    rows: Merged
    packages: tuple[str, ...]


@dataclass(frozen=True)
class _Batch:
    """A summary of a batch without faults.

    Attributes
    ----------
    rows
        The rows of the ledger in this batch.
    packages
        The package ids by code.
    largest
        The largest absolute amount.
    """

    rows: slice
    packages: tuple[str, ...]
    largest: int


def package_ids(ledger: CheckedTable) -> tuple[str, ...]:
    """Return the sorted package ids in a ledger."""
    ids = columns.as_text(columns.decoded(pc.unique(ledger.columns["package_id"])))
    named = ids.filter(pa.array(~columns.blanks(ids)))
    return tuple(sorted(set(named.to_pylist())))  # a dictionary may contain duplicates


def no_ledger(client_count: int, packages: Sequence[str]) -> Ledger:
    """Return a ledger without rows."""
    types = (np.uint32, np.int64, np.uint8, type_of_codes(packages), np.uint32)
    rows = Merged(np.zeros(client_count + 1, np.int64), *(np.zeros(0, kind) for kind in types))
    return Ledger(rows, tuple(packages))


def whole_ledger(table: CheckedTable, place: Codes, packages: Sequence[str]) -> Ledger:
    """Sort a ledger without faults that was read completely.

    Parameters
    ----------
    table
        The ledger.
    place
        For each row of the clients table, its place in the order of clients.
    packages
        The package ids by code.
    """
    seconds = table.columns["at"] // MICROS
    kind = np.uint32 if fit_uint32(seconds) else np.int64
    codes = positions(table.columns["package_id"], packages).astype(type_of_codes(packages))
    rows = coded_rows(table, seconds.astype(kind), place, codes)
    return Ledger(sort_rows(rows, len(place)), tuple(packages))


def sort_rows(rows: Rows, client_count: int) -> Merged:
    """Sort rows that are in memory by client and time."""
    runs = SortedRuns(len(rows), client_count, rows.time.dtype, rows.package.dtype)
    runs.put(0, rows)
    return runs.merged()


def coded_rows(table: CheckedTable, seconds: Times, place: Codes, package: Packages) -> Rows:
    """Return the rows of a ledger without faults, with codes instead of text; see `whole_ledger`."""
    amount = table.columns["amount"]
    flow = flow_classes(table.codes["kind"], amount)
    return Rows(place.take(table.codes["client_id"]), seconds, amount, flow, package)


def type_of_codes(packages: Sequence[str] | None) -> np.dtype[Any]:
    """Return the smallest integer type for -1 and all package codes, or int32 if these are unknown."""
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
        As in `whole_ledger`; if `packages` is None, use those in the ledger.

    Returns
    -------
    The ledger, or None if it may have faults or if a time needs more than 32 bits.

    Raises
    ------
    SourceError
        If the ledger cannot be read.
    """
    progress.step("Reading and checking the transactions", 0.4)
    runs = SortedRuns(stored.count, len(place), np.uint32, type_of_codes(packages))
    ids = DistinctIds(stored.count, stored.first_row, LargeArrays().empty)
    work = _LedgerWork(stored, others, place, packages, runs, BatchCheck(others), ids)
    found: list[_Batch] = []
    with closing(_in_threads(work.process, stored.pieces)) as results:
        for done, batches in enumerate(results, start=1):
            if batches is None:
                return None
            found += batches
            progress.step("Reading and checking the transactions", 0.4 + 0.3 * done / len(stored.pieces))
    pa.default_memory_pool().release_unused()
    if not found or not _is_complete(stored, found):
        return None
    progress.step("Comparing transaction ids", 0.7)
    if not ids.differ(stored.pieces):
        return None
    progress.step("Grouping the transactions by client", 0.8)
    named = _unify_package_codes(runs, found)
    rows = runs.merged(type_of_codes(named))
    return None if work.balances_might_overflow(rows, found) else Ledger(rows, named)


def _in_threads(work: Callable[[Piece], T], pieces: Sequence[Piece]) -> Generator[T]:
    """Yield the result for each piece in order; when closed, cancel pieces not yet started."""
    pool = ThreadPoolExecutor(threads())
    try:
        for future in [pool.submit(work, piece) for piece in pieces]:
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


@dataclass(frozen=True)
class _LedgerWork:
    """Processes the pieces of a ledger; the first attributes are the parameters of `checked_ledger`."""

    stored: StoredLedger
    others: Mapping[str, CheckedTable]
    place: Codes
    packages: Sequence[str] | None
    runs: SortedRuns
    check: BatchCheck
    ids: DistinctIds

    def process(self, piece: Piece) -> list[_Batch] | None:
        """Add the rows of a piece to the runs; return None if a batch has faults or times beyond 32 bits."""
        found = []
        for stored in piece():
            table, faults = self.check.read(stored)
            seconds = table.columns["at"] // MICROS
            first = stored.first_row - self.stored.first_row
            if faults or not fit_uint32(seconds) or first + len(table) > self.stored.count:
                return None
            packages = package_ids(table) if self.packages is None else self.packages
            codes = self._package_codes(table, packages)
            self.runs.put(first, coded_rows(table, seconds.astype(np.uint32), self.place, codes))
            self.ids.add(stored.first_row, table.columns["transaction_id"])
            largest = largest_amount(table.columns["amount"])
            found.append(_Batch(slice(first, first + len(table)), tuple(packages), largest))
        return found

    def _package_codes(self, table: CheckedTable, packages: Sequence[str]) -> Packages:
        """Return the package code of each row; if there is a table, reuse the codes from its check."""
        if "packages" not in self.others:
            return positions(table.columns["package_id"], packages)
        codes = positions(self.others["packages"].columns["package_id"], packages)
        of_table = np.append(codes, -1).astype(type_of_codes(self.packages))
        return of_table.take(table.codes["package_id"], mode="wrap")  # -1 (none) takes the last code

    def balances_might_overflow(self, rows: Merged, batches: Sequence[_Batch]) -> bool:
        """Return whether a balance might exceed the range of an int64."""
        opening = self.others["clients"].columns["opening_balance"]
        largest = max(batch.largest for batch in batches)
        return might_overflow(np.diff(rows.offset)[self.place], largest, opening)


def _is_complete(stored: StoredLedger, batches: Sequence[_Batch]) -> bool:
    """Return whether all rows were read; in a damaged row group, Arrow may silently stop early."""
    begins = [batch.rows.start for batch in batches]
    ends = [batch.rows.stop for batch in batches]
    return [*begins, stored.count] == [0, *ends]


def _unify_package_codes(runs: SortedRuns, batches: Sequence[_Batch]) -> tuple[str, ...]:
    """Change the package codes of all batches to those of one list of ids, and return the list."""
    packages = tuple(sorted(set().union(*(batch.packages for batch in batches))))
    for batch in batches:
        if batch.packages != packages:
            places = positions(pa.array(batch.packages, pa.large_string()), packages)
            codes = runs.package[batch.rows]
            codes[:] = np.append(places, np.int32(-1))[codes]
    return packages
