"""Checks of a mart that involve several rows or tables: references, closing times and company trees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from custdyn_widgets.errors import shown
from custdyn_widgets.mart.checking import fault_kinds
from custdyn_widgets.mart.checking.checked import CheckedTable
from custdyn_widgets.mart.checking.faults import Fault
from custdyn_widgets.mart.positions import positions

# (table, column, referenced table, its key); references from a table come before references to it.
REFERENCES = (
    ("companies", "parent", "companies", "company"),
    ("clients", "company", "companies", "company"),
    ("transactions", "package_id", "packages", "package_id"),
    ("transactions", "client_id", "clients", "client_id"),
)


def unknown_references(tables: Mapping[str, CheckedTable]) -> Iterator[Fault]:
    """Yield a fault for each reference to a row that does not exist."""
    for table, column, other, key in REFERENCES:
        if table not in tables or not has_key(tables, other, key):
            continue
        given = tables[table]
        given.codes[column] = positions(given.columns[column], tables[other].columns[key])
        yield from unknown(given, column, tables[other])


def has_key(tables: Mapping[str, CheckedTable], other: str, key: str) -> bool:
    """Return whether a mart has this table, with the column that other tables refer to."""
    return other in tables and key in tables[other].stored.data.column_names


def unknown(table: CheckedTable, column: str, other: CheckedTable) -> Iterator[Fault]:
    """Yield a fault for each value of a column that, according to the codes, is not in another table."""
    missing = np.flatnonzero((table.codes[column] < 0) & ~table.blank[column])
    kind = fault_kinds.unknown_reference(other.stored.origin)
    yield from (table.fault(int(i), column, kind) for i in missing)


def early_closings(tables: Mapping[str, CheckedTable]) -> Iterator[Fault]:
    """Yield a fault for each client that was closed before it was created."""
    clients = tables["clients"]
    given = ~clients.blank["closed_at"] & ~clients.blank["created_at"]
    early = given & (clients.columns["closed_at"] < clients.columns["created_at"])
    kind = fault_kinds.EARLY_CLOSING
    yield from (clients.fault(int(i), "closed_at", kind) for i in np.flatnonzero(early))


def company_cycles(tables: Mapping[str, CheckedTable]) -> Iterator[Fault]:
    """Yield a fault for each company that is its own ancestor."""
    if "companies" not in tables:
        return
    table = tables["companies"]
    names = table.columns["company"].to_pylist()
    parents = dict(zip(names, table.columns["parent"].to_pylist(), strict=True))
    for i, name in enumerate(names):
        seen = set()
        at = parents.get(name, "")
        while at and at != name and at not in seen:
            seen.add(at)
            at = parents.get(at, "")
        if at and at == name:
            yield table.fault(i, "parent", fault_kinds.OWN_ANCESTOR, f"makes {shown(name)} its own ancestor")
