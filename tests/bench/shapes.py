"""The same ledger as different systems store it: other ids, amounts, order of rows, writers, clients."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

_BATCH = 2**20  # rows
_DAY = 86_400_000_000  # microseconds

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


def _a_file_a_day(rows: duckdb.DuckDBPyRelation, path: Path) -> None:
    """Write a file for each day, in the order of time; columns of DuckDB's type UUID stay UUIDs."""
    path.mkdir()
    uuids = [name for name, kind in zip(rows.columns, rows.types, strict=True) if str(kind) == "UUID"]
    octets = (f"unhex(replace({name}::varchar, '-', '')) as {name}" for name in uuids)
    table = (rows.project(f"* replace ({', '.join(octets)})") if uuids else rows).to_arrow_table()
    for name in uuids:
        stored = table.column(name).combine_chunks().cast(pa.binary(16))
        typed = pa.ExtensionArray.from_storage(pa.uuid(), stored)
        table = table.set_column(table.column_names.index(name), name, typed)
    days = np.asarray(table.column("at").cast(pa.int64())) // _DAY
    for begin, end in pairwise([0, *(np.flatnonzero(np.diff(days)) + 1).tolist(), len(days)]):
        part = path / f"part-{date(1970, 1, 1) + timedelta(int(days[begin]))}.parquet"
        pq.write_table(table.slice(begin, end - begin), part, store_decimal_as_integer=True)


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
# A sequence with a gap in which it gets one more digit.
_PASSES_10_9 = f"""(case when "at" < timestamptz '2024-06-01 00:00:00+00'
    then 900000000 else 1000000000 end + {_ID})"""
# As PostgreSQL's uuidv7(): milliseconds, the fraction of the millisecond in 12 bits, then random bits.
_UUID7 = """(lpad(to_hex(epoch_us("at") // 1000), 12, '0') || '7'
    || lpad(to_hex(epoch_us("at") % 1000 * 4096 // 1000), 3, '0') || '8'
    || substr(md5(transaction_id), 1, 15))::uuid"""
_RANDOM_UUID = "md5(client_id)::uuid"
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
    # SQL Server stores an empty text in a datetime as 1900-01-01.
    Shape(
        "times: one in 2,000 is 1900-01-01",
        {"at": f"""case when {_ID} % 2000 = 7 then timestamptz '1900-01-01 00:00:00+00' else "at" end"""},
    ),
    # Oracle's NUMBER without a precision, as Spark reads it.
    Shape(
        "ids and amounts: decimals (38, 10)",
        {"transaction_id": f"{_PASSES_10_9}::decimal(38, 10)", "amount": "amount::decimal(38, 10)"},
        f"{_CLIENT}::decimal(38, 10)",
    ),
    # MySQL's UUID_SHORT(), which begins with the server's number: from 100 over to 200.
    Shape(
        "ids: uint64 rising past 2^63",
        {
            "transaction_id": f"""((case when "at" < timestamptz '2023-07-01 00:00:00+00'
                then 100::ubigint else 200::ubigint end) * 72057594037927936::ubigint
                + 27531330896986931::ubigint + {_ID}::ubigint)"""
        },
    ),
    # Rials in float64, as pandas and Odoo store them, 7 % above 2^32.
    Shape("amounts: floats of up to 48 billion", {"amount": "(amount * 8000000)::double"}),
    # A carrier's records, four in five of one partner, loaded days late.
    Shape(
        "clients: one has 80 % of rows, booked up to 3 days late",
        {
            "client_id": f"case when hash({_ID}) % 10 < 8 then 'C0000000' else client_id end",
            "at": f"""("at" - to_seconds((hash({_ID}) // 16 % 259200)::bigint))""",
        },
    ),
    Shape("files: one a day", write=_a_file_a_day),
    # PostgreSQL's uuid columns, copied by DuckDB, or archived day by day.
    Shape("UUIDs of type UUID, by DuckDB", {"transaction_id": _UUID7}, _RANDOM_UUID, write=_by_duckdb),
    Shape("UUIDs of type UUID, a file a day", {"transaction_id": _UUID7}, _RANDOM_UUID, write=_a_file_a_day),
    Shape("CSV", write=_as_csv),
    # Auto-incremented ids of MySQL or PostgreSQL, which get one more digit.
    Shape("CSV, int64 rising past 10^9", {"transaction_id": _PASSES_10_9}, _CLIENT, write=_as_csv),
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
