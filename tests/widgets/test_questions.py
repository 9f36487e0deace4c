"""The menu of questions: each fills in the form and shows the answer, which the Python API also gives."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from custdyn_widgets import CustomerDynamics, clients_behind, compare_snapshots, run_report
from custdyn_widgets.publish.freezing import freeze
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.snapshots.life import revoke
from custdyn_widgets.snapshots.store import Store
from custdyn_widgets.widgets.questions import QUESTIONS

NOW = datetime.now(UTC)
FIRST = NOW.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
LAST_MONTH = FIRST - timedelta(days=10)


def ago(months: int) -> datetime:
    """A day in the month so many months ago."""
    year, month0 = divmod(FIRST.year * 12 + FIRST.month - 1 - months, 12)
    return FIRST.replace(year=year, month=month0 + 1, day=20)


def mart(folder: Path, *, rerated: str = "-5") -> Path:
    """A mart whose clients are new, returning, lapsed and in debt last month."""
    folder.mkdir(exist_ok=True)
    uses = [
        ("lapsed", 4, "-1"), ("back", 9, "-1"), ("back", 1, rerated), ("new", 1, "-2"), ("stays", 3, "-1"),
        ("stays", 2, "-3"), ("stays", 1, "-9"),
    ]  # fmt: skip
    clients = sorted({client for client, *_ in uses})
    pd.DataFrame(
        {
            "client_id": clients,
            "client_type": "client",
            "company": ["North", "South", "South", ""],
            "currency": "USD",
            "created_at": [(ago(10)).isoformat()] * len(clients),
            "opening_balance": ["0", "30", "0", "5"],
        }
    ).to_csv(folder / "clients.csv", index=False)
    lines = [
        {"transaction_id": i, "client_id": c, "at": ago(m).isoformat(), "kind": "usage", "amount": a}
        for i, (c, m, a) in enumerate(uses)
    ]
    pd.DataFrame(lines).to_csv(folder / "transactions.csv", index=False)
    return folder


class Analyst:
    """Somebody at a form who chooses questions."""

    def __init__(self, source: Path) -> None:
        self.source = source
        self.dynamics = CustomerDynamics(source, publish=False)
        self.said: list[Any] = []
        view = self.dynamics._view
        view.clients.send = view.changes.send = self.said.append  # type: ignore[method-assign]

    def ask(self, key: str) -> dict[str, Any]:
        menu = self.dynamics._form._questions
        menu._handle_custom_msg({"chosen": key, "page": ""}, [])
        return dict(self.said[-1])

    def last(self, panel: str, **message: Any) -> dict[str, Any]:
        getattr(self.dynamics._view, panel)._handle_custom_msg(message, [])
        return dict(self.said[-1])


@pytest.fixture
def analyst(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Analyst:
    monkeypatch.setenv("CUSTDYN_SNAPSHOTS", str(tmp_path / "snapshots"))
    return Analyst(mart(tmp_path / "mart"))


def ids(shown: dict[str, Any]) -> list[str]:
    return [line[0] for line in shown["lines"]]


@pytest.mark.parametrize(("key", "expected"), [("became_active", ["back", "new"]), ("lapsed", ["lapsed"])])
def test_who_became_active_or_lapsed_last_month(analyst: Analyst, key: str, expected: list[str]) -> None:
    shown = analyst.ask(key)
    assert ids(shown) == expected
    report = analyst.dynamics.report
    assert report.query.interval == "last_month"
    row = report.rows[0].values
    columns = (
        ["Clients - Movement: New", "Clients - Movement: Reactivated"]
        if key == "became_active"
        else ["Clients - Movement: Lapsed"]
    )
    assert len(expected) == sum(int(row[report.column(name)] or 0) for name in columns)


def test_who_makes_up_the_negative_balance(analyst: Analyst) -> None:
    shown = analyst.ask("negative")
    assert ids(shown) == ["stays", "back", "new"]
    assert shown["view"]["sign"] == "negative"
    behind = clients_behind(analyst.dynamics.report, None, analyst.source)
    negative = [b for b in behind["Balance Converted"] if b < 0]
    report = analyst.dynamics.report
    assert len(ids(shown)) == len(negative)
    assert sum(negative) == report.rows[0].values[report.column("Clients - All: Balance Neg")]


def test_why_pay_as_you_go_changed_by_company_sums_to_the_change(analyst: Analyst) -> None:
    analyst.ask("payg")
    report = analyst.dynamics.report
    place = [row.labels[0] for row in report.rows].index(ago(1).strftime("%Y-%m"))
    column = report.column("Pay As You Go: Total Change")
    analyst.dynamics._result._handle_custom_msg({"cell": [place, column]}, [])
    assert analyst.said[-1]["view"]["change"] is True
    assert [by for by, _ in analyst.said[-1]["groups"]] == ["", "company", "cohort"]
    for by in ("company", "cohort"):
        shown = analyst.last("clients", ask="view", by=by)
        assert shown["view"]["sort"] == "Total Change"
        changes = analyst.dynamics._view.clients._list.table()["Total Change"].tolist()  # type: ignore[union-attr]
        assert len(changes) > 1
        assert sum(changes) == report.rows[place].values[column]
        assert [abs(c) for c in changes] == sorted((abs(c) for c in changes), reverse=True)
        assert shown["whole"][0] == "All"
        assert shown["lines"][0][0] != ""
    assert analyst.last("clients", ask="view", by="")["view"]["change"] is True


def test_a_split_row_is_searched_and_sorted(analyst: Analyst) -> None:
    analyst.ask("payg")
    analyst.dynamics._result._handle_custom_msg({"cell": [None, 0]}, [])
    shown = analyst.last("clients", ask="view", by="company")
    assert {line[0] for line in shown["lines"]} == {"North", "South", "(none)"}
    assert [line[0] for line in analyst.last("clients", ask="view", search="sou")["lines"]] == ["South"]
    assert analyst.last("clients", ask="view", by="currency")["view"]["by"] == "company"


def test_a_report_by_company_cannot_be_split_once_more(analyst: Analyst) -> None:
    analyst.dynamics.run(ReportQuery(interval="last_month", group_by=("company",)))
    analyst.dynamics._result._handle_custom_msg({"cell": [0, 0]}, [])
    assert analyst.said[-1]["groups"] == [["", "Client"]]
    assert analyst.last("clients", ask="view", by="cohort")["view"]["by"] == ""


@pytest.mark.parametrize(
    ("key", "group_by", "compare"),
    [
        ("same_days", (), "previous_month"),
        ("cohorts", ("cohort",), None),
        ("payg", ("month",), "previous_month"),
    ],
)
def test_a_report_answers_the_others(
    analyst: Analyst, key: str, group_by: tuple[str, ...], compare: str | None
) -> None:
    analyst.ask(key)
    report = analyst.dynamics.report
    assert (report.query.group_by, report.query.compare) == (group_by, compare)
    assert report.rows == run_report(report.query, analyst.source, as_of=report.info.as_of).rows


def test_a_question_keeps_filters_and_fills_in_the_form(analyst: Analyst) -> None:
    mine = replace(
        analyst.dynamics.query or QUERY, company=("South",), active_duration=2, timezone="Asia/Tokyo"
    )
    analyst.dynamics._form.load(mine)
    analyst.ask("became_active")
    query = analyst.dynamics.query
    assert query == analyst.dynamics.report.query
    assert query == replace(mine, **QUESTIONS["became_active"].fields)


def test_a_question_does_not_change_the_columns_of_the_next_form(analyst: Analyst) -> None:
    analyst.ask("negative")
    assert (CustomerDynamics(analyst.source, publish=False).query or QUERY).columns == ()


def test_what_differs_from_a_report_sent_before_rerating(analyst: Analyst) -> None:
    query = ReportQuery(interval="last_month")
    before = freeze(run_report(query, analyst.source))
    other = freeze(run_report(replace(query, group_by=()), analyst.source))
    hidden = freeze(run_report(query, analyst.source))
    revoke(Store(analyst.source.parent / "snapshots"), str(hidden.id))
    mart(analyst.source, rerated="-6.25")
    freeze(compare_snapshots(str(before.id), source=analyst.source))  # a page of changes is not offered
    analyst.dynamics._form.load(query)
    shown = analyst.ask("changes")
    assert [[i, same] for i, _, same in shown["snapshots"]] == [[before.id, True], [other.id, False]]
    shown = analyst.last("changes", snapshot=before.id)
    lines = {(line[0], line[1]): line[2:] for line in shown["lines"]}
    label = ago(1).strftime("%Y-%m")
    assert lines[label, "Pay As You Go: Total"] == ["16.00", "17.25", "1.25"]
    assert shown["reasons"][-1] == "The contribution of 1 client changed."
    assert analyst.last("changes", ask="close") == {"kind": "closed"}


def test_the_page_of_docs_tells_each_question() -> None:
    page = (Path(__file__).parents[2] / "docs" / "who-moved.md").read_text("utf-8")
    told = [line.split(" | ")[0].removeprefix("| ") for line in page.splitlines() if "? | " in line]
    assert told == [question.words for question in QUESTIONS.values()]


def test_a_snapshot_that_was_not_offered_is_not_read(analyst: Analyst) -> None:
    analyst.ask("changes")
    assert analyst.last("changes", snapshot="a" * 52)["kind"] == "snapshots"
    assert analyst.said[-1]["snapshots"] == []


QUERY = ReportQuery(interval="last_12_months")
