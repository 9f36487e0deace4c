"""Databases of their own on the real servers, what a shipped mapping reads from them, and the comparison."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pymysql

from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.mart.mapping.sql_file import shipped_mapping
from custdyn_widgets.mart.schema import TABLES
from custdyn_widgets.query.query import ReportQuery
from tests import oracle
from tests.databases import HOST, PORTS, USERS, new_database

SERVERS: dict[str, dict[str, Any]] = {
    kind: {"host": HOST, "port": PORTS[kind], "user": USERS[kind]} for kind in ("postgresql", "mysql")
}
TYPES = {"time": pa.timestamp("us", "UTC"), "amount": pa.decimal128(38, 9), "positive": pa.decimal128(38, 9)}
Rows = Sequence[Mapping[str, Any]]


@contextmanager
def postgresql() -> Iterator[psycopg.Connection[Any]]:
    """Create an empty database, give a connection to it whose session is in UTC, and drop it."""
    with new_database("postgresql", "TEMPLATE template0 ENCODING 'UTF8'") as database:
        options = {"autocommit": True, "options": "-c timezone=UTC"}
        with psycopg.connect(**SERVERS["postgresql"], dbname=database.name, **options) as connection:
            yield connection


@contextmanager
def mysql() -> Iterator[pymysql.Connection[Any]]:
    """Create an empty database, give a connection to it whose session is in UTC, and drop it."""
    with new_database("mysql", "CHARACTER SET utf8mb4") as database:
        options = {"autocommit": True, "charset": "utf8mb4", "init_command": "SET time_zone='+00:00'"}
        connection = pymysql.connect(**SERVERS["mysql"], database=database.name, **options)
        with closing(connection):
            yield connection


def execute(connection: Any, script: str) -> None:
    """Run statements, each of which ends with a semicolon at the end of a line."""
    with connection.cursor() as cursor:
        for statement in script.split(";\n"):
            if statement.strip():
                cursor.execute(statement)


def insert(connection: Any, table: str, rows: Rows) -> None:
    """Insert rows; a column that is not given takes its default."""
    with connection.cursor() as cursor:
        for row in rows:
            columns = ", ".join(row)
            marks = ", ".join(["%s"] * len(row))
            cursor.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", list(row.values()))


def read(connection: Any, system: str, dialect: str) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of each table of the mart, as a shipped mapping reads them."""
    mapping = shipped_mapping(system, dialect)
    return {table: select(connection, sql) for table, sql in mapping.selects.items()}


def counts(connection: Any, system: str, dialect: str) -> dict[str, int]:
    """Return the number of each sentence in which a mapping says what it left out or changed."""
    mapping = shipped_mapping(system, dialect)
    return {c.sentence: next(iter(select(connection, c.select)[0].values())) for c in mapping.counts}


def select(connection: Any, sql: str) -> list[dict[str, Any]]:
    """Return the rows of a SELECT."""
    with connection.cursor() as cursor:
        cursor.execute(sql)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def as_tables(tables: Mapping[str, Rows]) -> dict[str, pa.Table]:
    """Return rows as Arrow tables with exact amounts and instants."""
    return {name: _as_table(name, rows) for name, rows in tables.items()}


def _as_table(name: str, rows: Rows) -> pa.Table:
    kinds = {column.name: column.kind for column in TABLES[name].columns} | {"stored_balance": "amount"}
    assert rows, f"the mapping gave no {name}"
    columns = {}
    for column in rows[0]:
        values = [_instant(row[column]) if kinds[column] == "time" else row[column] for row in rows]
        columns[column] = pa.array(values, TYPES.get(kinds[column], pa.string()))
    return pa.table(columns)


def _instant(value: datetime | str | None) -> datetime | None:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    assert value is None or value.tzinfo, f"{value} has no offset"
    return value and value.astimezone(UTC)


def as_text(rows: Rows) -> list[dict[str, Any]]:
    """Return rows with plain text for amounts and times and without blanks, in order."""
    return [
        {name: _text(name, value) for name, value in row.items() if value not in (None, "")}
        for row in sorted(rows, key=lambda row: str(next(iter(row.values()))))
    ]


def _text(name: str, value: Any) -> str:
    if isinstance(value, datetime) or name in ("at", "created_at", "closed_at"):
        moment = _instant(value)
        assert moment is not None
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, Decimal):
        return f"{value.normalize():f}" if value else "0"
    return value.isoformat() if isinstance(value, date) else str(value)


def amounts(rows: Rows, *columns: str) -> list[dict[str, Any]]:
    """Return hand-written rows in the form of `as_text`."""
    return as_text([{**row, **{c: Decimal(row[c]) for c in columns if row.get(c)}} for row in rows])


def balances(tables: Mapping[str, Rows]) -> dict[str, Decimal]:
    """Return each client's opening balance plus the sum of its ledger."""
    found = {row["client_id"]: Decimal(row.get("opening_balance") or 0) for row in tables["clients"]}
    for row in tables["transactions"]:
        found[row["client_id"]] += Decimal(row["amount"])
    return found


def compare_reports(read_from_database: Mapping[str, Rows], facts: oracle.Mart, queries: Rows) -> None:
    """Compare the product's reports on what a mapping read with the oracle's on the facts."""
    tables = as_tables(read_from_database)
    as_of = "2025-01-01T00:00:00Z"
    for query in queries:
        report = run_report(ReportQuery.from_dict(query), tables, as_of=as_of)
        answer = oracle.answer(facts, query, as_of)
        assert [(*row.labels, *map(str, row.values)) for row in report.shown_rows()] == [
            (*row.labels, *map(str, row.values)) for row in (*answer.rows, answer.total) if row
        ]


def dump(name: str) -> Path | None:
    """Return the dump of a full schema in the folder that CUSTDYN_SCHEMA_DUMPS names, where there is one."""
    folder = os.environ.get("CUSTDYN_SCHEMA_DUMPS")
    path = Path(folder or ".") / name
    return path if folder and path.exists() else None


def load_postgresql(connection: psycopg.Connection[Any], path: Path) -> None:
    """Load a dump into the database of a connection, but what needs extensions that the server lacks."""
    server = SERVERS["postgresql"]
    where = ["-h", server["host"], "-p", str(server["port"]), "-U", server["user"]]
    command = ["psql", "-q", *where, "-d", connection.info.dbname, "-f", str(path)]
    subprocess.run(command, check=True, capture_output=True)


def load_mysql(connection: pymysql.Connection[Any], path: Path) -> None:
    """Load a dump into the database of a connection."""
    server = SERVERS["mysql"]
    where = ["-h", server["host"], "-P", str(server["port"]), "-u", server["user"]]
    with path.open("rb") as file:
        subprocess.run(
            ["mysql", *where, str(select(connection, "SELECT DATABASE() AS name")[0]["name"])],
            stdin=file, check=True, capture_output=True,
        )  # fmt: skip
