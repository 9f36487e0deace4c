"""Sending the reports of a recorded run to the recipients that it did not reach, and to nobody else.

The emails are the same as in the run: the report is read from its snapshot, so nothing is recomputed.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from custdyn_widgets import saved_queries
from custdyn_widgets.errors import CustDynError, RunError, shown
from custdyn_widgets.mail import MailServer
from custdyn_widgets.publish import Frozen, known_secrets, without_secrets
from custdyn_widgets.report import Report
from custdyn_widgets.saved_queries import is_name
from custdyn_widgets.scheduling.company_addresses import read_addresses
from custdyn_widgets.scheduling.locks import RunLock
from custdyn_widgets.scheduling.making import MadeReport, Task
from custdyn_widgets.scheduling.outcomes import Outcome, list_problems, worst_result
from custdyn_widgets.scheduling.records import SENDING, Run, Runs
from custdyn_widgets.scheduling.run_request import RunRequest
from custdyn_widgets.scheduling.sending import send_all
from custdyn_widgets.settings import Settings
from custdyn_widgets.snapshots import Store
from custdyn_widgets.text import format_instant_utc, mailbox


def resend(run_id: str, *, settings: Settings, progress: Callable[[str], None]) -> Run:
    """Send the reports of a run to the recipients that it did not reach, and record that.

    Parameters
    ----------
    run_id
        The run's id, or the name of a saved query for its newest run.
    settings
        The settings.
    progress
        Called with each progress line.

    Returns
    -------
    Run
        The record as written. Its `problem` is set if it still did not reach everybody.

    Raises
    ------
    RunError
        If there is no such run, if it is in progress, if it reached everybody, or if its record cannot be
        written.
    SavedQueryError, SettingsError
        If the saved query or the settings cannot be used.
    """
    assert settings.runs is not None
    runs = Runs(settings.runs)
    saved_query = _find(run_id, runs).saved
    with RunLock(runs.folder, saved_query):
        run = _find(run_id, runs)
        if run.result == "running":  # this process holds the lock, so it was killed
            run = replace(run.killed(), where="running")
        task = _task(run, settings)
        made = [_unreached(one, run, task, progress) for one in run.reports]
        if not any(one.recipients for one in made):
            raise RunError(f"The run {run.id} ({run.result}) has no recipients left to send its report to.")
        server = MailServer.from_settings(settings)
        runs.write(run)  # nothing is sent if that fails

        def record(outcomes: Callable[[], list[Outcome]]) -> None:
            with contextlib.suppress(RunError):  # writing the final record reports it
                runs.write(replace(run, reports=_merged(run, outcomes())))

        progress(f"Sending to {sum(len(one.recipients) for one in made):,} of the recipients")
        sent = _merged(run, send_all(task, made, server, progress, record))
        run = _finished(run, sent, is_complete=run.where == SENDING or not task.saved.for_each)
        secrets = known_secrets(settings)
        run = replace(run, problem=run.problem and without_secrets(run.problem, secrets))
        runs.write(run)
        return run


def _find(run_id: str, runs: Runs) -> Run:
    """Return a run by its id, or the newest of a saved query."""
    if is_name(run_id):
        found = next(runs.newest_first(run_id), None)
    else:
        found = next((run for run in runs.listing() if run.id == run_id), None)
    if found is None or found.result == "unreadable":
        raise RunError(
            f"There is no run {shown(run_id)}. `custdyn runs list --json` shows the id of each run; the name "
            "of a saved query stands for its newest run."
        )
    return found


def _task(run: Run, settings: Settings) -> Task:
    stored = saved_queries.load(run.saved, settings=settings)
    folder = saved_queries.folder_of(stored.place, settings=settings)
    at = datetime.fromisoformat(run.logical_time or run.began)
    return Task(RunRequest(run.saved), stored.saved, settings, folder, at, "", {})


def _unreached(outcome: Outcome, run: Run, task: Task, progress: Callable[[str], None]) -> MadeReport:
    """Return a report of the run with the recipients that it did not reach."""
    made = MadeReport(outcome)
    if outcome.snapshot is None or outcome.result not in ("undelivered", "held back", "frozen"):
        return made
    if outcome.result == run.result == "frozen":  # it had no recipients
        return made
    current = _recipients(outcome, task)
    reached = {mailbox(one["recipient"]) for one in outcome.deliveries if one["outcome"] == "sent"}
    listed = [one["recipient"] for one in outcome.deliveries] or list(current)
    left = [address for address in listed if mailbox(address) not in reached]
    still = {mailbox(address) for address in current}
    for address in left:
        if mailbox(address) not in still:
            progress(f"{address} is no longer a recipient, so nothing is sent there.")
    recipients = tuple(address for address in left if mailbox(address) in still)
    if not recipients:
        return made
    try:
        report = Report.from_dict(
            json.loads(Store(task.settings.snapshots).read(outcome.snapshot, "report.json"))
        )
    except CustDynError as error:
        raise RunError(f"The report of the run {run.id} cannot be sent: {error.message}") from error
    link = task.settings.link(outcome.snapshot)
    return replace(made, recipients=recipients, report=report, frozen=Frozen(outcome.snapshot, link, None))


def _recipients(outcome: Outcome, task: Task) -> Sequence[str]:
    """Return the addresses that the saved query has for a report now."""
    if task.saved.for_each is None:
        return task.saved.recipients
    return read_addresses(task.folder / task.saved.for_each.addresses).get(str(outcome.company), ())


def _merged(run: Run, outcomes: Sequence[Outcome]) -> tuple[Outcome, ...]:
    """Return the outcomes of all reports, with the receipts of both the run and this resend."""
    return tuple(_with_receipts(one, now) for one, now in zip(run.reports, outcomes, strict=True))


def _with_receipts(before: Outcome, now: Outcome) -> Outcome:
    if now is before or now.deliveries == before.deliveries:
        return now
    new: dict[str, dict[str, Any]] = {mailbox(one["recipient"]): one for one in now.deliveries}
    kept = [new.pop(mailbox(one["recipient"]), one) for one in before.deliveries]
    deliveries = (*kept, *new.values())
    failed = [one for one in deliveries if one["outcome"] != "sent"]
    lines = [f"{one['recipient']}: {one['outcome']}. {one['words']}" for one in failed]
    problem = "\n".join(["The report was frozen but did not reach everybody:", *lines]) if lines else None
    return replace(now, result="undelivered" if lines else "sent", deliveries=deliveries, problem=problem)


def _finished(run: Run, reports: tuple[Outcome, ...], *, is_complete: bool) -> Run:
    """Return the record after sending; a run that did not make all its reports keeps its result."""
    run = replace(run, reports=reports, resent=(*run.resent, format_instant_utc(datetime.now(UTC))))
    if not is_complete and run.result != "held back":
        return run
    result, problem = worst_result(reports), list_problems(reports) or None
    return replace(run, result=result, problem=problem, where=SENDING if problem else None)
