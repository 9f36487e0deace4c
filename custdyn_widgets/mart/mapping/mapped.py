"""Marts that mappings create from exported files, cached until a file or the mapping changes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
import shutil
import time
from dataclasses import astuple
from pathlib import Path

from custdyn_widgets import settings
from custdyn_widgets.errors import SourceError
from custdyn_widgets.files import make_folder, remove_folder
from custdyn_widgets.mart.mapping.exports import exported_files
from custdyn_widgets.mart.mapping.sql_file import Mapping, read_mapping, shipped_mapping
from custdyn_widgets.mart.objects.place import lasting_path
from custdyn_widgets.mart.reading.fingerprint import Stamp
from custdyn_widgets.mart.reading.mart_files import is_duckdb, write_ahead_log
from custdyn_widgets.mart.sources import Source

FORMAT = 1
_SENTENCES = "sentences.json"
_ABANDONED = 3600  # seconds


def mapped_mart(source: Source) -> tuple[Path, Stamp]:
    """Return the folder of the mart that a source's mapping creates, and the stamp of its inputs.

    Raises
    ------
    SourceError
        If the files or the mapping cannot be read, the mapping fails, or the cache cannot be written.
    """
    mapping = _mapping(source)
    stamp = _stamp(source, mapping)
    origin = str(lasting_path(source.path))
    place = hashlib.sha256(origin.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    root = settings.load().cache / "mapped" / place
    folder = root / stamp.fingerprint
    if not (folder / _SENTENCES).exists():
        try:
            _write(mapping, source, root, folder)
        except OSError as error:
            raise SourceError(
                f"The mapped data cannot be written to {root}: {error.strerror}. Free some space, or set "
                "CUSTDYN_CACHE to another folder.",
                field="source",
            ) from error
    return folder, stamp


def sentences(folder: Path) -> list[str]:
    """Return a mapping's counts as sentences."""
    found: list[str] = json.loads((folder / _SENTENCES).read_text(encoding="utf-8"))
    return found


def _mapping(source: Source) -> Mapping:
    if source.mapping is not None:
        return read_mapping(source.mapping)
    assert source.system is not None
    return shipped_mapping(source.system, "duckdb")


def _stamp(source: Source, mapping: Mapping) -> Stamp:
    try:
        files = [(file, file.stat()) for file in mapped_files(source.path)]
    except OSError as error:
        raise SourceError.not_found(source.path.name, f"cannot be read: {error.strerror}") from error
    seen = [str(FORMAT), str(lasting_path(source.path)), mapping.text, repr(astuple(source.dialect))]
    seen += [f"{file.name}\0{s.st_size}\0{s.st_mtime_ns}\0{s.st_ino}" for file, s in files]
    digest = hashlib.sha256("\n".join(seen).encode("utf-8", "surrogateescape")).hexdigest()
    return Stamp(digest, max(s.st_mtime_ns for _, s in files) // 10**9)


def mapped_files(path: Path) -> list[Path]:
    """Return the data files that a mapping reads at a path."""
    if is_duckdb(path):
        return [file for file in (path, write_ahead_log(path)) if file.exists()]
    return [file.path for file in exported_files(path)]


def _write(mapping: Mapping, source: Source, root: Path, folder: Path) -> None:
    """Write a mart under a temporary name, rename it, and remove marts created from earlier files."""
    from custdyn_widgets.mart.mapping.running import write_mart  # imported late: only needed to write a mart

    make_folder(root)
    # The name is unique, because several threads may run the mapping at the same time.
    building = root / f".building-{secrets.token_hex(8)}"
    building.mkdir()
    try:
        found = write_mart(mapping, source.path, source.dialect, building)
        (building / _SENTENCES).write_text(json.dumps(found), encoding="utf-8")
        try:
            building.rename(folder)
        except OSError:
            if not (folder / _SENTENCES).exists():  # otherwise, another process has already written it
                raise
    finally:
        remove_folder(building)
    for other in root.iterdir():
        with contextlib.suppress(FileNotFoundError):  # removed by another process
            if other != folder and time.time() - other.stat().st_mtime > _ABANDONED:
                shutil.rmtree(other, ignore_errors=True)
