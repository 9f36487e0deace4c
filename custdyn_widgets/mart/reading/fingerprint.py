"""The fingerprint of a mart's files, under which its facts are cached."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from custdyn_widgets.mart.objects.place import lasting_path
from custdyn_widgets.mart.reading.mart_files import files_with_status
from custdyn_widgets.mart.synced import read_record


@dataclass(frozen=True)
class Stamp:
    """The state of a mart's files: a fingerprint, and the time of the latest change (Unix time).

    For a synced mart, the time of the latest change is when its database was read.
    """

    fingerprint: str
    last_changed: int


def stamp(path: Path) -> Stamp:
    """Return the stamp of a mart's files, computed from their paths, sizes and times.

    Raises
    ------
    SourceError
        As in `mart_files`, or if the status of a file cannot be read.
    """
    files = files_with_status(path)
    seen = [str(lasting_path(path))]
    found = [file for parts in files.values() for file in parts]
    seen += [f"{p.name}\0{s.st_size}\0{s.st_mtime_ns}\0{s.st_ino}" for p, s in found]
    digest = hashlib.sha256("\n".join(seen).encode("utf-8", "surrogateescape")).hexdigest()
    if record := read_record(path):
        return Stamp(digest, record.read_at)
    return Stamp(digest, max(s.st_mtime_ns for _, s in found) // 10**9)
