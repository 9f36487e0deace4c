"""What a command loads: the cause of its time to start, which a test can hold where wall times differ.

Each command is a process of its own that tells, at its end, which modules it has loaded.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
MART = str(TESTS / "golden" / "small" / "mart")
ASKED = ("--source", MART, "--interval", "2021-10-01/2021-11-30", "--as-of", "2022-01-01")
LISTED = """
import atexit, sys
from pathlib import Path
atexit.register(lambda: Path({list!r}).write_text(" ".join(sys.modules)))
from custdyn_widgets.cli import main
main()
"""
DRAWING = {"vl_convert", "jinja2", "openpyxl"}
NOTEBOOKS = {"nbformat", "papermill", "nbclient", "nbconvert", "jsonschema", "IPython", "ipykernel"}
SPARK = {"pyspark", "custdyn_widgets.mart.spark"}
NEVER = {"altair", "rfc3987_syntax", "ipywidgets", "jupyterlab", "matplotlib", "duckdb", "polars", "numba"}
DATA = {"numpy", "pyarrow"}


def loaded_by(folder: Path, *command: str) -> set[str]:
    """Return the modules that a command has loaded, in a folder that only this test uses."""
    told = folder / "modules"
    done = subprocess.run(
        [sys.executable, "-c", LISTED.format(list=str(told)), *command],
        env={
            **os.environ,
            "CUSTDYN_CACHE": str(folder / "cache"),
            "CUSTDYN_SNAPSHOTS": str(folder / "store"),
            "PYTHONPATH": str(TESTS.parent),
        },
        cwd=folder,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return set(told.read_text().split())


@pytest.mark.parametrize(
    "command",
    [("--help",), ("query", "--help"), ("snapshots", "list"), ("runs", "check"), ("queries", "list")],
    ids=" ".join,
)
def test_a_command_without_data_loads_nothing_heavy(command: tuple[str, ...], tmp_path: Path) -> None:
    assert not loaded_by(tmp_path, *command) & (DATA | DRAWING | NOTEBOOKS | NEVER | {"babel", "pandas"})


@pytest.mark.parametrize("form", ["csv", "json", "table"])
def test_a_query_loads_what_reads_and_computes_and_nothing_that_draws(form: str, tmp_path: Path) -> None:
    loaded = loaded_by(tmp_path, "query", *ASKED, "--format", form)
    assert loaded >= DATA
    assert not loaded & (DRAWING | NOTEBOOKS | NEVER | SPARK | {"pandas"})


def test_a_check_loads_what_reads_and_no_pandas(tmp_path: Path) -> None:
    loaded = loaded_by(tmp_path, "check", MART)
    assert loaded >= DATA
    assert not loaded & (DRAWING | NOTEBOOKS | NEVER | SPARK | {"pandas"})


def test_freezing_loads_what_draws_and_nothing_of_notebooks(tmp_path: Path) -> None:
    loaded = loaded_by(tmp_path, "query", *ASKED, "--format", "csv", "--freeze")
    assert loaded >= DRAWING
    assert not loaded & (NOTEBOOKS | NEVER)


def test_the_form_loads_nothing_that_draws_or_writes_files() -> None:
    code = "import sys; from custdyn_widgets import CustomerDynamics; print(*sys.modules)"
    loaded = set(
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split()
    )
    assert "custdyn_widgets.widgets.app" in loaded
    assert not loaded & (DRAWING | SPARK | {"papermill", "nbconvert"})


@pytest.mark.slow
def test_a_run_leaves_the_computing_and_the_javascript_engine_to_its_kernel(tmp_path: Path) -> None:
    loaded = loaded_by(tmp_path, "run", *ASKED)
    assert "papermill" in loaded
    assert not loaded & (
        NEVER | {"nbconvert", "vl_convert", "IPython", "ipykernel", "custdyn_widgets.engine.compute"}
    )


CHECKED = "from custdyn_widgets.mart import check_source; check_source(asked[1])"
DURING_REPORT, DURING_CHECK = (
    f"custdyn_widgets.{name}" for name in ("engine.report", "mart.checking.likely_mistakes.search")
)
INTERRUPTED = """
import os, signal, sys, threading

class Stopped:
    def find_spec(self, name, *_):
        if name == {during!r} and not stopped:
            stopped.append(name)
            os.kill(os.getpid(), signal.SIGINT)

stopped = []
sys.meta_path.insert(0, Stopped())
asked = {{"interval": {{"start": "2021-01-01", "end": "2021-12-31"}}}}, {mart!r}
try:
    from custdyn_widgets import run_report
    {first}
except KeyboardInterrupt:
    print("stopped", stopped)
print(len(run_report(*asked).rows), signal.getsignal(signal.SIGINT) is signal.default_int_handler)
"""


@pytest.mark.parametrize(
    ("first", "during"), [("run_report(*asked)", DURING_REPORT), (CHECKED, DURING_CHECK)]
)
def test_a_first_report_or_check_that_is_stopped_can_be_asked_again(
    first: str, during: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED.format(mart=MART, first=first, during=during)],
        env={**os.environ, "CUSTDYN_CACHE": str(tmp_path), "PYTHONPATH": str(TESTS.parent)},
        capture_output=True,
        check=True,
        text=True,
        timeout=100,
    )
    assert done.stdout.splitlines() == [f"stopped [{during!r}]", "12 True"]
