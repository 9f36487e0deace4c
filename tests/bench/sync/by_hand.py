"""What one would write by hand: the ledger of a database or of CSV files into the same Parquet.

Nothing is checked, and nothing but the ledger is read.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

NAMES = ("transaction_id", "client_id", "at", "kind", "amount", "package_id")
_REPEATED = ["client_id", "kind", "package_id"]
_BLOCK = 2**24  # bytes
_FETCHED = 2**16  # rows
_COPY = f"COPY (SELECT {', '.join(NAMES)} FROM transactions) TO STDOUT (FORMAT csv)"


def psql(url: str, file: Path) -> None:
    """Let Arrow parse what psql prints."""
    command = ["psql", "--no-psqlrc", "--quiet", "--command", _COPY, url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PGTZ": "UTC"}) as process:
        assert process.stdout
        reader = pa_csv.open_csv(process.stdout, *_csv_options())
        _write(file, _schema("UTC"), (pa.Table.from_batches([batch]) for batch in reader))
    if process.returncode:
        raise ValueError(f"psql: exit {process.returncode}")


def psycopg_copy(url: str, file: Path) -> None:
    """Let Arrow parse what psycopg's own copy yields."""
    import psycopg

    def tables() -> Iterable[pa.Table]:
        with (
            psycopg.connect(url, options="-c TimeZone=UTC") as connection,
            connection.cursor().copy(_COPY) as rows,
        ):
            buffer = bytearray()
            for row in rows:
                buffer += row
                if len(buffer) >= _BLOCK:
                    yield pa_csv.read_csv(pa.BufferReader(buffer), *_csv_options())
                    buffer = bytearray()
            if buffer:
                yield pa_csv.read_csv(pa.BufferReader(buffer), *_csv_options())

    _write(file, _schema("UTC"), tables())


def unbuffered_cursor(url: str, file: Path) -> None:
    """Fetch the values of PyMySQL from an unbuffered cursor."""
    import pymysql
    from pymysql.cursors import SSCursor
    from sqlalchemy import make_url

    schema, of = _schema(None), make_url(url)
    connection = pymysql.connect(
        host=of.host, port=of.port or 3306, user=of.username, database=of.database, cursorclass=SSCursor
    )

    def tables() -> Iterable[pa.Table]:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {', '.join(NAMES)} FROM transactions")
            while rows := cursor.fetchmany(_FETCHED):
                columns = zip(zip(*rows, strict=True), schema.types, strict=True)
                yield pa.table([pa.array(values, of_type) for values, of_type in columns], schema=schema)

    with connection:
        _write(file, schema, tables())


def duckdb_copy(folder: Path, mapping: str, file: Path) -> None:
    """Let DuckDB copy the SELECT of the mapping, with the number as its own settings read it."""
    import duckdb

    select = mapping.partition("-- :name transactions\n")[2].partition("-- :name")[0]
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE MACRO number(given) AS CAST(replace(given, ',', '.') AS DECIMAL(38, 9));"
            f"CREATE VIEW transactions AS FROM read_csv('{folder}/transactions.csv', delim=';', "
            "header=true, all_varchar=true)"
        )
        connection.execute(f"COPY ({select}) TO '{file}' (FORMAT parquet, COMPRESSION zstd)")


def _schema(zone: str | None) -> pa.Schema:
    types = dict.fromkeys(NAMES, pa.string())
    return pa.schema(types | {"at": pa.timestamp("us", zone), "amount": pa.decimal128(38, 6)})


def _csv_options() -> tuple[Any, ...]:
    schema = _schema("UTC")
    return (
        pa_csv.ReadOptions(column_names=NAMES, block_size=_BLOCK),
        pa_csv.ParseOptions(newlines_in_values=True),
        pa_csv.ConvertOptions(
            column_types=schema, strings_can_be_null=True, quoted_strings_can_be_null=False, null_values=[""]
        ),
    )


def _write(file: Path, schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
    with pq.ParquetWriter(
        file, schema, compression="zstd", compression_level=1, use_dictionary=_REPEATED
    ) as writer:
        for table in tables:
            writer.write_table(table)
