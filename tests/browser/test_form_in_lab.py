"""The query form in a real JupyterLab: typed into, driven by keys, wrong and mended, with the kernel busy."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.axe import faults_in_both_themes, serious
from tests.browser.lab_notebook import LabNotebook

pytestmark = [pytest.mark.browser, pytest.mark.slow]
Open = Callable[..., LabNotebook]
COMPANIES = 10_000
MARKUP = "<img src=x onerror=window.pwned=1>"
MAKE = f"""
import time
from datetime import UTC, datetime
from custdyn_widgets.mart import Names
from custdyn_widgets.query import ReportQuery
from custdyn_widgets.widgets.form import QueryForm

companies = (*(f"Firma {{i:05d}}" for i in range({COMPANIES})), "Łódź Telefon", "Zoë & Søn", "Old Lodz",
             {MARKUP!r}, "from \\u202eright\\x00", "long " * 300)
names = Names(("USD", "EUR"), companies, ("anna", "bob"), ("new", "vip"),
              (("P1", "Basic"), ("P2", "Basic"), ("P3", "Gold")), {{}}, {{"EUR": ((0, "0.9"),)}}, "USD")
asked = []
def made(**about):
    form = QueryForm(names, now=lambda: datetime(2026, 11, 22, 3, tzinfo=UTC), **about)
    form.on_query = lambda: asked.append(form.query())
    return form
def heard():
    for _ in range(100):
        if not asked:
            time.sleep(0.05)
    return asked
form = made()
form.widget
"""


@pytest.fixture
def form(open_notebook: Open) -> LabNotebook:
    """A form over ten thousand companies."""
    notebook = open_notebook([MAKE, "time.sleep(600)"])
    notebook.run_cell(0)
    notebook.field("End").wait_for()
    return notebook


def expect_fields(notebook: LabNotebook, **expected: Any) -> None:
    """Wait until the kernel knows this of the query: Lab tells it widgets' changes beside other code."""
    code = "import json; print(json.dumps(form.fields()))"
    for _ in range(50):
        found = json.loads(notebook.ask(code))
        if {name: found[name] for name in expected} == expected:
            return
        notebook.page.wait_for_timeout(100)
    assert {name: found[name] for name in expected} == expected


def options(notebook: LabNotebook) -> Locator:
    return notebook.form.get_by_role("option").and_(notebook.page.locator(".custdyn-popup *"))


def chips(notebook: LabNotebook) -> Locator:
    return notebook.form.locator(".custdyn-chips li")


def query_button(notebook: LabNotebook) -> Locator:
    return notebook.form.get_by_role("button", name="Query", exact=True)


def active(notebook: LabNotebook, label: str) -> str:
    """Return the text of the option that a screen reader would tell as the active one."""
    found = notebook.field(label).get_attribute("aria-activedescendant")
    return notebook.page.locator(f"[id='{found}']").inner_text() if found else ""


# Searching


def test_typing_finds_anywhere_whatever_the_case_and_accents_the_best_first(form: LabNotebook) -> None:
    form.add_filter("Company")
    for typed, found in (
        ("lodz", ["Łódź Telefon", "Old Lodz"]),
        ("ŁÓDŹ T", ["Łódź Telefon"]),
        ("zoe & son", ["Zoë & Søn"]),
        ("00042", ["Firma 00042"]),
        ("no such", []),
    ):
        form.field("Company").fill(typed)
        expect(options(form)).to_have_text(found)
    expect(form.form.locator(".custdyn-row [role=status]")).to_have_text("No match")


def test_the_first_hundred_are_shown_and_all_are_counted(form: LabNotebook) -> None:
    form.add_filter("Company")
    form.field("Company").fill("firma 0")
    expect(options(form)).to_have_count(100)
    expect(
        form.form.locator(".custdyn-count", has_text="10,000 matches; the first 100 are shown")
    ).to_be_visible()


