"""Sending emails after the mail server was unavailable, in the same run or a later one.

A run tries once and releases its lock before it waits, so that the next run is not refused. The first run to
acquire the lock sends everything that the records list as unsent, and the others then find nothing left to
send. The waits come from the mail server's settings.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from custdyn_widgets import saved_queries
from custdyn_widgets.errors import CustDynError, RunError, StillRunningError
from custdyn_widgets.publish import Frozen
from custdyn_widgets.scheduling.company_addresses import read_addresses
from custdyn_widgets.scheduling.failure import report_failure, send_unsent_failures
from custdyn_widgets.scheduling.locks import RunLock
from custdyn_widgets.scheduling.making import MadeReport, Task
from custdyn_widgets.scheduling.outcomes import Outcome, list_problems, with_receipts, worst_result
from custdyn_widgets.scheduling.recorder import Recorder
from custdyn_widgets.scheduling.run_record import SENDING, Run
from custdyn_widgets.scheduling.run_request import RunRequest
from custdyn_widgets.scheduling.sending import send_all
from custdyn_widgets.settings import Settings
from custdyn_widgets.snapshots import Store
from custdyn_widgets.text import format_instant_utc, mailbox

PATIENCE_S = 120.0  # how long a run waits for another run that is sending


@dataclass(frozen=True)
class Unsent:
    """A run whose reports did not reach everybody, and those reports with their remaining recipients."""

    run: Run
    made: tuple[MadeReport, ...]


def task_of(run: Run, settings: Settings) -> Task:
    """Return a recorded run as a task, with the saved query as it is now.

    Raises
    ------
    SavedQueryError
        If the saved query cannot be read.
    """
    stored = saved_queries.load(run.saved, settings=settings)
    folder = saved_queries.folder_of(stored.place, settings=settings)
    at = datetime.fromisoformat(run.logical_time or run.began)
    return Task(RunRequest(run.saved), stored.saved, settings, folder, at, "", {})


def unreached(outcome: Outcome, run: Run, task: Task, progress: Callable[[str], None]) -> MadeReport:
    """Return a run's report with the recipients who did not get it.

    Raises
    ------
    RunError
        If the report's snapshot cannot be read.
    """
    made = MadeReport(outcome, made_for=run.logical_time or run.began)
    if outcome.snapshot is None or outcome.result not in ("undelivered", "held back", "frozen"):
        return made
    if outcome.result == run.result == "frozen":  # the report had no recipients
        return made
    current = _recipients(outcome, task)
    reached = {mailbox(one["recipient"]) for one in outcome.deliveries if one["outcome"] == "sent"}
    listed = [one["recipient"] for one in outcome.deliveries] or list(current)
    left = [address for address in listed if mailbox(address) not in reached]
    still = {mailbox(address) for address in current}
    for address in left:
        if mailbox(address) not in still:
            progress(f"{address} is no longer a recipient, so nothing will be sent to it.")
    recipients = tuple(address for address in left if mailbox(address) in still)
    if not recipients:
        return made
    try:
        Store(task.settings.snapshots).manifest(outcome.snapshot)
    except CustDynError as error:
        raise RunError(f"The report of run {run.id} cannot be sent: {error.message}") from error
    link = task.settings.link(outcome.snapshot)
    return replace(made, recipients=recipients, frozen=Frozen(outcome.snapshot, link, None))


def _recipients(outcome: Outcome, task: Task) -> Sequence[str]:
    """Return the addresses to which the saved query currently sends a report."""
    if task.saved.for_each is None:
        return task.saved.recipients
    return read_addresses(task.folder / task.saved.for_each.addresses).get(str(outcome.company), ())


def find_unsent(recorder: Recorder, task: Task) -> list[Unsent]:
    """Return the runs of a saved query whose reports are still to be sent, oldest first."""
    waiting = [run for run in recorder.runs.unsent(recorder.run.saved) if run.waiting]
    waiting.sort(key=lambda run: (run.logical_time or run.began, run.id))
    return [
        Unsent(run, tuple(_still_unreached(one, run, task, recorder) for one in run.reports))
        for run in waiting
    ]


def _still_unreached(outcome: Outcome, run: Run, task: Task, recorder: Recorder) -> MadeReport:
    """Return a report with its remaining recipients, or with none if its snapshot was deleted."""
    given_up = {mailbox(one["recipient"]) for one in outcome.deliveries if one["outcome"] == "given up"}
    try:
        made = unreached(outcome, run, task, lambda _: None)
    except RunError as error:
        recorder.warn(error.message)
        refused = [
            {**one, "outcome": "refused", "words": error.message}
            for one in outcome.deliveries
            if one["outcome"] == "given up"
        ]
        return MadeReport(with_receipts(outcome, refused))
    return replace(made, recipients=tuple(one for one in made.recipients if mailbox(one) in given_up))


def after_sending(
    run: Run,
    made: Sequence[MadeReport],
    outcomes: Sequence[Outcome],
    *,
    is_complete: bool,
    again: bool = True,
) -> Run:
    """Return the record of a run whose reports have been sent again.

    Parameters
    ----------
    run
        The record before its reports were sent again.
    made
        The run's reports, with the recipients that they were sent to.
    outcomes
        The new outcomes of these reports.
    is_complete
        Whether the run made all its reports; if not, it keeps its result.
    again
        Whether to record when they were sent again, because the run had already ended.
    """
    is_waiting = any(_is_waiting(one, now) for one, now in zip(made, outcomes, strict=True))
    resent = (*run.resent, format_instant_utc(datetime.now(UTC))) if again else run.resent
    run = replace(run, reports=tuple(outcomes), resent=resent, waiting=is_waiting)
    if not is_complete:
        return run
    result, problem = worst_result(run.reports), list_problems(run.reports) or None
    return replace(run, result=result, problem=problem, where=SENDING if problem else None)


def _is_waiting(made: MadeReport, outcome: Outcome) -> bool:
    to = set(map(mailbox, made.recipients))
    return any(one["outcome"] == "given up" and mailbox(one["recipient"]) in to for one in outcome.deliveries)


def record_unsent(recorder: Recorder, unsent: Sequence[Unsent], outcomes: Sequence[Outcome]) -> None:
    """Record the new outcomes of several runs' reports; `outcomes` lists them in the runs' order."""
    left = list(outcomes)
    for one in unsent:
        own, left = left[: len(one.made)], left[len(one.made) :]
        is_other = one.run.id != recorder.run.id
        run = after_sending(
            one.run,
            one.made,
            own,
            is_complete=one.run.where == SENDING,
            again=is_other and own != list(one.run.reports),
        )
        if is_other and _outcomes(run) == _outcomes(one.run):
            continue  # nobody was reached; do not rewrite the records of all earlier runs
        run = replace(run, problem=run.problem and recorder.redact(run.problem))
        with contextlib.suppress(RunError):  # at worst, the reports are sent again
            recorder.runs.write(run)
        if not is_other:
            recorder.run = run


def _report_refusals(recorder: Recorder, unsent: Sequence[Unsent]) -> None:
    """Report earlier runs that will never reach everybody, unless this was already reported."""
    for one in unsent:
        run = recorder.runs.read(one.run)
        if run.id == recorder.run.id or not run.problem or run.waiting or run.was_reported:
            continue
        repeat_command = RunRequest(run.saved).repeat_command(run.logical_time)
        with contextlib.suppress(RunError):  # at worst, the run is reported again
            recorder.runs.write(report_failure(recorder, run, repeat_command))


def _outcomes(run: Run) -> list[tuple[str, str]]:
    return [(one["recipient"], one["outcome"]) for report in run.reports for one in report.deliveries]


def send_unsent(recorder: Recorder) -> None:
    """Try once to send what earlier runs of a saved query could not send; the caller must hold the lock."""
    if recorder.server is None:
        return
    try:
        task = task_of(recorder.run, recorder.settings)
        unsent = find_unsent(recorder, task)
        if any(made.recipients for one in unsent for made in one.made):
            count = len({to for one in unsent for made in one.made for to in made.recipients})
            recorder.say(f"Sending unsent reports to {count:,} recipient{'' if count == 1 else 's'}")
        flat = [made for one in unsent for made in one.made]
        outcomes = send_all(
            task,
            flat,
            recorder.server,
            recorder.say,
            lambda so_far: record_unsent(recorder, unsent, so_far()),
        )
        record_unsent(recorder, unsent, outcomes)
        _report_refusals(recorder, unsent)
    except CustDynError as error:  # the saved query or its address file cannot be read
        recorder.say(recorder.redact(f"Earlier reports cannot be sent yet. {error.message}"))
    send_unsent_failures(recorder)


def wait_and_send(recorder: Recorder, close: Callable[[], None], sleep: Callable[[float], object]) -> None:
    """Wait without the lock and try again while any email of the run is unsent, then end the run.

    Parameters
    ----------
    recorder
        The recorder of the run.
    close
        Called at the end, under the lock, to report any remaining failure.
    sleep
        Called for each wait, with the number of seconds.
    """
    folder, name = recorder.runs.folder, recorder.run.saved
    for wait in recorder.waits:
        if wait:
            recorder.say(f"Trying again in {wait:g} s. {_reason(recorder.run)}".rstrip())
            sleep(wait)
        with contextlib.suppress(StillRunningError, OSError), RunLock(folder, name) as lock, lock.sending():
            recorder.run = recorder.runs.read(recorder.run)
            if recorder.run.waiting or recorder.run.failure_unsent:
                send_unsent(recorder)
            if not recorder.run.waiting and not recorder.run.failure_unsent:
                break
    with RunLock(folder, name, PATIENCE_S) as lock, lock.sending():
        recorder.run = recorder.runs.read(recorder.run)
        close()


def _reason(run: Run) -> str:
    """Return why the last copy was not sent."""
    receipts = [*(receipt for one in run.reports for receipt in one.deliveries), *run.told]
    return next((str(one["words"]) for one in receipts if one["outcome"] == "given up"), "")
