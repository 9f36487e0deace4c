"""The email and the webhook message about a failed run."""

from __future__ import annotations

import contextlib
import getpass
import os
import platform
from collections.abc import Sequence
from dataclasses import replace

from custdyn_widgets.errors import CustDynError, RunError
from custdyn_widgets.mail import FailureLetter, deliver
from custdyn_widgets.report import format_instant
from custdyn_widgets.saved_queries import SavedQuery
from custdyn_widgets.scheduling.crontab import in_place
from custdyn_widgets.scheduling.outcomes import Outcome, with_receipts
from custdyn_widgets.scheduling.recorder import Recorder
from custdyn_widgets.scheduling.run_record import Run
from custdyn_widgets.scheduling.run_request import RunRequest
from custdyn_widgets.scheduling.webhook import post
from custdyn_widgets.settings import Settings
from custdyn_widgets.text import mailbox

_POSTED = ("saved", "title", "result", "logical_time", "began", "ended", "where", "problem")


def failure_letter(
    run: Run, saved: SavedQuery | None, settings: Settings, command: str, lines: Sequence[str] = ()
) -> FailureLetter:
    """Return the email about a failed run.

    Parameters
    ----------
    run, saved
        The run's record, and its saved query (None if that cannot be read).
    settings
        The settings, which determine the link to the snapshot.
    command
        The command that repeats the run.
    lines
        The last progress lines.
    """
    snapshots = [report.snapshot for report in run.reports if report.snapshot and not report.company]
    settled = ("sent", "not sent") if saved and ("changed" in saved.only_if or saved.alert_if) else ()
    times = (("For", run.logical_time), ("Began", run.began), ("Ended", run.ended))
    facts = (
        *((label, format_instant(at, "UTC")) for label, at in times if at),
        ("Machine", platform.node()),
        ("User", _user()),
        *(("Snapshot", snapshot) for snapshot in snapshots),
    )
    return FailureLetter(
        run.title,
        run.saved,
        run.problem or "",
        run.where or "",
        facts,
        command,
        tuple(lines),
        link=settings.link(snapshots[0]) if snapshots and run.result != "sent" else "",
        is_for_the_rest=run.can_be_resent,
        is_waiting=run.waiting,
        is_for_operators=not run.failure_recipients,
        is_sent_again=any(report.snapshot and report.result not in settled for report in run.reports),
    )


def report_failure(recorder: Recorder, run: Run, command: str, lines: Sequence[str] = ()) -> Run:
    """Send the email about a failed run, if it has recipients, and notify the webhook.

    Parameters
    ----------
    recorder
        The recorder of the current run, which knows the recipients, the mail server and the webhook.
    run
        The failed run: the current one or an earlier one.
    command, lines
        As for `failure_letter`.

    Returns
    -------
    Run
        The record of the failed run with the receipts.
    """
    remedy = _resend_or(command, recorder, run)
    run = post_event(recorder, run, "run.failed", remedy)
    recorder.prepare_failure_email(run)
    recipients = recorder.failure_recipients
    if not recipients or recorder.server is None:
        return run
    letter = failure_letter(run, recorder.saved, recorder.settings, remedy, lines)
    return _send_letter(recorder, letter, run, recipients)


def send_unsent_failures(recorder: Recorder) -> None:
    """Send one email about earlier failures that could not be reported; the caller must hold the lock.

    Runs whose reports have since been sent are left out.
    """
    failure_unsent = [run for run in recorder.runs.unsent(recorder.run.saved) if run.failure_unsent]
    for run in failure_unsent:
        if not run.problem:
            _write(recorder, replace(run, failure_unsent=False))
    failure_unsent = [run for run in failure_unsent if run.problem]
    current = set(map(mailbox, recorder.failure_recipients))
    left: dict[str, str] = {}
    for run in failure_unsent:
        for one in run.told:
            address = mailbox(one["recipient"])
            if one["outcome"] == "given up" and (address in current or not current):
                left[address] = one["recipient"]
    if recorder.server is None or not left:
        return
    *others, last = failure_unsent
    is_own = last.id == recorder.run.id
    command = recorder.repeat_command if is_own else RunRequest(last.saved).repeat_command(last.logical_time)
    letter = replace(
        failure_letter(last, recorder.saved, recorder.settings, _resend_or(command, recorder, last)),
        earlier=tuple(f"{run.logical_time or run.began}: {run.problem}" for run in reversed(others)),
    )
    told = _send_letter(recorder, letter, last, tuple(left.values())).told[len(last.told) :]
    for run in failure_unsent:
        merged = with_receipts(Outcome("failed", deliveries=run.told), told).deliveries
        _write(
            recorder,
            replace(run, told=merged, failure_unsent=any(one["outcome"] == "given up" for one in merged)),
        )


def _write(recorder: Recorder, run: Run) -> None:
    with contextlib.suppress(RunError):  # at worst, the failure is reported again
        recorder.runs.write(run)
    if run.id == recorder.run.id:
        recorder.run = run


def _resend_or(command: str, recorder: Recorder, run: Run) -> str:
    """Return a shell command that repeats a run or, if possible, only sends its unsent emails."""
    return in_place(recorder.redact(run.resend_command or command), recorder.settings)


def _send_letter(recorder: Recorder, letter: FailureLetter, run: Run, recipients: Sequence[str]) -> Run:
    """Send the email about a failed run, and return the record with the receipts."""
    assert recorder.server is not None
    try:
        [deliveries] = deliver([(letter, recipients)], recorder.server)
    except Exception as error:  # recording the failure is more important than this email
        recorder.say(recorder.redact(f"The failure email was not sent: {describe_error(error)}"))
        return run
    for delivery in deliveries:
        if delivery.outcome != "sent":
            recorder.say(f"{delivery.recipient} did not get the failure email: {delivery.words}")
    receipts = tuple(delivery.to_dict() for delivery in deliveries)
    failure_unsent = any(delivery.outcome == "given up" for delivery in deliveries)
    return replace(run, told=(*run.told, *receipts), failure_unsent=failure_unsent)


def post_event(recorder: Recorder, run: Run, kind: str, command: str = "") -> Run:
    """Post a message about a run to the webhook, if there is one, and return the record with its receipt."""
    if recorder.webhook is None:
        return run
    about = {name: getattr(run, name) for name in _POSTED}
    data = {name: recorder.redact(text) if text else text for name, text in about.items()}
    data |= {"run": run.id, "machine": platform.node()} | ({"command": command} if command else {})
    receipt = post(recorder.webhook, kind, data)
    if receipt["outcome"] != "sent":
        recorder.warn(f"The webhook at {receipt['host']} was not notified of this run. {receipt['words']}")
    return replace(run, webhook=(*run.webhook, receipt))


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name
        return str(os.getuid())


def describe_error(error: Exception) -> str:
    """Return an error's message for the user."""
    if isinstance(error, CustDynError):
        return error.message
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror or error}."
    return f"{type(error).__name__}: {error}. This is a bug in custdyn."