def test_typing_filters_while_the_kernel_does_nothing(form: LabNotebook) -> None:
    form.add_filter("Company")
    kernel = int(form.ask("import os; print(os.getpid())"))
    os.kill(kernel, signal.SIGSTOP)  # busier than any cell
    try:
        form.field("Company").press_sequentially("firma 09999")
        expect(options(form)).to_have_text(["Firma 09999"])
        form.field("Company").press("Enter")
        form.field("Company").press_sequentially("lodz tel")
        expect(options(form)).to_have_text(["Łódź Telefon"])
        form.field("Company").press("Enter")
        expect(chips(form)).to_have_text(["Firma 09999×", "Łódź Telefon×"])
    finally:
        os.kill(kernel, signal.SIGCONT)
    expect_fields(form, company=["Firma 09999", "Łódź Telefon"])


def test_a_running_cell_does_not_keep_the_list_from_filtering(form: LabNotebook) -> None:
    form.add_filter("Company")
    form.page.evaluate(
        """() => {
          const app = window.jupyterapp;
          app.shell.currentWidget.content.activeCellIndex = 1;
          app.commands.execute('notebook:run-cell');
        }"""
    )
    running = form.page.locator(".jp-InputPrompt", has_text="[*]")
    running.wait_for()
    form.field("Company").fill("00042")
    expect(options(form)).to_have_text(["Firma 00042"])
    form.field("Company").press("Enter")
    expect(chips(form)).to_have_text(["Firma 00042×"])
    assert running.count() == 1
    form.command("notebook:interrupt-kernel")
    running.wait_for(state="hidden")
    form.page.locator(".jp-OutputArea", has_text="KeyboardInterrupt").wait_for()
    expect_fields(form, company=["Firma 00042"])


# Keys


def test_the_list_is_driven_by_keys_and_the_input_keeps_the_focus(form: LabNotebook) -> None:
    form.add_filter("Company")
    box = form.field("Company")
    expect(box).to_be_focused()
    assert box.get_attribute("aria-expanded") == "false"
    box.press("ArrowDown")
    assert box.get_attribute("aria-expanded") == "true"
    first = active(form, "Company")
    box.press("ArrowDown")
    second = active(form, "Company")
    box.press("ArrowUp")
    assert active(form, "Company") == first != second
    box.press("End")
    last = active(form, "Company")
    box.press("ArrowDown")
    assert active(form, "Company") == first != last
    box.press("ArrowUp")
    assert active(form, "Company") == last
    box.press("Home")
    box.press("ArrowDown")
    box.press("Enter")
    expect(chips(form)).to_have_text([f"{second}×"])
    expect(box).to_be_focused()
    expect_fields(form, company=[second])
    box.press("Escape")
    assert box.get_attribute("aria-expanded") == "false"
    assert options(form).count() == 0 or not options(form).first.is_visible()


def test_chips_go_by_backspace_by_their_button_and_by_arrows(form: LabNotebook) -> None:
    form.ask(
        "form.load(ReportQuery('today', company=('Firma 00001', 'Firma 00002', 'Firma 00003', 'Old Lodz')))"
    )
    box = form.field("Company")
    expect(chips(form)).to_have_count(4)
    box.focus()
    box.press("Backspace")
    expect(chips(form)).to_have_count(3)
    form.form.get_by_role("button", name="Remove Firma 00001").click()
    expect(chips(form)).to_have_text(["Firma 00002×", "Firma 00003×"])
    expect(box).to_be_focused()
    box.press("ArrowLeft")
    form.page.keyboard.press("ArrowLeft")
    form.page.keyboard.press("Delete")
    expect(chips(form)).to_have_text(["Firma 00003×"])
    expect_fields(form, company=["Firma 00003"])


def test_tab_leaves_the_field_and_takes_no_half_typed_text(form: LabNotebook) -> None:
    form.add_filter("Company")
    box = form.field("Company")
    box.press_sequentially("firma")
    box.press("Tab")
    expect(box).to_have_value("")
    expect(form.field("Include descendants")).to_be_focused()
    expect_fields(form, company=[])


def test_a_chosen_option_is_taken_back_by_choosing_it_again(form: LabNotebook) -> None:
    form.add_filter("Company")
    for chosen in ("true", "false"):
        form.field("Company").fill("00007")
        form.field("Company").press("Enter")
        form.field("Company").fill("00007")
        expect(options(form)).to_have_attribute("aria-selected", chosen)
    expect_fields(form, company=[])


