"""Reading a mart as stored in CSV, Parquet or DuckDB files.

Only what makes a table unreadable is an error here; `checks` validates the values.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Collection, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pyarrow as pa

from custdyn_widgets import progress
from custdyn_widgets.errors import SourceError
from custdyn_widgets.mart.reading.csv_files import read_csv
from custdyn_widgets.mart.reading.duckdb_file import is_duckdb, read_duckdb, write_ahead_log
from custdyn_widgets.mart.reading.near_files import (
    SUFFIXES,
    hint_for_file,
    hint_for_missing,
    near_file,
    reject_near_files,
)
from custdyn_widgets.mart.reading.near_names import source_error, unread_table
from custdyn_widgets.mart.reading.parquet_files import parquet_ledger, read_parquet
from custdyn_widgets.mart.reading.stored import StoredMart, StoredTable, unreadable
from custdyn_widgets.mart.schema import TABLES

_SEARCHED = 1000


def mart_files(folder: Path) -> dict[str, Path]:
    """Return the file of each table in a folder.

    Raises
    ------
    SourceError
        If it is not a folder, lacks clients or transactions, or contains a table twice or under almost its
        name.
    """
    if not folder.is_dir():
        other = hint_for_file(folder) if folder.is_file() else ""
        raise SourceError.not_found(str(folder), f"is not a folder that exists{other}")
    found: dict[str, Path] = {}
    for name, spec in TABLES.items():
        files = [path for suffix in SUFFIXES if os.path.lexists(path := folder / f"{name}{suffix}")]
        if len(files) > 1:
            raise SourceError.not_found(folder.name, f"has the table {name} twice, as CSV and as Parquet")
        if files and not files[0].is_file():
            raise SourceError.not_found(folder.name, f"has {files[0].name}, which is not a file")
        if files:
            found[name] = files[0]
        elif spec.required:
            hint = hint_for_missing(folder, _names(folder), name)
            error = source_error if hint else SourceError.not_found
            raise error(folder.name, f"has no {name}.csv or {name}.parquet{hint}")
        else:
            reject_near_files(folder, _names(folder), name)
    return found


def _names(folder: Path) -> list[str]:
    """Return the names in a folder, in which those of near files are looked for: at most a thousand."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in islice(entries, _SEARCHED))
    except OSError:  # a folder may be readable without being listed
        return []


def _unread(folder: Path, found: Collection[str]) -> Iterator[str]:
    """Yield a sentence for each optional table that may be in a file that is not read."""
    names = _names(folder)
    for table in TABLES:
        if table not in found and (near := near_file(folder, names, table)):
            name, remedy = near
            yield unread_table(table, name, remedy)


def files_with_status(path: Path) -> dict[str, tuple[Path, os.stat_result]]:
    """Return the files of a mart, by table if each has its own, and their status."""
    try:
        return {name: (file, file.stat()) for name, file in _files(path).items()}
    except OSError as error:
        raise SourceError.not_found(path.name, f"cannot be read: {error.strerror}") from error


def _files(path: Path) -> dict[str, Path]:
    if not is_duckdb(path):
        return mart_files(path)
    if not path.is_file():
        raise SourceError.not_found(str(path), "is not a file that exists")
    return {file.name: file for file in (path, write_ahead_log(path)) if file.exists()}


def read_mart(path: Path) -> StoredMart:
    """Read a folder of CSV or Parquet files, or a DuckDB file."""
    return read_duckdb(path, source_name(path)) if is_duckdb(path) else read_folder(path)


def read_folder(folder: Path) -> StoredMart:
    """Read a folder of CSV or Parquet files; a Parquet ledger is read later, on demand."""
    files = files_with_status(folder)
    size = max(sum(status.st_size for _, status in files.values()), 1)
    tables: dict[str, StoredTable] = {}
    ledger = None
    for name, (path, _) in files.items():
        done = sum(files[table][1].st_size for table in tables)
        if name == "transactions" and path.suffix == ".parquet":
            ledger = parquet_ledger(path, TABLES[name])
            continue
        progress.step(f"Reading {path.name}", 0.4 * done / size)
        read = read_csv if path.suffix == ".csv" else read_parquet
        try:
            tables[name] = read(path, TABLES[name])
        except (OSError, csv.Error, pa.ArrowException) as error:
            raise unreadable(path, error) from error
    unread = tuple(_unread(folder, files))
    if ledger is None:
        return replace(StoredMart.of(source_name(folder), tables), unread=unread)
    return StoredMart(source_name(folder), tables, ledger, unread)


def source_name(path: Path) -> str:
    """Return the name of a path for reports: its last component, with undecodable bytes escaped."""
    return path.resolve().name.encode("utf-8", "backslashreplace").decode()
