"""Opening a source: its facts, built once and kept in the cache under a fingerprint of its files.

An entry is a folder of arrays that is written aside and renamed into place, so that it is whole or not
there, whoever builds at the same time and whoever is killed. It is never changed afterwards: when a file
of the source changes, the fingerprint is another one.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from custdyn_widgets import settings
from custdyn_widgets.errors import SourceError
from custdyn_widgets.mart.checked import CheckedMart
from custdyn_widgets.mart.checks import check
from custdyn_widgets.mart.facts import Facts, Names, build
from custdyn_widgets.mart.files import from_frames, read_folder, source_name, stamp

if TYPE_CHECKING:
    import pandas as pd

Source = str | Path | Mapping[str, "pd.DataFrame"]

FORMAT = 1
KEPT = 8  # entries; the one opened longest ago goes first
_ARRAYS = tuple(f.name for f in fields(Facts) if f.name != "names")


@dataclass(frozen=True)
class OpenedMart:
    """A source ready to be asked: its facts, its name, when its files last changed (in seconds)."""

    facts: Facts
    name: str
    data_as_of: int | None


def open_mart(source: Source) -> OpenedMart:
    """Open a source.

    Parameters
    ----------
    source
        A folder of CSV or Parquet files, the word `demo`, or a dict of DataFrames by the names of the tables.

    Raises
    ------
    SourceError
        If it is not there, cannot be read, or kept changing while it was read.
    MartError
        If the data has faults.
    """
    if isinstance(source, Mapping):
        return OpenedMart(build(check(from_frames(source))), "DataFrames", None)
    folder = source_folder(source)
    for _ in range(2):
        found = stamp(folder)
        facts = _load(found.fingerprint)
        if facts is None:
            facts = build(check(read_folder(folder)))
            if stamp(folder) != found:
                continue  # what was read may be half old and half new
            _store(found.fingerprint, facts)
        return OpenedMart(facts, source_name(folder), found.last_changed)
    raise SourceError.not_found(folder.name, "kept changing while it was read; try again when it is written")


def check_source(source: Source) -> CheckedMart:
    """Read a source and find every fault of it.

    Raises
    ------
    SourceError
        If it is not there or cannot be read.
    """
    if isinstance(source, Mapping):
        return check(from_frames(source))
    folder = source_folder(source)
    stamp(folder)  # says what keeps the files from being read
    return check(read_folder(folder))


def source_folder(source: str | Path) -> Path:
    """Return the folder of a source; the word `demo`, where no such folder is, makes the demo mart."""
    if not isinstance(source, (str, Path)):
        raise SourceError.not_found(str(source), "is not the path of a folder")
    try:
        folder = Path(source).expanduser()
        there = folder.exists()
    except (OSError, ValueError, RuntimeError):  # too long, or `~` of somebody unknown
        raise SourceError.not_found(str(source), "is not the path of a folder") from None
    if str(source) == "demo" and not there:
        return demo_folder()
    return folder


def last_midnight() -> datetime:
    """Return the latest midnight in UTC."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def demo_folder(as_of: datetime | None = None) -> Path:
    """Return the folder of the demo mart that ends at `as_of` (default: the latest midnight in UTC)."""
    at = as_of or last_midnight()
    folder = settings.load().cache / "demo" / at.strftime("demo-%Y%m%dT%H%M%SZ")
    if not folder.exists():
        from custdyn_widgets.mart.demo import write_demo

        write_demo(folder, at)
    return folder


def _entry(key: str) -> Path:
    return settings.load().cache / "facts" / f"v{FORMAT}-{key[:40]}"


def _load(key: str) -> Facts | None:
    """Return the facts of an entry, memory-mapped; None if it is not there or not whole."""
    entry = _entry(key)
    try:
        stored = json.loads((entry / "names.json").read_text(encoding="utf-8"))
        names = _names(stored)
        arrays: dict[str, Any] = {name: np.load(entry / f"{name}.npy", mmap_mode="r") for name in _ARRAYS}
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        return None
    with contextlib.suppress(OSError):  # a cache that one may only read
        os.utime(entry)  # for pruning: opened just now
    plain = {name: np.asarray(array) for name, array in arrays.items()}
    return Facts(**plain, names=names)


def _names(stored: dict[str, Any]) -> Names:
    return Names(
        currencies=tuple(stored["currencies"]),
        companies=tuple(stored["companies"]),
        owners=tuple(stored["owners"]),
        tags=tuple(stored["tags"]),
        packages=tuple((i, n) for i, n in stored["packages"]),
        parents=stored["parents"],
        quotes={c: tuple((d, q) for d, q in quotes) for c, quotes in stored["quotes"].items()},
        base=stored["base"],
    )


def _store(key: str, facts: Facts) -> None:
    """Write an entry. A cache that cannot be written only costs time, so it is no error."""
    entry = _entry(key)
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".building-", dir=entry.parent))
    except OSError:
        return
    try:
        for name in _ARRAYS:
            np.save(aside / f"{name}.npy", getattr(facts, name))
        names = {f.name: getattr(facts.names, f.name) for f in fields(Names)}
        (aside / "names.json").write_text(json.dumps(names), encoding="utf-8")
        if entry.exists() and _load(key) is None:
            shutil.rmtree(entry.rename(aside.with_name(f"{aside.name}-damaged")), ignore_errors=True)
        aside.rename(entry)
    except OSError:
        shutil.rmtree(aside, ignore_errors=True)  # no room, or another process was first
    _prune(entry.parent)


def _prune(folder: Path) -> None:
    """Remove the entries opened longest ago, and what a killed process left an hour ago."""
    try:
        opened = {path: path.stat().st_mtime for path in folder.iterdir()}
    except OSError:  # another process is pruning
        return
    entries = sorted(opened, key=lambda path: opened[path], reverse=True)
    whole = [p for p in entries if not p.name.startswith(".")]
    stale = [p for p in entries if p.name.startswith(".") and opened[p] < opened[entries[0]] - 3600]
    for entry in [*whole[KEPT:], *stale]:
        shutil.rmtree(entry, ignore_errors=True)
