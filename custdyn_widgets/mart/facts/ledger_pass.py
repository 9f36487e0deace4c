"""One pass over a ledger: its rows are read, checked and sorted by client in several threads.

Each batch is added to the runs and then freed. Only the rows in doubt are kept as stored: those with
faults, those that refer to rows left out of other tables, and those whose ids need another pass. The
caller then checks only these rows.

The checks are the same as for tables in memory, except for those that span batches: whether ids are unique,
and whether a balance exceeds an int64.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from custdyn_widgets import progress
from custdyn_widgets.mart import columns
from custdyn_widgets.mart.arrow_arrays import from_texts, scalar
from custdyn_widgets.mart.checking.balances import largest_amount
from custdyn_widgets.mart.checking.checked import CheckedTable
from custdyn_widgets.mart.checking.checks import BatchCheck
from custdyn_widgets.mart.checking.distinct_ids import DistinctIds, EarlierIds, Keys
from custdyn_widgets.mart.checking.fault_kinds import NEAR_HEADING, NO_COLUMN
from custdyn_widgets.mart.checking.faults import Fault
from custdyn_widgets.mart.checking.other_formats import have_other_formats, may_have_other_formats
from custdyn_widgets.mart.checking.values import MICROS
from custdyn_widgets.mart.columns import Bools, Int64s
from custdyn_widgets.mart.facts.by_client import Packages, SortedRuns, fit_uint32, in_uint32
from custdyn_widgets.mart.facts.doubts import Doubt, Known, OtherTables
from custdyn_widgets.mart.facts.large_arrays import LargeArrays
from custdyn_widgets.mart.facts.ledger import Ledger, coded_rows, package_ids, type_of_codes
from custdyn_widgets.mart.facts.threads import in_threads, map_in_threads
from custdyn_widgets.mart.positions import positions
from custdyn_widgets.mart.reading.stored import StoredLedger, StoredTable

_NOT_INT64 = 2.0**63  # the smallest positive float that does not fit
_IN_HEADINGS = (NEAR_HEADING.code, NO_COLUMN.code)


class _Batch(NamedTuple):
    """A summary of a batch.

    Attributes
    ----------
    rows
        The positions of its rows in the runs.
    end
        The position after its last row, including rows in doubt.
    packages
        The package ids by code.
    largest
        The largest absolute amount.
    no_rows, doubtful
        The batch as stored: without its rows, and with only its rows in doubt, if there are any.
    may_have_other_formats
        Whether any of its faults may be due to values in a different format.
    ids_depend_on_batch
        Whether its ids could become different text if they were read with other rows.
    """

    rows: slice
    end: int
    packages: tuple[str, ...]
    largest: int
    no_rows: StoredTable
    doubtful: StoredTable | None
    may_have_other_formats: bool
    ids_depend_on_batch: bool


class LedgerPass(NamedTuple):
    """The result of a pass: the runs, and the rows in doubt."""

    stored: StoredLedger
    batches: Sequence[_Batch]
    runs: SortedRuns
    ids: DistinctIds

    @property
    def no_rows(self) -> StoredTable:
        """The ledger as stored, without its rows."""
        return self.batches[0].no_rows

    @property
    def doubtful(self) -> list[StoredTable]:
        """The rows in doubt, as stored, by batch."""
        return [batch.doubtful for batch in self.batches if batch.doubtful is not None]

    @property
    def may_have_other_formats(self) -> bool:
        """Whether any faults may be due to values in a different format."""
        return any(batch.may_have_other_formats for batch in self.batches)

    @property
    def ids_depend_on_batches(self) -> bool:
        """Whether any ids could become different text if all rows were read at once."""
        return any(batch.ids_depend_on_batch for batch in self.batches)

    @property
    def largest(self) -> int:
        """The largest absolute amount of the rows in the runs."""
        return max(batch.largest for batch in self.batches)

    def repeated_ids(self) -> Keys | None:
        """Return the keys of ids that may occur more than once; None if numbers and text are mixed."""
        progress.step("Comparing transaction ids", 0.7)
        return self.ids.repeated(self.stored.pieces)

    def sorted(self) -> Ledger:
        """Return the rows that are not in doubt, sorted by client."""
        progress.step("Grouping the transactions by client", 0.8)
        packages = _unify_package_codes(self.runs, self.batches)
        return Ledger(self.runs.merged(type_of_codes(packages)), packages)


def read_ledger(
    stored: StoredLedger, others: OtherTables, known: Known, earlier: EarlierIds | None = None
) -> LedgerPass | Doubt:
    """Read, check and sort a ledger piece by piece.

    `earlier` contains the ids of earlier rows, which the ledger's ids must not repeat.

    Raises
    ------
    SourceError
        If the ledger cannot be read.
    """
    progress.step("Reading and checking the transactions", 0.4)
    time_type = np.int64 if known.has_early_or_late_times else np.uint32
    runs = SortedRuns(stored.count, others.client_count, time_type, type_of_codes(others.packages))
    ids = DistinctIds(
        stored.count, stored.first_row, LargeArrays().empty, as_text=known.ids_as_text, earlier=earlier
    )
    work = _LedgerWork(stored, others, known, runs, BatchCheck(others.tables), ids)
    found: list[_Batch] = []
    with closing(work.process_all()) as results:
        for done, batches in enumerate(results, start=1):
            if isinstance(batches, Doubt):
                return batches
            found += batches
            progress.step("Reading and checking the transactions", 0.4 + 0.3 * done / len(stored.pieces))
    pa.default_memory_pool().release_unused()
    if not found or not _is_complete(stored, found):
        return Doubt.ROWS
    return LedgerPass(stored, found, runs, ids)


def _until_doubt(batches: Iterable[_Batch | Doubt]) -> list[_Batch] | Doubt:
    """Return all batches, or the first doubt."""
    found = []
    for batch in batches:
        if isinstance(batch, Doubt):
            return batch
        found.append(batch)
    return found


class _LedgerWork(NamedTuple):
    """Processes the pieces of a ledger."""

    stored: StoredLedger
    others: OtherTables
    known: Known
    runs: SortedRuns
    check: BatchCheck
    ids: DistinctIds

    def process_all(self) -> Generator[list[_Batch] | Doubt]:
        """Yield the result for each piece: its batches, or why it must be read in another way."""
        if len(self.stored.pieces) != 1:
            yield from in_threads(
                lambda piece: _until_doubt(map(self._process_batch, piece())), self.stored.pieces
            )
            return
        [piece] = self.stored.pieces  # one thread would not use all cores: read here, check in threads
        with closing(map_in_threads(self._process_batch, piece())) as batches:
            yield _until_doubt(batches)

    def _process_batch(self, stored: StoredTable) -> _Batch | Doubt:
        """Add the rows of a batch to the runs, except those in doubt."""
        table, faults = self.check.read(stored)
        if stored.first_row - self.stored.first_row + len(table) > self.stored.count:
            return Doubt.ROWS
        if faults and not self.known.is_guessed and have_other_formats({"transactions": stored}):
            return Doubt.FORMAT
        seconds = table.columns["at"] // MICROS
        if not self.known.has_early_or_late_times and _has_early_or_late_times(table, seconds, faults):
            return Doubt.TIMES
        if self.known.repeated is None:
            self.ids.add(stored.first_row, table.columns["transaction_id"])
        return self._added(stored, table, seconds, faults)

    def _added(
        self, stored: StoredTable, table: CheckedTable, seconds: Int64s, faults: list[Fault]
    ) -> _Batch:
        """Add the rows of a batch to the runs, except those in doubt."""
        first, count = stored.first_row - self.stored.first_row, len(table)
        doubtful = self._doubtful(table, faults)
        apart = stored.rows(doubtful) if faults or doubtful.any() else None
        if doubtful.any():
            table, seconds = table.rows(~doubtful), seconds[~doubtful]
        packages = package_ids(table) if self.others.packages is None else self.others.packages
        if self.others.place is not None and not any(fault.kind.code in _IN_HEADINGS for fault in faults):
            codes = self._package_codes(table, packages)
            seconds = seconds.astype(self.runs.time_type)
            self.runs.put(first, coded_rows(table, seconds, self.others.place, codes))
        return _Batch(
            slice(first, first + len(table)),
            first + count,
            tuple(packages),
            largest_amount(table.columns["amount"]),
            stored.without_rows(),
            apart,
            may_have_other_formats(faults),
            ids_depend_on_batch(stored, table.columns),
        )

    def _doubtful(self, table: CheckedTable, faults: list[Fault]) -> Bools:
        """Return a mask of the rows in doubt."""
        found = np.zeros(len(table), np.bool_)
        if self.known.repeated is not None:
            keys = self.ids.keys(table.columns["transaction_id"])
            found |= np.isin(keys, self.known.repeated) & ~table.blank["transaction_id"]
        if len(self.known.kept):
            numbers = np.arange(len(table)) + table.stored.first_row
            found &= ~np.isin(numbers, self.known.kept)
        found[_faulty(table, faults)] = True
        for column, other in (("client_id", "clients"), ("package_id", "packages")):
            if other in self.others.left_out and self.others.left_out[other].any():
                lost = np.append(self.others.left_out[other], False)[table.codes[column]]
                found |= lost & ~table.blank[column]  # a blank refers to nothing, not to a row without an id
        return found

    def _package_codes(self, table: CheckedTable, packages: Sequence[str]) -> Packages:
        """Return each row's package code; if there is a packages table, reuse the codes from its check."""
        if self.others.packages is None:
            return positions(table.columns["package_id"], packages)
        codes = positions(self.others.tables["packages"].columns["package_id"], packages)
        of_table = np.append(codes, -1).astype(type_of_codes(self.others.packages))
        places = table.codes["package_id"].view(np.uint32)
        return of_table.take(places, mode="clip")  # as uint32, -1 (none) is clipped to the last code


