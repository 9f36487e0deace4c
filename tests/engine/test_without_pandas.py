"""A report on cached facts is made without pandas, whose import takes longer than an ordinary report."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from custdyn_widgets.engine import report
from custdyn_widgets.query import COLUMN_GROUPS

TESTS = Path(__file__).parents[1]
MIXED, TIES = (TESTS / "golden" / name / "mart" for name in ("mixed", "ties"))
OPENED = """
import sys
from custdyn_widgets.mart import open_mart
open_mart(sys.argv[1])
"""
REPORTED = """
import json, sys
from custdyn_widgets.engine import report_on
from custdyn_widgets.engine.lines import Lines
from custdyn_widgets.mart import open_mart
from custdyn_widgets.query import ReportQuery

def counted(lines, positions, exact_at=Lines.exact_at):
    exact.append(len(positions))
    return exact_at(lines, positions)

exact = []
Lines.exact_at = counted
report = report_on(ReportQuery.from_dict(json.loads(sys.argv[2])), open_mart(sys.argv[1]), "2022-01-01")
print(json.dumps([len(report.rows), sum(exact), report.info.versions["pandas"], "pandas" in sys.modules]))
"""
ALL = {"interval": {"start": "2021-01-01", "end": "2021-12-31"}, "client_type": "all"}


def told_by(code: str, cache: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "CUSTDYN_CACHE": str(cache), "PYTHONPATH": str(TESTS.parent)},
        cwd=cache,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the facts of both marts."""
    folder = tmp_path_factory.mktemp("cache")
    for mart in (MIXED, TIES):
        told_by(OPENED, folder, str(mart))
    return folder


@pytest.mark.parametrize(
    "fields",
    [
        {"group_by": ["month"]},
        {"group_by": ["date", "package"], "columns": [*COLUMN_GROUPS[:-1]]},
        {"group_by": ["month"], "columns": [*COLUMN_GROUPS], "compare": "previous_period"},
        {"group_by": ["month", "currency"], "currency": "EUR"},
        {"group_by": ["cohort"]},
        {"group_by": []},
    ],
    ids=["months", "days and packages", "compared", "currencies", "cohorts", "ungrouped"],
)
def test_a_report_on_cached_facts_loads_no_pandas(fields: dict[str, Any], cache: Path) -> None:
    rows, _, version, loaded = json.loads(told_by(REPORTED, cache, str(MIXED), json.dumps({**ALL, **fields})))
    assert rows > 0
    assert not loaded
    assert version == pd.__version__


@pytest.mark.parametrize(
    "fields",
    [{"columns": [*COLUMN_GROUPS]}, {"columns": [*COLUMN_GROUPS], "compare": "previous_month"}],
    ids=["alone", "compared"],
)
def test_rows_that_are_computed_from_fractions_load_no_pandas(fields: dict[str, Any], cache: Path) -> None:
    asked = json.dumps({**ALL, "group_by": ["month"], **fields})
    _, exact, _, loaded = json.loads(told_by(REPORTED, cache, str(TIES), asked))
    assert exact > 0
    assert not loaded


def test_the_version_of_pandas_is_found_however_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "pandas")
    for path in (sys.path, []):
        with monkeypatch.context() as patched:
            patched.setattr(sys, "path", path)
            if not path:
                patched.setitem(sys.modules, "pandas", pd)
            assert report._pandas_version.__wrapped__() == pd.__version__
