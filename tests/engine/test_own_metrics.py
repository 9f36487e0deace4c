"""The example of docs/own-metrics.md, as a reader would use it: in a notebook's cell and as an extension."""

from __future__ import annotations

import importlib
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import nbformat
import nbformat.v4 as v4
import openpyxl
import pandas as pd
import pytest

from custdyn_widgets.engine import extensions
from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.engine.extensions import load_extensions
from custdyn_widgets.engine.registry import METRICS
from custdyn_widgets.errors import SettingsError
from custdyn_widgets.notebook.run import run_template
from custdyn_widgets.notebook.template import default_template
from custdyn_widgets.publish.freezing import report_files
from custdyn_widgets.render.charts.drawing import with_own_presets
from custdyn_widgets.render.charts.presets import PRESETS
from custdyn_widgets.report.report import Report
from custdyn_widgets.settings import Settings, load
from custdyn_widgets.snapshots.store import Store

TESTS = Path(__file__).parents[1]
MART = TESTS / "golden" / "small" / "mart"
DOCUMENT = (TESTS.parent / "docs" / "own-metrics.md").read_text(encoding="utf-8")
[EXAMPLE] = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
[TOML] = re.findall(r"```toml\n(.*?)```", DOCUMENT, re.DOTALL)
ASKED = {"interval": {"start": "2021-10-01", "end": "2021-11-30"}, "group_by": ["month"]}
AS_OF = "2022-01-01"
NAMES = ["Retention: Silent Qty", "Retention: Refill per Client"]


@pytest.fixture
def registries() -> Iterator[None]:
    """Put back metrics, presets and extensions as they were."""
    importlib.import_module("custdyn_widgets.engine.metrics")  # otherwise, the built-in ones would be removed
    before = dict(METRICS), dict(PRESETS), set(extensions._loaded)
    yield
    for registry, kept in zip((METRICS, PRESETS, extensions._loaded), before, strict=True):
        registry.clear()
        registry.update(kept)  # type: ignore[arg-type]


