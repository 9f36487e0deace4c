"""Writing the tables of a mart: streaming rows from the database to Parquet with bounded memory."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from custdyn_widgets import progress
from custdyn_widgets.errors import SourceError, nearest, shown
from custdyn_widgets.mart.schema import MartTable
from custdyn_widgets.mart.syncing.session import Session
from custdyn_widgets.mart.syncing.typed import AMOUNT, Residue, ResultColumn, StaysText, stored_type, typed

_ROW_GROUP = 2**18  # rows
_PENDING = 2  # the maximum number of chunks that are waiting to be written
_REPORT_EVERY_S = 1.0
_REPEATED = (
    "client_type",
    "company",
    "owner_user",
    "currency",
    "base",
)  # dictionary-encoded, as are client_id, kind and package_id


@dataclass
class WrittenTable:
    """The number of rows in a written table, and what rounding removed from each column."""

    rows: int = 0
    residues: dict[str, Residue] = field(default_factory=dict)


@dataclass(frozen=True)
class TableProgress:
    """Reports the progress of writing a table.

    Attributes
    ----------
    name
        The name of the table.
    done, share
        The share of the total progress reached before this table, and the share for this table.
    expected
        The number of rows in the last sync; 0 if unknown.
    """

    name: str
    done: float
    share: float
    expected: int = 0

    def report(self, rows: int, seconds: float) -> None:
        """Report the number of rows read so far."""
        part = min(rows / self.expected, 1) if self.expected else rows / (rows + 10**6)
        rate = f", {rows / seconds:,.0f} rows/s" if seconds >= 1 else ""
        progress.step(f"Reading {self.name}: {rows:,} rows{rate}", self.done + self.share * part)


def plan(session: Session, select: str, spec: MartTable, place: str) -> list[ResultColumn]:
    """Return the columns of a SELECT that belong to the table of the mart.

    Raises
    ------
    SourceError
        If a required column is missing, or a column occurs twice or contains bytes.
    """
    found = session.columns(select)
    names = [column.name for column in found]
    for column in spec.columns:
        if names.count(column.name) > 1:
            raise SourceError(
                f"{place}: the SELECT returns the column {column.name} twice.", field=column.name
            )
        if column.required and column.name not in names:
            close = nearest(column.name, [name for name in names if name not in spec.column_names], 1)
            hint = (
                f"It returns {shown(close[0])} instead: rename that column with AS {column.name}."
                if close
                else f"Add … AS {column.name}."
            )
            raise SourceError(
                f"{place}: the SELECT does not return the column {column.name}. {hint}", field=column.name
            )
    wanted = [column for column in found if column.name in spec.column_names]
    _reject_bytes(wanted, place)
    return wanted


def _reject_bytes(columns: Sequence[ResultColumn], section: str) -> None:
    """Raise a SourceError if a column of the mart contains bytes instead of text."""
    for column in columns:
        if column.family == "bytes":
            raise SourceError(
                f"{section}: the column {column.name} contains bytes, not text. In MySQL, write "
                "CONVERT(… USING utf8mb4) or HEX(…); in PostgreSQL, write encode(…, 'hex').",
                field=column.name,
            )


def write_table(
    session: Session,
    select: str,
    spec: MartTable,
    columns: Sequence[ResultColumn],
    file: Path,
    table_progress: TableProgress,
    place: str,
) -> WrittenTable:
    """Write the rows of a SELECT to a Parquet file.

    If a column's values do not fit its type, the SELECT is run again in the same transaction, and the column
    stays text.
    """
    as_text: set[str] = set()
    while True:
        try:
            return _written(session, select, _schema(spec, columns, as_text), columns, file, table_progress)
        except StaysText as found:
            as_text.add(found.column)
        except SourceError as error:
            raise SourceError(f"{place}: {error.message}", field=error.field) from error


def _schema(spec: MartTable, columns: Sequence[ResultColumn], as_text: set[str]) -> pa.Schema:
    kinds = {column.name: column.kind for column in spec.columns}
    return pa.schema(
        [
            (c.name, pa.string() if c.name in as_text else stored_type(kinds[c.name], c.family))
            for c in columns
        ]
    )


def _written(
    session: Session,
    select: str,
    schema: pa.Schema,
    columns: Sequence[ResultColumn],
    file: Path,
    table_progress: TableProgress,
) -> WrittenTable:
    table = WrittenTable(residues={part.name: Residue() for part in schema if part.type == AMOUNT})
    began = last = time.monotonic()
    table_progress.report(0, 0)
    with ThreadPoolExecutor(1, "custdyn sync") as pool, _Writer(file, schema) as writer:
        pending: deque[Future[None]] = deque()
        for chunk in session.rows(select, columns):
            pending.append(pool.submit(writer.write, chunk, table.residues))
            table.rows += len(next(iter(chunk.values())))
            if len(pending) > _PENDING:
                pending.popleft().result()
            if (now := time.monotonic()) - last >= _REPORT_EVERY_S:
                table_progress.report(table.rows, now - began)
                last = now
        for each in pending:
            each.result()
    return table


class _Writer:
    """Writes chunks of text to a Parquet file as row groups."""

    def __init__(self, file: Path, schema: pa.Schema) -> None:
        repeated = [n for n in schema.names if n in _REPEATED or n in ("client_id", "kind", "package_id")]
        self._schema = schema
        self._batches: list[pa.RecordBatch] = []
        self._writer = pq.ParquetWriter(
            file, schema, compression="zstd", compression_level=1, use_dictionary=repeated or False
        )

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._flush()
        self._writer.close()

    def write(self, chunk: Mapping[str, pa.Array], residues: Mapping[str, Residue]) -> None:
        """Write a chunk, or hold it back until there are enough rows for a row group."""
        self._batches.append(typed(chunk, self._schema, residues))
        if sum(batch.num_rows for batch in self._batches) >= _ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._batches:
            self._writer.write_table(pa.Table.from_batches(self._batches), row_group_size=2 * _ROW_GROUP)
            self._batches = []
