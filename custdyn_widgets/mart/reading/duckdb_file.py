"""Read a mart as Arrow tables from a DuckDB file, which is opened read-only.

Rows are numbered from 1 in DuckDB's own order. Nothing outside the file is read: no extension is loaded, and
views of other files are rejected, because changes to those files would go unnoticed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from custdyn_widgets import progress
from custdyn_widgets.errors import SourceError, shown
from custdyn_widgets.mart.reading.likely_causes import reject_foreign_content
from custdyn_widgets.mart.reading.near_names import nearest_name, normalized_name, source_error, unread_table
from custdyn_widgets.mart.reading.stored import StoredMart, StoredTable
from custdyn_widgets.mart.schema import TABLES, MartTable

_MAGIC = b"DUCK"
_CLOSED: dict[str, Any] = {  # settings that restrict the connection to its own file
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "preserve_insertion_order": True,
    "arrow_large_buffer_size": True,
}


def read_duckdb(path: Path, name: str) -> StoredMart:
    """Read the tables of a mart from the main schema of a DuckDB file.

    Raises
    ------
    SourceError
        If the file cannot be read, or has no clients or transactions table.
    """
    import duckdb  # imported late: slow to load

    try:
        _reject_other(path)
        with duckdb.connect(str(path), read_only=True, config=_CLOSED) as connection:
            tables, unread = _read_tables(connection, path)
            return StoredMart.of(name, tables)._replace(unread=unread)
    except (OSError, UnicodeError, duckdb.Error, pa.ArrowException) as error:
        why = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        why = why.replace(str(path.absolute()), path.name).replace(str(path), path.name)
        raise SourceError(f"{path.name} cannot be read: {why}", field="source") from error


def _reject_other(path: Path) -> None:
    """Reject a file that is not a DuckDB database, before DuckDB looks for an extension that can read it."""
    with path.open("rb") as file:
        if file.read(12)[8:] != _MAGIC:
            reject_foreign_content(path)
            raise SourceError(f"{path.name} is not a DuckDB database.", field="source")


def _read_tables(connection: Any, path: Path) -> tuple[dict[str, StoredTable], tuple[str, ...]]:
    """Return the tables of a mart, and warnings about missing tables that may have a different name."""
    connection.execute("SET TimeZone = 'UTC'")
    found = connection.sql("SELECT table_name FROM information_schema.tables WHERE table_schema = 'main'")
    by_lower_name = {table.lower(): table for (table,) in found.fetchall()}
    others = [table for name, table in by_lower_name.items() if name not in TABLES]
    tables: dict[str, StoredTable] = {}
    unread = []
    for name, spec in TABLES.items():
        near = nearest_name(name, others)
        if name in by_lower_name:
            progress.step(f"Reading {name}", 0.4 * len(tables) / len(TABLES))
            tables[name] = _read_table(connection, by_lower_name[name], spec)
        elif spec.required:
            hint = _hint(connection, name, near)
            error = source_error if hint else SourceError.not_found
            raise error(path.name, f"has no table {name}{hint}")
        elif near and normalized_name(near) == normalized_name(name):
            raise source_error(
                path.name, f"has the table {shown(near)}, which is not read: rename it to {name}, or drop it"
            )
        elif near:
            unread.append(unread_table(name, near, f"rename it to {name}"))
    return tables, tuple(unread)


def _hint(connection: Any, name: str, near: str | None) -> str:
    """Return the end of a sentence about a missing table: where it may be, and what to do."""
    if near:
        return f", but it has {shown(near)}: rename it to {name}"
    sql = "SELECT table_schema FROM information_schema.tables WHERE lower(table_name) = ? ORDER BY 1"
    for (schema,) in connection.execute(sql, [name]).fetchall():
        return f" in the main schema, but has one in {shown(schema)}: create a view of it in main"
    return ""


def _read_table(connection: Any, table: str, spec: MartTable) -> StoredTable:
    """Read a table's known columns, ignoring case as DuckDB does."""
    by_lower_name = {column.lower(): column for column in connection.sql(f'FROM main."{table}"').columns}
    known = [name for name in spec.column_names if name in by_lower_name]
    extra = tuple(column for name, column in by_lower_name.items() if name not in known)
    if not known:
        return StoredTable(spec, spec.name, pa.table({}), extra)
    wanted = ", ".join(f'"{by_lower_name[name]}" AS "{name}"' for name in known)
    data = connection.sql(f'SELECT {wanted} FROM main."{table}"').to_arrow_table()  # noqa: S608 (names known)
    for place, name in enumerate(known):
        if name in spec.repeating and pa.types.is_large_string(data.column(name).type):
            data = data.set_column(place, name, data.column(name).dictionary_encode())
    return StoredTable(spec, spec.name, data, extra)
