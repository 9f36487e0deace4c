"""Read a table from a CSV file: return all its rows, or raise an error that says what is wrong."""

from __future__ import annotations

import csv
import itertools
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from custdyn_widgets.errors import SourceError, shown
from custdyn_widgets.mart.arrow_arrays import from_texts
from custdyn_widgets.mart.dialect import NO_DIALECT, Dialect
from custdyn_widgets.mart.reading.csv_quotes import (
    ESCAPED,
    has_quotes,
    reject_misplaced_quotes,
    scan_quotes,
)
from custdyn_widgets.mart.reading.csv_text import CsvText, csv_text
from custdyn_widgets.mart.reading.likely_causes import (
    other_delimiter,
    reject_dialect,
    reject_encoding,
    reject_foreign_content,
)
from custdyn_widgets.mart.reading.near_names import normalized_name
from custdyn_widgets.mart.reading.stored import (
    MisshapenRow,
    StoredTable,
    reject_repeated_columns,
)
from custdyn_widgets.mart.schema import MartTable

NO_ESCAPES = (
    "; a backslash is not an escape character in CSV: quote text that has commas, and double any quotes in it"
)
_NO_TEXT = pa.nulls(0, pa.large_string())  # pa.array would import pandas
_CODED = pa.dictionary(pa.int32(), pa.large_string())


@dataclass(frozen=True)
class Layout:
    """The layout of a CSV file.

    Attributes
    ----------
    delimiter, names
        The delimiter and the headings.
    known, extra
        The heading of each column to read, by column name, and the other headings.
    has_rows
        Whether there are rows below the headings.
    guessed
        What was detected, in words.
    """

    delimiter: str
    names: list[str]
    known: dict[str, str]
    extra: tuple[str, ...]
    has_rows: bool
    guessed: tuple[str, ...]


def read_csv(path: Path, spec: MartTable, dialect: Dialect = NO_DIALECT) -> StoredTable:
    """Read the known columns of a table as text.

    Raises
    ------
    SourceError
        If headings are missing, a known heading occurs twice, the text does not match its encoding, a quote
        is misplaced, the dialect is ambiguous, or the file is in another format.
    """
    with csv_text(path, dialect) as text:
        layout = layout_of(text, spec, dialect)
        return _read_rows(text.path, spec, layout)._replace(guessed=layout.guessed)


def layout_of(text: CsvText, spec: MartTable, dialect: Dialect) -> Layout:
    """Return the layout of UTF-8 text, detecting the delimiter if it is not given."""
    path, found = text.path, text.found
    delimiter = text.delimiter or dialect.delimiter
    plain = not text.converted and dialect == Dialect(timezone=dialect.timezone)
    try:
        names, *below = _first_rows(path, delimiter or ",")
        unknown = not set(names) & set(spec.column_names)
        if unknown and (better := other_delimiter(path, spec, delimiter)):
            delimiter, found = better, (*found, f"delimiter {shown(better)}")
            names, *below = _first_rows(path, better)
    except csv.Error:  # a cell is longer than any heading can be
        reject_foreign_content(path)
        raise
    exact = plain and delimiter in (None, ",")
    known = _known_headings(path, spec, names, exact=exact)
    renamed = [f"heading {shown(name)} for {column}" for column, name in known.items() if name != column]
    extra = tuple(name for name in names if name not in known.values())
    return Layout(delimiter or ",", names, known, extra, bool(below), (*found, *renamed))


def _known_headings(path: Path, spec: MartTable, names: list[str], *, exact: bool) -> dict[str, str]:
    """Return the heading of each column; unless `exact` is set, ignore case and punctuation."""
    known = {name: name for name in names if name in spec.column_names}
    if not exact:
        meant = {normalized_name(column): column for column in spec.column_names}
        near = [meant.get(normalized_name(name)) for name in names]
        for name, column in zip(names, near, strict=True):
            if column and column not in known and near.count(column) == 1:
                known[column] = name
    reject_repeated_columns(names, spec, path.name)
    return known


