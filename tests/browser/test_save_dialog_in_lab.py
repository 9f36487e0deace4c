"""The dialog that saves a query in a real JupyterLab: by keyboard alone, and for axe in both themes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page

from tests.browser.axe import Fault, faults_in_both_themes
from tests.browser.lab_notebook import LabNotebook

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CELL = """
import ipywidgets
from datetime import datetime
from custdyn_widgets.query import Period, ReportQuery
from custdyn_widgets.widgets.save_dialog import SaveDialog
dialog = SaveDialog()
told = []
dialog.on_saved = told.append
query = ReportQuery(interval="last_month")
period = Period(datetime(2021, 10, 1), datetime(2021, 10, 31, 23, 59, 59))
chart = {"preset": "<img src=x onerror=alert(1)>"}
button = ipywidgets.Button(description="Save Query")
button.on_click(lambda _: dialog.open(query, period, "csv", chart))
ipywidgets.VBox([button, dialog.widget])
"""

TOO_WIDE = """[...document.querySelectorAll('.custdyn-dialog *')]
  .filter(e => e.clientWidth && e.scrollWidth > e.clientWidth + 1 && e.tagName !== 'INPUT')
  .map(e => e.outerHTML)"""


@pytest.fixture
def notebook(open_notebook: Callable[..., LabNotebook]) -> LabNotebook:
    """A dialog that opens at a button, and saves below new folders."""
    opened = open_notebook([CELL], width=700)
    opened.run_all()
    opened.ask(
        "import os, tempfile\n"
        "os.environ['CUSTDYN_MY_QUERIES'] = tempfile.mkdtemp()\n"
        "os.environ['CUSTDYN_QUERIES'] = tempfile.mkdtemp()"
    )
    return opened


def opened(page: Page) -> Locator:
    """Open the dialog by keyboard; return its title, which has the focus."""
    page.get_by_role("button", name="Save Query", exact=True).press("Enter")
    title = page.get_by_role("textbox", name="Title", exact=True)
    title.wait_for()
    page.wait_for_function("document.activeElement.id.endsWith('-title')")
    return title


def faults(notebook: LabNotebook) -> list[Fault]:
    return faults_in_both_themes(notebook.page, ".custdyn-dialog")


def described(control: Locator) -> str:
    """Return what a screen reader adds to a control's name."""
    words: str = control.evaluate(
        "e => e.getAttribute('aria-describedby').split(' ')"
        ".map(id => document.getElementById(id).textContent).join(' ')"
    )
    return words


def test_it_works_by_keyboard_alone_and_axe_finds_nothing(notebook: LabNotebook) -> None:
    page = notebook.page
    title = opened(page)
    dialog = page.get_by_role("dialog", name="Save Query")
    assert faults(notebook) == []
    title.press("Enter")
    dialog.get_by_role("alert").filter(has_text="Enter a title").wait_for()
    assert title.get_attribute("aria-invalid") == "true"
    assert faults(notebook) == []
    page.keyboard.type("Keys only")
    page.keyboard.press("Tab")
    page.keyboard.type("two\nlines")
    page.keyboard.press("Tab")
    page.keyboard.type("dd")  # to Lab: delete the cell
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.value") == "shared"
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    title.press("Enter")
    dialog.wait_for(state="detached")
    page.wait_for_function("document.activeElement.textContent === 'Save Query'")
    said = notebook.ask(
        "s = told[-1]\nprint(s.name, s.place, s.saved.output, s.saved.description.split(), "
        "s.saved.query.interval == period, s.saved.chart == chart)"
    )
    assert said.strip() == "keys-only shared csv ['two', 'lines'] True True"
    assert page.locator(".jp-Cell").count() == 1
    assert (notebook.errors, notebook.elsewhere) == ([], [])


def test_overwriting_asks_and_escape_takes_back_one_step_at_a_time(notebook: LabNotebook) -> None:
    page = notebook.page
    for _ in range(2):
        title = opened(page)
        title.fill("Taken")
        title.press("Enter")
        page.wait_for_function("!document.activeElement.closest('.custdyn-dialog fieldset')")
    question = page.get_by_role("alertdialog", name="A saved query with this name already exists: 'Taken'")
    question.wait_for()
    page.wait_for_function("document.activeElement.textContent === 'Keep'")
    assert faults(notebook) == []
    page.keyboard.press("Escape")
    question.wait_for(state="detached")
    page.wait_for_function("document.activeElement.id.endsWith('-title')")
    assert title.input_value() == "Taken"
    page.keyboard.press("Escape")
    title.wait_for(state="detached")
    page.wait_for_function("document.activeElement.textContent === 'Save Query'")
    assert notebook.ask("print(len(told))").strip() == "1"


def test_what_was_half_typed_goes_with_the_dialog_without_an_error(notebook: LabNotebook) -> None:
    title = opened(notebook.page)
    notebook.page.keyboard.type("Half a thou")
    notebook.page.keyboard.press("Escape")
    title.wait_for(state="detached")
    assert notebook.errors == []


