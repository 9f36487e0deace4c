"""Running a mapping over exported files: DuckDB reads them and writes the tables of a mart as Parquet.

A mapping can read only the files of its source: no others, no network, no extensions.
"""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from custdyn_widgets import progress
from custdyn_widgets.errors import SourceError
from custdyn_widgets.mart.dialect import Dialect
from custdyn_widgets.mart.mapping.exports import ExportedFile, csv_form, exported_files, is_packed, parts
from custdyn_widgets.mart.mapping.macros import macros
from custdyn_widgets.mart.mapping.sql_file import Count, Mapping
from custdyn_widgets.mart.reading.mart_files import is_duckdb

if TYPE_CHECKING:
    import duckdb

_READ_BY_DUCKDB = {"utf-8": "utf-8", "utf8": "utf-8", "utf-8-sig": "utf-8", "utf-16": "utf-16"}
_ROW_GROUP = 2**18  # rows
_CLOSED: dict[str, Any] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "arrow_large_buffer_size": True,
}
_WHOLE = ("HUGEINT", "UHUGEINT")  # written to Parquet as floating-point numbers


def write_mart(mapping: Mapping, path: Path, dialect: Dialect, folder: Path) -> list[str]:
    """Write the mart that a mapping makes of the files at a path to a folder; return its counts as sentences.

    Raises
    ------
    SourceError
        If a file cannot be read, or a SELECT fails.
    """
    with open_export(path, dialect, folder) as (connection, _):
        for place, (table, select) in enumerate(mapping.selects.items()):
            progress.step(f"Running the mapping: {table}", 0.4 * place / len(mapping.selects))
            with _errors_at(f"{mapping.name}, {table}", "mapping"):
                _write(connection, select, folder / f"{table}.parquet")
        sentences = []
        for count in mapping.counts:
            with _errors_at(f"{mapping.name}, count “{count.sentence}”", "mapping"):
                sentences.append(_counted(connection, count))
    return [sentence for sentence in sentences if sentence]


@contextmanager
def open_export(
    path: Path, dialect: Dialect, folder: Path
) -> Iterator[tuple[duckdb.DuckDBPyConnection, list[str]]]:
    """Open the files at a path as tables of DuckDB, with a dialect's macros; yield the tables' names too.

    Of a table in several files, only the whole is named. `folder` is for temporary files.

    Raises
    ------
    SourceError
        If a file cannot be read.
    """
    import duckdb  # late: takes long to load

    with duckdb.connect(config=_CLOSED) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"SET temp_directory = {_literal(folder / 'spill')}")
        names = _create_tables(connection, path, dialect, folder)
        for statement in macros(dialect):
            connection.execute(statement)
        _close(connection, path, folder)
        yield connection, names
    shutil.rmtree(folder / "spill", ignore_errors=True)
    shutil.rmtree(folder / "utf-8", ignore_errors=True)


def _create_tables(
    connection: duckdb.DuckDBPyConnection, path: Path, dialect: Dialect, folder: Path
) -> list[str]:
    """Create a view for each exported file, and one for each table in several files; return their names."""
    if is_duckdb(path):
        with _errors_at(path.name, "source"):
            connection.execute(f"ATTACH {_literal(path)} AS source (READ_ONLY)")
            connection.execute("USE source")
            return [row[0] for row in connection.execute("SHOW TABLES").fetchall()]
    files = exported_files(path)
    for file in files:
        with _errors_at(file.path.name, "source"):
            connection.execute(_view(file, dialect, folder))
    names = {file.table for file in files}
    for name, of in parts(files):
        union = " UNION ALL BY NAME ".join(f'FROM "{file.table}"' for file in of)
        connection.execute(f'CREATE TEMP VIEW "{name}" AS {union}')
        names = names - {file.table for file in of} | {name}
    return sorted(names)


def _view(file: ExportedFile, dialect: Dialect, folder: Path) -> str:
    """Return the statement that creates the view of a file; all cells of CSV files are text."""
    if not file.is_text:
        return f'CREATE TEMP VIEW "{file.table}" AS FROM read_parquet({_literal(file.path)})'
    form = csv_form(file.path, dialect)
    path, encoding = file.path, _READ_BY_DUCKDB.get(form.encoding.lower())
    if encoding is None or (encoding != "utf-8" and is_packed(path)):
        path, encoding = _as_utf_8(path, form.encoding, folder / "utf-8"), "utf-8"
    options = (
        f"delim={_literal(form.delimiter)}, encoding='{encoding}', header=true, all_varchar=true, "
        """quote='"', escape='"', strict_mode=true, null_padding=false, ignore_errors=false"""
    )
    return f'CREATE TEMP VIEW "{file.table}" AS FROM read_csv({_literal(path)}, {options})'


def _as_utf_8(path: Path, encoding: str, folder: Path) -> Path:
    """Write a file as UTF-8 to a folder."""
    folder.mkdir(exist_ok=True)
    copy = folder / f"{path.name}.csv"
    read = gzip.open if is_packed(path) else open
    with (
        read(path, "rt", encoding=encoding, newline="") as given,
        copy.open("w", encoding="utf-8", newline="") as out,
    ):
        shutil.copyfileobj(given, out, 2**20)
    return copy


def _close(connection: duckdb.DuckDBPyConnection, path: Path, folder: Path) -> None:
    """Let the mapping read only the source, and write only the mart."""
    source = path if path.is_dir() else path.parent
    allowed = ", ".join(_literal(f"{place.absolute()}/") for place in (source, folder))
    connection.execute(f"SET allowed_directories = [{allowed}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _write(connection: duckdb.DuckDBPyConnection, select: str, file: Path) -> None:
    rows = _select(connection, select)
    names = [name.replace('"', '""') for name in rows.columns]
    whole = [
        f'CAST("{name}" AS DECIMAL(38, 0)) AS "{name}"'
        for name, kind in zip(names, rows.types, strict=True)
        if str(kind) in _WHOLE
    ]
    if whole:
        rows = rows.project(f"* REPLACE ({', '.join(whole)})")
    rows.write_parquet(str(file), compression="zstd", row_group_size=_ROW_GROUP)


def _counted(connection: duckdb.DuckDBPyConnection, count: Count) -> str:
    """Return the sentence of a count with its number; empty if the number is 0."""
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
def _errors_at(place: str, field: str) -> Iterator[None]:
    """Turn errors of DuckDB into one that names the place where they arose."""
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
    """Yield the lines of a message of DuckDB up to the SQL or the options that it quotes."""
    for line in message.splitlines():
        if not line.strip() or line.startswith(("Possible ", "LINE ")):
            return
        yield line.strip()


def _literal(value: object) -> str:
    """Return a string of SQL."""
    return "'" + str(value).replace("'", "''") + "'"
