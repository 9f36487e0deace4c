"""The conditions of a saved query: round trips, and errors that name field and value."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custdyn_widgets.errors import SavedQueryError
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.report.report import Column
from custdyn_widgets.saved_queries.alerts.bounds import Bound, parse_bound
from custdyn_widgets.saved_queries.alerts.columns import check_columns
from custdyn_widgets.saved_queries.alerts.condition import parse_alert_if
from custdyn_widgets.saved_queries.content import SavedQuery

QTY = "Clients - Active: Qty"
BASE: dict[str, Any] = {
    "format": 1,
    "title": "Alerts",
    "query": {"interval": "last_12_months", "group_by": ["month", "package"]},
}
COLUMNS = (
    Column("Clients - Active", "Qty", "count", ""),
    Column("Balance Refill", "Total", "money", ""),
    Column("Clients - Movement", "Churn Rate", "rate", ""),
)


def saved_with(*conditions: object, **query: object) -> SavedQuery:
    return SavedQuery.from_dict({**BASE, "query": {**BASE["query"], **query}, "alert_if": list(conditions)})


def on(row: str, **more: object) -> dict[str, object]:
    return {"column": QTY, "row": row, **more}


def test_conditions_come_back_as_they_were_written_and_in_their_order() -> None:
    conditions = [
        on("total", below=100),
        on("last", falls_by="5%"),
        on("any", rises_by="0.5"),
        on("last", above=-3),
    ]
    saved = saved_with(*conditions)
    assert saved.to_dict()["alert_if"] == conditions
    assert SavedQuery.from_file("x.json", saved.to_bytes()) == saved
    assert str(saved.alert_if[1]) == f"{QTY}, last row: falls by 5% or more from the previous row"


def test_up_to_twenty_conditions_and_a_column_of_500_characters_are_accepted() -> None:
    conditions = [{**on("last", below=bound), "column": "c" * 500} for bound in range(20)]
    assert saved_with(*conditions).to_dict()["alert_if"] == conditions


def test_a_saved_query_without_conditions_keeps_its_file() -> None:
    saved = SavedQuery.from_dict(BASE)
    assert (
        saved
        == SavedQuery.from_dict({**BASE, "alert_if": None})
        == SavedQuery.from_dict({**BASE, "alert_if": []})
    )
    assert "alert_if" not in saved.to_dict()


@pytest.mark.parametrize(
    ("given_", "number", "percent", "written"),
    [
        (100, "100", False, 100),
        (100.0, "100", False, 100),
        (0.1, "0.1", False, "0.1"),
        (1e-6, "0.000001", False, "0.000001"),
        ("0.500", "0.5", False, "0.5"),
        (Decimal("2.5"), "2.5", False, "2.5"),
        (" 5 % ", "5", True, "5%"),
        ("12.50%", "12.5", True, "12.5%"),
        ("-0", "0", False, 0),
        (10**18 - 1, str(10**18 - 1), False, 10**18 - 1),
    ],
)
def test_a_bound_is_exact(given_: object, number: str, percent: bool, written: object) -> None:
    bound = parse_bound("below", given_)
    assert bound == Bound(Decimal(number), percent)
    assert bound.to_json() == written
    assert parse_bound("below", bound.to_json()) == bound
    assert type(bound.to_json()) is type(written)


@given(st.integers(-(10**15), 10**15), st.integers(0, 6), st.booleans())
def test_every_bound_comes_back(digits: int, places: int, percent: bool) -> None:
    bound = parse_bound("below", f"{Decimal(digits).scaleb(-places):f}{'%' if percent else ''}")
    assert bound.number == Decimal(digits).scaleb(-places)
    again = parse_bound("below", bound.to_json())
    assert (again, str(again)) == (bound, str(bound))


@pytest.mark.parametrize(
    ("conditions", "field", "words"),
    [
        ({"column": QTY}, "alert_if", "a list of objects"),
        ([3], "alert_if[0]", "must be an object"),
        ([on("last", below=1), {"row": "last", "below": 1}], "alert_if[1].column", "is required"),
        ([{"column": QTY, "below": 1}], "alert_if[0].row", "total, last or any"),
        ([on("lst", below=1)], "alert_if[0].row", "'lst'"),
        ([{"column": 5, "row": "last", "below": 1}], "alert_if[0].column", "must be text, not 5"),
        ([on("last")], "alert_if[0].below", "it has none of them"),
        ([on("last", below=1, above=3)], "alert_if[0].above", "it has below and above"),
        ([on("last", blow=1)], "alert_if[0].blow", "alert_if[0].below"),
        ([on("last", below=True)], "alert_if[0].below", "not True"),
        ([on("last", below="many")], "alert_if[0].below", "'many'"),
        ([on("last", below="1,000")], "alert_if[0].below", "'1,000'"),
        ([on("last", below="٣")], "alert_if[0].below", "must be a number"),
        ([on("last", below=0.1234567)], "alert_if[0].below", "more than 6 decimal places"),
        ([on("last", below=10**18)], "alert_if[0].below", "at most 18 digits"),
        ([on("last", below=1e300)], "alert_if[0].below", "at most 18 digits"),
        ([on("last", below=float("nan"))], "alert_if[0].below", "must be a number"),
        ([on("last", falls_by=0)], "alert_if[0].falls_by", "'0' is not greater than 0"),
        ([on("last", falls_by="-5%")], "alert_if[0].falls_by", "choose rises_by"),
        ([on("last", rises_by="-0.5")], "alert_if[0].rises_by", "choose falls_by"),
        ([{"column": "c" * 501, "row": "last", "below": 1}], "alert_if[0].column", "longer than 500"),
        ([on("last", below=1, against="compare")], "alert_if[0].against", "falls_by and rises_by"),
        ([on("last", falls_by=1, against="before")], "alert_if[0].against", "'before'"),
        ([on("last", below=1), on("last", below="1.0")], "alert_if[1]", "is listed twice"),
        ([on("last", below=i) for i in range(21)], "alert_if", "at most 20"),
        ([on("total", falls_by=1)], "alert_if[0].falls_by", "the Total has none"),
        ([on("last", falls_by=1, against="compare")], "alert_if[0].against", "set compare"),
    ],
)  # fmt: skip
def test_an_invalid_condition_is_named(conditions: object, field: str, words: str) -> None:
    with pytest.raises(SavedQueryError) as caught:
        SavedQuery.from_dict({**BASE, "alert_if": conditions})
    assert caught.value.field == field
    assert words in caught.value.message
    assert field.partition("[")[0] in caught.value.message


@pytest.mark.parametrize(
    ("query", "row", "words"),
    [
        ({"group_by": []}, "last", "needs year, month or date"),
        ({"group_by": ["package"]}, "last", "needs year, month or date"),
        ({"group_by": []}, "any", "does not group by time"),
        ({"interval": "last_month"}, "last", "last_month by month gives only one row"),
        ({"interval": "yesterday", "group_by": ["date"]}, "any", "yesterday by date gives only one row"),
        ({"interval": "last_quarter", "group_by": ["year"]}, "last", "last_quarter by year gives only one"),
    ],
)  # fmt: skip
def test_a_change_without_a_row_before_is_an_error(query: dict[str, object], row: str, words: str) -> None:
    with pytest.raises(SavedQueryError, match=words):
        saved_with(on(row, rises_by="1%"), **query)


@pytest.mark.parametrize("interval", ["last_quarter", "last_month"])
def test_a_change_within_a_longer_interval_is_none(interval: str) -> None:
    assert saved_with(on("last", rises_by=1), interval=interval, group_by=["date"]).alert_if
    assert saved_with(on("last", below=1), interval=interval).alert_if


def test_a_query_that_compares_may_have_conditions_on_its_total() -> None:
    query = ReportQuery("last_month", compare="previous_month")
    conditions = parse_alert_if([on("total", falls_by="5%", against="compare")])
    saved = SavedQuery("Alerts", query, alert_if=conditions)
    assert saved.to_dict()["alert_if"] == [on("total", falls_by="5%", against="compare")]


def test_a_column_that_the_report_lacks_is_named_with_the_nearest_ones() -> None:
    conditions = parse_alert_if(
        [on("last", below=1), {"column": "Clients - Activ: Qty", "row": "any", "above": 1}]
    )
    with pytest.raises(SavedQueryError) as caught:
        check_columns(conditions, COLUMNS)
    assert caught.value.field == "alert_if[1].column"
    assert "has no column 'Clients - Activ: Qty'" in caught.value.message
    assert repr(QTY) in caught.value.message


def test_a_percentage_is_a_bound_for_a_rate_and_for_changes_only() -> None:
    churn = "Clients - Movement: Churn Rate"
    check_columns(
        parse_alert_if([{"column": churn, "row": "last", "above": "5%"}, on("last", falls_by="5%")]), COLUMNS
    )
    with pytest.raises(SavedQueryError, match="'5%' is a percentage, but the column is not") as caught:
        check_columns(parse_alert_if([on("total", above="5%")]), COLUMNS)
    assert caught.value.field == "alert_if[0].above"


@pytest.mark.parametrize(("bound", "needed"), [("5%", f"{QTY} Change %"), (5, f"{QTY} Change")])
def test_a_comparison_that_the_report_lacks_is_named(bound: object, needed: str) -> None:
    conditions = parse_alert_if([on("total", falls_by=bound, against="compare")])
    with pytest.raises(SavedQueryError, match=f"needs the column '{needed}', which the report does not have"):
        check_columns(conditions, COLUMNS)