def test_send_to_is_there_for_files_only_and_a_schedule_is_kept(notebook: LabNotebook) -> None:
    page = notebook.page
    title = opened(page)
    send_to = page.get_by_role("textbox", name="Send to (optional)", exact=True)
    output = page.get_by_role("combobox", name="Output", exact=True)
    cron = page.get_by_role("textbox", name="Cron expression", exact=True)
    send_to.wait_for()
    output.select_option("web")
    send_to.wait_for(state="hidden")
    total = page.get_by_role("checkbox", name="Total as the last row of the CSV that is sent", exact=True)
    total.wait_for(state="hidden")
    output.select_option("csv")
    total.check()
    output.select_option("xlsx")
    total.wait_for(state="hidden")
    output.select_option("csv")
    send_to.fill("a@example.com\nb@example.com")
    title.fill("On its own")
    cron.fill("0 6 1 *")
    cron.press("Enter")
    page.get_by_role("alert").filter(has_text="has 4 fields").wait_for()
    page.wait_for_function("document.activeElement.id.endsWith('-schedule.cron')")
    assert cron.get_attribute("aria-invalid") == "true"
    assert title.get_attribute("aria-invalid") == "false"
    assert faults(notebook) == []
    page.keyboard.press("End")
    page.keyboard.type(" *")
    page.keyboard.press("Enter")
    title.wait_for(state="detached")
    said = notebook.ask(
        "s = told[-1].saved\nprint(*s.recipients, s.schedule.cron, s.schedule.timezone, s.source, s.total)"
    )
    assert said.strip() == "a@example.com b@example.com 0 6 1 * * UTC demo True"
    assert (notebook.errors, notebook.elsewhere) == ([], [])


LOADED = """
from custdyn_widgets import saved_queries
from custdyn_widgets.saved_queries import SavedQuery
each = {"by": "company", "addresses": "<img src=x onerror=alert(1)>.csv"}
whole = SavedQuery.from_dict({
    "format": 1, "title": "<b>Your</b> clients", "description": "Two\\nlines", "query": query.to_dict(),
    "output": "xlsx", "chart": chart, "source": "demo",
    "schedule": {"cron": "0 7 1 * *", "timezone": "Asia/Tokyo"}, "failure_recipients": ["eva@example.com"],
    "retention": {"keep_last": 24, "older_than": "1y"}, "only_if": ["changed", "not_empty"], "for_each": each,
})
stored = saved_queries.save(whole, "shared", over=None)
dialog.open(query, period, "xlsx", chart, {}, stored)
"""


def test_what_was_loaded_comes_back_through_the_browser_as_it_was(notebook: LabNotebook) -> None:
    page = notebook.page
    assert notebook.ask(LOADED) == ""
    each = page.get_by_role("checkbox", name="One report for each company, with addresses from <img src=x")
    each.wait_for()
    send_to = page.get_by_role("textbox", name="Send to (optional)", exact=True)
    assert send_to.is_hidden()
    assert faults(notebook) == []
    page.keyboard.press("Enter")
    page.get_by_role("alertdialog", name="A saved query with this name already exists").wait_for()
    page.get_by_role("button", name="Overwrite", exact=True).press("Enter")
    each.wait_for(state="detached")
    assert (
        notebook.ask("print(told == [stored], told[-1].revision == stored.revision)").strip() == "True True"
    )
    notebook.ask("dialog.open(query, period, 'xlsx', chart, {}, stored)")
    each.press("Space")
    send_to.fill("a@example.com")
    page.get_by_role("textbox", name="Title", exact=True).press("Enter")
    page.get_by_role("alertdialog").filter(has_text="would lose its report for each company").wait_for()
    page.get_by_role("button", name="Overwrite", exact=True).press("Enter")
    each.wait_for(state="detached")
    assert (
        notebook.ask("print(told[-1].saved.for_each, *told[-1].saved.recipients)").strip()
        == "None a@example.com"
    )
    assert (notebook.errors, notebook.elsewhere) == ([], [])


