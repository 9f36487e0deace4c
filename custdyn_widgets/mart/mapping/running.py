"""Running a mapping over exported files: DuckDB reads them and writes the tables of a mart as Parquet.

A mapping can read only the files of its source; it cannot use the network or extensions.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from custdyn_widgets import progress
from custdyn_widgets.errors import SourceError
from custdyn_widgets.mart.dialect import Dialect
from custdyn_widgets.mart.mapping.exports import ExportedFile, delimiter_of, exported_files, parts
from custdyn_widgets.mart.mapping.macros import macros
from custdyn_widgets.mart.mapping.sql_file import Count, Mapping
from custdyn_widgets.mart.mapping.sql_text import identifier, literal
from custdyn_widgets.mart.reading.csv_text import csv_text
from custdyn_widgets.mart.reading.mart_files import is_duckdb

if TYPE_CHECKING:
    import duckdb

_ROW_GROUP = 2**18  # rows
_CLOSED: dict[str, Any] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "arrow_large_buffer_size": True,
}
_WHOLE = ("HUGEINT", "UHUGEINT")  # written to Parquet as floating-point numbers


def write_mart(mapping: Mapping, path: Path, dialect: Dialect, folder: Path) -> list[str]:
    """Run a mapping of the files at a path, write its mart to a folder, and return its counts as sentences.

    Raises
    ------
    SourceError
        If a file cannot be read, or a SELECT fails.
    """
    with open_export(path, dialect, folder) as (connection, _):
        for place, (table, select) in enumerate(mapping.selects.items()):
            progress.step(f"Running the mapping: {table}", 0.4 * place / len(mapping.selects))
            with errors_at(f"{mapping.name}, {table}", "mapping"):
                _write(connection, select, folder / f"{table}.parquet")
        sentences = []
        for count in mapping.counts:
            with errors_at(f"{mapping.name}, count “{count.sentence}”", "mapping"):
                sentences.append(_counted(connection, count))
    return [sentence for sentence in sentences if sentence]


@contextmanager
def open_export(
    path: Path, dialect: Dialect, folder: Path
) -> Iterator[tuple[duckdb.DuckDBPyConnection, list[str]]]:
    """Open the files at a path as DuckDB tables, with a dialect's macros; also yield the names of the tables.

    A table that is split into several files is named once. `folder` is for temporary files.

    Raises
    ------
    SourceError
        If a file cannot be read.
    """
    import duckdb  # late: slow to load

    with ExitStack() as texts, duckdb.connect(config=_CLOSED) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"SET temp_directory = {literal(folder / 'spill')}")
        names, folders = _create_tables(connection, path, dialect, texts)
        for statement in macros(dialect):
            connection.execute(statement)
        _close(connection, {*folders, folder})
        yield connection, names
    shutil.rmtree(folder / "spill", ignore_errors=True)


def _create_tables(
    connection: duckdb.DuckDBPyConnection, path: Path, dialect: Dialect, texts: ExitStack
) -> tuple[list[str], set[Path]]:
    """Create a view for each exported file, and one for each table that is split into several files.

    Return the names of the tables, and the folders that the views read. `texts` keeps the converted copies of
    files that are not plain UTF-8.
    """
    if is_duckdb(path):
        with errors_at(path.name, "source"):
            connection.execute(f"ATTACH {literal(path.absolute())} AS source (READ_ONLY)")
            connection.execute("USE source")
            tables = [row[0] for row in connection.execute("SHOW TABLES").fetchall()]
        return tables, {path.parent}
    files, folders = exported_files(path), set()
    for file in files:
        with errors_at(file.path.name, "source"):
            view, folder = _view(file, dialect, texts)
            connection.execute(view)
            folders.add(folder)
    names = {file.table for file in files}
    for name, of in parts(files):
        union = " UNION ALL BY NAME ".join(f"FROM {identifier(file.table)}" for file in of)
        connection.execute(f"CREATE TEMP VIEW {identifier(name)} AS {union}")
        names = names - {file.table for file in of} | {name}
    return sorted(names), folders


def _view(file: ExportedFile, dialect: Dialect, texts: ExitStack) -> tuple[str, Path]:
    """Return the statement that creates the view of a file, and the folder that it reads.

    All cells of CSV files are text.
    """
    create = f"CREATE TEMP VIEW {identifier(file.table)} AS FROM"
    if not file.is_text:
        return f"{create} read_parquet({literal(file.path.absolute())})", file.path.parent
    text = texts.enter_context(csv_text(file.path, dialect))
    delimiter = dialect.delimiter or text.delimiter or delimiter_of(text.path, file.path.name)
    options = (
        f"delim={literal(delimiter)}, header=true, all_varchar=true, quote='\"', escape='\"', "
        "compression='none', strict_mode=true, null_padding=false, ignore_errors=false"
    )
    return f"{create} read_csv({literal(text.path.absolute())}, {options})", text.path.parent


def _close(connection: duckdb.DuckDBPyConnection, folders: Iterable[Path]) -> None:
    """Restrict the mapping to reading and writing in some folders."""
    allowed = ", ".join(literal(f"{folder.absolute()}/") for folder in folders)
    connection.execute(f"SET allowed_directories = [{allowed}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _write(connection: duckdb.DuckDBPyConnection, select: str, file: Path) -> None:
    rows = _select(connection, select)
    whole = [
        f"CAST({identifier(name)} AS DECIMAL(38, 0)) AS {identifier(name)}"
        for name, kind in zip(rows.columns, rows.types, strict=True)
        if str(kind) in _WHOLE
    ]
    if whole:
        rows = rows.project(f"* REPLACE ({', '.join(whole)})")
    rows.write_parquet(str(file), compression="zstd", row_group_size=_ROW_GROUP)


def _counted(connection: duckdb.DuckDBPyConnection, count: Count) -> str:
    """Return the sentence of a count with its number, or an empty string if the number is 0."""
    rows = _select(connection, count.select).fetchall()
    number = rows[0][0] if rows else 0
    return count.sentence.replace("{n}", f"{number:,}") if number else ""


def _select(connection: duckdb.DuckDBPyConnection, sql: str) -> Any:
    import duckdb

    statements = connection.extract_statements(sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise SourceError("write a single SELECT", field="mapping")
    return connection.sql(sql)


@contextmanager
def errors_at(place: str, field: str) -> Iterator[None]:
    """Convert errors of DuckDB to errors that say where they occurred."""
    import duckdb

    try:
        yield
    except (duckdb.Error, UnicodeError) as error:
        raise SourceError(f"{place}: {' '.join(_sentences(str(error)))}", field=field) from error
    except SourceError as error:
        if error.message.startswith(place):
            raise
        raise SourceError(f"{place}: {error.message}", field=error.field) from error


def _sentences(message: str) -> Iterator[str]:
    """Yield the lines of a DuckDB message that come before any quoted SQL or options."""
    for line in message.splitlines():
        if not line.strip() or line.startswith(("Possible ", "LINE ")):
            return
        yield line.strip()
