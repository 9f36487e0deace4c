"""A mart's tables as they are stored, before anything in them is judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from custdyn_widgets.errors import SourceError
from custdyn_widgets.mart.schema import TABLES, MartTable


@dataclass(frozen=True)
class StoredTable:
    """A table as stored.

    Attributes
    ----------
    spec
        What the table should be.
    origin
        Its file's name, or the table's name for a DataFrame.
    data
        The known columns, one chunk each, as the file types them.
    extra
        Names of columns that the mart does not know; they are ignored.
    first_row
        The number of its first row as a person counts it: a CSV's headings are row 1.
    misshapen
        Rows of a CSV with too many or too few cells: (row, text, why).
    """

    spec: MartTable
    origin: str
    data: pa.Table
    extra: tuple[str, ...] = ()
    first_row: int = 1
    misshapen: tuple[tuple[int, str, str], ...] = ()


BATCH = 2**18  # rows: so few that what is made of them stays in a processor's cache

Piece = Callable[[], Iterator[StoredTable]]


@dataclass(frozen=True)
class StoredLedger:
    """The transactions as stored. There may be more of them than one wants to hold at once.

    Attributes
    ----------
    whole
        Reads all of them, or only some columns.
    pieces
        Each reads some of them, a batch at a time; together they are the whole, in its order. Several
        threads may read, each another piece.
    count, first_row
        How many there are, and the number of the first row as a person counts it.
    """

    whole: Callable[[Sequence[str] | None], StoredTable]
    pieces: Sequence[Piece]
    count: int
    first_row: int = 1

    @classmethod
    def of(cls, table: StoredTable) -> StoredLedger:
        """Return a ledger that is held already."""

        def whole(columns: Sequence[str] | None) -> StoredTable:
            return table if columns is None else replace(table, data=table.data.select(columns))

        return cls(whole, (lambda: batches(table),), table.data.num_rows, table.first_row)


def batches(table: StoredTable) -> Iterator[StoredTable]:
    """Yield a table in batches of rows; always yields at least one batch, which may be empty."""
    for low in range(0, max(table.data.num_rows, 1), BATCH):
        yield replace(
            table,
            data=table.data.slice(low, BATCH),
            first_row=table.first_row + low,
            misshapen=() if low else table.misshapen,
        )


@dataclass(frozen=True)
class StoredMart:
    """A source's name, its tables but the ledger, and the ledger."""

    name: str
    others: Mapping[str, StoredTable]
    ledger: StoredLedger

    @classmethod
    def of(cls, name: str, tables: Mapping[str, StoredTable]) -> StoredMart:
        """Return a mart whose tables are all held already."""
        others = {table: stored for table, stored in tables.items() if table != "transactions"}
        return cls(name, others, StoredLedger.of(tables["transactions"]))

    def tables(self) -> dict[str, StoredTable]:
        """Return all tables, in the order of the schema; reads the whole ledger."""
        found = {**self.others, "transactions": self.ledger.whole(None)}
        return {name: found[name] for name in TABLES if name in found}


def refuse_doubled(names: Sequence[object], spec: MartTable, whose: str) -> None:
    """Raise a SourceError if a column that the mart knows is there twice."""
    for name in spec.column_names:
        if names.count(name) > 1:
            raise SourceError(f"{whose} has the column {name!r} twice.", field=name)


def unreadable(path: Path, error: Exception) -> SourceError:
    """Return the error of a file that the system or the library cannot read."""
    why = getattr(error, "strerror", None) or error
    return SourceError(f"{path.name} cannot be read: {why}", field="source")
