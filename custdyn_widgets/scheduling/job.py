"""One run of a saved query: its steps in order, and a recorded result whatever happens."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from custdyn_widgets import saved_queries
from custdyn_widgets.errors import CustDynError, NotDueError, StillRunningError
from custdyn_widgets.mail import MailServer
from custdyn_widgets.notebook import terminated_as_exit
from custdyn_widgets.render import require_pdf
from custdyn_widgets.saved_queries import is_name
from custdyn_widgets.scheduling.alerts import run_lines
from custdyn_widgets.scheduling.due import (
    WAITING,
    check_busy,
    check_due,
    check_told,
    describe_missed,
    schedule_text,
)
from custdyn_widgets.scheduling.failure import describe_error, report_failure
from custdyn_widgets.scheduling.for_each import make_each
from custdyn_widgets.scheduling.locks import RunLock, mark_as_reported
from custdyn_widgets.scheduling.making import MadeReport, Task, make_one
from custdyn_widgets.scheduling.recorder import Recorder
from custdyn_widgets.scheduling.records import SENDING, Run
from custdyn_widgets.scheduling.retention import prune
from custdyn_widgets.scheduling.run_request import RunRequest
from custdyn_widgets.scheduling.sending import send_all
from custdyn_widgets.settings import Settings
from custdyn_widgets.snapshots import Store
from custdyn_widgets.text import format_instant_utc


def dispatch(
    request: RunRequest,
    *,
    settings: Settings,
    progress: Callable[[str], None],
    warn: Callable[[str], None] | None = None,
    now: datetime | None = None,
) -> Run:
    """Run a saved query: freeze its report, send it, record the run, and report a failure by email.

    Parameters
    ----------
    request, settings
        What to run, and the settings.
    progress
        Called with each progress line, from other threads too.
    warn
        Called with each line that must be seen even if the run succeeds. Defaults to `progress`.
    now
        The current time. Defaults to the system clock.

    Returns
    -------
    Run
        The record as written. Its `problem` is set if anything went wrong.

    Raises
    ------
    SavedQueryError
        If this is not a valid name for a saved query; nothing has been recorded or sent.
    NotDueError
        If the scheduled time has been run or is being run, or was missed, which has been recorded.
    SystemExit, KeyboardInterrupt
        If the process was asked to stop; raised after recording and reporting it.
    """
    if not is_name(request.name):
        saved_queries.load(request.name, settings=settings)  # raises an error that says which names are valid
    run = Run.begun(request.name, asked_for=request.as_of is not None)
    recorder = Recorder(run, settings, progress, warn or progress)
    with contextlib.ExitStack() as held:  # keeps the lock until the final record is written
        stop = _run_steps(request, recorder, now or datetime.now(UTC), held)
        recorder.write_final()
        if recorder.run.problem and (receipts := _report_failure(recorder, request)):
            recorder.update(told=receipts)
            recorder.write_final()
    if isinstance(stop, SystemExit) and not stop.code:
        raise SystemExit(1) from stop  # a custom metric that exits Python is not a success
    if stop:
        raise stop
    return recorder.run


def _run_steps(
    request: RunRequest, recorder: Recorder, now: datetime, held: contextlib.ExitStack
) -> SystemExit | KeyboardInterrupt | None:
    """Carry out the steps until one fails; return the exception that stopped the process, if any."""
    try:
        with terminated_as_exit():
            task = _prepare(request, recorder, now, held)
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
            check_told(request.name, recorder.redact(problem), recorder.runs, now)
        recorder.fail(problem)
    except (SystemExit, KeyboardInterrupt) as stop:
        recorder.fail(_describe_stop(stop))
        recorder.stop_retrying()
        return stop
    return None


def _prepare(request: RunRequest, recorder: Recorder, now: datetime, held: contextlib.ExitStack) -> Task:
    """Load the saved query, find the time to run it for, and acquire its lock."""
    settings = recorder.settings
    try:
        stored = saved_queries.load(request.name, settings=settings)
    except CustDynError:
        if request.send:
            recorder.recover_failure_recipients()
        raise
    saved = recorder.saved = stored.saved
    recorder.update(title=saved.title, failure_recipients=saved.failure_recipients)
    recorder.step = "preparing the run"
    if request.as_of is None and saved.schedule:
        at = format_instant_utc(saved.schedule.last(now))
        recorder.update(logical_time=at, schedule=schedule_text(saved.schedule))
        due = check_due(request, saved, recorder.runs, now, locked=False)
        if due.refusal and not due.missed:  # what was missed is recorded under the lock
            raise due.refusal
    if request.send and saved.sends_mail:
        recorder.server = MailServer.from_settings(settings)
    logical_time = request.logical_time(saved, now)
    recorder.update(logical_time=format_instant_utc(logical_time))
    _acquire(request, recorder, now, held)
    if request.pdf or saved.output == "pdf":
        settings = replace(settings, pdf=True)
    if settings.pdf:
        require_pdf()
    about = (request.name, format_instant_utc(logical_time))
    return Task(
        request,
        saved,
        settings,
        saved_queries.folder_of(stored.place, settings=settings),
        logical_time,
        request.note(saved, logical_time, now),
        recorder.runs.digests(*about) if saved.only_if else {},
        recorder.runs.true_conditions(*about) if saved.alert_if else {},
    )


def _acquire(request: RunRequest, recorder: Recorder, now: datetime, held: contextlib.ExitStack) -> None:
    """Acquire the lock, begin the record if the scheduled time is due, and report earlier failures."""
    saved = recorder.saved
    assert saved is not None
    try:
        held.enter_context(RunLock(recorder.runs.folder, request.name))
    except StillRunningError:
        if request.is_once:
            check_busy(request, saved, recorder.runs, now)
            recorder.step = WAITING
        raise
    unfinished = recorder.runs.unfinished(request.name)
    due = check_due(request, saved, recorder.runs, now, locked=True)
    if due.refusal is None:
        _warn_if_clock_moved_back(recorder, now)
        recorder.write()
    if request.send:  # otherwise, they are reported by the next run that sends its report
        _report_killed_runs(recorder, unfinished)
    if due.missed:
        _report_missed(recorder, due.missed)
    if due.refusal:
        raise due.refusal


def _report_missed(recorder: Recorder, missed: Sequence[datetime]) -> None:
    """Record and report the scheduled times at which nothing ran."""
    saved, own = recorder.saved, recorder.run
    assert saved is not None
    at = format_instant_utc(missed[-1])
    begun = Run.begun(own.saved, title=own.title, logical_time=at, schedule=own.schedule)
    run = replace(begun, failure_recipients=own.failure_recipients).finished(
        "missed", problem=describe_missed(saved, missed), where="waiting for its scheduled time"
    )
    recorder.runs.write(run)
    receipts = report_failure(recorder, run, RunRequest(run.saved).repeat_command(at))
    if receipts:
        recorder.runs.write(replace(run, told=receipts))


def _report_killed_runs(recorder: Recorder, unfinished: Sequence[Run]) -> None:
    """Record and report earlier unfinished runs as killed; this run holds the lock, so none is running."""
    for run in unfinished:
        killed = replace(run.killed(), where="running")
        recorder.runs.write(killed)
        command = RunRequest(run.saved).repeat_command(run.logical_time)  # its options were not recorded
        recorder.runs.write(replace(killed, told=report_failure(recorder, killed, command)))


def _warn_if_clock_moved_back(recorder: Recorder, now: datetime) -> None:
    last = recorder.runs.listing(1, saved=recorder.run.saved)
    if last and last[0].began > format_instant_utc(now):
        recorder.warn(
            f"The clock was moved back: the previous run began at {last[0].began}, which is in the future. "
            "Reports sent now may have been sent before."
        )


def _sync(task: Task, recorder: Recorder) -> None:
    """Read the source's database, and report past transactions that changed."""
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
    recorder.finish_sending(send_all(task, made, recorder.server, recorder.say, recorder.record_sending))


