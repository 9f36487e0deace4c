"""What goes wrong with a database: messages say what to do and show no secret, and the old mart stays."""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from custdyn_widgets.errors import MartError, SourceError
from custdyn_widgets.mart.opening import open_mart
from custdyn_widgets.mart.sources import named_sources
from custdyn_widgets.mart.synced import synced_folder
from custdyn_widgets.mart.syncing import session, tables
from custdyn_widgets.mart.syncing.access import login_for
from custdyn_widgets.mart.syncing.mysql import MysqlSession
from custdyn_widgets.mart.syncing.postgresql import PostgresqlSession
from custdyn_widgets.mart.syncing.sync import sync_source
from tests.databases import HOST, Database, new_user
from tests.synced import balance, create, define, map_with

pytestmark = pytest.mark.usefixtures("own_marts")
PASSWORD = "s3cr3t-Pa55:w@rd/x"


@pytest.fixture
def old_mart(database: Database) -> Iterator[Database]:
    """Sync a mart, and check at the end that it is still the one that reports use."""
    create(database)
    define("shop", database.url)
    sync_source("shop")
    before = balance()
    yield database
    define("shop", database.url)
    assert balance() == before


def failure(name: str = "shop") -> str:
    with pytest.raises(SourceError) as caught:
        sync_source(name)
    assert caught.value.__cause__ is None or "password" not in str(caught.value.__cause__)
    assert PASSWORD not in str(caught.value)
    assert HOST not in str(caught.value)
    return caught.value.message


