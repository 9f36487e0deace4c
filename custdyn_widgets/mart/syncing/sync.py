"""Syncing a source: one transaction is read into a new mart, which is checked before it replaces the old one."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from custdyn_widgets import progress
from custdyn_widgets.errors import MartError, SourceError, nearest, shown
from custdyn_widgets.files import remove_folder
from custdyn_widgets.mart.checking.checks import check
from custdyn_widgets.mart.checking.faults import Fault
from custdyn_widgets.mart.checking.quarantine import leave_out_faulty_rows
from custdyn_widgets.mart.facts import cache
from custdyn_widgets.mart.facts.from_tables import build_in_pieces
from custdyn_widgets.mart.facts.memory import keep_freed_memory
from custdyn_widgets.mart.located import locate
from custdyn_widgets.mart.mapping.sql_file import Mapping as SqlMapping
from custdyn_widgets.mart.mapping.sql_file import read_mapping, shipped_mapping
from custdyn_widgets.mart.reading.files import read_mart
from custdyn_widgets.mart.schema import TABLES
from custdyn_widgets.mart.sources import Source, named_sources, resolve_source
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
from custdyn_widgets.mart.syncing.access import Login, login_for
from custdyn_widgets.mart.syncing.changes import Changes, changes_between
from custdyn_widgets.mart.syncing.generic import GENERIC, generic_mapping
from custdyn_widgets.mart.syncing.grants import grant_lines
from custdyn_widgets.mart.syncing.opening import open_session, quoter
from custdyn_widgets.mart.syncing.problems import explained
from custdyn_widgets.mart.syncing.session import Session
from custdyn_widgets.mart.syncing.tables import TableProgress, WrittenTable, plan, write_table

if TYPE_CHECKING:
    from sqlalchemy import Engine

_ZERO_DATE = "0000-00-00"
_READING, _CHECKED = 0.6, 0.85  # parts of all work


@dataclass(frozen=True)
class SyncResult:
    """What a sync read.

    Attributes
    ----------
    name
        The name of the source.
    record
        The record that is stored beside the mart.
    changes
        What changed since the sync before; None for the first one.
    """

    name: str
    record: SyncRecord
    changes: Changes | None = None

    def text(self) -> str:
        """Return the result for a terminal."""
        sizes = ", ".join(f"{rows:,} {table}" for table, rows in self.record.rows.items())
        lines = [self.changes.text()] if self.changes else []
        lines += [f"Note: {sentence}" for sentence in self.record.sentences]
        took = f"{self.record.duration_s:,.1f} seconds"
        return "\n".join([*lines, f"{self.name}: {sizes}. Read from {self.record.server} in {took}."])

    def to_dict(self) -> dict[str, Any]:
        """Return the result as a JSON object."""
        return {"source": self.name, **asdict(self.record)}


def sync_source(name: str, engine: Engine | None = None) -> SyncResult:
    """Read a source's database into its mart.

    The whole database is read in one read-only transaction. The new mart replaces the old one only if it has no
    faults, or if the source quarantines them.

    Parameters
    ----------
    name
        The name of a source in `sources.toml` with a `url`.
    engine
        A SQLAlchemy engine with the driver psycopg or PyMySQL, to connect with instead of the URL.

    Raises
    ------
    SourceError
        If there is no such source, the database cannot be read, or another sync of the source is running. The mart
        of the last sync is unchanged.
    MartError
        If the data has faults; its message summarizes them.
    """
    source = database_source(name)
    try:
        with sync_lock(name), new_version(name) as folder:
            return _sync(source, name, folder, engine)
    except OSError as error:
        raise SourceError(
            f"The mart of {shown(name)} cannot be written to {marts_folder()}: {_why(error)}. Free some space, or set "
            "CUSTDYN_MARTS to another folder. The mart of the last sync, if any, is unchanged.",
            field="marts",
        ) from error


def grants_for(name: str, engine: Engine | None = None) -> list[str]:
    """Return the GRANT statements that a source's mapping needs.

    Without a connection, the user is the one in the URL, on any host.

    Raises
    ------
    SourceError
        If there is no such source, or the mapping `generic` has no connection to find the tables with.
    """
    source = database_source(name)
    login = login_for(source)
    if source.system == GENERIC:
        mapping = SqlMapping(GENERIC, "", {table: f"SELECT * FROM {table}" for table in TABLES})  # noqa: S608
    else:
        mapping = _written_mapping(source, login)
    return grant_lines(login, mapping, _grantee(login), quoter(login))


def database_source(name: str) -> Source:
    """Return a named source that is a database.

    Raises
    ------
    SourceError
        If there is none.
    """
    named = named_sources()
    if name not in named:
        close = nearest(name, named, 1)
        hint = f" Did you mean {shown(close[0])}?" if close else ""
        raise SourceError(f"There is no source {shown(name)} in sources.toml.{hint}", field="source")
    if named[name].url is None:
        raise SourceError(
            f"Source {shown(name)} is not a database: reports read its files directly, so there is nothing to sync.",
            field="source",
        )
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
        mapping = _mapping(source, login, session)
        grants = partial(_grants, login, mapping, session.grantee())
        written = _read(session, login, mapping, folder, before, grants)
        sentences = _counts(session, login, mapping, grants)
    sentences += [line for table, of in written.items() for line in _residue_sentences(table, of)]
    with progress.part(_READING, _CHECKED):
        built = _checked(folder, source, name)
    digest = hashlib.sha256(mapping.text.encode()).hexdigest()
    changes = None
    if before is not None:
        progress.step("Comparing with the last sync", _CHECKED)
        changes = _changes(old, folder, sentences, same_mapping=digest == before.mapping_sha256)
    record = SyncRecord(
        read_at=int(session.read_at.timestamp()),
        rows={table: of.rows for table, of in written.items()},
        duration_s=round(time.monotonic() - began, 3),
        server=session.server,
        mapping=mapping.name,
        mapping_sha256=digest,
        sentences=sentences,
        changes=changes.to_dict() if changes else None,
    )
    (folder / RECORD).write_bytes(record.to_bytes())
    put_in_place(name, folder)
    if built:  # a report need not build them again
        found = resolve_source(name)
        cache.store(found.cache_key(locate(found).stamp.fingerprint), built)
    return SyncResult(name, record, changes)


def _mapping(source: Source, login: Login, session: Session) -> SqlMapping:
    if source.system != GENERIC:
        return _written_mapping(source, login)
    with explained(login, GENERIC):
        return generic_mapping(session, quoter(login))


def _written_mapping(source: Source, login: Login) -> SqlMapping:
    if source.mapping is not None:
        return read_mapping(source.mapping)
    assert source.system is not None
    return shipped_mapping(source.system, login.kind)


def _read(
    session: Session,
    login: Login,
    mapping: SqlMapping,
    folder: Path,
    before: SyncRecord | None,
    grants: Callable[[], str],
) -> dict[str, WrittenTable]:
    """Write every table of the mapping, after all of its SELECTs have been looked at."""
    plans = {}
    for table, select in mapping.selects.items():
        place = f"{mapping.name}, {table}"
        with explained(login, place, grants):
            plans[table] = plan(session, select, TABLES[table], place)
    expected = before.rows if before else {}
    weights = {table: max(expected.get(table, 1), 1) for table in plans}
    written: dict[str, WrittenTable] = {}
    for table, columns in plans.items():
        done = sum(weights[one] for one in written) / sum(weights.values())
        told = TableProgress(
            table, _READING * done, _READING * weights[table] / sum(weights.values()), expected.get(table, 0)
        )
        place = f"{mapping.name}, {table}"
        with explained(login, place, grants):
            written[table] = write_table(
                session,
                mapping.selects[table],
                TABLES[table],
                columns,
                folder / f"{table}.parquet",
                told,
                place,
            )
    if not written["clients"].rows:
        raise SourceError(
            f"{mapping.name}, clients: the SELECT returns no rows, so there is nothing to report on. Check that the "
            "url names the right database. The mart of the last sync, if any, is unchanged.",
            field="source",
        )
    return written


def _counts(session: Session, login: Login, mapping: SqlMapping, grants: Callable[[], str]) -> list[str]:
    sentences = []
    for count in mapping.counts:
        with explained(login, f"{mapping.name}, count “{count.sentence}”", grants):
            number = session.number(count.select)
        if number:
            sentences.append(count.sentence.replace("{n}", f"{number:,}"))
    return sentences


def _residue_sentences(table: str, written: WrittenTable) -> list[str]:
    return [
        f"{table}, {column}: {residue.count:,} amounts were rounded to 6 places, half to even; this took "
        f"{residue.total.normalize():f} in all."
        for column, residue in written.residues.items()
        if residue.count
    ]


def _checked(folder: Path, source: Source, name: str) -> cache.CacheEntry | None:
    """Check a new mart; return its facts if that built them.

    Raises
    ------
    MartError
        If it has faults and the source does not quarantine them.
    """
    stored = replace(read_mart(folder), name=name).in_dialect(source.dialect)
    if facts := build_in_pieces(stored):
        return cache.CacheEntry(facts)
    mart = check(stored)
    if source.on_fault == "quarantine":
        leave_out_faulty_rows(mart)  # raises if that is not possible
    elif mart.faults:
        lines = [
            mart.summary().text(),
            *_zero_dates(mart.faults),
            f"The mart of {shown(name)} was not replaced.",
        ]
        raise MartError("\n".join(lines))
    return None


def _zero_dates(faults: Iterable[Fault]) -> Iterator[str]:
    """Yield what to write in the mapping for each column with MySQL's zero dates."""
    columns = {
        (fault.file.partition(".")[0], fault.column) for fault in faults if fault.value.startswith(_ZERO_DATE)
    }
    for table, column in sorted(columns):
        yield (
            f"A zero date stands for none: in the section {table} of the mapping, write NULLIF(…, 0) AS {column}."
        )


def _changes(old: Path, new: Path, sentences: list[str], *, same_mapping: bool) -> Changes | None:
    """Compare with the mart of the last sync; if that mart is damaged, say so and go on."""
    import duckdb

    try:
        return changes_between(old, new, new / "spill", same_mapping=same_mapping)
    except (duckdb.Error, pa.ArrowException, OSError, KeyError):
        sentences.append("What changed since the last sync is unknown, because its mart cannot be read.")
        return None
    finally:
        remove_folder(new / "spill")


def _grants(login: Login, mapping: SqlMapping, grantee: str) -> str:
    return "\n".join(f"  {line}" for line in grant_lines(login, mapping, grantee, quoter(login)))


def _grantee(login: Login) -> str:
    if login.kind == "mysql":
        return f"'{login.user}'@'%'"
    return quoter(login)(login.user)


def _why(error: OSError) -> str:
    return error.strerror or str(error)
