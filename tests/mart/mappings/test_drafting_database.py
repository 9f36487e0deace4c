"""`custdyn mapping new NAME URL` drafts the mapping of a database of no known system."""

from __future__ import annotations

import json
import os
import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from custdyn_widgets import ReportQuery
from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.mart.source_check import check_source
from custdyn_widgets.mart.syncing import sampling
from tests import oracle
from tests.databases import Database, new_user
from tests.synced import custdyn

pytestmark = pytest.mark.usefixtures("own_marts")

TIME = {"postgresql": "timestamptz", "mysql": "timestamp"}
KIND = {"postgresql": "varchar(20)", "mysql": "enum('topup', 'call', 'monthly fee', 'setup fee', 'bonus')"}
FACTS = {
    "clients": [
        {"client_id": str(10 + n), "name": f"Client {n}", "client_type": kind, "currency": "EUR",
         "created_at": f"2024-01-0{n}T08:00:00Z"}
        for n, kind in ((1, "client"), (2, "reseller"), (3, "client"))
    ],
    "transactions": [
        {"client_id": client, "at": at, "kind": kind, "amount": amount, "package_id": package}
        for client, at, kind, amount, package in (
            ("11", "2024-01-05T10:00:00Z", "refill", "50", None),
            ("12", "2024-01-06T11:30:00Z", "refill", "20.05", None),
            ("11", "2024-01-07T23:30:00Z", "usage", "-0.75", None),
            ("12", "2024-02-01T00:30:00Z", "usage", "-1.99", None),
            ("11", "2024-02-02T09:00:00Z", "package_activation", "-5", "7"),
            ("11", "2024-02-03T09:00:00Z", "package_renewal", "-19.9", "7"),
            ("13", "2024-02-04T09:00:00Z", "other", "3", None),
            ("13", "2024-02-05T09:00:00Z", "other", "-1", None),
        )
    ],
    "packages": [{"package_id": "7", "name": "Talk"}, {"package_id": "8", "name": "Surf"}],
}  # fmt: skip
LEDGER = [
    (1, 11, "2024-01-05 10:00:00", "topup", 5000, None),
    (2, 12, "2024-01-06 11:30:00", "topup", 2005, None),
    (3, 11, "2024-01-07 23:30:00", "call", 75, None),
    (4, 12, "2024-02-01 00:30:00", "call", 199, None),
    (5, 11, "2024-02-02 09:00:00", "setup fee", 500, 7),
    (6, 11, "2024-02-03 09:00:00", "monthly fee", 1990, 7),
    (7, 13, "2024-02-04 09:00:00", "bonus", 300, None),
    (8, 13, "2024-02-05 09:00:00", "bonus", -100, None),
]
TABLES = ("customers", "ledger", "plans", "audit")
QUERIES = [
    {"interval": {"start": "2024-01-01", "end": "2024-02-29"}, "client_type": "all", **more}
    for more in ({}, {"group_by": ["package"]}, {"timezone": "Europe/Kyiv", "group_by": ["month"]})
]


def load(database: Database) -> None:
    time = TIME[database.kind]
    text = "text" if database.kind == "postgresql" else "varchar(50) CHARACTER SET latin1"
    database.run(
        f"CREATE TABLE customers (id integer PRIMARY KEY, full_name {text}, account_type varchar(20), "
        f"currency char(3), registered_at {time} NOT NULL)",
        f"CREATE TABLE ledger (id bigint PRIMARY KEY, customer_id integer, booked_at {time} NOT NULL, "
        f"type {KIND[database.kind]}, amount_cents bigint, plan_id integer)",
        f"CREATE TABLE plans (id integer PRIMARY KEY, title {text})",
        "CREATE TABLE audit (note varchar(200))",
        "CREATE VIEW slow AS SELECT * FROM ledger",
        "INSERT INTO audit VALUES ('</script>')",
        "INSERT INTO plans VALUES (7, 'Talk'), (8, 'Surf')",
    )
    kinds = {"11": "retail", "12": "dealer", "13": "retail"}
    customers = [
        (int(c["client_id"]), c["name"], kinds[c["client_id"]], "EUR", f"{c['created_at'][:10]} 08:00:00")
        for c in FACTS["clients"]
    ]
    database.fill("customers", ("id", "full_name", "account_type", "currency", "registered_at"), customers)
    database.fill("ledger", ("id", "customer_id", "booked_at", "type", "amount_cents", "plan_id"), LEDGER)


def mapping(name: str = "shop") -> str:
    return Path(os.environ["CUSTDYN_SOURCES"]).with_name(f"{name}.sql").read_text(encoding="utf-8")