def _has_early_or_late_times(table: CheckedTable, seconds: Int64s, faults: list[Fault]) -> bool:
    """Return whether any rows without faults have times that do not fit in 32 bits."""
    if fit_uint32(seconds):
        return False
    found = ~in_uint32(seconds) & ~table.blank["at"]
    found[_faulty(table, faults)] = False
    return bool(found.any())


def _faulty(table: CheckedTable, faults: list[Fault]) -> list[int]:
    """Return the positions of the rows that have faults."""
    return [table.position(fault) for fault in faults if fault.kind.code not in _IN_HEADINGS]


def ids_depend_on_batch(batch: StoredTable, read: Mapping[str, Any]) -> bool:
    """Return whether any ids are fractions or too large: others in the same batch are then read differently.

    `read` contains the columns as they were read: those that are integers now have no fractions.
    """
    for spec in batch.spec.columns:
        if spec.kind == "id" and spec.name in batch.data.column_names:
            if spec.name in read and pa.types.is_integer(read[spec.name].type):
                continue
            kind = batch.data.schema.field(spec.name).type
            if not (pa.types.is_floating(kind) or (pa.types.is_decimal(kind) and kind.scale > 0)):
                continue
            column = columns.plain(batch.data.column(spec.name))
            if pa.types.is_floating(kind):
                column = pc.if_else(pc.is_nan(column), scalar(None, kind), column)
                if pc.any(pc.greater_equal(pc.abs(column), scalar(_NOT_INT64, kind))).as_py():
                    return True
            if not columns.all_whole(column):
                return True
    return False


def _is_complete(stored: StoredLedger, batches: Sequence[_Batch]) -> bool:
    """Return whether all rows were read; in a damaged row group, Arrow may silently stop early."""
    begins = [batch.rows.start for batch in batches]
    ends = [batch.end for batch in batches]
    return [*begins, stored.count] == [0, *ends]


def _unify_package_codes(runs: SortedRuns, batches: Sequence[_Batch]) -> tuple[str, ...]:
    """Convert the package codes of all batches to positions in one list of ids, and return the list."""
    packages = tuple(sorted(set().union(*(batch.packages for batch in batches))))
    for batch in batches:
        if batch.packages != packages:
            places = positions(from_texts(batch.packages), packages)
            codes = runs.package[batch.rows]
            codes[:] = np.append(places, np.int32(-1))[codes]
    return packages
