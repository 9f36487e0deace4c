"""The benchmark's contenders give one table, or its figures would mean nothing."""

from __future__ import annotations

import argparse
import dataclasses
import secrets
import shutil
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from custdyn_widgets.errors import CustDynError
from tests import databases
from tests.bench import __main__ as bench
from tests.bench import (
    by_shape,
    commands,
    document,
    duckdb_clients,
    duckdb_dynamics,
    duckdb_sql,
    large,
    naive_pandas,
    openpyxl_workbook,
    our_dynamics,
    our_workbook,
    ours,
    polars_lazy,
    postgresql_sql,
    reading_only,
    shapes,
    where_time_goes,
)
from tests.bench.ledger import write_mart
from tests.bench.question import CLIENTS, DYNAMICS, QUESTIONS, WORKBOOK, WORKBOOKS
from tests.bench.runner import ChildError, Figure, Runner, TablesDifferError, compare, finished
from tests.bench.steps import BUCKET_STEPS, FILTERED, MONTHS, SHARES, SIZE_STEPS, STEPS, YEAR, Step

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


def test_sql_in_postgresql_gives_the_same_table(mart: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    databases.start("postgresql")
    monkeypatch.setattr(postgresql_sql, "DATABASE", f"custdyn_test_{secrets.token_hex(6)}")
    try:
        postgresql_sql.load(mart)
        postgresql_sql.check(mart)
        table = postgresql_sql.report(mart, QUESTIONS[MONTHS])
        postgresql_sql.connection().execute("update transactions set kind = 'x' where kind = 'refill'")
        with pytest.raises(ValueError, match="kind"):
            postgresql_sql.check(mart)
    finally:
        postgresql_sql.connection().close()
        postgresql_sql.connection.cache_clear()
        postgresql_sql.drop()
    compare(MONTHS, ("SQL", duckdb_sql.report(mart, QUESTIONS[MONTHS])), ("PostgreSQL", table))


@pytest.mark.parametrize("name", [MONTHS, YEAR])
def test_sql_and_naive_pandas_give_the_same_table(mart: Path, name: str) -> None:
    table = naive_pandas.report(mart, QUESTIONS[name])
    compare(name, ("SQL", duckdb_sql.report(mart, QUESTIONS[name])), ("pandas", table))


@pytest.mark.parametrize("name", FILTERED)
def test_sql_and_naive_pandas_choose_the_same_clients(mart: Path, name: str) -> None:
    question = dataclasses.replace(QUESTIONS[YEAR], query=QUESTIONS[name].query)  # one bucket is quick
    compare(name, ("SQL", duckdb_sql.report(mart, question)), ("pandas", naive_pandas.report(mart, question)))


@pytest.mark.parametrize("name", [name for name in DYNAMICS if name != CLIENTS])
def test_sql_and_ours_agree_on_who_moved_and_what_changed(mart: Path, name: str) -> None:
    table = duckdb_dynamics.report(mart, DYNAMICS[name])
    compare(name, ("SQL", table), ("ours", our_dynamics.report(mart, DYNAMICS[name])))


def test_sql_and_ours_give_the_same_clients(mart: Path) -> None:
    as_text = our_dynamics.report(mart, DYNAMICS[CLIENTS])
    assert callable(as_text)
    clients = as_text()
    compare(CLIENTS, ("SQL", duckdb_clients.report(mart, DYNAMICS[CLIENTS])), ("ours", clients))
    assert len(clients) > 10


def test_openpyxl_and_ours_write_the_same_cells(mart: Path) -> None:
    december = {"interval": {"start": "2024-12-01", "end": "2024-12-31"}}  # so that reading back is quick
    question = WORKBOOKS[WORKBOOK]
    question = dataclasses.replace(question, query=question.query | december)
    given = our_workbook.prepare(mart, question)
    peers, written = (c.report(given, question)() for c in (openpyxl_workbook, our_workbook))
    compare(WORKBOOK, ("openpyxl", peers), ("ours", written))
    assert len(written) == len(given.rows) + 1 > 200
    assert written[0][0].endswith("yyyy-mm-dd")


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


@pytest.fixture(scope="module")
def marts(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """Return marts by their number of clients."""
    folder = tmp_path_factory.mktemp("shapes")

    def of(clients: int) -> Path:
        if not (folder / str(clients)).exists():
            write_mart(folder / str(clients), ROWS, clients=clients)
        return folder / str(clients)

    return of


@pytest.mark.parametrize("shape", shapes.SHAPES, ids=lambda shape: shape.name)
def test_sql_and_ours_read_every_shape_of_ledger(
    marts: Callable[[int], Path], tmp_path: Path, shape: shapes.Shape
) -> None:
    folder = tmp_path / "shape"
    shapes.write_shape(marts(shape.count_clients(ROWS)), folder, shape)
    for contender in (duckdb_sql, ours):
        contender.check(folder)
    tables = [contender.report(folder, QUESTIONS[YEAR]) for contender in (duckdb_sql, ours)]
    compare(shape.name, ("SQL", tables[0]), ("ours", tables[1]))
    assert any(cell not in ("", "0") for cell in tables[0][0][1:])
    reading_only.check(folder)
    assert sum(batch.num_rows for batch in reading_only.batches(folder)) == ROWS


def test_the_parts_of_the_processor_time_are_those_of_the_whole(
    marts: Callable[[int], Path], tmp_path: Path
) -> None:
    parts = Runner(marts(50), tmp_path).time_parts()
    assert tuple(parts) == where_time_goes.PARTS
    assert all(seconds > 0 for seconds in parts.values())


def test_the_worst_shapes_are_set_against_the_targets(tmp_path: Path) -> None:
    def measured(shape: shapes.Shape, seconds: float) -> by_shape.ShapeFigures:
        return by_shape.ShapeFigures(
            shape,
            *(
                Figure(step, [own], [own], [own], [], [1_000.0])
                for step, own in zip(by_shape.STEPS, (10.0, seconds, 0.7), strict=True)
            ),
        )

    figures = [measured(shape, 8.0 if shape.is_csv else 1.0 + n) for n, shape in enumerate(shapes.SHAPES[:4])]
    csv = next(shape for shape in shapes.SHAPES if shape.is_csv)
    parquet, of_csv, peak = by_shape.findings(10_000_000, [*figures, measured(csv, 8.0)])
    assert shapes.SHAPES[3].name in parquet.name
    assert (parquet.value, parquet.target, parquet.holds) == (0.4, 0.6, True)
    assert (of_csv.value, of_csv.target, of_csv.holds) == (0.8, 0.7, False)
    assert (peak.value, peak.target, peak.holds) == (1_000, 900, False)
    options = argparse.Namespace(rows=10_000_000, repeat=1, document=tmp_path / "shapes.md")
    figures[0] = dataclasses.replace(figures[0], parts={"decoding Parquet": 0.25, "the report": 0.125})
    page = [*by_shape._page(options, _setting(), [*figures, measured(csv, 8.0)], [parquet, of_csv, peak])]
    assert page[-4:] == [
        "| shape | decoding Parquet | the report |",
        "|---|---:|---:|",
        f"| {shapes.SHAPES[0].name} | 0.250 | 0.125 |",
        "",
    ]
    assert f"| {csv.name} | 10.000 | 8.000 | 0.800 | 0.070 | 0.800 | 1,000 | 1,000 |" in page
    assert f"| {of_csv.name} | 0.800 | 0.700 | **no** |" in page
    words = "".join(ElementTree.parse(tmp_path / "pictures" / "shapes.svg").getroot().itertext())
    assert shapes.SHAPES[3].name in words
    broken = measured(csv, 8.0)
    broken.sql.missing, broken.sql.process = "exit 1", []
    assert next(by_shape.findings(10_000_000, [broken])).value is None


def test_a_cell_that_differs_is_named() -> None:
    with pytest.raises(TablesDifferError, match=r"row 2024-01, value 1: one has 5, two 6"):
        compare("q", ("one", [["2024-01", "5"]]), ("two", [["2024-01", "6"]]))


def test_the_questions_have_whole_buckets_and_clamped_windows() -> None:
    months, days = QUESTIONS["24 months"], QUESTIONS["366 days"]
    assert (len(months.labels), len(days.labels)) == (24, 366)
    assert days.windows[days.edges.index(date(2024, 5, 31)) - 1] == date(2024, 2, 29)


def _figures() -> dict[int, list[Figure]]:
    """Figures as if ours took 1 s and every other 4 s."""

    def figure(step: Step) -> Figure:
        seconds = 1.0 if "ours" in step.name or "custdyn" in step.name else 4.0
        return Figure(step, [seconds] * 3, [seconds] * 3, [seconds] * 3, [seconds] * 9, [1_000.0] * 3)

    demo = (Step(name, "", commands.DEMO) for name in commands.COMMANDS)
    whole = [figure(step) for step in (*STEPS, *BUCKET_STEPS, *demo)]
    return {1_000: whole, **{1_000 // n: [figure(step) for step in SIZE_STEPS] for n in SHARES}}


def _setting(**told: Any) -> dict[str, Any]:
    known = {
        "command": "python -m tests.bench",
        "date": "2026-11-22",
        "machine": "M",
        "cores": 2,
        "load": 0.1,
    }
    rest = {"versions": "V", "rows": 1_000, "clients": 20, "shuffled": False, "repeat": 3}
    return {**known, **rest, **told}


def test_the_page_says_of_every_target_whether_it_holds(tmp_path: Path) -> None:
    document.write(tmp_path / "page.md", _setting(), _figures())
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    for line in (
        "| 24 months: facts and first report ÷ SQL's checks and report | 0.250 | 0.600 | yes |",
        "| 24 months: report on cached facts ÷ SQL's report | 0.250 | 0.200 | **no** |",
        "| 24 months: report on cached facts ÷ Polars' report | 0.250 |  |  |",
        "| XLSX of 1,096 days × packages, warm ÷ openpyxl's of the same cells | 0.250 | 1.500 | yes |",
        "| peak memory of ours | 1,000 MB | 900 MB | **no** |",
        "| custdyn --help | 1.000 s | 0.300 s | **no** |",
        "| 250 | 4.000 s, 1,000 MB | 4.000 s, 1,000 MB | 1.000 s, 1,000 MB | 1.000 s, 1,000 MB |",
        "| × 1,096 | × 1.00 | × 1.00 |",
    ):
        assert line in page.splitlines()
    assert (
        f"{page.count('| yes |')} of {page.count('| yes |') + page.count('**no**')} targets were met" in page
    )
    assert "this run had 1,000" in page
    assert "treat the seconds with care" not in page


def test_the_page_tells_of_other_work_on_the_machine(tmp_path: Path) -> None:
    document.write(tmp_path / "page.md", _setting(load=1.4), _figures())
    assert "1.4 (other work was running: treat the seconds with care)" in (tmp_path / "page.md").read_text()


def test_the_plot_stands_beside_the_page_and_names_its_contenders(tmp_path: Path) -> None:
    document.write(tmp_path / "page.md", _setting(), _figures())
    assert "](pictures/page.svg)" in (tmp_path / "page.md").read_text()
    words = "".join(ElementTree.parse(tmp_path / "pictures" / "page.svg").getroot().itertext())
    for name in (
        "ours, report on cached facts",
        "DuckDB SQL, report",
        "Polars, report",
        "naive pandas, 4.0 s",
    ):
        assert name in words


def test_the_page_about_large_ledgers_has_every_size_and_what_takes_no_part(tmp_path: Path) -> None:
    steps = [*large.STEPS, *large.SLOW_STEPS]
    by_rows = {
        rows: [Figure(s, [rows / 1000.0], [3.0], [rows / 2000.0], [2.0], [900.0]) for s in steps]
        for rows in (1_000, 10_000_000)
    }
    by_rows[1_000][-1].missing = "exit 1: no server"
    document.write_large(tmp_path / "large.md", {**_setting(), "command": "make bench-large"}, by_rows)
    lines = (tmp_path / "large.md").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("## ")] == ["## 1,000 rows", "## 10,000,000 rows"]
    assert "| PostgreSQL, report | not available |  |  |  |  |" in lines
    assert "| 24 months: cached facts ÷ SQL's report | 1.000 |  |  |" in lines
    assert "| 24 months: cached facts ÷ SQL's report | 1.000 | 0.200 | **no** |" in lines
    words = "".join(ElementTree.parse(tmp_path / "pictures" / "large.svg").getroot().itertext())
    for name in ("PostgreSQL, report", "ours, facts and first report", "Peak memory"):
        assert name in words


def test_no_page_is_written_when_a_contender_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = _figures()
    figures[1_000][0].missing = "exit 1: no memory"
    page = tmp_path / "page.md"
    monkeypatch.setattr(bench, "_measured", lambda _: figures)
    monkeypatch.setattr(sys, "argv", ["bench", "--rows", "1000", "--document", str(page)])
    assert bench.main() == 1
    assert not page.exists()


def test_a_command_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(ChildError, match="exit 3: so it is"):
        finished(
            [sys.executable, "-c", "import sys; print('so it is', file=sys.stderr); sys.exit(3)"],
            {},
            tmp_path,
        )
