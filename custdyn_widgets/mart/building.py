"""Building a source's facts.

With `on_fault = "quarantine"`, faulty rows are left out of the facts and listed in a file in the cache's
`quarantine` folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path

from custdyn_widgets import progress
from custdyn_widgets.errors import CustDynError, SourceError
from custdyn_widgets.mart.checking.checks import check
from custdyn_widgets.mart.checking.quarantine import Quarantine, leave_out_faulty_rows
from custdyn_widgets.mart.facts import cache
from custdyn_widgets.mart.facts.from_tables import build
from custdyn_widgets.mart.facts.in_pieces import BuiltMart, build_in_pieces, build_with_base
from custdyn_widgets.mart.facts.origin import Origin, find_base
from custdyn_widgets.mart.located import LocatedMart, locate
from custdyn_widgets.mart.reading.files import read_folder, read_mart
from custdyn_widgets.mart.reading.mart_files import source_name
from custdyn_widgets.mart.reading.stored import StoredMart
from custdyn_widgets.mart.sources import Source


def still_changing(source: Source) -> SourceError:
    """Return the error for files that changed twice while being read."""
    return SourceError.not_found(
        source.path.name, "kept changing while it was read; try again when the export is complete"
    )


def build_in_memory(source: Source) -> tuple[cache.CacheEntry, str, str]:
    """Build facts from tables in memory, and return them with the source's name and a warning, or "".

    There is a warning if money is stored as floats, because users may pass the result of `pandas.read_sql` to
    a report without ever checking it.
    """
    # Imported late: files do not need them.
    from custdyn_widgets.mart.checking.likely_mistakes.numbers import floats_in_memory
    from custdyn_widgets.mart.reading.frames import from_frames

    assert isinstance(source.data, Mapping)
    stored = from_frames(source.data).in_dialect(source.dialect)
    return _build(stored, source, None), source.name or stored.name, floats_in_memory(stored)


def build_unchanged(mart: LocatedMart, source: Source) -> cache.CacheEntry | None:
    """Build facts from files; return None if the files changed during the build.

    If files changed during the build, faults are ignored: they may come from a mixture of old and new tables.
    """
    try:
        entry = _build_with_base(mart, source) or _build(read_located(mart, source), source, mart)
    except CustDynError:
        if locate(source) == mart:
            raise
        return None
    return entry if locate(source) == mart else None


def read_located(mart: LocatedMart, source: Source, only: Collection[str] | None = None) -> StoredMart:
    """Read the mart of a resolved source in the source's dialect.

    `only` contains the names of the ledger's part files to read; None means all.
    """
    if only is None:
        stored = read_mart(mart.path, source.dialect)
    else:
        stored = read_folder(mart.path, source.dialect, only=only).in_dialect(source.dialect)
    stored = stored.named_by_table() if mart.is_written_by_us else stored
    return stored._replace(name=source.name or source_name(source.path))


def _build_with_base(mart: LocatedMart, source: Source) -> cache.CacheEntry | None:
    """Build facts from cached facts and the part files added since; return None if that is not possible."""
    base = find_base(_identity(mart, source), mart.stamp.parts)
    if base is None:
        return None
    try:
        built = build_with_base(read_located(mart, source, base.added), base)
    except CustDynError:  # the build from all files reports the error
        return None
    return cache.CacheEntry(built.facts, origin=_origin(mart, source, built)) if built else None


def _identity(mart: LocatedMart, source: Source) -> str:
    """Return a hash of a mart's location and of the settings that determine how it is read."""
    return source.cache_key(mart.stamp.place)


def _origin(mart: LocatedMart, source: Source, built: BuiltMart) -> Origin | None:
    """Return the origin of the facts, or None if no rows can be added to them later."""
    if built.ledger is None or not mart.stamp.parts:
        return None
    return Origin(_identity(mart, source), mart.stamp.parts, built.ledger)


def _build(stored: StoredMart, source: Source, located: LocatedMart | None) -> cache.CacheEntry:
    """Build the facts of a mart; leave out faulty rows if the source quarantines them."""
    leaves_out = source.on_fault == "quarantine"
    key = source.cache_key(located.stamp.fingerprint) if located else None
    if built := build_in_pieces(stored, leave_out_faults=leaves_out):
        origin = _origin(located, source, built) if located else None
        return cache.CacheEntry(built.facts, *list_left_out(stored, source, key, built.left_out), origin)
    mart, left_out = check(stored), None
    for note in mart.notes:
        if note.kind == "guessed_dialect":
            progress.note(note)
    if leaves_out:
        mart, left_out = leave_out_faulty_rows(mart)
    mart.reject_faults()
    progress.step("Grouping the transactions by client", 0.7)
    return cache.CacheEntry(build(mart), *list_left_out(stored, source, key, left_out))


def list_left_out(
    stored: StoredMart, source: Source, key: str | None, left_out: Quarantine | None
) -> tuple[str, Path | None]:
    """Write the list of quarantined rows; return the warning for reports and the list's path.

    Tables in memory have no fingerprint, so for them the list is stored under a hash of its own content.
    """
    if left_out is None:
        return "", None
    key = key or hashlib.sha256(left_out.listing).hexdigest()
    place = cache.store_listing(source.name or stored.name, key, left_out.listing)
    unlisted = " The rows could not be listed in a file because the cache is not writable."
    return left_out.warning + ("" if place else unlisted), place
