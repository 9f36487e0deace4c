"""The tables of a mart as stored, before any checks."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from custdyn_widgets.errors import SourceError
from custdyn_widgets.mart.arrow_arrays import from_bools
from custdyn_widgets.mart.dialect import NO_DIALECT, Dialect
from custdyn_widgets.mart.nested_views import without_nested_views
from custdyn_widgets.mart.schema import TABLES, MartTable


class MisshapenRow(NamedTuple):
    """A row of a CSV file with too many or too few cells, and its number in messages."""

    number: int
    text: str
    why: str
    cells: int
    columns: int

    def moved(self, rows: int) -> MisshapenRow:
        """Return the row with its number increased by `rows`."""
        return self._replace(number=self.number + rows)


class NestedCell(NamedTuple):
    """A cell of a DataFrame that is not a single value, such as a list, and the number of its row."""

    number: int
    column: str


class StoredTable(NamedTuple):
    """A table as stored.

    Attributes
    ----------
    spec
        The schema of the table.
    origin
        The name of its file; for a DataFrame, the name of the table.
    data
        The known columns, with the types that they have in the file.
    extra
        Names of unknown columns, which are ignored.
    first_row
        The number of its first row in messages: a CSV file's headings are row 1.
    misshapen
        Rows of a CSV file with too many or too few cells.
    nested
        Cells of a DataFrame that are not single values, in columns that contain other values, too.
    dialect
        The format of its text, and the time zone of times without an offset.
    guessed
        The parts of the dialect that were detected in the data, in words, such as `decimal ','`.
    numbers
        The numbers of its rows in messages, in ascending order, if it has only some of a table's rows.
    floats
        The columns of text that contained binary floats before tables in memory were converted.
    """

    spec: MartTable
    origin: str
    data: pa.Table
    extra: tuple[str, ...] = ()
    first_row: int = 1
    misshapen: tuple[MisshapenRow, ...] = ()
    nested: tuple[NestedCell, ...] = ()
    dialect: Dialect = NO_DIALECT
    guessed: tuple[str, ...] = ()
    numbers: npt.NDArray[np.int64] | None = None
    floats: frozenset[str] = frozenset()

    def has_floats(self, column: str) -> bool:
        """Return whether a column has a binary float type, or had binary floats before it became text."""
        kind = self.data.column(column).type
        encoded = pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind)
        return column in self.floats or bool(pa.types.is_floating(kind.value_type if encoded else kind))

    def number(self, position: int) -> int:
        """Return the number by which messages refer to a row."""
        return position + self.first_row if self.numbers is None else int(self.numbers[position])

    def position(self, number: int) -> int:
        """Return the position of the row with the given number."""
        if self.numbers is None:
            return number - self.first_row
        return int(np.searchsorted(self.numbers, number))

    def nested_in(self, column: str) -> list[int]:
        """Return the positions of the rows whose cell in a column is not a single value."""
        return [self.position(cell.number) for cell in self.nested if cell.column == column]

    def rows(self, kept: npt.NDArray[np.bool_]) -> StoredTable:
        """Return the table with only some of its rows, which keep their numbers."""
        numbers = np.arange(len(kept)) + self.first_row if self.numbers is None else self.numbers
        numbers = numbers[kept]
        of_rows = set(numbers.tolist()) if self.misshapen or self.nested else set()
        return self._replace(
            data=without_nested_views(self.data).filter(from_bools(kept)),
            numbers=numbers,
            misshapen=tuple(row for row in self.misshapen if row.number in of_rows),
            nested=tuple(cell for cell in self.nested if cell.number in of_rows),
        )

    def without_rows(self) -> StoredTable:
        """Return the table without its rows."""
        none = np.empty(0, np.int64)
        none_of_data = without_nested_views(pa.Table.from_batches([], self.data.schema))
        return self._replace(data=none_of_data, numbers=none, misshapen=(), nested=())


BATCH = 2**18  # rows: few enough to fit in a processor's cache

Piece = Callable[[], Iterator[StoredTable]]


@dataclass(frozen=True, eq=False)
class StoredLedger:
    """The transactions as stored, which may not fit in memory.

    Attributes
    ----------
    whole
        A function that reads all transactions, or only some of their columns.
    pieces
        Functions that each read some of the transactions in batches; together they read all of them in
        order. Several threads may each read a different piece.
    count, first_row
        The number of transactions, and the number of the first row in messages.
    columns
        The name and the type of each column: types that can be joined have the same name.
    is_uniform
        Whether all its files have the same columns.
    recounted
        If `count` and the row numbers may be wrong, a function that counts the rows and returns the correct
        ledger.
    """

    whole: Callable[[Sequence[str] | None], StoredTable]
    pieces: Sequence[Piece]
    count: int
    first_row: int = 1
    columns: frozenset[tuple[str, str]] = frozenset()
    is_uniform: bool = True
    recounted: Callable[[], StoredLedger] | None = None

    @classmethod
    def of(cls, table: StoredTable) -> StoredLedger:
        """Create a ledger from a table in memory."""

        def whole(columns: Sequence[str] | None) -> StoredTable:
            return table if columns is None else table._replace(data=table.data.select(columns))

        return cls(whole, (lambda: batches(table),), table.data.num_rows, table.first_row)

    def with_changes(self, **changes: Any) -> StoredLedger:
        """Return the ledger with the given fields changed in every table that it reads."""

        def whole(columns: Sequence[str] | None) -> StoredTable:
            return self.whole(columns)._replace(**changes)

        def piece(read: Piece) -> Iterator[StoredTable]:
            return (batch._replace(**changes) for batch in read())

        def recounted() -> StoredLedger:
            assert self.recounted is not None
            return self.recounted().with_changes(**changes)

        return replace(
            self,
            whole=whole,
            pieces=tuple(partial(piece, read) for read in self.pieces),
            recounted=recounted if self.recounted else None,
        )


def batches(table: StoredTable) -> Iterator[StoredTable]:
    """Yield a table in batches; a table without rows yields one empty batch."""
    for low in range(0, max(table.data.num_rows, 1), BATCH):
        first = table.first_row + low
        yield table._replace(
            data=table.data.slice(low, BATCH),
            first_row=first,
            misshapen=tuple(row for row in table.misshapen if first <= row.number < first + BATCH),
            nested=tuple(cell for cell in table.nested if first <= cell.number < first + BATCH),
        )


class StoredMart(NamedTuple):
    """The name of a source, with its ledger and its other tables.

    `unread` contains warnings about tables that may be stored under an unknown name.
    """

    name: str
    others: Mapping[str, StoredTable]
    ledger: StoredLedger
    unread: tuple[str, ...] = ()

    @classmethod
    def of(cls, name: str, tables: Mapping[str, StoredTable]) -> StoredMart:
        """Create a mart from tables in memory."""
        others = {table: stored for table, stored in tables.items() if table != "transactions"}
        return cls(name, others, StoredLedger.of(tables["transactions"]))

    def in_dialect(self, dialect: Dialect) -> StoredMart:
        """Return the mart with another dialect for all its tables."""
        others = {name: table._replace(dialect=dialect) for name, table in self.others.items()}
        return self._replace(others=others, ledger=self.ledger.with_changes(dialect=dialect))

    def named_by_table(self) -> StoredMart:
        """Return the mart with table names instead of file names in messages, for generated files."""
        others = {name: table._replace(origin=name) for name, table in self.others.items()}
        return self._replace(others=others, ledger=self.ledger.with_changes(origin="transactions"))

    def tables(self) -> dict[str, StoredTable]:
        """Read the whole ledger and return all tables in schema order."""
        found = {**self.others, "transactions": self.ledger.whole(None)}
        return {name: found[name] for name in TABLES if name in found}


def reject_repeated_columns(names: Sequence[object], spec: MartTable, whose: str) -> None:
    """Raise an error if a known column occurs twice."""
    for name in spec.column_names:
        if names.count(name) > 1:
            raise SourceError(f"{whose} has the column {name!r} twice.", field=name)


@contextmanager
def reporting_unreadable(path: Path) -> Iterator[None]:
    """Convert errors that occur while a file is being read to errors that name the file."""
    try:
        yield
    except (OSError, csv.Error, pa.ArrowException) as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> SourceError:
    """Return the error for a file that cannot be read."""
    why = getattr(error, "strerror", None) or error
    return SourceError(f"{path.name} cannot be read: {why}", field="source")
