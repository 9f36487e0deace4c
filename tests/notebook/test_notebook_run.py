"""Runs of template notebooks: the snapshot they publish, and the failures that publish nothing.

Most kernels here run a template with a hand-made report, so that they start fast and need no data;
`test_the_default_template…` runs the real one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
import nbformat.v4 as v4
import psutil
import pytest

from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.errors import QueryError, RunError, SourceError
from custdyn_widgets.notebook.run import run_template
from custdyn_widgets.notebook.template import default_template, read_template
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.render.csv import to_csv
from custdyn_widgets.saved_queries import folders as saved_queries
from custdyn_widgets.saved_queries.content import SavedQuery
from custdyn_widgets.settings import Settings
from custdyn_widgets.snapshots.store import Store

TESTS = Path(__file__).parents[1]
MART = TESTS / "golden" / "small" / "mart"
PARAMETERS = """source = None
interval = None
interval_start = None
interval_end = None
client_tags = []
currency = None
as_of = None
headline = "none"
"""
MAKE = f"""import sys
sys.path.insert(0, {str(TESTS)!r})
from tests.make_report import make_report
from custdyn_widgets.notebook.parameters import query_from_parameters
query = query_from_parameters(globals())
report = make_report(3, query=query)
"""
FREEZE = "from custdyn_widgets.publish.freezing import freeze\nfreeze(report)"
GIVEN = {"source": str(MART), "interval": "last_month"}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Settings in their own folder; afterwards no temporary file and no kernel may remain."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    before = {p.pid for p in psutil.Process().children(recursive=True)}
    yield Settings(
        tmp_path / "store", tmp_path / "queries", tmp_path / "cache", share_url="https://reports.example"
    )
    assert list(scratch.iterdir()) == []
    assert {p.pid for p in psutil.Process().children(recursive=True)} <= before


def template(folder: Path, *cells: object, parameters: str = PARAMETERS) -> Path:
    notebook = v4.new_notebook(
        cells=[
            v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}),
            *(v4.new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells),
        ],
        metadata={"kernelspec": {"name": "not-installed-here", "display_name": "x", "language": "python"}},
    )
    path = folder / "mine.ipynb"
    nbformat.write(notebook, path)
    return path


def published(settings: Settings) -> list[str]:
    return Store(settings.snapshots).ids() if settings.snapshots.exists() else []


@pytest.mark.slow
def test_a_run_publishes_one_snapshot_with_the_authors_cells_around_the_report(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUSTDYN_SMTP_PASSWORD", "not for a kernel")
    stale = v4.new_code_cell('# Parameters\nheadline = "stale"', metadata={"tags": ["injected-parameters"]})
    path = template(
        tmp_path,
        stale,
        MAKE,
        v4.new_markdown_cell("Written *by hand* <script>alert(1)</script>"),
        f"import sys, os; print('about', headline, sys.executable == {sys.executable!r})",
        v4.new_code_cell("report", metadata={"tags": ["report"]}),
        f"print('in', os.getcwd() == {str(tmp_path)!r}, os.environ.get('CUSTDYN_SMTP_PASSWORD'))",
        FREEZE,
        "",
    )
    said: list[str] = []
    frozen = run_template(path, {**GIVEN, "headline": "seven"}, settings=settings, progress=said.append)
    assert published(settings) == [frozen.id]
    assert frozen.link == f"https://reports.example/view?id={frozen.id}"
    page = Store(settings.snapshots).read(str(frozen.id), "report.html").decode()
    order = [
        page.index(text)
        for text in ("Written <em>by hand</em>", "about seven True", "<tbody", "in True None")
    ]
    assert order == sorted(order)
    assert "<script>" not in page
    assert "headline" not in page
    assert [line for line in said if line.startswith("Code cell")] == [
        f"Code cell {n} of 7" for n in range(1, 8)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (
            ("password = 'hunter2'\nraise ValueError(password)",),
            r"Code cell 2 of 2 of mine\.ipynb failed with ValueError",
        ),
        ((MAKE, FREEZE, "raise SystemExit('hunter2')"), r"Code cell 4 of 4.*SystemExit"),
        ((MAKE, FREEZE, "import os; os.kill(os.getpid(), 9)"), r"Code cell 4 of 4.*kernel died"),
        ((MAKE, f"{FREEZE}\nraise SystemExit", "1"), r"Code cell 3 of 4.*before its last cell"),
        (("1",), "without calling freeze"),
        ((MAKE, FREEZE, "try:\n    freeze(report)\nexcept Exception:\n    pass"), "freeze twice"),
    ],
    ids=[
        "failing cell",
        "failing after freeze",
        "killed after freeze",
        "left after freeze",
        "never frozen",
        "frozen twice",
    ],
)
def test_a_failed_run_publishes_nothing_and_names_the_cell(
    tmp_path: Path, settings: Settings, cells: tuple[str, ...], words: str
) -> None:
    with pytest.raises(RunError, match=words) as caught:
        run_template(template(tmp_path, *cells), GIVEN, settings=settings)
    assert "Nothing was published" in caught.value.message
    assert "hunter2" not in caught.value.message
    assert published(settings) == []


@pytest.mark.slow
def test_a_kernel_that_is_killed_while_it_starts_is_named_as_the_cause(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "if 'ipykernel_launcher' in ' '.join(sys.orig_argv):\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
    with pytest.raises(RunError) as caught:
        run_template(template(tmp_path, MAKE, FREEZE), GIVEN, settings=settings)
    assert "The start of mine.ipynb failed: the kernel ended before it was ready." in str(caught.value)
    assert published(settings) == []


@pytest.mark.slow
def test_a_hung_kernel_is_killed_with_its_child_processes(tmp_path: Path, settings: Settings) -> None:
    hang = (
        "import signal, subprocess\nsubprocess.Popen(['sleep', '600'])\n"
        "signal.signal(2, signal.SIG_IGN)\nwhile True: pass"
    )
    with pytest.raises(RunError, match=r"still running after 4 seconds"):
        run_template(template(tmp_path, MAKE, FREEZE, hang), GIVEN, settings=settings, timeout_s=4)
    assert published(settings) == []


@pytest.mark.slow
def test_sigterm_kills_the_kernel_and_publishes_nothing(tmp_path: Path, settings: Settings) -> None:
    """The run is a separate process here, and gets SIGTERM while its kernel sleeps."""
    path = template(tmp_path, MAKE, FREEZE, "import time; time.sleep(600)")
    script = (
        "import sys; from pathlib import Path; from custdyn_widgets.notebook.run import run_template;"
        "from custdyn_widgets.settings import load;"
        f"run_template(Path({str(path)!r}), {GIVEN!r}, settings=load(), "
        "progress=lambda line: print(line, flush=True))"
    )
    environment = {**os.environ, **settings.environment(), "TMPDIR": str(tempfile.tempdir)}
    with subprocess.Popen(
        [sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        for line in run.stdout:
            if line.startswith("Code cell 4"):
                break
        kernels = psutil.Process(run.pid).children(recursive=True)
        run.terminate()
        assert run.wait(20) == 143
    assert kernels
    assert psutil.wait_procs(kernels, 5)[1] == []
    assert published(settings) == []


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({**GIVEN, "curency": "USD"}, "curency"),
        ({**GIVEN, "currency": 7}, "currency"),
        ({**GIVEN, "active_duration": 3}, "active_duration"),
        ({**GIVEN, "headline": object()}, "headline"),
        ({**GIVEN, "headline": "\ud800"}, "headline"),
        ({**GIVEN, "interval": {"start": "2021-01-01"}}, "interval.end"),
        ({"interval": "last_month"}, "source"),
    ],
)
def test_parameters_are_refused_before_a_kernel_starts(
    tmp_path: Path, settings: Settings, given: dict[str, object], field: str
) -> None:
    said: list[str] = []
    with pytest.raises(QueryError) as caught:
        run_template(template(tmp_path), given, settings=settings, progress=said.append)
    assert caught.value.field == field
    assert said == []


def test_a_missing_source_is_refused_before_a_kernel_starts(tmp_path: Path, settings: Settings) -> None:
    said: list[str] = []
    with pytest.raises(SourceError, match="not a folder that exists"):
        run_template(template(tmp_path), {**GIVEN, "source": "none"}, settings=settings, progress=said.append)
    assert said == []


def test_an_invalid_template_is_refused(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(RunError, match="Cannot read the template"):
        run_template(tmp_path / "none.ipynb", GIVEN, settings=settings)
    (tmp_path / "text.ipynb").write_text("{}")
    with pytest.raises(RunError, match="not a Jupyter notebook"):
        run_template(tmp_path / "text.ipynb", GIVEN, settings=settings)
    nbformat.write(v4.new_notebook(cells=[v4.new_code_cell("x = 1")]), tmp_path / "bare.ipynb")
    with pytest.raises(RunError, match="tagged parameters"):
        run_template(tmp_path / "bare.ipynb", GIVEN, settings=settings)


@pytest.mark.parametrize("path", [default_template(), *sorted((TESTS.parent / "notebooks").glob("*.ipynb"))])
def test_committed_notebooks_are_valid_and_hold_no_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
        assert set(cell.metadata) <= {"tags"}


def test_the_default_templates_last_cell_freezes() -> None:
    assert read_template(default_template()).notebook.cells[-1].source.endswith("freeze(report)")


@pytest.mark.slow
def test_the_default_template_gives_the_report_of_its_query(settings: Settings) -> None:
    given = {
        "source": str(MART),
        "interval": {"start": "2021-01-01", "end": "2021-12-31"},
        "as_of": "2022-02-01",
    }
    frozen = run_template(None, given, settings=settings)
    report = run_report(ReportQuery.from_dict({"interval": given["interval"]}), MART, as_of="2022-02-01")
    assert Store(settings.snapshots).read(str(frozen.id), "report.csv") == to_csv(report)
    assert Store(settings.snapshots).evidence(str(frozen.id)) is not None


@pytest.mark.slow
def test_plain_papermill_publishes_by_itself_and_refuses_a_name_it_does_not_know(
    tmp_path: Path, settings: Settings
) -> None:
    def papermill(*options: str) -> subprocess.CompletedProcess[str]:
        command = [
            sys.executable,
            "-m",
            "papermill",
            str(default_template()),
            str(tmp_path / "out.ipynb"),
            "--log-output",
        ]
        environment = {**os.environ, **settings.environment(), "TMPDIR": str(tempfile.tempdir)}
        return subprocess.run(
            [*command, *options], env=environment, text=True, capture_output=True, check=False
        )

    asked = ("-p", "saved", "board", "-p", "as_of", "2022-02-01")
    board = SavedQuery("Board", ReportQuery(interval="last_month"), source=str(MART))
    saved_queries.save(board, "shared", over=None, settings=settings)
    refused = papermill(*asked, "-p", "curency", "USD")
    assert refused.returncode == 1
    assert "Did you mean 'currency'" in refused.stderr
    assert published(settings) == []
    done = papermill(*asked)
    assert done.returncode == 0, done.stderr
    [snapshot] = published(settings)
    assert f"https://reports.example/view?id={snapshot}" in done.stderr
