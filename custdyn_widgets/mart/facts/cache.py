"""The cache's entries: facts as memory-mapped arrays, and what was set aside when they were built.

An entry is a folder that is written aside and renamed into place, so that it is whole or not there,
whoever builds at the same time and whoever is killed. It is never changed afterwards: its last file holds
size, time and checksum of each of the others, and an entry in which one differs is built again. Sizes and
times are looked at whenever an entry is opened; checksums once in a process, because reading every byte
takes as long as a small report (12 ms for 10 million rows; a report on all of them takes 500 ms). Each is a
sum of 64-bit words, the one quick enough: it finds bytes that flipped and blocks that a crash left empty.

The entry opened last stays mapped, because to map its pages anew takes a seventh of a small report's time.

The cache is bounded: the entries opened longest ago go first.

An entry is written by a thread while its facts are already asked: a process that ends, or that opens another
source, waits for it.
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

FORMAT = 5
KEPT = 16  # entries
KEPT_BYTES = 20 * 10**9
KEPT_LISTINGS = 64
ARRAYS = tuple(f.name for f in fields(Facts) if f.name != "names")
_NAMES, _SEAL = "names.json", "seal.json"
_BUILDING = ".building-"
_ABANDONED = 3600  # seconds
_VERIFIED: set[tuple[Path, str]] = set()  # entries and their seals
_OPEN: dict[tuple[Path, str], Entry] = {}  # the one opened last stays mapped
_STORING: dict[Path, tuple[threading.Thread, Entry]] = {}
_TURN = threading.Lock()  # to look at what is being stored, or to change it


@dataclass(frozen=True)
class Entry:
    """Facts; the sentences that tell what was set aside, and the file that lists it (None: nothing was)."""

    facts: Facts
    warning: str = ""
    listing: Path | None = None


def load(key: str) -> Entry | None:
    """Return an entry, its arrays memory-mapped; None if it is not there, not whole, or lacks its listing.

    One that this process is still storing is returned as it was built.
    """
    folder = _folder(key)
    with _TURN:
        _, entry = _STORING.get(folder, (None, None))
    if entry:
        return entry if _is_listed(entry) else None
    finish_storing()
    return _load(folder)


def store(key: str, entry: Entry) -> None:
    """Let a thread write an entry. A cache that cannot be written only costs time, so it is no error."""
    folder = _folder(key)
    finish_storing()
    with _TURN:
        if folder in _STORING:  # another thread built the same
            return
        thread = threading.Thread(target=_store_and_forget, args=(folder, entry), name="custdyn facts")
        thread.start()  # first: who is stopped in between must not leave one that nobody can wait for
        _STORING[folder] = thread, entry


def finish_storing() -> None:
    """Wait until what this process stores is stored."""
    with _TURN:
        threads = [thread for thread, _ in _STORING.values()]
    for thread in threads:
        thread.join()


def _store_and_forget(folder: Path, entry: Entry) -> None:
    try:
        _store(folder, entry)
    finally:
        with _TURN:
            _STORING.pop(folder, None)


def _load(folder: Path) -> Entry | None:
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
        with contextlib.suppress(OSError):  # a cache that one may only read
            os.utime(used)  # for pruning: opened just now
    _OPEN.clear()
    _OPEN[folder, seal] = entry
    return entry


def _is_listed(entry: Entry) -> bool:
    """Return whether the file that lists what was set aside is there, if there is one."""
    return entry.listing is None or entry.listing.is_file()


def _opened(folder: Path, seal: str, sums: Mapping[str, Any]) -> Entry:
    """Return an entry whose files are mapped.

    Raises
    ------
    OSError, ValueError, KeyError, TypeError
        If it is damaged.
    """
    text = (folder / _NAMES).read_bytes()
    arrays = {name: _mapped(folder / f"{name}.npy", *sums[name][:2]) for name in ARRAYS}
    if (folder, seal) not in _VERIFIED and sums != _sums(arrays, text):
        raise ValueError("a checksum differs")
    stored = json.loads(text)
    listing = _listings(folder.parents[1]) / stored["listing"] if stored["listing"] else None
    entry = Entry(Facts(**arrays, names=_names(stored["names"])), stored["warning"], listing)
    _VERIFIED.add((folder, seal))
    return entry


def _store(folder: Path, entry: Entry) -> None:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=_BUILDING, dir=folder.parent))
    except OSError:
        return
    try:
        arrays = {name: getattr(entry.facts, name) for name in ARRAYS}
        for name, array in arrays.items():
            np.save(aside / f"{name}.npy", array)
        names = {f.name: getattr(entry.facts.names, f.name) for f in fields(Names)}
        listing = entry.listing.name if entry.listing else None
        told = {"names": names, "warning": entry.warning, "listing": listing}
        text = json.dumps(told).encode("ascii")
        (aside / _NAMES).write_bytes(text)
        seal = {"files": _files(aside), "sums": _sums(arrays, text)}
        (aside / _SEAL).write_text(_sealed(seal), encoding="ascii")
        if folder.exists() and _load(folder) is None:
            shutil.rmtree(folder.rename(aside.with_name(f"{aside.name}-damaged")), ignore_errors=True)
        aside.rename(folder)
    except OSError:
        shutil.rmtree(aside, ignore_errors=True)  # no room, or another process was first
    _prune(folder.parent)


def store_listing(name: str, key: str, content: bytes) -> Path | None:
    """Write the list of what was set aside, whole or not at all; None if the cache cannot be written."""
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
    """Return a seal's checksum and what it holds."""
    checksum, _, content = text.partition(" ")
    if checksum != f"{zlib.crc32(content.encode()):08x}":
        raise ValueError("the seal is damaged")
    return checksum, json.loads(content)


def _mapped(path: Path, kind: str, shape: list[int]) -> Any:
    """Return an array of an entry; what the file says of itself is not asked."""
    dtype = np.dtype(kind)
    begin = path.stat().st_size - dtype.itemsize * math.prod(shape)
    return np.asarray(np.memmap(path, dtype, "r", begin, tuple(shape)))


def _files(folder: Path) -> dict[str, list[int]]:
    """Return size and time of each file of an entry, but the seal."""
    found = {}
    for name in (*(f"{array}.npy" for array in ARRAYS), _NAMES):
        status = (folder / name).stat()
        found[name] = [status.st_size, status.st_mtime_ns]
    return found


def _sums(arrays: Mapping[str, npt.NDArray[Any]], text: bytes) -> dict[str, Any]:
    """Return type, shape and checksum of each array, and the checksum of the names."""
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
    """Remove the entries opened longest ago, and what a killed process left an hour ago."""
    with contextlib.suppress(OSError):  # another process is pruning
        found = _by_use(folder)
        newest = found[0].stat().st_mtime if found else 0
        begun = [path for path in found if path.name.startswith(".")]
        _remove(path for path in begun if path.stat().st_mtime < newest - _ABANDONED)
        room = KEPT_BYTES
        for count, entry in enumerate(path for path in found if path not in begun):
            room -= sum(file.stat().st_size for file in entry.iterdir())
            if count and (count >= KEPT or room < 0):  # the one just written stays, however large
                _remove([entry])


def _by_use(folder: Path) -> list[Path]:
    return sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
