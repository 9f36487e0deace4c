"""A monitor sees what was missed, killed, failed or is late, and nothing else."""

from __future__ import annotations

import errno
import json
import os
import shlex
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from custdyn_widgets import saved_queries, scheduling
from custdyn_widgets.cli import main, runs
from custdyn_widgets.saved_queries.content import SavedQuery
from custdyn_widgets.saved_queries.schedule.schedule import Schedule
from custdyn_widgets.scheduling.checking import RunCheck, RunProblem, check_runs
from custdyn_widgets.scheduling.crontab import in_place
from custdyn_widgets.scheduling.locks import RunLock
from custdyn_widgets.scheduling.outcomes import Outcome
from custdyn_widgets.scheduling.records import Runs
from custdyn_widgets.scheduling.run_record import Run
from custdyn_widgets.settings import Settings
from custdyn_widgets.text import format_instant_utc
from tests.mail_server import Received
from tests.scheduling.test_job import BOARD, keep, received, settings, text_of
from tests.scheduling.test_once import DAILY, MONDAY, Trigger, trigger

__all__ = ["Received", "received", "settings", "trigger"]  # fixtures

AT = "2022-02-14T05:00:00Z"
LONG_AGO = MONDAY - timedelta(days=100)
NOON = MONDAY + timedelta(hours=6)


def store(
    settings: Settings, saved: SavedQuery = DAILY, name: str = "board", at: datetime = LONG_AGO
) -> None:
    """Keep a saved query that was last changed at a time."""
    keep(saved, settings, name)
    os.utime(settings.queries / f"{name}.json", (at.timestamp(), at.timestamp()))


def record(
    settings: Settings, result: str, at: datetime = MONDAY, *, saved: str = "board", **about: Any
) -> Run:
    begun = at + timedelta(seconds=1)
    run = Run(
        f"{begun:%Y%m%dT%H%M%S.%f}Z-{os.urandom(4).hex()}",
        saved,
        "Board",
        format_instant_utc(begun),
        **{"logical_time": format_instant_utc(at), "schedule": "0 6 * * * Europe/Paris", **about},
        result=result,
    )
    Runs(settings.runs or Path()).write(run)
    return run


def problems(settings: Settings, now: datetime = NOON, max_age: timedelta | None = None) -> list[RunProblem]:
    return check(settings, now, max_age).problems


def check(settings: Settings, now: datetime = NOON, max_age: timedelta | None = None) -> RunCheck:
    return check_runs(saved_queries.listing(settings), settings, now, max_age)


def here(command: str, settings: Settings) -> str:
    """Return the command that a failure letter has."""
    words = shlex.split(in_place(command, settings))
    assert words[:3] == ["cd", str(Path.cwd()), "&&"]
    assert shlex.join(words).endswith(command.removeprefix("custdyn"))
    return in_place(command, settings)


def kinds(
    settings: Settings, now: datetime = NOON, max_age: timedelta | None = None
) -> list[tuple[str, Any]]:
    return [(one.kind, one.time) for one in problems(settings, now, max_age)]


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        *((result, None) for result in ("sent", "frozen", "not sent", "unchanged", "empty")),
        *((result, "failed") for result in ("failed", "undelivered", "stale")),
        ("killed", "killed"),
        ("missed", "missed"),
        ("held back", "missed"),
        ("running", "killed"),
    ],
)
def test_each_result_is_good_or_a_problem(settings: Settings, result: str, kind: str | None) -> None:
    store(settings)
    record(settings, result)
    assert kinds(settings) == ([(kind, AT)] if kind else [])


def test_without_a_run_a_time_is_due_then_late_then_missed(settings: Settings) -> None:
    store(settings)
    record(settings, "sent", MONDAY - timedelta(days=1))
    for minutes, expected in ((4, []), (6, ["late"]), (59, ["late"]), (61, ["missed"]), (1439, ["missed"])):
        assert [kind for kind, _ in kinds(settings, MONDAY + timedelta(minutes=minutes))] == expected, minutes


def test_a_time_is_late_after_five_minutes_and_missed_after_an_hour(settings: Settings) -> None:
    store(settings)
    hint = "Check that cron or the timer works on this machine."
    for seconds, kind, what in (
        (299, None, ""),
        (300, "late", "has not begun yet"),
        (3600, "late", "has not begun yet"),
        (3601, "missed", "was not started"),
    ):
        found = problems(settings, MONDAY + timedelta(seconds=seconds), timedelta(hours=2))
        message = f"The run for 2022-02-14 06:00:00 +01:00 {what}. {hint}"
        assert found == ([RunProblem("board", kind, AT, message)] if kind else [])


