"""The benchmark of getting data in: its contenders write one ledger, and its findings name their targets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import databases
from tests.bench.runner import Spent
from tests.bench.sync import child
from tests.bench.sync.data import define_sources, fill, write_csv
from tests.bench.sync.figures import STEPS, Figure, figure_lines, finding_lines

ROWS = 2_000


@pytest.fixture(scope="module")
def urls() -> Iterator[dict[str, str]]:
    with databases.new_database("postgresql") as one, databases.new_database("mysql") as other:
        for database in (one, other):
            fill(database, ROWS, seed=1)
        yield {database.kind: database.url for database in (one, other)}


def test_all_contenders_write_the_same_ledger(
    urls: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    define_sources(tmp_path, urls)
    write_csv(tmp_path / "csv", ROWS, seed=1)
    monkeypatch.setenv("CUSTDYN_SOURCES", str(tmp_path / "sources.toml"))
    monkeypatch.setenv("CUSTDYN_MARTS", str(tmp_path / "marts"))
    monkeypatch.setenv("CUSTDYN_CACHE", str(tmp_path / "cache"))
    found = {}
    for place, step in enumerate(STEPS):
        job = {"contender": step.contender, "source": step.source, "url": urls.get(step.source)}
        done = child.done({**job, "folder": str(tmp_path), "file": str(tmp_path / f"{place}.parquet")})
        [found[step.source, step.name]] = child.done({"contender": "look", "file": done["file"]})["table"]
    first = found[STEPS[0].source, STEPS[0].name]
    assert first[1] == str(ROWS)
    assert found == dict.fromkeys(found, first)


def _figures() -> list[Figure]:
    """Figures as if ours took 3 s and 400 MB, and the others 2 s and 4 s."""
    seconds = {"psycopg_copy": 4.0, **dict.fromkeys(("psql", "unbuffered_cursor", "duckdb_copy"), 2.0)}
    return [
        Figure(step, [Spent(seconds.get(step.contender, 3.0), seconds.get(step.contender, 6.0), 400.0)] * 3)
        for step in STEPS
    ]


def test_the_findings_name_their_targets() -> None:
    figures = _figures()
    figures[3].spent[1] = Spent(3.0, 6.0, 501.0)
    lines = [" ".join(line.split()) for line in finding_lines(figures)]
    assert lines[1:] == [
        "PostgreSQL: ours ÷ the fastest by hand 1.500 2.000",
        "PostgreSQL: ours ÷ the fastest by hand, seconds of all cores 3.000",
        "PostgreSQL: peak memory of ours 400 MB 500 MB",
        "MariaDB: ours ÷ the fastest by hand 1.500 2.000",
        "MariaDB: ours ÷ the fastest by hand, seconds of all cores 3.000",
        "MariaDB: peak memory of ours 501 MB 500 MB missed",
        "CSV: ours ÷ the fastest by hand 1.500 1.500",
        "CSV: ours ÷ the fastest by hand, seconds of all cores 3.000",
    ]


def test_a_ratio_is_missing_where_a_contender_by_hand_failed() -> None:
    figures = _figures()
    figures[2] = Figure(STEPS[2], missing="exit 1: no server")
    text = "\n".join(" ".join(line.split()) for line in (*figure_lines(figures), *finding_lines(figures)))
    assert "by hand, psycopg's COPY to Arrow not available: exit 1: no server" in text
    assert "PostgreSQL: ours ÷ the fastest by hand not available 2.000 missed" in text
