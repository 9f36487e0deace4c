"""A report has the same bytes wherever, whenever and however it is computed (spec 6, Snapshots)."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pytest

from custdyn_widgets import settings
from custdyn_widgets.engine.cells import pieces
from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.engine.report import report_on
from custdyn_widgets.mart.opening import open_mart
from custdyn_widgets.mart.sources import Source
from custdyn_widgets.publish.freezing import content_digest, report_files
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.render.charts.specs import blank_spec
from custdyn_widgets.render.csv import to_csv
from custdyn_widgets.report.report import Report
from tests import mart_forms, oracle
from tests.engine.test_golden import GOLDEN, question
from tests.payloads import AS_OF, IN_FILES, hostile_mart

pytestmark = pytest.mark.usefixtures("own_cache")
MIXED = GOLDEN / "mixed"
CASES = [question(path.parent) for path in sorted(MIXED.glob("*/query.json"))]
BY_MONTH_AND_PACKAGE = question(MIXED / "07-month-package")

CHILD = """
import hashlib, json, locale, sys
from dataclasses import replace
from pathlib import Path
from custdyn_widgets.engine import run_report
from custdyn_widgets.publish.freezing import content_digest, report_files
from custdyn_widgets.render import to_csv
from custdyn_widgets.report import Report

told = json.loads(Path(sys.argv[1]).read_text("utf-8"))
frozen = Report.from_dict(told["report"])
run = run_report(told["query"], told["mart"], as_of=told["as_of"])
run = replace(run, info=replace(run.info, generated_at=told["when"], duration_ms=0, role="analyst"))
found = {}
for kind, report in (("frozen", frozen), ("run", run)):
    for name, data in report_files(report).items():
        found[f"{kind}/{name}"] = hashlib.sha256(data).hexdigest()
print(json.dumps({"files": found, "csv": to_csv(run, total=True).decode(), "digest": content_digest(run),
                  "locale": locale.setlocale(locale.LC_ALL)}))
"""


@dataclass(frozen=True)
class Place:
    """The environment of a process, which must not change the bytes."""

    name: str
    zone: str
    locale: str
    hash_seed: str
    more: tuple[tuple[str, str], ...] = ()


PLACES = (
    Place("london", "Europe/London", "C", "0", (("PYTHONUTF8", "0"), ("PYTHONCOERCECLOCALE", "0"))),
    Place("ankara", "Asia/Istanbul", "tr_TR.UTF-8", "1", (("OMP_NUM_THREADS", "1"), ("COLUMNS", "40"))),
    Place("apia", "Pacific/Apia", "de_DE.UTF-8", "4711", (("ARROW_NUM_THREADS", "1"),)),
)
# Each process runs this first, to use its locale instead of Python's default.
IN_ITS_LOCALE = (
    "import locale, contextlib\nwith contextlib.suppress(locale.Error): locale.setlocale(locale.LC_ALL, '')\n"
)


def without_clock(report: Report) -> Report:
    """Return a report with fixed values for what may differ between two runs: its time and duration."""
    info = replace(report.info, generated_at="2022-02-01T00:00:00Z", duration_ms=0, role="analyst")
    return replace(report, info=info)


def hostile_report() -> Report:
    """Return a report with hostile names and its own chart."""
    query = {"interval": "this_year", "group_by": ["month", "package"]}
    report = run_report(query, mart_forms.frames(hostile_mart(IN_FILES)), as_of=AS_OF)
    return replace(report, charts={"Own <chart>": blank_spec(report, y="Balance Refill: Qty", mark="bar")})


def compiled_locale(name: str, folder: Path) -> None:
    """Compile a locale into a folder, if the system has its sources."""
    program = shutil.which("localedef")
    if program and "." in name:
        command = [program, "-i", name.partition(".")[0], "-f", "UTF-8", str(folder / name)]
        subprocess.run(command, capture_output=True, check=False)


def started(place: Place, told: Path, home: Path) -> subprocess.Popen[str]:
    folder = home / f"{place.name} – ünïcode"
    folder.mkdir()
    compiled_locale(place.locale, folder)
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "TZ": place.zone,
        "LC_ALL": place.locale,
        "LOCPATH": str(folder),
        "PYTHONHASHSEED": place.hash_seed,
        "CUSTDYN_CACHE": str(folder / "cache"),
        **dict(place.more),
    }
    command = [sys.executable, "-c", IN_ITS_LOCALE + CHILD, str(told)]
    return subprocess.Popen(
        command, cwd=folder, env=environment, text=True, encoding="utf-8", stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip


WORKBOOK = """
import hashlib, sys
if sys.argv[1] == "without":
    sys.modules["lxml"] = None
else:
    import lxml.etree
