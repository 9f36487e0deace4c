"""The clients behind a cell: the same as `clients_behind` gives, searched, sorted and exported."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from custdyn_widgets import CustomerDynamics, clients_behind
from custdyn_widgets.mart import open_mart
from custdyn_widgets.query.checks import Period
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.render import table_csv
from custdyn_widgets.report.formatting import format_value
from custdyn_widgets.report.report import Column
from custdyn_widgets.widgets import client_list, client_view
from custdyn_widgets.widgets.client_panel import ClientPanel

MART = Path(__file__).parents[1] / "golden" / "mixed" / "mart"
QUERY = ReportQuery(
    interval=Period(datetime(2021, 1, 1), datetime(2021, 12, 31, 23, 59, 59)),
    client_type="all",
    columns=("active", "all", "payg", "movement"),
    compare="previous_month",
)


class Analyst:
    """Somebody at a form with a report on screen."""

    def __init__(self, query: ReportQuery = QUERY) -> None:
        self.said: list[Any] = []
        self.files: list[Any] = []
        self.dynamics = CustomerDynamics(MART, publish=False)
        self.panel: ClientPanel = self.dynamics._view.clients
        self.panel.send = self.said.append  # type: ignore[method-assign]
        self.panel._download.start = lambda file, page="": self.files.append((file, page))  # type: ignore[method-assign]
        self.report = self.dynamics.run(query)

    def open(self, place: int | None, column: str | int = 0) -> dict[str, Any]:
        if isinstance(column, str):
            column = [c.name for c in self.report.columns].index(column)
        self.dynamics._result._handle_custom_msg({"cell": [place, column]}, [])
        return dict(self.said[-1])

    def ask(self, **asked: Any) -> dict[str, Any]:
        self.panel._handle_custom_msg({"ask": "view", **asked}, [])
        return dict(self.said[-1])

    def behind(self, place: int | None, *, change: bool = False) -> pd.DataFrame:
        labels = None if place is None else self.report.rows[place].labels
        total = place is None and bool(self.report.headings)
        return clients_behind(self.report, labels, MART, total=total, change=change)


@pytest.fixture
def analyst() -> Analyst:
    return Analyst()


def ids(shown: dict[str, Any]) -> list[str]:
    return [line[0] for line in shown["lines"]]


def column(shown: dict[str, Any], name: str) -> list[str]:
    at = [heading for heading, _ in shown["columns"]].index(name)
    return [line[at] for line in shown["lines"]]


def test_a_click_on_a_cell_shows_the_clients_behind_its_row(analyst: Analyst) -> None:
    for place in (0, 7, None):
        shown = analyst.open(place)
        analyst.ask(only="", sort="")
        expected = analyst.behind(place)
        assert shown["kind"] == "clients"
        assert ids(analyst.ask()) == expected["Client Id"].tolist()
        assert analyst.said[-1]["all"] == len(expected)
        assert [name for name, _ in shown["columns"]] == list(expected.columns)
    assert shown["title"] == "Clients behind Total"
    assert analyst.open(7)["title"] == "Clients behind 2021-08"


def test_finding_the_clients_is_announced_once_because_it_can_take_a_while(analyst: Analyst) -> None:
    analyst.open(7)
    analyst.ask(only="lapsed")
    assert [message["kind"] for message in analyst.said] == ["closed", "busy", "clients", "clients"]


def test_a_report_in_one_row_needs_no_label() -> None:
    analyst = Analyst(replace(QUERY, group_by=()))
    for place in (0, None):
        assert analyst.open(place)["title"] == "Clients behind the report"
    assert ids(analyst.ask(only="", sort="")) == analyst.behind(None)["Client Id"].tolist()


def test_the_clicked_column_chooses_what_is_shown_first(analyst: Analyst) -> None:
    place = 8
    whole = analyst.behind(place)
    shown = analyst.open(place, "Clients - Movement: Lapsed")
    assert shown["view"]["only"] == "lapsed"
    assert ids(shown)
    assert ids(shown) == whole[whole["Movement"] == "lapsed"]["Client Id"].tolist()
    assert (
        len(ids(shown))
        == analyst.report.rows[place].values[
            [c.name for c in analyst.report.columns].index("Clients - Movement: Lapsed")
        ]
    )
    shown = analyst.open(place, "Clients - Active: Qty")
    assert ids(shown) == whole[whole["Active"] == 1]["Client Id"].tolist()
    shown = analyst.open(place, "Clients - All: Balance Neg")
    assert (shown["view"]["sort"], shown["view"]["descending"]) == ("Balance Converted", False)
    shown = analyst.open(place, "Pay As You Go: Total")
    assert (shown["view"]["sort"], shown["view"]["descending"]) == ("Pay As You Go Total", True)


def test_each_value_is_shown_in_its_unit_and_currency(analyst: Analyst) -> None:
    analyst.open(7)
    shown = analyst.ask(only="", sort="")
    table = analyst.panel._list.table()  # type: ignore[union-attr]
    texts = {"Client Id", "Name", "Company", "Owner User", "Currency", "Movement", "First Use", "Last Use"}
    assert {name for name, is_text in shown["columns"] if is_text} == texts
    own = table["Currency"].tolist()
    assert len({*own}) > 1
    for name in table.columns:
        values = table[name].tolist()
        if name in ("Active", "Overall Active", "Alive"):
            expected = ["Yes" if value else "No" for value in values]
            assert {*expected} <= {"Yes", "No"}
        elif name in texts:
            expected = [str(value or "") for value in values]
        elif name.endswith("Qty"):
            expected = [f"{value:,d}" for value in values]
        else:
            money = Column("", "", "money", "")
            currencies = own if name == "Balance" else [analyst.report.currency] * len(values)
            expected = [format_value(v, money, c) for v, c in zip(values, currencies, strict=True)]
        assert column(shown, name) == expected, name
    note = f"Amounts in {analyst.report.currency}; Balance in the client's own currency."
    assert (shown["note"], shown["unit"], shown["whole"]) == (note, "client", [])
    assert [value for value, _ in shown["choices"]][:4] == ["", "Active", "Overall Active", "Alive"]
    assert analyst.ask(search=own[0])["found"] == 0  # a currency is not searched


def test_columns_that_add_up_to_the_clicked_one_stand_after_the_names(analyst: Analyst) -> None:
    names = [name for name, _ in analyst.open(7, "Pay As You Go: Total")["columns"]]
    assert names[names.index("Currency") + 1] == "Pay As You Go Total"
    assert names[0] == "Client Id"


def test_a_split_row_has_the_whole_row_and_parts_that_add_up_to_it(analyst: Analyst) -> None:
    for place, title in (
        (7, "Clients - Active, 2021-08, by company"),
        (None, "Clients - Active, Total, by company"),
    ):
        analyst.open(place, "Clients - Active: Qty")
        shown = analyst.ask(by="company")
        assert (shown["title"], shown["unit"], shown["choices"]) == (title, "row", [])
        assert shown["compared"] is False
        assert [is_text for _, is_text in shown["columns"]] == [True] + [False] * (len(shown["columns"]) - 1)
        assert shown["note"] == f"Amounts in {analyst.report.currency}."
        row = analyst.report.total if place is None else analyst.report.rows[place]
        assert row is not None
        whole = [
            format_value(value, c, analyst.report.currency)
            for value, c in zip(row.values, analyst.report.columns, strict=True)
            if c.group == "Clients - Active"
        ]
        assert shown["whole"] == ["All", *whole]
        parts = analyst.panel._list.table()["Qty"].tolist()  # type: ignore[union-attr]
        assert sum(parts) == row.values[0]
        assert parts == sorted(parts, reverse=True) or shown["view"]["sort"] == "Qty Change"


def test_changes_are_shown_the_largest_first_and_sum_to_the_change(analyst: Analyst) -> None:
    place, name = 7, "Pay As You Go: Total Change"
    shown = analyst.open(place, name)
    expected = analyst.behind(place, change=True)
    sizes = [abs(v) for v in analyst.panel._list.table()["Pay As You Go Total Change"]]  # type: ignore[union-attr]
    assert sizes == sorted(sizes, reverse=True)
    assert sorted(ids(shown)) == expected["Client Id"].tolist()
    whole = analyst.report.rows[place].values[[c.name for c in analyst.report.columns].index(name)]
    assert sum(expected["Pay As You Go Total Change"]) == pytest.approx(whole)
    assert shown["choices"] == []
    assert analyst.ask(change=False)["view"]["sort"] == "Pay As You Go Total"
    assert analyst.ask(change=True)["view"]["sort"] == "Pay As You Go Total Change"


def test_without_a_comparison_there_are_no_changes() -> None:
    analyst = Analyst(replace(QUERY, compare=None))
    assert analyst.open(3)["compared"] is False
    assert analyst.ask(change=True)["view"]["change"] is False


def test_clients_are_searched_and_sorted_with_missing_values_last(analyst: Analyst) -> None:
    analyst.open(7)
    whole = analyst.behind(7)
    wanted = whole["Client Id"].tolist()[3]
    shown = analyst.ask(only="", search=f" {wanted.upper()} ")
    assert wanted in ids(shown)
    assert (shown["found"], shown["all"]) == (len(ids(shown)), len(whole))
    shown = analyst.ask(search="", sort="Last Use", descending=True)
    times = column(shown, "Last Use")
    present = [time for time in times if time]
    assert present == sorted(present, reverse=True)
    assert times == [*present, *[""] * (len(times) - len(present))]
    assert ids(analyst.ask(sort="No Such Column")) == whole["Client Id"].tolist()


def test_only_some_lines_go_to_the_browser(analyst: Analyst, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_view, "PAGE_LINES", 2)
    analyst.open(7)
    shown = analyst.ask(only="", sort="")
    assert (len(shown["lines"]), shown["more"]) == (2, True)
    assert len(analyst.ask(more=True)["lines"]) == 4
    assert len(analyst.ask(search="")["lines"]) == 2


def test_the_export_is_the_list_on_screen_as_the_command_line_writes_it(analyst: Analyst) -> None:
    analyst.open(7)
    analyst.ask(only="", sort="")
    analyst.panel._handle_custom_msg({"ask": "csv", "page": "p"}, [])
    [(file, page)] = analyst.files
    expected = analyst.behind(7)
    rows = expected.astype(object).itertuples(index=False, name=None)
    assert file.content == table_csv(list(expected.columns), rows)
    assert (file.name, page) == ("clients-behind-2021-08-2021-01-01-to-2021-12-31.csv", "p")
    analyst.ask(only="retained")
    analyst.panel._handle_custom_msg({"ask": "csv"}, [])
    lines = list(csv.DictReader(io.StringIO(analyst.files[-1][0].content.decode())))
    assert {line["Movement"] for line in lines} == {"retained"}


def test_names_are_sent_only_when_asked_for_and_never_kept_in_the_notebook(analyst: Analyst) -> None:
    assert [message["kind"] for message in analyst.said] == ["closed"]
    analyst.open(7)
    state = repr(analyst.panel.get_state()) + repr(analyst.dynamics._result.get_state())
    names = [name for name in analyst.behind(7)["Client Id"] if name in state]
    assert names == []


def test_a_new_report_and_closing_end_the_list(analyst: Analyst) -> None:
    analyst.open(7)
    analyst.panel._handle_custom_msg({"ask": "close"}, [])
    assert analyst.said[-1] == analyst.ask() == {"kind": "closed"}
    analyst.open(7)
    analyst.dynamics.run(QUERY)
    assert analyst.ask() == {"kind": "closed"}


@pytest.mark.parametrize(
    "cell", [None, [], [1], ["0", 0], [0, None], [True, 0], [99, 0], [-1, 0], [0, 0, 0], {"a": 1}]
)
def test_a_cell_that_is_not_there_opens_nothing(analyst: Analyst, cell: Any) -> None:
    analyst.dynamics._result._handle_custom_msg({"cell": cell}, [])
    assert analyst.ask() == {"kind": "closed"}


def test_what_goes_wrong_is_told(analyst: Analyst, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(client_list, "clients_behind", broken)
    assert "MemoryError: no room" in analyst.open(7)["words"]


def test_an_open_mart_gives_the_same_clients_as_its_source(analyst: Analyst) -> None:
    opened = clients_behind(analyst.report, ["2021-08"], open_mart(MART))
    assert opened.equals(clients_behind(analyst.report, ["2021-08"], MART))