def test_an_unknown_database_becomes_a_right_report(database: Database, tmp_path: Path) -> None:
    load(database)
    result = custdyn("mapping", "new", "shop", database.url)
    assert result.exit_code == 0, result.output
    assert "Not used: 'audit'.\nNot examined: 'slow'." in result.stdout
    assert "GRANT SELECT ON" in result.stderr
    section = tomllib.loads((tmp_path / "sources.toml").read_text(encoding="utf-8"))["shop"]
    assert section == {"url": database.url, "mapping": "shop.sql"}
    assert result.stderr.endswith("Next: custdyn sync shop\n")
    synced = custdyn("sync", "shop")
    assert synced.exit_code == 0, mapping() + synced.output
    checked = custdyn("check", "shop")
    assert checked.exit_code == 0, checked.output
    for query in QUERIES:
        report = run_report(ReportQuery.from_dict(query), "shop", as_of="2025-01-01T00:00:00Z")
        answer = oracle.answer(FACTS, query, "2025-01-01T00:00:00Z")
        assert [(*row.labels, *map(str, row.values)) for row in report.shown_rows()] == [
            (*row.labels, *map(str, row.values)) for row in (*answer.rows, answer.total) if row
        ]


def test_kinds_that_the_sample_lacks_are_looked_for(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "ROWS", 3)
    load(database)
    database.run("UPDATE ledger SET type = NULL WHERE id = 8")
    assert custdyn("mapping", "new", "shop", database.url).exit_code == 0
    assert "WHEN 'monthly fee' THEN 'package_renewal'" in mapping()
    assert custdyn("sync", "shop").exit_code == 1  # the sample has no blank
    assert "coalesce(" not in mapping()


def test_times_with_and_without_offset_are_united_as_they_are(database: Database) -> None:
    load(database)
    naive = "timestamp" if database.kind == "postgresql" else "datetime"
    database.run(
        f"CREATE TABLE calls (id varchar(9) PRIMARY KEY, customer_id varchar(9), started_at {naive}, "
        "cost numeric(9, 2))",
        "INSERT INTO calls VALUES ('c1', '11', '2024-01-09 00:30:00', 1.25)",
    )
    assert custdyn("mapping", "new", "shop", database.url, "--timezone", "Europe/Kyiv").exit_code == 0
    assert custdyn("sync", "shop").exit_code == 0, mapping()
    query = ReportQuery(
        interval={"start": "2024-01-08", "end": "2024-01-08"}, client_type="all", group_by=(), currency="EUR"
    )
    [row] = run_report(query, "shop", as_of="2024-03-01").to_dict()["rows"]
    assert "1.25" in json.dumps(row["values"])  # 22:30 UTC on the day before


def test_what_cannot_be_guessed_is_left_to_fill_in(database: Database) -> None:
    database.run(
        "CREATE TABLE customers (id integer PRIMARY KEY, name varchar(20))",
        "INSERT INTO customers VALUES (1, 'A'), (2, 'B')",
    )
    result = custdyn("mapping", "new", "shop", database.url)
    assert result.exit_code == 0, result.output
    assert "FILL_IN" in result.stderr
    assert "FILL_IN AS currency" in mapping()
    assert "the clients have no currency column; write a code, such as 'EUR'" in mapping()
    assert "FILL_IN AS amount" in mapping()
    synced = custdyn("sync", "shop")
    assert synced.exit_code == 1
    assert "write SQL in place of each FILL_IN" in synced.output


def test_strange_names_are_quoted(database: Database) -> None:
    names = {
        "postgresql": ('"my ""ledger"', '"when"', '"Cost -- of"'),
        "mysql": ("`my ``ledger`", "`when`", "`Cost`"),
    }
    table, when, cost = names[database.kind]
    load(database)
    database.run(
        "DROP VIEW slow",
        "DROP TABLE ledger",
        f"CREATE TABLE {table} (id integer, customer_id integer, {when} date, {cost} numeric(9, 2), "
        "note varchar(50))",
        f"INSERT INTO {table} VALUES (1, 11, '2024-01-09', 1.25, 'it''s -- \\\\ :name')",
    )
    result = custdyn("mapping", "new", "shop", database.url)
    assert result.exit_code == 0, result.output
    synced = custdyn("sync", "shop")
    assert synced.exit_code == 0, mapping() + synced.output


