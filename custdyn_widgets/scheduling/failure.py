"""The email about a failed run."""

from __future__ import annotations

import contextlib
import getpass
import os
import platform
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from custdyn_widgets.errors import CustDynError, SettingsError
from custdyn_widgets.mail import FailureLetter, deliver
from custdyn_widgets.publish import without_secrets
from custdyn_widgets.report import format_instant
from custdyn_widgets.saved_queries import SavedQuery
from custdyn_widgets.scheduling.crontab import needed_environment, program
from custdyn_widgets.scheduling.recorder import Recorder
from custdyn_widgets.scheduling.records import Run
from custdyn_widgets.settings import Settings


def failure_letter(
    run: Run, saved: SavedQuery | None, settings: Settings, command: str, lines: Sequence[str] = ()
) -> FailureLetter:
    """Return the email about a failed run.

    Parameters
    ----------
    run, saved
        The run's record and saved query; None if the saved query cannot be read.
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
        is_sent_again=any(report.snapshot and report.result not in settled for report in run.reports),
    )


def report_failure(
    recorder: Recorder, run: Run, command: str, lines: Sequence[str] = ()
) -> tuple[dict[str, Any], ...]:
    """Send the email about a failed run, if it has recipients.

    Parameters
    ----------
    recorder
        The recorder of the current run, which knows the recipients and the mail server.
    run
        The failed run: the current one or an earlier one.
    command, lines
        As for `failure_letter`.

    Returns
    -------
    tuple of dict
        The receipts; empty if nothing was sent.
    """
    recipients = recorder.run.failure_recipients
    if not recipients or recorder.server is None:
        return ()
    if run.can_be_resent:
        command = shlex.join(("custdyn", "runs", "resend", run.id))
    in_place = _in_place(recorder.redact(command), recorder.settings)
    letter = failure_letter(run, recorder.saved, recorder.settings, in_place, lines)
    try:
        [deliveries] = deliver([(letter, recipients)], recorder.server)
    except Exception as error:  # recording the failure is more important than this email
        recorder.say(recorder.redact(f"The failure email was not sent: {describe_error(error)}"))
        return ()
    for delivery in deliveries:
        if delivery.outcome != "sent":
            recorder.say(f"{delivery.recipient} did not get the failure email: {delivery.words}")
    receipts = tuple(delivery.to_dict() for delivery in deliveries)
    recorder.note_deliveries(receipts)
    return receipts


def _in_place(command: str, settings: Settings) -> str:
    """Return a shell command that runs another in this folder and with these settings."""
    words = [f"{name}={shlex.quote(value)}" for name, value in needed_environment(settings).items()]
    with contextlib.suppress(SettingsError):  # not installed: as it was called
        command = shlex.quote(str(program())) + command.removeprefix("custdyn")
    try:
        folder = f"cd {shlex.quote(str(Path.cwd()))} && "
    except FileNotFoundError:  # deleted in the meantime
        folder = ""
    return without_secrets(folder + " ".join([*words, command]), ())


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
