"""Exported files as DuckDB tables, with a view for each file, sheet and multi-file table."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from custdyn_widgets.errors import SourceError, shown
from custdyn_widgets.mart.dialect import Dialect
from custdyn_widgets.mart.mapping.exports import ExportedFile, delimiter_of, exported_files, parts, table_name
from custdyn_widgets.mart.mapping.sql_text import identifier, literal
from custdyn_widgets.mart.mapping.workbooks import read_sheets
from custdyn_widgets.mart.reading.csv_quotes import reject_misplaced_quotes
from custdyn_widgets.mart.reading.csv_text import csv_text
from custdyn_widgets.mart.reading.likely_causes import reject_encoding
from custdyn_widgets.mart.reading.mart_files import is_duckdb

if TYPE_CHECKING:
    import duckdb


def create_tables(
    connection: duckdb.DuckDBPyConnection, path: Path, dialect: Dialect, texts: ExitStack
) -> tuple[list[str], set[Path]]:
    """Create a view for each exported file, and one for each table that is split into several files.

    Return the names of the tables, and the folders that the views read. `texts` manages the converted copies
    of files that are not plain UTF-8.
    """
    if is_duckdb(path):
        with errors_at(path.name, "source"):
            connection.execute(f"ATTACH {literal(path.absolute())} AS source (READ_ONLY)")
            connection.execute("USE source")
            tables = [row[0] for row in connection.execute("SHOW TABLES").fetchall()]
        return tables, {path.parent}
    files, folders = exported_files(path), set()
    names = {file.table for file in files}
    for file in files:
        with errors_at(file.path.name, "source"):
            if file.is_workbook:
                folder = Path(texts.enter_context(tempfile.TemporaryDirectory(prefix="custdyn-")))
                names = names - {file.table} | _create_sheets(connection, file, names - {file.table}, folder)
            else:
                folder = _create_view(connection, file, dialect, texts)
            folders.add(folder)
    for name, of in parts([file for file in files if file.table in names]):
        union = " UNION ALL BY NAME ".join(f"FROM {identifier(file.table)}" for file in of)
        connection.execute(f"CREATE TEMP VIEW {identifier(name)} AS {union}")
        names = names - {file.table for file in of} | {name}
    return sorted(names), folders


def _create_sheets(
    connection: duckdb.DuckDBPyConnection, file: ExportedFile, taken: set[str], folder: Path
) -> set[str]:
    """Create a view for each sheet of a workbook, and return the names of the views.

    The view of a workbook with a single sheet is named after the file.
    """
    sheets = read_sheets(file.path, folder)
    found: set[str] = set()
    for sheet in sheets:
        name = file.table if len(sheets) == 1 else table_name(sheet.name)
        if name in taken | found:
            raise SourceError(
                f"{file.path.name}: the sheet {shown(sheet.name)} would become the table {name}, "
                "which already exists. Rename one of them.",
                field="source",
            )
        connection.execute(f"CREATE TEMP VIEW {identifier(name)} AS {sheet.query}")
        found.add(name)
    return found


def _create_view(
    connection: duckdb.DuckDBPyConnection, file: ExportedFile, dialect: Dialect, texts: ExitStack
) -> Path:
    r"""Create the view of a CSV or Parquet file, and return the folder that the view reads.

    All cells of CSV files are text; `\N`, which MySQL, PostgreSQL and Hive write for NULL, is read as NULL.
    """
    import duckdb

    create = f"CREATE TEMP VIEW {identifier(file.table)} AS FROM"
    if not file.is_text:
        connection.execute(f"{create} read_parquet({literal(file.path.absolute())})")
        return file.path.parent
    text = texts.enter_context(csv_text(file.path, dialect))
    delimiter = dialect.delimiter or text.delimiter or delimiter_of(text.path, file.path.name)
    options = (
        f"delim={literal(delimiter)}, header=true, all_varchar=true, quote='\"', escape='\"', "
        "compression='none', strict_mode=true, null_padding=false, ignore_errors=false, nullstr=['', '\\N']"
    )
    try:
        connection.execute(f"{create} read_csv({literal(text.path.absolute())}, {options})")
    except duckdb.Error:
        reject_encoding(text.path)
        reject_misplaced_quotes(text.path, delimiter)
        raise
    return text.path.parent


@contextmanager
def errors_at(place: str, field: str) -> Iterator[None]:
    """Convert DuckDB errors to errors that say where the problem is."""
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
