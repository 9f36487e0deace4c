"""Running a saved query: its steps in order, with a result that is recorded whatever happens."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NoReturn

from custdyn_widgets import saved_queries
from custdyn_widgets.errors import NotDueError
from custdyn_widgets.notebook import terminated_as_exit
from custdyn_widgets.saved_queries import is_name
from custdyn_widgets.scheduling.alerts import run_lines
from custdyn_widgets.scheduling.due import (
    check_reported,
)
from custdyn_widgets.scheduling.ending import describe_stop, end_locked, wait_unlocked
from custdyn_widgets.scheduling.failure import describe_error
from custdyn_widgets.scheduling.for_each import make_each
from custdyn_widgets.scheduling.making import MadeReport, Task, make_one
from custdyn_widgets.scheduling.outcomes import Outcome
from custdyn_widgets.scheduling.preparing import prepare_run, send_if_unsent
from custdyn_widgets.scheduling.recorder import Recorder
from custdyn_widgets.scheduling.retention import prune
from custdyn_widgets.scheduling.run_record import SENDING, Run
from custdyn_widgets.scheduling.run_request import RunRequest
from custdyn_widgets.scheduling.sending import send_all
from custdyn_widgets.scheduling.unsent import (
    find_unsent,
    record_unsent,
)
from custdyn_widgets.settings import Settings
from custdyn_widgets.snapshots import Store


def dispatch(
    request: RunRequest,
    *,
    settings: Settings,
    progress: Callable[[str], None],
    warn: Callable[[str], None] | None = None,
    now: datetime | None = None,
    sleep: Callable[[float], object] = time.sleep,
) -> Run:
    """Run a saved query: freeze its report, send it, record the run, and report a failure by email.

    If the mail server is not available, the run releases its lock, waits and tries again. Anything still
    unsent after the last attempt is sent by the next run.

    Parameters
    ----------
    request, settings
        The request for the run, and the settings.
    progress
        Called with each progress line, possibly from other threads.
    warn
        Called with each line that must be seen even if the run succeeds. Defaults to `progress`.
    now
        The current time. Defaults to the system clock.
    sleep
        Called with the number of seconds to wait for the mail server.

    Returns
    -------
    Run
        The record as written. Its `problem` is set if anything went wrong.

    Raises
    ------
    SavedQueryError
        If the request's name is not valid for a saved query; nothing has been recorded or sent.
    NotDueError
        If a run for the scheduled time has already taken place or is in progress, or if the time is recorded
        as missed.
    SystemExit, KeyboardInterrupt
        If the process was asked to stop; raised after the stop has been recorded and reported.
    """
    if not is_name(request.name):
        saved_queries.load(request.name, settings=settings)  # raises an error that says which names are valid
    run = Run.begun(request.name, asked_for=request.as_of is not None)
    recorder = Recorder(run, settings, progress, warn or progress)
    stop = _run_and_report(request, recorder, now or datetime.now(UTC), sleep)
    if stop:
        _leave(stop)
    return recorder.run


def _run_and_report(
    request: RunRequest, recorder: Recorder, now: datetime, sleep: Callable[[float], object]
) -> SystemExit | KeyboardInterrupt | None:
    """Run, record and report; return the exception that stopped the process, if any."""
    with contextlib.ExitStack() as held:  # keeps the lock until the final record is written
        stop = _run_steps(request, recorder, now, held)
        recorder.write_final()
        recorder.repeat_command = request.repeat_command(recorder.run.logical_time)
        end_locked(recorder, request, is_stopped=stop is not None)
    if stop is None and recorder.is_recorded and (recorder.run.waiting or recorder.run.failure_unsent):
        stop = wait_unlocked(recorder, request, sleep)
    return stop


def _leave(stop: SystemExit | KeyboardInterrupt) -> NoReturn:
    if isinstance(stop, SystemExit) and not stop.code:
        raise SystemExit(1) from stop  # a custom metric may exit Python, which does not count as success
    raise stop


def _run_steps(
    request: RunRequest, recorder: Recorder, now: datetime, held: contextlib.ExitStack
) -> SystemExit | KeyboardInterrupt | None:
    """Carry out the steps until one fails; return the exception that stopped the process, if any."""
    try:
        with terminated_as_exit():
            task = prepare_run(request, recorder, now, held)
            if request.sync or task.saved.sync:
                recorder.step = "syncing the source"
                _sync(task, recorder)
            recorder.step = "making the report"
            made = _make(task, recorder)
            recorder.write_if_possible()  # frozen reports are sent even if this fails
            recorder.step = SENDING
            _send(task, made, recorder)
            recorder.step = "deleting old snapshots"
            _prune(task, made, recorder)
    except NotDueError:
        raise
    except Exception as error:
        problem = describe_error(error)
        if request.is_once and recorder.run.logical_time is None:
            _check_reported(problem, recorder, now)
        recorder.fail(problem)
    except (SystemExit, KeyboardInterrupt) as stop:
        recorder.fail(describe_stop(stop))
        return stop
    return None


def _check_reported(problem: str, recorder: Recorder, now: datetime) -> None:
    """If an unreadable saved query was already reported, send only what is unsent and raise an error."""
    try:
        check_reported(recorder.run.saved, recorder.redact(problem), recorder.runs, now)
    except NotDueError:
        send_if_unsent(recorder)
        raise


def _sync(task: Task, recorder: Recorder) -> None:
    """Read the source's database, and report past transactions that have changed."""
    from custdyn_widgets.mart import sync_source  # imported late: loads Arrow

    recorder.say("Reading the database")
    for line in sync_source(task.request.source_of(task.saved)).text().split("\n"):
        recorder.say(line)