def _prune(task: Task, made: Sequence[MadeReport], recorder: Recorder) -> None:
    """Delete old snapshots if the saved query limits how many to keep."""
    reports = {str(one.outcome.snapshot): one.report for one in made if one.report is not None}
    if task.saved.retention is None or not reports:
        return
    name, runs = task.request.name, recorder.runs
    deleted = prune(
        Store(task.settings.snapshots), task.saved.retention, reports, name, lambda: runs.snapshots(name)
    )
    if deleted:
        recorder.say(f"Deleted {deleted:,} old snapshot{'' if deleted == 1 else 's'}")


def _report_failure(recorder: Recorder, request: RunRequest) -> tuple[dict[str, Any], ...]:
    """Report the failure, unless it could not be recorded and was already reported for the same time."""
    run = recorder.run
    if request.is_once and run.logical_time and not recorder.is_recorded:
        at = int(datetime.fromisoformat(run.logical_time).timestamp())
        if mark_as_reported(recorder.runs.folder, run.saved, at):
            return ()
    return report_failure(recorder, run, request.repeat_command(run.logical_time), recorder.last_lines())


def _describe_stop(stop: SystemExit | KeyboardInterrupt) -> str:
    code = stop.code if isinstance(stop, SystemExit) else 128 + signal.SIGINT
    number = code - 128 if isinstance(code, int) else 0
    name = signal.Signals(number).name if number in set(signal.Signals) else "exit"
    return f"The run was stopped ({name}). Emails that had not been sent yet will not be sent."
