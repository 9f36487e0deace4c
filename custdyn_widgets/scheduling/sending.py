"""Sending the reports of a run, each to its own recipients."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from custdyn_widgets.errors import CustDynError
from custdyn_widgets.mail import Attachment, Delivery, MailServer, ReportLetter, deliver
from custdyn_widgets.publish import TOTAL_LINE, known_secrets, without_secrets
from custdyn_widgets.render import to_excel_csv
from custdyn_widgets.report import Report, format_instant, interval_slug
from custdyn_widgets.scheduling.alerts import letter_alerts, letter_mark
from custdyn_widgets.scheduling.letter_charts import letter_charts
from custdyn_widgets.scheduling.making import MadeReport, Task
from custdyn_widgets.scheduling.outcomes import Outcome, with_receipts
from custdyn_widgets.snapshots import Store
from custdyn_widgets.text import format_instant_utc, mailbox, slug

_ID_BEGINNING = 8  # characters of the snapshot's id in the attachment's file name
_NO_FILE = {
    "xlsx": "No file is attached: the report is too large for XLSX. Download it as CSV from the link.",
    "pdf": "No file is attached: the snapshot has no PDF. Download it as CSV or XLSX from the link.",
}


@dataclass(frozen=True)
class _Post:
    """An email: the positions of its report and of the earlier reports it links to, and its recipients."""

    at: int
    earlier: tuple[int, ...]
    recipients: tuple[str, ...]


def send_all(
    task: Task,
    made: Sequence[MadeReport],
    server: MailServer | None,
    progress: Callable[[str], None],
    record: Callable[[Callable[[], list[Outcome]]], object] = lambda _: None,
) -> list[Outcome]:
    """Send each frozen report to its recipients.

    A recipient who is owed several reports on the same clients, because earlier ones could not be sent, gets
    a single email with the last report and links to the earlier ones.

    Parameters
    ----------
    task
        The run.
    made
        The reports, oldest first.
    server
        The mail server; None to send nothing.
    progress
        Called with a line before each wait for a server that is not ready.
    record
        Called after each accepted copy, with a function that returns the outcomes so far.

    Returns
    -------
    list of Outcome
        The outcome of each report, in the given order.
    """
    outcomes = [one.outcome for one in made]
    if server is None:
        return [_held_back(one) for one in made]
    letters = _letters(task, made, outcomes)
    posts = [post for post, _ in letters]

    def merge(delivered: list[list[Delivery]]) -> list[Outcome]:
        receipts = _receipts(made, posts, delivered)
        return [with_receipts(outcome, receipts[at]) for at, outcome in enumerate(outcomes)]

    delivered = deliver(
        [(letter, post.recipients) for post, letter in letters],
        server,
        progress=progress,
        record=lambda so_far: record(lambda: merge(so_far())),
        message_ids=[_message_ids(made[post.at].outcome) for post in posts],
    )
    return merge(delivered)


def _letters(
    task: Task, made: Sequence[MadeReport], outcomes: list[Outcome]
) -> list[tuple[_Post, ReportLetter]]:
    """Return the emails; if one cannot be written, record the problem in its report's outcome."""
    letters = []
    for post in _posts(made):
        try:
            letters.append((post, _letter(task, made, post)))
        except CustDynError as error:
            outcomes[post.at] = replace(made[post.at].outcome, result="undelivered", problem=error.message)
    return letters


def _receipts(
    made: Sequence[MadeReport], posts: Sequence[_Post], delivered: Sequence[Sequence[Delivery]]
) -> dict[int, list[dict[str, Any]]]:
    """Return the receipts for each report, including reports that an email only links to."""
    receipts: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for post, deliveries in zip(posts, delivered, strict=True):
        for one in deliveries:
            receipts[post.at].append(one.to_dict())
            for at in post.earlier:
                receipts[at].append(_receipt_by_link(one, made[at]))
    return receipts


def _held_back(made: MadeReport) -> Outcome:
    return replace(made.outcome, result="held back") if made.frozen and made.recipients else made.outcome


def _posts(made: Sequence[MadeReport]) -> list[_Post]:
    owed: dict[tuple[str | None, str], list[int]] = defaultdict(list)
    addresses: dict[tuple[str | None, str], str] = {}
    for at, one in enumerate(made):
        for address in one.recipients if one.frozen is not None else ():
            key = (one.outcome.company, mailbox(address))
            owed[key].append(at)
            addresses[key] = address
    recipients: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for key, positions in owed.items():
        recipients[tuple(positions)].append(addresses[key])
    return [_Post(at, tuple(earlier), tuple(to)) for (*earlier, at), to in recipients.items()]


