"""Locating a source's mart: the source's own files, or those that its mapping creates from them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from custdyn_widgets.mart.reading.fingerprint import Stamp, stamp
from custdyn_widgets.mart.sources import Source
from custdyn_widgets.mart.synced import read_record


class LocatedMart(NamedTuple):
    """A mart's folder or file, and the stamp of the files that it was created from.

    `sentences` describes what a mapping left out or rounded. `is_written_by_us` is True if a mapping or a
    sync wrote the files.
    """

    path: Path
    stamp: Stamp
    sentences: tuple[str, ...]
    is_written_by_us: bool


def locate(source: Source) -> LocatedMart:
    """Locate a source's mart; run the source's mapping if it has one and its files have changed.

    Raises
    ------
    SourceError
        If one of the source's files or its mapping cannot be read, or the mapping fails.
    """
    if source.mapping is None and source.system is None:
        record = read_record(source.path)
        recorded = tuple(record.sentences) if record else ()
        return LocatedMart(source.path, stamp(source.path), recorded, record is not None)
    from custdyn_widgets.mart.mapping.mapped import mapped_mart, sentences  # imported late: rarely needed

    path, found = mapped_mart(source)
    return LocatedMart(path, found, tuple(sentences(path)), True)
