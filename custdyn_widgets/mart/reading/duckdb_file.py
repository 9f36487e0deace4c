"""Reading a mart's tables from a DuckDB file, read-only, as Arrow tables.

Rows are counted in the order in which DuckDB keeps them, from 1. Nothing outside the file is touched: a
view on other files is refused, because a change of those could not be seen, and no extension is loaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from custdyn_widgets import progress
from custdyn_widgets.errors import SourceError
from custdyn_widgets.mart.reading.stored import StoredMart, StoredTable
from custdyn_widgets.mart.schema import TABLES, MartTable

SUFFIXES = (".duckdb", ".db")
_MAGIC = b"DUCK"
_CLOSED: dict[str, Any] = {  # settings of a connection that keeps to its own file
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "preserve_insertion_order": True,
    "arrow_large_buffer_size": True,
}


def is_duckdb(path: Path) -> bool:
    """Return whether a path is that of a DuckDB file, by its name."""
    return path.suffix.lower() in SUFFIXES and not path.is_dir()


def write_ahead_log(path: Path) -> Path:
    """Return the file in which DuckDB keeps what it has not yet put into its main one."""
    return path.with_name(f"{path.name}.wal")


def read_duckdb(path: Path, name: str) -> StoredMart:
    """Read the tables of a mart from the main schema of a DuckDB file.

    Raises
    ------
    SourceError
        If the package duckdb is not installed, the file cannot be read, or it lacks clients or transactions.
    """
    try:
        import duckdb  # late: an extra
    except ImportError:
        raise SourceError(
            f"Reading {path.name} needs the package duckdb. Install it with: "
            "pip install 'custdyn-widgets[duckdb]'",
            field="source",
        ) from None
    try:
        _refuse_other(path)
        with duckdb.connect(str(path), read_only=True, config=_CLOSED) as connection:
            return StoredMart.of(name, _tables(connection, path))
    except (OSError, UnicodeError, duckdb.Error, pa.ArrowException) as error:
        why = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        why = why.replace(str(path.absolute()), path.name).replace(str(path), path.name)
        raise SourceError(f"{path.name} cannot be read: {why}", field="source") from error


def _refuse_other(path: Path) -> None:
    """Raise if a file is no DuckDB database; DuckDB itself would look for an extension that reads it."""
    with path.open("rb") as file:
        if file.read(12)[8:] != _MAGIC:
            raise SourceError(f"{path.name} is not a DuckDB database.", field="source")


def _tables(connection: Any, path: Path) -> dict[str, StoredTable]:
    connection.execute("SET TimeZone = 'UTC'")
    found = connection.sql("SELECT table_name FROM information_schema.tables WHERE table_schema = 'main'")
    there = {table.lower(): table for (table,) in found.fetchall()}
    tables: dict[str, StoredTable] = {}
    for name, spec in TABLES.items():
        if name in there:
            progress.step(f"Reading {name}", 0.4 * len(tables) / len(TABLES))
            tables[name] = _table(connection, there[name], spec)
        elif spec.required:
            raise SourceError.not_found(path.name, f"has no table {name}")
    return tables


def _table(connection: Any, table: str, spec: MartTable) -> StoredTable:
    """Read a table's known columns; as everywhere in DuckDB, capital letters make no difference."""
    there = {column.lower(): column for column in connection.sql(f'FROM main."{table}"').columns}
    known = [name for name in spec.column_names if name in there]
    extra = tuple(column for name, column in there.items() if name not in known)
    if not known:
        return StoredTable(spec, spec.name, pa.table({}), extra)
    wanted = ", ".join(f'"{there[name]}" AS "{name}"' for name in known)
    data = connection.sql(f'SELECT {wanted} FROM main."{table}"').to_arrow_table()  # noqa: S608 (names known)
    for place, name in enumerate(known):
        if name in spec.repeating and pa.types.is_large_string(data.column(name).type):
            data = data.set_column(place, name, data.column(name).dictionary_encode())
    return StoredTable(spec, spec.name, data, extra)