def _make(task: Task, recorder: Recorder) -> list[MadeReport]:
    """Make the reports, recording each one even if a later one fails."""
    made = []
    gaps: dict[str, None] = {}
    for report in (make_each if task.saved.for_each else make_one)(task, recorder.say):
        made.append(report)
        recorder.add_report(report.outcome)
        gaps |= dict.fromkeys(report.report.info.data_gaps if report.report else ())
    recorder.update(data_gaps=tuple(gaps))
    for gap in gaps:
        recorder.warn(gap)
    for line in run_lines([one.outcome for one in made]):
        recorder.say(line)
    return made


def _send(task: Task, made: Sequence[MadeReport], recorder: Recorder) -> None:
    """Send the reports and finish the record of the run."""
    count = sum(len(report.recipients) for report in made)
    if count and recorder.server:
        recorder.say(f"Sending to {count:,} recipient{'' if count == 1 else 's'}")
    unsent = find_unsent(recorder, task) if recorder.server else []
    flat = [*(one for earlier in unsent for one in earlier.made), *made]
    own = slice(len(flat) - len(made), None)

    def record(outcomes: Callable[[], Sequence[Outcome]]) -> None:
        if recorder.record_sending(lambda: outcomes()[own]):
            record_unsent(recorder, unsent, outcomes()[: own.start])

    assert recorder.lock is not None
    with recorder.lock.sending():
        outcomes = send_all(task, flat, recorder.server, recorder.say, record)
    recorder.finish_sending(outcomes[own])
    record_unsent(recorder, unsent, outcomes[: own.start])


def _prune(task: Task, made: Sequence[MadeReport], recorder: Recorder) -> None:
    """Delete old snapshots if the saved query has a retention rule."""
    reports = {str(one.outcome.snapshot): one.report for one in made if one.report is not None}
    if task.saved.retention is None or not reports:
        return
    name, runs = task.request.name, recorder.runs
    unsent = {one.snapshot: None for run in runs.unsent(name) for one in run.reports if one.snapshot}
    deleted = prune(
        Store(task.settings.snapshots),
        task.saved.retention,
        reports,
        name,
        lambda: runs.snapshots(name),
        unsent,
    )
    if deleted:
        recorder.say(f"Deleted {deleted:,} old snapshot{'' if deleted == 1 else 's'}")
