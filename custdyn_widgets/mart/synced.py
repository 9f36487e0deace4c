"""The folder of synced marts: for each source, a link to the folder of its last sync, and a lock.

A sync writes a new folder next to the old one and then atomically replaces the link, so readers always see a
complete mart, either the old or the new one. Killed syncs leave behind folders that no link points to; the
next sync removes them.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from custdyn_widgets import settings
from custdyn_widgets.errors import SourceError, shown
from custdyn_widgets.files import make_folder, remove_folder, sync_folder

RECORD = "sync.json"
_FORMAT = 1


class SyncRecord(NamedTuple):
    """The record of a sync; it contains no secrets and no host name.

    Attributes
    ----------
    read_at
        The Unix time at which the read transaction began, according to the database.
    rows
        The number of rows in each table.
    duration_s
        The duration of the sync in seconds.
    server
        The kind and version of the server.
    mapping, mapping_sha256
        The name of the mapping and the hash of its text.
    sentences
        Sentences that state the mapping's counts and describe rounding.
    changes
        The changes since the previous sync, as a JSON object; None for the first sync.
    """

    read_at: int
    rows: dict[str, int]
    duration_s: float
    server: str
    mapping: str
    mapping_sha256: str
    sentences: Sequence[str] = ()
    changes: dict[str, Any] | None = None

    def to_bytes(self) -> bytes:
        """Return the content of `sync.json`."""
        return json.dumps({"format": _FORMAT, **self._asdict()}, indent=1).encode() + b"\n"


def marts_folder() -> Path:
    """Return the folder of all synced marts."""
    folder = settings.load().marts
    assert folder is not None
    return folder


def synced_folder(name: str) -> Path:
    """Return the folder of a source's mart, which exists if the source has been synced."""
    return marts_folder() / name


def rejected_rows(name: str) -> Path:
    """Return the path of the list of faulty rows that caused the last sync of a source to fail."""
    return marts_folder() / f"{name}@rejected.csv"  # source names contain no @


def read_record(folder: Path) -> SyncRecord | None:
    """Return the sync record of a folder, or None if it has no record in the current format."""
    try:
        stored = json.loads((folder / RECORD).read_bytes())
        if stored.pop("format") != _FORMAT:
            return None
        return SyncRecord(**stored)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def last_synced(name: str) -> int | None:
    """Return the Unix time at which the last sync of a source read its database, or None."""
    record = read_record(synced_folder(name))
    return record.read_at if record else None


@contextlib.contextmanager
def sync_lock(name: str) -> Iterator[None]:
    """Hold the sync lock of a source.

    Raises
    ------
    SourceError
        If another sync of the source holds the lock.
    OSError
        If the folder of marts cannot be written to.
    """
    make_folder(marts_folder())
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    lock = os.open(marts_folder() / f".{name}.lock", flags, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SourceError(
                f"Source {shown(name)} is being synced by another process. Wait until that sync ends, then "
                "try again.",
                field="source",
            ) from None
        yield
    finally:
        os.close(lock)


@contextlib.contextmanager
def new_version(name: str) -> Iterator[Path]:
    """Create a folder for a new version of a mart; at the end, remove it unless it has been put in place.

    The caller must hold the lock. Versions left behind by killed syncs are removed first.
    """
    _remove_versions(name, keep=_current(name))
    folder = marts_folder() / f"{_prefix(name)}{secrets.token_hex(8)}"
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        if _current(name) != folder.name:
            remove_folder(folder)


def put_in_place(name: str, folder: Path) -> None:
    """Atomically replace a source's mart with a new version, and remove the previous one."""
    for file in folder.iterdir():
        _sync_file(file)
    sync_folder(folder)
    link = marts_folder() / f"{_prefix(name)}link"
    link.unlink(missing_ok=True)
    link.symlink_to(folder.name)
    link.replace(synced_folder(name))
    sync_folder(marts_folder())
    rejected_rows(name).unlink(missing_ok=True)
    _remove_versions(name, keep=folder.name)


def _prefix(name: str) -> str:
    return f".{name}@"  # source names contain no @, so no folder name starts with another source's prefix


def _current(name: str) -> str | None:
    """Return the name of the folder in use, if there is one."""
    try:
        return str(synced_folder(name).readlink())
    except OSError:
        return None


def _remove_versions(name: str, keep: str | None) -> None:
    for found in marts_folder().glob(f"{_prefix(name)}*"):
        if found.name != keep and found.is_dir() and not found.is_symlink():
            remove_folder(found)


def _sync_file(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
