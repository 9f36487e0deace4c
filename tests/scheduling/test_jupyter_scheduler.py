"""The template run by a real jupyter-scheduler in a real Jupyter Server, by its one parameter `saved`."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import nbformat
import pytest

from custdyn_widgets import ReportQuery, run_report
from custdyn_widgets.errors import CustDynError
from custdyn_widgets.publish.freezing import content_digest
from custdyn_widgets.snapshots.store import Store
from tests.jupyter_server import BASE, Jupyter, running

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
MART = ROOT / "tests" / "golden" / "small" / "mart"
CONFIG = 'snapshots = "kept/here"\nqueries = "queries"\ncache = "cache"\nsources = "sources.toml"\n'
QUERY = {"interval": {"start": "2021-01-01 00:00:00", "end": "2021-06-30 23:59:59"}, "group_by": ["month"]}
PATIENCE_S = 120
PAGE = "custdyn_widgets.nbconvert_exporter.html"
POLL = "--TaskRunner.poll_interval=1"
WITH_PAGE = "--SchedulerApp.environment_manager_class=custdyn_widgets.scheduler_formats.EnvironmentManager"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a checkout is: a template, two saved queries, and a source by name."""
    home = tmp_path_factory.mktemp("project")
    make_project(home / "work")
    return home


def make_project(folder: Path) -> None:
    """Make one, but for its settings; the second saved query asks a source that is not there."""
    (folder / "templates").mkdir(parents=True)
    template = (ROOT / "templates" / "customer_dynamics.ipynb").read_bytes()
    (folder / "templates" / "customer_dynamics.ipynb").write_bytes(template)
    (folder / "sources.toml").write_text(f"[shop]\npath = {json.dumps(str(MART))}\n")
    (folder / "queries").mkdir()
    for name, source in (("board", "shop"), ("lost", "shopp")):
        saved = {"format": 1, "title": name.title(), "query": QUERY, "output": "web", "source": source}
        (folder / "queries" / f"{name}.json").write_text(json.dumps(saved))


@dataclass(frozen=True)
class Scheduled:
    """A server of its own with a job definition, and the store of its environment."""

    server: Jupyter
    definition: str
    store: Store


@pytest.fixture(scope="module")
def scheduled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scheduled]:
    """A job definition that is due at the next minute, in a server whose environment has the settings."""
    home = tmp_path_factory.mktemp("scheduled")
    make_project(home / "work")
    store = Store(home / "elsewhere")
    variables = {
        "CUSTDYN_SNAPSHOTS": str(store.folder),
        "CUSTDYN_QUERIES": str(home / "work" / "queries"),
        "CUSTDYN_SOURCES": str(home / "work" / "sources.toml"),
        "CUSTDYN_CACHE": str(home / "cache"),
    }
    with running(home, None, POLL, WITH_PAGE, scheduler=True, **variables) as server:
        minute = (datetime.now(UTC) + timedelta(seconds=70)).minute  # not one that begins at once
        times = {"schedule": f"{minute} * * * *", "timezone": "Europe/Paris"}
        definition = told(server, "job_definitions", "POST", asked({"saved": '"board"'}, **times))
        yield Scheduled(server, definition["job_definition_id"], store)


@pytest.fixture(scope="module")
def jupyter(project: Path, scheduled: Scheduled) -> Iterator[Jupyter]:
    """A server of the folder, which gets its settings from the `custdyn.toml` there and from nowhere else.

    The minute of `scheduled` passes while its jobs run.
    """
    with running(project, CONFIG, WITH_PAGE, scheduler=True) as server:
        yield server


def told(jupyter: Jupyter, target: str, method: str = "GET", body: object = None) -> Any:
    """Return what the scheduler answers."""
    reply = jupyter.ask(f"scheduler/{target}", method, body=None if body is None else json.dumps(body))
    assert reply.status in (200, 204), reply.body.decode()
    return json.loads(reply.body) if reply.body else None


def asked(parameters: dict[str, str], **more: str) -> dict[str, object]:
    """Return what the dialog sends: each parameter's value as it was typed."""
    return {
        "name": "monthly",
        "input_uri": "templates/customer_dynamics.ipynb",
        "runtime_environment_name": "python",
        "output_formats": ["ipynb", "html", PAGE],
        "parameters": parameters,
        **more,
    }


