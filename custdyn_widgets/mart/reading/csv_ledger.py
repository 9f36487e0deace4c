"""Reading the ledger from a CSV file in pieces.

Pieces that have rows of the wrong length, or quotes that may be misplaced, are read by slower functions.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pyarrow as pa

from custdyn_widgets.mart.dialect import NO_DIALECT, Dialect
from custdyn_widgets.mart.reading.csv_files import Layout, layout_of, read_csv, read_known, read_misshapen
from custdyn_widgets.mart.reading.csv_pieces import CsvPiece, csv_pieces
from custdyn_widgets.mart.reading.csv_quotes import (
    has_doubtful_quotes,
    is_strict,
    reject_misplaced_quotes,
)
from custdyn_widgets.mart.reading.csv_text import converted_copy
from custdyn_widgets.mart.reading.likely_causes import reject_encoding
from custdyn_widgets.mart.reading.stored import StoredLedger, StoredTable, batches, reporting_unreadable
from custdyn_widgets.mart.schema import MartTable

_AT_ONCE = 2  # the number of pieces whose rows are counted at the same time


@dataclass(frozen=True)
class _CsvFile:
    """A CSV file as UTF-8 text.

    Attributes
    ----------
    path
        The path of the text, which may be a converted copy without a name.
    name
        The name of the file.
    named
        Opens a path that leads to the text and ends in the name of the file, for messages.
    spec, layout
        The schema of the table, and the layout of the text.
    """

    path: Path
    name: str
    named: Callable[[], AbstractContextManager[Path]]
    spec: MartTable
    layout: Layout

    def read(self, piece: CsvPiece) -> Iterator[StoredTable]:
        """Yield the batches of a piece, or nothing if it does not have the expected number of rows."""
        table = self.table(piece)
        if table is not None and table.data.num_rows == piece.rows:
            yield from batches(table)

    def table(self, piece: CsvPiece) -> StoredTable | None:
        """Read a piece; return None if its text is invalid but no error is found in the entire file."""
        with reporting_unreadable(Path(self.name)):
            with self.path.open("rb") as file:
                file.seek(piece.begin)
                content = file.read(piece.end - piece.begin)
            quoted = b'"' in content
            delimiter = self.layout.delimiter
            doubtful = quoted and has_doubtful_quotes(content, delimiter, piece.rows)
            if doubtful and not is_strict(content, delimiter):
                self._reject(encoding=False)
                return None
            try:
                stored = pa.BufferReader(content)
                data, misshapen = read_known(stored, self.spec, self.layout, quoted, has_headings=False)
            except pa.ArrowInvalid:
                self._reject(encoding=True)
                return None
            first = 2 + piece.first
            table = StoredTable(self.spec, self.name, data, self.layout.extra, first_row=first)
            table = table._replace(guessed=self.layout.guessed)
            if misshapen:
                text = io.StringIO(content.decode(errors="replace"), newline="")
                table = read_misshapen(text, table, self.layout)
            return table

    def _reject(self, *, encoding: bool) -> None:
        """Raise an error if the file has misplaced quotes or, if `encoding` is set, is not UTF-8."""
        with self.named() as path:
            if encoding:
                reject_encoding(path)
            reject_misplaced_quotes(path, self.layout.delimiter)


def csv_ledger(path: Path, spec: MartTable, dialect: Dialect = NO_DIALECT, *, small: bool) -> StoredLedger:
    """Return the ledger of a file; a large file, or any file if `small` is set, is read later in pieces.

    Raises
    ------
    SourceError
        As in `read_csv`, now or when the rows are read.
    """
    copy, text = converted_copy(path, dialect)
    pieces = csv_pieces(text.path, small=small)
    if not pieces:
        return _in_memory(path, spec, dialect)

    def opened() -> AbstractContextManager[Path]:
        return nullcontext(path) if copy is None else copy.named(path.name)

    with opened() as place:
        layout = layout_of(replace(text, path=place), spec, dialect)
    if not layout.known:
        return _in_memory(path, spec, dialect)
    file = _CsvFile(text.path, path.name, opened, spec, layout)
    return _ledger(file, pieces, partial(_whole, path, spec, dialect))


def _in_memory(path: Path, spec: MartTable, dialect: Dialect) -> StoredLedger:
    table = read_csv(path, spec, dialect)
    columns = frozenset((name, "text") for name in table.data.column_names)
    return replace(StoredLedger.of(table), columns=columns)


def _whole(path: Path, spec: MartTable, dialect: Dialect, columns: Sequence[str] | None) -> StoredTable:
    with reporting_unreadable(path):
        table = read_csv(path, spec, dialect)
    return table if columns is None else table._replace(data=table.data.select(columns))


def _ledger(
    file: _CsvFile,
    pieces: Sequence[CsvPiece],
    whole: Callable[[Sequence[str] | None], StoredTable],
    *,
    is_counted: bool = False,
) -> StoredLedger:
    def recounted() -> StoredLedger:
        return _ledger(file, _counted(file, pieces), whole, is_counted=True)

    return StoredLedger(
        whole,
        tuple(partial(file.read, piece) for piece in pieces),
        sum(piece.rows for piece in pieces),
        first_row=2,
        columns=frozenset((name, "text") for name in file.layout.known),
        recounted=None if is_counted else recounted,
    )


def _counted(file: _CsvFile, pieces: Sequence[CsvPiece]) -> list[CsvPiece]:
    """Read the pieces, and return them with the correct numbers of rows."""

    def rows(piece: CsvPiece) -> int:
        table = file.table(piece)
        return piece.rows if table is None else int(table.data.num_rows)

    found, first = [], 0
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for piece, count in zip(pieces, pool.map(rows, pieces), strict=True):
            found.append(replace(piece, first=first, rows=count))
            first += count
    return found
