"""The files of a mart: a CSV or Parquet file for each table, or a single DuckDB file."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

from custdyn_widgets.errors import SourceError, shown
from custdyn_widgets.mart.reading.near_files import (
    PACKED_CSV,
    SUFFIXES,
    hint_for_file,
    hint_for_missing,
    reject_near_files,
)
from custdyn_widgets.mart.reading.near_names import source_error
from custdyn_widgets.mart.schema import TABLES

DUCKDB_SUFFIXES = (".duckdb", ".db")
_SEARCHED = 1000


def mart_files(folder: Path) -> dict[str, Path]:
    """Return the file, or the folder of part files, of each table in a folder.

    Raises
    ------
    SourceError
        If the path is not a folder, or the folder has no clients or transactions table, or has a table twice
        or under a similar name.
    """
    if not folder.is_dir():
        other = hint_for_file(folder) if folder.is_file() else ""
        raise SourceError.not_found(str(folder), f"is not a folder that exists{other}")
    found: dict[str, Path] = {}
    for name, spec in TABLES.items():
        files = [path for suffix in SUFFIXES if os.path.lexists(path := folder / f"{name}{suffix}")]
        if not files:
            files = [path for suffix in PACKED_CSV if os.path.lexists(path := folder / f"{name}{suffix}")]
        if len(files) > 1:
            names = " and ".join(path.name for path in files)
            raise SourceError.not_found(folder.name, f"has the table {name} twice, as {names}")
        if files and not (files[0].is_file() or files[0].is_dir()):
            raise SourceError.not_found(folder.name, f"has {files[0].name}, which is not a file")
        if files:
            found[name] = files[0]
        elif spec.required:
            hint = hint_for_missing(folder, names_in_folder(folder), name)
            error = source_error if hint else SourceError.not_found
            raise error(folder.name, f"has no {name}.csv or {name}.parquet{hint}")
        else:
            reject_near_files(folder, names_in_folder(folder), name)
    return found


def names_in_folder(folder: Path) -> list[str]:
    """Return up to a thousand names in a folder, to be searched for misnamed files."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in islice(entries, _SEARCHED))
    except OSError:  # files may be readable in a folder that cannot be listed
        return []


def is_duckdb(path: Path) -> bool:
    """Return whether a path has the suffix of a DuckDB file."""
    return path.suffix.lower() in DUCKDB_SUFFIXES and not path.is_dir()


def write_ahead_log(path: Path) -> Path:
    """Return the path of a DuckDB file's write-ahead log."""
    return path.with_name(f"{path.name}.wal")


def part_files(path: Path) -> list[Path]:
    """Return the files of a table: the path itself, or the visible files in a folder that Spark wrote.

    Raises
    ------
    SourceError
        If the folder is incomplete, contains other folders, or has no files in the table's format.
    """
    if not path.is_dir():
        return [path]
    found = sorted(path.iterdir())
    visible = [file for file in found if not file.name.startswith((".", "_"))]
    if any(file.name == "_temporary" for file in found):
        raise source_error(path.name, "is still being written, or writing it failed: wait, or write it again")
    if inner := next((file for file in visible if file.is_dir()), None):
        raise source_error(
            path.name,
            f"contains the folder {shown(inner.name)}, which is not read: write it without partitions",
        )
    endings = (".parquet",) if path.suffix == ".parquet" else (".csv", *PACKED_CSV)
    parts = [file for file in visible if file.name.endswith(endings) and file.stat().st_size]
    if not parts:
        raise source_error(path.name, f"is a folder without {path.suffix} files: write it again")
    return parts


def files_with_status(path: Path) -> dict[str, list[tuple[Path, os.stat_result]]]:
    """Return the files of a mart with their status, keyed by table if each table has its own files."""
    try:
        files = _files(path)
        return {name: [(part, part.stat()) for part in part_files(file)] for name, file in files.items()}
    except OSError as error:
        raise SourceError.not_found(path.name, f"cannot be read: {error.strerror}") from error


def _files(path: Path) -> dict[str, Path]:
    if not is_duckdb(path):
        return mart_files(path)
    if not path.is_file():
        raise SourceError.not_found(str(path), "is not an existing file")
    return {file.name: file for file in (path, write_ahead_log(path)) if file.exists()}


def source_name(path: Path) -> str:
    """Return the name of a path for reports: its last component, with undecodable bytes escaped."""
    return path.resolve().name.encode("utf-8", "backslashreplace").decode()
