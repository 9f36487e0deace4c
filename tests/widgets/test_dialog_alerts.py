"""The dialog's conditions: what it offers, saves, shows again and refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.engine.query_columns import columns_of
from custdyn_widgets.errors import SettingsError
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.saved_queries import folders as saved_queries
from custdyn_widgets.saved_queries.alerts.condition import parse_alert_if
from custdyn_widgets.saved_queries.content import SavedQuery
from tests.at_the_dialog import RELATIVE, Person

QTY = "Clients - Active: Qty"
YEAR = ReportQuery("last_12_months")
FALLS = {"column": QTY, "row": "last", "relation": "falls_by", "bound": "5%"}
BELOW = {"column": QTY, "row": "total", "relation": "below", "bound": "100"}


def typed(*conditions: dict[str, str]) -> dict[str, str]:
    return {"alert_if": json.dumps(conditions)}


def offered(person: Person, part: str) -> list[str]:
    return [label for _, label in person.dialog.widget.conditions[part]]


def test_conditions_are_saved_and_shown_again() -> None:
    person = Person(YEAR)
    person.save("Alerts", **typed(BELOW, FALLS))
    [stored] = person.saved
    assert stored.saved.to_dict()["alert_if"] == [
        {"column": QTY, "row": "total", "below": 100},
        {"column": QTY, "row": "last", "falls_by": "5%"},
    ]
    again = Person.after_loading(stored)
    assert json.loads(again.fields["alert_if"]) == [BELOW, FALLS]
    again.save("Alerts")
    again.do("overwrite")
    assert again.saved[0].saved.alert_if == stored.saved.alert_if


def test_without_conditions_there_are_none() -> None:
    person = Person(YEAR)
    assert person.fields["alert_if"] == ""
    person.save("Plain")
    assert person.saved[0].saved.alert_if == ()


def test_it_offers_the_columns_rows_and_relations_that_the_report_has() -> None:
    person = Person(YEAR)
    report = run_report(YEAR, "tests/golden/small/mart", as_of="2022-02-01")
    assert offered(person, "column") == [column.name for column in report.columns]
    assert columns_of(YEAR) == report.columns
    assert offered(person, "row") == ["Total", "latest month", "any month"]
    assert offered(person, "relation") == [
        "is below",
        "is above",
        "falls from the month before by at least",
        "rises from the month before by at least",
    ]
    whole = Person(ReportQuery("last_month", group_by=()))
    assert offered(whole, "row") == ["Total", "any row"]
    assert offered(whole, "relation") == ["is below", "is above"]


def test_it_offers_changes_from_the_period_that_the_query_compares_with() -> None:
    person = Person(replace(YEAR, compare="previous_year"))
    choices = person.dialog.widget.conditions["relation"]
    assert ["falls_by:compare", "falls from the previous year by at least"] in choices


@pytest.mark.parametrize(
    "query",
    [
        {"columns": ("movement",)},
        {"compare": "previous_month"},
        {"columns": ("refill", "balances"), "compare": "previous_year"},
    ],
)
def test_the_columns_of_a_query_are_those_of_its_report(query: dict[str, Any]) -> None:
    asked = replace(YEAR, **query)
    assert columns_of(asked) == run_report(asked, "tests/golden/small/mart", as_of="2022-02-01").columns


def test_the_columns_are_known_before_any_report() -> None:
    code = (
        "from custdyn_widgets.engine import columns_of\nfrom custdyn_widgets.query import ReportQuery\n"
        "print(len(columns_of(ReportQuery('last_month'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) == len(columns_of(YEAR))


def test_it_offers_what_the_loaded_query_has_even_if_the_report_does_not() -> None:
    conditions = parse_alert_if([{"column": "Own: Metric", "row": "last", "rises_by": 1}])
    stored = saved_queries.save(SavedQuery("Own", YEAR, alert_if=conditions), "mine", over=None)
    person = Person(ReportQuery("last_12_months", group_by=()), loaded=stored)
    assert offered(person, "column")[-1] == "Own: Metric"
    assert offered(person, "row") == ["Total", "latest period", "any row"]
    assert "rises from the row before by at least" in offered(person, "relation")
    person.save("Own")
    assert "the report has no column 'Own: Metric'" in person.error or "needs year" in person.error


@pytest.mark.parametrize(
    ("conditions", "words", "field"),
    [
        ([{**BELOW, "bound": " "}], "Enter a bound", "alert_if[0].bound"),
        ([BELOW, {**FALLS, "bound": "many"}], "'many' must be a number", "alert_if[1].bound"),
        ([BELOW, {**BELOW, "bound": "5%"}], "is a percentage, but the column is not", "alert_if[1].bound"),
        ([{**BELOW, "column": "Clients - Activ: Qty"}], "mean 'Clients - Active: Qty'", "alert_if[0].column"),
        ([{**FALLS, "row": "total"}], "the Total has none", "alert_if[0].bound"),
        ([{**FALLS, "relation": "falls_by:compare"}], "Set compare in the query", "alert_if[0].relation"),
        ([{**FALLS, "relation": "vanishes"}], "has no key", "alert_if[0].vanishes"),
        ([BELOW, BELOW], "is listed twice", "alert_if[1].column"),
        ([{**BELOW, "row": "<img src=x>"}], "'<img src=x>' is not an allowed value", "alert_if[0].row"),
        ([{"column": QTY}], "Enter a bound", "alert_if[0].bound"),
    ],
)  # fmt: skip
def test_an_error_is_shown_at_its_part(conditions: list[dict[str, str]], words: str, field: str) -> None:
    person = Person(YEAR)
    person.save("Alerts", **typed(*conditions))
    assert words in person.error
    assert person.wrong == field
    assert not person.error.startswith("alert_if[0].column:")
    assert person.saved == []


def test_a_row_without_one_before_it_is_refused_for_the_interval_that_is_saved() -> None:
    person = Person(RELATIVE)
    person.save("Alerts", **typed(FALLS))
    assert "last_month by month gives only one row: choose a longer interval" in person.error


@pytest.mark.parametrize("text", ["{", "{}", "[3]", "[" * 100_000])
def test_what_no_dialog_sends_is_an_error(text: str) -> None:
    person = Person(YEAR)
    person.save("Alerts", alert_if=text)
    assert "is not a list of conditions" in person.error
    assert person.wrong == "alert_if"


def test_a_replacement_says_that_it_would_lose_alerts() -> None:
    Person(YEAR).save("Alerts", **typed(BELOW, FALLS))
    other = Person(YEAR)
    other.save("Alerts")
    assert "It would lose its 2 alerts." in other.dialog.widget.question[0]


def test_an_extension_that_cannot_be_imported_is_no_obstacle_without_conditions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_query: Any) -> None:
        raise SettingsError("The extension cannot be imported.", field="extensions")

    monkeypatch.setattr("custdyn_widgets.engine.columns_of", refuse)
    person = Person(YEAR)
    assert offered(person, "column") == []
    person.save("Plain")
    assert person.saved
    other = Person(YEAR)
    other.save("Alerts", **typed(BELOW))
    assert "cannot be imported" in other.error