# Filters


def test_filters_are_searched_by_name_and_listed_in_groups(form: LabNotebook) -> None:
    form.field("Filters").click()
    expect(form.form.get_by_role("group", name="By clients").get_by_role("option")).to_have_text(
        ["Client tags", "Company", "Owner user"]
    )
    expect(form.form.get_by_role("group", name="Extras").get_by_role("option")).to_have_text(["Package"])
    form.field("Filters").press_sequentially("own")
    form.field("Filters").press("Enter")
    expect(form.field("Owner user")).to_be_focused()
    form.page.keyboard.type("bob")
    form.page.keyboard.press("Enter")
    expect_fields(form, owner_user=["bob"])


def test_a_removed_filter_is_gone_and_the_focus_stays_in_the_form(form: LabNotebook) -> None:
    form.add_filter("Company")
    form.field("Company").fill("00007")
    form.field("Company").press("Enter")
    expect_fields(form, company=["Firma 00007"])
    form.form.get_by_role("button", name="Remove the filter Company").click()
    expect(form.field("Company")).to_have_count(0)
    expect(form.field("Filters")).to_be_focused()
    expect_fields(form, company=[])
    form.add_filter("Company")
    expect(chips(form)).to_have_count(0)


def test_a_value_that_is_not_in_the_data_is_marked_in_words_and_can_be_removed(form: LabNotebook) -> None:
    form.ask("form.load(ReportQuery('today', company=('Gone', 'Old Lodz')))")
    expect(chips(form).first).to_have_text("Gonenot in the data×")
    expect(form.form.get_by_role("alert").filter(has_text="The data has no company 'Gone'")).to_be_visible()
    expect(form.field("Company")).to_have_attribute("aria-invalid", "true")
    expect(query_button(form)).to_be_disabled()
    form.form.get_by_role("button", name="Remove Gone").click()
    expect(query_button(form)).to_be_enabled()
    expect(form.field("Company")).to_have_attribute("aria-invalid", "false")


def test_hostile_names_are_text(form: LabNotebook) -> None:
    form.add_filter("Company")
    for typed, shown in (("onerror", MARKUP), ("right", "from �right�")):
        form.field("Company").fill(typed)
        expect(options(form)).to_have_text([shown])
        form.field("Company").press("Enter")
    form.field("Company").fill("long long")
    assert (
        options(form).bounding_box()["width"]
        <= form.form.locator(".custdyn-row .custdyn-box").bounding_box()["width"]
    )  # type: ignore[index]
    expect_fields(form, company=[MARKUP, "from \u202eright\x00"])
    assert form.page.locator(".custdyn-form img").count() == 0
    assert form.page.evaluate("window.pwned") is None
    assert (form.elsewhere, form.errors) == ([], [])


# The interval


def test_a_preset_fills_the_dates_in_and_a_typed_date_makes_it_custom(form: LabNotebook) -> None:
    expect(form.field("Start")).to_have_value("2025-12-01T00:00")
    form.field("Interval").select_option("last_month")
    expect(form.field("Start")).to_have_value("2026-10-01T00:00")
    expect(form.field("End")).to_have_value("2026-10-31T23:59:59")
    form.field("Start").fill("2026-10-05T06:07:08")
    expect(form.field("Interval")).to_have_value("custom")
    expect_fields(form, interval={"start": "2026-10-05 06:07:08", "end": "2026-10-31 23:59:59"})


def test_the_time_zone_is_searched_and_moves_a_presets_dates(form: LabNotebook) -> None:
    form.field("Interval").select_option("today")
    zone = form.field("Time zone")
    zone.click()
    zone.press_sequentially("new york")
    expect(options(form)).to_have_text(["America/New_York"])
    zone.press("Enter")
    expect(zone).to_have_value("America/New_York")
    expect(form.field("Start")).to_have_value("2026-11-21T00:00")
    zone.click()
    zone.press("Escape")
    expect(zone).to_have_value("America/New_York")
    expect_fields(form, timezone="America/New_York")