def test_a_run_that_began_in_the_second_of_its_time_is_that_of_its_time(settings: Settings) -> None:
    store(settings)
    run = record(settings, "sent", MONDAY - timedelta(seconds=1), logical_time=AT)
    assert run.began == AT
    assert problems(settings) == []


def test_times_up_to_the_change_of_a_saved_query_are_not_expected(settings: Settings) -> None:
    store(settings, at=MONDAY)
    assert problems(settings) == []
    store(settings, at=MONDAY - timedelta(seconds=1))
    assert kinds(settings) == [("missed", AT)]
    store(settings, at=MONDAY)
    record(settings, "sent", MONDAY - timedelta(days=1))  # it ran on this schedule before
    assert kinds(settings) == [("missed", AT)]


def test_of_several_failures_the_newest_is_told(settings: Settings) -> None:
    store(settings)
    record(settings, "killed", problem="First.")
    newest = record(settings, "undelivered", at=MONDAY + timedelta(minutes=1), logical_time=AT)
    [problem] = problems(settings)
    again = here(f"custdyn run --saved board --as-of {AT}", settings)
    assert problem == RunProblem("board", "failed", AT, "undelivered", newest.id, again)


def test_problems_are_sorted_by_saved_query_and_time(settings: Settings) -> None:
    for name in ("sales", "board"):
        store(settings, name=name)
    (settings.queries / "zoo.json").write_text("{")
    found = problems(settings, max_age=timedelta(days=2))
    assert [(one.saved, one.time) for one in found] == [
        ("board", "2022-02-13T05:00:00Z"),
        ("board", AT),
        ("sales", "2022-02-13T05:00:00Z"),
        ("sales", AT),
        ("zoo", None),
    ]


def test_a_run_in_progress_is_late_only_after_two_hours(settings: Settings) -> None:
    store(settings)
    run = record(settings, "running")
    began = MONDAY + timedelta(seconds=1)
    with RunLock(settings.runs or Path(), "board"):
        assert problems(settings, began + timedelta(hours=2)) == []
        found = problems(settings, began + timedelta(hours=2, seconds=1))
    words = "It has been running since 2022-02-14T05:00:01Z."
    assert found == [RunProblem("board", "late", AT, words, run.id)]


@pytest.mark.parametrize(
    ("result", "about"), [("sent", {"logical_time": None}), ("failed", {"logical_time": AT})]
)
def test_only_a_run_that_found_no_saved_query_tells_that_it_was_deleted(
    settings: Settings, result: str, about: dict[str, Any]
) -> None:
    record(settings, result, **about)
    assert problems(settings) == []


def test_a_saved_query_without_a_schedule_is_not_checked(settings: Settings) -> None:
    record(settings, "failed", logical_time=None)
    store(settings, replace(DAILY, schedule=None))
    assert problems(settings) == []


def test_a_scheduler_that_never_ran_is_seen_and_a_new_saved_query_is_no_problem(settings: Settings) -> None:
    store(settings, at=NOON - timedelta(minutes=1))
    assert problems(settings) == []
    store(settings)
    assert kinds(settings) == [("missed", AT)]


def test_a_frequent_schedule_whose_scheduler_stopped_is_seen(settings: Settings) -> None:
    often = replace(BOARD, schedule=Schedule("* * * * *", "Europe/Paris"))
    store(settings, often, at=MONDAY - timedelta(seconds=1))
    record(settings, "sent", MONDAY, schedule="* * * * * Europe/Paris")
    assert kinds(settings, MONDAY + timedelta(minutes=3)) == []
    assert [kind for kind, _ in kinds(settings, MONDAY + timedelta(minutes=9))] == ["late"]


def test_a_changed_schedule_is_not_missed_at_its_earlier_times(settings: Settings) -> None:
    record(settings, "sent")
    store(
        settings, replace(DAILY, schedule=Schedule("0 9 * * *", "Europe/Paris")), at=NOON - timedelta(hours=1)
    )
    assert problems(settings) == []


def test_a_repeated_time_is_no_longer_a_problem(settings: Settings) -> None:
    store(settings)
    record(settings, "failed", problem="No source.")
    [problem] = problems(settings)
    command = here("custdyn run --saved board --as-of 2022-02-14T05:00:00Z", settings)
    assert (problem.problem, problem.command) == ("No source.", command)
    record(settings, "sent", asked_for=True, schedule="")
    assert problems(settings) == []


