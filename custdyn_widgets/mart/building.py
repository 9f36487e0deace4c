"""Building a source's facts, and checking sources.

With `on_fault = "quarantine"`, faulty rows are left out of the facts and listed in a file in the cache's
`quarantine` folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from custdyn_widgets import progress
from custdyn_widgets.errors import CustDynError, SourceError
from custdyn_widgets.mart.checking.checked import CheckedMart
from custdyn_widgets.mart.checking.checks import check
from custdyn_widgets.mart.checking.likely_mistakes.numbers import floats_in_memory
from custdyn_widgets.mart.checking.likely_mistakes.search import likely_mistakes
from custdyn_widgets.mart.checking.notes import Note
from custdyn_widgets.mart.checking.quarantine import Quarantine, leave_out_faulty_rows
from custdyn_widgets.mart.facts import cache
from custdyn_widgets.mart.facts.from_tables import build
from custdyn_widgets.mart.facts.in_pieces import BuiltMart, build_in_pieces, build_with_base
from custdyn_widgets.mart.facts.origin import Origin, find_base
from custdyn_widgets.mart.located import LocatedMart, locate
from custdyn_widgets.mart.reading.files import read_folder, read_mart
from custdyn_widgets.mart.reading.frames import from_frames
from custdyn_widgets.mart.reading.mart_files import files_with_status, source_name
from custdyn_widgets.mart.reading.stored import StoredMart
from custdyn_widgets.mart.sources import Source, SourceLike, resolve_source


def check_source(source: SourceLike) -> CheckedMart:
    """Read a source, and find all its faults and likely mistakes.

    Quarantined rows are listed in a file, as they are for a report, and a note names the file.

    Raises
    ------
    SourceError
        If the source does not exist, cannot be read, or keeps changing while it is read.
    """
    chosen = resolve_source(source)
    if isinstance(chosen.data, Mapping):
        return _checked(chosen, None)
    for _ in range(2):
        located = locate(chosen)
        try:
            mart = _checked(chosen, located)
        except CustDynError:
            if locate(chosen) == located:
                raise
            continue
        if locate(chosen) == located:
            return mart
    raise still_changing(chosen)


def still_changing(source: Source) -> SourceError:
    """Return the error for files that changed twice while being read."""
    return SourceError.not_found(
        source.path.name, "kept changing while it was read; try again when the export is complete"
    )


def _checked(chosen: Source, located: LocatedMart | None) -> CheckedMart:
    """Check tables in memory, or the files of a located mart."""
    if located is None:
        assert isinstance(chosen.data, Mapping)
        key, stored, sentences = None, from_frames(chosen.data).in_dialect(chosen.dialect), list[str]()
        files, written = list[Path](), None
    else:
        key, stored = chosen.cache_key(located.stamp.fingerprint), _read(located, chosen)
        sentences = list(located.sentences)
        files, written = _files(located, chosen), located.stamp.last_changed
    mart = check(stored)
    mart.notes += [Note(sentence, "mapping") for sentence in sentences]
    mart.notes += likely_mistakes(mart.tables, files, written)
    if chosen.on_fault == "quarantine":
        _, left_out = leave_out_faulty_rows(mart)
        warning, listing = _listed(stored, chosen, key, left_out)
        mart = replace(mart, notes=[*mart.notes, *([Note(warning, "left_out")] if warning else [])])
        if listing:
            progress.note(f"The rows left out are listed in {listing}")
    return mart


def build_in_memory(source: Source) -> tuple[cache.CacheEntry, str, str]:
    """Build facts from tables in memory, and return them with the source's name and a warning, or "".

    There is a warning if money is stored as floats, because users may pass the result of `pandas.read_sql` to
    a report without ever checking it.
    """
    assert isinstance(source.data, Mapping)
    stored = from_frames(source.data).in_dialect(source.dialect)
    return _build(stored, source, None), source.name or stored.name, floats_in_memory(stored)


def build_unchanged(mart: LocatedMart, source: Source) -> cache.CacheEntry | None:
    """Build facts from files; return None if the files changed during the build.

    If files changed during the build, faults are ignored: they may come from a mixture of old and new tables.
    """
    try:
        entry = _build_with_base(mart, source) or _build(_read(mart, source), source, mart)
    except CustDynError:
        if locate(source) == mart:
            raise
        return None
    return entry if locate(source) == mart else None


def _files(mart: LocatedMart, source: Source) -> list[Path]:
    """Return the files of a mart or, if it has a mapping, the files that the mapping reads."""
    if mart.path == source.path:
        return [path for parts in files_with_status(mart.path).values() for path, _ in parts]
    from custdyn_widgets.mart.mapping.mapped import mapped_files  # imported late: rarely needed

    return mapped_files(source.path)


def _read(mart: LocatedMart, source: Source, only: Collection[str] | None = None) -> StoredMart:
    """Read the mart of a resolved source in the source's dialect.

    `only` contains the names of the ledger's part files to read; None means all.
    """
    if only is None:
        stored = read_mart(mart.path, source.dialect)
    else:
        stored = read_folder(mart.path, source.dialect, only=only).in_dialect(source.dialect)
    stored = stored.named_by_table() if mart.is_written_by_us else stored
    return replace(stored, name=source.name or source_name(source.path))


def _build_with_base(mart: LocatedMart, source: Source) -> cache.CacheEntry | None:
    """Build facts from cached facts and the part files added since; return None if that is not possible."""
    base = find_base(_identity(mart, source), mart.stamp.parts)
    if base is None:
        return None
    try:
        built = build_with_base(_read(mart, source, base.added), base)
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
        return cache.CacheEntry(built.facts, *_listed(stored, source, key, built.left_out), origin)
    mart, left_out = check(stored), None
    for note in mart.notes:
        if note.kind == "guessed_dialect":
            progress.note(note)
    if leaves_out:
        mart, left_out = leave_out_faulty_rows(mart)
    mart.reject_faults()
    progress.step("Grouping the transactions by client", 0.7)
    return cache.CacheEntry(build(mart), *_listed(stored, source, key, left_out))


def _listed(
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
