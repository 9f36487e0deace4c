"""Sources that are databases: their sections in sources.toml, a small mart in them, and what reports show."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path

from click.testing import CliRunner, Result

from custdyn_widgets import ReportQuery
from custdyn_widgets.cli import commands as cli
from custdyn_widgets.engine.compute import run_report
from tests.databases import Database

EVERYONE = ReportQuery(
    interval={"start": "2021-01-01", "end": "2021-12-31"}, client_type="all", group_by=(), currency="USD"
)
TYPES = {
    "postgresql": {"id": "text", "time": "timestamptz", "amount": "numeric", "float": "double precision"},
    "mysql": {"id": "varchar(40)", "time": "datetime(6)", "amount": "decimal(30,12)", "float": "double"},
}


def define(name: str, url: str, **keys: str) -> None:
    """Define a source in sources.toml, as the only one."""
    lines = [f"[{name}]", f"url = {json.dumps(url)}", *(f"{k} = {json.dumps(v)}" for k, v in keys.items())]
    Path(os.environ["CUSTDYN_SOURCES"]).write_text("\n".join(lines) + "\n", encoding="utf-8")


def map_with(name: str, url: str, **selects: str) -> None:
    """Define a source with a mapping that takes the tables as they are, except for these SELECTs."""
    define(name, url, mapping="mine.sql")
    whole = {"clients": "SELECT * FROM clients", "transactions": "SELECT * FROM transactions"} | selects
    text = "".join(f"-- :name {table}\n{select}\n" for table, select in whole.items())
    Path(os.environ["CUSTDYN_SOURCES"]).with_name("mine.sql").write_text(text, encoding="utf-8")


def create(database: Database) -> None:
    """Create a mart of one client with two transactions."""
    of = TYPES[database.kind]
    database.run(
        f"CREATE TABLE clients (client_id {of['id']}, client_type {of['id']}, currency {of['id']}, "
        f"created_at {of['time']}, opening_balance {of['amount']})",
        f"CREATE TABLE transactions (transaction_id {of['id']}, client_id {of['id']}, at {of['time']}, "
        f"kind {of['id']}, amount {of['amount']})",
        "INSERT INTO clients VALUES ('a', 'client', 'USD', '2021-01-01', 1.5)",
        "INSERT INTO transactions VALUES ('1', 'a', '2021-02-01 00:00:00', 'usage', -0.25), "
        "('2', 'a', '2021-03-01 12:00:00', 'refill', 10)",
    )


def custdyn(*args: object) -> Result:
    result = CliRunner().invoke(cli.main, [str(a) for a in args])
    assert "Traceback" not in result.output
    return result


def balance(name: str = "shop") -> Decimal:
    """Return the sum of all balances that a report shows: "Clients - All: Balance"."""
    [row] = run_report(EVERYONE, name, as_of="2022-01-01").to_dict()["rows"]
    return Decimal(row["values"][11])
