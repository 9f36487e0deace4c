"""Making a run's reports: computing them, freezing those that meet `only_if`, and evaluating `alert_if`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from custdyn_widgets.notebook import run_notebook
from custdyn_widgets.publish import Frozen, content_digest
from custdyn_widgets.report import Report
from custdyn_widgets.saved_queries import SavedQuery
from custdyn_widgets.scheduling.alerts import describe, has_news
from custdyn_widgets.scheduling.outcomes import Outcome
from custdyn_widgets.scheduling.run_request import RunRequest
from custdyn_widgets.settings import Settings
from custdyn_widgets.text import format_instant_utc


@dataclass(frozen=True)
class Task:
    """A run that is ready to make its reports.

    Attributes
    ----------
    request, saved, settings
        The request, the saved query and the settings.
    folder
        The folder that contains the saved query's file.
    logical_time, note
        The time that intervals resolve against, and a note about it for readers, which may be empty.
    digests
        The digest of each company's last report, by company; a report with the same digest is not sent again.
    true_before
        The keys of the conditions that were true in each company's last report, by company.
    """

    request: RunRequest
    saved: SavedQuery
    settings: Settings
    folder: Path
    logical_time: datetime
    note: str
    digests: Mapping[str | None, str]
    true_before: Mapping[str | None, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class MadeReport:
    """A report and its recipients.

    Attributes
    ----------
    outcome
        The result so far; `frozen` until it is sent.
    recipients
        The addresses to send it to; none if no condition became true or stopped being true.
    report, frozen
        The report and its snapshot; None if it was not frozen. The report of an earlier run is also None
        until it is read.
    made_for
        The scheduled time, in UTC, of the earlier run that made it; empty for the current run.
    """

    outcome: Outcome
    recipients: tuple[str, ...] = ()
    report: Report | None = None
    frozen: Frozen | None = None
    made_for: str = ""


def make_one(task: Task, progress: Callable[[str], None]) -> Iterator[MadeReport]:
    """Run the notebook and yield its report, frozen unless `only_if` excludes it.

    Raises
    ------
    CustDynError
        If the run produced no report; nothing has been published.
    """
    saved = task.saved
    parameters: dict[str, object] = {
        **task.request.parameters,
        **saved.query.to_dict(),
        "source": task.request.source_of(saved),
        "as_of": format_instant_utc(task.logical_time),
    }
    finished = run_notebook(
        task.request.template,
        parameters,
        settings=task.settings,
        timeout_s=task.request.timeout_s,
        progress=progress,
    )

    def publish(report: Report) -> Frozen:
        progress("Rendering and publishing the page")
        return replace(finished, report=report).publish(task.settings, task.request.name)

    yield freeze_unless_excluded(task, finished.report, publish, saved.recipients)


def freeze_unless_excluded(
    task: Task,
    report: Report,
    publish: Callable[[Report], Frozen],
    recipients: tuple[str, ...],
    company: str | None = None,
) -> MadeReport:
    """Freeze a report unless the saved query's `only_if` excludes it, and evaluate its conditions.

    Raises
    ------
    SavedQueryError
        If the report lacks a condition's column; nothing has been published.
    """
    saved = task.saved
    judged = describe(report, saved.alert_if, saved.query, task.true_before.get(company, ()))
    digest = content_digest(report)
    if report.info.data_gaps and "fresh" in saved.only_if:
        return MadeReport(Outcome("stale", company, digest=digest, problem="\n".join(report.info.data_gaps)))
    if "not_empty" in saved.only_if and not report.rows:
        return MadeReport(Outcome("empty", company, digest=digest))
    if "changed" in saved.only_if and task.digests.get(company) == digest:
        return MadeReport(Outcome("unchanged", company, digest=digest))
    if task.note:
        report = replace(report, info=replace(report.info, warnings=(task.note, *report.info.warnings)))
    frozen = publish(report)
    outcome = Outcome("frozen", company, frozen.id, digest, conditions=judged)
    if saved.alert_if and recipients and not has_news(judged):
        return MadeReport(replace(outcome, result="not sent"), (), report, frozen)
    return MadeReport(outcome, recipients, report, frozen)
