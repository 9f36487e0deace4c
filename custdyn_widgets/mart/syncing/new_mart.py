"""Checking a new mart in bounded memory before it replaces the old one.

Most marts have no faults, so the ledger is first read in batches, and only 8 bytes for each id are kept
in memory. At the first sign of a fault, the whole mart is checked, so that every fault is reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from custdyn_widgets import progress
from custdyn_widgets.errors import MartError, shown
from custdyn_widgets.files import write_whole
from custdyn_widgets.mart.checking.balances import largest_amount, might_overflow
from custdyn_widgets.mart.checking.checked import CheckedMart
from custdyn_widgets.mart.checking.checks import BatchCheck, check, check_others
from custdyn_widgets.mart.checking.distinct_ids import DistinctIds
from custdyn_widgets.mart.checking.faults import Fault
from custdyn_widgets.mart.checking.quarantine import leave_out_faulty_rows
from custdyn_widgets.mart.facts.ledger_pass import ids_depend_on_batch
from custdyn_widgets.mart.reading.files import read_mart
from custdyn_widgets.mart.reading.stored import StoredMart
from custdyn_widgets.mart.sources import Source
from custdyn_widgets.mart.synced import rejected_rows

_ZERO_DATE = "0000-00-00"


def check_new_mart(folder: Path, source: Source, name: str) -> None:
    """Check a new mart.

    Raises
    ------
    MartError
        If it has faults that the source does not quarantine or that cannot be quarantined.
    """
    stored = read_mart(folder)._replace(name=name).in_dialect(source.mart_dialect)
    if _has_no_faults(stored):
        return
    mart = check(stored)
    if source.on_fault == "quarantine":
        leave_out_faulty_rows(mart)
    elif mart.faults:
        end = f"The mart of {shown(name)} was not replaced."
        raise MartError(
            "\n".join([mart.summary().text(), *_zero_dates(mart.faults), *_listed(mart, name), end])
        )


def _listed(mart: CheckedMart, name: str) -> Iterator[str]:
    """List the rejected rows in a file that outlives the new mart, and yield a sentence with its path."""
    try:
        _, left_out = leave_out_faulty_rows(mart)
        if left_out is not None:
            write_whole(rejected_rows(name), left_out.listing, private=True)
            yield f"All rejected rows are listed in {rejected_rows(name)}"
    except (MartError, OSError):
        return


def _has_no_faults(stored: StoredMart) -> bool:
    """Return whether a mart definitely has no faults."""
    others = check_others(stored)
    if others.faults:
        return False
    checks = BatchCheck(others.tables)
    opening = others.tables["clients"].columns["opening_balance"]
    rows = np.zeros(len(opening), np.int64)
    ids = DistinctIds(stored.ledger.count, stored.ledger.first_row)
    largest = 0
    for piece in stored.ledger.pieces:
        done = int(rows.sum()) / max(stored.ledger.count, 1)
        progress.step("Checking the transactions", 0.9 * done)
        for batch in piece():
            table, faults = checks.read(batch)
            if faults or ids_depend_on_batch(batch, table.columns):
                return False
            ids.add(batch.first_row, table.columns["transaction_id"])
            rows += np.bincount(table.codes["client_id"], minlength=len(rows))
            largest = max(largest, largest_amount(table.columns["amount"]))
    progress.step("Comparing transaction ids", 0.9)
    is_complete = int(rows.sum()) == stored.ledger.count  # a damaged file may end early
    return is_complete and not might_overflow(rows, largest, opening) and ids.differ(stored.ledger.pieces)


def _zero_dates(faults: Iterable[Fault]) -> Iterator[str]:
    """Yield a remedy for each column with MySQL's zero dates."""
    found = (fault for fault in faults if fault.value.startswith(_ZERO_DATE))
    columns = {(fault.file.partition(".")[0], fault.column) for fault in found}
    for table, column in sorted(columns):
        yield (
            f"Zero dates stand for missing dates. In the {table} section of the mapping, write "
            f"NULLIF(…, 0) AS {column}."
        )
