"""Draft a mapping: guess what the tables of an export mean, and write SQL for the user to review."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from custdyn_widgets.errors import SourceError, shown
from custdyn_widgets.files import write_whole
from custdyn_widgets.mart.dialect import NO_DIALECT, Dialect
from custdyn_widgets.mart.mapping.choices import FEW, ROWS_OF_KIND, TableGuess, has_kinds
from custdyn_widgets.mart.mapping.draft_text import Guesses, mapping_text
from custdyn_widgets.mart.mapping.exports import unread_files
from custdyn_widgets.mart.mapping.forms import null_word
from custdyn_widgets.mart.mapping.guesses import currencies, guess_tables
from custdyn_widgets.mart.mapping.profiles import Column, date_order, decimal_mark, stripped
from custdyn_widgets.mart.mapping.running import open_export
from custdyn_widgets.mart.mapping.sql_text import DUCKDB, identifier, literal
from custdyn_widgets.mart.mapping.tables import errors_at
from custdyn_widgets.mart.sources import Source

if TYPE_CHECKING:
    import duckdb

_SAMPLE = 5_000  # rows
_COMPARED = 100_000  # values
_HEAD = """-- SELECTs that turn {source} into the tables of a mart, drafted by custdyn from the data.
-- Check the lines that say "please check", and change what is wrong. number(text) reads an exact number with
-- the source's decimal separator.
"""


@dataclass(frozen=True, repr=False)
class Draft(Guesses):
    """A guessed mapping: its SELECTs, the dialect of the data, and remarks for the reviewer.

    `str()` lists each choice with its certainty.
    """

    path: Path
    guesses: tuple[TableGuess, ...]
    dialect: Dialect
    remarks: tuple[str, ...]

    def sql(self) -> str:
        """Return the text of the mapping file."""
        unused = [f"-- {' '.join(r.split())}\n" for r in self.remarks if r.startswith("Not ")]
        return mapping_text(
            "".join([_HEAD.format(source=shown(self.path.name)), *unused]), self.guesses, DUCKDB
        )

    def save(self, mapping: str | Path) -> Source:
        """Write the mapping to a file, and return a source that uses it.

        An existing file is not overwritten, so edits to it are not lost.

        Parameters
        ----------
        mapping
            The path of the file, such as `mine.sql`.
        """
        file = Path(mapping)
        with contextlib.suppress(FileExistsError):
            write_whole(file, self.sql().encode("utf-8"), new=True)
        return Source(self.path, dialect=self.dialect, mapping=file)


def draft_mapping(path: str | Path, dialect: Dialect = NO_DIALECT, currency: str | None = None) -> Draft:
    """Guess the mapping of an export from a sample of its rows.

    Parameters
    ----------
    path
        A folder of CSV or Parquet files, a single such file, or a DuckDB file.
    dialect
        The known parts of the data's dialect; the rest is guessed.
    currency
        The currency of all clients, for exports without a currency column.

    Raises
    ------
    SourceError
        If a file cannot be read, no clients or transactions are found, or the dialect is ambiguous.
    """
    path = Path(path)
    with (
        tempfile.TemporaryDirectory(prefix="custdyn-") as folder,
        open_export(path, dialect, Path(folder)) as (connection, names),
    ):
        tables = {}
        for name in names:
            with errors_at(name, "source"):
                tables[name] = _columns(connection, name)

        def overlap(column: Column, other: Column) -> float:
            with errors_at(column.table, "source"):
                return _overlap(connection, column, other)

        guesses, unused = guess_tables(tables, overlap, currency)
    dialect, remarks = guess_dialect(dialect, [c for guess in guesses for c in _used(tables, guess)])
    remarks += _what_to_check(path, tables, guesses, unused)
    return Draft(path, tuple(guesses), dialect, tuple(remarks))


def _what_to_check(
    path: Path, tables: dict[str, list[Column]], guesses: Sequence[TableGuess], unused: dict[str, str]
) -> list[str]:
    """Return remarks on tables and files that are not used, and on amounts in several currencies."""
    remarks = []
    if plain := sorted(name for name, why in unused.items() if not why):
        remarks.append(f"Not used: {', '.join(plain)}.")
    remarks += [f"Not used: {name} (please check): {why}." for name, why in sorted(unused.items()) if why]
    remarks += [
        f"Currencies (please check): {guess.source} has amounts in {', '.join(found)}, but each amount must "
        "be in the client's currency."
        for guess in guesses
        if guess.table == "transactions" and len(found := currencies(tables[guess.source])) > 1
    ]
    if unread := unread_files(path):
        remarks.append(
            f"Not read (please check): {', '.join(map(shown, unread))}. Export their data as CSV or Parquet."
        )
    return remarks


def _columns(connection: duckdb.DuckDBPyConnection, table: str) -> list[Column]:
    """Return the columns of a table with a sample of its rows, as text."""
    rows = connection.sql(f"FROM {identifier(table)}")
    typed = [str(kind) != "VARCHAR" for kind in rows.types]
    rows = rows.project("CAST(COLUMNS(*) AS VARCHAR)")
    sample = rows.limit(_SAMPLE).fetchall()
    columns = _as_columns(table, rows.columns, typed, sample)
    if len(sample) == _SAMPLE:
        columns = _as_columns(table, rows.columns, typed, [*sample, *_rows_of_rare_kinds(rows, columns)])
    return [column for column in columns if column.name.isprintable()]


def _as_columns(
    table: str, names: Sequence[str], typed: Sequence[bool], rows: Sequence[tuple[str | None, ...]]
) -> list[Column]:
    cells = list(zip(*rows, strict=True)) or [()] * len(names)
    found = []
    for name, column, kind in zip(names, cells, typed, strict=True):
        plain, padding = stripped(column)
        found.append(_column(Column(table, name, plain, typed=kind, padding=padding)))
    return found


def _rows_of_rare_kinds(
    rows: duckdb.DuckDBPyRelation, columns: Sequence[Column]
) -> Iterable[tuple[str | None, ...]]:
    """Return a few rows of each kind that a sample lacks."""
    found: dict[tuple[str | None, ...], None] = {}
    for column in filter(has_kinds, columns):
        known = set(column.values)
        named = ", ".join(map(literal, sorted(known)))
        others = rows.filter(f"trim({column.quoted}) NOT IN ({named})").project(column.quoted).distinct()
        rare = [value for (value,) in others.limit(FEW + 1).fetchall()]
        if len(known) + len(rare) <= FEW:
            for value in rare:
                of_kind = rows.filter(f"{column.quoted} = {literal(value)}").limit(ROWS_OF_KIND)
                found |= dict.fromkeys(of_kind.fetchall())
    return found


def _column(column: Column) -> Column:
    """Return a column, treating a word such as NULL as blank if it occurs among numbers or times."""
    words = {value for value in column.values if null_word(value)}
    if len(words) == 1:
        (null,) = words
        blank = replace(
            column, cells=tuple(None if cell == null else cell for cell in column.cells), null=null
        )
        if blank.is_number or blank.is_time or not blank.values:
            return blank
    return column


def _overlap(connection: duckdb.DuckDBPyConnection, column: Column, other: Column) -> float:
    """Return the share of a column's distinct values (at most 100,000) that occur in another column."""
    known = connection.sql(f"FROM {identifier(other.table)}").project(f"CAST({other.sql} AS VARCHAR) AS v")
    values = connection.sql(f"FROM {identifier(column.table)}").project(f"CAST({column.sql} AS VARCHAR) AS v")
    values = values.filter("v IS NOT NULL").distinct().limit(_COMPARED)
    found = values.join(known.distinct(), "v").aggregate("count(*)").fetchall()[0][0]
    count = values.aggregate("count(*)").fetchall()[0][0]
    return float(found / count) if count else 0.0


