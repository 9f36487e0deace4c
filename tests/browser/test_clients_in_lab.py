"""From the form to the clients behind a number, in a real JupyterLab: by mouse, and by keyboard alone."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from custdyn_widgets.engine import clients_behind
from custdyn_widgets.report.report import Report
from tests.browser.axe import faults_in_both_themes, serious
from tests.browser.lab_notebook import LabNotebook

pytestmark = [pytest.mark.browser, pytest.mark.slow]
MART = Path(__file__).parents[1] / "golden" / "mixed" / "mart"
CELLS = [
    f"""
from custdyn_widgets import CustomerDynamics
dynamics = CustomerDynamics({str(MART)!r}, publish=False)
dynamics
"""
]
Open = Callable[..., LabNotebook]


def asked(notebook: LabNotebook) -> Report:
    """Ask for 2021 with movement, beside the month before, and return the report on screen."""
    notebook.field("Interval").wait_for()
    notebook.field("Interval").select_option("custom")
    notebook.set_period("2021-01-01T00:00:00", "2021-12-31T23:59:59")
    notebook.field("Client type").select_option("all")
    notebook.field("Compare with").select_option("previous_month")
    opener = notebook.form.get_by_role("button", name="Columns")
    opener.press("Enter")
    notebook.form.get_by_role("checkbox", name="Clients - Movement").press("Space")
    notebook.page.keyboard.press("Escape")
    expect(opener).to_be_focused()
    expect(opener).to_have_text("7 groups")
    notebook.page.wait_for_timeout(400)
    notebook.button("Query").click()
    notebook.page.locator(".custdyn-app table[aria-busy=false]").wait_for()
    said = notebook.ask("import json; print(json.dumps(dynamics.report.to_dict()))")
    return Report.from_dict(json.loads(said))


def cell(notebook: LabNotebook, report: Report, month: str, column: str) -> Locator:
    """The cell of a column, while changes are below the numbers."""
    names = [c.name for c in report.columns if c.part == "value"]
    row = notebook.rows().filter(has_text=month)
    return row.locator("td").nth(names.index(column))


def ids(panel: Locator) -> list[str]:
    return panel.locator("tbody th").all_inner_texts()


def expect_no_faults(notebook: LabNotebook) -> None:
    assert serious(faults_in_both_themes(notebook.page, ".custdyn-app")) == []
    assert (notebook.elsewhere, notebook.errors) == ([], [])


def test_three_clicks_lead_from_a_fall_to_the_clients_behind_it(open_notebook: Open) -> None:
    notebook = open_notebook(CELLS)
    notebook.run_all()
    report = asked(notebook)
    panel = notebook.page.locator(".custdyn-clients")
    expect(panel).to_be_hidden()
    lapsed = cell(notebook, report, "2021-06", "Clients - Movement: Lapsed")
    expect(lapsed.locator(".custdyn-change")).to_be_visible()
    lapsed.click()
    expect(panel.get_by_role("heading")).to_have_text("Clients behind 2021-06")
    behind = clients_behind(report, ["2021-06"], MART)
    wanted = behind[behind["Movement"] == "lapsed"]["Client Id"].tolist()
    expect(panel.locator("tbody tr")).to_have_count(len(wanted))
    assert ids(panel) == wanted

    panel.get_by_role("checkbox", name="Changes, largest first").check()
    changes = clients_behind(report, ["2021-06"], MART, change=True)
    name = "Pay As You Go Total Change"
    expect(panel.locator("th[aria-sort=descending]")).to_have_text(name)
    assert sorted(ids(panel)) == changes["Client Id"].tolist()
    largest = max(changes[name], key=abs)
    assert ids(panel)[0] in changes[changes[name].abs() == abs(largest)]["Client Id"].tolist()
    expect_no_faults(notebook)

    panel.get_by_role("searchbox").fill(ids(panel)[0])
    expect(panel.locator("tbody tr")).to_have_count(1, timeout=20_000)
    with notebook.page.expect_download() as download:
        panel.get_by_role("button", name="Export clients to CSV").click()
    lines = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text("utf-8"))))
    assert [line["Client Id"] for line in lines] == ids(panel)

    notebook.button("Changes: below the number").click()
    headings = notebook.page.locator(".custdyn-result table").first.locator("thead tr:last-child th")
    expect(headings).to_have_text([c.label for c in report.columns])
    notebook.button("Changes: in columns").click()
    expect(headings).to_have_count(len(report.columns) // 4)
    assert notebook.errors == []


def test_a_cell_is_opened_and_closed_by_keyboard_alone(open_notebook: Open) -> None:
    notebook = open_notebook(CELLS)
    notebook.run_all()
    report = asked(notebook)
    page, panel = notebook.page, notebook.page.locator(".custdyn-clients")
    page.locator(".custdyn-scroll").first.focus()
    page.keyboard.press("Enter")
    for key in ("ArrowDown", "ArrowRight", "ArrowRight", "ArrowLeft", "End", "Home"):
        page.keyboard.press(key)
    expect(cell(notebook, report, "2021-02", "Clients - Active: Qty")).to_be_focused()
    page.keyboard.press("Enter")
    expect(panel.get_by_role("heading")).to_be_focused()
    behind = clients_behind(report, ["2021-02"], MART)
    assert ids(panel) == behind[behind["Active"] == 1]["Client Id"].tolist()
    page.keyboard.press("Tab")
    page.keyboard.type("c00")
    expect(panel.get_by_role("status")).to_contain_text(" of ")
    panel.get_by_role("button", name="Close").press("Enter")
    expect(panel).to_be_hidden()
    expect(cell(notebook, report, "2021-02", "Clients - Active: Qty")).to_be_focused()
    assert notebook.errors == []
