"""Syncing a source: reading a new mart in one transaction, and checking it before it replaces the old one."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from custdyn_widgets import progress
from custdyn_widgets.errors import SourceError, nearest, shown
from custdyn_widgets.files import remove_folder
from custdyn_widgets.mart.facts.memory import keep_freed_memory
from custdyn_widgets.mart.mapping.sql_file import Mapping as SqlMapping
from custdyn_widgets.mart.objects.address import is_object_address, object_address
from custdyn_widgets.mart.refused_addresses import reject_url
from custdyn_widgets.mart.schema import TABLES, size_words
from custdyn_widgets.mart.sources import GENERIC, Source, named_sources
from custdyn_widgets.mart.synced import (
    RECORD,
    SyncRecord,
    marts_folder,
    new_version,
    put_in_place,
    read_record,
    sync_lock,
    synced_folder,
)
from custdyn_widgets.mart.syncing.access import login_for
from custdyn_widgets.mart.syncing.changes import Changes, changes_between
from custdyn_widgets.mart.syncing.grants import grant_lines
from custdyn_widgets.mart.syncing.new_mart import check_new_mart
from custdyn_widgets.mart.syncing.opening import open_session, quoter
from custdyn_widgets.mart.syncing.problems import explained
from custdyn_widgets.mart.syncing.reading import Reading, mapping_of, written_mapping

if TYPE_CHECKING:
    from sqlalchemy import Engine

_READING, _CHECKED = 0.6, 0.85  # shares of the total progress


@dataclass(frozen=True)
class SyncResult:
    """The result of a sync.

    Attributes
    ----------
    name
        The name of the source.
    record
        The record stored next to the mart.
    changes
        The changes since the previous sync; None for the first one.
    """

    name: str
    record: SyncRecord
    changes: Changes | None = None

    def text(self) -> str:
        """Return the result as text for a terminal."""
        sizes = size_words(self.record.rows)
        lines = [self.changes.text()] if self.changes else []
        lines += [f"Note: {sentence}" for sentence in self.record.sentences]
        took = f"{self.record.duration_s:,.1f} seconds"
        return "\n".join([*lines, f"{self.name}: {sizes}. Read from {self.record.server} in {took}."])

    def to_dict(self) -> dict[str, Any]:
        """Return the result as a JSON object."""
        return {"source": self.name, **self.record._asdict()}


def sync_source(name: str, engine: Engine | None = None) -> SyncResult:
    """Read a source's database into its mart.

    The whole database is read in one read-only transaction. The new mart replaces the old one only if it has
    no faults, or if the source quarantines them.

    Parameters
    ----------
    name
        The name of a source in `sources.toml` that has a `url`.
    engine
        A SQLAlchemy engine with the psycopg or PyMySQL driver, used instead of the URL to connect.

    Raises
    ------
    SourceError
        If there is no such source, the database cannot be read, or another sync of the source is running. The
        mart from the last sync is unchanged.
    MartError
        If the data has faults; the message summarizes them.
    """
    source = database_source(name)
    try:
        with sync_lock(name), new_version(name) as folder:
            return _sync(source, name, folder, engine)
    except OSError as error:
        raise SourceError(
            f"The mart of {shown(name)} cannot be written to {marts_folder()}: {_why(error)}. Free some "
            "space, or set CUSTDYN_MARTS to another folder. "
            "The mart from the last sync, if any, is unchanged.",
            field="marts",
        ) from error


def grants_for(name: str) -> list[str]:
    """Return the GRANT statements that a source's mapping needs.

    The statements are for the user in the URL, connecting from any host. No connection to the database is
    needed.

    Raises
    ------
    SourceError
        If there is no such source, or its mapping cannot be read.
    """
    source = database_source(name)
    login = login_for(source)
    grantee = f"'{login.user}'@'%'" if login.kind == "mysql" else quoter(login)(login.user)
    if source.system != GENERIC:
        return grant_lines(login, written_mapping(source, login), grantee, quoter(login))
    needed, optional = (
        SqlMapping(
            GENERIC,
            "",
            {name: "FROM " + name for name, spec in TABLES.items() if spec.required is is_required},
        )
        for is_required in (True, False)
    )
    lines = grant_lines(login, needed, grantee, quoter(login))
    more = [line for line in grant_lines(login, optional, grantee, quoter(login)) if line not in lines]
    return [*lines, "-- Only for tables that exist:", *more]


def database_source(name: str) -> Source:
    """Return the source with this name, which must be a database.

    Raises
    ------
    SourceError
        If there is no such source, or it is not a database.
    """
    if is_object_address(name):
        object_address(name)  # raises an error if it contains a login
    else:
        reject_url(name)
    named = named_sources()
    if is_object_address(name) or (name in named and named[name].url is None):
        raise SourceError(
            f"Source {shown(name)} is not a database: reports read its files directly, so there is nothing "
            "to sync.",
            field="source",
        )
    if name not in named:
        close = nearest(name, named, 1)
        hint = f" Did you mean {shown(close[0])}?" if close else ""
        raise SourceError(f"There is no source {shown(name)} in sources.toml.{hint}", field="source")
    return named[name]


def _sync(source: Source, name: str, folder: Path, engine: Engine | None) -> SyncResult:
    keep_freed_memory()
    began = time.monotonic()
    login = login_for(source)
    if engine is not None:
        login = replace(login, password=engine.url.password or login.password)
    progress.step("Connecting to the database", 0.0)
    with explained(login):
        session = open_session(login, engine)
    old = synced_folder(name)
    before = read_record(old)
    with session:
        mapping = mapping_of(source, login, session)
        reading = Reading(session, login, mapping)
        rows = reading.write_tables(folder, before.rows if before else {}, _READING)
        sentences = [*reading.counts(), *reading.residues()]
    with progress.part(_READING, _CHECKED):
        check_new_mart(folder, source, name)
    digest = hashlib.sha256(mapping.text.encode()).hexdigest()
    changes = None
    if before is not None:
        progress.step("Comparing with the last sync", _CHECKED)
        changes = _changes(old, folder, sentences, same_mapping=digest == before.mapping_sha256)
    record = SyncRecord(
        read_at=int(session.read_at.timestamp()),
        rows=rows,
        duration_s=round(time.monotonic() - began, 3),
        server=session.server,
        mapping=mapping.name,
        mapping_sha256=digest,
        sentences=sentences,
        changes=changes.to_dict() if changes else None,
    )
    (folder / RECORD).write_bytes(record.to_bytes())
    put_in_place(name, folder)
    return SyncResult(name, record, changes)


def _changes(old: Path, new: Path, sentences: list[str], *, same_mapping: bool) -> Changes | None:
    """Compare the old and new marts; if the old one is damaged, append a sentence saying so."""
    import duckdb

    try:
        return changes_between(old, new, new / "spill", same_mapping=same_mapping)
    except (duckdb.Error, pa.ArrowException, OSError, KeyError):
        sentences.append("Changes since the last sync are unknown, because its mart cannot be read.")
        return None
    finally:
        remove_folder(new / "spill")


def _why(error: OSError) -> str:
    return error.strerror or str(error)