def _message_ids(outcome: Outcome) -> dict[str, str]:
    """Return the Message-IDs of the unsent copies by recipient; the next attempt reuses them."""
    return {one["recipient"]: one["message_id"] for one in outcome.deliveries if one["outcome"] != "sent"}


def _receipt_by_link(delivery: Delivery, made: MadeReport) -> dict[str, Any]:
    """Return a recipient's receipt for an earlier report, which the email only links to."""
    known = _message_ids(made.outcome).get(delivery.recipient, delivery.message_id)
    receipt = delivery.to_dict() | {"attached": False}
    if delivery.outcome == "sent":
        return receipt | {"words": "The email with the next report links to it."}
    return receipt | {"message_id": known}


def _letter(task: Task, reports: Sequence[MadeReport], post: _Post) -> ReportLetter:
    made = _with_report(reports[post.at], task)
    assert made.report is not None
    assert made.frozen is not None
    company, attachment = made.outcome.company, _attachment(task, made)
    secrets = known_secrets(task.settings)  # the report was already searched for secrets
    saved = task.saved
    texts = (saved.title, saved.description, saved.subject, saved.opening)
    title, description, subject, opening = (without_secrets(text, secrets) for text in texts)
    return ReportLetter(
        f"{title} ({company})" if company else title,
        task.request.name,
        made.report,
        str(made.frozen.link),
        attachment,
        description,
        () if attachment else (_NO_FILE[task.saved.output],),
        letter_alerts(made.outcome.conditions),
        letter_mark(made.outcome.conditions),
        _links(reports, task, post),
        subject,
        opening,
        company or "",
        letter_charts(Store(task.settings.snapshots), str(made.outcome.snapshot)),
    )


def _with_report(made: MadeReport, task: Task) -> MadeReport:
    """Return a report, read from its snapshot if an earlier run made it."""
    if made.report is not None:
        return made
    data = Store(task.settings.snapshots).read(str(made.outcome.snapshot), "report.json")
    return replace(made, report=Report.from_dict(json.loads(data)))


def _links(reports: Sequence[MadeReport], task: Task, post: _Post) -> tuple[tuple[str, str], ...]:
    """Return the earlier reports that an email links to, except those for the same time as its own report."""
    own = reports[post.at].made_for or format_instant_utc(task.logical_time)
    earlier = (reports[at] for at in reversed(post.earlier))
    return tuple(_link(one, task) for one in earlier if one.made_for != own)


def _link(made: MadeReport, task: Task) -> tuple[str, str]:
    """Return a short description of an earlier report, and its link."""
    assert made.frozen is not None
    zone = task.saved.schedule.timezone if task.saved.schedule else task.saved.query.timezone
    mark = letter_mark(made.outcome.conditions)
    about = f"For {format_instant(made.made_for, zone)}"
    return f"{mark}: {about}" if mark else about, str(made.frozen.link)


def _attachment(task: Task, made: MadeReport) -> Attachment | None:
    """Return the frozen file to attach; None if the snapshot does not have it.

    Snapshots do not contain a CSV for Excel, so one is generated from the frozen report.

    Raises
    ------
    SnapshotError
        If the snapshot cannot be read, for example because it was revoked after the report was made.
    """
    assert made.report is not None
    output, company = task.saved.output, made.outcome.company
    report, snapshot = made.report, str(made.outcome.snapshot)
    ends = format_instant(report.info.effective_end, report.info.timezone)[:10]
    # Otherwise, files of partial reports for the same month would differ only in the snapshot's id.
    until = f"until-{ends}" if report.is_partial else ""
    company_slug = slug(company) if company else ""
    parts = (task.request.name, company_slug, interval_slug(report), until, snapshot[:_ID_BEGINNING])
    name = "-".join(filter(None, parts))
    store, file = Store(task.settings.snapshots), f"report.{output}"
    files = store.manifest(snapshot)["files"]
    if output == "csv-excel":
        return Attachment(f"{name}-excel.csv", to_excel_csv(made.report, total=task.saved.total))
    if file not in files:
        return None
    names = [file, TOTAL_LINE] if task.saved.total and TOTAL_LINE in files else [file]
    return Attachment(f"{name}.{output}", b"".join(store.read(snapshot, one) for one in names))
