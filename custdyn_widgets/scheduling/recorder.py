"""A recorder that updates the record of a run and passes on its progress lines."""

from __future__ import annotations

import contextlib
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from custdyn_widgets import saved_queries
from custdyn_widgets.errors import CustDynError, RunError, SavedQueryError, SettingsError
from custdyn_widgets.mail import MailServer
from custdyn_widgets.publish import known_secrets, without_secrets
from custdyn_widgets.saved_queries import SavedQuery
from custdyn_widgets.scheduling.locks import RunLock
from custdyn_widgets.scheduling.outcomes import Outcome, list_problems, worst_result
from custdyn_widgets.scheduling.records import Runs
from custdyn_widgets.scheduling.run_record import SENDING, Run
from custdyn_widgets.scheduling.webhook import Webhook
from custdyn_widgets.settings import Settings

_LINES = 30
_FAILED_STEPS = {
    "failed": "making the reports",
    "stale": "checking the data",
    "undelivered": SENDING,
}
_WRITE_EVERY_S = 1.0


def parse_failure_recipients(settings: Settings) -> tuple[str, ...]:
    """Return the failure recipients in the settings.

    Raises
    ------
    SettingsError
        If one is not a plain email address.
    """
    listed = [address.strip() for address in (settings.failure_recipients or "").split(",")]
    try:
        return saved_queries.parse_recipients("CUSTDYN_FAILURE_RECIPIENTS", list(filter(None, listed)))
    except SavedQueryError as error:
        raise SettingsError(error.message, field="CUSTDYN_FAILURE_RECIPIENTS") from None


