"""Read tables from Parquet files: the ledger in pieces, and the other tables in full."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from custdyn_widgets import progress
from custdyn_widgets.errors import SourceError
from custdyn_widgets.mart.columns import is_text, plain
from custdyn_widgets.mart.reading.likely_causes import reject_foreign_content
from custdyn_widgets.mart.reading.stored import (
    BATCH,
    StoredLedger,
    StoredTable,
    reject_repeated_columns,
    unreadable,
)
from custdyn_widgets.mart.schema import MartTable

_INSTANTS = pa.timestamp("us", "UTC")
_PIECE = 2**20  # rows; row groups are never split
_MANY_CLIENTS = 2**17
# Types that Arrow cannot filter, or whose numbers it cannot round.
_LIMITED = (pa.types.is_string_view, pa.types.is_binary_view, pa.types.is_float16)


def read_parquet(path: Path, spec: MartTable, columns: Sequence[str] | None = None) -> StoredTable:
    """Read a table, or only some of its columns.

    Raises
    ------
    SourceError
        If the file cannot be read, or a known column occurs twice or contains text that is not UTF-8.
    """
    with _opened(path, spec, None, spec.repeating) as file:
        return _table(file, path, spec, file.read(_known(file, columns or spec.column_names)))


def parquet_ledger(path: Path, spec: MartTable, client_count: int) -> StoredLedger:
    """Return the ledger of a file without reading its rows.

    With many clients, client ids are not read as dictionaries, which would be almost as long as the columns.
    Batches are also larger, because each batch looks up its ids in a hash table of all clients.

    Raises
    ------
    SourceError
        As in `read_parquet`, now or when the rows are read.
    """

    def whole(columns: Sequence[str] | None) -> StoredTable:
        progress.step(f"Reading {path.name}", 0.4)
        return read_parquet(path, spec, columns)

    few = client_count <= _MANY_CLIENTS
    coded = tuple(name for name in spec.repeating if few or name != "client_id")
    rows = BATCH if few else _PIECE

    def piece(groups: range, first: int) -> Iterator[StoredTable]:
        with _opened(path, spec, metadata, coded) as file:
            known = _known(file, spec.column_names)
            for data in _gathered(file.iter_batches(rows, list(groups), known, use_threads=False), rows):
                yield _table(file, path, spec, data, first)
                first += data.num_rows

    with _opened(path, spec, None) as file:
        metadata = file.metadata
        columns = frozenset(
            (name, _joinable_type(file.schema_arrow.field(name).type))
            for name in _known(file, spec.column_names)
        )
    pieces = tuple(partial(piece, *part) for part in _row_group_ranges(metadata))
    return StoredLedger(whole, pieces, metadata.num_rows, columns=columns)


def _joinable_type(kind: pa.DataType) -> str:
    """Return the name of a type; columns whose types have the same name can be joined."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return "text" if is_text(kind) else str(kind)


def _row_group_ranges(metadata: pq.FileMetaData) -> Iterator[tuple[range, int]]:
    """Yield ranges of row groups to read together, with the number of rows before each range."""
    begin = first = rows = 0
    for group in range(metadata.num_row_groups):
        size = metadata.row_group(group).num_rows
        if rows and rows + size > _PIECE:
            yield range(begin, group), first
            begin, first, rows = group, first + rows, 0
        rows += size
    if metadata.num_row_groups:
        yield range(begin, metadata.num_row_groups), first


def _gathered(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.Table]:
    """Yield tables of up to `rows` rows, joining small batches.

    A batch never spans row groups, so it may be small, but even a small batch takes time to check.
    """
    gathered: list[pa.RecordBatch] = []
    for batch in batches:
        if gathered and sum(map(len, gathered)) + len(batch) > rows:
            yield pa.Table.from_batches(gathered)
            gathered = []
        gathered.append(batch)
    if gathered:
        yield pa.Table.from_batches(gathered)


def _known(file: pq.ParquetFile, columns: Sequence[str]) -> list[str]:
    names = file.schema_arrow.names
    return [name for name in columns if name in names]


def _table(file: pq.ParquetFile, path: Path, spec: MartTable, data: pa.Table, first: int = 0) -> StoredTable:
    for name in data.column_names:
        if all(_needs_no_validation(chunk) for chunk in data.column(name).chunks):
            continue
        try:
            data.column(name).validate(full=True)  # writers are not required to check that text is UTF-8
        except pa.ArrowInvalid as error:
            raise SourceError(f"{path.name}, column {name}: {error}", field=name) from error
    for name in data.column_names:
        if any(is_limited(data.schema.field(name).type) for is_limited in _LIMITED):
            data = data.set_column(data.column_names.index(name), name, plain(data.column(name)))
    for name in _int96(file, data.column_names):
        data = data.set_column(data.column_names.index(name), name, data.column(name).cast(_INSTANTS))
    extra = tuple(name for name in file.schema_arrow.names if name not in spec.column_names)
    return StoredTable(spec, path.name, data, extra, first_row=first + 1)


def _int96(file: pq.ParquetFile, names: Sequence[str]) -> list[str]:
    """Return the columns of the old INT96 type, which Spark uses for UTC times but does not mark as UTC."""
    kinds = {column.path: column.physical_type for column in map(file.schema.column, range(len(file.schema)))}
    return [name for name in names if kinds.get(name) == "INT96"]


def _needs_no_validation(column: pa.Array) -> bool:
    """Return whether values are numbers or ASCII text, which do not need the slow validation."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _needs_no_validation(column.dictionary) and _in_range(column.indices, len(column.dictionary))
    if pa.types.is_decimal(kind) or pa.types.is_timestamp(kind):
        return True
    if not is_text(kind):
        return False
    data = column.buffers()[-1]
    return data is None or int(np.frombuffer(data, np.uint8).max(initial=0)) < 0x80


def _may_be_coded(kind: pa.DataType) -> bool:
    """Return whether a column of a type can be read as a dictionary."""
    return not pa.types.is_nested(kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind)


def _in_range(indices: pa.Array, count: int) -> bool:
    """Return whether all indices of a dictionary, including those under nulls, are valid."""
    if not len(indices):
        return True
    values = np.frombuffer(indices.buffers()[1], indices.type.to_pandas_dtype())
    values = values[indices.offset : indices.offset + len(indices)]
    return bool(values.min() >= 0 and values.max() < count)


@contextmanager
def _opened(
    path: Path, spec: MartTable, metadata: pq.FileMetaData | None, coded: Sequence[str] = ()
) -> Iterator[pq.ParquetFile]:
    """Open a file so that the columns in `coded` are read as dictionaries.

    Times of the old INT96 type are read in microseconds, because nanoseconds cover only the years 1677
    to 2262.
    """
    try:
        with pa.OSFile(os.fsencode(path)) as stored:  # a path need not be UTF-8
            seen = pq.ParquetFile(stored, metadata=metadata)
            schema = seen.schema_arrow
            reject_repeated_columns(schema.names, spec, path.name)
            repeating = [
                name for name in coded if name in schema.names and _may_be_coded(schema.field(name).type)
            ]
            with pq.ParquetFile(
                stored,
                metadata=seen.metadata,
                read_dictionary=repeating,
                coerce_int96_timestamp_unit="us",
                buffer_size=2**20,
                pre_buffer=False,  # buffering would keep a piece's compressed bytes in memory
            ) as file:
                yield file
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        if isinstance(error, pa.ArrowException):
            reject_foreign_content(path)
        raise unreadable(path, error) from error