def test_a_time_that_the_browsers_clock_skips_is_kept(form: LabNotebook) -> None:
    form.set_period("2018-11-04T00:00:00", "2018-11-04T00:30:00")
    form.field("End").blur()
    expect_fields(form, interval={"start": "2018-11-04 00:00:00", "end": "2018-11-04 00:30:00"})
    form.ask("form.load(form.query())")
    expect(form.field("Start")).to_have_value("2018-11-04T00:00")
    expect_fields(form, interval={"start": "2018-11-04 00:00:00", "end": "2018-11-04 00:30:00"})


def test_a_date_is_typed_by_keys(form: LabNotebook) -> None:
    form.field("Start").focus()
    form.page.keyboard.type("02032024010203PM")
    form.field("Start").blur()
    expect(form.field("Start")).to_have_value("2024-02-03T13:02:03")
    expect_fields(form, interval={"start": "2024-02-03 13:02:03", "end": "2026-11-30 23:59:59"})
    expect(form.form.get_by_role("alert").filter(has_text="Start")).to_have_count(0)


@pytest.mark.parametrize(
    ("label", "typed", "field", "value"),
    [
        ("Active duration (months)", "6", "active_duration", 6),
        (
            "Start",
            "2026-02-03T04:05:06",
            "interval",
            {"start": "2026-02-03 04:05:06", "end": "2026-11-30 23:59:59"},
        ),
    ],
)
def test_enter_takes_what_was_typed(
    form: LabNotebook, label: str, typed: str, field: str, value: object
) -> None:
    form.field(label).fill(typed)
    form.field(label).press("Enter")
    expect(form.field(label)).to_be_focused()
    expect_fields(form, **{field: value})


def test_a_number_is_judged_while_it_still_has_the_cursor(form: LabNotebook) -> None:
    months = form.field("Active duration (months)")
    for typed, words in (("500", "500 is not between 1 and 120 months"), ("12", "")):
        months.fill(typed)
        expect(months.locator("xpath=../p[@role='alert']")).to_contain_text(words)
        expect(query_button(form)).to_be_enabled(enabled=not words)
        expect(months).to_be_focused()
    query_button(form).click()
    assert form.ask("print(heard()[0].active_duration)").strip() == "12"


# What is wrong


@pytest.mark.parametrize(
    ("label", "wrong", "words", "right"),
    [
        ("Start", "2027-01-01T00:00:00", "is after the end", "2026-01-01T00:00:00"),
        ("Start", "", "The start is missing", "2026-01-01T00:00:00"),
        ("Active duration (months)", "121", "121 is not between 1 and 120 months", "6"),
        ("Active duration (months)", "", "The number of months is missing", "6"),
        ("Time zone", "Europe/Pari", "Did you mean 'Europe/Paris'", "Europe/Paris"),
        ("Time zone", "", "The time zone is missing", "Europe/Paris"),
    ],
)
def test_what_is_wrong_is_told_beside_it_and_switches_query_off(
    form: LabNotebook, label: str, wrong: str, words: str, right: str
) -> None:
    control = form.field(label)
    control.fill(wrong)
    control.blur()
    told = form.form.get_by_role("alert").filter(has_text=words)
    expect(told).to_be_visible()
    expect(control).to_have_attribute("aria-invalid", "true")
    described = control.get_attribute("aria-describedby")
    assert described is not None
    assert told.get_attribute("id") in described.split()
    expect(query_button(form)).to_be_disabled()
    control.fill(right)
    control.blur()
    expect(told).to_be_hidden()
    expect(control).to_have_attribute("aria-invalid", "false")
    query_button(form).click()
    assert form.ask("print(heard() == [form.query()])").strip() == "True"


# Around it


