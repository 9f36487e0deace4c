"""The benchmark's contenders give one table, or its figures would mean nothing."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from custdyn_widgets.errors import CustDynError
from tests.bench import duckdb_sql, naive_pandas, ours, polars_lazy
from tests.bench.ledger import write_mart
from tests.bench.question import QUESTIONS
from tests.bench.runner import TablesDifferError, compare

ROWS = 5_000
CONTENDERS = (duckdb_sql, polars_lazy, naive_pandas, ours)


@pytest.fixture(scope="module")
def mart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench") / "mart"
    write_mart(folder, ROWS)
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUSTDYN_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("name", QUESTIONS)
def test_sql_polars_and_ours_give_the_same_table(mart: Path, name: str) -> None:
    table = duckdb_sql.report(mart, QUESTIONS[name])
    for contender in (polars_lazy, ours):
        compare(name, ("SQL", table), (contender.__name__, contender.report(mart, QUESTIONS[name])))


@pytest.mark.parametrize("name", [n for n in QUESTIONS if "days" not in n])
def test_sql_and_naive_pandas_give_the_same_table(mart: Path, name: str) -> None:
    table = naive_pandas.report(mart, QUESTIONS[name])
    compare(name, ("SQL", duckdb_sql.report(mart, QUESTIONS[name])), ("pandas", table))


def test_all_contenders_accept_the_mart(mart: Path) -> None:
    for contender in CONTENDERS:
        contender.check(mart)


@pytest.mark.parametrize("contender", CONTENDERS, ids=lambda c: c.__name__.rpartition(".")[2])
@pytest.mark.parametrize("column", ["transaction_id", "client_id", "kind", "package_id"])
def test_all_contenders_refuse_a_faulty_row(
    mart: Path, tmp_path: Path, column: str, contender: ModuleType
) -> None:
    faulty = shutil.copytree(mart, tmp_path / "faulty")
    ledger = pq.read_table(mart / "transactions.parquet")
    values = ledger[column].to_pylist()
    values[ROWS // 2] = values[0] if column == "transaction_id" else "unknown"
    place = ledger.schema.get_field_index(column)
    pq.write_table(ledger.set_column(place, column, pa.array(values)), faulty / "transactions.parquet")
    with pytest.raises((ValueError, CustDynError), match=column):
        contender.check(faulty)


def test_the_order_of_the_rows_does_not_matter(mart: Path, tmp_path: Path) -> None:
    write_mart(tmp_path / "shuffled", ROWS, shuffled=True)
    question = QUESTIONS["24 months"]
    tables = [
        contender.report(tmp_path / "shuffled", question) for contender in (duckdb_sql, polars_lazy, ours)
    ]
    assert tables == [duckdb_sql.report(mart, question)] * 3


def test_a_cell_that_differs_is_named() -> None:
    with pytest.raises(TablesDifferError, match=r"row 2024-01, value 1: one has 5, two 6"):
        compare("q", ("one", [["2024-01", "5"]]), ("two", [["2024-01", "6"]]))


def test_the_questions_have_whole_buckets_and_clamped_windows() -> None:
    months, days = QUESTIONS["24 months"], QUESTIONS["366 days"]
    assert (len(months.labels), len(days.labels)) == (24, 366)
    assert days.windows[days.edges.index(date(2024, 5, 31)) - 1] == date(2024, 2, 29)
