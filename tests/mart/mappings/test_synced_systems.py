"""Lago and Kill Bill through a sync: from the real server to the mart, its check and its reports."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.mart.mapping.sql_file import shipped_mapping
from custdyn_widgets.mart.source_check import check_source
from custdyn_widgets.mart.sources import Source
from custdyn_widgets.mart.synced import synced_folder
from custdyn_widgets.mart.syncing.detecting import detect_system
from custdyn_widgets.mart.syncing.grants import tables_of
from custdyn_widgets.mart.syncing.sync import SyncResult, sync_source
from custdyn_widgets.query.query import ReportQuery
from tests import oracle
from tests.databases import HOST, PORTS, USERS
from tests.mart.mappings import killbill_lago_support as support
from tests.mart.mappings import test_killbill as killbill
from tests.mart.mappings import test_lago as lago
from tests.mart.mappings import test_lago_invoices as lago_invoices

ZONE = 'timezone = "America/Bogota"\n'  # of times without an offset: these mappings give none
YEAR = {"start": "2024-01-01", "end": "2024-12-31"}
# There are no exchange rates: each query is about clients of one currency.
QUERIES: dict[str, list[dict[str, Any]]] = {
    "lago": [
        {"interval": YEAR, "client_tags": ["tier=gold"], "group_by": ["month", "package"], "currency": "EUR"},
        {"interval": YEAR, "client_type": "reseller", "group_by": [], "currency": "EUR"},
    ],
    "killbill": [
        {"interval": YEAR, "client_tags": ["vip/gold"], "group_by": ["month", "package"], "currency": "EUR"},
        {"interval": YEAR, "client_type": "reseller", "timezone": "Europe/Kyiv", "currency": "EUR"},
    ],
}


@contextmanager
def filled(system: str, dialect: str) -> Iterator[tuple[Any, oracle.Mart]]:
    """Give a connection to a database of a system, and the facts."""
    database: AbstractContextManager[Any] = getattr(support, dialect)()
    with database as connection:
        if system == "lago":
            support.execute(connection, lago.SCHEMA)
            for table, rows in lago.ROWS.items():
                support.insert(connection, table, rows)
            yield connection, lago.FACTS
        else:
            yield connection, killbill.facts(killbill.create(connection, dialect))


def sync(connection: Any, system: str, dialect: str, home: Path) -> SyncResult:
    name = connection.info.dbname if dialect == "postgresql" else connection.db.decode()
    url = f"{dialect}://{USERS[dialect]}@{HOST}:{PORTS[dialect]}/{name}"
    (home / "sources.toml").write_text(
        f'[{system}]\nurl = "{url}"\nsystem = "{system}"\n{ZONE}', encoding="utf-8"
    )
    return sync_source(system)


@pytest.mark.parametrize(
    ("system", "dialect"), [("lago", "postgresql"), ("killbill", "postgresql"), ("killbill", "mysql")]
)
def test_a_sync_gives_the_mart_and_its_reports(
    system: str, dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("sources.toml", "marts", "cache"):
        monkeypatch.setenv(f"CUSTDYN_{name.partition('.')[0].upper()}", str(tmp_path / name))
    with filled(system, dialect) as (connection, facts):
        first = sync(connection, system, dialect, tmp_path)
        again = sync(connection, system, dialect, tmp_path)
        counted = support.counts(connection, system, dialect)
    assert again.changes
    assert "Past data is unchanged." in again.changes.text()  # so the ids are the same
    assert again.changes.new == 0
    for sentence, number in counted.items():
        assert not number or sentence.replace("{n}", str(number)) in first.record.sentences
    for table in ("clients", "transactions"):
        rows = pq.read_table(synced_folder(system) / f"{table}.parquet").to_pylist()
        amounts = ("opening_balance", "stored_balance") if table == "clients" else ("amount",)
        assert support.as_text(rows) == support.amounts(facts[table], *amounts)
    mart = check_source(system)
    assert not mart.faults
    assert not [note for note in mart.notes if "offset" in note]
    for query in QUERIES[system]:
        report = run_report(ReportQuery.from_dict(query), system, as_of="2025-01-01T00:00:00Z")
        packages = {row["package_id"] for row in facts["transactions"] if row.get("package_id")}
        named = {"packages": [{"package_id": name, "name": name} for name in packages]} | dict(facts)
        answer = oracle.answer(named, query, "2025-01-01T00:00:00Z")
        assert [(*row.labels, *map(str, row.values)) for row in report.shown_rows()] == [
            (*row.labels, *map(str, row.values)) for row in (*answer.rows, answer.total) if row
        ]


@pytest.mark.parametrize(
    ("system", "dialect", "rows"),
    [
        ("lago", "postgresql", lago.ROWS),
        ("lago_invoices", "postgresql", lago_invoices.ROWS),
        ("killbill", "postgresql", killbill.ROWS),
        ("killbill", "mysql", killbill.ROWS),
    ],
)
def test_grants_name_the_tables_of_the_system_and_no_other(
    system: str, dialect: str, rows: dict[str, object]
) -> None:
    mapping = shipped_mapping(system, dialect)
    named = tables_of([*mapping.selects.values(), *(count.select for count in mapping.counts)])
    assert set(named) == set(rows)


def test_functions_are_no_tables() -> None:
    select = "SELECT * FROM calls c, generate_series(1, 2) n JOIN unnest(c.x) AS u ON true"
    assert tables_of([select]) == ["calls"]


def test_a_database_of_lago_is_read_by_its_wallets() -> None:
    with support.postgresql() as connection:
        support.execute(connection, lago.SCHEMA + lago_invoices.MORE)
        url = f"postgresql://{USERS['postgresql']}@{HOST}:{PORTS['postgresql']}/{connection.info.dbname}"
        assert detect_system(Source(url=url, name="x")).system == "lago"