def _read_rows(path: Path, spec: MartTable, layout: Layout) -> StoredTable:
    if not layout.known or not layout.names[0].isprintable():
        reject_foreign_content(path)
    if not layout.known:  # otherwise Arrow would read every column and guess its type
        reject_encoding(path)
        reject_dialect(path, spec)
        return StoredTable(spec, path.name, pa.table({}), layout.extra, first_row=2)
    if not layout.has_rows:
        none = pa.table(dict.fromkeys(layout.known, _NO_TEXT))
        return StoredTable(spec, path.name, none, layout.extra, first_row=2)
    quoted = has_quotes(path)
    try:
        stored = pa.OSFile(os.fsencode(path))  # as bytes: a path need not be UTF-8
        data, misshapen = read_known(stored, spec, layout, quoted)
    except pa.ArrowInvalid:
        reject_encoding(path)
        reject_misplaced_quotes(path, layout.delimiter)
        raise
    if quoted:
        scan = scan_quotes(path, layout.delimiter)
        if scan.doubtful or scan.lines != data.num_rows + misshapen + 1:
            reject_misplaced_quotes(path, layout.delimiter)
    table = StoredTable(spec, path.name, data, layout.extra, first_row=2)
    if not misshapen:
        return table
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:  # rare, and slow
        next(filter(None, csv.reader(file, delimiter=layout.delimiter)))
        return read_misshapen(file, table, layout)


def read_known(
    stored: pa.NativeFile, spec: MartTable, layout: Layout, quoted: bool, *, has_headings: bool = True
) -> tuple[pa.Table, int]:
    """Return the known columns of rows with the right number of cells, and the number of other rows.

    Input without headings is read as one block, in the current thread.
    """
    misshapen: list[object] = []

    def note(row: object) -> str:
        misshapen.append(row)
        return "skip"

    kinds = {
        name: _CODED if column in spec.repeating else pa.large_string()
        for column, name in layout.known.items()
    }
    data = pa.csv.read_csv(
        stored,
        read_options=None if has_headings else _in_one_block(stored, layout),
        parse_options=pa.csv.ParseOptions(
            delimiter=layout.delimiter, newlines_in_values=quoted, invalid_row_handler=note
        ),
        convert_options=pa.csv.ConvertOptions(
            column_types=kinds, include_columns=list(kinds), strings_can_be_null=False
        ),
    )
    return data.rename_columns(list(layout.known)), len(misshapen)


def _in_one_block(stored: pa.NativeFile, layout: Layout) -> pa.csv.ReadOptions:
    return pa.csv.ReadOptions(use_threads=False, block_size=stored.size() + 1, column_names=layout.names)


def _first_rows(path: Path, delimiter: str) -> list[list[str]]:
    """Return the headings and the first row, if any, skipping empty lines as Arrow does."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        rows = list(itertools.islice(filter(None, csv.reader(file, delimiter=delimiter)), 2))
    if not rows:
        raise SourceError(f"{path.name} is empty: it has no headings.", field="source")
    return rows


def read_misshapen(lines: Iterable[str], table: StoredTable, layout: Layout) -> StoredTable:
    """Return a table with all rows of CSV text; short rows are padded, and long ones truncated.

    Parameters
    ----------
    lines
        The text, without headings.
    table
        The table, whose rows are replaced.
    layout
        The layout of the text.
    """
    rows: list[list[str]] = []
    misshapen = []
    count = len(layout.names)
    for cells in filter(None, csv.reader(lines, delimiter=layout.delimiter)):
        if len(cells) != count:
            text = layout.delimiter.join(cells)
            counted = "1 cell" if len(cells) == 1 else f"{len(cells)} cells"
            why = f"has {counted}, but there are {count} columns"
            if ESCAPED in text or any(cell.endswith("\\") for cell in cells):
                why += NO_ESCAPES
            misshapen.append(MisshapenRow(len(rows) + table.first_row, text, why, len(cells), count))
        rows.append((cells + [""] * count)[:count])
    columns = {
        column: from_texts([row[layout.names.index(name)] for row in rows])
        for column, name in layout.known.items()
    }
    return table._replace(data=pa.table(columns), misshapen=tuple(misshapen))
