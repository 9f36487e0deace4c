"""Opening a source: its facts are built once and cached under a fingerprint of its files.

With `on_fault = "quarantine"`, faulty rows are left out of the facts and listed in a file in the cache folder
`quarantine`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import astuple, dataclass, replace
from pathlib import Path

from custdyn_widgets import progress
from custdyn_widgets.errors import CustDynError, SourceError
from custdyn_widgets.mart.checking.checked import CheckedMart
from custdyn_widgets.mart.checking.checks import check
from custdyn_widgets.mart.checking.notes import Note
from custdyn_widgets.mart.checking.quarantine import Quarantine, leave_out_faulty_rows
from custdyn_widgets.mart.facts import cache
from custdyn_widgets.mart.facts.facts import Facts, build, build_in_pieces
from custdyn_widgets.mart.facts.memory import keep_freed_memory
from custdyn_widgets.mart.reading.files import read_mart, source_name
from custdyn_widgets.mart.reading.fingerprint import Stamp, stamp
from custdyn_widgets.mart.reading.frames import from_frames
from custdyn_widgets.mart.reading.stored import StoredMart
from custdyn_widgets.mart.sources import Source, SourceLike, resolve_source
from custdyn_widgets.query import time_zone_data


@dataclass(frozen=True)
class OpenedMart:
    """An open source: its facts, its name, and the Unix time of the last change to its files.

    `warnings` are the sentences to show in every report.
    """

    facts: Facts
    name: str
    data_as_of: int | None
    warnings: tuple[str, ...] = ()


def open_mart(source: SourceLike) -> OpenedMart:
    """Open a source.

    Parameters
    ----------
    source
        A `Source`, a name in `sources.toml`, a folder of CSV or Parquet files, a DuckDB file, the word
        `demo`, or a dict of tables by name: pandas or Polars DataFrames, Arrow tables, DuckDB relations.

    Raises
    ------
    SourceError
        If the source does not exist, cannot be read, or keeps changing while it is read.
    MartError
        If the data has faults and the source does not quarantine them.
    SettingsError
        If `sources.toml` cannot be used.
    """
    keep_freed_memory()
    chosen = resolve_source(source)
    if isinstance(chosen.data, Mapping):
        stored = _read(chosen)
        return _opened(_build(stored, chosen, None), chosen.name or stored.name, None)
    path = _path(chosen)
    for _ in range(2):
        found = stamp(path)
        key = _key(found, chosen)
        entry = cache.load(key)
        if entry is None:
            entry = _build_unchanged(path, chosen, found)
            if entry is None:
                continue
            cache.store(key, entry)
        return _opened(entry, chosen.name or source_name(path), found.last_changed)
    raise SourceError.not_found(
        path.name, "kept changing while it was read; try again when the export is complete"
    )


def check_source(source: SourceLike) -> CheckedMart:
    """Read a source and find all its faults.

    Rows to quarantine are listed in a file, as for a report, and a note names the file.

    Raises
    ------
    SourceError
        If the source does not exist or cannot be read.
    """
    chosen = resolve_source(source)
    if isinstance(chosen.data, Mapping):
        key = None
    else:
        key = _key(stamp(_path(chosen)), chosen)
    stored = _read(chosen)
    mart = check(stored)
    if chosen.on_fault == "quarantine":
        _, left_out = leave_out_faulty_rows(mart)
        warning, listing = _listed(stored, chosen, key, left_out)
        mart = replace(mart, notes=[*mart.notes, *([Note(warning, "left_out")] if warning else [])])
        if listing:
            progress.note(f"The rows left out are listed in {listing}")
    return mart


def _key(found: Stamp, source: Source) -> str:
    dialect = source.dialect
    parts = (found.fingerprint, source.on_fault, *astuple(dialect), source.mapping, source.system)
    if dialect.timezone not in (None, "UTC"):  # times depend on the rules of clocks
        parts = (*parts, time_zone_data())
    return hashlib.sha256(repr(tuple(map(str, parts))).encode()).hexdigest()


def _read(source: Source) -> StoredMart:
    """Read the data of a resolved source, with its dialect."""
    stored = from_frames(source.data) if isinstance(source.data, Mapping) else read_mart(_path(source))
    return stored.in_dialect(source.dialect)


def _path(source: Source) -> Path:
    assert isinstance(source.data, Path)  # resolved
    return source.data


def _build_unchanged(path: Path, source: Source, found: Stamp) -> cache.CacheEntry | None:
    """Build facts from files; return None if the files changed during the build.

    A fault found in files that changed is ignored: it may come from mixing old and new tables.
    """
    try:
        entry = _build(_read(source), source, _key(found, source))
    except CustDynError:
        if stamp(path) == found:
            raise
        return None
    return entry if stamp(path) == found else None


def _build(stored: StoredMart, source: Source, key: str | None) -> cache.CacheEntry:
    """Build the facts of a mart, without faulty rows if the source quarantines them."""
    if facts := build_in_pieces(stored):
        return cache.CacheEntry(facts)
    mart, left_out = check(stored), None
    if source.on_fault == "quarantine":
        mart, left_out = leave_out_faulty_rows(mart)
    mart.refuse_faults()
    progress.step("Grouping the transactions by client", 0.7)
    return cache.CacheEntry(build(mart), *_listed(stored, source, key, left_out))


def _listed(
    stored: StoredMart, source: Source, key: str | None, left_out: Quarantine | None
) -> tuple[str, Path | None]:
    """Write the list of rows left out; return the warning for reports and the path of the list.

    DataFrames have no fingerprint, so their list is stored under its own hash.
    """
    if left_out is None:
        return "", None
    key = key or hashlib.sha256(left_out.listing).hexdigest()
    place = cache.store_listing(source.name or stored.name, key, left_out.listing)
    unlisted = " They could not be listed in a file because the cache is not writable."
    return left_out.warning + ("" if place else unlisted), place


def _opened(entry: cache.CacheEntry, name: str, changed: int | None) -> OpenedMart:
    if entry.listing:
        progress.note(f"The rows left out are listed in {entry.listing}")
    return OpenedMart(entry.facts, name, changed, (entry.warning,) if entry.warning else ())