def test_what_did_not_reach_everybody_has_the_command_for_the_rest(settings: Settings) -> None:
    store(settings)
    one = Outcome("undelivered", None, "a" * 52, "d", (), "b@example.com: refused.")
    run = record(settings, "undelivered", where="sending the report", reports=(one,), problem="Not all.")
    assert problems(settings)[0].command == here(f"custdyn runs resend {run.id}", settings)


def test_a_run_in_progress_is_late_after_two_hours(settings: Settings) -> None:
    store(settings)
    record(settings, "running")
    with RunLock(settings.runs or Path(), "board"):
        assert kinds(settings, MONDAY + timedelta(hours=1)) == []
        assert kinds(settings, MONDAY + timedelta(hours=3)) == [("late", AT)]


def test_all_times_up_to_an_age_are_checked(settings: Settings) -> None:
    store(settings)
    record(settings, "sent", MONDAY - timedelta(days=9))
    record(settings, "failed", MONDAY - timedelta(days=2))
    record(settings, "sent")
    assert kinds(settings) == []
    found = kinds(settings, max_age=timedelta(days=4))
    assert found == [
        ("missed", "2022-02-11T05:00:00Z"),
        ("failed", "2022-02-12T05:00:00Z"),
        ("missed", "2022-02-13T05:00:00Z"),
    ]


def test_saved_queries_that_cannot_be_read_are_problems(settings: Settings) -> None:
    store(settings)
    record(settings, "sent")
    (settings.queries / "other.json").write_text("{")
    assert [(one.saved, one.kind) for one in problems(settings)] == [("other", "invalid")]


def test_a_deleted_saved_query_that_is_still_called_is_a_problem_for_two_days(settings: Settings) -> None:
    record(settings, "failed", logical_time=None)
    assert [one.kind for one in problems(settings, NOON)] == ["failed"]
    began = MONDAY + timedelta(seconds=1)
    assert len(problems(settings, began + timedelta(days=2, seconds=-1))) == 1
    assert problems(settings, began + timedelta(days=2)) == []
    assert problems(settings, NOON + timedelta(days=2)) == []


def test_what_a_trigger_records_is_what_the_check_says(trigger: Trigger, settings: Settings) -> None:
    trigger(MONDAY)
    assert problems(settings) == []
    trigger(NOON + timedelta(days=3))
    found = kinds(settings, NOON + timedelta(days=3))
    assert found == [("missed", "2022-02-17T05:00:00Z")]
    trigger(NOON + timedelta(days=3), as_of="2022-02-17T05:00:00Z", within=None)
    assert kinds(settings, NOON + timedelta(days=3)) == []


def test_the_command_exits_1_for_a_problem_and_prints_json(settings: Settings) -> None:
    now = datetime.now(UTC)
    store(settings, at=now - timedelta(days=9))
    last = DAILY.schedule.last(now - timedelta(minutes=5)) if DAILY.schedule else now
    done = CliRunner().invoke(main, ["runs", "check"])
    assert done.exit_code == 1
    assert done.stdout.startswith("board ")
    done = CliRunner().invoke(main, ["runs", "check", "--json"])
    found = json.loads(done.stdout)
    assert (done.exit_code, found["ok"], found["problems"][0]["saved"]) == (1, False, "board")
    record(settings, "sent", last)
    done = CliRunner().invoke(main, ["runs", "check"])
    assert (done.exit_code, done.stdout) == (0, "OK: 1 scheduled saved query ran as scheduled.\n")
    done = CliRunner().invoke(main, ["runs", "check", "--json"])
    found = {"ok": True, "problems": [], "warnings": [], "ran": 1, "running": 0, "not_due": 0}
    assert (done.exit_code, json.loads(done.stdout)) == (0, found)
    done = CliRunner().invoke(main, ["runs", "check", "--max-age", "3 days"])
    assert done.exit_code == 2
    assert "is not a duration" in done.stderr


def test_a_report_that_was_sent_although_its_data_ends_early_is_a_warning(settings: Settings) -> None:
    now = datetime.now(UTC)
    for name in ("a", "b", "c"):
        store(settings, name=name)
    at = DAILY.schedule.last(now - timedelta(minutes=5)) if DAILY.schedule else now
    record(settings, "sent", at, saved="a", data_gaps=("The data ends.", "Usage ends."))
    record(settings, "stale", at, saved="b", data_gaps=("The data ends.",))
    record(settings, "sent", at, saved="c")
    found = check(settings, now)
    assert [(one.saved, one.kind, one.problem) for one in found.warnings] == [
        ("a", "early", "The data ends. Usage ends.")
    ]
    assert ([one.saved for one in found.problems], found.ran) == (["b"], 2)
    record(settings, "sent", at, saved="b")
    done = CliRunner().invoke(main, ["runs", "check"])
    assert done.exit_code == 0
    first, warning = done.stdout.splitlines()
    assert first == "OK: 3 scheduled saved queries ran as scheduled."
    assert warning.startswith("Warning: a early ")
    assert warning.endswith(": The data ends. Usage ends.")


