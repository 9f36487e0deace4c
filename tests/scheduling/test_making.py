"""Which reports are frozen and sent, by a saved query's conditions. Nothing is computed or published here."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from custdyn_widgets.errors import SavedQueryError
from custdyn_widgets.publish import Frozen, content_digest
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.report.report import Report
from custdyn_widgets.saved_queries.alerts.condition import parse_alert_if
from custdyn_widgets.saved_queries.content import SavedQuery
from custdyn_widgets.scheduling.alerts import describe
from custdyn_widgets.scheduling.making import MadeReport, Task, freeze_unless_excluded
from custdyn_widgets.scheduling.run_request import RunRequest
from custdyn_widgets.settings import Settings
from tests.make_report import make_report

TO = ("anna@x.example",)
REPORT = make_report(months=2)
STALE = replace(REPORT, info=replace(REPORT.info, data_gaps=("It ends early.", "It has a gap.")))
EMPTY = replace(REPORT, rows=(), total=None)
SAVED = SavedQuery("Board", ReportQuery("last_month"))
ALERT = {"column": "Clients - Active: Qty", "row": "total", "above": 0}
NO_ALERT = {"column": "Clients - Active: Qty", "row": "total", "below": 0}


class Made:
    """Reports that are frozen only here."""

    def __init__(self) -> None:
        self.published: list[Report] = []

    def publish(self, report: Report) -> Frozen:
        self.published.append(report)
        return Frozen("a" * 52, "https://reports.example", None)

    def __call__(
        self,
        report: Report = REPORT,
        *conditions: dict[str, Any],
        only_if: tuple[str, ...] = (),
        company: str | None = None,
        to: tuple[str, ...] = TO,
        **about: Any,
    ) -> MadeReport:
        saved = replace(SAVED, only_if=only_if, alert_if=parse_alert_if(conditions))
        folder = Path("/nowhere")
        given = {"note": "", "digests": {}, **about}
        task = Task(
            RunRequest("board"), saved, Settings(folder, folder, folder), folder,
            datetime(2022, 2, 1, tzinfo=UTC), **given,
        )  # fmt: skip
        return freeze_unless_excluded(task, report, self.publish, to, company)


@pytest.fixture
def made() -> Made:
    return Made()


def test_a_report_is_frozen_and_goes_to_its_recipients(made: Made) -> None:
    found = made(company="Blue")
    assert (found.outcome.result, found.outcome.company, found.recipients) == ("frozen", "Blue", TO)
    assert (found.outcome.snapshot, found.outcome.digest) == ("a" * 52, content_digest(REPORT))
    assert found.report is REPORT
    assert found.frozen is not None
    assert made.published == [REPORT]


@pytest.mark.parametrize(
    ("only_if", "report", "result", "problem"),
    [
        (("fresh",), STALE, "stale", "It ends early.\nIt has a gap."),
        (("fresh",), REPORT, "frozen", None),
        (("changed", "not_empty"), STALE, "frozen", None),
        (("not_empty",), EMPTY, "empty", None),
        (("not_empty",), REPORT, "frozen", None),
        (("fresh", "changed"), EMPTY, "frozen", None),
    ],
)
def test_a_report_that_is_stale_or_empty_is_left_out_on_demand(
    made: Made, only_if: tuple[str, ...], report: Report, result: str, problem: str | None
) -> None:
    found = made(report, only_if=only_if)
    assert (found.outcome.result, found.outcome.problem) == (result, problem)
    assert found.outcome.digest == content_digest(report)
    assert found.recipients == (TO if result == "frozen" else ())
    assert bool(made.published) is (result == "frozen")


def test_a_report_is_unchanged_if_its_company_s_last_one_was_the_same(made: Made) -> None:
    digests = {"Blue": content_digest(REPORT), None: "another"}
    assert made(only_if=("changed",), company="Blue", digests=digests).outcome.result == "unchanged"
    assert made.published == []
    assert made(only_if=("changed",), company="Red", digests=digests).outcome.result == "frozen"
    assert made(only_if=("changed",), digests=digests).outcome.result == "frozen"
    assert made(only_if=("not_empty",), company="Blue", digests=digests).outcome.result == "frozen"


def test_a_note_comes_before_the_report_s_warnings_and_changes_no_digest(made: Made) -> None:
    found = made(note="Made later.")
    assert found.report is not None
    assert found.report.info.warnings == ("Made later.", *REPORT.info.warnings)
    assert made.published == [found.report]
    assert found.outcome.digest == content_digest(REPORT)


def test_a_report_without_news_is_frozen_and_not_sent(made: Made) -> None:
    found = made(REPORT, NO_ALERT)
    assert (found.outcome.result, found.recipients, len(made.published)) == ("not sent", (), 1)
    assert found.outcome.conditions[0]["state"] == "not true"
    news = made(REPORT, ALERT, NO_ALERT, company="Blue")
    assert (news.outcome.result, news.recipients) == ("frozen", TO)
    key = news.outcome.conditions[0]["key"]
    still = made(REPORT, ALERT, company="Blue", true_before={"Blue": frozenset({key})})
    assert (still.outcome.result, still.outcome.conditions[0]["state"]) == ("not sent", "still true")
    other = made(REPORT, ALERT, company="Red", true_before={"Blue": frozenset({key})})
    assert (other.outcome.result, other.outcome.conditions[0]["state"]) == ("frozen", "became true")
    nobody = made(REPORT, NO_ALERT, to=())
    assert (nobody.outcome.result, nobody.recipients) == ("frozen", ())


def test_a_condition_on_a_missing_column_is_an_error_before_anything_is_frozen(made: Made) -> None:
    lost = {**ALERT, "column": "Clients - Gone: Qty"}
    for report in (REPORT, STALE, EMPTY):
        with pytest.raises(SavedQueryError, match="has no column"):
            made(report, lost, only_if=("fresh", "not_empty"))
    assert made.published == []
    assert describe(REPORT, (), SAVED.query, ()) == ()
