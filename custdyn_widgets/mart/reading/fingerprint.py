"""The fingerprint of a mart's files, under which its facts are cached."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

from custdyn_widgets.mart.objects.place import lasting_path
from custdyn_widgets.mart.reading.mart_files import files_with_status
from custdyn_widgets.mart.synced import read_record


class FileStatus(NamedTuple):
    """The name and status of a file; if the status is unchanged, so is the content.

    `status_changed` is when the file's content or status last changed; programs cannot set this time.
    """

    name: str
    size: int
    changed: int
    inode: int
    status_changed: int

    @classmethod
    def of(cls, path: Path, status: os.stat_result) -> FileStatus:
        """Return the status of the file at a path."""
        return cls(path.name, status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns)


class Stamp(NamedTuple):
    """The state of a mart's files.

    Attributes
    ----------
    fingerprint
        A hash of the files' names and statuses.
    last_changed
        The Unix time of the latest change; for a synced mart, the time at which its database was read.
    place
        The path of the mart, which stays the same when its files change.
    parts
        The part files of the ledger, in the order of its rows; empty if it is a single file.
    """

    fingerprint: str
    last_changed: int
    place: str = ""
    parts: tuple[FileStatus, ...] = ()


def stamp(path: Path) -> Stamp:
    """Return the stamp of a mart's files, computed from their paths, sizes and times.

    Raises
    ------
    SourceError
        As in `mart_files`, or if the status of a file cannot be read.
    """
    files = files_with_status(path)
    place = str(lasting_path(path))
    found = {name: [FileStatus.of(*file) for file in of_table] for name, of_table in files.items()}
    every = [file for of_table in found.values() for file in of_table]
    seen = [place, *("\0".join(map(str, file[:4])) for file in every)]
    digest = hashlib.sha256("\n".join(seen).encode("utf-8", "surrogateescape")).hexdigest()
    record = read_record(path)
    changed = record.read_at if record else max(file.changed for file in every) // 10**9
    in_parts = any(part.parent != path for part, _ in files.get("transactions", ()))
    parts = found["transactions"] if in_parts else []
    if place != str(path.resolve()):  # copies share hard-linked files, and linking a file changes its status
        parts = [file._replace(status_changed=0) for file in parts]
    return Stamp(digest, changed, place, tuple(parts))
