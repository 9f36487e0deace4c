"""Reading a table from a CSV file: all its rows, or an error that says what is wrong."""

from __future__ import annotations

import csv
import itertools
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from custdyn_widgets.errors import SourceError
from custdyn_widgets.mart.reading.csv_quotes import (
    ESCAPED,
    has_quotes,
    reject_misplaced_quotes,
    scan_quotes,
)
from custdyn_widgets.mart.reading.likely_causes import (
    reject_dialect,
    reject_encoding,
    reject_foreign_content,
)
from custdyn_widgets.mart.reading.stored import StoredTable, refuse_doubled
from custdyn_widgets.mart.schema import MartTable

_NO_ESCAPES = (
    "; a backslash escapes nothing in CSV: put text with commas between quotes, and double any quote in it"
)
_NO_TEXT = pa.nulls(0, pa.large_string())  # pa.array would import pandas
_CODED = pa.dictionary(pa.int32(), pa.large_string())


def read_csv(path: Path, spec: MartTable) -> StoredTable:
    """Read the known columns of a table as text.

    Raises
    ------
    SourceError
        If headings are missing, a known one occurs twice, the text is not UTF-8, a quote is misplaced, or the
        file is in another format or dialect.
    """
    try:
        names, *below = _first_rows(path)
    except csv.Error:  # a cell longer than any heading
        reject_foreign_content(path)
        raise
    refuse_doubled(names, spec, path.name)
    known = [name for name in names if name in spec.column_names]
    extra = tuple(name for name in names if name not in spec.column_names)
    if not known or not names[0].isprintable():
        reject_foreign_content(path)
    if not known:  # Arrow would read every column and guess its type
        reject_encoding(path)
        reject_dialect(path, spec)
        return StoredTable(spec, path.name, pa.table({}), extra, first_row=2)
    if not below:
        return StoredTable(spec, path.name, pa.table(dict.fromkeys(known, _NO_TEXT)), extra, first_row=2)
    quoted = has_quotes(path)
    try:
        data, misshapen = _read_known(path, spec, known, quoted)
    except pa.ArrowInvalid:
        reject_encoding(path)
        reject_misplaced_quotes(path)
        raise
    if quoted:
        scan = scan_quotes(path)
        if scan.doubtful or scan.lines != data.num_rows + misshapen + 1:
            reject_misplaced_quotes(path)
    if misshapen:  # rare: read row by row, to report row numbers
        return _read_misshapen_csv(path, spec, names, extra)
    return StoredTable(spec, path.name, data, extra, first_row=2)


def _read_known(path: Path, spec: MartTable, known: list[str], quoted: bool) -> tuple[pa.Table, int]:
    """Return the known columns of rows of the right length, and the number of other rows."""
    misshapen: list[object] = []

    def note(row: object) -> str:
        misshapen.append(row)
        return "skip"

    data = pa.csv.read_csv(
        pa.OSFile(os.fsencode(path)),  # as bytes: a path need not be UTF-8
        parse_options=pa.csv.ParseOptions(newlines_in_values=quoted, invalid_row_handler=note),
        convert_options=pa.csv.ConvertOptions(
            column_types={name: _CODED if name in spec.repeating else pa.large_string() for name in known},
            include_columns=known,
            strings_can_be_null=False,
        ),
    )
    return data, len(misshapen)


def _first_rows(path: Path) -> list[list[str]]:
    """Return the headings and the first row, if any, skipping empty lines as Arrow does."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        rows = list(itertools.islice(filter(None, csv.reader(file)), 2))
    if not rows:
        raise SourceError(f"{path.name} is empty: it has no headings.", field="source")
    return rows


def _read_misshapen_csv(path: Path, spec: MartTable, names: list[str], extra: tuple[str, ...]) -> StoredTable:
    """Read a CSV file with rows of different lengths: pad short ones with blanks, truncate long ones."""
    rows: list[list[str]] = []
    misshapen = []
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        lines = filter(None, csv.reader(file))
        next(lines)
        for cells in lines:
            if len(cells) != len(names):
                counted = "1 cell" if len(cells) == 1 else f"{len(cells)} cells"
                why = f"has {counted}, but there are {len(names)} columns"
                if ESCAPED in ",".join(cells) or any(cell.endswith("\\") for cell in cells):
                    why += _NO_ESCAPES
                misshapen.append((len(rows) + 2, ",".join(cells), why))
            rows.append((cells + [""] * len(names))[: len(names)])
    columns = {
        name: pa.array([row[i] for row in rows], pa.large_string())
        for i, name in enumerate(names)
        if name in spec.column_names
    }
    return StoredTable(spec, path.name, pa.table(columns), extra, first_row=2, misshapen=tuple(misshapen))
