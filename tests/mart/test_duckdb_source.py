"""A DuckDB file is one more form of a mart: read-only, the same checks, the same report."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings

from custdyn_widgets import Source
from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.errors import SourceError
from custdyn_widgets.mart.opening import open_mart
from custdyn_widgets.mart.source_check import check_source
from custdyn_widgets.query.query import ReportQuery
from tests.mart.test_mart import EVERYONE, FAULTS, changed, folder, numbers
from tests.mart.test_quarantine import outcome
from tests.mart_forms import frames
from tests.strategies import Case, cases

pytestmark = pytest.mark.usefixtures("own_cache")

TYPED = {
    "clients": "* REPLACE (string_split(tags, ';') AS tags, created_at::TIMESTAMPTZ AS created_at, "
    "closed_at::TIMESTAMPTZ AS closed_at, opening_balance::DECIMAL(18, 6) AS opening_balance)",
    "transactions": '* REPLACE (CAST("at" AS TIMESTAMPTZ) AS "at", amount::DECIMAL(18, 6) AS amount, '
    "kind::ENUM('refill', 'usage', 'package_activation', 'package_renewal', 'other') AS kind)",
    "rates": "* REPLACE (date::DATE AS date, units_per_base::DECIMAL(38, 10) AS units_per_base)",
}


def database(path: Path, typed: bool = False, **tables: str | None) -> Path:
    """Write the mart as a DuckDB file, as text or typed, and return the file."""
    source = folder(path.with_suffix(".folder"), **tables)
    with duckdb.connect(str(path)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for file in sorted(source.glob("*.csv")):
            columns = TYPED.get(file.stem, "*") if typed else "*"
            connection.execute(
                f"CREATE TABLE {file.stem} AS SELECT {columns} FROM read_csv('{file}', all_varchar = true)"
            )
    shutil.rmtree(source)
    return path


def run(path: Path, statement: str) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute(statement)


@pytest.mark.parametrize("typed", [False, True], ids=["text", "typed"])
@pytest.mark.parametrize("group_by", [[], ["month"], ["date", "package"]], ids=len)
def test_a_database_gives_the_report_of_its_data_as_csv(
    tmp_path: Path, typed: bool, group_by: list[str]
) -> None:
    query = ReportQuery.from_dict({**EVERYONE.to_dict(), "group_by": group_by})
    found = numbers(database(tmp_path / "shop.db", typed), query)
    assert found == numbers(folder(tmp_path / "csv"), query)


@pytest.mark.slow
@settings(max_examples=max(1, settings.default.max_examples // 8))
@given(case=cases(known_names=True))
def test_a_drawn_mart_reads_alike_from_a_database_and_from_frames(case: Case) -> None:
    with tempfile.TemporaryDirectory() as place:
        source = Path(place) / "drawn.duckdb"
        with duckdb.connect(str(source)) as connection:
            for name, frame in frames(case.mart).items():
                columns = ", ".join(f'"{column}"::VARCHAR AS "{column}"' for column in frame)
                connection.execute(f"CREATE TABLE {name} AS SELECT {columns} FROM frame")
        assert outcome(source, case.query, case.as_of) == outcome(frames(case.mart), case.query, case.as_of)


def test_a_report_names_the_file_and_knows_when_it_changed(tmp_path: Path) -> None:
    source = database(tmp_path / "shop.duckdb")
    info = run_report(EVERYONE, source, as_of="2021-04-01").info
    assert info.source == "shop.duckdb"
    assert info.data_as_of == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(source.stat().st_mtime))


OF_TEXT = [(t, w) for t, w in FAULTS if " cell" not in w[0]]


@pytest.mark.parametrize(("tables", "words"), OF_TEXT, ids=[words[0][:60] for _, words in OF_TEXT])
def test_a_fault_is_named_with_its_table_and_row(
    tmp_path: Path, tables: dict[str, str], words: list[str]
) -> None:
    found = [str(fault) for fault in check_source(database(tmp_path / "shop.db", **tables)).faults]
    assert found == [in_database(line) for line in words]


def in_database(words: str) -> str:
    """Return a message about a CSV file as one about a table: without suffix and heading row."""
    place, _, rest = words.partition(", row ")
    row, mark, rest = rest.partition(",")
    number = max(int(row) - 1, 1)
    return f"{place}, row {number}{mark}{rest}".replace(".csv", "")


def test_faulty_rows_of_a_database_are_left_out(tmp_path: Path) -> None:
    source = database(tmp_path / "shop.db", **changed("transactions", "-2.25", "two"))
    found = numbers(Source(source, on_fault="quarantine"))  # type: ignore[arg-type]
    mended = changed("transactions", "t2,c1,2021-01-06T10:00:00.5Z,usage,-2.25,\n", "")
    assert found == numbers(database(tmp_path / "mended.db", **mended))


def test_a_changed_database_gives_new_facts_even_from_its_log(tmp_path: Path) -> None:
    source = database(tmp_path / "shop.db")
    assert len(open_mart(source).facts.amount) == 5
    run(
        source,
        "PRAGMA disable_checkpoint_on_shutdown; DELETE FROM transactions WHERE transaction_id = 't5'",
    )
    assert source.with_name("shop.db.wal").is_file()
    assert len(open_mart(source).facts.amount) == 4


def test_reading_does_not_change_the_file(tmp_path: Path) -> None:
    source = database(tmp_path / "shop.db")
    before = source.read_bytes(), source.stat().st_mtime_ns, sorted(tmp_path.iterdir())
    open_mart(source)
    assert (source.read_bytes(), source.stat().st_mtime_ns, sorted(tmp_path.iterdir())) == before


def test_views_and_names_in_capitals_are_read(tmp_path: Path) -> None:
    source = database(tmp_path / "shop.db")
    expected = numbers(source)
    run(
        source,
        "ALTER TABLE transactions RENAME TO ledger; ALTER TABLE clients RENAME TO Clients;"
        "CREATE VIEW transactions AS SELECT * RENAME (amount AS Amount) FROM ledger ORDER BY amount",
    )
    assert numbers(source) == expected


def test_extra_columns_and_tables_are_ignored(tmp_path: Path) -> None:
    source = database(tmp_path / "shop.db")
    run(source, "ALTER TABLE packages ADD COLUMN size INTEGER; CREATE TABLE notes (text VARCHAR)")
    mart = check_source(source)
    assert mart.faults == []
    assert mart.notes[0] == "packages: extra columns are ignored: 'size'."


def test_whole_numbers_are_ids_and_wide_integers_are_amounts(tmp_path: Path) -> None:
    source = database(tmp_path / "shop.db", packages=None, companies=None)
    run(
        source,
        "CREATE OR REPLACE TABLE clients AS SELECT * REPLACE (client_id[2:]::INTEGER AS client_id) "
        "FROM clients;"
        "CREATE OR REPLACE TABLE transactions AS SELECT * REPLACE (client_id[2:]::HUGEINT AS client_id, "
        "transaction_id[2:]::UBIGINT AS transaction_id, amount::DOUBLE::HUGEINT AS amount) FROM transactions",
    )
    facts = open_mart(source).facts
    assert sorted(facts.amount) == [-3_000_000, -2_000_000, 0, 0, 10_000_000]


# What is no source


def reads(source: Any) -> str:
    with pytest.raises(SourceError) as caught:
        open_mart(source)
    return caught.value.message


def test_a_file_that_is_not_a_database_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "lite.db").write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    (tmp_path / "empty.duckdb").touch()
    assert reads(tmp_path / "lite.db") == (
        "lite.db is a SQLite database, not a DuckDB database. Export its data as CSV or Parquet."
    )
    assert reads(tmp_path / "empty.duckdb") == "empty.duckdb is not a DuckDB database."
    assert "is not an existing file" in reads(tmp_path / "nowhere.duckdb")
    (tmp_path / "notes.txt").touch()
    assert "is not a folder that exists, nor a .duckdb or .db file" in reads(tmp_path / "notes.txt")


def test_a_damaged_database_is_an_error(tmp_path: Path) -> None:
    source = database(tmp_path / "shop.db")
    source.write_bytes(source.read_bytes()[:5000])
    assert reads(source).startswith("shop.db cannot be read: ")


def test_a_database_without_the_ledger_is_an_error(tmp_path: Path) -> None:
    source = database(tmp_path / "shop.db")
    run(source, "DROP TABLE transactions")
    assert "'shop.db' has no table transactions" in reads(source)


def test_a_view_on_other_files_is_refused(tmp_path: Path) -> None:
    source = database(tmp_path / "shop.db")
    other = folder(tmp_path / "csv") / "packages.csv"
    run(source, f"DROP TABLE packages; CREATE VIEW packages AS SELECT * FROM read_csv('{other}')")
    assert "file system operations are disabled" in reads(source)


def test_a_database_that_another_process_is_writing_is_an_error_without_its_path(tmp_path: Path) -> None:
    source = database(tmp_path / "shop.db")
    code = f"import duckdb; c = duckdb.connect({str(source)!r}); print('open', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        message = reads(source)
        process.communicate(b"\n", timeout=30)
    assert message.startswith("shop.db cannot be read: IO Error: Could not set lock")
    assert str(tmp_path) not in message
    assert numbers(source)


def test_a_database_that_another_process_reads_is_read(tmp_path: Path) -> None:
    source = database(tmp_path / "shop.db")
    opened = f"duckdb.connect({str(source)!r}, read_only=True)"
    code = f"import duckdb; c = {opened}; print('open', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert numbers(source)
        process.communicate(b"\n", timeout=30)


def test_hostile_text_is_preserved(tmp_path: Path) -> None:
    name = "</svg>\ufffe\u2028\x01'\"=cmd|"
    source = database(tmp_path / "shop.db")
    with duckdb.connect(str(source)) as connection:
        connection.execute("UPDATE packages SET name = ? WHERE package_id = 'p1'", [name])
    assert open_mart(source).facts.names.packages[0] == ("p1", name)


def test_the_command_prints_nothing_at_exit(tmp_path: Path) -> None:
    source = str(database(tmp_path / "shop.db"))
    asked = ("query", "--source", source, "--interval", "2021-01-01/2021-12-31", "--as-of", "2022-01-01")
    command = [str(Path(sys.prefix, "bin", "custdyn")), *asked]
    done = subprocess.run(command, capture_output=True, check=True, text=True, cwd=tmp_path)
    assert "leaked" not in done.stderr  # DuckDB tells so at the end if what it made was kept
