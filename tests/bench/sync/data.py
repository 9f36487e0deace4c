"""The same ledger in PostgreSQL, in MariaDB and in CSV files, drawn where it is stored.

Every value is whole-number arithmetic on the row's number and the seed, which the SQL of all three can do.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.databases import Database

CLIENT_ROWS = 200
MAPPING = """-- :name clients
SELECT client_id, client_type, currency, created_at, number(opening_balance) AS opening_balance FROM clients
-- :name transactions
SELECT transaction_id, client_id, "at", kind, number(amount) AS amount, package_id FROM transactions
-- :name packages
SELECT package_id FROM packages
"""
_SECONDS = 3 * 365 * 86_400
_CLIENTS = (
    "SELECT concat('c', i - 1) AS client_id, 'client' AS client_type, 'USD' AS currency, "
    "{begin} AS created_at, {amount} AS opening_balance FROM {numbers}"
)
_TRANSACTIONS = (
    "SELECT concat('t', i) AS transaction_id, concat('c', (i * 7919 + {seed}) % {clients}) AS client_id, "
    "{at} AS {at_name}, CASE i % 20 WHEN 0 THEN 'refill' WHEN 1 THEN 'package_renewal' WHEN 2 THEN 'other' "
    "ELSE 'usage' END AS kind, {amount} AS amount, "
    "CASE WHEN i % 20 = 1 THEN concat('P', i % 3) END AS package_id FROM {numbers}"
)
_PACKAGES = "SELECT concat('P', i - 1) AS package_id FROM {numbers}"
_AMOUNT = "CASE WHEN i % 20 = 0 THEN 1 ELSE -1 END * ((i * 7907 + {seed}) % 50000000 + 1) * 0.000001"
_COLUMNS = {
    "clients": "client_id {id}, client_type {id}, currency {id}, created_at {time}, opening_balance {amount}",
    "transactions": "transaction_id {id}, client_id {id}, at {time}, kind {id}, amount {amount}, "
    "package_id {id}",
    "packages": "package_id {id}",
}
_TYPES = {
    "postgresql": {"id": "text", "time": "timestamptz", "amount": "numeric(18,6)"},
    "mysql": {"id": "varchar(40)", "time": "datetime(6)", "amount": "decimal(18,6)"},
}
_BEGIN = {
    "postgresql": "timestamptz '2022-01-01 00:00:00+00'",
    "mysql": "timestamp'2022-01-01 00:00:00'",
    "csv": "timestamp '2022-01-01 00:00:00'",
}
_AT = {
    "postgresql": "{begin} + (i * {seconds} / {rows}) * interval '1 second'",
    "mysql": "{begin} + INTERVAL (i * {seconds} DIV {rows}) SECOND",
    "csv": "{begin} + to_seconds(i * {seconds} // {rows})",
}
_NUMBERS = {
    "postgresql": "generate_series(1, {count}::bigint) AS numbers(i)",
    "mysql": "(SELECT CAST(seq AS SIGNED) AS i FROM seq_1_to_{count}) AS numbers",
    "csv": "range(1, {count} + 1) AS numbers(i)",
}


def fill(database: Database, rows: int, seed: int) -> None:
    """Create the tables of a mart in a database."""
    unlogged = "UNLOGGED " if database.kind == "postgresql" else ""
    for table, select in _selects(database.kind, rows, seed).items():
        columns = _COLUMNS[table].format(**_TYPES[database.kind])
        database.run(f"CREATE {unlogged}TABLE {table} ({columns})", f"INSERT INTO {table} {select}")
    database.run("ANALYZE" if database.kind == "postgresql" else "ANALYZE TABLE transactions")


def write_csv(folder: Path, rows: int, seed: int) -> None:
    """Write the tables as CSV files with semicolons and decimal commas."""
    import duckdb

    folder.mkdir()
    with duckdb.connect() as connection:
        for table, select in _selects("csv", rows, seed).items():
            amount = {"clients": "opening_balance", "transactions": "amount"}.get(table)
            comma = f"replace({amount}::DECIMAL(18, 6)::VARCHAR, '.', ',')"
            star = f"* REPLACE ({comma} AS {amount})" if amount else "*"
            file = folder / f"{table}.csv"
            connection.execute(f"COPY (SELECT {star} FROM ({select})) TO '{file}' (HEADER, DELIMITER ';')")


def define_sources(folder: Path, urls: dict[str, str]) -> None:
    """Write sources.toml with the databases, by kind, and the source `csv` with a mapping."""
    lines = [line for kind, url in urls.items() for line in (f"[{kind}]", f"url = {json.dumps(url)}")]
    lines += ["[csv]", 'path = "csv"', 'mapping = "csv.sql"', 'delimiter = ";"', 'decimal = ","']
    (folder / "sources.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "csv.sql").write_text(MAPPING, encoding="utf-8")


def _selects(kind: str, rows: int, seed: int) -> dict[str, str]:
    """Return the SELECT of each table."""
    clients = max(20, rows // CLIENT_ROWS)
    counts = {"clients": clients, "transactions": rows, "packages": 3}
    texts = {"clients": _CLIENTS, "transactions": _TRANSACTIONS, "packages": _PACKAGES}
    begin = _BEGIN[kind]
    return {
        table: text.format(
            begin=begin,
            at=_AT[kind].format(begin=begin, seconds=_SECONDS, rows=rows),
            amount=_AMOUNT.format(seed=seed),
            numbers=_NUMBERS[kind].format(count=counts[table]),
            clients=clients,
            seed=seed,
            at_name="`at`" if kind == "mysql" else '"at"',
        )
        for table, text in texts.items()
    }
