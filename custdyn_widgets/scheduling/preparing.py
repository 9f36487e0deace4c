"""Starting a run: loading the saved query, taking the lock and reporting past failures."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from custdyn_widgets import saved_queries
from custdyn_widgets.errors import CustDynError, NotDueError, SettingsError, StillRunningError
from custdyn_widgets.render import require_pdf
from custdyn_widgets.scheduling.due import WAITING, check_busy, check_due, describe_missed, schedule_text
from custdyn_widgets.scheduling.failure import report_failure
from custdyn_widgets.scheduling.locks import RunLock
from custdyn_widgets.scheduling.making import Task
from custdyn_widgets.scheduling.recorder import Recorder
from custdyn_widgets.scheduling.run_record import Run
from custdyn_widgets.scheduling.run_request import RunRequest
from custdyn_widgets.scheduling.unsent import PATIENCE_S, send_unsent
from custdyn_widgets.text import format_instant_utc


def prepare_run(request: RunRequest, recorder: Recorder, now: datetime, held: contextlib.ExitStack) -> Task:
    """Load the saved query, determine the time that the run is for, and acquire the lock."""
    settings = recorder.settings
    if request.send:
        recorder.read_notice_settings()
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
        if due.refusal and not due.missed:  # missed times are recorded under the lock
            raise _refusal_after_sending(request, recorder, now, due.refusal)
    if request.send and saved.sends_mail:
        recorder.read_server()
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


def _refusal_after_sending(
    request: RunRequest, recorder: Recorder, now: datetime, refusal: NotDueError
) -> NotDueError:
    """Send what earlier runs could not send, and return the error that says why nothing else is due."""
    assert recorder.saved is not None
    if request.send and recorder.saved.sends_mail:
        with contextlib.suppress(SettingsError):
            recorder.read_server()
    if not send_if_unsent(recorder):
        return refusal
    return check_due(request, recorder.saved, recorder.runs, now, locked=False).refusal or refusal


def send_if_unsent(recorder: Recorder) -> bool:
    """Send what earlier runs could not send, if anything, and return whether an attempt was made."""
    folder, name = recorder.runs.folder, recorder.run.saved
    if recorder.server is None or not recorder.runs.unsent(name):
        return False
    with contextlib.suppress(StillRunningError, OSError), RunLock(folder, name) as lock, lock.sending():
        send_unsent(recorder)
        return True
    return False


def _acquire(request: RunRequest, recorder: Recorder, now: datetime, held: contextlib.ExitStack) -> None:
    """Acquire the lock, begin the record if the scheduled time is due, and report earlier failures."""
    saved = recorder.saved
    assert saved is not None
    try:
        recorder.lock = held.enter_context(RunLock(recorder.runs.folder, request.name, PATIENCE_S))
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
    """Record and report the scheduled times for which no run was started."""
    saved, own = recorder.saved, recorder.run
    assert saved is not None
    at = format_instant_utc(missed[-1])
    begun = Run.begun(own.saved, title=own.title, logical_time=at, schedule=own.schedule)
    run = replace(begun, failure_recipients=own.failure_recipients).finished(
        "missed", problem=describe_missed(saved, missed), where="waiting for its scheduled time"
    )
    recorder.runs.write(run)
    told = report_failure(recorder, run, RunRequest(run.saved).repeat_command(at))
    if told is not run:
        recorder.runs.write(told)


def _report_killed_runs(recorder: Recorder, unfinished: Sequence[Run]) -> None:
    """Record and report earlier unfinished runs as killed.

    None of them can still be running, because this run holds the lock.
    """
    for run in unfinished:
        killed = replace(run.killed(), where="running")
        recorder.runs.write(killed)
        command = RunRequest(run.saved).repeat_command(run.logical_time)  # its options were not recorded
        recorder.runs.write(report_failure(recorder, killed, command))


def _warn_if_clock_moved_back(recorder: Recorder, now: datetime) -> None:
    last = recorder.runs.listing(1, saved=recorder.run.saved)
    if last and last[0].began > format_instant_utc(now):
        recorder.warn(
            f"The clock was moved back: the previous run began at {last[0].began}, which is in the future. "
            "Reports sent now may repeat ones that were already sent."
        )
