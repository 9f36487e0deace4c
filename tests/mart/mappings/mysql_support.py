"""Databases of their own on a real MariaDB, what a shipped mapping reads from them, and the comparison."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pymysql
import pytest

from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.mart.mapping.sql_file import shipped_mapping
from custdyn_widgets.mart.schema import TABLES
from custdyn_widgets.mart.source_check import check_source
from custdyn_widgets.mart.sources import Source
from custdyn_widgets.query.query import ReportQuery
from tests import databases, oracle, synced
from tests.mart.mappings.killbill_lago_support import balances, dump, execute

__all__ = ["balances", "dump", "execute"]  # from the support of other mappings
PASSWORD = "only-for-this-test"
AS_OF = "2025-01-01T00:00:00Z"
TYPES = {
    "date": pa.date32(),
    "time": pa.timestamp("us", "UTC"),
    "amount": pa.decimal128(38, 9),
    "positive": pa.decimal128(38, 18),
}
Connection: TypeAlias = "pymysql.Connection[Any]"
Row = Mapping[str, Any]
Rows = Sequence[Row]


@contextmanager
def database() -> Iterator[Connection]:
    """Create an empty database, give a connection to it whose session is in UTC, and drop it."""
    with (
        databases.new_database("mysql", "CHARACTER SET utf8mb4") as created,
        contextlib.closing(created.connect()) as connection,
    ):
        execute(connection, "SET time_zone = '+00:00', sql_mode = ''")
        yield connection


def name_of(connection: Connection) -> str:
    """Return the name of the database of a connection."""
    [name] = select(connection, "SELECT DATABASE() AS name")[0].values()
    return str(name)


def insert(connection: Connection, tables: Mapping[str, Iterable[Row]]) -> None:
    """Insert rows into tables; a column that is not given takes its default."""
    with connection.cursor() as cursor:
        for table, rows in tables.items():
            for row in rows:
                columns = ", ".join(f"`{name}`" for name in row)
                marks = ", ".join(["%s"] * len(row))
                cursor.execute(f"INSERT INTO `{table}` ({columns}) VALUES ({marks})", list(row.values()))


def read(connection: Connection, system: str) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of each table of the mart, as a shipped mapping reads them."""
    mapping = shipped_mapping(system, "mysql")
    return {table: select(connection, sql) for table, sql in mapping.selects.items()}


def counts(connection: Connection, system: str) -> dict[str, int]:
    """Return the numbers above 0 of the sentences in which a mapping says what it left out or changed."""
    mapping = shipped_mapping(system, "mysql")
    found = {c.sentence: next(iter(select(connection, c.select)[0].values())) for c in mapping.counts}
    return {sentence: int(number) for sentence, number in found.items() if number}


def select(connection: Connection, sql: str) -> list[dict[str, Any]]:
    """Return the rows of a SELECT, as a server that is strict gives them."""
    with connection.cursor() as cursor:
        cursor.execute("SET sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,ONLY_FULL_GROUP_BY'")
        cursor.execute(sql)
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        cursor.execute("SET sql_mode = ''")
    return rows


def as_tables(tables: Mapping[str, Rows]) -> dict[str, pa.Table]:
    """Return rows as Arrow tables with exact amounts and instants."""
    return {name: _as_table(name, rows) for name, rows in tables.items()}


def _as_table(name: str, rows: Rows) -> pa.Table:
    kinds = {column.name: column.kind for column in TABLES[name].columns} | {"stored_balance": "amount"}
    columns = {}
    for column in rows[0] if rows else TABLES[name].column_names:
        values = [_instant(row[column]) if kinds[column] == "time" else row[column] for row in rows]
        columns[column] = pa.array(values, TYPES.get(kinds[column], pa.string()))
    return pa.table(columns)


def _instant(value: datetime | None) -> datetime | None:
    assert value is None or isinstance(value, datetime), f"{value!r} is not a time"
    return value and value.replace(tzinfo=UTC)


def as_text(rows: Rows) -> list[dict[str, str]]:
    """Return rows in order, with plain text for amounts and times, without blanks."""
    return [
        {name: _text(value) for name, value in row.items() if value not in (None, "")}
        for row in sorted(rows, key=lambda row: str(next(iter(row.values()))))
    ]


def _text(value: Any) -> str:
    assert not isinstance(value, (float, bytes)), f"{value!r} is not exact"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, Decimal):
        return f"{value.normalize():f}" if value else "0"
    return value.isoformat() if isinstance(value, date) else str(value)


def facts(text: str) -> list[dict[str, str]]:
    """Return a table written by hand: headings and rows with cells between bars; blank cells are left out."""
    headings, *rows = [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]
    return [
        {name: cell for name, cell in zip(headings, row, strict=True) if cell}
        for row in sorted(rows, key=lambda row: row[0])
    ]