@pytest.fixture
def report(registries: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Report:
    """The report of a process whose settings name the example."""
    (tmp_path / "own_metrics.py").write_text(EXAMPLE, encoding="utf-8")
    (tmp_path / "custdyn.toml").write_text(TOML, encoding="utf-8")
    monkeypatch.setenv("CUSTDYN_CONFIG", str(tmp_path / "custdyn.toml"))
    monkeypatch.setenv("CUSTDYN_CACHE", str(tmp_path / "cache"))
    return run_report(ASKED, MART, as_of=AS_OF)


def test_own_columns_are_computed_for_each_row_and_for_the_total(report: Report) -> None:
    at = {name: report.column(name) for name in (*NAMES, "Clients - All: Qty", "Clients - Active: Qty")}
    silent, refill, everyone, active = at.values()
    for row in report.shown_rows():
        assert row.values[silent] == row.values[everyone] - row.values[active]  # type: ignore[operator]
    assert [str(row.values[refill]) for row in report.shown_rows()] == ["2.906977", "0.000000", "3.875969"]
    assert report.table["Retention", "Silent Qty"].tolist() == [2, 2]


def test_own_columns_and_charts_are_in_every_file(report: Report) -> None:
    files = report_files(report)
    first, *rows, _ = files["report.csv"].decode().split("\r\n")
    assert first.split(",")[-2:] == NAMES
    assert [row.split(",")[-2:] for row in rows] == [["2", "2.906977"], ["2", "0.00"]]
    page = files["report.html"].decode()
    for told in ("Retention", "Silent Qty", "without a paid use in the active duration", ">Silent clients<"):
        assert told in page
    assert "Clients that have gone quiet" not in page
    assert b"Silent" in files["chart-5-silent-clients.svg"]


def test_the_workbook_has_their_formats_definitions_and_a_native_chart(report: Report) -> None:
    data = report_files(report)["report.xlsx"]
    book = openpyxl.load_workbook(io.BytesIO(data))
    sheet = book["Report"]
    last = sheet.max_column
    headings = [row for row in sheet.iter_rows() if row[last - 2].value == "Silent Qty"]
    below = sheet.cell(headings[0][0].row + 1, last - 1), sheet.cell(headings[0][0].row + 1, last)
    assert [cell.value for cell in below] == [2, 2.906977]
    assert below[0].number_format == "#,##0"
    assert below[1].number_format == sheet.cell(below[1].row, last - 11).number_format  # a Refill's Total
    told = {row[0].value: row[1].value for row in book["Definitions"].iter_rows()}
    assert told["Retention: Silent Qty"].startswith("Clients alive at the row's end without")
    with ZipFile(io.BytesIO(data)) as parts:
        charts = [parts.read(name).decode() for name in parts.namelist() if "charts/chart" in name]
    assert sum("Silent clients" in chart for chart in charts) == 1


@pytest.mark.slow
@pytest.mark.usefixtures("registries")
@pytest.mark.parametrize("place", ["cell", "extension"])
def test_a_run_publishes_what_only_its_kernel_knows(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This process has neither the metric nor the preset while it writes the page and the workbook."""
    template = nbformat.read(default_template(), as_version=4)
    if place == "cell":
        template.cells.insert(2, v4.new_code_cell(EXAMPLE, metadata={"tags": ["remove-cell"]}))
    nbformat.write(template, tmp_path / "mine.ipynb")
    (tmp_path / "own_metrics.py").write_text(EXAMPLE, encoding="utf-8")
    names = (str(tmp_path / "own_metrics.py"),) if place == "extension" else ()
    settings = Settings(tmp_path / "store", tmp_path / "queries", tmp_path / "cache", extensions=names)
    frozen = run_template(
        tmp_path / "mine.ipynb", {**ASKED, "source": str(MART), "as_of": AS_OF}, settings=settings
    )
    assert "Retention" not in METRICS
    assert "Silent clients" not in PRESETS
    store = Store(settings.snapshots)

    monkeypatch.setenv("CUSTDYN_CACHE", str(settings.cache))
    load_extensions([str(tmp_path / "own_metrics.py")])
    here = report_files(with_own_presets(run_report(ASKED, MART, as_of=AS_OF)))
    published = {name: store.read(str(frozen.id), name) for name in here}
    assert "chart-5-silent-clients.svg" in published
    for name in here:
        if name.endswith((".csv", ".svg", ".parquet")):
            assert published[name] == here[name], name
    assert b">Silent clients<" in published["report.html"]
    with (
        ZipFile(io.BytesIO(published["report.xlsx"])) as book,
        ZipFile(io.BytesIO(here["report.xlsx"])) as own,
    ):
        assert book.namelist() == own.namelist()
        for part in (name for name in own.namelist() if "chart" in name):
            assert book.read(part) == own.read(part)


def test_the_command_line_has_them_where_the_settings_name_them(tmp_path: Path) -> None:
    (tmp_path / "own_metrics.py").write_text(EXAMPLE, encoding="utf-8")
    (tmp_path / "custdyn.toml").write_text(TOML, encoding="utf-8")
    (tmp_path / "query.json").write_text(json.dumps(ASKED))
    (tmp_path / "elsewhere").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", "from custdyn_widgets.cli import main; main()", "query", "--source", str(MART),
         "--query", "../query.json", "--as-of", AS_OF, "--format", "csv"],
        cwd=tmp_path / "elsewhere",
        env={**os.environ, "CUSTDYN_CACHE": str(tmp_path / "cache"), "PYTHONPATH": str(TESTS.parent)},
        capture_output=True,
        check=True,
    )  # fmt: skip
    assert done.stdout.decode().split("\r\n")[0].split(",")[-2:] == NAMES


@pytest.mark.usefixtures("report")
def test_the_document_tells_of_every_column_of_the_lines() -> None:
    seen: set[str] = set()
    own = METRICS["Retention"]

    def look(lines: pd.DataFrame) -> pd.DataFrame:
        seen.update(lines.columns)
        return own.function(lines)

    METRICS["Retention"] = own._replace(function=look)
    run_report(ASKED, MART, as_of=AS_OF)
    told = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", DOCUMENT, re.MULTILINE))))
    assert told == {name for name in seen if not name.startswith("ignored_")}  # those are for a warning


# Settings


def test_extensions_are_read_from_the_file_beside_it_and_from_the_environment(tmp_path: Path) -> None:
    (tmp_path / "custdyn.toml").write_text('extensions = ["own/metrics.py", "installed.module"]')
    found = load({}, tmp_path)
    assert found.extensions == (str(tmp_path / "own" / "metrics.py"), "installed.module")
    assert load(found.environment(), tmp_path / "elsewhere").extensions == found.extensions
    given = load({"CUSTDYN_EXTENSIONS": f"{os.pathsep}other.module{os.pathsep}here.py"}, tmp_path)
    assert given.extensions == ("other.module", str(Path.cwd() / "here.py"))
    assert "CUSTDYN_EXTENSIONS" not in load({}, tmp_path.parent).environment()


@pytest.mark.parametrize(
    "value", ['"own.py"', "[1]", '["own module"]', '[""]', '["a/b"]', f'["a{os.pathsep}b.py"]', "{}"]
)
def test_what_is_no_list_of_modules_is_refused(value: str, tmp_path: Path) -> None:
    (tmp_path / "custdyn.toml").write_text(f"extensions = {value}")
    with pytest.raises(SettingsError, match=r"custdyn\.toml: ") as caught:
        load({}, tmp_path)
    assert caught.value.field == "extensions"


@pytest.mark.usefixtures("registries")
@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "there is no file"),
        ("import not_there_at_all", "ModuleNotFoundError: No module named 'not_there_at_all'"),
        ("def f(:\n", "SyntaxError: invalid syntax"),
        ("raise ValueError('hunter2')", "it raised ValueError"),
        ("raise SystemExit('hunter2')", "it raised SystemExit"),
    ],
)
def test_an_extension_that_cannot_be_imported_is_an_error_each_time_until_it_is_mended(
    text: str | None, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "own.py"
    if text is not None:
        path.write_text(text)
    for _ in range(2):
        with pytest.raises(SettingsError, match=r"'own\.py' cannot be imported") as caught:
            load_extensions([str(path)])
        assert words in caught.value.message
        assert "hunter2" not in caught.value.message
    path.write_text(EXAMPLE)
    load_extensions([str(path)])
    assert "Retention" in METRICS


@pytest.mark.usefixtures("registries")
def test_extensions_are_imported_once_and_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    for name in ("own_first", "own_second"):
        (tmp_path / f"{name}.py").write_text(
            f"from pathlib import Path\nwith Path({str(log)!r}).open('a') as log: log.write('{name} ')\n"
        )
    monkeypatch.syspath_prepend(tmp_path)
    for _ in range(2):
        load_extensions([str(tmp_path / "own_second.py"), "own_first"])
    assert log.read_text() == "own_second own_first "
