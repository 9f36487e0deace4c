"""The mails of a run: each report to its own recipients, and the letter that tells of a failure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from custdyn_widgets.delivery import Attachment, Delivery, MailServer, ReportLetter, deliver, failed_words
from custdyn_widgets.dispatching.making import Made, Task
from custdyn_widgets.errors import SnapshotNotFoundError
from custdyn_widgets.runs import Outcome
from custdyn_widgets.snapshots.store import Store

_SLUG = re.compile("[^a-z0-9]+")
_LONGEST_SLUG = 60
_TOO_LONG = "No file is attached: the report has too many rows for XLSX. Its link offers them as CSV."


class Post:
    """The way of a run's reports to their recipients.

    Parameters
    ----------
    task
        The run.
    server
        The mail server; None: nothing is sent.
    """

    def __init__(self, task: Task, server: MailServer | None) -> None:
        self._task = task
        self.server = server

    def send(self, made: Made) -> Outcome:
        """Send a frozen report to its recipients and return what became of it."""
        outcome = made.outcome
        if made.report is None or not made.recipients:
            return outcome
        if self.server is None:
            return replace(outcome, result="held back")
        deliveries = deliver(self._letter(made), made.recipients, self.server)
        self.server = patience_spent(self.server, deliveries)
        failed = failed_words(deliveries)
        receipt = tuple(delivery.to_dict() for delivery in deliveries)
        if not failed:
            return replace(outcome, result="sent", deliveries=receipt)
        problem = f"The report is frozen, but did not get to everybody:\n{failed}"
        return replace(outcome, result="undelivered", deliveries=receipt, problem=problem)

    def _letter(self, made: Made) -> ReportLetter:
        assert made.report is not None
        assert made.frozen is not None
        saved, company = self._task.saved, made.outcome.company
        attachment = self._attachment(made)
        return ReportLetter(
            f"{saved.title} ({company})" if company else saved.title,
            self._task.order.name,
            made.report,
            str(made.frozen.link),
            attachment,
            saved.description,
            () if attachment else (_TOO_LONG,),
        )

    def _attachment(self, made: Made) -> Attachment | None:
        """Return the file that goes with the mail, as it was frozen; None if the report has no such file."""
        ending, company = self._task.saved.output, made.outcome.company
        part = _SLUG.sub("-", company.lower())[:_LONGEST_SLUG].strip("-") if company else ""
        name = f"{self._task.order.name}-{part}" if part else self._task.order.name
        try:
            data = Store(self._task.settings.snapshots).read(str(made.outcome.snapshot), f"report.{ending}")
        except SnapshotNotFoundError:
            return None
        return Attachment(f"{name}.{ending}", data)


def patience_spent(server: MailServer, deliveries: Sequence[Delivery]) -> MailServer:
    """Return the server to try next: one that let every mail wait to the last try is not waited for again."""
    spent = all(delivery.outcome == "given up" for delivery in deliveries)
    return replace(server, waits=()) if spent else server