def _used(tables: dict[str, list[Column]], guess: TableGuess) -> list[Column]:
    return [c for c in tables[guess.source] if any(c.sql in choice.sql for choice in guess.choices)]


def guess_dialect(dialect: Dialect, columns: Sequence[Column]) -> tuple[Dialect, list[str]]:
    """Return the dialect with its missing parts guessed from the columns, and remarks on the guesses.

    Raises
    ------
    SourceError
        If the order of day and month is ambiguous.
    """
    remarks = []
    decimal = dialect.decimal
    if decimal is None and (decimal := decimal_mark(columns)):
        remarks.append(f"Decimal separator: {shown(decimal)} (sure: no other reading is possible).")
    dates = dialect.dates
    if dates is None:
        dates, example = date_order(columns)
        if dates:
            remarks.append(f"Date order: {dates} (sure: {example}).")
        elif example:
            raise SourceError(
                f"The order of day and month in {shown(example)} is ambiguous. Set it with --dates DMY or "
                "--dates MDY.",
                field="dates",
            )
    if dialect.timezone is None and any(c.lacks_offset and c.has_clock for c in columns):
        remarks.append(
            "Time zone: times have no offset and are read as UTC (please check). If they are local times, "
            "set their zone, for example with --timezone Europe/Kyiv."
        )
    return replace(dialect, decimal=decimal, dates=dates), remarks
