"""Sending a recorded run's reports to only those recipients who did not get them.

The emails match those of the run: the report is read from its snapshot, so nothing is recomputed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace

from custdyn_widgets.errors import RunError, shown
from custdyn_widgets.mail import MailServer
from custdyn_widgets.publish import known_secrets, without_secrets
from custdyn_widgets.saved_queries import is_name
from custdyn_widgets.scheduling.locks import RunLock
from custdyn_widgets.scheduling.making import MadeReport, Task
from custdyn_widgets.scheduling.outcomes import Outcome
from custdyn_widgets.scheduling.records import Runs
from custdyn_widgets.scheduling.run_record import SENDING, Run
from custdyn_widgets.scheduling.sending import send_all
from custdyn_widgets.scheduling.unsent import after_sending, task_of, unreached
from custdyn_widgets.settings import Settings


def resend(run_id: str, *, settings: Settings, progress: Callable[[str], None]) -> Run:
    """Send a run's reports to the recipients who did not get them, and record the result.

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
        The record as written. Its `problem` is set if the run still has not reached everybody.

    Raises
    ------
    RunError
        If the run does not exist, is in progress or has reached everybody, or if its record cannot be
        written.
    SavedQueryError, SettingsError
        If the saved query or the settings cannot be used.
    """
    assert settings.runs is not None
    runs = Runs(settings.runs)
    saved_query = _find(run_id, runs).saved
    with RunLock(runs.folder, saved_query):
        run = _find(run_id, runs)
        if run.result == "running":  # this process holds the lock, so the run was killed
            run = replace(run.killed(), where="running")
        task = task_of(run, settings)
        made = [unreached(one, run, task, progress) for one in run.reports]
        if not any(one.recipients for one in made):
            raise RunError(f"Run {run.id} ({run.result}) has no recipients left to send its report to.")
        server = replace(MailServer.from_settings(settings), waits=())
        runs.write(run)  # if this fails, nothing is sent

        def record(outcomes: Callable[[], list[Outcome]]) -> None:
            with contextlib.suppress(RunError):  # writing the final record reports the error
                runs.write(replace(run, reports=tuple(outcomes())))

        count = sum(len(one.recipients) for one in made)
        progress(f"Sending to the recipients not yet reached: {count:,}")
        sent = send_all(task, made, server, progress, record)
        run = _after_resending(run, made, sent, task)
        runs.write(run)
        return run


def _after_resending(run: Run, made: Sequence[MadeReport], sent: Sequence[Outcome], task: Task) -> Run:
    """Return the record; a run that did not make all its reports keeps its result."""
    is_complete = run.where == SENDING or not task.saved.for_each or run.result == "held back"
    run = after_sending(run, made, sent, is_complete=is_complete)
    secrets = known_secrets(task.settings)
    return replace(run, problem=run.problem and without_secrets(run.problem, secrets))


def _find(run_id: str, runs: Runs) -> Run:
    """Return a run by its id, or a saved query's newest run."""
    if is_name(run_id):
        found = next(runs.newest_first(run_id), None)
    else:
        found = next((run for run in runs.listing() if run.id == run_id), None)
    if found is None or found.result == "unreadable":
        raise RunError(
            f"There is no run {shown(run_id)}. `custdyn runs list --json` shows the id of each run; the name "
            "of a saved query selects its newest run."
        )
    return found
