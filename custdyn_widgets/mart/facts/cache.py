"""The cache of facts: memory-mapped arrays, with the warning and the list of rows left out.

An entry is a folder that is written under a temporary name and then renamed, so it is either complete or
absent even if several processes build it or one is killed. It never changes afterwards, and an entry that
does not match its seal is rebuilt (`sealed.py`). Checksums are verified once per process.

If the ledger is a folder of part files, an entry also contains the origin of its facts. When parts are added,
only those are read, and the other rows come from the entry (`origin.py`).

The last entry opened stays mapped: mapping it again would take a seventh as long as a small report.

The size of the cache is limited: the least recently opened entries are removed first.

An entry is written in a thread while its facts are already in use. The process waits for that thread before
exiting or opening another source.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from custdyn_widgets import settings
from custdyn_widgets.files import write_whole
from custdyn_widgets.mart.facts.facts import Facts, Names
from custdyn_widgets.mart.facts.sealed import DAMAGED, SealedFolder, write_sealed

if TYPE_CHECKING:
    from custdyn_widgets.mart.facts.origin import Origin

# Also increase this if values are checked or read differently: cached facts are not checked again.
FORMAT = 11
KEPT = 16  # entries
KEPT_BYTES = 20 * 10**9
KEPT_LISTINGS = 64
ARRAYS = tuple(f.name for f in fields(Facts) if f.name != "names")
_NAMES = "names.json"
_BUILDING = ".building-"
_ABANDONED = 3600  # seconds
_VERIFIED: set[tuple[Path, str]] = set()  # entries and their seals
_OPEN: dict[tuple[Path, str], CacheEntry] = {}  # the last entry opened
_STORING: dict[Path, tuple[threading.Thread, CacheEntry]] = {}
_LOCK = threading.Lock()  # guards `_STORING`


class CacheEntry(NamedTuple):
    """Facts, the warning about rows left out, and the file that lists those rows, if any.

    `origin` is set only for new facts to which rows can be added later.
    """

    facts: Facts
    warning: str = ""
    listing: Path | None = None
    origin: Origin | None = None


def load(key: str) -> CacheEntry | None:
    """Return an entry with memory-mapped arrays, or None if it is missing or damaged, or lacks its listing.

    An entry that this process is still storing is returned from memory.
    """
    folder = _folder(key)
    with _LOCK:
        _, entry = _STORING.get(folder, (None, None))
    if entry:
        return entry if _is_listed(entry) else None
    finish_storing()
    return _load(folder)


def store(key: str, entry: CacheEntry) -> None:
    """Start a thread that writes an entry; a failure only costs time later, so it is not an error."""
    folder = _folder(key)
    finish_storing()
    with _LOCK:
        if folder in _STORING:  # another thread built the same entry
            return
        thread = threading.Thread(target=_store_and_forget, args=(folder, entry), name="custdyn facts")
        thread.start()  # started first: an interrupt must not leave an unstarted thread in `_STORING`
        _STORING[folder] = thread, entry


def finish_storing() -> None:
    """Wait until this process has stored its entries."""
    with _LOCK:
        threads = [thread for thread, _ in _STORING.values()]
    for thread in threads:
        thread.join()


def _store_and_forget(folder: Path, entry: CacheEntry) -> None:
    try:
        _store(folder, entry)
    finally:
        with _LOCK:
            _STORING.pop(folder, None)


def _load(folder: Path) -> CacheEntry | None:
    try:
        sealed = SealedFolder.opened(folder)
        entry = _OPEN.get((folder, sealed.seal)) or opened_entry(sealed)
    except DAMAGED:
        return None
    if not _is_listed(entry):
        return None
    for used in filter(None, (folder, entry.listing)):
        with contextlib.suppress(OSError):  # the cache may be read-only
            os.utime(used)  # mark it as opened, for pruning
    _OPEN.clear()
    _OPEN[folder, sealed.seal] = entry
    return entry


def _is_listed(entry: CacheEntry) -> bool:
    """Return whether an entry's listing exists, or True if the entry has none."""
    return entry.listing is None or entry.listing.is_file()


def entry_folders() -> list[Path]:
    """Return the folders of all entries."""
    return list(_all_facts().glob(f"v{FORMAT}-*"))


def opened_entry(folder: SealedFolder) -> CacheEntry:
    """Return an entry whose files are mapped; raise one of `DAMAGED` if it is damaged."""
    text = folder.text(_NAMES)
    arrays = {name: folder.array(name) for name in ARRAYS}
    if (folder.path, folder.seal) not in _VERIFIED:
        folder.verify(arrays, {_NAMES: text})
    stored = json.loads(text)
    listing = _listings(folder.path.parents[1]) / stored["listing"] if stored["listing"] else None
    entry = CacheEntry(Facts(**arrays, names=_names(stored["names"])), stored["warning"], listing)
    _VERIFIED.add((folder.path, folder.seal))
    return entry


def _store(folder: Path, entry: CacheEntry) -> None:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=_BUILDING, dir=folder.parent))
    except OSError:
        return
    try:
        arrays = {name: getattr(entry.facts, name) for name in ARRAYS}
        names = {name: getattr(entry.facts.names, name) for name in Names._fields}
        listing = entry.listing.name if entry.listing else None
        content = {"names": names, "warning": entry.warning, "listing": listing}
        texts = {_NAMES: json.dumps(content).encode("ascii")}
        if entry.origin:
            arrays, texts = arrays | entry.origin.arrays(), texts | entry.origin.texts()
        write_sealed(temporary, arrays, texts)
        if folder.exists() and _load(folder) is None:
            shutil.rmtree(folder.rename(temporary.with_name(f"{temporary.name}-damaged")), ignore_errors=True)
        temporary.rename(folder)
    except OSError:
        shutil.rmtree(temporary, ignore_errors=True)  # the disk is full, or another process was first
    _prune(folder.parent)


def store_listing(name: str, key: str, content: bytes) -> Path | None:
    """Write the list of rows left out, and return its path, or None if the cache is not writable."""
    place = _listings(settings.load().cache) / f"{re.sub(r'[^A-Za-z0-9._-]', '_', name)[:60]}-{key[:12]}.csv"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        write_whole(place, content, private=True, lasting=False)
        _remove(_by_use(place.parent)[KEPT_LISTINGS:])
    except OSError:
        return None
    return place


def _folder(key: str) -> Path:
    return _all_facts() / f"v{FORMAT}-{key[:40]}"


def _all_facts() -> Path:
    return settings.load().cache / "facts"


def _listings(cache: Path) -> Path:
    return cache / "quarantine"


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


def _prune(folder: Path) -> None:
    """Remove the least recently opened entries, and leftovers from processes killed over an hour ago."""
    with contextlib.suppress(OSError):  # another process is pruning
        found = _by_use(folder)
        newest = found[0].stat().st_mtime if found else 0
        begun = [path for path in found if path.name.startswith(".")]
        _remove(path for path in begun if path.stat().st_mtime < newest - _ABANDONED)
        room = KEPT_BYTES
        for count, entry in enumerate(path for path in found if path not in begun):
            room -= sum(file.stat().st_size for file in entry.iterdir())
            if count and (count >= KEPT or room < 0):  # always keep the newest entry
                _remove([entry])


def _by_use(folder: Path) -> list[Path]:
    return sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
