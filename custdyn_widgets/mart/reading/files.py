"""Read a mart as stored in CSV, Parquet or DuckDB files.

Only problems that make a table unreadable are errors here; `checks` validates the values. The modules that
read CSV and DuckDB files are imported late, so that a report from Parquet files starts faster.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path

from custdyn_widgets import progress
from custdyn_widgets.errors import SourceError
from custdyn_widgets.mart.dialect import NO_DIALECT, Dialect
from custdyn_widgets.mart.reading.mart_files import (
    files_with_status,
    is_duckdb,
    mart_files,
    names_in_folder,
    source_name,
)
from custdyn_widgets.mart.reading.near_files import near_file
from custdyn_widgets.mart.reading.near_names import unread_table
from custdyn_widgets.mart.reading.parquet_files import parquet_ledger, read_parquet
from custdyn_widgets.mart.reading.parts import parts_ledger, read_parts
from custdyn_widgets.mart.reading.stored import StoredLedger, StoredMart, StoredTable, reporting_unreadable
from custdyn_widgets.mart.schema import TABLES


def _unread(folder: Path, found: Collection[str]) -> Iterator[str]:
    """Yield a warning for each optional table that may be stored in a file that is not read."""
    names = names_in_folder(folder)
    for table in TABLES:
        if table not in found and (near := near_file(folder, names, table)):
            name, remedy = near
            yield unread_table(table, name, remedy)


def read_mart(path: Path, dialect: Dialect = NO_DIALECT) -> StoredMart:
    """Read a folder of CSV or Parquet files, or a DuckDB file."""
    if is_duckdb(path):
        from custdyn_widgets.mart.reading.duckdb_file import read_duckdb

        return read_duckdb(path, source_name(path)).in_dialect(dialect)
    return read_folder(path, dialect).in_dialect(dialect)


def read_folder(
    folder: Path, dialect: Dialect = NO_DIALECT, *, only: Collection[str] | None = None
) -> StoredMart:
    """Read a folder of CSV or Parquet files, except a large ledger, which is read on demand.

    `only` contains the names of the ledger's part files to read; None means all.
    """
    paths, files = mart_files(folder), files_with_status(folder)
    sizes = {name: sum(status.st_size for _, status in files[name]) for name in files}
    tables: dict[str, StoredTable] = {}
    ledger = None
    for name, path in paths.items():
        spec, parts = TABLES[name], [part for part, _ in files[name]]
        is_csv, is_ledger = path.suffix != ".parquet", name == "transactions"
        if is_ledger and only is not None:
            parts = [part for part in parts if part.name in only]
            if len(parts) < len(only):
                raise SourceError.not_found(path.name, "changed while it was being read")
        if is_ledger and not is_csv:
            client_count = tables["clients"].data.num_rows
            ledger = parts_ledger(path, parts, partial(parquet_ledger, spec=spec, client_count=client_count))
            continue
        done = sum(sizes[table] for table in tables) / max(sum(sizes.values()), 1)
        progress.step(f"Reading {path.name}", 0.4 * done)
        if is_ledger:
            ledger = _read_csv_ledger(path, parts, dialect)
            continue
        read = _csv_reader(dialect) if is_csv else read_parquet
        with reporting_unreadable(path):
            tables[name] = read_parts(path, parts, partial(read, spec=spec))
    unread = tuple(_unread(folder, files))
    if ledger is None:
        return StoredMart.of(source_name(folder), tables)._replace(unread=unread)
    return StoredMart(source_name(folder), tables, ledger, unread)


def _read_csv_ledger(path: Path, parts: list[Path], dialect: Dialect) -> StoredLedger:
    from custdyn_widgets.mart.reading.csv_ledger import csv_ledger

    of_file = partial(csv_ledger, spec=TABLES["transactions"], dialect=dialect, small=parts != [path])
    with reporting_unreadable(path):
        ledger = parts_ledger(path, parts, of_file)
        if not ledger.is_uniform:
            ledger.whole(None)  # raises
    return ledger


def _csv_reader(dialect: Dialect) -> Callable[..., StoredTable]:
    from custdyn_widgets.mart.reading.csv_files import read_csv

    return partial(read_csv, dialect=dialect)