class Recorder:
    """Records one run.

    Parameters
    ----------
    run
        The record so far.
    settings
        The settings; `settings.runs` is the folder of run records.
    progress
        Called with each progress line, possibly from other threads.
    warn
        Called with each line that must be seen even if the run succeeds.

    Attributes
    ----------
    run
        The record so far.
    step
        The current step in words, such as "making the report", for messages about a failure.
    saved, server
        The saved query and the mail server (without its waits), once they are known.
    waits
        The number of seconds to wait, without the lock, before each further attempt.
    repeat_command
        The command that repeats the run.
    lock
        The lock, if the run holds it.
    webhook
        The webhook in the settings; None if there is none, or if nothing is to be sent.
    has_sent
        Whether the run has begun to send anything, even if only what earlier runs left unsent.
    is_recorded
        Whether the final record was written.
    explains_silence
        Whether to warn if nobody is notified of a failure; False with `--no-send` and after one such warning.
    """

    def __init__(
        self, run: Run, settings: Settings, progress: Callable[[str], None], warn: Callable[[str], None]
    ) -> None:
        assert settings.runs is not None
        self.run = run
        self.settings = settings
        self.runs = Runs(settings.runs)
        self.step = "reading the saved query"
        self.saved: SavedQuery | None = None
        self.server: MailServer | None = None
        self.waits: tuple[float, ...] = ()
        self.webhook: Webhook | None = None
        self.repeat_command = ""
        self.lock: RunLock | None = None
        self.has_sent = False
        self.is_recorded = False
        self.explains_silence = False
        self._other_recipients: tuple[str, ...] = ()
        self._progress, self._warn = progress, warn
        self._lines: deque[str] = deque(maxlen=_LINES)
        self._written = -math.inf
        self._sent_so_far: Callable[[], Sequence[Outcome]] | None = None

    def update(self, **changes: Any) -> None:
        """Change fields of the record without writing it."""
        self.run = replace(self.run, **changes)

    def add_report(self, outcome: Outcome) -> None:
        """Add a report to the record."""
        self._set_reports((*self.run.reports, outcome))

    def record_sending(self, outcomes: Callable[[], Sequence[Outcome]]) -> bool:
        """Record what has been sent so far, at most once a second, in case the run is killed."""
        self._sent_so_far = outcomes
        if time.monotonic() - self._written < _WRITE_EVERY_S:
            return False
        self._set_reports(outcomes())
        self.write_if_possible()
        self._written = time.monotonic()
        return True

    def finish_sending(self, outcomes: Sequence[Outcome]) -> None:
        """Record the outcome of each report and the end of the run."""
        self._sent_so_far = None
        self.has_sent = True
        self._set_reports(outcomes)
        given_up = any(one["outcome"] == "given up" for outcome in outcomes for one in outcome.deliveries)
        self.update(waiting=given_up)
        result = worst_result(self.run.reports)
        self.finish(result, problem=list_problems(self.run.reports), where=_FAILED_STEPS.get(result))

    def _set_reports(self, outcomes: Sequence[Outcome]) -> None:
        reports = tuple(replace(one, problem=one.problem and self.redact(one.problem)) for one in outcomes)
        self.update(reports=reports)

    def read_notice_settings(self) -> None:
        """Read the webhook and failure recipients from the settings; if they are invalid, only warn."""
        self.explains_silence = True
        try:
            self.webhook = Webhook.from_settings(self.settings)
        except SettingsError as error:
            self._warn_of_silence(f"The webhook cannot be used. {error.message}")
        try:
            self._other_recipients = parse_failure_recipients(self.settings)
            if self._other_recipients:
                self.read_server()
        except SettingsError as error:
            self._warn_of_silence(
                f"The failure recipients in the settings cannot be notified. {error.message}"
            )

    def prepare_failure_email(self, run: Run) -> None:
        """Read the mail server's settings if they have not been read; warn if nobody can be notified.

        The warning says what to set. It is omitted if there is a webhook, or if the run's problem already
        says why.
        """
        if not self.explains_silence or (self.failure_recipients and self.server is not None):
            return
        why = "List failure_recipients in the saved query, or in the settings (CUSTDYN_FAILURE_RECIPIENTS)."
        if self.failure_recipients:
            try:
                self.read_server()
            except SettingsError as error:
                why = error.message
            else:
                return
        if self.webhook is None and self.redact(why) not in (run.problem or ""):
            is_own = run.id == self.run.id
            earlier = f"the run for {run.logical_time or run.began} ({run.result})"
            self._warn_of_silence(f"Nobody was notified of {'this failure' if is_own else earlier}. {why}")

    def _warn_of_silence(self, line: str) -> None:
        self.explains_silence = False
        self.warn(line)

    def read_server(self) -> None:
        """Read the mail server's settings.

        Raises
        ------
        SettingsError
            If they cannot be used.
        """
        server = MailServer.from_settings(self.settings)
        self.server, self.waits = replace(server, waits=()), server.waits

    @property
    def failure_recipients(self) -> tuple[str, ...]:
        """The failure recipients in the saved query or, if it has none, in the settings."""
        return self.run.failure_recipients or self._other_recipients

    def recover_failure_recipients(self) -> None:
        """Find the failure recipients in the saved query's file or its last record."""
        name = self.run.saved
        found = saved_queries.failure_recipients(name, settings=self.settings)
        found = found or self.runs.failure_recipients(name)
        if found:
            self.update(failure_recipients=found)
            with contextlib.suppress(SettingsError):  # the saved query's error is more important
                self.read_server()

    def finish(self, result: str, *, problem: str = "", where: str | None = None) -> None:
        """Record that the run has ended."""
        self.run = self.run.finished(result, problem=self.redact(problem) or None, where=where)

    def fail(self, problem: str) -> None:
        """Record that the run has failed, without losing what was already frozen and sent."""
        result, problems = self.run.result, [self.run.problem, problem]
        if self._sent_so_far:
            self._set_reports(self._sent_so_far())
            result = worst_result(self.run.reports)
            problems.append(list_problems(self.run.reports))
        elif result == "running":
            result = "undelivered" if any(report.snapshot for report in self.run.reports) else "failed"
        self.finish(result, problem="\n".join(filter(None, problems)), where=self.step)

    def write(self) -> None:
        """Write the record.

        Raises
        ------
        RunError
            If it cannot be written.
        """
        self.runs.write(self.run)

    def write_if_possible(self) -> None:
        """Write the record, ignoring errors, because writing the final record will report them."""
        with contextlib.suppress(RunError):
            self.write()

    def write_final(self) -> None:
        """Write the final record; if that fails, add the error to the run's problems, but only once."""
        self.is_recorded = True
        try:
            self.write()
        except RunError as error:
            self.is_recorded = False
            problems = (self.run.problem or "").split("\n")
            if error.message not in problems:
                self.update(
                    problem="\n".join(filter(None, (*problems, error.message))),
                    where=self.run.where or "writing the record of the run",
                )

    def say(self, line: str) -> None:
        """Report a progress line."""
        self._say(line, self._progress)

    def warn(self, line: str) -> None:
        """Report a line that must be seen even if the run succeeds."""
        self._say(line, self._warn)

    def _say(self, line: str, say: Callable[[str], None]) -> None:
        self._lines.append(f"{datetime.now(UTC):%H:%M:%S} {line}")
        with contextlib.suppress(OSError):  # reports must be sent even if the log cannot be written
            say(line)

    def last_lines(self) -> tuple[str, ...]:
        """Return the last progress lines, redacted."""
        return tuple(map(self.redact, self._lines))

    def redact(self, text: str) -> str:
        """Return text with secrets and details of this machine masked."""
        try:
            return without_secrets(text, known_secrets(self.settings))
        except CustDynError as error:
            return f"{error.message} Until this is fixed, details of this run are withheld."
