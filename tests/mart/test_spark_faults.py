"""The spark engine finds the faults that this machine finds, and says what it cannot do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from custdyn_widgets.cli import main
from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.errors import MartError, SourceError
from custdyn_widgets.mart.source_check import check_source
from custdyn_widgets.mart.spark.checking import check_on_spark
from custdyn_widgets.mart.spark.opening import open_on_spark
from custdyn_widgets.query.query import ReportQuery
from tests import mart_forms, oracle
from tests.engine.test_golden import GOLDEN
from tests.mart.test_part_files import as_spark

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("own_cache", "spark")]

Rows = list[dict[str, str]]


def mart(**changes: Any) -> oracle.Mart:
    return {**oracle.read_mart(GOLDEN / "small" / "mart"), **changes}


def transaction(number: int, **changes: str) -> dict[str, str]:
    rows = mart()["transactions"]
    return {**rows[number % len(rows)], "transaction_id": f"new-{number}", **changes}


def written(tables: oracle.Mart, folder: Path, parts: int = 1) -> Path:
    """Write a mart as Parquet files of text, whose values may be faulty, with the ledger in parts."""
    for name, frame in mart_forms.frames(tables).items():
        frame.to_parquet(folder / f"{name}.parquet")
    if parts > 1:
        for checksum in as_spark(folder / "transactions.parquet", parts).glob(".*.crc"):
            checksum.unlink()  # not a real one, and Hadoop compares it
    return folder


FAULTY = {
    "unknown client": [transaction(0, client_id="nobody"), transaction(1, client_id="nobody")],
    "unknown kind": [transaction(0, kind="refil")],
    "unknown package": [transaction(0, package_id="none such")],
    "blanks": [transaction(0, client_id="", amount=""), transaction(1, at=" ")],
    "amounts": [transaction(0, amount="1.0000001"), transaction(1, amount="1e5"), transaction(2, amount="x")],
    "times": [transaction(0, at="yesterday"), transaction(1, at="0000-01-01T00:00:00Z")],
    "repeated ids": [transaction(0), transaction(0), transaction(1), transaction(1, amount="x")],
}


def same_faults(folder: Path) -> None:
    """Assert that both engines find the same faults, with the same examples."""
    want, got = check_source(folder).summary(), check_on_spark(folder)
    assert want.kinds
    assert got.kinds == want.kinds
    assert (got.sizes, got.verdict) == (want.sizes, want.verdict)


def same_errors(folder: Path) -> None:
    """Assert that both engines refuse to report, and name the same first faults."""
    with pytest.raises(MartError) as local:
        run_report(ReportQuery("last_month"), folder)
    with pytest.raises(MartError) as on_spark:
        run_report(ReportQuery("last_month"), folder, engine="spark")
    assert on_spark.value.message.split("  …")[0] == local.value.message.split("  …")[0]


def test_spark_finds_every_kind_of_fault_of_the_rows_in_any_part(tmp_path: Path) -> None:
    rows = [row for faulty in FAULTY.values() for row in faulty]
    good = mart()["transactions"]
    same_faults(written(mart(transactions=[*rows[:5], *good, *rows[5:]]), tmp_path, parts=3))
    same_errors(tmp_path)


def test_a_ledger_whose_only_fault_is_a_repeated_id_gives_no_report(tmp_path: Path) -> None:
    same_errors(written(mart(transactions=[transaction(0), transaction(1), transaction(0)]), tmp_path))


def test_spark_finds_faults_of_the_other_tables(tmp_path: Path) -> None:
    tables = mart()
    clients = [*tables["clients"], {**tables["clients"][0], "currency": "usd"}]
    same_faults(written({**tables, "clients": clients, "transactions": [transaction(0, kind="x")]}, tmp_path))


@pytest.mark.parametrize(
    ("old", "new"),
    [("transaction_id", "id"), ("kind", "Kind"), ("package_id", "package-id"), ("amount", "sum")],
)
def test_spark_finds_missing_and_misspelled_columns(tmp_path: Path, old: str, new: str) -> None:
    tables = mart()
    path = written(tables, tmp_path) / "transactions.parquet"
    pq.write_table(pq.read_table(path).rename_columns({old: new}), path)
    same_faults(tmp_path)


def test_spark_finds_balances_that_are_too_large(tmp_path: Path) -> None:
    large = [transaction(n, amount="9223372036854", at="2021-10-01T00:00:00Z") for n in (0, 0, 0)]
    rows = [{**row, "transaction_id": str(n)} for n, row in enumerate(large)]
    same_faults(written(mart(transactions=rows), tmp_path))
    same_errors(tmp_path)


def test_a_mart_without_faults_has_none_in_spark(tmp_path: Path) -> None:
    summary = check_on_spark(written(mart(), tmp_path))
    assert summary.verdict == "No faults"
    assert [note.kind for note in summary.notes] == ["not_searched"]


def test_a_mart_is_read_from_a_url_that_spark_knows(tmp_path: Path) -> None:
    folder = written(mart(), tmp_path)
    opened = open_on_spark(f"file://{folder}/")
    assert opened.name == folder.name
    assert opened.data_as_of == max(int(path.stat().st_mtime) for path in folder.glob("*.parquet"))
    query = ReportQuery({"start": "2021-01-01", "end": "2021-12-31"}, group_by=("month",))
    assert run_report(query, f"file://{folder}", engine="spark").rows == run_report(query, folder).rows


def test_a_url_without_a_mart_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"has no clients\.parquet, which the spark engine needs"):
        open_on_spark(f"file://{tmp_path}/none")


def test_a_file_that_is_not_parquet_says_so_without_a_traceback(tmp_path: Path) -> None:
    folder = written(mart(), tmp_path)
    (folder / "clients.parquet").write_text("client_id,name\n" * 10)
    with pytest.raises(SourceError, match="Spark could not read source") as refused:
        open_on_spark(folder)
    assert "\n" not in refused.value.message


def test_commands_use_the_engine(tmp_path: Path) -> None:
    folder = written(mart(), tmp_path)
    asked = ["--interval", "2021-01-01/2021-12-31", "--group-by", "month", "--format", "csv"]
    results = [
        CliRunner().invoke(main, ["query", "--source", str(folder), *asked, *engine])
        for engine in ([], ["--engine", "spark"])
    ]
    assert [result.exit_code for result in results] == [0, 0]
    assert results[0].stdout == results[1].stdout
    checked = CliRunner().invoke(main, ["check", "--engine", "spark", str(folder)])
    assert (checked.exit_code, "No faults" in checked.stdout) == (0, True)
    assert CliRunner().invoke(main, ["check", "--engine", "spark", "--all", str(folder)]).exit_code == 2


@pytest.mark.parametrize(
    ("ids", "kind"),
    [
        (["1.00", "2.00", "2.50"], pa.decimal128(10, 2)),
        (["1", "2", "1e19"], pa.float64()),
        (["1", "0.5", "2"], pa.float32()),
    ],
)
def test_ids_that_are_fractions_are_refused(tmp_path: Path, ids: list[str], kind: pa.DataType) -> None:
    path = written(mart(), tmp_path) / "transactions.parquet"
    table = pq.read_table(path)
    values = pa.array([ids[i % 3] for i in range(len(table))]).cast(pa.float64()).cast(kind)
    place = table.column_names.index("package_id")
    pq.write_table(table.set_column(place, "package_id", values), path)
    words = r"has fractions in transactions.parquet, package_id, which .* Use the local engine"
    with pytest.raises(SourceError, match=words):
        open_on_spark(tmp_path)


def test_ids_that_are_whole_decimals_or_floats_are_those_of_the_local_engine(tmp_path: Path) -> None:
    path = written(mart(), tmp_path) / "transactions.parquet"
    (tmp_path / "packages.parquet").unlink()
    table = pq.read_table(path)
    numbers = [None if i % 4 else i % 3 for i in range(len(table))]
    for name, kind in (("package_id", pa.float64()), ("transaction_id", pa.decimal128(30, 2))):
        values = pa.array(numbers if name == "package_id" else range(len(table))).cast(kind)
        table = table.set_column(table.column_names.index(name), name, values)
    pq.write_table(table, path)
    query = ReportQuery({"start": "2021-01-01", "end": "2021-12-31"}, group_by=("package",))
    assert run_report(query, tmp_path, engine="spark").rows == run_report(query, tmp_path).rows
