"""The cache of facts: memory-mapped arrays, with the warning and the list of rows left out.

An entry is a folder that is written under a temporary name and then renamed, so it is either complete or
absent even if several processes build it or one is killed. It never changes afterwards: its seal contains the
size, time and checksum of every other file, and an entry that does not match its seal is rebuilt. Sizes and
times are checked whenever an entry is opened. Checksums are checked once per process, because reading every
byte takes as long as a small report (12 ms for 10 million rows; a report on all of them takes 500 ms). A
checksum is a sum of 64-bit words, which is fast enough and detects flipped bytes and blocks left empty by a
crash.

The last entry opened stays mapped: mapping it again takes a seventh as long as a small report.

The size of the cache is limited: the least recently opened entries are removed first.

An entry is written in a thread while its facts are already in use. The process waits for that thread before
exiting or opening another source.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import shutil
import tempfile
import threading
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from custdyn_widgets import settings
from custdyn_widgets.files import write_whole
from custdyn_widgets.mart.facts.facts import Facts, Names
from custdyn_widgets.mart.facts.large_arrays import save_array

# Also increase it if values are checked or read differently: cached facts are not checked again.
FORMAT = 7
KEPT = 16  # entries
KEPT_BYTES = 20 * 10**9
KEPT_LISTINGS = 64
ARRAYS = tuple(f.name for f in fields(Facts) if f.name != "names")
_NAMES, _SEAL = "names.json", "seal.json"
_BUILDING = ".building-"
_ABANDONED = 3600  # seconds
_VERIFIED: set[tuple[Path, str]] = set()  # entries and their seals
_OPEN: dict[tuple[Path, str], CacheEntry] = {}  # the last entry opened
_STORING: dict[Path, tuple[threading.Thread, CacheEntry]] = {}
_LOCK = threading.Lock()  # guards `_STORING`


@dataclass(frozen=True)
class CacheEntry:
    """Facts, the warning about rows left out, and the file that lists those rows, if any."""

    facts: Facts
    warning: str = ""
    listing: Path | None = None


def load(key: str) -> CacheEntry | None:
    """Return an entry with memory-mapped arrays, or None if it is missing, damaged or lacks its listing.

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
        seal, sealed = _unsealed((folder / _SEAL).read_text(encoding="ascii"))
        if sealed["files"] != _files(folder):
            return None
        entry = _OPEN.get((folder, seal)) or _opened(folder, seal, sealed["sums"])
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        return None
    if not _is_listed(entry):
        return None
    for used in filter(None, (folder, entry.listing)):
        with contextlib.suppress(OSError):  # the cache may be read-only
            os.utime(used)  # mark it as opened, for pruning
    _OPEN.clear()
    _OPEN[folder, seal] = entry
    return entry


def _is_listed(entry: CacheEntry) -> bool:
    """Return whether an entry's listing exists, or True if the entry has none."""
    return entry.listing is None or entry.listing.is_file()


def _opened(folder: Path, seal: str, sums: Mapping[str, Any]) -> CacheEntry:
    """Return an entry whose files are mapped.

    Raises
    ------
    OSError, ValueError, KeyError, TypeError
        If the entry is damaged.
    """
    text = (folder / _NAMES).read_bytes()
    arrays = {name: _mapped(folder / f"{name}.npy", *sums[name][:2]) for name in ARRAYS}
    if (folder, seal) not in _VERIFIED and sums != _sums(arrays, text):
        raise ValueError("a checksum differs")
    stored = json.loads(text)
    listing = _listings(folder.parents[1]) / stored["listing"] if stored["listing"] else None
    entry = CacheEntry(Facts(**arrays, names=_names(stored["names"])), stored["warning"], listing)
    _VERIFIED.add((folder, seal))
    return entry


def _store(folder: Path, entry: CacheEntry) -> None:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=_BUILDING, dir=folder.parent))
    except OSError:
        return
    try:
        arrays = {name: getattr(entry.facts, name) for name in ARRAYS}
        for name, array in arrays.items():
            save_array(temporary / f"{name}.npy", array)
        names = {f.name: getattr(entry.facts.names, f.name) for f in fields(Names)}
        listing = entry.listing.name if entry.listing else None
        content = {"names": names, "warning": entry.warning, "listing": listing}
        text = json.dumps(content).encode("ascii")
        (temporary / _NAMES).write_bytes(text)
        seal = {"files": _files(temporary), "sums": _sums(arrays, text)}
        (temporary / _SEAL).write_text(_sealed(seal), encoding="ascii")
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
    return settings.load().cache / "facts" / f"v{FORMAT}-{key[:40]}"


def _listings(cache: Path) -> Path:
    return cache / "quarantine"


def _sealed(content: Mapping[str, Any]) -> str:
    text = json.dumps(content)
    return f"{zlib.crc32(text.encode()):08x} {text}"


def _unsealed(text: str) -> tuple[str, dict[str, Any]]:
    """Return the checksum and the content of a seal."""
    checksum, _, content = text.partition(" ")
    if checksum != f"{zlib.crc32(content.encode()):08x}":
        raise ValueError("the seal is damaged")
    return checksum, json.loads(content)


def _mapped(path: Path, kind: str, shape: list[int]) -> Any:
    """Map an array of an entry, with the type and shape in the seal instead of those in the file."""
    dtype = np.dtype(kind)
    begin = path.stat().st_size - dtype.itemsize * math.prod(shape)
    return np.asarray(np.memmap(path, dtype, "r", begin, tuple(shape)))


def _files(folder: Path) -> dict[str, list[int]]:
    """Return the size and time of each file of an entry, except the seal."""
    found = {}
    for name in (*(f"{array}.npy" for array in ARRAYS), _NAMES):
        status = (folder / name).stat()
        found[name] = [status.st_size, status.st_mtime_ns]
    return found


def _sums(arrays: Mapping[str, npt.NDArray[Any]], text: bytes) -> dict[str, Any]:
    """Return the type, shape and checksum of each array, and the checksum of the names."""
    sums: dict[str, Any] = {_NAMES: zlib.crc32(text)}
    for name, array in arrays.items():
        octets = np.asarray(array).reshape(-1).view(np.uint8)
        words = octets[: len(octets) // 8 * 8].view(np.uint64)
        total = int(np.add.reduce(words)) + int.from_bytes(octets[len(words) * 8 :].tobytes(), "little")
        sums[name] = [array.dtype.str, list(array.shape), total]
    return sums


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
    """Remove the least recently opened entries, and leftovers of processes killed over an hour ago."""
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
