"""What a recorded run prints: its links, its result and its problem."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from custdyn_widgets import scheduling
from custdyn_widgets.cli import main
from custdyn_widgets.scheduling import Run, RunRequest, Runs
from custdyn_widgets.scheduling.outcomes import Outcome

LINK = "https://reports.example/view?id="
LOGICAL = "2026-11-01T06:00:00Z"
ACME, BLUE = "a" * 52, "b" * 52


def run_of(result: str, *reports: Outcome, problem: str | None = None, logical: str | None = LOGICAL) -> Run:
    begun = Run.begun("board", title="Board", logical_time=logical)
    return begun.finished(result, reports=reports, problem=problem)


class Dispatched:
    """Stands in for a run: it says something, and its record is what the test wants."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.requests: list[RunRequest] = []
        self.run: Run | BaseException = run_of("sent")
        monkeypatch.setattr(scheduling, "dispatch", self)
        monkeypatch.setenv("CUSTDYN_SHARE_URL", "https://reports.example")

    def __call__(self, request: RunRequest, *, progress: Any, warn: Any, **_: Any) -> Run:
        self.requests.append(request)
        progress("Reading the data …")
        warn("The clock was moved back.")
        if isinstance(self.run, BaseException):
            raise self.run
        return self.run


@pytest.fixture
def dispatched(monkeypatch: pytest.MonkeyPatch) -> Dispatched:
    return Dispatched(monkeypatch)


def run(*options: str) -> Result:
    return CliRunner().invoke(main, ["run", "--saved", "board", "--scheduled", *options])


def test_a_run_prints_its_link_alone_on_stdout(dispatched: Dispatched) -> None:
    dispatched.run = run_of("sent", Outcome("sent", None, ACME))
    done = run()
    assert done.exit_code == 0
    assert done.stdout == f"{LINK}{ACME}\n"
    assert done.stderr.splitlines() == [
        "Reading the data …",
        "The clock was moved back.",
        f"board: sent (for {LOGICAL}).",
    ]


def test_each_companys_link_has_its_name(dispatched: Dispatched) -> None:
    dispatched.run = run_of(
        "undelivered",
        Outcome("sent", "Acme", ACME),
        Outcome("unchanged", "North"),
        Outcome("undelivered", "Blue", BLUE),
    )
    assert run().stdout == f"Acme: {LINK}{ACME}\nBlue: {LINK}{BLUE}\n"


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ("sent", "board: sent"),
        ("frozen", "board: frozen, without recipients"),
        ("held back", "board: held back, frozen but not sent"),
        ("unchanged", "board: unchanged, so nothing was frozen or sent"),
        ("empty", "board: empty, so nothing was frozen or sent"),
        ("stale", "board: stale, so nothing was frozen or sent"),
        ("undelivered", "board: undelivered, frozen but not delivered to everybody"),
    ],
)
def test_the_result_is_explained(dispatched: Dispatched, result: str, said: str) -> None:
    dispatched.run = run_of(result)
    assert run().stderr.splitlines()[-1] == f"{said} (for {LOGICAL})."
    dispatched.run = run_of(result, logical=None)
    assert run().stderr.splitlines()[-1] == f"{said}."


def test_a_problem_is_the_last_line_and_fails(dispatched: Dispatched) -> None:
    dispatched.run = run_of("undelivered", Outcome("undelivered", None, ACME), problem="No such user.")
    done = run()
    assert done.exit_code == 1
    assert done.stdout == f"{LINK}{ACME}\n"
    assert done.stderr.splitlines()[-1] == "custdyn: No such user."


def test_quiet_says_what_is_wrong_and_otherwise_nothing(dispatched: Dispatched) -> None:
    dispatched.run = run_of("sent", Outcome("sent", None, ACME))
    done = run("--quiet")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "The clock was moved back.\n")
    dispatched.run = run_of("failed", problem="The mart is gone.")
    done = run("--quiet")
    assert done.exit_code == 1
    assert "Reading the data …" in done.stderr.splitlines()
    assert done.stderr.splitlines()[-1] == "custdyn: The mart is gone."
    dispatched.run = KeyboardInterrupt()
    done = run("--quiet")
    assert isinstance(done.exception, SystemExit)
    assert "Reading the data …" in done.stderr


def test_the_order_has_the_time_limit_that_was_given(dispatched: Dispatched) -> None:
    run()
    run("--timeout", "7")
    assert [request.timeout_s for request in dispatched.requests] == [scheduling.TIMEOUT_S, 7]


def test_the_order_is_what_the_options_say(dispatched: Dispatched) -> None:
    run()
    run("--no-send", "--pdf", "--sync", "--again", "--source", "shop", "-p", "mine", "1")
    run("--within", "1h")
    usual, changed, limited = dispatched.requests
    for name, before, after in (
        ("send", True, False),
        ("pdf", False, True),
        ("sync", False, True),
        ("again", False, True),
        ("source", None, "shop"),
        ("parameters", {}, {"mine": "1"}),
    ):
        assert (getattr(usual, name), getattr(changed, name)) == (before, after)
    assert usual.within is None
    assert limited.within == timedelta(hours=1)
    CliRunner().invoke(main, ["run", "--saved", "board", "--as-of", LOGICAL])
    assert (usual.as_of, dispatched.requests[-1].as_of) == (None, LOGICAL)


