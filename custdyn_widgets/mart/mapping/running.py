"""Run a mapping on exported files: DuckDB reads them and writes the tables of a mart as Parquet.

A mapping can read only the files of its source; it cannot use the network or extensions.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from custdyn_widgets import progress
from custdyn_widgets.errors import SourceError, shown
from custdyn_widgets.mart.dialect import Dialect
from custdyn_widgets.mart.mapping.macros import macros
from custdyn_widgets.mart.mapping.sql_file import Count, Mapping, whole_number
from custdyn_widgets.mart.mapping.sql_text import identifier, literal
from custdyn_widgets.mart.mapping.tables import create_tables, errors_at

if TYPE_CHECKING:
    import duckdb

_ROW_GROUP = 2**18  # rows
_CLOSED: dict[str, Any] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "arrow_large_buffer_size": True,
}
_UNREADABLE = re.compile(r"number\(\) cannot read '(.*?)': .*", re.DOTALL)
_WHOLE = ("HUGEINT", "UHUGEINT")  # written to Parquet as floating-point numbers


def write_mart(mapping: Mapping, path: Path, dialect: Dialect, folder: Path) -> list[str]:
    """Run a mapping on the files at a path, write the mart to a folder, and return the counts as sentences.

    Raises
    ------
    SourceError
        If a file cannot be read, or a SELECT fails.
    """
    with open_export(path, dialect, folder) as (connection, names):
        for place, (table, select) in enumerate(mapping.selects.items()):
            progress.step(f"Running the mapping: {table}", 0.4 * place / len(mapping.selects))
            with errors_at(f"{mapping.name}, {table}", "mapping"):
                _write(connection, select, folder / f"{table}.parquet", names)
        sentences = []
        for count in mapping.counts:
            with errors_at(f"{mapping.name}, count “{count.sentence}”", "mapping"):
                sentences.append(_counted(connection, count))
    return [sentence for sentence in sentences if sentence]


@contextmanager
def open_export(
    path: Path, dialect: Dialect, folder: Path
) -> Iterator[tuple[duckdb.DuckDBPyConnection, list[str]]]:
    """Open files as DuckDB tables, with a dialect's macros; yield the connection and the tables' names.

    A table that is split into several files has a single name. `folder` is for temporary files.

    Raises
    ------
    SourceError
        If a file cannot be read.
    """
    import duckdb  # imported late: slow to load

    with ExitStack() as texts, duckdb.connect(config=_CLOSED) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"SET temp_directory = {literal(folder / 'spill')}")
        names, folders = create_tables(connection, path, dialect, texts)
        for statement in macros(dialect):
            connection.execute(statement)
        _close(connection, {*folders, folder})
        yield connection, names
    shutil.rmtree(folder / "spill", ignore_errors=True)


def _close(connection: duckdb.DuckDBPyConnection, folders: Iterable[Path]) -> None:
    """Restrict the connection to reading and writing files in the given folders."""
    allowed = ", ".join(literal(f"{folder.absolute()}/") for folder in folders)
    connection.execute(f"SET allowed_directories = [{allowed}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _write(connection: duckdb.DuckDBPyConnection, select: str, file: Path, names: Sequence[str]) -> None:
    import duckdb

    rows = _select(connection, select)
    whole = [
        f"CAST({identifier(name)} AS DECIMAL(38, 0)) AS {identifier(name)}"
        for name, kind in zip(rows.columns, rows.types, strict=True)
        if str(kind) in _WHOLE
    ]
    if whole:
        rows = rows.project(f"* REPLACE ({', '.join(whole)})")
    try:
        rows.write_parquet(str(file), compression="zstd", row_group_size=_ROW_GROUP)
    except duckdb.Error as error:
        if match := _UNREADABLE.search(str(error)):
            raise SourceError(f"{match[0]}{_place(connection, names, match[1])}", field="mapping") from error
        raise


def _place(connection: duckdb.DuckDBPyConnection, names: Sequence[str], value: str) -> str:
    """Return a sentence that says where a value occurs in the exported files, or an empty string."""
    for name in names:
        rows = connection.sql(f"FROM {identifier(name)}")
        for column, kind in zip(rows.columns, rows.types, strict=True):
            if str(kind) == "VARCHAR":
                numbered = rows.project(f"row_number() OVER () AS n, {identifier(column)} AS v")
                found = numbered.filter(f"v = {literal(value)}").aggregate("min(n)").fetchall()[0][0]
                if found:
                    return f" It is in {name}, {shown(column)}, row {found} of the data."
    return ""


def _counted(connection: duckdb.DuckDBPyConnection, count: Count) -> str:
    """Return a count's sentence with the number filled in, or an empty string if the number is 0."""
    rows = _select(connection, count.select).fetchall()
    number = whole_number(rows[0][0]) if rows else 0
    return count.sentence.replace("{n}", f"{number:,}") if number else ""


def _select(connection: duckdb.DuckDBPyConnection, sql: str) -> Any:
    import duckdb

    statements = connection.extract_statements(sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise SourceError("write a single SELECT.", field="mapping")
    return connection.sql(sql)