def test_with_a_schedule_more_is_asked_and_said_by_keyboard_alone(notebook: LabNotebook) -> None:
    page = notebook.page
    page.set_viewport_size({"width": 375, "height": 900})
    opened(page)
    page.keyboard.type("On its own")
    cron = page.get_by_role("textbox", name="Cron expression", exact=True)
    fails = page.get_by_role("textbox", name="Notify on failure", exact=True)
    cron.wait_for()
    assert fails.is_hidden()
    cron.focus()
    page.keyboard.type("0 6 1 * *")
    nobody = page.get_by_role("status").filter(has_text="Nobody will be notified of failures.")
    nobody.wait_for()
    assert "Nobody will be notified" in described(fails)
    assert faults(notebook) == []
    page.keyboard.press("Tab")
    # Three tick their boxes, and one passes the button that adds a condition.
    for typed in ("dd", " ", " ", " ", "", "12", "3 months"):
        page.keyboard.press("Tab")
        page.keyboard.type(typed)
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement.id.endsWith('-failure_recipients')")
    nobody.wait_for(state="hidden")
    assert "'dd' is not a plain email address" in described(fails)
    assert fails.get_attribute("aria-invalid") == "true"
    assert faults(notebook) == []
    fails.press("ControlOrMeta+a")
    page.keyboard.type("eva@example.com")
    cron.press("Enter")
    older = page.get_by_role("textbox", name="Delete those older than", exact=True)
    page.wait_for_function("document.activeElement.id.endsWith('-retention.older_than')")
    assert "such as 90d, 12w, 6m or 1y" in described(older)
    assert "no plain" not in described(fails)
    beside = older.bounding_box(), page.get_by_role("alert").filter(has_text="is not an age").bounding_box()
    assert beside[0]
    assert beside[1]
    assert 0 <= beside[1]["y"] - beside[0]["y"] - beside[0]["height"] < 20
    assert page.evaluate(TOO_WIDE) == []
    older.press("ControlOrMeta+a")
    page.keyboard.type("1y")
    cron.press("ControlOrMeta+a")
    page.keyboard.press("Delete")
    assert older.is_visible()  # it says something
    page.keyboard.type("0 6 1 * *")
    page.keyboard.press("Enter")
    cron.wait_for(state="detached")
    said = notebook.ask(
        "s = told[-1].saved\nprint(s.schedule.cron, *s.failure_recipients, *s.only_if, s.retention.to_dict())"
    )
    kept = "{'keep_last': 12, 'older_than': '1y'}"
    assert said.strip() == f"0 6 1 * * eva@example.com changed not_empty fresh {kept}"
    assert page.locator(".jp-Cell").count() == 1
    assert (notebook.errors, notebook.elsewhere) == ([], [])


ALERTS = """
year = ReportQuery(interval="last_12_months")
dialog.open(year, period, "csv", None)
"""


def test_conditions_are_listed_by_keyboard_alone(notebook: LabNotebook) -> None:
    page = notebook.page
    assert notebook.ask(ALERTS) == ""
    page.get_by_role("textbox", name="Title", exact=True).wait_for()
    page.wait_for_function("document.activeElement.id.endsWith('-title')")
    page.keyboard.type("Alerts")
    cron = page.get_by_role("textbox", name="Cron expression", exact=True)
    cron.focus()
    page.keyboard.type("0 6 1 * *")
    add = page.get_by_role("button", name="Add condition", exact=True)
    add.press("Enter")
    first = page.get_by_role("group", name="Condition 1", exact=True)
    page.wait_for_function("document.activeElement.getAttribute('aria-label') === 'Column'")
    for keys in ("balance refill: t", "latest", "falls"):
        page.keyboard.type(keys)
        page.keyboard.press("Tab")
    page.keyboard.type("dd")
    assert faults(notebook) == []
    page.keyboard.press("Enter")
    bound = first.get_by_role("textbox", name="Bound", exact=True)
    page.get_by_role("alert").filter(has_text="'dd' must be a number").wait_for()
    page.wait_for_function("document.activeElement.getAttribute('aria-label') === 'Bound'")
    assert bound.get_attribute("aria-invalid") == "true"
    assert "'dd' must be a number" in described(bound)
    assert faults(notebook) == []
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("2.5%")
    for _ in range(2):
        add.press("Enter")
        page.wait_for_function("document.activeElement.getAttribute('aria-label') === 'Column'")
    assert first.get_by_role("combobox", name="Relation", exact=True).input_value() == "falls_by"
    page.get_by_role("button", name="Remove condition 2", exact=True).press("Enter")
    page.wait_for_function("document.activeElement.getAttribute('aria-label') === 'Remove condition 2'")
    page.keyboard.press("Shift+Tab")
    page.keyboard.type("100")
    page.set_viewport_size({"width": 375, "height": 900})
    assert page.evaluate(TOO_WIDE) == []
    cron.press("Enter")
    cron.wait_for(state="detached")
    said = notebook.ask(
        "stored = told[-1]\nprint(*(one.to_dict() for one in stored.saved.alert_if), sep='|')"
    )
    assert said.strip() == (
        "{'column': 'Balance Refill: Total', 'row': 'last', 'falls_by': '2.5%'}|"
        "{'column': 'Clients - Active: Qty', 'row': 'total', 'below': 100}"
    )
    notebook.ask("dialog.open(year, period, 'csv', None, {('mine', 'alerts'): stored.revision}, stored)")
    first.wait_for()
    assert bound.input_value() == "2.5%"
    bound.fill("many")
    bound.press("Enter")
    page.get_by_role("alert").filter(has_text="'many' must be a number").wait_for()
    page.get_by_role("button", name="Remove condition 1", exact=True).press("Enter")
    page.wait_for_function("document.activeElement.getAttribute('aria-label') === 'Remove condition 1'")
    assert bound.get_attribute("aria-invalid") == "false"  # what is now the first one is not wrong
    assert bound.input_value() == "100"
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement.textContent === 'Add condition'")
    page.keyboard.press("Escape")
    assert page.locator(".jp-Cell").count() == 1
    assert (notebook.errors, notebook.elsewhere) == ([], [])