from custdyn_widgets.render import to_xlsx
from tests.make_report import make_report
print(hashlib.sha256(to_xlsx(make_report(3, ("a<&", "b")))).hexdigest())
"""


def test_lxml_changes_no_byte_of_a_workbook() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OPENPYXL_LXML"}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    found = [
        subprocess.run(
            [sys.executable, "-c", WORKBOOK, lxml],
            env=environment,
            text=True,
            capture_output=True,
            check=True,
        ).stdout
        for lxml in ("with", "without")
    ]
    assert found[0] == found[1]


@pytest.mark.slow
def test_zone_locale_folder_and_hash_seed_change_no_byte(tmp_path: Path) -> None:
    query, as_of = BY_MONTH_AND_PACKAGE
    frozen = hostile_report()
    told = tmp_path / "told.json"
    when = "2022-02-01T00:00:00Z"
    wanted = {
        "report": frozen.to_dict(),
        "query": query,
        "mart": str(MIXED / "mart"),
        "as_of": as_of,
        "when": when,
    }
    told.write_text(json.dumps(wanted), encoding="utf-8")
    processes = [started(place, told, tmp_path) for place in PLACES]
    ended = [(process, *process.communicate()) for process in processes]
    for process, _, error in ended:
        assert process.returncode == 0, error
    found = [json.loads(out) for _, out, _ in ended]
    if shutil.which("localedef"):
        assert "tr_TR" in found[1]["locale"]
    run = without_clock(run_report(query, MIXED / "mart", as_of=as_of))
    files = {
        f"{kind}/{name}": hashlib.sha256(data).hexdigest()
        for kind, report in (("frozen", frozen), ("run", run))
        for name, data in report_files(report).items()
    }
    assert len(files) >= 18
    for one in found:
        assert {name for name in files if one["files"].get(name) != files[name]} == set()
        assert one["files"].keys() == files.keys()
        assert one["csv"] == to_csv(run, total=True).decode()
        assert one["digest"] == content_digest(run)


def test_a_report_gives_the_same_files_again_and_after_a_round_trip_through_json() -> None:
    report = hostile_report()
    files = report_files(report)
    time.sleep(2.1)  # ZIP files store times in steps of two seconds
    assert report_files(Report.from_dict(json.loads(json.dumps(report.to_dict())))) == files


def test_two_runs_differ_only_in_time_and_duration() -> None:
    query, as_of = BY_MONTH_AND_PACKAGE
    first, second = (run_report(query, MIXED / "mart", as_of=as_of, role="analyst") for _ in range(2))
    assert without_clock(first) == without_clock(second)
    assert content_digest(first) == content_digest(second)
    assert to_csv(first, total=True) == to_csv(second, total=True)
    assert report_files(without_clock(first)) == report_files(without_clock(second))


def results(source: Source) -> list[tuple[bytes, str]]:
    """Return the CSV and the digest of every query of the mart `mixed`."""
    mart = open_mart(source)
    reports = [report_on(ReportQuery.from_dict(query), mart, as_of) for query, as_of in CASES]
    return [(to_csv(report, total=True), content_digest(report)) for report in reports]


@pytest.fixture(scope="module")
def expected(own_cache: None) -> list[tuple[bytes, str]]:
    """The results from the mart's own files, computed here for the first time."""
    assert len(CASES) == 23
    return results(MIXED / "mart")


def mart() -> oracle.Mart:
    return oracle.read_mart(MIXED / "mart")


def test_cached_facts_give_the_same_results_as_new_ones(expected, tmp_path: Path, monkeypatch) -> None:
    folder = settings.load().cache / "facts"
    assert len([*folder.iterdir()]) >= 1
    assert results(MIXED / "mart") == expected
    monkeypatch.setenv("CUSTDYN_CACHE", str(tmp_path / "empty"))
    assert results(MIXED / "mart") == expected


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_rows_in_every_table_changes_nothing(expected, seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    shuffled = {name: dice.sample([*rows], len(rows)) for name, rows in mart().items()}
    assert any([*rows] != [*shuffled[name]] for name, rows in mart().items())
    assert results(mart_forms.write_csv(shuffled, tmp_path)) == expected


def test_the_order_of_columns_and_extra_columns_change_nothing(expected) -> None:
    frames = mart_forms.frames(mart())
    turned = {name: frame[frame.columns[::-1]].assign(zz="=1+1", aa=None) for name, frame in frames.items()}
    assert results(turned) == expected


@pytest.mark.parametrize("form", ["csv", "parquet", "text frames", "typed frames", "mixed files"])
def test_every_form_of_a_mart_gives_the_same(expected, form: str, tmp_path: Path) -> None:
    assert results(in_form(form, tmp_path)) == expected


def in_form(form: str, folder: Path) -> Source:
    if form == "text frames":
        return mart_forms.frames(mart())
    if form == "typed frames":
        return mart_forms.typed_frames(mart())
    (mart_forms.write_csv if form == "csv" else mart_forms.write_parquet)(mart(), folder)
    if form == "mixed files":
        aside = folder / "aside"
        aside.mkdir()
        (mart_forms.write_csv(mart(), aside) / "transactions.csv").rename(folder / "transactions.csv")
        (folder / "transactions.parquet").unlink()
    return folder


def test_parquet_in_many_small_row_groups_gives_the_same(expected, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    mart_forms.write_parquet(mart(), tmp_path)
    for path in tmp_path.glob("*.parquet"):
        pq.write_table(pq.read_table(path), path, row_group_size=7, compression="zstd", version="1.0")
    assert results(tmp_path) == expected


@pytest.mark.parametrize("rows", [1, 7, 100])
def test_the_size_of_the_pieces_changes_nothing(expected, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "PIECE_ROWS", rows)
    assert results(MIXED / "mart") == expected


@pytest.mark.parametrize("threads", [1, 7])
def test_the_number_of_threads_changes_nothing(expected, threads: int) -> None:
    before = pa.cpu_count()
    pa.set_cpu_count(threads)
    try:
        assert results(mart_forms.typed_frames(mart())) == expected
    finally:
        pa.set_cpu_count(before)