def finished(jupyter: Jupyter, job: str) -> dict[str, Any]:
    """Wait until a job has come to an end, and return what the scheduler tells about it."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        found: dict[str, Any] = told(jupyter, f"jobs/{job}")
        if found["status"] in ("COMPLETED", "FAILED"):  # before its process is up, a job is "STOPPED"
            return found
        time.sleep(0.2)
    raise AssertionError(jupyter.log.read_text()[-2000:])


def run(jupyter: Jupyter, **parameters: str) -> dict[str, Any]:
    """Run a job now."""
    return finished(jupyter, told(jupyter, "jobs", "POST", asked(parameters))["job_id"])


def message(job: dict[str, Any]) -> str:
    """Return what it says went wrong, without the colours of a terminal."""
    return re.sub(r"\x1b\[[0-9;]*m", "", job["status_message"])


def outputs(jupyter: Jupyter, folder: Path, job: dict[str, Any]) -> dict[str, str]:
    """Fetch a job's files into the server's folder, as its row in JupyterLab does; return them by kind."""
    told(jupyter, f"jobs/{job['job_id']}/download_files")
    end = time.monotonic() + PATIENCE_S
    while not (found := told(jupyter, f"jobs/{job['job_id']}"))["downloaded"]:
        assert time.monotonic() < end
        time.sleep(0.2)
    return {file["file_format"]: (folder / file["file_path"]).read_text() for file in found["job_files"]}


def test_a_job_freezes_the_saved_query_in_the_projects_store_and_its_output_shows_the_link(
    jupyter: Jupyter, project: Path
) -> None:
    before = set(jupyter.store.ids())
    job = run(jupyter, saved='"board"')
    assert (job["status"], job["status_message"]) == ("COMPLETED", None)
    [snapshot] = set(jupyter.store.ids()) - before
    expected = run_report(ReportQuery.from_dict(QUERY), MART)
    assert jupyter.store.manifest(snapshot)["content_digest"] == content_digest(expected)
    link = f"http://127.0.0.1:{jupyter.port}{BASE}view?id={snapshot}"
    files = outputs(jupyter, project / "work", job)
    assert f'<a href="{link}">{link}</a>' in files["html"]
    assert "<h1>Customer Dynamics</h1>" in files[PAGE]
    assert "<script" in files["html"]
    assert "<script" not in files[PAGE]
    last = nbformat.reads(files["ipynb"], as_version=4).cells[-1]
    assert link in last.outputs[0].data["text/html"]
    assert jupyter.ask(link.partition(BASE)[2]).status == 200


def test_a_job_that_cannot_be_done_fails_says_why_and_publishes_nothing(jupyter: Jupyter) -> None:
    before = jupyter.store.ids()
    job = run(jupyter, saved='"board"', curency='"USD"')
    assert job["status"] == "FAILED"
    assert "The template has no parameter 'curency'." in message(job)
    assert jupyter.store.ids() == before


@pytest.mark.parametrize(
    ("saved", "reason"),
    [
        ('"bord"', "SavedQueryError: There is no saved query 'bord'. Choose from: 'board', 'lost'."),
        ('"lost"', "nor a name in sources.toml (did you mean 'shop'?)"),
        ("board", "NameError: name 'board' is not defined"),
        ("2021", "QueryError: saved must be the name of a saved query, not 2021."),
    ],
)
def test_the_template_refuses_what_was_typed(
    own_marts: None, tmp_path: Path, saved: str, reason: str
) -> None:
    """The code that a job's kernel runs, where the job writes the parameter's value as it was typed."""
    make_project(tmp_path)
    (tmp_path / "custdyn.toml").write_text(CONFIG)
    template = nbformat.read(tmp_path / "templates" / "customer_dynamics.ipynb", as_version=4)
    declared, *others = [cell.source for cell in template.cells if cell.cell_type == "code"]
    with pytest.raises((NameError, CustDynError)) as caught:
        exec("\n".join([declared, f"saved = {saved}", *others]), {})
    assert reason in f"{type(caught.value).__name__}: {caught.value}"
    assert not (tmp_path / "kept").exists()


def test_a_job_definition_runs_on_its_schedule_with_the_settings_of_the_servers_environment(
    scheduled: Scheduled,
) -> None:
    end = time.monotonic() + PATIENCE_S
    asking = f"jobs?job_definition_id={scheduled.definition}"
    while not (jobs := told(scheduled.server, asking)["jobs"]):
        assert time.monotonic() < end
        time.sleep(0.5)
    [job] = jobs
    assert finished(scheduled.server, job["job_id"])["status"] == "COMPLETED"
    assert job["create_time"] // 1000 % 60 < 10  # as the minute began
    assert len(scheduled.store.ids()) == 1
