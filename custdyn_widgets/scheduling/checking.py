"""Checks for monitoring: which scheduled runs are late, were missed, were killed or failed."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from custdyn_widgets.report import format_instant
from custdyn_widgets.saved_queries import ListedQuery, SavedQuery, folder_of
from custdyn_widgets.scheduling.crontab import in_place, one_for_each_name
from custdyn_widgets.scheduling.due import BAD, schedule_text
from custdyn_widgets.scheduling.locks import was_marked
from custdyn_widgets.scheduling.records import Runs
from custdyn_widgets.scheduling.run_record import Run
from custdyn_widgets.scheduling.run_request import DEADLINE, RunRequest
from custdyn_widgets.settings import Settings
from custdyn_widgets.text import format_instant_utc

_GRACE = timedelta(minutes=5)  # after this long, a run that has not begun is late
_LONGEST_RUN = timedelta(hours=2)  # up to an hour for a notebook, and half an hour for sending
_EARLY = "early"  # the `kind` of warnings
_REMEMBERED = timedelta(days=2)  # how long the failure of a deleted saved query is shown


@dataclass(frozen=True)
class RunProblem:
    """A problem with the run for a scheduled time.

    Attributes
    ----------
    saved
        The saved query's name; empty for a folder that cannot be read.
    kind
        `missed`: no run was started in time; `late`: the run has not begun yet, or is taking too long;
        `killed`: the run was killed; `failed`: the run failed, its data was stale or it did not reach every
        recipient; `invalid`: the saved query cannot be read; `early`, only in warnings: the run succeeded,
        but its data ends early.
    time
        The scheduled time, in UTC; None if it is unknown.
    problem
        What is wrong.
    run
        The run's id; None if there is none.
    command
        The shell command to run once the problem is fixed; None if there is none.
    """

    saved: str
    kind: str
    time: str | None
    problem: str
    run: str | None = None
    command: str | None = None


@dataclass(frozen=True)
class RunCheck:
    """The result of a check.

    Attributes
    ----------
    problems
        The problems, sorted by saved query and time.
    warnings
        The runs that succeeded although their data ends early, in the same order.
    ran, running, not_due
        How many scheduled saved queries without a problem ran as scheduled, how many are running or have a
        few more minutes to begin, and how many had no scheduled time that could be checked.
    """

    problems: list[RunProblem]
    warnings: list[RunProblem] = field(default_factory=list)
    ran: int = 0
    running: int = 0
    not_due: int = 0


def check_runs(
    entries: Iterable[ListedQuery], settings: Settings, now: datetime, max_age: timedelta | None = None
) -> RunCheck:
    """Return the problems with scheduled runs, and how many saved queries have none.

    Parameters
    ----------
    entries
        The saved queries, from `saved_queries.listing`.
    settings
        The settings, which name the folders.
    now
        The current time.
    max_age
        The maximum age of the scheduled times to check. By default, only the most recent
        scheduled time of each saved query is checked, however old it is.
    """
    assert settings.runs is not None
    runs = Runs(settings.runs)
    found: list[RunProblem] = []
    warnings: list[RunProblem] = []
    states: Counter[str] = Counter()
    names = set()
    for entry in one_for_each_name(entries):
        names.add(entry.name)
        if entry.error:
            found.append(RunProblem(entry.name, "invalid", None, entry.error.message))
        elif entry.saved and entry.saved.schedule:
            since = _changed(entry, settings)
            judged = _check(entry.name, entry.saved, runs, now, max_age, since)
            told = [one for one in judged if isinstance(one, RunProblem)]
            problems = [one for one in told if one.kind != _EARLY]
            found += problems
            warnings += [one for one in told if one.kind == _EARLY]
            if not problems:
                has_run = told or "ran" in judged  # a warning is about a run that succeeded
                states["ran" if has_run else "running" if "running" in judged else "not_due"] += 1
    found += [problem for name in runs.names() if name not in names for problem in _gone(name, runs, now)]
    found.sort(key=lambda one: one.saved)  # each query's problems are already sorted by time
    found = [replace(one, command=one.command and in_place(one.command, settings)) for one in found]
    warnings.sort(key=lambda one: one.saved)
    return RunCheck(found, warnings, **states)


def _check(
    name: str, saved: SavedQuery, runs: Runs, now: datetime, max_age: timedelta | None, since: datetime
) -> list[RunProblem | str]:
    """Return a problem or a state, `ran` or `running`, for each scheduled time that should have a run."""
    assert saved.schedule is not None
    if max_age is None:
        times = sorted({saved.schedule.last(now - _GRACE), saved.schedule.last(now)})
    else:
        times = [*saved.schedule.between(now - max_age, now)]
    if not times:
        return []
    recorded, earliest = _recorded(name, runs, times[0], schedule_text(saved.schedule))
    since = min(since, earliest or since)
    found: list[RunProblem | str] = []
    for time in times:
        at = format_instant_utc(time)
        shown = format_instant(at, saved.schedule.timezone)
        if of_time := [run for run in recorded if run.logical_time == at]:
            found.append(_judge(name, at, of_time, now))
        elif was_marked(runs.folder, name, int(time.timestamp())):
            found.append(_unrecorded(name, at, shown, runs))
        elif time > since:
            found.append(_not_begun(name, at, shown, now - time))
    return found


def _unrecorded(name: str, at: str, shown: str, runs: Runs) -> RunProblem:
    """Return the problem with a failed run that left no record, only a note that its failure was reported."""
    problem = (
        f"The run for {shown} failed, and its record could not be written to {runs.folder}. Free up space "
        "there, or set CUSTDYN_RUNS to another folder."
    )
    return RunProblem(name, "failed", at, problem, command=RunRequest(name).repeat_command(at))


def _not_begun(name: str, at: str, shown: str, age: timedelta) -> RunProblem | str:
    """Return the problem with a scheduled time that has no run, or `running` if one may still begin."""
    if age < _GRACE:
        return "running"
    kind, what = ("late", "has not begun yet") if age <= DEADLINE else ("missed", "was not started")
    problem = f"The run for {shown} {what}. Check that cron or the timer works on this machine."
    return RunProblem(name, kind, at, problem)


def _recorded(name: str, runs: Runs, first: datetime, schedule: str) -> tuple[list[Run], datetime | None]:
    """Return the runs since `first`, and when the schedule's previous run began (None if there is none)."""
    at = format_instant_utc(first)
    found: list[Run] = []
    for run in runs.newest_first(name):
        if run.result == "unreadable":
            continue
        if run.began < at and run.schedule == schedule:
            return found, datetime.fromisoformat(run.began)
        found.append(run)
    return found, None