def test_the_command_is_that_of_the_failure_letter(
    trigger: Trigger, settings: Settings, received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    trigger(MONDAY, replace(DAILY, source="no/where", failure_recipients=("eva@example.com",)))
    [problem] = problems(settings)
    assert problem.command
    assert problem.command in text_of(received)
    monkeypatch.setattr(scheduling, "check_runs", lambda *_: RunCheck([problem]))
    monkeypatch.setattr(runs, "_MAX_CHECK_LENGTH", 60)  # the command is never cut
    shown = CliRunner().invoke(main, ["runs", "check"])
    assert shown.exit_code == 1
    assert "… Once this is fixed, run `" in shown.stdout
    assert shown.stdout.endswith(f"{problem.command}`.\n")


def test_each_saved_query_is_counted_by_what_its_run_did(settings: Settings) -> None:
    for name in ("board", "east", "west"):
        store(settings, name=name, at=MONDAY + timedelta(hours=1))
    assert check(settings) == RunCheck([], not_due=3)
    record(settings, "sent")
    assert check(settings) == RunCheck([], ran=1, not_due=2)
    begins = MONDAY + timedelta(days=1)
    assert check(settings, begins + timedelta(minutes=4)) == RunCheck([], ran=1, running=2)
    assert check(settings, max_age=timedelta(hours=1)) == RunCheck([], not_due=3)
    record(settings, "running", begins)
    with RunLock(settings.runs or Path(), "board"):
        found = check(settings, begins + timedelta(minutes=10), timedelta(hours=1))
    assert (found.running, [one.saved for one in found.problems]) == (1, ["east", "west"])


@pytest.mark.parametrize(
    ("found", "age", "line"),
    [
        (RunCheck([]), None, "No saved query has a schedule."),
        (RunCheck([], ran=1), None, "OK: 1 scheduled saved query ran as scheduled."),
        (RunCheck([], ran=1_000), "3d", "OK: 1,000 scheduled saved queries ran as scheduled."),
        (
            RunCheck([], ran=2, running=1, not_due=1),
            None,
            "OK: 2 scheduled saved queries ran as scheduled; 1 is starting or running; 1 has had no "
            "scheduled time since it was last changed.",
        ),
        (
            RunCheck([], not_due=5),
            None,
            "No finished run to check: 5 scheduled saved queries have had no scheduled time since they were "
            "last changed.",
        ),
        (
            RunCheck([], running=1, not_due=2),
            "3d",
            "No finished run to check: 1 scheduled saved query is starting or running; 2 had no scheduled "
            "time to check in the last 3d.",
        ),
    ],
)
def test_ok_is_said_only_of_what_ran(found: RunCheck, age: str | None, line: str) -> None:
    assert runs._without_problems(found, age) == line


def test_nothing_is_ok_before_anything_ran(settings: Settings) -> None:
    for name in ("board", "east"):
        store(settings, name=name, at=datetime.now(UTC))
    done = CliRunner().invoke(main, ["runs", "check"])
    words = "No finished run to check: 2 scheduled saved queries have had no scheduled time since they were "
    assert (done.exit_code, done.stdout) == (0, f"{words}last changed.\n")


def test_a_run_whose_record_cannot_be_written_is_a_problem_until_it_is_run_again(
    trigger: Trigger, settings: Settings
) -> None:
    """Even if the saved query was changed since, when nothing would be expected without the mark."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Runs, "_write", full)
        trigger(MONDAY)
        assert list(Runs(settings.runs or Path()).listing()) == []
    store(settings, at=NOON)
    for now in (MONDAY + timedelta(minutes=1), NOON):
        [problem] = problems(settings, now)
        assert (problem.kind, problem.time, problem.run) == ("failed", AT, None)
        assert problem.problem == (
            "The run for 2022-02-14 06:00:00 +01:00 failed, and its record could not be written to "
            f"{settings.runs}. Free up space there, or set CUSTDYN_RUNS to another folder."
        )
        assert problem.command == here(f"custdyn run --saved board --as-of {AT}", settings)
    trigger(NOON, as_of=AT, within=None)
    assert check(settings) == RunCheck([], ran=1)