def test_a_rejected_login_says_where_passwords_go(
    old_mart: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUSTDYN_PASSWORD_SHOP", PASSWORD)
    define("shop", old_mart.url_of("nobody"))
    message = failure()
    assert message.startswith("The database of source 'shop' rejected the login of user 'nobody'.")
    assert "CUSTDYN_PASSWORD_SHOP" in message
    assert "~/.pgpass" in message or "~/.my.cnf" in message


def test_an_unreachable_host_is_named_as_such(old_mart: Database) -> None:
    define("shop", f"{old_mart.kind}://reader@{HOST}:9/{old_mart.name}")
    message = failure()
    assert message.startswith("The database of source 'shop' cannot be reached (Connection refused).")
    assert "Check the host and port" in message


def test_a_host_without_an_address_is_named_as_such(old_mart: Database) -> None:
    define("shop", f"{old_mart.kind}://reader@no-such-host.invalid/{old_mart.name}")
    assert "cannot be reached" in failure()


def test_a_database_that_does_not_exist(old_mart: Database) -> None:
    define("shop", old_mart.url + "_gone")
    assert f"{old_mart.name}_gone" in failure()


def test_a_missing_table_is_named_with_its_section(old_mart: Database) -> None:
    map_with("shop", old_mart.url, transactions="SELECT * FROM calls")
    assert failure().startswith("mine.sql, transactions: ")
    assert "calls" in failure()
    assert "mapping is for this version" in failure()


def test_a_missing_column_is_named_with_its_section(old_mart: Database) -> None:
    map_with("shop", old_mart.url, clients="SELECT client_nr AS client_id FROM clients")
    message = failure()
    assert message.startswith("mine.sql, clients: ")
    assert "client_nr" in message
    assert "Correct the name in that section" in message


def test_a_column_that_the_select_does_not_return(old_mart: Database) -> None:
    select = "SELECT transaction_id, client_id, at, kind, amount AS amounts FROM transactions"
    map_with("shop", old_mart.url, transactions=select)
    assert failure() == (
        "mine.sql, transactions: the SELECT does not return the column amount. It returns 'amounts' "
        "instead: rename that column with AS amount."
    )


def test_wrong_sql_is_shown_with_the_words_of_the_server(old_mart: Database) -> None:
    map_with("shop", old_mart.url, transactions="SELECT FROM WHERE transactions")
    assert "The database rejected the SELECT: " in failure()


@pytest.mark.parametrize("value", ["'many'", "0.5"])
def test_a_count_of_no_whole_number_is_an_error(old_mart: Database, value: str) -> None:
    select = f"SELECT * FROM transactions\n-- :count {{n}} things\nSELECT {value}"
    map_with("shop", old_mart.url, transactions=select)
    returned = value.strip("'")
    assert failure() == (
        f"mine.sql, count “{{n}} things”: the SELECT returns '{returned}', not a whole number; use count(*)."
    )


def test_a_mapping_cannot_write(old_mart: Database) -> None:
    map_with("shop", old_mart.url, transactions="SELECT 1) q; COMMIT; DELETE FROM transactions; SELECT (1")
    assert "mine.sql, transactions" in failure()
    map_with("shop", old_mart.url, transactions="DELETE FROM transactions RETURNING *")
    assert "mine.sql, transactions" in failure()


def test_the_grants_that_are_missing_are_printed(old_mart: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with new_user(old_mart, PASSWORD) as user:
        if old_mart.kind == "postgresql":
            wanted = f'  GRANT SELECT ON clients, transactions TO "{user}";'
        else:
            old_mart.run(
                f"GRANT SELECT (client_id, client_type, currency, created_at) ON clients TO '{user}'@'%'"
            )
            old_mart.run(f"GRANT SELECT (transaction_id) ON transactions TO '{user}'@'%'")
            wanted = f"  GRANT SELECT ON `{old_mart.name}`.transactions TO '{user}'@'%';"
        map_with("shop", old_mart.url_of(user))
        monkeypatch.setenv("CUSTDYN_PASSWORD_SHOP", PASSWORD)
        message = failure()
    assert "is not allowed to read what the mapping needs" in message
    assert wanted in message.splitlines()


def test_generic_says_what_it_needs_of_an_empty_database(old_mart: Database) -> None:
    old_mart.run("DROP TABLE clients", "DROP TABLE transactions")
    assert failure().startswith("The database does not have any tables of a mart")


def test_generic_names_a_table_that_is_missing(old_mart: Database) -> None:
    old_mart.run("DROP TABLE transactions")
    assert failure().startswith("The database has no table transactions")


def test_generic_names_a_column_that_is_missing(old_mart: Database) -> None:
    old_mart.run("ALTER TABLE transactions RENAME COLUMN amount TO amt")
    message = failure()
    assert message.startswith("The table transactions has no column amount (is it 'amt'?)")
    assert "write a mapping" in message


def test_a_server_that_falls_silent_is_noticed_within_two_minutes(database: Database) -> None:
    define("shop", database.url)
    kind = PostgresqlSession if database.kind == "postgresql" else MysqlSession
    with kind.connect(login_for(named_sources()["shop"])) as opened:
        connection = opened._connection if database.kind == "postgresql" else opened._connection._sock
        with socket.socket(fileno=os.dup(connection.fileno())) as link:
            assert link.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            idle, interval, count = (
                link.getsockopt(socket.IPPROTO_TCP, option)
                for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            )
    assert idle == 60
    assert idle + interval * count == 120


def test_a_session_that_ends_in_mid_read_reads_no_more(
    mariadb: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ignored: list[object] = []  # the driver would print that reading the rest of the rows failed
    monkeypatch.setattr(sys, "unraisablehook", ignored.append)
    define("shop", mariadb.url)
    select = "SELECT seq FROM seq_1_to_300000"
    with MysqlSession.connect(login_for(named_sources()["shop"])) as opened:
        rows = opened.rows(select, opened.columns(select))
        assert len(next(rows)["seq"]) < 300_000
    del rows, opened
    gc.collect()
    assert not ignored


def test_no_clients_at_all_is_not_a_mart(old_mart: Database) -> None:
    old_mart.run("DELETE FROM clients")
    assert "clients: the SELECT returns no rows" in failure()


def test_a_locked_table_is_waited_for_in_vain(old_mart: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "LOCK_WAIT_S", 1)
    with contextlib.closing(old_mart.connect()) as other, other.cursor() as cursor:
        if old_mart.kind == "postgresql":
            cursor.execute("BEGIN")
            cursor.execute("LOCK TABLE transactions IN ACCESS EXCLUSIVE MODE")
        else:
            cursor.execute("LOCK TABLES transactions WRITE")
        message = failure()
    assert "kept a table locked for 1 seconds" in message
    assert "unchanged" in message


def test_a_connection_that_drops_in_mid_read(old_mart: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = 300_000
    many = (
        "SELECT n AS transaction_id, 'a' AS client_id, '2021-02-01' AS at, 'usage' AS kind, 1 AS amount FROM "
    )
    series = (
        f"generate_series(1, {rows}) n"
        if old_mart.kind == "postgresql"
        else f"(SELECT seq AS n FROM seq_1_to_{rows}) s"
    )
    map_with("shop", old_mart.url, transactions=many + series)
    told: list[int] = []

    def kill(self: tables.TableProgress, count: int, seconds: float) -> None:
        if count and not told:
            told.append(count)
            kill_connections(old_mart)

    monkeypatch.setattr(tables, "_REPORT_EVERY_S", 0.0)
    monkeypatch.setattr(tables.TableProgress, "report", kill)
    message = failure()
    assert told
    assert "The connection to the database of source 'shop' was lost during the sync" in message
    assert "Run the sync again" in message


def kill_connections(database: Database) -> None:
    with contextlib.closing(database.connect()) as other, other.cursor() as cursor:
        if database.kind == "postgresql":
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                "AND application_name = 'custdyn sync'"
            )
            return
        cursor.execute(
            "SELECT id FROM information_schema.processlist WHERE db = %s AND id <> CONNECTION_ID()",
            (database.name,),
        )
        for (number,) in cursor.fetchall():
            cursor.execute(f"KILL {number}")


def test_faulty_data_does_not_replace_the_mart(old_mart: Database) -> None:
    old_mart.run("UPDATE transactions SET kind = 'usge' WHERE transaction_id = '1'")
    with pytest.raises(MartError) as caught:
        sync_source("shop")
    lines = caught.value.message.splitlines()
    assert lines[0] == "transactions.parquet, kind: is not a known kind (1 fault)"
    assert lines[-1] == "The mart of 'shop' was not replaced."


def test_rejected_rows_are_listed_until_a_sync_succeeds(old_mart: Database) -> None:
    old_mart.run("UPDATE transactions SET kind = 'usge' WHERE transaction_id = '1'")
    with pytest.raises(MartError, match="listed in ") as caught:
        sync_source("shop")
    line = next(line for line in caught.value.message.splitlines() if "listed in " in line)
    listing = Path(line.partition("listed in ")[2])
    assert "usge" in listing.read_text(encoding="utf-8")
    assert '""transaction_id"": ""1""' in listing.read_text(encoding="utf-8")
    assert listing.stat().st_mode & 0o077 == 0
    old_mart.run("UPDATE transactions SET kind = 'usage' WHERE transaction_id = '1'")
    sync_source("shop")
    assert not listing.exists()


def test_a_mart_of_a_newer_version_says_so(old_mart: Database) -> None:
    record = synced_folder("shop") / "sync.json"
    record.write_text(record.read_text().replace('"format": 1', '"format": 2'))
    with pytest.raises(SourceError, match=r"written by another version.*custdyn sync shop"):
        open_mart("shop")
    sync_source("shop")
    open_mart("shop")


def test_a_full_disk_leaves_the_old_mart(old_mart: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tables._Writer, "write", full)
    message = failure()
    assert "cannot be written" in message
    assert "No space left on device" in message
    assert "CUSTDYN_MARTS" in message
