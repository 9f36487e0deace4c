"""`custdyn sync` reads a database into a mart that reports use; on real servers."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from custdyn_widgets import settings
from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.errors import SourceError
from custdyn_widgets.mart.opening import open_mart
from custdyn_widgets.mart.source_check import check_source
from custdyn_widgets.mart.sources import named_sources
from custdyn_widgets.mart.synced import marts_folder, read_record, sync_lock, synced_folder
from custdyn_widgets.mart.syncing.access import login_for
from custdyn_widgets.mart.syncing.changes import Changes, PastChange
from custdyn_widgets.mart.syncing.copying import CopyStream
from custdyn_widgets.mart.syncing.postgresql import PostgresqlSession
from custdyn_widgets.mart.syncing.sync import sync_source
from tests.databases import Database
from tests.synced import EVERYONE, TYPES, balance, create, custdyn, define, map_with

pytestmark = pytest.mark.usefixtures("own_marts")


@pytest.fixture
def shop(database: Database) -> Database:
    """The source `shop`, which is a database with a small mart."""
    create(database)
    define("shop", database.url)
    return database


def test_a_database_is_synced_and_reported_on(shop: Database) -> None:
    result = custdyn("sync", "shop")
    assert result.exit_code == 0, result.output
    kind = "PostgreSQL" if shop.kind == "postgresql" else "MariaDB"
    assert result.stdout.startswith(f"shop: 1 client, 2 transactions. Read from {kind} ")
    assert balance() == Decimal("11.25")
    report = run_report(EVERYONE, "shop")
    assert report.info.source == "shop"


def test_likely_mistakes_are_counted_with_the_command_that_shows_them(shop: Database) -> None:
    quiet = custdyn("sync", "shop")
    shop.run("UPDATE transactions SET amount = -amount WHERE kind = 'usage'")
    told = custdyn("sync", "shop")
    assert told.exit_code == 0
    assert told.stderr != quiet.stderr
    mistakes = "1 likely mistake" if shop.kind == "postgresql" else "2 likely mistakes"
    assert f"The data has {mistakes}. To list them: custdyn check shop" in told.stderr


def test_reports_ask_for_a_sync_first(shop: Database) -> None:
    with pytest.raises(SourceError, match=r"has not been read yet\. Run: custdyn sync shop"):
        run_report(EVERYONE, "shop")


def test_data_is_as_of_the_time_when_the_database_was_read(shop: Database) -> None:
    before = int(datetime.now(UTC).timestamp())
    sync_source("shop")
    after = datetime.now(UTC).timestamp()
    read_at = open_mart("shop").data_as_of
    assert read_at is not None
    assert before <= read_at <= after
    record = synced_folder("shop") / "sync.json"
    stored = json.loads(record.read_text()) | {"read_at": 1_600_000_000}
    record.write_text(json.dumps(stored))
    assert open_mart("shop").data_as_of == 1_600_000_000


def test_the_record_has_no_host_and_no_user(shop: Database) -> None:
    sync_source("shop")
    text = (synced_folder("shop") / "sync.json").read_text()
    assert "127.0.0.1" not in text
    assert "@" not in text
    assert json.loads(text)["rows"] == {"clients": 1, "transactions": 2}


def test_what_changed_in_the_past_is_told(shop: Database) -> None:
    sync_source("shop")
    shop.run(
        "UPDATE transactions SET amount = -0.35 WHERE transaction_id = '1'",
        "INSERT INTO transactions VALUES ('0', 'a', '2021-01-05', 'usage', -1), "
        "('3', 'a', '2021-03-01 12:00:01', 'refill', 1)",
        "UPDATE clients SET opening_balance = 2",
    )
    result = custdyn("sync", "shop")
    assert result.stdout.splitlines()[:-1] == [
        "New transactions: 1. Clients added: 0.",
        "Changes to past transactions:",
        "  Month    Kind   Added  Removed  Changed",
        "  2021-01  usage  1      0        0",
        "  2021-02  usage  0      0        1",
        "Opening balances changed: 1 client.",
    ]
    shop.run("DELETE FROM transactions WHERE transaction_id = '2'")
    changes = json.loads(custdyn("sync", "shop", "--json").stdout)["changes"]
    assert changes["new"] == 0
    assert changes["past"] == [{"month": "2021-03", "kind": "refill", "added": 0, "removed": 1, "changed": 0}]
    assert "Past data is unchanged." in custdyn("sync", "shop").stdout
    record = read_record(synced_folder("shop"))
    assert record is not None
    assert record.changes is not None
    assert record.changes["past"] == []


def test_a_transaction_that_moved_to_another_month_has_changed(shop: Database) -> None:
    sync_source("shop")
    shop.run("UPDATE transactions SET at = '2021-04-01' WHERE transaction_id = '1'")
    changes = sync_source("shop").changes
    assert changes is not None
    assert [(c.month, c.added, c.removed, c.changed) for c in changes.past] == [("2021-02", 0, 0, 1)]


def test_rows_whose_ids_change_are_compared_by_content(shop: Database) -> None:
    """Ids that number the rows are others after each row that was added, removed or moved before them."""
    shop.run(
        "INSERT INTO transactions VALUES ('4', 'a', '2021-03-02', 'refill', 10), "
        "('5', 'a', '2021-03-02', 'refill', 10), ('6', 'a', '2021-03-03', 'usage', -1)"
    )
    number = "CAST(row_number() OVER (ORDER BY t.at, t.amount, t.transaction_id) AS char(9))"
    columns = f"{number} AS transaction_id, client_id, at, kind, amount"
    map_with("shop", shop.url, transactions=f"SELECT {columns} FROM transactions AS t")
    sync_source("shop")
    shop.run(
        "INSERT INTO transactions VALUES ('0', 'a', '2021-01-05', 'usage', -1), "
        "('00', 'a', '2021-01-06', 'usage', -1), ('7', 'a', '2021-04-05', 'usage', -1)",
        "UPDATE transactions SET amount = -2 WHERE transaction_id = '6'",
        "DELETE FROM transactions WHERE transaction_id = '4'",
    )
    changes = sync_source("shop").changes
    assert changes is not None
    assert [(c.month, c.kind, c.added, c.removed, c.changed) for c in changes.past] == [
        ("2021-01", "usage", 2, 0, 0),
        ("2021-03", "refill", 0, 1, 0),
        ("2021-03", "usage", 1, 1, 0),
    ]
    assert (changes.new, changes.new_ids) == (1, 2)
    assert changes.text().splitlines()[-1] == (
        "Transactions that differ only in their id: 2. Build transaction_id from the keys of the source, so "
        "that it stays the same. See docs/own-mapping.md."
    )
    shop.run("DELETE FROM transactions WHERE transaction_id = '0'")
    [change] = sync_source("shop").changes.past  # type: ignore[union-attr]
    assert (change.month, change.added, change.removed, change.changed) == ("2021-01", 0, 1, 0)


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_that_the_comparison_spilled_stays_in_the_mart(
    shop: Database, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    sync_source("shop")

    def spilling(old: Path, new: Path, spill: Path, *, same_mapping: bool) -> Changes:
        spill.mkdir()
        (spill / "temporary").write_bytes(b"x")
        if fails:
            raise OSError(28, "No space left on device")
        return changes_of()

    files = {file.name for file in synced_folder("shop").iterdir()}
    monkeypatch.setattr("custdyn_widgets.mart.syncing.sync.changes_between", spilling)
    assert (sync_source("shop").changes is None) == fails
    assert {file.name for file in synced_folder("shop").iterdir()} == files


def test_a_damaged_mart_does_not_prevent_the_next_sync(shop: Database) -> None:
    sync_source("shop")
    (synced_folder("shop") / "transactions.parquet").write_bytes(b"PAR1")
    result = sync_source("shop")
    assert result.changes is None
    assert "Changes since the last sync are unknown" in result.text()
    assert balance() == Decimal("11.25")


def test_amounts_are_rounded_half_even_and_the_residue_is_told(shop: Database) -> None:
    shop.run(
        "DELETE FROM transactions",
        "INSERT INTO transactions VALUES ('1', 'a', '2021-02-01', 'usage', 0.0000005), "
        "('2', 'a', '2021-02-01', 'usage', 0.0000015), ('3', 'a', '2021-02-01', 'usage', -0.00000151), "
        "('4', 'a', '2021-02-01', 'usage', 0.1)",
    )
    record = sync_source("shop").record
    assert record.sentences == [
        "transactions, amount: 3 amounts were rounded to 6 places, half to even; this removed "
        "0.00000049 in total."
    ]
    stored = pq.read_table(synced_folder("shop") / "transactions.parquet")
    assert stored.column("amount").to_pylist() == [
        Decimal("0.000000"), Decimal("0.000002"), Decimal("-0.000002"), Decimal("0.100000")
    ]  # fmt: skip
    assert [note.kind for note in check_source("shop").notes if "rounded" in str(note)] == ["mapping"]


def test_floating_point_columns_are_read_exactly(shop: Database) -> None:
    number = TYPES[shop.kind]["float"]
    shop.run(
        "DROP TABLE transactions",
        f"CREATE TABLE transactions (transaction_id int, client_id varchar(9), at date, kind varchar(9), "
        f"amount {number}, small real)",
        "INSERT INTO transactions VALUES (1, 'a', '2021-02-01', 'usage', 123456789.123457, 0), "
        "(2, 'a', '2021-02-01', 'usage', 1e-7, 0), (3, 'a', '2021-02-01', 'refill', 1e10, 0)",
    )
    record = sync_source("shop").record
    stored = pq.read_table(synced_folder("shop") / "transactions.parquet").column("amount").to_pylist()
    assert stored == [Decimal("123456789.123457"), Decimal(0), Decimal(10**10)]
    assert "1 amount was rounded" in record.sentences[0]
    assert "removed 0.0000001 in total" in record.sentences[0]


def test_a_single_float_keeps_all_of_its_digits(mariadb: Database) -> None:
    create(mariadb)
    mariadb.run("ALTER TABLE transactions MODIFY amount FLOAT", "UPDATE transactions SET amount = 123456.78")
    define("shop", mariadb.url)
    sync_source("shop")
    stored = pq.read_table(synced_folder("shop") / "transactions.parquet").column("amount").to_pylist()
    assert stored == [Decimal("123456.781250")] * 2  # MariaDB itself sends 123457


def test_times_do_not_depend_on_the_zone_of_the_server(mariadb: Database) -> None:
    create(mariadb)
    mariadb.run(
        "ALTER TABLE transactions MODIFY at TIMESTAMP(6)",
        "SET time_zone = '+05:00'",
        "UPDATE transactions SET at = '2021-02-01 03:00:00.000001'",
    )
    # A session begins in the zone of its server; here, its own first statement stands for that.
    define("shop", f"{mariadb.url}?init_command=SET time_zone = '%2B05:00'")
    sync_source("shop")
    stored = pq.read_table(synced_folder("shop") / "transactions.parquet").column("at")
    assert stored.to_pylist() == [datetime(2021, 1, 31, 22, 0, 0, 1, tzinfo=UTC)] * 2


def test_times_without_an_offset_are_on_the_clock_of_the_source(mariadb: Database) -> None:
    create(mariadb)
    define("shop", mariadb.url, timezone="Europe/Kyiv")
    sync_source("shop")
    facts = open_mart("shop").facts
    assert sorted(facts.time.tolist()) == [
        int(datetime(2021, 1, 31, 22, tzinfo=UTC).timestamp()),
        int(datetime(2021, 3, 1, 10, tzinfo=UTC).timestamp()),
    ]


@pytest.mark.parametrize(
    ("kind", "tags"),
    [
        ("text[]", """ARRAY['a;b', 'c, "d"']"""),
        ("json", r"""'["a;b", "c, \"d\""]'"""),
        ("jsonb", r"""'["a;b", "c, \"d\""]'"""),
    ],
)
def test_tags_of_an_array_are_a_list(postgresql: Database, kind: str, tags: str) -> None:
    create(postgresql)
    postgresql.run(f"ALTER TABLE clients ADD tags {kind}", f"UPDATE clients SET tags = {tags}")
    define("shop", postgresql.url)
    sync_source("shop")
    stored = pq.read_table(synced_folder("shop") / "clients.parquet")
    assert stored.column("tags").to_pylist() == [["a;b", 'c, "d"']]


def test_text_is_read_as_it_is(shop: Database) -> None:
    shop.run("ALTER TABLE clients ADD name varchar(200)")
    odd = "a\"b'c,\\n\r\n\tü☎\U0001f600;NULL"
    with contextlib.closing(shop.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE clients SET name = %s", (odd,))
    shop.run("INSERT INTO clients VALUES ('b', 'client', 'USD', '2021-01-01', NULL, '')")
    shop.run("INSERT INTO clients VALUES ('c', 'client', 'USD', '2021-01-01', NULL, NULL)")
    sync_source("shop")
    stored = pq.read_table(synced_folder("shop") / "clients.parquet")
    assert stored.sort_by("client_id").column("name").to_pylist() == [odd, "", None]


def test_latin_1_is_converted_by_the_server(mariadb: Database) -> None:
    create(mariadb)
    mariadb.run("ALTER TABLE clients ADD name varchar(20) CHARACTER SET latin1")
    mariadb.run("UPDATE clients SET name = 'Müller'")
    define("shop", mariadb.url)
    sync_source("shop")
    assert pq.read_table(synced_folder("shop") / "clients.parquet").column("name").to_pylist() == ["Müller"]


def test_bytes_are_not_guessed_to_be_text(mariadb: Database) -> None:
    create(mariadb)
    mariadb.run("ALTER TABLE clients ADD name varbinary(20)")
    define("shop", mariadb.url)
    with pytest.raises(SourceError, match=r"generic, clients: the column name contains bytes, not text\."):
        sync_source("shop")


def test_zero_dates_are_faults_that_say_what_to_write(mariadb: Database) -> None:
    create(mariadb)
    mariadb.run(
        "SET sql_mode = ''", "ALTER TABLE clients ADD closed_at datetime", "UPDATE clients SET closed_at = 0"
    )
    define("shop", mariadb.url)
    result = custdyn("sync", "shop")
    assert result.exit_code == 1
    assert "clients.parquet, closed_at: is not an ISO 8601 time (1 fault)" in result.stderr
    assert "'0000-00-00 00:00:00'" in result.stderr
    assert "NULLIF" in result.stderr
    map_with("shop", mariadb.url, clients="SELECT *, NULLIF(closed_at, 0) AS closed FROM clients")
    selected = (
        "client_id, client_type, currency, created_at, opening_balance, NULLIF(closed_at, 0) AS closed_at"
    )
    map_with("shop", mariadb.url, clients=f"SELECT {selected} FROM clients")
    assert custdyn("sync", "shop").exit_code == 0


def test_infinite_times_and_amounts_that_are_no_numbers_are_faults(postgresql: Database) -> None:
    create(postgresql)
    postgresql.run("UPDATE transactions SET at = 'infinity', amount = 'NaN' WHERE transaction_id = '2'")
    define("shop", postgresql.url)
    output = custdyn("sync", "shop").stderr
    assert "transactions.parquet, at: " in output
    assert "transactions.parquet, amount: is not a number" in output


def test_faulty_rows_are_quarantined_if_the_source_says_so(shop: Database) -> None:
    define("shop", shop.url, on_fault="quarantine")
    shop.run("UPDATE transactions SET kind = 'usge' WHERE transaction_id = '1'")
    sync_source("shop")
    assert balance() == Decimal("11.5")
    assert open_mart("shop").warnings


def test_the_mapping_of_a_source_is_used_and_its_counts_are_told(shop: Database, tmp_path: Path) -> None:
    define("shop", shop.url, mapping="mine.sql")
    (tmp_path / "mine.sql").write_text(
        "-- :name clients\nWITH c AS (SELECT * FROM clients) -- all of them\nSELECT client_id, client_type, "
        "currency, created_at FROM c;\n-- :name transactions\nSELECT * FROM transactions WHERE amount > 0\n"
        "-- :count {n} calls were left out.\nSELECT count(*) FROM transactions WHERE amount <= 0\n"
        "-- :count {n} others were left out.\nSELECT count(*) FROM transactions WHERE amount = 7\n"
        "-- :count {n} kinds are frequent.\nSELECT 2 FROM transactions GROUP BY kind HAVING count(*) > 7\n"
    )
    result = sync_source("shop")
    assert balance() == Decimal(10)
    assert result.record.sentences == ["1 calls were left out."]
    assert result.record.mapping == "mine.sql"
    assert "1 calls were left out." in map(str, check_source("shop").notes)


def test_a_mapping_file_of_another_version_is_named_when_rows_change(shop: Database) -> None:
    sync_source("shop")
    map_with("shop", shop.url, transactions="SELECT * FROM transactions WHERE amount > 0")
    assert "The mapping has changed since the last sync" in sync_source("shop").text()


def test_two_syncs_at_once_are_refused(shop: Database) -> None:
    with sync_lock("shop"), pytest.raises(SourceError, match="is being synced by another process"):
        sync_source("shop")


def test_leftovers_of_a_killed_sync_are_removed(shop: Database) -> None:
    sync_source("shop")
    left = marts_folder() / ".shop@0123"
    left.mkdir()
    (left / "transactions.parquet").write_bytes(b"PAR1")
    other = marts_folder() / ".shop.eu@0123"
    other.mkdir()
    sync_source("shop")
    assert not left.exists()
    assert other.exists()
    assert len(list(marts_folder().glob(".shop@*"))) == 1


def test_two_transactions_with_one_id_are_faults(shop: Database) -> None:
    shop.run("UPDATE transactions SET transaction_id = '1'")
    assert "transactions.parquet, transaction_id: " in custdyn("sync", "shop").stderr
    assert custdyn("sync", "shop").exit_code == 1


def test_a_balance_too_large_to_store_is_a_fault(shop: Database) -> None:
    shop.run("UPDATE transactions SET amount = 9000000000000")
    assert "has a balance outside" in custdyn("sync", "shop").stderr


def test_a_transaction_of_an_unknown_client_is_a_fault(shop: Database) -> None:
    shop.run("UPDATE transactions SET client_id = 'b' WHERE transaction_id = '2'")
    assert "is not in clients.parquet" in custdyn("sync", "shop").stderr


def test_a_ledger_without_faults_is_not_read_at_once(shop: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def check_all(*_: object) -> None:
        raise AssertionError("the whole ledger was read")

    monkeypatch.setattr("custdyn_widgets.mart.syncing.new_mart.check", check_all)
    sync_source("shop")
    assert balance() == Decimal("11.25")


def test_grants_are_shown_without_a_connection(shop: Database) -> None:
    define("shop", f"{shop.kind}://reader@localhost:9/billing", mapping="mine.sql")
    Path("mine.sql").write_text(
        "-- :name clients\nSELECT EXTRACT(year FROM x) FROM accounts a, currency AS c JOIN app.tags ON 1=1\n"
        "-- :name transactions\nWITH d AS (SELECT 'FROM nowhere' FROM cdrs) SELECT * FROM d -- FROM comment\n"
    )
    lines = custdyn("sync", "shop", "--show-grants").stdout.splitlines()
    if shop.kind == "postgresql":
        assert lines == [
            'GRANT CONNECT ON DATABASE "billing" TO "reader";',
            'GRANT USAGE ON SCHEMA public TO "reader";',
            'GRANT USAGE ON SCHEMA app TO "reader";',
            'GRANT SELECT ON accounts, currency, app.tags, cdrs TO "reader";',
        ]
    else:
        assert lines == [
            f"GRANT SELECT ON {table} TO 'reader'@'%';"
            for table in ("`billing`.accounts", "`billing`.currency", "app.tags", "`billing`.cdrs")
        ]


def test_the_grants_of_generic_set_optional_tables_apart(shop: Database) -> None:
    lines = custdyn("sync", "shop", "--show-grants").stdout.splitlines()
    apart = lines.index("-- Only for tables that exist:")
    assert "transactions" in lines[apart - 1]
    assert "rates" in lines[-1]
    assert not any("rates" in line for line in lines[:apart])


def test_only_databases_can_be_synced(tmp_path: Path) -> None:
    Path("sources.toml").write_text('[shop]\npath = "exports"\n')
    with pytest.raises(SourceError, match="Source 'shop' is not a database"):
        sync_source("shop")
    with pytest.raises(
        SourceError, match=r"There is no source 'shap' in sources.toml. Did you mean 'shop'\?"
    ):
        sync_source("shap")


def test_marts_are_where_the_setting_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.load().marts == tmp_path / "marts"
    assert settings.load().environment()["CUSTDYN_MARTS"] == str(tmp_path / "marts")
    monkeypatch.delenv("CUSTDYN_MARTS")
    Path("custdyn.toml").write_text('marts = "elsewhere"\n')
    assert settings.load().marts == tmp_path / "elsewhere"


def test_a_column_that_turns_out_to_be_text_in_the_middle_is_read_once_more(shop: Database) -> None:
    series = {
        "postgresql": "generate_series(1, 200000) n",
        "mysql": "(SELECT seq AS n FROM seq_1_to_200000) s",
    }
    at, amount = "timestamptz '2021-02-01'", "CASE WHEN n = 3 THEN 'NaN' ELSE '1' END::numeric"
    if shop.kind == "mysql":
        at, amount = "CAST(CASE WHEN n = 3 THEN 0 ELSE '2021-02-01' END AS datetime)", "1"
    columns = f"CAST(n AS char(6)) AS transaction_id, 'a' AS client_id, {at} AS at, 'usage' AS kind, {amount}"
    map_with("shop", shop.url, transactions=f"SELECT {columns} AS amount FROM {series[shop.kind]}")
    output = custdyn("sync", "shop").stderr
    assert "(1 fault)" in output
    assert "row 3: " in output


class Waiting:
    """A connection of libpq on which rows that have not arrived must be waited for, not asked for again."""

    def __init__(self, connection: Any) -> None:
        self._connection, self._must_wait = connection, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def consume_input(self) -> None:
        self._must_wait = False
        self._connection.consume_input()

    def get_copy_data(self, mode: int) -> Any:
        assert not self._must_wait
        size, row = self._connection.get_copy_data(mode)
        self._must_wait = size == 0
        return size, row


def test_rows_that_arrive_late_are_waited_for_when_a_read_ends_early(postgresql: Database) -> None:
    define("shop", postgresql.url)
    with PostgresqlSession.connect(login_for(named_sources()["shop"])) as opened:
        stream = CopyStream(Waiting(opened._connection.pgconn))
        early = "SELECT repeat('x', 1000) FROM generate_series(1, 5000)"
        rows = stream.chunks(f"COPY ({early} UNION ALL SELECT 'late' FROM pg_sleep(0.1)) TO STDOUT".encode())
        assert next(rows).startswith(b"xxx")
        stream.finish()
        assert [bytes(chunk) for chunk in stream.chunks(b"COPY (SELECT 1) TO STDOUT")] == [b"1\n"]


def changes_of(**fields: object) -> Changes:
    none: dict[str, object] = {"new": 0, "past": (), "openings": 0, "clients_added": 0, "clients_removed": 0}
    return Changes(**{**none, "same_mapping": True, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [1, 40, 41, 42])
def test_forty_months_that_changed_are_all_listed(count: int) -> None:
    past = tuple(PastChange(f"{2000 + n}-01", "usage", n, 0, 0) for n in range(count))
    lines = changes_of(past=past).text().splitlines()
    assert lines[1] == "Changes to past transactions:"
    assert [line.split()[0] for line in lines[3:43]] == [change.month for change in past[:40]]
    more = {41: "1 more line", 42: "2 more lines"}
    assert lines[43:] == ([f"  … and {more[count]}. --json prints all of them."] if count > 40 else [])


def test_only_what_changed_is_told() -> None:
    first = "New transactions: 0. Clients added: 0."
    opening, removed = "Opening balances changed: 1 client.", "Clients removed: 2."
    mapping = "The mapping has changed since the last sync, which may be the reason."
    ids = "Transactions that differ only in their id: 1,000."
    build = "Build transaction_id from the keys of the source, so that it stays the same. See "
    build += "docs/own-mapping.md."
    for fields, lines in (
        ({}, ["Past data is unchanged."]),
        ({"new_ids": 1000}, ["Past data is unchanged.", f"{ids} {build}"]),
        ({"new_ids": 1000, "same_mapping": False}, ["Past data is unchanged.", ids, mapping]),
        ({"same_mapping": False}, ["Past data is unchanged."]),
        ({"openings": 1}, [opening]),
        ({"clients_removed": 2, "same_mapping": False}, [removed, mapping]),
        ({"openings": 1, "clients_removed": 2}, [opening, removed]),
    ):
        assert changes_of(**fields).text().splitlines() == [first, *lines]
