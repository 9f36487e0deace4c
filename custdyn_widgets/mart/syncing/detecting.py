"""Detecting the billing system of a database from the tables that shipped mappings read."""

from __future__ import annotations

from dataclasses import dataclass

from custdyn_widgets.mart.mapping.sql_file import shipped_mapping, shipped_systems
from custdyn_widgets.mart.schema import TABLES
from custdyn_widgets.mart.sources import GENERIC, Source
from custdyn_widgets.mart.syncing.access import login_for
from custdyn_widgets.mart.syncing.grants import tables_of
from custdyn_widgets.mart.syncing.opening import open_session
from custdyn_widgets.mart.syncing.problems import explained


@dataclass(frozen=True)
class DetectedSystem:
    """The billing system of a database, and the number of tables that its mapping reads."""

    system: str
    tables: int


def detect_system(source: Source) -> DetectedSystem | None:
    """Return the system whose shipped mapping reads only tables that a database has.

    If there are several, return the one whose mapping reads the most tables. `generic` means that the
    database has the tables of a mart; None means that the tables do not belong to any known system.

    Raises
    ------
    SourceError
        If the database cannot be read.
    """
    login = login_for(source)
    wanted = {GENERIC: [name for name, spec in TABLES.items() if spec.required]}
    for system, dialects in shipped_systems().items():
        if login.kind in dialects:
            wanted[system] = _names(tables_of(shipped_mapping(system, login.kind).selects.values()))
    with explained(login):
        session = open_session(login, None)
    with session, explained(login):
        existing = set(session.table_columns(sorted(set[str]().union(*wanted.values()))))
    known = {system: len(tables) for system, tables in wanted.items() if existing.issuperset(tables)}
    if not known:
        return None
    best = max(known, key=lambda system: known[system])
    return DetectedSystem(best, known[best])


def _names(tables: list[str]) -> list[str]:
    """Return the names of tables without their schemas or quotes."""
    return [table.rpartition(".")[2].strip('"`') for table in tables]
