"""Which clients a list shows, and in what order, without a browser or data."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from custdyn_widgets.report.report import Column, Part, Unit
from custdyn_widgets.widgets import client_view
from custdyn_widgets.widgets.client_view import (
    ClientView,
    change_view,
    chosen_clients,
    first_view,
    found_lines,
    has_more,
    value_label,
)

TABLE = pd.DataFrame(
    [
        ("c1", "Ann", 1, "retained", Decimal("-0.01"), Decimal(5), "2021-02"),
        ("c2", "Bob", 0, "new", Decimal(0), None, ""),
        ("c3", "STRASSE", 1, "reactivated", Decimal(7), Decimal(-9), "2021-03"),
        ("c4", "Dan", 1, "lapsed", Decimal(3), Decimal(5), "2021-01"),
        ("c5", "Eve", 0, "closed", Decimal(-3), Decimal(2), None),
    ],
    columns=["Client Id", "Name", "Active", "Movement", "Balance", "Refill Total Change", "Last Use"],
    dtype=object,
)


def ids(table: pd.DataFrame) -> list[str]:
    return [name.removeprefix("c") for name in table["Client Id"]]


def column(name: str, part: Part = "value") -> Column:
    group, _, label = name.partition(": ")
    end = {"before": " Before", "change": " Change", "change_percent": " Change %"}.get(part, "")
    unit: Unit = "money"
    return Column(group, label + end, unit, "", part)


@pytest.mark.parametrize(
    ("name", "view"),
    [
        ("Clients - Active: Qty", ClientView(only="Active")),
        ("Clients - Overall Active: Qty", ClientView(only="Overall Active")),
        ("Clients - All: Qty", ClientView(only="Alive")),
        ("Clients - All: Balance", ClientView(only="Alive", sort="Balance Converted", descending=True)),
        (
            "Clients - All: Balance Pos",
            ClientView(only="Alive", sign="positive", sort="Balance Converted", descending=True),
        ),
        ("Clients - All: Balance Neg", ClientView(only="Alive", sign="negative", sort="Balance Converted")),
        ("Clients - Movement: New", ClientView(only="new")),
        ("Clients - Movement: Opening", ClientView(only="active before")),
        ("Clients - Movement: Closing", ClientView(only="Active")),
        ("Clients - Movement: Churn Rate", ClientView(only="lapsed or closed")),
        ("Clients - Movement: Mine", ClientView()),
        ("Balance Refill: Total", ClientView(sort="Refill Total", descending=True)),
        ("Packages: Renew Qty", ClientView(sort="Renew Qty", descending=True)),
        ("Balance Refill: Avg", ClientView()),
    ],
)
def test_a_click_on_a_column_first_shows_the_clients_that_it_counts(name: str, view: ClientView) -> None:
    assert first_view(column(name), compared=False) == view
    parts: tuple[Part, ...] = ("before", "change", "change_percent")
    for part in parts:
        clicked = first_view(column(name, part), compared=True)
        if view.sort and not view.only:  # sums over clients, whose changes can be listed
            assert clicked == ClientView(change=True, sort=f"{view.sort} Change", descending=True)
        else:
            assert clicked == view
    assert first_view(column(name), compared=True) == view


def test_without_a_column_all_clients_are_shown() -> None:
    assert first_view(None, compared=True) == ClientView()
    assert value_label(Column("A", "Change", "count", "", "value")) == "Change"


@pytest.mark.parametrize(
    ("view", "found"),
    [
        (ClientView(), "12345"),
        (ClientView(only="Active"), "134"),
        (ClientView(only="Alive"), "12345"),  # the table has no such column
        (ClientView(only="new"), "2"),
        (ClientView(only="new or reactivated"), "23"),
        (ClientView(only="lapsed or closed"), "45"),
        (ClientView(only="active before"), "145"),
        (ClientView(only="neither"), "12345"),
        (ClientView(sign="positive"), "34"),
        (ClientView(sign="negative"), "15"),
        (ClientView(sign="odd"), "12345"),
        (ClientView(only="Active", sign="negative"), "1"),
    ],
)
def test_clients_are_chosen_by_flag_movement_and_sign_of_their_balance(view: ClientView, found: str) -> None:
    assert ids(chosen_clients(TABLE, view)) == [*found]


def test_without_a_movement_or_balance_none_is_left_out() -> None:
    table = TABLE[["Client Id", "Name"]]
    for view in (ClientView(only="new"), ClientView(sign="negative"), ClientView(only="Active")):
        assert ids(chosen_clients(table, view)) == [*"12345"]


@pytest.mark.parametrize(
    ("view", "found"),
    [
        (ClientView(search="  ANN "), "1"),
        (ClientView(search="straße"), "3"),
        (ClientView(search="c"), "12345"),
        (ClientView(search="retained"), ""),  # not searched
        (ClientView(sort="Balance"), "51243"),
        (ClientView(sort="Balance", descending=True), "34215"),
        (ClientView(sort="Refill Total Change"), "51432"),  # by size; equal values keep their order
        (ClientView(sort="Refill Total Change", descending=True), "31452"),
        (ClientView(sort="Last Use"), "41325"),  # missing times come last in both directions
        (ClientView(sort="Last Use", descending=True), "31425"),
        (ClientView(sort="Elsewhere", descending=True), "12345"),
        (ClientView(search="n", sort="Name", descending=True), "41"),
    ],
)
def test_lines_are_searched_and_sorted(view: ClientView, found: str) -> None:
    assert ids(found_lines(TABLE, view, ["Client Id", "Name"])) == [*found]


@pytest.mark.parametrize(
    ("asked", "changed"),
    [
        ({"only": "new", "sign": "positive", "search": "a", "sort": "Name", "descending": True},
         ClientView(only="new", sign="positive", search="a", sort="Name", descending=True, lines=2)),
        ({"only": 1, "sort": None, "descending": "yes", "by": "company", "change": True},
         ClientView(lines=2)),
        ({"more": True}, ClientView(lines=5)),
        ({"more": 1}, ClientView(lines=2)),
    ],
)  # fmt: skip
def test_the_browser_changes_only_what_it_may(
    monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any], changed: ClientView
) -> None:
    monkeypatch.setattr(client_view, "PAGE_LINES", 2)
    monkeypatch.setattr(client_view, "MOST_LINES", 5)
    view = ClientView(lines=4)
    change_view(view, asked)
    assert view == changed


def test_there_are_more_lines_until_all_or_the_most_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_view, "MOST_LINES", 5)
    assert [has_more(ClientView(lines=3), found) for found in (2, 3, 4)] == [False, False, True]
    assert not has_more(ClientView(lines=5), 6)
