"""The recorder of a run: it updates the run's record and passes on its progress lines."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from custdyn_widgets.errors import CustDynError, RunError
from custdyn_widgets.mail import MailServer
from custdyn_widgets.publish import known_secrets, without_secrets
from custdyn_widgets.saved_queries import SavedQuery
from custdyn_widgets.scheduling.records import Outcome, Run, Runs
from custdyn_widgets.settings import Settings

_LINES = 30


class Recorder:
    """Records one run.

    Parameters
    ----------
    run
        The record so far.
    settings
        The settings; `settings.runs` is the folder of the records.
    progress
        Called with each progress line, from other threads too.
    warn
        Called with each line that must be seen even if the run succeeds.

    Attributes
    ----------
    run
        The record so far.
    step
        The current step in words, such as "making the report", for messages about a failure.
    saved, server
        The saved query and the mail server, once they are known.
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
        self._progress, self._warn = progress, warn
        self._lines: deque[str] = deque(maxlen=_LINES)

    def update(self, **changes: Any) -> None:
        """Change fields of the record without writing it."""
        self.run = replace(self.run, **changes)

    def add_report(self, outcome: Outcome) -> None:
        """Add a report to the record."""
        self.update(reports=(*self.run.reports, outcome))

    def finish(self, result: str, *, problem: str = "", where: str | None = None) -> None:
        """Record that the run has ended."""
        self.run = self.run.finished(result, problem=self.redact(problem) or None, where=where)

    def fail(self, problem: str) -> None:
        """Record that the run has failed, without losing what was already frozen and sent."""
        result = self.run.result
        if result == "running":
            result = "undelivered" if any(report.snapshot for report in self.run.reports) else "failed"
        problems = filter(None, (self.run.problem, problem))
        self.finish(result, problem="\n".join(problems), where=self.step)

    def keep(self) -> None:
        """Write the record.

        Raises
        ------
        RunError
            If it cannot be written.
        """
        self.runs.keep(self.run)

    def keep_if_possible(self) -> None:
        """Write the record; ignore errors, since writing the final record reports them."""
        with contextlib.suppress(RunError):
            self.keep()

    def keep_last(self) -> None:
        """Write the final record; add an error, once, to the problems of the run."""
        try:
            self.keep()
        except RunError as error:
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
            return f"{error.message} Until then, details of this run are withheld."

    def stop_retrying(self) -> None:
        """From now on, try to send each email only once."""
        if self.server:
            self.server = replace(self.server, waits=())

    def note_deliveries(self, receipts: Iterable[Mapping[str, Any]]) -> None:
        """Stop retrying if every delivery was given up."""
        if {receipt["outcome"] for receipt in receipts} == {"given up"}:
            self.stop_retrying()
