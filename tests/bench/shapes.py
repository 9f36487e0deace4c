"""The same ledger as different systems store it: other ids, amounts, order of rows, writers, clients."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

_BATCH = 2**20  # rows

Write = Callable[[duckdb.DuckDBPyRelation, Path], None]


def _by_arrow(
    rows: duckdb.DuckDBPyRelation, path: Path, group: int = _BATCH, types: Any = (), **options: Any
) -> None:
    """Write with pyarrow, as PyArrow, pandas and Snowflake's or BigQuery's exports lay out a file."""
    options.setdefault("store_decimal_as_integer", True)
    reader = pa.RecordBatchReader.from_stream(rows)
    schema = reader.schema
    for name, kind in dict(types).items():
        schema = schema.set(schema.get_field_index(name), pa.field(name, kind))
    with pq.ParquetWriter(path, schema, **options) as writer:
        for batch in reader:
            writer.write_table(pa.Table.from_batches([batch]).cast(schema), group)


def _by_duckdb(rows: duckdb.DuckDBPyRelation, path: Path) -> None:
    rows.write_parquet(str(path))


def _by_polars(rows: duckdb.DuckDBPyRelation, path: Path) -> None:
    import polars as pl

    pl.from_arrow(rows.to_arrow_table()).write_parquet(path)  # type: ignore[union-attr]


def _by_pandas(rows: duckdb.DuckDBPyRelation, path: Path) -> None:
    """Write with pandas, amounts as floats: its decimals would be Python objects."""
    rows.project("* replace (amount::double as amount)").to_arrow_table().to_pandas().to_parquet(
        path, index=False
    )


def _as_csv(rows: duckdb.DuckDBPyRelation, path: Path) -> None:
    rows.project('* replace (strftime("at", \'%Y-%m-%dT%H:%M:%S.%fZ\') as "at")').write_csv(
        str(path.with_suffix(".csv")), header=True
    )


def _in_parts(rows: duckdb.DuckDBPyRelation, path: Path, parts: int = 100) -> None:
    path.mkdir()
    table = rows.to_arrow_table()
    size = -(-table.num_rows // parts)
    for part in range(parts):
        some = table.slice(part * size, size)
        pq.write_table(some, path / f"part-{part:05}.parquet", store_decimal_as_integer=True)


def _in_one_group(rows: duckdb.DuckDBPyRelation, path: Path) -> None:
    table = rows.to_arrow_table()
    pq.write_table(table, path, row_group_size=table.num_rows, store_decimal_as_integer=True)


@dataclass(frozen=True)
class Shape:
    """A shape of ledger.

    Attributes
    ----------
    name
        What the figures call it.
    columns
        SQL for the columns of the ledger that are stored in another way.
    client_id
        SQL for the client ids of both tables, or "" for those drawn.
    order
        SQL by which rows are sorted; "" for the order of time.
    write
        Writes the rows to the ledger's path.
    rows_per_client, clients
        The average rows of a client, or the number of clients; 200 rows if neither is given.
    """

    name: str
    columns: dict[str, str] = field(default_factory=dict)
    client_id: str = ""
    order: str = ""
    write: Write = _by_arrow
    rows_per_client: int = 200
    clients: int = 0

    @property
    def is_csv(self) -> bool:
        """Whether the ledger is a CSV file."""
        return self.write is _as_csv

    def count_clients(self, rows: int) -> int:
        """Return the number of clients of a ledger with so many rows."""
        return self.clients or max(20, rows // self.rows_per_client)


_NUMBER = "substr({0}, 2)::bigint"
_ID, _CLIENT = _NUMBER.format("transaction_id"), _NUMBER.format("client_id")
_MIXED = "({0} * 2654435761) % 4294967296"  # an odd factor: different numbers stay different
_UUID = "md5({0})::uuid::varchar"
_EVERY_PACKAGE = "coalesce(package_id, 'P' || (1 + " + _ID + " % 8))"

SHAPES = (
    Shape("ids: padded text"),
    Shape("ids: text", {"transaction_id": f"'T' || {_ID}"}, f"'C' || {_CLIENT}"),
    Shape("ids: int64, rising", {"transaction_id": _ID}, _CLIENT),
    Shape("ids: int64, not rising", {"transaction_id": _MIXED.format(_ID)}, _MIXED.format(_CLIENT)),
    Shape("ids: UUIDs", {"transaction_id": _UUID.format("transaction_id")}, _UUID.format("client_id")),
    Shape("amounts: decimals in bytes", write=partial(_by_arrow, store_decimal_as_integer=False)),
    Shape("amounts: text", {"amount": "amount::varchar"}),
    Shape("amounts: floats", {"amount": "amount::double"}),
    Shape("amounts: integers", {"amount": "amount::bigint"}),
    Shape("kinds: text without dictionary", write=partial(_by_arrow, use_dictionary=False)),
    Shape(
        "kinds: Arrow dictionaries",
        write=partial(
            _by_arrow, types={n: pa.dictionary(pa.int32(), pa.string()) for n in ("kind", "package_id")}
        ),
    ),
    Shape("rows: by client", order='client_id, "at"'),
    Shape("rows: shuffled", order="hash(transaction_id)"),
    Shape("files: a hundred", write=_in_parts),
    Shape("row groups: of 10,000", write=partial(_by_arrow, group=10_000)),
    Shape("row groups: one of all rows", write=_in_one_group),
    Shape("written by DuckDB", write=_by_duckdb),
    Shape("written by Polars", write=_by_polars),
    Shape("written by pandas", write=_by_pandas),
    Shape("clients: 50", clients=50),
    Shape("clients: one for 20 rows", rows_per_client=20),
    Shape("packages: on all rows", {"package_id": _EVERY_PACKAGE}),
    Shape(
        "UUIDs, shuffled, decimals in bytes, row groups of 10,000",
        {"transaction_id": _UUID.format("transaction_id")},
        _UUID.format("client_id"),
        "hash(transaction_id)",
        partial(_by_arrow, group=10_000, store_decimal_as_integer=False),
    ),
    Shape(
        "UUIDs, not compressed",
        {"transaction_id": _UUID.format("transaction_id")},
        _UUID.format("client_id"),
        write=partial(_by_arrow, compression="NONE", use_dictionary=False, store_decimal_as_integer=False),
    ),
    Shape("CSV", write=_as_csv),
    Shape(
        "CSV, UUIDs, shuffled",
        {"transaction_id": _UUID.format("transaction_id")},
        _UUID.format("client_id"),
        "hash(transaction_id)",
        _as_csv,
    ),
)


def write_shape(base: Path, folder: Path, shape: Shape) -> None:
    """Write a drawn mart in another shape; its other tables are copied.

    Parameters
    ----------
    base
        The folder of a mart drawn by `write_mart`.
    folder
        Where the mart goes; it must not exist.
    shape
        Its shape.
    """
    folder.mkdir(parents=True)
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'; set enable_progress_bar = false")
        for name in ("clients", "companies", "packages", "rates"):
            shutil.copy2(base / f"{name}.parquet", folder / f"{name}.parquet")
        columns = dict(shape.columns)
        if shape.client_id:
            columns["client_id"] = shape.client_id
            connection.execute(
                f"copy (select * replace ({shape.client_id} as client_id) from '{base}/clients.parquet') "
                f"to '{folder}/clients.parquet'"
            )
        rows = connection.read_parquet(str(base / "transactions.parquet"))
        rows = rows.order(shape.order) if shape.order else rows
        replaced = ", ".join(f'{sql} as "{name}"' for name, sql in columns.items())
        rows = rows.project(f"* replace ({replaced})") if replaced else rows
        shape.write(rows, folder / "transactions.parquet")
