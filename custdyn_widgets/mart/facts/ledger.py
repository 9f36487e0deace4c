"""The ledger, sorted by client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow.compute as pc

from custdyn_widgets.mart import columns
from custdyn_widgets.mart.arrow_arrays import from_bools
from custdyn_widgets.mart.checking.checked import CheckedTable
from custdyn_widgets.mart.checking.values import MICROS
from custdyn_widgets.mart.columns import Codes
from custdyn_widgets.mart.facts.by_client import (
    Merged,
    Packages,
    Rows,
    SortedRuns,
    Times,
    fit_uint32,
)
from custdyn_widgets.mart.facts.flow_class import flow_classes
from custdyn_widgets.mart.positions import positions


class Ledger(NamedTuple):
    """A ledger sorted by client, and the package ids by code."""

    rows: Merged
    packages: tuple[str, ...]


def package_ids(ledger: CheckedTable) -> tuple[str, ...]:
    """Return the sorted package ids in a ledger."""
    stored = ledger.columns["package_id"]
    distinct = pc.unique(columns.as_text(stored) if columns.is_uuid(stored.type) else stored)
    ids = columns.as_text(columns.decoded(distinct))
    named = ids.filter(from_bools(~columns.blanks(ids)))
    return tuple(sorted(set(named.to_pylist())))  # an Arrow dictionary may contain duplicates


def no_ledger(client_count: int, packages: Sequence[str]) -> Ledger:
    """Return a ledger without rows."""
    types = (np.uint32, np.int64, np.uint8, type_of_codes(packages), np.uint32)
    rows = Merged(np.zeros(client_count + 1, np.int64), *(np.zeros(0, kind) for kind in types))
    return Ledger(rows, tuple(packages))


def whole_ledger(table: CheckedTable, place: Codes, packages: Sequence[str]) -> Ledger:
    """Sort a ledger that has no faults and was read completely.

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
    """Sort in-memory rows by client and time."""
    runs = SortedRuns(len(rows), client_count, rows.time.dtype, rows.package.dtype)
    runs.put(0, rows)
    return runs.merged()


def coded_rows(table: CheckedTable, seconds: Times, place: Codes, package: Packages) -> Rows:
    """Return the rows of a ledger without faults, with codes instead of text; see `whole_ledger`."""
    amount = table.columns["amount"]
    flow = flow_classes(table.codes["kind"], amount)
    return Rows(place.take(table.codes["client_id"]), seconds, amount, flow, package)


def type_of_codes(packages: Sequence[str] | None) -> np.dtype[Any]:
    """Return the smallest integer type for -1 and all package codes, or int32 if the codes are unknown."""
    return np.dtype(np.int32) if packages is None else np.min_scalar_type(-max(len(packages), 1))
