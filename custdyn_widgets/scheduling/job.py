"""One run of a saved query: its steps in order, and an end in words whatever happens."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from custdyn_widgets import saved_queries
from custdyn_widgets.errors import CustDynError
from custdyn_widgets.mail import MailServer
from custdyn_widgets.notebook import terminated_as_exit
from custdyn_widgets.saved_queries import is_name
from custdyn_widgets.scheduling.failure import describe_error, report_failure
from custdyn_widgets.scheduling.for_each import make_each
from custdyn_widgets.scheduling.locks import RunLock
from custdyn_widgets.scheduling.making import Made, Task, make_one
from custdyn_widgets.scheduling.order import Order
from custdyn_widgets.scheduling.recorder import Recorder
from custdyn_widgets.scheduling.records import Run
from custdyn_widgets.scheduling.retention import prune
from custdyn_widgets.scheduling.sending import send_all
from custdyn_widgets.settings import Settings
from custdyn_widgets.snapshots import Store
from custdyn_widgets.text import format_instant_utc


def dispatch(
    order: Order,
    *,
    settings: Settings,
    progress: Callable[[str], None],
    warn: Callable[[str], None] | None = None,
    now: datetime | None = None,
) -> Run:
    """Run a saved query: freeze its report, send it, record the run, and report a failure by mail.

    Parameters
    ----------
    order
        What to run.
    settings
        The settings.
    progress
        Called with each progress line, from other threads too.
    warn
        Called with each line that somebody must see even if all goes well. Defaults to `progress`.
    now
        The current time. Defaults to the system clock.

    Returns
    -------
    Run
        The record as it was written. It has a `problem` if anything went wrong.

    Raises
    ------
    SavedQueryError
        If no saved query can have this name. Nothing was recorded or sent.
    SystemExit, KeyboardInterrupt
        If the process was told to end; raised after that was recorded and reported.
    """
    if not is_name(order.name):
        saved_queries.load(order.name, settings=settings)  # its error says which names are possible
    run = Run.begun(order.name, asked_for=order.as_of is not None)
    recorder = Recorder(run, settings, progress, warn or progress)
    with contextlib.ExitStack() as held:  # the lock, until the failure was reported and the last record kept
        stop = _run_steps(order, recorder, now or datetime.now(UTC), held)
        recorder.keep_last()
        if recorder.run.problem and (receipts := _report_failure(recorder, order)):
            recorder.update(told=receipts)
            recorder.keep_last()
    if isinstance(stop, SystemExit) and not stop.code:
        raise SystemExit(1) from stop  # an own metric that ends Python is no success
    if stop:
        raise stop
    return recorder.run


def _run_steps(
    order: Order, recorder: Recorder, now: datetime, held: contextlib.ExitStack
) -> SystemExit | KeyboardInterrupt | None:
    """Take the steps until one fails; return what stopped the process, if anything did."""
    try:
        with terminated_as_exit():
            task = _prepare(order, recorder, now, held)
            recorder.keep()
            recorder.step = "the report was made"
            made = _make(task, recorder)
            recorder.keep_if_possible()  # what is frozen is sent all the same
            recorder.step = "the report was sent"
            _send(task, made, recorder)
            recorder.step = "old snapshots were deleted"
            _prune(task, made, recorder)
    except Exception as error:
        recorder.fail(describe_error(error))
    except (SystemExit, KeyboardInterrupt) as stop:
        recorder.fail(_describe_stop(stop))
        recorder.stop_retrying()
        return stop
    return None


def _prepare(order: Order, recorder: Recorder, now: datetime, held: contextlib.ExitStack) -> Task:
    """Read the saved query, find the time to run it for, and take its lock."""
    settings = recorder.settings
    try:
        stored = saved_queries.load(order.name, settings=settings)
    except CustDynError:
        if order.send:
            recorder.recover_failure_recipients()
        raise
    saved = recorder.saved = stored.saved
    recorder.update(title=saved.title, failure_recipients=saved.failure_recipients)
    recorder.step = "the run was prepared"
    if order.send and (saved.recipients or saved.failure_recipients or saved.for_each):
        recorder.server = MailServer.from_settings(settings)
    logical_time = order.logical_time(saved, now)
    recorder.update(logical_time=format_instant_utc(logical_time))
    held.enter_context(RunLock(recorder.runs.folder, order.name))
    _report_killed_runs(recorder)
    _warn_of_a_clock_moved_back(recorder, now)
    digests = recorder.runs.digests(order.name, format_instant_utc(logical_time)) if saved.only_if else {}
    return Task(
        order,
        saved,
        settings,
        saved_queries.folder_of(stored.place, settings=settings),
        logical_time,
        order.note(saved, logical_time, now),
        digests,
    )


def _report_killed_runs(recorder: Recorder) -> None:
    """Record that earlier runs without an end were killed, and report each; whoever holds the lock knows."""
    for run in recorder.runs.left_open(recorder.run.saved):
        killed = replace(run.killed(), where="it ran")
        recorder.runs.keep(killed)
        command = Order(run.saved).again(run.logical_time)  # with which options it ran, nobody knows
        recorder.runs.keep(replace(killed, told=report_failure(recorder, killed, command)))


def _warn_of_a_clock_moved_back(recorder: Recorder, now: datetime) -> None:
    last = recorder.runs.listing(1, saved=recorder.run.saved)
    if last and last[0].began > format_instant_utc(now):
        recorder.warn(
            f"The clock has been moved back: the run before this one began at {last[0].began}, which is "
            "still to come. What is sent now may have been sent before."
        )


def _make(task: Task, recorder: Recorder) -> list[Made]:
    """Make the reports; each counts once it is made, even if a later one fails."""
    made = []
    gaps: dict[str, None] = {}
    for report in (make_each if task.saved.for_each else make_one)(task, recorder.say):
        made.append(report)
        recorder.add_report(report.outcome)
        gaps |= dict.fromkeys(report.report.info.data_gaps if report.report else ())
    for gap in gaps:
        recorder.warn(gap)
    return made


def _send(task: Task, made: Sequence[Made], recorder: Recorder) -> None:
    """Send the reports, and give the run its end."""
    count = sum(len(report.recipients) for report in made)
    if count and recorder.server:
        recorder.say(f"Sending to {count:,} recipient{'' if count == 1 else 's'}")
    recorder.finish_sending(send_all(task, made, recorder.server, recorder.say, recorder.record_sending))


def _prune(task: Task, made: Sequence[Made], recorder: Recorder) -> None:
    """Delete old snapshots, if the saved query says which."""
    reports = {str(one.outcome.snapshot): one.report for one in made if one.report is not None}
    if task.saved.retention is None or not reports:
        return
    name, runs = task.order.name, recorder.runs
    deleted = prune(
        Store(task.settings.snapshots), task.saved.retention, reports, name, lambda: runs.snapshots(name)
    )
    if deleted:
        recorder.say(f"Deleted {deleted:,} old snapshot{'' if deleted == 1 else 's'}")


def _report_failure(recorder: Recorder, order: Order) -> tuple[dict[str, Any], ...]:
    run = recorder.run
    return report_failure(recorder, run, order.again(run.logical_time), recorder.last_lines())


def _describe_stop(stop: SystemExit | KeyboardInterrupt) -> str:
    code = stop.code if isinstance(stop, SystemExit) else 128 + signal.SIGINT
    number = code - 128 if isinstance(code, int) else 0
    name = signal.Signals(number).name if number in set(signal.Signals) else "by itself"
    return f"It was told to end ({name}). What had not been sent by then was not sent."