def test_keys_that_mean_something_to_lab_stay_in_the_form(form: LabNotebook) -> None:
    form.add_filter("Company")
    form.ask("form._filters.rows['company'].search.value = ['Old Lodz', 'Firma 00001']")
    expect(chips(form)).to_have_count(2)
    form.form.get_by_role("button", name="Remove Old Lodz").focus()
    for key in ("d", "d", "a", "b", "x"):
        form.page.keyboard.press(key)
    form.field("Group by").focus()
    form.page.keyboard.press("ArrowUp")
    expect(form.field("Group by")).to_have_value("year")
    expect(form.field("Group by")).to_be_focused()
    cells = form.page.evaluate("window.jupyterapp.shell.currentWidget.content.model.cells.length")
    assert cells == 2
    expect(chips(form)).to_have_count(2)


@pytest.mark.parametrize("name", ["Query", "Save Query", "Load Query", "Remove the filter Company"])
def test_no_button_gives_a_key_away_to_lab(form: LabNotebook, name: str) -> None:
    form.add_filter("Company")
    form.ask("form.set_saved([('a', 'Every month')])")
    button = form.form.get_by_role("button", name=name, exact=True)
    button.focus()
    for key in ("d", "d", "a", "ArrowDown"):
        form.page.keyboard.press(key)
    content = "window.jupyterapp.shell.currentWidget.content"
    assert form.page.evaluate(f"{content}.widgets.length") == 2
    expect(button).to_be_focused()


def test_query_keeps_the_focus_while_it_is_off_and_is_not_pressed(form: LabNotebook) -> None:
    query_button(form).focus()
    form.ask("form.set_busy(True)")
    expect(query_button(form)).to_be_disabled()
    form.page.keyboard.press("Enter")
    expect(query_button(form)).to_be_focused()
    form.ask("form.set_busy(False)")
    expect(query_button(form)).to_be_enabled()
    assert form.ask("print(heard())").strip() == "[]"
    form.page.keyboard.press("Space")
    form.page.wait_for_timeout(200)
    assert form.ask("print(len(heard()))").strip() == "1"


def test_the_same_form_shown_twice_stays_one(form: LabNotebook) -> None:
    form.page.evaluate(
        """() => {
          const panel = window.jupyterapp.shell.currentWidget;
          panel.content.model.cells.get(1).sharedModel.setSource('form.widget');
        }"""
    )
    form.run_cell(1)
    fields_shown = form.page.locator(".custdyn-form").get_by_label("Group by", exact=True)
    expect(fields_shown).to_have_count(2)
    fields_shown.first.select_option("year")
    expect(fields_shown.last).to_have_value("year")


CUT_OFF = """form => {
  const {left, right} = form.getBoundingClientRect();
  const isCut = one => {
    const place = one.getBoundingClientRect();
    return place.width ? place.left < left || place.right > right + 1 : one.localName !== "button";
  };
  return [...form.querySelectorAll("input, select, button")].filter(isCut).map(one => one.outerHTML);
}"""


def test_axe_finds_nothing_serious_and_nothing_is_cut_off(form: LabNotebook) -> None:
    for name in ("Client tags", "Company", "Package"):
        form.add_filter(name)
    form.ask(
        "form.set_saved([('a', 'Every month, ' + 'as long as a title may be ' * 7)])\n"
        "form._filters.rows['company'].search.value = ['Old Lodz', 'Gone']\n"
        "form._choices.months.value = 0"
    )
    expect(chips(form)).to_have_count(2)
    company = form.field("Company")
    for width in (700, 1300):
        form.resize(width=width)
        assert form.form.evaluate(CUT_OFF) == [], width
        company.press("ArrowDown")
        assert serious(faults_in_both_themes(form.page, ".custdyn-form")) == [], width
        expect(company).to_have_attribute("aria-expanded", "true")
        company.press("Escape")
    assert (form.elsewhere, form.errors) == ([], [])


def test_axe_would_find_words_that_are_too_dark_in_the_dark_theme(form: LabNotebook) -> None:
    words = "[data-jp-theme-light='false'] .custdyn-form label { color: #555; }"
    added = form.page.add_style_tag(content=words)
    [(_, rule, found)] = serious(faults_in_both_themes(form.page, ".custdyn-form"))
    added.evaluate("style => style.remove()")
    assert rule == "color-contrast"
    assert any("Group by" in label for label in found)