def _judge(name: str, at: str, of_time: Sequence[Run], now: datetime) -> RunProblem | str:
    """Return the problem with a scheduled time, a warning, or its state, given its runs (newest first)."""
    done = next((run for run in of_time if run.result not in (*BAD, "running", "held back")), None)
    if done:
        early = " ".join(done.data_gaps)
        return RunProblem(name, _EARLY, at, early, done.id) if early else "ran"
    newest = of_time[0]
    if newest.result == "running":
        if now - datetime.fromisoformat(newest.began) <= _LONGEST_RUN:
            return "running"
        return RunProblem(name, "late", at, f"It has been running since {newest.began}.", newest.id)
    if newest.result == "held back":
        return RunProblem(name, "missed", at, "It was run only with --no-send.", newest.id)
    kind = newest.result if newest.result in ("killed", "missed") else "failed"
    command = newest.resend_command or RunRequest(name).repeat_command(at)
    return RunProblem(name, kind, at, newest.problem or newest.result, newest.id, command)


def _gone(name: str, runs: Runs, now: datetime) -> Iterator[RunProblem]:
    """Yield the failure of a deleted saved query that a scheduler still tries to run."""
    newest = next(runs.newest_first(name), None)
    if newest is None or newest.result != "failed" or newest.logical_time:
        return
    if newest.began > format_instant_utc(now - _REMEMBERED):
        yield RunProblem(name, "failed", None, newest.problem or newest.result, newest.id)


def _changed(entry: ListedQuery, settings: Settings) -> datetime:
    """Return when a saved query was last changed.

    Runs before then are expected only if the records show that its schedule was already in use.
    """
    with contextlib.suppress(FileNotFoundError):
        file = folder_of(entry.place, settings=settings) / f"{entry.name}.json"
        return datetime.fromtimestamp(file.stat().st_mtime, UTC)
    return datetime.now(UTC)  # deleted since it was listed