def test_the_rights_that_are_printed_are_enough(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    load(database)
    password = 'p%40 s:/#"&=ö$'
    monkeypatch.setenv("CUSTDYN_PASSWORD_SHOP", password)
    with new_user(database, password) as user:
        url = database.url_of(user)
        refused = custdyn("mapping", "new", "shop", url)
        assert refused.exit_code == 1
        assert password not in refused.output
        who = user if database.kind == "postgresql" else f"'{user}'@'%'"
        tables = [table if database.kind == "postgresql" else f"{database.name}.{table}" for table in TABLES]
        database.run(*(f"GRANT SELECT ON {table} TO {who}" for table in tables))
        drafted = custdyn("mapping", "new", "shop", url)
        assert drafted.exit_code == 0, drafted.output
        database.run(*(f"REVOKE SELECT ON {table} FROM {who}" for table in tables))
        assert custdyn("sync", "shop").exit_code == 1
        database.run(*re.findall("GRANT .*;", drafted.stderr))
        synced = custdyn("sync", "shop")
        assert synced.exit_code == 0, synced.output


def test_times_and_amounts_in_the_forms_of_exports_are_read(database: Database) -> None:
    """Seconds and milliseconds since 1970, digits of a time, and local dates and decimal commas in text."""
    text = "text" if database.kind == "postgresql" else "varchar(40)"
    database.run(
        f"CREATE TABLE customers (id int, name {text}, currency char(3), created int, closed int)",
        "INSERT INTO customers VALUES (1, 'Anna', 'EUR', 1767571200, 0), "
        "(2, 'Bo', 'EUR', 1767657600, 1788000000)",
        "CREATE TABLE calls (id int, customer_id int, started_at bigint, price decimal(10, 4))",
        "INSERT INTO calls VALUES (1, 1, 1768571200123, 0.5), (2, 2, 1768581200000, 0.25)",
        f"CREATE TABLE payments (id int, customer_id int, paid_at {text}, amount {text})",
        "INSERT INTO payments VALUES (1, 1, '05/02/2026 23:30:00', '10,50'), "
        "(2, 2, '13/02/2026 10:00', '-1.000,5')",
        "CREATE TABLE renewals (id int, customer_id int, date bigint, fee decimal(10, 4))",
        "INSERT INTO renewals VALUES (1, 1, 20260301003000, 3), (2, 2, 20260302120000, 4)",
        "CREATE TABLE bonuses (id int, customer_id int, given_at timestamp, amount decimal(10, 4))".replace(
            "timestamp", "timestamp" if database.kind == "postgresql" else "datetime"
        ),
        "INSERT INTO bonuses VALUES (1, 1, '2026-03-03 00:30:00', 1), (2, 2, '2026-03-04 12:00:00', 1)",
    )
    drafted = custdyn("mapping", "new", "shop", database.url, "--timezone", "Europe/Kyiv")
    assert drafted.exit_code == 0, drafted.output
    assert "Date order: DMY (sure: 13/02/2026 10:00)." in drafted.stdout
    assert "milliseconds since 1970" in drafted.stdout
    assert custdyn("sync", "shop").exit_code == 0, mapping() + custdyn("sync", "shop").output
    mart = check_source("shop")
    clients, ledger = mart.tables["clients"].columns, mart.tables["transactions"].columns
    assert list(clients["created_at"]) == [1767571200 * 10**6, 1767657600 * 10**6]
    assert clients["closed_at"].tolist()[1] == 1788000000 * 10**6
    assert mart.tables["clients"].stored.data["closed_at"].to_pylist()[0] is None
    ids = ledger["transaction_id"].to_pylist()
    found = {
        i: (datetime.fromtimestamp(at / 10**6, UTC).isoformat(), amount / 10**6)
        for i, at, amount in zip(ids, ledger["at"].tolist(), ledger["amount"].tolist(), strict=True)
    }
    assert found == {
        "calls:1": ("2026-01-16T13:46:40.123000+00:00", -0.5),
        "calls:2": ("2026-01-16T16:33:20+00:00", -0.25),
        "payments:1": ("2026-02-05T21:30:00+00:00", 10.5),
        "payments:2": ("2026-02-13T08:00:00+00:00", -1000.5),
        "renewals:1": ("2026-02-28T22:30:00+00:00", -3),
        "renewals:2": ("2026-03-02T10:00:00+00:00", -4),
        "bonuses:1": ("2026-03-02T22:30:00+00:00", 1),
        "bonuses:2": ("2026-03-04T10:00:00+00:00", 1),
    }


def test_what_is_ambiguous_in_text_is_asked_for_or_rejected(database: Database) -> None:
    """MySQL would read a number up to the first other character, and say nothing."""
    load(database)
    text = "text" if database.kind == "postgresql" else "varchar(40)"
    database.run(
        f"CREATE TABLE payments (id int, customer_id int, paid_at {text}, amount {text})",
        "INSERT INTO payments VALUES (1, 11, '05/01/2024', '1,234'), (2, 11, '05/01/2024', '5,678')",
    )
    asked = custdyn("mapping", "new", "shop", database.url)
    assert asked.exit_code == 1
    assert "The order of day and month in '05/01/2024' is ambiguous. Set it with --dates DMY" in asked.stderr
    assert custdyn("mapping", "new", "shop", database.url, "--dates", "DMY").exit_code == 0
    rejected = custdyn("sync", "shop")
    assert rejected.exit_code == 1
    why = "1,234" if database.kind == "postgresql" else "amount: is blank, but a value is required (2 faults)"
    assert why in rejected.stderr
    assert custdyn("mapping", "new", "again", database.url, "--dates", "DMY", "--decimal", ",").exit_code == 0
    assert custdyn("sync", "again").exit_code == 0
    ledger = check_source("again").tables["transactions"].columns
    assert ledger["amount"].tolist()[-2:] == [1_234_000, 5_678_000]