def test_again_goes_with_scheduled_alone_and_not_with_within(dispatched: Dispatched) -> None:
    assert run("--again").exit_code == 0
    assert run("--within", "1h").exit_code == 0
    refused = [
        run("--again", "--within", "1h"),
        CliRunner().invoke(main, ["run", "--saved", "board", "--as-of", LOGICAL, "--again"]),
    ]
    assert [done.exit_code for done in refused] == [2, 2]
    assert "remove --within" in refused[0].stderr
    assert "--again needs --scheduled" in refused[1].stderr
    assert len(dispatched.requests) == 2


def test_a_link_that_cannot_be_printed_is_no_failure(
    dispatched: Dispatched, monkeypatch: pytest.MonkeyPatch
) -> None:
    import click

    real, discarded = click.echo, []

    def full(message: object = None, *args: Any, **options: Any) -> None:
        if str(message).startswith(LINK):
            raise OSError(28, "No space left on device")
        real(message, *args, **options)

    monkeypatch.setattr("custdyn_widgets.cli.runs.click.echo", full)
    monkeypatch.setattr("custdyn_widgets.cli.runs.discard", discarded.append)
    dispatched.run = run_of("sent", Outcome("sent", None, ACME))
    done = run()
    assert done.exit_code == 0
    assert len(discarded) == 1
    assert (
        "cannot be printed: No space left on device. `custdyn runs list` shows the snapshot." in done.stderr
    )
    assert done.stderr.splitlines()[-1] == f"board: sent (for {LOGICAL})."


def test_options_that_would_change_a_recorded_run_are_wrong_use(
    dispatched: Dispatched, tmp_path: Path
) -> None:
    for options, words in [
        (("--saved", "board", "--scheduled", "--as-of", LOGICAL), "either --scheduled or --as-of"),
        (("--scheduled",), "needs --saved NAME"),
        (("--saved", "board", "--as-of", "soon"), "soon"),
        (("--saved", "board", "--scheduled", "--interval", "last_month"), "remove --interval"),
        (("--saved", "board", "--scheduled", "-p", "interval", "x"), "remove -p interval"),
    ]:
        done = CliRunner().invoke(main, ["run", *options])
        assert done.exit_code == 2, options
        assert words in done.stderr
    assert not dispatched.requests


FOR = "2026-11-01 06:00:00"


@pytest.mark.parametrize(
    ("fields", "cells", "told"),
    [
        ({"logical_time": None, "result": "running"}, ["–", "–", "running", "–"], []),
        ({"ended": "2026-11-01T06:01:31Z"}, [FOR, "90", "sent", "–"], []),
        ({"reports": (Outcome("sent", None, ACME),)}, [FOR, "–", "sent", ACME], []),
        (
            {"reports": (Outcome("sent", "Acme", ACME), Outcome("failed", "Blue"))},
            [FOR, "–", "sent", "1 snapshots of 2 reports"],
            [],
        ),
        (
            {"problem": "x" * 200, "data_gaps": ("Not told.",)},
            [FOR, "–", "sent", "–"],
            [f"    {'x' * 159}…"],
        ),
        (
            {"data_gaps": ("The data ends.", "No rates.")},
            [FOR, "–", "sent", "–"],
            ["    Note: The data ends. Note: No rates. "],
        ),
        ({"problem": "a\x1b[31m"}, [FOR, "–", "sent", "–"], ["    a\ufffd[31m"]),
    ],
)
def test_a_run_is_a_line_of_the_list_and_its_problem_another(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], cells: list[str], told: list[str]
) -> None:
    run = replace(run_of("sent"), began="2026-11-01T06:00:01Z", ended=None)
    monkeypatch.setattr(Runs, "listing", lambda *_, **__: [replace(run, **fields)])
    done = CliRunner().invoke(main, ["runs", "list"])
    assert done.exit_code == 0, done.output
    heading, line, *rest = done.stdout.splitlines()
    columns = ["Began (UTC)", "Saved query", "For", "Seconds", "Result", "Snapshot"]
    assert re.split("  +", heading.strip()) == columns
    assert re.split("  +", line) == ["2026-11-01 06:00:01", "board", *cells]
    assert rest == told


def test_without_runs_the_list_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Runs, "listing", lambda *_, **__: [])
    assert CliRunner().invoke(main, ["runs", "list"]).stdout == "No saved query has run yet.\n"
    assert CliRunner().invoke(main, ["runs", "list", "--json"]).stdout == "[]\n"


def test_a_list_is_asked_for_by_number_and_name(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(Runs, "listing", lambda _, last, saved: asked.append((last, saved)) or [])
    for options in ((), ("--last", "1", "--saved", "board")):
        CliRunner().invoke(main, ["runs", "list", *options])
    assert asked == [(None, None), (1, "board")]
    for options in (("--last", "0"), ("--saved", "../locks")):
        assert CliRunner().invoke(main, ["runs", "list", *options]).exit_code != 0
    assert len(asked) == 2
