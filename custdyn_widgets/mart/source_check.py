"""Checking a source: finding its faults and its likely mistakes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from custdyn_widgets import progress
from custdyn_widgets.errors import CustDynError
from custdyn_widgets.mart.building import list_left_out, read_located, still_changing
from custdyn_widgets.mart.checking.checked import CheckedMart
from custdyn_widgets.mart.checking.checks import check
from custdyn_widgets.mart.checking.likely_mistakes.search import likely_mistakes
from custdyn_widgets.mart.checking.notes import Note
from custdyn_widgets.mart.checking.quarantine import leave_out_faulty_rows
from custdyn_widgets.mart.located import LocatedMart, locate
from custdyn_widgets.mart.reading.frames import from_frames
from custdyn_widgets.mart.reading.mart_files import files_with_status
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


def _checked(chosen: Source, located: LocatedMart | None) -> CheckedMart:
    """Check tables in memory, or the files of a located mart."""
    if located is None:
        assert isinstance(chosen.data, Mapping)
        key, stored, sentences = None, from_frames(chosen.data).in_dialect(chosen.dialect), list[str]()
        files, written = list[Path](), None
    else:
        key, stored = chosen.cache_key(located.stamp.fingerprint), read_located(located, chosen)
        sentences = list(located.sentences)
        files, written = _files(located, chosen), located.stamp.last_changed
    mart = check(stored)
    mart.notes += [Note(sentence, "mapping") for sentence in sentences]
    mart.notes += likely_mistakes(mart.tables, files, written)
    if chosen.on_fault == "quarantine":
        _, left_out = leave_out_faulty_rows(mart)
        warning, listing = list_left_out(stored, chosen, key, left_out)
        mart = replace(mart, notes=[*mart.notes, *([Note(warning, "left_out")] if warning else [])])
        if listing:
            progress.note(f"The rows left out are listed in {listing}")
    return mart


def _files(mart: LocatedMart, source: Source) -> list[Path]:
    """Return the files of a mart or, if it has a mapping, the files that the mapping reads."""
    if mart.path == source.path:
        return [path for parts in files_with_status(mart.path).values() for path, _ in parts]
    from custdyn_widgets.mart.mapping.mapped import mapped_files  # imported late: rarely needed

    return mapped_files(source.path)
