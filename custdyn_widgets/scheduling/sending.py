"""Sending the reports of a run, each to its own recipients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from custdyn_widgets.errors import CustDynError, SnapshotNotFoundError
from custdyn_widgets.mail import Attachment, Delivery, MailServer, ReportLetter, deliver, describe_failures
from custdyn_widgets.publish import known_secrets, without_secrets
from custdyn_widgets.render import to_excel_csv
from custdyn_widgets.report import format_instant, interval_slug
from custdyn_widgets.scheduling.alerts import letter_alerts, letter_mark
from custdyn_widgets.scheduling.making import MadeReport, Task
from custdyn_widgets.scheduling.outcomes import Outcome
from custdyn_widgets.snapshots import Store
from custdyn_widgets.text import slug

_ID_BEGINNING = 8  # characters of the snapshot's id in the attachment's file name
_NO_FILE = {
    "xlsx": "No file is attached: the report is too large for XLSX. Download it as CSV from the link.",
    "pdf": "No file is attached: the snapshot has no PDF. Download it as CSV or XLSX from the link.",
}


def send_all(
    task: Task,
    made: Sequence[MadeReport],
    server: MailServer | None,
    progress: Callable[[str], None],
    record: Callable[[Callable[[], list[Outcome]]], object] = lambda _: None,
) -> list[Outcome]:
    """Send each frozen report to its recipients.

    Parameters
    ----------
    task
        The run.
    made
        The reports.
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
    letters: dict[int, ReportLetter] = {}
    for at, one in enumerate(made):
        if one.report is None or not one.recipients:
            continue
        if server is None:
            outcomes[at] = replace(one.outcome, result="held back")
            continue
        try:
            letters[at] = _letter(task, one)
        except CustDynError as error:
            outcomes[at] = replace(one.outcome, result="undelivered", problem=error.message)
    if server is not None:
        posts = [(letter, made[at].recipients) for at, letter in letters.items()]

        def merge(delivered: list[list[Delivery]]) -> list[Outcome]:
            found = dict(zip(letters, delivered, strict=True))
            return [_delivered(one, found[at]) if at in found else one for at, one in enumerate(outcomes)]

        return merge(
            deliver(posts, server, progress=progress, record=lambda so_far: record(lambda: merge(so_far())))
        )
    return outcomes


def _delivered(outcome: Outcome, deliveries: Sequence[Delivery]) -> Outcome:
    receipt = tuple(delivery.to_dict() for delivery in deliveries)
    failed = describe_failures(deliveries)
    if not failed:
        return replace(outcome, result="sent", deliveries=receipt)
    problem = f"The report was frozen but did not reach everybody:\n{failed}"
    return replace(outcome, result="undelivered", deliveries=receipt, problem=problem)


def _letter(task: Task, made: MadeReport) -> ReportLetter:
    assert made.report is not None
    assert made.frozen is not None
    company, attachment = made.outcome.company, _attachment(task, made)
    secrets = known_secrets(task.settings)  # the report itself was already searched
    title, description = (without_secrets(t, secrets) for t in (task.saved.title, task.saved.description))
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
    )


def _attachment(task: Task, made: MadeReport) -> Attachment | None:
    """Return the frozen file to attach; None if the snapshot does not have it.

    Snapshots do not contain a CSV for Excel, so it is generated from the frozen report.
    """
    assert made.report is not None
    output, company = task.saved.output, made.outcome.company
    report, snapshot = made.report, str(made.outcome.snapshot)
    ends = format_instant(report.info.effective_end, report.info.timezone)[:10]
    until = (
        f"until-{ends}" if report.is_partial else ""
    )  # otherwise, every day of a month would have the same name
    company_slug = slug(company) if company else ""
    parts = (task.request.name, company_slug, interval_slug(report), until, snapshot[:_ID_BEGINNING])
    name = "-".join(filter(None, parts))
    if output == "csv-excel":
        return Attachment(f"{name}-excel.csv", to_excel_csv(made.report))
    try:
        data = Store(task.settings.snapshots).read(snapshot, f"report.{output}")
    except SnapshotNotFoundError:
        return None
    return Attachment(f"{name}.{output}", data)
