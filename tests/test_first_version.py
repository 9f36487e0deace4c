"""What the first version (0.1.0) kept opens unchanged: settings, sources, saved queries, snapshots and runs.

`fixtures/first_version` was made by that version, and `expected.json` in it is what its commands said of it.
Nothing here uses more of the package than its command, in a copy.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from custdyn_widgets.cli import main
from tests.engine.test_own_metrics import registries

__all__ = ["registries"]  # a fixture
pytestmark = pytest.mark.usefixtures("registries")  # the settings name metrics of their own
KEPT = Path(__file__).parent / "fixtures" / "first_version"
EXPECTED: dict[str, dict[str, Any]] = json.loads((KEPT / "expected.json").read_text(encoding="utf-8"))
SNAPSHOTS: list[dict[str, Any]] = EXPECTED["snapshots, listed"]["stdout"]
CUSTDYN = [sys.executable, "-c", "from custdyn_widgets.cli import main; main()"]
ADDED = {
    "saved_query",
    "failure_recipients",
    "data_gaps",
    "next",
    "last",
    "schedule",
    "resent",
    "webhook",
    "waiting",
    "failure_unsent",
}
FORMATS = {"html": "report.html", "csv": "report.csv", "xlsx": "report.xlsx", "json": "report.json"}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy that is only read."""
    return copied(tmp_path_factory.mktemp("opened"))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return copied(tmp_path)


def copied(place: Path) -> Path:
    return Path(shutil.copytree(KEPT, place / "first_version"))


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of somebody whose settings are those of a copy, and nothing else."""
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder.parent),
        "CUSTDYN_CONFIG": str(folder / "custdyn.toml"),
    }


def custdyn(folder: Path, *arguments: str) -> Result:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("CUSTDYN_")]:
            patch.delenv(name)
        for name, value in environment(folder).items():
            patch.setenv(name, value)
        patch.chdir(folder.parent)
        done = CliRunner().invoke(main, arguments)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def listed(folder: Path, *arguments: str) -> Any:
    done = custdyn(folder, *arguments)
    assert done.exit_code == 0, done.stderr
    return as_then(json.loads(done.stdout))


def as_then(said: Any) -> Any:
    """Leave out the keys that later versions added."""
    if not isinstance(said, list):
        return said
    return [{key: value for key, value in entry.items() if key not in ADDED} for entry in said]


def files(folder: Path) -> dict[str, bytes]:
    """Return every file of a copy but those of the cache, by its path."""
    found = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    return {str(name): path.read_bytes() for name, path in found.items() if name.parts[0] != "cache"}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_command_says_what_the_first_version_said(opened: Path, name: str) -> None:
    expected = EXPECTED[name]
    is_check = expected["arguments"][0] == "check"  # it now summarizes faults, and adds notes and a verdict
    done = custdyn(opened, *expected["arguments"], *(["--all"] if is_check else []))
    said: Any = done.stdout
    if "--json" in expected["arguments"] or "json" in expected["arguments"]:
        said = as_then(json.loads(said))
    else:
        said = said.splitlines()[: len(expected["stdout"]) if is_check else None]
    assert (done.exit_code, said) == (expected["exit"], expected["stdout"]), done.stderr
    if "stderr" in expected:
        assert done.stderr.splitlines() == expected["stderr"]


def test_there_is_a_snapshot_of_each_kind_of_life() -> None:
    lives = [(entry["state"], bool(entry["revoked"]), bool(entry["expires"])) for entry in SNAPSHOTS]
    assert lives == [("", False, True), ("", False, False), ("revoked", True, False)]


def test_looking_changes_no_file(own: Path) -> None:
    before = files(own)
    listed(own, "snapshots", "list", "--json")
    listed(own, "queries", "list", "--format", "json")
    listed(own, "runs", "list", "--json")
    assert custdyn(own, "snapshots", "verify").exit_code == 0
    assert files(own) == before


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a copy's snapshots and yield the address, up to the id."""
    process = subprocess.Popen(
        [*CUSTDYN, "serve", "--port", "0"],
        cwd=folder.parent,
        env=environment(folder),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        ready = re.fullmatch(
            r"Snapshots at (http://127\.0\.0\.1:\d+/view\?id=)…\n", process.stderr.readline()
        )
        assert ready
        yield ready[1]
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def fetched(address: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(address, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, b""


def test_every_link_shows_what_it_showed(opened: Path) -> None:
    with served(opened) as address:
        for entry in SNAPSHOTS:
            snapshot_id = entry["id"]
            frozen = KEPT / "snapshots" / "v1" / snapshot_id[:2] / snapshot_id
            status, page = fetched(address + snapshot_id)
            if entry["state"] == "revoked":
                assert (status, page) == (404, b"")
                continue
            assert status == 200
            assert page.endswith((frozen / "report.html").read_bytes())
            for kind, name in FORMATS.items():
                assert fetched(f"{address}{snapshot_id}&format={kind}") == (
                    200,
                    (frozen / name).read_bytes(),
                )


def test_the_life_of_a_snapshot_can_still_be_changed(own: Path) -> None:
    ending, plain, revoked = (entry["id"] for entry in SNAPSHOTS)
    assert custdyn(own, "snapshots", "expire", ending, "--never").exit_code == 0
    assert custdyn(own, "snapshots", "revoke", plain).exit_code == 0
    now = {entry["id"]: entry for entry in listed(own, "snapshots", "list", "--json")}
    assert {snapshot_id: entry["state"] for snapshot_id, entry in now.items()} == {
        ending: "",
        plain: "revoked",
        revoked: "revoked",
    }
    assert now[ending]["expires"] == ""
    assert now[revoked]["revoked"] == SNAPSHOTS[2]["revoked"]


def test_a_report_that_went_out_unchanged_does_not_go_out_again(own: Path) -> None:
    before = listed(own, "runs", "list", "--json")
    done = custdyn(own, "run", "--saved", "partners", "--as-of", before[1]["logical_time"], "--no-send")
    assert done.exit_code == 1  # a company of the file of addresses is none of the data, as it was then
    after = {run["id"]: run for run in listed(own, "runs", "list", "--json")}
    assert [after.pop(run["id"]) for run in before] == before
    [run] = after.values()
    assert [one["result"] for one in before[1]["reports"]] == ["sent", "empty", "failed"]
    assert [one["result"] for one in run["reports"]] == ["unchanged", "empty", "failed"]
    for then, now in zip(before[1]["reports"], run["reports"], strict=True):
        assert (then["company"], then["digest"], then["problem"]) == (
            now["company"],
            now["digest"],
            now["problem"],
        )
    assert listed(own, "snapshots", "list", "--json") == SNAPSHOTS
