"""Tables in folders of part files, as Spark writes them: `clients.parquet/part-00000-….parquet`.

Rows are numbered consecutively across all parts, in the order of the parts' names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import accumulate
from pathlib import Path

import numpy as np
import pyarrow as pa

from custdyn_widgets.errors import SourceError, shown
from custdyn_widgets.mart import columns
from custdyn_widgets.mart.reading.stored import BATCH, Piece, StoredLedger, StoredTable

_SHARED = ("origin", "extra", "dialect", "guessed", "floats")  # what joined batches have in common


def read_parts(path: Path, parts: Sequence[Path], read: Callable[[Path], StoredTable]) -> StoredTable:
    """Read a table from its file, or from its parts.

    Raises
    ------
    SourceError
        If a part cannot be read, or does not have the same columns and types as the first one.
    """
    return read(path) if parts == [path] else _joined(path.name, [read(part) for part in parts])


def parts_ledger(path: Path, parts: Sequence[Path], ledger: Callable[[Path], StoredLedger]) -> StoredLedger:
    """Return the ledger stored in a file or in parts, without reading its rows."""
    return ledger(path) if parts == [path] else _joined_ledger(path, [ledger(part) for part in parts])


def _joined_ledger(path: Path, found: Sequence[StoredLedger]) -> StoredLedger:
    """Join the ledgers of a table's parts."""
    before = [0, *accumulate(part.count for part in found)]

    def whole(wanted: Sequence[str] | None) -> StoredTable:
        return _joined(path.name, [part.whole(wanted) for part in found])

    def shifted(piece: Piece, rows: int) -> Iterator[StoredTable]:
        for batch in piece():
            misshapen = tuple(row.moved(rows) for row in batch.misshapen)
            first = batch.first_row + rows
            yield batch._replace(origin=path.name, first_row=first, misshapen=misshapen)

    def recounted() -> StoredLedger:
        return _joined_ledger(path, [part.recounted() if part.recounted else part for part in found])

    def together(pieces: Sequence[tuple[Piece, int]]) -> Iterator[StoredTable]:
        batches = (batch for piece, rows in pieces for batch in shifted(piece, rows))
        return _gathered(batches) if len(pieces) > 1 else batches

    pieces = [partial(together, group) for group in _small_pieces_together(found, before)]
    return StoredLedger(
        whole,
        pieces,
        before[-1],
        found[0].first_row,
        columns=found[0].columns,
        is_uniform=len({part.columns for part in found}) == 1,
        recounted=recounted if any(part.recounted for part in found) else None,
    )


def _small_pieces_together(
    parts: Sequence[StoredLedger], before: Sequence[int]
) -> Iterator[list[tuple[Piece, int]]]:
    """Yield the pieces of all parts with the number of rows before their part, small ones in groups."""
    group: list[tuple[Piece, int]] = []
    count = 0
    for part, rows in zip(parts, before, strict=False):
        is_small = len(part.pieces) == 1 and part.recounted is None  # if it can be recounted, it may be large
        if group and not (is_small and count + part.count <= BATCH):
            yield group
            group, count = [], 0
        own = [(piece, rows) for piece in part.pieces]
        if is_small:
            group += own
            count += part.count
        else:
            yield from ([each] for each in own)
    if group:
        yield group


def _gathered(batches: Iterable[StoredTable]) -> Iterator[StoredTable]:
    """Yield batches, joined with those that follow them if possible: even a small one takes time to check."""
    gathered: list[StoredTable] = []
    end = 0  # the number of the row after the last one
    for batch in batches:
        if gathered and not (batch.first_row == end and _can_be_joined(gathered[0], batch)):
            yield _as_one(gathered)
            gathered = []
        gathered.append(batch)
        end = batch.first_row + batch.data.num_rows
    if gathered:
        yield _as_one(gathered)


def _can_be_joined(first: StoredTable, other: StoredTable) -> bool:
    """Return whether two batches differ only in their rows, none of which is known to be faulty."""
    return (
        not any((first.misshapen, first.nested, other.misshapen, other.nested))
        and other.data.schema.equals(first.data.schema)
        and all(getattr(other, name) == getattr(first, name) for name in _SHARED)
    )


def _as_one(batches: Sequence[StoredTable]) -> StoredTable:
    return batches[0]._replace(data=pa.concat_tables([batch.data for batch in batches]))


def _joined(origin: str, parts: Sequence[StoredTable]) -> StoredTable:
    """Join the parts of a table."""
    first = parts[0]
    names = first.data.column_names
    misshapen = []
    rows = 0
    for part in parts:
        if set(part.data.column_names) != set(names):
            differ = ", ".join(sorted(set(part.data.column_names) ^ set(names)))
            raise SourceError(
                f"{origin}: {shown(part.origin)} and {shown(first.origin)} differ in the columns {differ}. "
                "Write all parts with the same columns.",
                field="source",
            )
        misshapen += [row.moved(rows) for row in part.misshapen]
        rows += part.data.num_rows
    return first._replace(
        origin=origin,
        data=pa.table({name: _joined_column(origin, name, parts) for name in names}),
        extra=tuple(dict.fromkeys(name for part in parts for name in part.extra)),
        misshapen=tuple(misshapen),
        guessed=tuple(dict.fromkeys(word for part in parts for word in part.guessed)),
    )


def joined_rows(batches: Sequence[StoredTable]) -> StoredTable:
    """Join rows from several batches of a table; the rows keep their numbers."""
    first = batches[0]
    return first._replace(
        data=pa.table(
            {name: _joined_column(first.origin, name, batches) for name in first.data.column_names}
        ),
        extra=tuple(dict.fromkeys(name for batch in batches for name in batch.extra)),
        misshapen=tuple(row for batch in batches for row in batch.misshapen),
        nested=tuple(cell for batch in batches for cell in batch.nested),
        guessed=tuple(dict.fromkeys(word for batch in batches for word in batch.guessed)),
        numbers=np.concatenate([batch.numbers for batch in batches if batch.numbers is not None]),
        floats=frozenset().union(*(batch.floats for batch in batches)),
    )


def _joined_column(origin: str, name: str, parts: Sequence[StoredTable]) -> pa.ChunkedArray:
    found = [part.data.column(name) for part in parts]
    if len({column.type for column in found}) > 1:  # a part may have no rows, or rows of the wrong length
        found = [_plain_text(column) for column in found]
    kinds = {column.type for column in found}
    if len(kinds) > 1:
        raise SourceError(
            f"{origin}, {name}: the parts have different types ({', '.join(sorted(map(str, kinds)))}). Write "
            "all parts with the same types.",
            field=name,
        )
    return pa.chunked_array([chunk for column in found for chunk in column.chunks], found[0].type)


def _plain_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return text of any Arrow type as large strings, and other values unchanged."""
    plain = columns.decoded(columns.plain(column))
    return pa.chunked_array([plain.cast(pa.large_string()) if columns.is_text(plain.type) else plain])