def stored(tables: Mapping[str, Rows]) -> dict[str, Decimal]:
    """Return each client's balance as the billing system stores it."""
    return {row["client_id"]: Decimal(row["stored_balance"]) for row in tables["clients"]}


def faults(tables: Mapping[str, Rows]) -> list[str]:
    """Return the faults of a mart that was read."""
    return [str(fault) for fault in check_source(Source(as_tables(tables))).faults]


def compare_reports(source: str | dict[str, pa.Table], mart: oracle.Mart, queries: Iterable[Row]) -> None:
    """Compare the product's reports on what a mapping read with the oracle's on the facts."""
    for query in queries:
        report = run_report(ReportQuery.from_dict(query), source, as_of=AS_OF)
        answer = oracle.answer(mart, query, AS_OF)
        assert [(*row.labels, *map(str, row.values)) for row in report.shown_rows()] == [
            (*row.labels, *map(str, row.values)) for row in (*answer.rows, answer.total) if row
        ]


def compare_synced(
    connection: Connection,
    system: str,
    mart: oracle.Mart,
    queries: Iterable[Row],
    counted: Mapping[str, int],
    environment: pytest.MonkeyPatch,
) -> None:
    """Compare what `custdyn sync` reads, as a user with only the rights that it asks for, with the facts."""
    source = databases.Database("mysql", name_of(connection))
    with databases.new_user(source, PASSWORD) as reader:
        environment.setenv(f"CUSTDYN_PASSWORD_{system.upper()}", PASSWORD)
        synced.define(
            system, source.url_of(reader), system=system, timezone="America/Bogota"
        )  # does not apply
        grants = synced.custdyn("sync", system, "--show-grants").stdout.splitlines()
        source.run(*grants)
        result = synced.custdyn("sync", system)
    assert result.exit_code == 0, result.output
    told = [line for line in result.stdout.splitlines() if line.startswith("Note: ")]
    assert told == [f"Note: {sentence.replace('{n}', str(number))}" for sentence, number in counted.items()]
    checked = check_source(system)
    assert checked.faults == []
    assert "stored_balance" not in str(checked)  # all reconcile
    compare_reports(system, mart, queries)


def schemas(system: str, written_here: str) -> list[Any]:
    """Return the schemas to test with: the one of the test, and a dump of the full one where there is one.

    Dumps are `<system>.mysql.sql` in the folder that CUSTDYN_SCHEMA_DUMPS names.
    """
    full = dump(f"{system}.mysql.sql")
    return [pytest.param(written_here, id="written here"), *([pytest.param(full, id="full")] if full else [])]


def fill(connection: Connection, schema: str | Path, tables: Mapping[str, Iterable[Row]]) -> None:
    """Create the tables of a schema and insert rows.

    A dump of a full schema comes with rows, triggers and unique keys. The tables are emptied, triggers and
    keys dropped: the rows of a test say what triggers did, and leave out most columns.
    """
    if isinstance(schema, str):
        execute(connection, schema)
    else:
        load(connection, schema)
        _clear(connection, tables)
    insert(connection, tables)


def load(connection: Connection, path: Path) -> None:
    """Load a dump into the database of a connection; some dumps have statements that MariaDB rejects."""
    where = ["-h", databases.HOST, "-P", str(databases.PORTS["mysql"]), "-u", databases.USERS["mysql"]]
    once = "--init-command=SET sql_mode = '', foreign_key_checks = 0"
    command = ["mysql", *where, "--force", once, name_of(connection)]
    with path.open("rb") as file:
        subprocess.run(command, stdin=file, check=False, capture_output=True)


def _clear(connection: Connection, tables: Iterable[str]) -> None:
    here = "= DATABASE()"
    triggers = select(
        connection,
        f"SELECT trigger_name AS name FROM information_schema.triggers WHERE trigger_schema {here}",
    )
    keys = select(
        connection,
        "SELECT DISTINCT table_name AS held, index_name AS name FROM information_schema.statistics "
        f"WHERE table_schema {here} AND non_unique = 0 AND index_name <> 'PRIMARY'",
    )
    with connection.cursor() as cursor:
        cursor.execute("SET foreign_key_checks = 0")
        for trigger in triggers:
            cursor.execute(f"DROP TRIGGER `{trigger['name']}`")
        for key in keys:
            if key["held"] in tables:
                cursor.execute(f"ALTER TABLE `{key['held']}` DROP INDEX `{key['name']}`")
        for table in tables:
            cursor.execute(f"DELETE FROM `{table}`")
