"""Sections 7 to 10 at the edges: ancient years, days that clocks skip, and names that collide."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from custdyn_widgets.engine import clients_behind, cohort_triangle, metric, run_report
from custdyn_widgets.engine.registry import METRICS
from custdyn_widgets.errors import CustDynError, QueryError
from tests.mart_forms import frames
from tests.oracle import dynamics

pytestmark = pytest.mark.usefixtures("own_cache")


def client(name: str, **fields: str) -> dict[str, str]:
    return {
        "client_id": name,
        "client_type": "client",
        "currency": "USD",
        "created_at": "2011-01-01T00:00:00Z",
        **fields,
    }


def usage(*at: tuple[str, str], amount: str = "-1") -> list[dict[str, str]]:
    return [
        {"transaction_id": str(i), "client_id": who, "at": when, "kind": "usage", "amount": amount}
        for i, (who, when) in enumerate(at)
    ]


def cells(mart: dict[str, Any], query: dict[str, Any], as_of: str) -> list[list[str]]:
    report = run_report(query, frames(mart), as_of=as_of)
    heading = [*report.headings, *(column.name for column in report.columns)]
    return [
        heading,
        *([*r.labels, *("" if v is None else str(v) for v in r.values)] for r in report.shown_rows()),
    ]


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
def test_cohorts_of_ancient_years_are_in_order(zone: str) -> None:
    firsts = {
        "A": "0001-01-01T00:00:00Z",
        "B": "0001-01-20T00:00:00Z",
        "C": "0001-02-20T00:00:00Z",
        "D": "0999-05-20T00:00:00Z",
        "E": "1021-05-20T00:00:00Z",
        "F": "2021-05-20T00:00:00Z",
    }
    mart = {"clients": [client(name) for name in firsts], "transactions": usage(*firsts.items())}
    query = {
        "interval": {"start": "2021-05-01", "end": "2021-06-30"},
        "timezone": zone,
        "group_by": ["cohort"],
        "columns": ["all"],
    }
    report = run_report(query, frames(mart), as_of="2021-07-01T00:00:00Z")
    found = {row.labels[0]: row.values[report.column("Clients - All: Qty")] for row in report.rows}
    assert list(found.items()) == [
        ("0001-01", 2), ("0001-02", 1), ("0999-05", 1), ("1021-05", 1), ("2021-05", 1),
    ]  # fmt: skip
    triangle = cohort_triangle(query, frames(mart), as_of="2021-07-01T00:00:00Z")
    assert triangle.astype(object).values.tolist() == [["2021-05", 1, 1, 0]]


# In Apia, 30 December 2011 was skipped: 00:00 of the 30th and of the 31st are one instant.
APIA = {
    "clients": [client("A"), client("B"), client("C")],
    "transactions": usage(
        ("A", "2011-10-30T22:00:00Z"), ("B", "2011-11-30T22:00:00Z"), ("C", "2011-12-05T00:00:00Z")
    ),
}


@pytest.mark.parametrize("months", [1, 2, 3])
@pytest.mark.parametrize("compare", ["previous_day", "previous_week", "previous_month", "previous_period"])
@pytest.mark.parametrize("interval", [("2011-12-28", "2012-01-09"), ("2012-01-29", "2012-02-09")])
def test_movement_beside_a_day_that_clocks_skip(interval: tuple[str, str], compare: str, months: int) -> None:
    query = {
        "interval": dict(zip(("start", "end"), interval, strict=True)),
        "timezone": "Pacific/Apia",
        "group_by": ["date"],
        "columns": ["active", "movement"],
        "compare": compare,
        "active_duration": months,
    }
    as_of = "2012-03-01T00:00:00Z"
    answer = dynamics.dynamics(APIA, query, as_of)
    assert cells(APIA, query, as_of) == dynamics.table(answer, with_total=True)
    for row in answer.rows:
        want = {
            str(line["Client Id"]): line["Movement"]
            for line in dynamics.clients_behind(APIA, query, as_of, row.labels)
        }
        frame = clients_behind(query, row.labels, frames(APIA), as_of=as_of)
        assert dict(zip(frame["Client Id"], frame["Movement"], strict=True)) == want, row.labels


@pytest.mark.parametrize("start", ["2012-01-30 12:00:00", "2012-01-30 23:59:59"])
def test_an_opening_window_that_starts_after_that_of_the_first_row(start: str) -> None:
    uses = [("A", f"2011-12-{day}T{hour}:00:00Z") for day in (30, 31) for hour in ("09", "11", "15", "23")]
    for moment in range(len(uses)):
        mart = {"clients": [client("A")], "transactions": usage(*uses[moment : moment + 1])}
        query = {
            "interval": {"start": start, "end": "2012-02-03 23:59:59"},
            "timezone": "Pacific/Apia",
            "group_by": ["date"],
            "columns": ["active", "movement"],
            "active_duration": 1,
        }
        as_of = "2012-03-01T00:00:00Z"
        want = dynamics.table(dynamics.dynamics(mart, query, as_of), with_total=True)
        assert cells(mart, query, as_of) == want


@pytest.mark.parametrize(
    ("amount", "want"),
    [
        ("3", "0"),
        ("9", "0.000002"),
        ("15", "0.000002"),
        ("12", "0.000002"),
        ("9" * 18, "166666666666.666666"),
    ],
)
def test_amounts_behind_a_row_are_rounded_half_even(amount: str, want: str) -> None:
    millionths = Decimal(amount).scaleb(-6)
    mart = {
        "clients": [client("A", currency="EUR", opening_balance=str(millionths + 1))],
        "transactions": usage(("A", "2021-05-10T00:00:00Z"), amount=str(-millionths)),
        "rates": [{"date": "2011-01-01", "base": "USD", "currency": "EUR", "units_per_base": "6"}],
    }
    query = {"interval": {"start": "2021-05-01", "end": "2021-05-31"}, "group_by": [], "currency": "USD"}
    frame = clients_behind(query, None, frames(mart), as_of="2021-07-01T00:00:00Z")
    assert frame["Pay As You Go Total"].tolist() == [Decimal(want)]
    assert frame["Balance"].tolist() == [Decimal(1)]
    assert frame["Balance Converted"].tolist() == [Decimal("0.166667")]


def test_a_balance_outside_all_is_empty_where_its_quote_is_missing() -> None:
    closed = client("A", currency="EUR", opening_balance="5", closed_at="2021-05-20T00:00:00Z")
    mart = {
        "clients": [closed, client("B", opening_balance="7")],
        "transactions": usage(("A", "2021-04-25T00:00:00Z"), ("B", "2021-05-10T00:00:00Z")),
        "rates": [{"date": "2011-01-01", "base": "USD", "currency": "USD", "units_per_base": "1"}],
    }
    query = {
        "interval": {"start": "2021-05-01", "end": "2021-05-31"},
        "group_by": [],
        "currency": "USD",
        "columns": ["all", "movement"],
    }
    frame = clients_behind(query, None, frames(mart), as_of="2021-07-01T00:00:00Z")
    assert frame["Client Id"].tolist() == ["A", "B"]
    assert frame["Balance Converted"].isna().tolist() == [True, False]


def test_a_clients_change_is_rounded_once() -> None:
    mart = {
        "clients": [client("A", currency="EUR")],
        "transactions": [
            *usage(("A", "2021-04-10T00:00:00Z"), amount="-1"),
            {"transaction_id": "x", "client_id": "A", "at": "2021-05-10T00:00:00Z", "kind": "usage",
             "amount": "-2"},
        ],
        "rates": [
            {"date": "2011-01-01", "base": "USD", "currency": "EUR", "units_per_base": "3"},
        ],
    }  # fmt: skip
    query = {
        "interval": {"start": "2021-05-01", "end": "2021-05-31"},
        "group_by": [],
        "currency": "USD",
        "compare": "previous_month",
    }
    at = "2021-07-01T00:00:00Z"
    report = run_report(query, frames(mart), as_of=at)
    frame = clients_behind(report, None, frames(mart), change=True)
    change = report.rows[0].values[report.column("Pay As You Go: Total Change")]
    assert change == frame["Pay As You Go Total Change"].sum() == Decimal("0.333333")


@pytest.fixture
def own_metrics() -> Iterator[None]:
    before = dict(METRICS)
    yield
    METRICS.clear()
    METRICS.update(before)


@pytest.mark.usefixtures("own_metrics")
def test_an_own_column_with_the_name_of_a_comparison_is_an_error() -> None:
    @metric("Own", [("Qty", "count", "Clients."), ("Qty Before", "count", "Clients.")])
    def own(lines: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"Qty": lines["all_qty"], "Qty Before": lines["all_qty"]})

    mart = frames({"clients": [client("A")], "transactions": usage(("A", "2021-05-05T00:00:00Z"))})
    query = {"interval": {"start": "2021-05-01", "end": "2021-05-31"}}
    at = "2021-07-01T00:00:00Z"
    assert run_report(query, mart, as_of=at).columns[-1].name == "Own: Qty Before"
    with pytest.raises(QueryError, match=r"compare: .*two columns.*'Own: Qty Before'.*rename"):
        run_report({**query, "compare": "previous_month"}, mart, as_of=at)
    other = {**query, "compare": "previous_month", "columns": ["payg"]}
    assert run_report(other, mart, as_of=at).rows


@pytest.mark.usefixtures("own_metrics")
@pytest.mark.parametrize("own", [False, True])
def test_the_clients_of_every_row_of_several_periods_are_found(own: bool) -> None:
    @metric("Own", [("Sum", "money", "The usage of all rows up to this one.")])
    def usage_so_far(lines: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"Sum": -lines["usage"].cumsum()})

    names = {"A": "North", "B": "South"}
    uses = usage(("A", "2021-05-05T00:00:00Z"), ("B", "2021-07-05T00:00:00Z"), ("A", "2021-07-06T00:00:00Z"))
    clients = [client(name, company=company) for name, company in names.items()]
    mart = frames({"clients": clients, "transactions": uses})
    query = {
        "interval": {"start": "2021-04-01", "end": "2021-09-30"},
        "group_by": ["month", "company"],
        "columns": ["payg", *(["Own"] if own else [])],
        "compare": "previous_month",
    }
    report = run_report(query, mart, as_of="2021-10-01T00:00:00Z")
    shown = {row.labels for row in report.rows}
    assert len(shown) == (10 if own else 6)
    for month in range(4, 10):
        for company in names.values():
            labels = (f"2021-{month:02}", company)
            if labels in shown:
                assert len(clients_behind(report, labels, mart)) == 1
            else:
                with pytest.raises(QueryError, match="is not a row of the report"):
                    clients_behind(report, labels, mart)


@pytest.mark.usefixtures("own_metrics")
@pytest.mark.parametrize("compare", [None, "previous_month"])
def test_own_columns_without_a_row_to_show_leave_only_the_total(compare: str | None) -> None:
    @metric("Own", [("Sum", "money", "The usage.")])
    def usage_sum(lines: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"Sum": -lines["usage"]})

    query = {"interval": {"start": "2021-05-01", "end": "2021-05-31"}, "group_by": ["company"]}
    mart = frames({"clients": [client("A")], "transactions": usage(("A", "2021-01-05T00:00:00Z"))})
    report = run_report(
        {**query, "columns": ["payg", "Own"], "compare": compare}, mart, as_of="2021-06-01T00:00:00Z"
    )
    assert [row.labels for row in report.shown_rows()] == [("Total",)]


def test_a_row_is_left_out_only_if_both_its_periods_are_exactly_nothing() -> None:
    """A third is cut, so that fixed point can tell neither a sum of 0 nor a very small one from the other."""
    months = {"April": "2021-04-10T00:00:00Z", "May": "2021-05-10T00:00:00Z"}
    ledger: list[dict[str, str]] = []
    clients = []
    for company, currency, amounts in (
        ("Cancelled", "EUR", {"April": "-1 1", "May": "-1 1"}),
        ("Only before", "EUR", {"April": "-1", "May": "-1 1"}),
        ("Only now", "EUR", {"April": "-1 1", "May": "-1"}),
        ("Tiny before", "JPY", {"April": "-0.000001"}),
        ("Tiny now", "JPY", {"May": "-0.000001"}),
        ("Quiet", "JPY", {}),
    ):
        clients.append(client(company, company=company, currency=currency))
        for month, listed in amounts.items():
            for amount in listed.split():
                ledger += usage((company, months[month]), amount=amount)
                ledger[-1]["transaction_id"] = str(len(ledger))
    quotes = (("EUR", "3"), ("JPY", "3" + "0" * 20))
    mart = {
        "clients": clients,
        "transactions": ledger,
        "rates": [
            {"date": "2011-01-01", "base": "USD", "currency": currency, "units_per_base": units}
            for currency, units in quotes
        ],
    }
    query = {"interval": {"start": "2021-05-01", "end": "2021-05-31"}, "group_by": ["company"],
             "columns": ["payg"], "currency": "USD", "compare": "previous_month"}  # fmt: skip
    found = [row[:5] for row in cells(mart, query, "2021-06-01T00:00:00Z")[1:]]
    third, nothing = "0.333333", "0.000000"
    assert found == [
        ["Only before", nothing, third, f"-{third}", "-100.000000"],
        ["Only now", third, nothing, third, ""],
        ["Tiny before", nothing, nothing, nothing, "-100.000000"],
        ["Tiny now", nothing, nothing, nothing, ""],
        ["Total", third, third, nothing, nothing],
    ]


@pytest.mark.usefixtures("own_metrics")
def test_an_own_metric_cannot_have_the_id_of_other_columns() -> None:
    with pytest.raises(CustDynError, match=r"'movement' uses the id of a built-in group.*another name"):
        metric("movement", [("Qty", "count", "Clients.")])


@pytest.mark.parametrize(("group", "field"), [("company", "company"), ("owner_user", "owner_user")])
def test_a_company_or_user_really_named_none_has_a_label_of_its_own(group: str, field: str) -> None:
    mart = {
        "clients": [client("A", **{field: "(none)"}), client("B"), client("C", **{field: "Zed"})],
        "transactions": usage(("A", "2021-05-02T00:00:00Z"), ("B", "2021-05-03T00:00:00Z")),
    }
    query = {
        "interval": {"start": "2021-05-01", "end": "2021-05-31"},
        "group_by": [group],
        "columns": ["all"],
    }
    as_of = "2021-06-01T00:00:00Z"
    own = f"(none) ({group.replace('_', ' ')})"
    assert [row[0] for row in cells(mart, query, as_of)[1:]] == [own, "Zed", "(none)", "Total"]
    for label, expected in ((own, ["A"]), ("(none)", ["B"])):
        behind = clients_behind(query, label, frames(mart), as_of=as_of)
        assert behind["Client Id"].tolist() == expected
