"""The query form without a browser: what it asks for, what it refuses and with which words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from custdyn_widgets.engine.registry import METRICS, metric
from custdyn_widgets.errors import QueryError, RateError
from custdyn_widgets.mart.facts.facts import Names
from custdyn_widgets.query.checks import Period, time_zones
from custdyn_widgets.query.fields import COLUMN_GROUPS, PRESETS, Field
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.widgets.column_chooser import ColumnChooser
from custdyn_widgets.widgets.form import DEFAULT, QueryForm
from custdyn_widgets.widgets.form_control import Control
from custdyn_widgets.widgets.search_select import SearchSelect
from tests.payloads import PAYLOADS

NAMES = Names(
    currencies=("EUR", "GBP"),
    companies=("Acme", "Beta"),
    owners=("anna", "bob"),
    tags=("new", "vip"),
    packages=(("P1", "Basic"), ("P2", "Basic"), ("P3", "Gold")),
    parents={},
    quotes={"EUR": ((0, "0.9"),), "GBP": ((0, "0.8"),)},
    base="USD",
)
NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
FULL = ReportQuery.from_dict(
    {
        "interval": {"start": "2021-02-03 04:05:06", "end": "2021-12-31 23:59:59"},
        "timezone": "Asia/Kathmandu",
        "client_type": "calling_card",
        "client_tags": ["vip", "new"],
        "tags_match": "all",
        "company": ["Beta"],
        "include_descendants": False,
        "owner_user": ["anna"],
        "package": ["P3"],
        "group_by": ["year", "package"],
        "currency": "EUR",
        "active_duration": 12,
    }
)


@pytest.fixture
def form() -> QueryForm:
    return QueryForm(NAMES, now=lambda: NOW)


def within(widget: Any) -> list[Any]:
    return [widget, *(inner for child in getattr(widget, "children", ()) for inner in within(child))]


def control(form: QueryForm, label: str) -> Control | SearchSelect:
    """Return the control that a person finds under this label."""
    found = [
        w
        for w in within(form.widget)
        if isinstance(w, Control | SearchSelect) and w.label.removesuffix(" (months)") == label
    ]
    assert len(found) == 1, (label, len(found))
    return found[0]


def button(form: QueryForm, name: str) -> Any:
    [found] = [w for w in within(form.widget) if name in (getattr(w, "description", ""), tooltip_of(w))]
    return found


def chooser(form: QueryForm) -> ColumnChooser:
    [found] = [w for w in within(form.widget) if isinstance(w, ColumnChooser)]
    return found


def tooltip_of(widget: Any) -> str:
    return getattr(widget, "tooltip", None) or ""


def labels(form: QueryForm) -> list[str]:
    return [w.label for w in within(form.widget) if isinstance(w, Control | SearchSelect)]


def add_filter(form: QueryForm, field: str, *values: str) -> SearchSelect:
    control(form, "Filters").value = [field]
    label = {"client_tags": "Client tags", "company": "Company", "owner_user": "Owner user"}.get(
        field, "Package"
    )
    [found] = [w for w in within(form.widget) if isinstance(w, SearchSelect) and w.label == label]
    found.value = list(values)
    return found


def message(form: QueryForm) -> str:
    [found] = [w for w in within(form.widget) if "custdyn-message" in w._dom_classes]
    return str(found.value)


# What it asks


def test_a_new_form_asks_for_the_last_twelve_months_by_month(form: QueryForm) -> None:
    assert form.query() == DEFAULT == ReportQuery(interval="last_12_months")
    assert form.fields() == DEFAULT.to_dict()
    assert form.output == "web"
    assert not button(form, "Query").disabled


@pytest.mark.parametrize("interval", ["yesterday", FULL.interval])
def test_a_query_put_into_the_form_comes_out_again(form: QueryForm, interval: str | Period) -> None:
    asked = replace(FULL, interval=interval)
    form.load(asked, "xlsx")
    assert form.query() == asked
    assert form.output == "xlsx"
    form.load(DEFAULT)
    assert form.query() == DEFAULT
    assert form.output == "web"
    assert "Company" not in labels(form)


def test_every_control_has_a_label_and_a_tooltip(form: QueryForm) -> None:
    form.load(FULL)
    form.set_saved([("a", "A")])
    controls = [w for w in within(form.widget) if isinstance(w, Control | SearchSelect)]
    assert len(controls) == 19
    assert all(w.label and w.tooltip for w in controls)
    assert all(w.tooltip for w in within(form.widget) if type(w).__name__ == "Button")


def test_the_form_is_made_of_few_widgets(form: QueryForm) -> None:
    assert len(within(form.widget)) < 25


def test_each_grouping_can_be_chosen_and_none(form: QueryForm) -> None:
    time, row = control(form, "Group by"), control(form, "And by")
    for chosen in ("year", "month", "date"):
        time.value = chosen
        assert form.fields()["group_by"] == [chosen]
    for chosen in ("package", "company", "owner_user", "client_type", "currency", "cohort"):
        row.value = chosen
        assert form.fields()["group_by"] == ["date", chosen]
    time.value = ""
    assert form.fields()["group_by"] == ["cohort"]
    row.value = ""
    assert form.query() == replace(DEFAULT, group_by=())
    assert row.options[:3] == [["", "(none)"], ["package", "Package"], ["company", "Company"]]


# Columns and comparison


@pytest.mark.parametrize(("field", "label"), [("company", "Company"), ("owner_user", "Owner user")])
def test_clients_without_a_company_or_user_can_be_filtered(form: QueryForm, field: str, label: str) -> None:
    query = replace(DEFAULT, **{field: ("(none)",)})
    form.load(query)
    assert form.query() == query
    search = control(form, label)
    assert search.error == ""
    assert ["(none)", "(none)"] in search.options


def test_each_comparison_can_be_chosen_and_none(form: QueryForm) -> None:
    compare = control(form, "Compare with")
    assert [text for _, text in compare.options] == [
        "No comparison", "Previous period", "Previous day", "Previous week", "Previous month",
        "Previous quarter", "Previous year",
    ]  # fmt: skip
    for chosen, _ in compare.options[1:]:
        compare.value = chosen
        assert form.query() == replace(DEFAULT, compare=chosen)
    compare.value = ""
    assert form.query() == DEFAULT


def test_columns_are_chosen_by_group_and_no_choice_is_the_default(form: QueryForm) -> None:
    columns = chooser(form)
    assert [option[0] for option in columns.options][:8] == list(COLUMN_GROUPS)
    assert [option[-1] for option in columns.options][:8] == [True] * 6 + [False] * 2
    name, labels, definitions = columns.options[6][1:4]
    assert (name, labels.split(", ")[:2]) == ("Clients - Movement", ["Opening", "New"])
    assert "New: Clients active at the row's end" in definitions
    columns.value = ["active", "movement"]
    assert form.query() == replace(DEFAULT, columns=("active", "movement"))
    columns.value = []
    assert form.query() == DEFAULT


def test_balances_cannot_be_chosen_by_package_and_come_back_without_it(form: QueryForm) -> None:
    columns, row = chooser(form), control(form, "And by")
    columns.value = ["movement", "balances"]
    row.value = "package"
    assert "a client's balance is not divided among packages" in columns.options[7][4]
    assert form.query() == replace(DEFAULT, group_by=("month", "package"), columns=("movement",))
    row.value = "company"
    assert columns.options[7][4] == ""
    assert form.query() == replace(DEFAULT, group_by=("month", "company"), columns=("movement", "balances"))


def test_a_query_with_columns_and_a_comparison_comes_out_of_the_form_again(form: QueryForm) -> None:
    asked = replace(FULL, columns=("all", "movement"), compare="previous_year", group_by=("cohort",))
    form.load(asked)
    assert form.query() == asked
    form.load(DEFAULT)
    assert form.query() == DEFAULT


def test_columns_of_an_own_metric_are_offered_shown_by_default_and_missed(form: QueryForm) -> None:
    asked = replace(DEFAULT, columns=("active", "<Habits>"))
    form.load(asked)
    assert "do not exist: '<Habits>'" in chooser(form).error
    assert form.query() is None
    metric("<Habits>", [("Per Client", "money", "Refills per client.")])(lambda lines: lines)
    try:
        form.load(asked)
        assert form.query() == asked
        assert chooser(form).options[-1][1:] == [
            "<Habits>",
            "Per Client",
            "Per Client: Refills per client.",
            "",
            True,
        ]
    finally:
        del METRICS["<Habits>"]


def test_the_currencies_are_those_of_the_data_and_its_own_choice(form: QueryForm) -> None:
    currency = control(form, "Currency")
    assert currency.options == [
        ["", "Default (USD)"],
        ["EUR", "EUR"],
        ["GBP", "GBP"],
        ["USD", "USD"],
    ]
    currency.value = "GBP"
    assert form.fields()["currency"] == "GBP"


def test_data_that_cannot_choose_a_currency_ask_for_one() -> None:
    form = QueryForm(NAMES._replace(base="", quotes={}))
    currency = control(form, "Currency")
    assert currency.error.startswith("Currency is required")
    assert form.query() is None
    currency.value = "EUR"
    assert form.query() is not None
    assert currency.error == ""


def test_a_form_without_any_data_can_still_be_asked() -> None:
    assert QueryForm(Names((), (), (), (), (), {}, {}, "")).query() == DEFAULT


# Filters


def test_a_filter_is_offered_until_it_is_there(form: QueryForm) -> None:
    search = control(form, "Filters")
    assert search.options == [
        ["client_tags", "Client tags", "By clients"],
        ["company", "Company", "By clients"],
        ["owner_user", "Owner user", "By clients"],
        ["package", "Package", "Extras"],
    ]
    add_filter(form, "company")
    assert "company" not in [option[0] for option in search.options]
    assert search.value == []
    for field in ("client_tags", "owner_user", "package"):
        add_filter(form, field)
    assert search.disabled
    button(form, "Remove the filter Company").click()
    assert [option[0] for option in search.options] == ["company"]
    assert not search.disabled


def test_a_new_filter_takes_the_cursor_and_a_removed_one_gives_it_back(form: QueryForm) -> None:
    assert add_filter(form, "company").wants_focus
    assert not control(form, "Filters").wants_focus
    button(form, "Remove the filter Company").click()
    assert control(form, "Filters").wants_focus


@pytest.mark.parametrize("how", ["button", "keyboard"])
def test_a_removed_filter_comes_back_with_undo_where_it_was(form: QueryForm, how: str) -> None:
    add_filter(form, "client_tags", form._names.tags[0])
    add_filter(form, "company", form._names.companies[0])
    control(form, "Include descendants").value = False
    add_filter(form, "owner_user", form._names.owners[0])
    before, order = form.query(), labels(form)
    button(form, "Remove the filter Company").click()
    assert form.query() != before
    if how == "button":
        button(form, "Undo: restore Company").click()
    else:
        control(form, "Filters")._handle_custom_msg({"undo": True}, [])
    assert (form.query(), labels(form)) == (before, order)
    assert control(form, "Filters").wants_focus
    assert not [w for w in within(form.widget) if "Undo" in getattr(w, "description", "")]
    control(form, "Filters")._handle_custom_msg({"undo": True}, [])
    assert form.query() == before


def test_filters_come_back_one_by_one_the_last_removed_first(form: QueryForm) -> None:
    add_filter(form, "client_tags", form._names.tags[0])
    add_filter(form, "company", form._names.companies[0])
    add_filter(form, "owner_user", form._names.owners[0])
    before, order = form.query(), labels(form)
    for name in ("Company", "Client tags", "Owner user"):
        button(form, f"Remove the filter {name}").click()
    assert form.query() == DEFAULT
    for name in ("Owner user", "Client tags", "Company"):
        button(form, f"Undo: restore {name}").click()
    assert (form.query(), labels(form)) == (before, order)


def test_there_is_nothing_to_undo_after_another_filter_or_a_loaded_query(form: QueryForm) -> None:
    for act in (lambda: add_filter(form, "owner_user"), lambda: form.load(DEFAULT)):
        add_filter(form, "company", form._names.companies[0])
        button(form, "Remove the filter Company").click()
        act()
        control(form, "Filters")._handle_custom_msg({"undo": True}, [])
        assert form.query() == DEFAULT


def test_a_removed_filter_no_longer_counts_and_comes_back_empty(form: QueryForm) -> None:
    add_filter(form, "company", "Acme")
    control(form, "Include descendants").value = False
    assert form.query() == replace(DEFAULT, company=("Acme",), include_descendants=False)
    button(form, "Remove the filter Company").click()
    assert form.query() == DEFAULT
    assert "Company" not in labels(form)
    control(form, "Filters").value = ["company"]
    assert control(form, "Company").value == []
    assert control(form, "Include descendants").value is True


def test_a_filter_without_a_choice_filters_nothing(form: QueryForm) -> None:
    add_filter(form, "client_tags")
    assert form.query() == DEFAULT


def test_tags_are_matched_by_any_or_all(form: QueryForm) -> None:
    add_filter(form, "client_tags", "vip", "new")
    control(form, "Tags match").value = "all"
    assert form.query() == replace(DEFAULT, client_tags=("vip", "new"), tags_match="all")


def test_packages_are_told_apart_by_their_ids(form: QueryForm) -> None:
    search = add_filter(form, "package", "P2")
    assert search.options == [["P1", "Basic (P1)"], ["P2", "Basic (P2)"], ["P3", "Gold (P3)"]]
    assert form.query() == replace(DEFAULT, package=("P2",))


def test_a_packages_name_is_taken_for_its_id_where_it_is_one_packages(form: QueryForm) -> None:
    form.load(replace(DEFAULT, package=("Gold",)))
    assert form.query() == replace(DEFAULT, package=("P3",))
    form.load(replace(DEFAULT, package=("Basic",)))
    assert form.query() is None


def test_a_value_that_the_data_does_not_have_is_named_and_stops_the_query(form: QueryForm) -> None:
    form.load(replace(DEFAULT, company=("Acme", "Gone")))
    company = control(form, "Company")
    assert company.value == ["Acme", "Gone"]
    assert company.error == "The data has no company 'Gone': remove the marked values."
    assert form.query() is None
    assert button(form, "Query").disabled
    assert button(form, "Save Query").disabled
    company.value = ["Acme"]
    assert company.error == ""
    assert form.query() == replace(DEFAULT, company=("Acme",))
    assert not button(form, "Query").disabled


def test_new_data_mark_what_is_gone_and_offer_what_is_new(form: QueryForm) -> None:
    form.load(replace(DEFAULT, company=("Acme",), currency="GBP"))
    form.set_names(NAMES._replace(companies=("Beta", "Zeta"), currencies=("EUR",), quotes={}))
    assert control(form, "Company").options == [["Beta", "Beta"], ["Zeta", "Zeta"], ["(none)", "(none)"]]
    assert "'Acme'" in control(form, "Company").error
    assert ["GBP", "GBP (not in the data)"] in control(form, "Currency").options
    form.set_names(NAMES)
    assert form.query() == replace(DEFAULT, company=("Acme",), currency="GBP")


def test_every_hostile_name_can_be_filtered_by_and_is_shown_printable() -> None:
    form = QueryForm(NAMES._replace(tags=tuple(PAYLOADS)))
    search = add_filter(form, "client_tags")
    for value, label in search.options:
        assert value.encode()
        assert not set(label) & set("\x00\u202e\u2066\n\t")
    search.value = [value for value, _ in search.options]
    query = form.query()
    assert query is not None
    assert sorted(query.client_tags) == sorted(set(PAYLOADS))
    form.load(query)
    assert form.query() == query


# The interval


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_fills_its_dates_in_and_stays_a_preset(form: QueryForm, preset: str) -> None:
    control(form, "Interval").value = preset
    assert form.fields()["interval"] == preset
    start, end = control(form, "Start").value, control(form, "End").value
    assert start.endswith("T00:00:00")
    assert end.endswith("T23:59:59")
    assert start <= end


def test_a_preset_follows_the_clock_of_the_time_zone(form: QueryForm) -> None:
    control(form, "Interval").value = "today"
    assert control(form, "Start").value == "2026-11-22T00:00:00"
    control(form, "Time zone").value = ["America/New_York"]
    assert control(form, "Start").value == "2026-11-21T00:00:00"
    assert control(form, "End").value == "2026-11-21T23:59:59"
    assert form.query() == replace(DEFAULT, interval="today", timezone="America/New_York")


def test_changing_a_date_makes_the_interval_a_custom_one(form: QueryForm) -> None:
    control(form, "Start").value = "2026-01-02T03:04:05"
    assert control(form, "Interval").value == "custom"
    assert form.fields()["interval"] == {"start": "2026-01-02 03:04:05", "end": "2026-11-30 23:59:59"}
    control(form, "Time zone").value = ["Asia/Tokyo"]
    assert control(form, "Start").value == "2026-01-02T03:04:05"


def test_custom_keeps_the_dates_that_the_preset_had(form: QueryForm) -> None:
    control(form, "Interval").value = "custom"
    assert form.fields()["interval"] == {"start": "2025-12-01 00:00:00", "end": "2026-11-30 23:59:59"}


def test_a_click_on_query_shows_a_presets_dates_as_of_then() -> None:
    clock = [NOW]
    form = QueryForm(NAMES, now=lambda: clock[0])
    control(form, "Interval").value = "today"
    clock[0] = datetime(2026, 11, 25, tzinfo=UTC)
    button(form, "Query").click()
    assert control(form, "Start").value == "2026-11-25T00:00:00"
    assert form.fields()["interval"] == "today"


def test_every_time_zone_of_a_query_is_offered(form: QueryForm) -> None:
    assert [value for value, _ in control(form, "Time zone").options] == list(time_zones())


# What it refuses


@pytest.mark.parametrize(
    ("label", "value", "words"),
    [
        (
            "Start",
            "2027-01-01T00:00:00",
            "Start: '2027-01-01 00:00:00' is after the end '2026-11-30 23:59:59'.",
        ),
        ("Start", "", "The start is missing: enter a date and a time."),
        ("End", "", "The end is missing: enter a date and a time."),
        ("End", "2999-01-01T00:00:00", "End: '2999-01-01 00:00:00' is outside the years 1900 to 2100."),
        ("Active duration", 0, "Active duration: 0 is not between 1 and 120 months."),
        ("Active duration", 121, "Active duration: 121 is not between 1 and 120 months."),
        ("Active duration", 2.5, "Active duration must be a whole number of months, not 2.5."),
        ("Active duration", None, "The number of months is missing: enter a whole number from 1 to 120."),
        ("Time zone", [], "The time zone is missing: choose one, such as UTC."),
        ("Time zone", ["Europe/Pari"], "Time zone: 'Europe/Pari' is not an allowed value. Did you mean"),
    ],
)
def test_what_is_wrong_is_said_in_words_beside_it_until_it_is_mended(
    form: QueryForm, label: str, value: Any, words: str
) -> None:
    wrong = control(form, label)
    good = wrong.value
    wrong.value = value
    assert wrong.error.startswith(words)
    others = [w for w in within(form.widget) if isinstance(w, Control | SearchSelect) and w is not wrong]
    assert [w.label for w in others if w.error] == []
    assert form.query() is None
    assert button(form, "Query").disabled
    wrong.value = good
    assert wrong.error == ""
    assert form.query() is not None
    assert not button(form, "Query").disabled


def test_all_that_is_wrong_is_said_at_once(form: QueryForm) -> None:
    control(form, "Start").value = ""
    control(form, "End").value = ""
    control(form, "Active duration").value = 500
    control(form, "Time zone").value = ["Nowhere"]
    add_filter(form, "company", "Gone")
    for label in ("Start", "End", "Active duration", "Time zone", "Company"):
        assert control(form, label).error


def test_a_dates_error_goes_when_a_preset_is_chosen(form: QueryForm) -> None:
    control(form, "Start").value = ""
    control(form, "Interval").value = "last_month"
    assert control(form, "Start").error == ""
    assert form.query() == replace(DEFAULT, interval="last_month")


def test_an_error_from_elsewhere_is_shown_beside_its_control_until_a_change(form: QueryForm) -> None:
    form.show_error(RateError.missing("XAF", "2021-01-01", "USD"))
    assert "no quote for XAF" in control(form, "Currency").error
    assert not button(form, "Query").disabled
    control(form, "Currency").value = "EUR"
    assert control(form, "Currency").error == ""


def test_an_error_about_no_control_is_shown_above_the_buttons_as_text(form: QueryForm) -> None:
    form.show_error(QueryError("source: <b>gone</b>\u202e & away", field="source"))
    assert 'role="alert"' in message(form)
    assert "&lt;b&gt;gone&lt;/b&gt;\ufffd &amp; away" in message(form)
    control(form, "Client type").value = "all"
    assert message(form) == ""


# The buttons


def test_query_and_save_are_heard_only_while_the_query_is_valid(form: QueryForm) -> None:
    heard: list[str] = []
    form.on_query = lambda: heard.append("query")
    form.on_save = lambda: heard.append("save")
    button(form, "Query").click()
    button(form, "Save Query").click()
    assert heard == ["query", "save"]
    control(form, "Active duration").value = 0
    button(form, "Query").click()
    button(form, "Save Query").click()
    assert heard == ["query", "save"]


def test_query_is_off_while_a_query_runs(form: QueryForm) -> None:
    form.set_busy(True)
    assert button(form, "Query").disabled
    control(form, "Client type").value = "all"
    assert button(form, "Query").disabled
    form.set_busy(False)
    assert not button(form, "Query").disabled


def test_load_query_is_there_once_there_is_a_saved_query(form: QueryForm) -> None:
    heard: list[str] = []
    form.on_load = heard.append
    assert "Saved query" not in labels(form)
    form.set_saved([("a", "Every month"), ("b", "Same"), ("c", "Same")])
    saved = control(form, "Saved query")
    assert saved.options == [["a", "Every month"], ["b", "Same (b)"], ["c", "Same (c)"]]
    button(form, "Load Query").click()
    saved.value = "c"
    button(form, "Load Query").click()
    assert heard == ["a", "c"]
    form.set_saved([("b", "Same")])
    assert saved.value == "b"
    form.set_saved([])
    assert "Saved query" not in labels(form)


def test_a_form_can_begin_with_saved_queries() -> None:
    assert control(QueryForm(NAMES, [("a", "A")]), "Saved query").value == "a"


# How often it checks


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the fields that are checked from now on."""
    checked: list[str] = []
    check = Field.check

    def noted(self: Field, value: object) -> object:
        checked.append(self.name)
        return check(self, value)

    monkeypatch.setattr(Field, "check", noted)
    return checked


def test_a_click_checks_nothing_that_was_checked_when_it_was_changed(
    form: QueryForm, checks: list[str]
) -> None:
    form.load(FULL)
    assert checks
    asked: list[ReportQuery | None] = []
    form.on_query = form.on_save = lambda: asked.append(form.query())
    checks.clear()
    button(form, "Query").click()
    button(form, "Save Query").click()
    form.set_names(NAMES._replace())
    assert asked == [FULL, FULL]
    assert checks == []


def test_a_changed_time_is_checked_once(form: QueryForm, checks: list[str]) -> None:
    control(form, "Start").value = "2026-01-02T03:04:05"
    assert checks.count("interval") == 2  # as a field, and when the query is built


def test_a_click_clears_what_the_last_answer_said_of_a_control(form: QueryForm) -> None:
    form.show_error(RateError.missing("XAF", "2021-01-01", "USD"))
    button(form, "Query").click()
    assert control(form, "Currency").error == ""
