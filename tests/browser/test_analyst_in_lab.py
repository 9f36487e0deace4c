"""What an analyst does, in a real JupyterLab: asks, reads, draws, downloads, saves, loads, shares."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import openpyxl
import pytest
from click.testing import CliRunner
from playwright.sync_api import expect

from custdyn_widgets.cli import main
from custdyn_widgets.render.charts.presets import PRESETS
from custdyn_widgets.render.charts.specs import BLANK
from custdyn_widgets.report.formatting import format_value
from custdyn_widgets.report.report import Report
from tests.browser.axe import faults_in_both_themes, serious
from tests.browser.lab_notebook import LabNotebook

pytestmark = [pytest.mark.browser, pytest.mark.slow]
MART = Path(__file__).parents[1] / "golden" / "mixed" / "mart"
OUTDATED = "The form has changed. The report below is for the previous query."
Open = Callable[..., LabNotebook]


@pytest.fixture
def form(open_notebook: Open) -> LabNotebook:
    """The form on the demo mart."""
    notebook = open_notebook("customer_dynamics.ipynb")
    started(notebook)
    return notebook


def started(notebook: LabNotebook) -> None:
    outputs = notebook.run_all()
    assert set(outputs) == {"display_data"}, outputs
    notebook.button("Query").wait_for()


def report_of(notebook: LabNotebook) -> Report:
    """Return the report on screen, as the kernel holds it."""
    said = notebook.ask("import json; print(json.dumps(dynamics.report.to_dict()))")
    return Report.from_dict(json.loads(said))


def query(notebook: LabNotebook) -> Report:
    """Click Query, and return the report once its table is on screen."""
    notebook.page.evaluate("document.querySelector('.custdyn-asked')?.classList.add('old')")
    notebook.button("Query").click()
    notebook.page.locator(".custdyn-asked:not(.old)").wait_for()
    return report_of(notebook)


def shown(report: Report) -> list[list[str]]:
    """Return the report's rows as a page shows them."""
    return [
        [
            *row.labels,
            *(
                format_value(v, c, report.currency).replace(",", "")
                for v, c in zip(row.values, report.columns, strict=True)
            ),
        ]
        for row in report.shown_rows()
    ]


def by_command_line(notebook: LabNotebook, report: Report, *options: str) -> bytes:
    """Return what `custdyn query` prints as CSV for the same query at the same instant."""
    environment = {"HOME": str(notebook.lab.home), "CUSTDYN_CACHE": str(notebook.lab.home / "cache")}
    asked = ["query", "--source", "demo", "--as-of", report.info.as_of, "--format", "csv", *options]
    done = CliRunner().invoke(main, asked, env=environment, catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    return done.stdout_bytes


def test_the_table_is_the_one_of_the_command_line(form: LabNotebook) -> None:
    report = query(form)
    assert [[cell.replace(" ◐", "") for cell in row] for row in form.cells_of_table()] == shown(report)
    with form.page.expect_download() as download:
        form.button("Export to CSV").click()
    content = download.value.path().read_bytes()
    assert content == by_command_line(form, report, "--interval", "last_12_months")
    assert len(list(csv.reader(io.StringIO(content.decode())))) == 1 + len(report.rows)
    assert (form.elsewhere, form.errors) == ([], [])


def test_the_workbook_holds_the_table(form: LabNotebook) -> None:
    report = query(form)
    with form.page.expect_download() as download:
        form.button("Export to XLSX").click()
    sheet = openpyxl.load_workbook(io.BytesIO(download.value.path().read_bytes())).worksheets[0]
    cells = [row for row in sheet.iter_rows(values_only=True) if isinstance(row[0], datetime)]
    assert [row[0].strftime("%Y-%m") for row in cells] == [row.labels[0] for row in report.rows]
    assert [row[1] for row in cells] == [row.values[0] for row in report.rows]


def test_a_filter_and_a_grouping_change_the_answer_and_go_again(form: LabNotebook) -> None:
    whole = query(form)
    form.add_filter("Company")
    box = form.field("Company")
    box.fill("")
    box.press("ArrowDown")
    box.press("Enter")
    box.press("Escape")  # the list stays open for more companies, and lies over Query
    fewer = query(form)
    assert len(fewer.query.company) == 1
    assert fewer.info.clients < whole.info.clients
    form.page.get_by_role("button", name="Remove the filter Company").click()
    form.field("Group by").select_option("date")
    daily = query(form)
    assert daily.query.company == ()
    assert daily.headings == ("Date",)
    assert daily.total.values == whole.total.values
    assert [row[0].replace(" ◐", "") for row in form.cells_of_table()] == [r[0] for r in shown(daily)]


@pytest.mark.parametrize("name", [*PRESETS])
def test_each_preset_is_drawn(form: LabNotebook, name: str) -> None:
    query(form)
    form.show_chart(name)
    drawing = form.page.locator(".custdyn-chart svg.marks, .custdyn-chart canvas.marks").first
    drawing.wait_for()
    assert drawing.bounding_box()["width"] > 300
    assert (form.elsewhere, form.errors) == ([], [])


IN_SIGHT = """() => {
  const drawn = document.querySelector('.custdyn-chart svg.marks')?.getBoundingClientRect();
  const panel = document.querySelector('.jp-WindowedPanel-outer').getBoundingClientRect();
  return drawn?.height > 100 && drawn.top < panel.bottom && drawn.bottom <= panel.bottom + 1;
}"""


@pytest.mark.parametrize("name", ["Balance Refill: Total", BLANK])
def test_a_chart_that_was_asked_for_comes_into_sight(form: LabNotebook, name: str) -> None:
    form.page.set_viewport_size({"width": 1300, "height": 600})
    query(form)
    form.show_chart(name)
    if name == BLANK:
        expect(form.page.get_by_role("combobox", name="Columns")).to_be_focused()
        form.page.keyboard.type("clients - active: qty")
        form.page.keyboard.press("Enter")
    form.page.wait_for_function(IN_SIGHT)
    # JupyterLab scrolls when it lays out its cells again.
    form.page.evaluate("document.querySelector('.jp-WindowedPanel-outer').scrollTop -= 40")
    form.page.wait_for_function(IN_SIGHT)
    if name == BLANK:
        form.button("Query").focus()
        form.page.wait_for_timeout(300)  # in which the chart would come back
        expect(form.button("Query")).to_be_in_viewport()
    else:
        form.page.mouse.move(1100, 300)
        form.page.mouse.wheel(0, -4000)
        expect(form.page.locator(".custdyn-chart")).not_to_be_in_viewport()


def test_filters_are_undone_by_keyboard_and_the_report_of_another_query_is_marked(form: LabNotebook) -> None:
    query(form)
    marked, chips = form.page.get_by_text("The form has changed"), form.form.locator(".custdyn-chips li")
    form.add_filter("Company")
    company = form.field("Company")
    for key in ("ArrowDown", "Enter", "Escape"):
        company.press(key)
    expect(marked).to_be_visible()
    company.press("Control+z")
    expect(marked).to_be_hidden()
    for key in ("ArrowDown", "Enter", "Escape"):
        company.press(key)
    form.button("Remove the filter Company").click()
    expect(form.field("Filters")).to_be_focused()
    expect(marked).to_be_hidden()
    form.page.keyboard.press("Control+z")
    expect(chips).to_have_count(1)
    expect(marked).to_be_visible()
    form.button("Remove the filter Company").click()
    form.button("Undo: restore Company").click()
    expect(chips).to_have_count(1)
    expect(form.field("Filters")).to_be_focused()


def test_a_csv_output_is_a_download_and_a_link_without_a_table(form: LabNotebook) -> None:
    form.field("Output type").select_option("csv")
    with form.page.expect_download() as download:
        form.button("Query").click()
    report = report_of(form)
    assert download.value.path().read_bytes() == by_command_line(form, report, "--interval", "last_12_months")
    assert form.rows().count() == 0
    form.link().wait_for()


def test_a_chart_of_ones_own_is_composed_and_saved_as_a_picture(form: LabNotebook) -> None:
    query(form)
    form.show_chart(BLANK)
    chart = form.page.locator(".custdyn-chart")
    columns = chart.get_by_role("combobox", name="Columns")
    columns.fill("clients - all: balance pos")
    columns.press("Enter")
    chart.get_by_label("Mark").select_option("bar")
    title = chart.get_by_role("textbox", name="Title")  # the drawing has labels of its own
    title.fill("A chart of my own")
    title.press("Enter")
    chart.locator("svg.marks", has_text="A chart of my own").wait_for()
    content = {}
    for kind in ("PNG", "SVG"):
        with form.page.expect_download() as download:
            chart.get_by_role("button", name=f"Save as {kind}").click()
        content[kind] = download.value.path().read_bytes()
    assert content["PNG"].startswith(b"\x89PNG")
    assert all(text in content["SVG"] for text in (b"A chart of my own", b"Balance Pos", b"<path"))
    assert (form.elsewhere, form.errors) == ([], [])


SLOW_LIBRARY = """
import threading, time
from custdyn_widgets.widgets import live_chart
library, first, loaded = live_chart.browser_library, [1], threading.Event()
def slow_library():
    if first and first.pop():
        time.sleep(3)
        loaded.set()
    return library()
live_chart.browser_library = slow_library
"""


def test_a_mark_chosen_while_the_first_chart_loads_is_drawn(form: LabNotebook) -> None:
    """The kernel is told of the columns in a thread of the form, and of the mark in its main thread."""
    form.ask(SLOW_LIBRARY)
    query(form)
    form.show_chart(BLANK)
    editor = form.page.locator(".custdyn-editor")
    columns = editor.get_by_label("Columns", exact=True).and_(form.page.locator("input"))
    columns.fill("Clients - All: Balance Pos")
    columns.press("Enter")
    form.page.wait_for_timeout(400)
    editor.get_by_label("Mark", exact=True).select_option("bar")
    form.ask("loaded.wait(20); live_chart.browser_library = library")
    form.page.wait_for_timeout(1000)  # until the older chart, if it is drawn last, is on screen
    expect(form.page.locator(".custdyn-drawing svg [aria-roledescription=bar]").first).to_be_attached()


def test_the_link_leads_to_the_frozen_report(form: LabNotebook) -> None:
    report = query(form)
    form.link().wait_for(timeout=10_000)
    snapshot_id = form.link_text().split("view?id=")[1]
    folder = form.lab.home / "snapshots" / "v1" / snapshot_id[:2] / snapshot_id
    assert Report.from_dict(json.loads((folder / "report.json").read_text())).rows == report.rows
    with form.context.expect_page() as opened:
        form.link().click()
    opened.value.wait_for_load_state()
    cells = opened.value.locator("table tbody tr").first.locator("th, td").all_inner_texts()
    assert [cell.replace(" ◐", "").strip() for cell in cells] == shown(report)[0]


def test_without_a_viewer_it_says_how_to_start_one_and_opens_the_page(form: LabNotebook) -> None:
    form.ask("import os; os.environ['CUSTDYN_VIEWER_URL'] = 'http://127.0.0.1:1'")
    query(form)
    form.page.get_by_text("run “custdyn serve” in a terminal").wait_for()
    with form.context.expect_page() as opened:
        form.page.get_by_role("button", name="Open the page").click()
    page = opened.value
    page.wait_for_load_state()
    assert "Customer Dynamics" in page.inner_text("h1")


def test_a_disk_that_takes_nothing_is_told_and_the_next_link_comes(form: LabNotebook) -> None:
    query(form)
    form.link().wait_for()
    limited = """import resource
from custdyn_widgets.widgets.publishing import SHARED
hard = resource.prlimit(SHARED.pid, resource.RLIMIT_FSIZE)[1]
resource.prlimit(SHARED.pid, resource.RLIMIT_FSIZE, ({}, hard))"""
    form.ask(limited.format(1000))
    form.field("Group by").select_option("year")
    report = query(form)
    form.page.locator(".custdyn-link", has_text="There is no link: File too large.").wait_for()
    assert form.link().count() == 0
    assert len(form.cells_of_table()) == len(shown(report))
    form.ask(limited.format("hard"))
    query(form)
    form.link().wait_for()


def test_a_second_click_while_one_is_answered_is_not_heard(form: LabNotebook) -> None:
    form.ask(
        "import custdyn_widgets.widgets.app as app, time\n"
        "real, asked = app.report_on, []\n"
        "def slow(*a, **k):\n    asked.append(1); time.sleep(1); return real(*a, **k)\n"
        "app.report_on = slow"
    )
    form.page.evaluate(
        """() => {
          const buttons = [...document.querySelectorAll('.custdyn-form button')];
          const query = buttons.find(button => button.innerText === 'Query');
          for (let i = 0; i < 5; i++) query.click();
        }"""
    )
    form.link().wait_for()
    assert form.ask("print(len(asked)); app.report_on = real").strip() == "1"


def test_a_saved_query_is_loaded_and_gives_the_same_query(form: LabNotebook) -> None:
    form.field("Group by").select_option("year")
    form.field("Client type").select_option("all")
    query(form)
    form.button("Save Query").click()
    form.page.get_by_role("dialog").get_by_label("Title").fill("By year, everybody")
    form.page.get_by_role("button", name="Save", exact=True).click()
    form.button("Load Query").wait_for()
    form.field("Group by").select_option("month")
    form.field("Saved query").select_option(label="By year, everybody")
    form.button("Load Query").click()
    form.page.wait_for_function(
        "document.querySelector('.custdyn-app .custdyn-status').innerText.includes('Loaded')"
    )
    again = query(form)
    assert (again.query.group_by, again.query.client_type) == (("year",), "all")


def test_a_saved_notebook_shows_the_last_table_without_a_kernel(form: LabNotebook) -> None:
    form.field("Interval").select_option("last_12_months")
    report = query(form)
    form.show_chart("Balance Refill: Total")
    form.page.locator(".custdyn-chart svg.marks, .custdyn-chart canvas.marks").first.wait_for()
    assert not form.page.locator(".custdyn-static").is_visible()
    form.link().wait_for(timeout=10_000)
    form.ask("dynamics._view._publisher.submit(lambda: None).result()")
    form.command("docmanager:save")
    assert form.path.stat().st_size < 200_000
    saved = json.loads(form.path.read_text())
    assert "widgets" not in saved["metadata"]
    [html] = [
        "".join(output["data"]["text/html"])
        for cell in saved["cells"]
        for output in cell.get("outputs", [])
        if "text/html" in output.get("data", {})
    ]
    assert report.rows[-1].labels[0] in html
    assert "data:image/svg+xml" in html


def test_axe_finds_nothing_serious(form: LabNotebook) -> None:
    form.add_filter("Client tags")
    query(form)
    form.show_chart(BLANK)
    form.button("Save Query").click()
    form.page.get_by_role("dialog").get_by_label("Title").wait_for()
    assert serious(faults_in_both_themes(form.page, ".custdyn-app")) == []


def test_no_control_is_cut_off_on_a_phone(form: LabNotebook) -> None:
    form.add_filter("Company")
    form.page.set_viewport_size({"width": 430, "height": 1000})
    beyond = """form => [...form.querySelectorAll("input, select, button")]
      .filter(made => made.getBoundingClientRect().right > form.getBoundingClientRect().right)
      .map(made => made.outerHTML)"""
    assert form.form.evaluate(beyond) == []


def test_it_works_by_keyboard_alone(form: LabNotebook) -> None:
    form.field("Filters").focus()
    page = form.page
    page.keyboard.type("own")
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement.closest('.custdyn-row')")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText") == "Query":
            break
    page.keyboard.press("Enter")
    form.rows().first.wait_for()
    assert len(report_of(form).query.owner_user) == 1
    assert page.evaluate("document.activeElement.innerText") == "Query"
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText") == "Export to CSV":
            break
    for key in (*["ArrowRight"] * 5, "Enter", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    page.locator(".custdyn-chart svg.marks", has_text=[*PRESETS][1].split(":")[0]).wait_for()


def test_a_closed_chart_gives_the_cursor_back_to_the_toolbar(form: LabNotebook) -> None:
    query(form)
    form.show_chart("Balance Refill: Total")
    form.page.locator(".custdyn-chart svg.marks").wait_for()
    form.page.get_by_role("button", name="Close the chart").press("Enter")
    form.page.locator(".custdyn-chart").wait_for(state="hidden")
    form.page.wait_for_function("document.activeElement.innerText === 'Show Chart'")


def test_a_mart_that_vanishes_is_told_and_the_table_stays(open_notebook: Open, tmp_path: Path) -> None:
    mart = tmp_path / "mart"
    shutil.copytree(MART, mart)
    cells = [
        "from custdyn_widgets import CustomerDynamics",
        f"dynamics = CustomerDynamics({str(mart)!r}); dynamics",
    ]
    notebook = open_notebook(cells)
    started(notebook)
    notebook.set_period("2021-01-01T00:00:00", "2021-12-31T23:59:59")
    query(notebook)
    before = notebook.cells_of_table()
    mart.rename(tmp_path / "elsewhere")
    notebook.button("Query").click()
    alert = notebook.page.locator(".custdyn-app [role=alert]", has_text="mart")
    alert.wait_for()
    assert notebook.cells_of_table() == before
    (tmp_path / "elsewhere").rename(mart)
    notebook.button("Query").click()
    alert.wait_for(state="hidden")


def test_stopping_the_kernel_keeps_the_last_table(form: LabNotebook) -> None:
    query(form)
    before = form.cells_of_table()
    form.ask(
        "import custdyn_widgets.widgets.app as app, time\n"
        "real = app.report_on\n"
        "def slow(*_, **__):\n    time.sleep(20)\n"
        "app.report_on = slow"
    )
    form.button("Query").click()
    form.page.wait_for_function(
        "document.querySelector('.custdyn-app .custdyn-status').innerText.includes('Counting')"
    )
    form.command("notebook:interrupt-kernel")
    form.page.wait_for_function(
        "document.querySelector('.custdyn-app .custdyn-status').innerText.includes('Stopped')"
    )
    assert form.cells_of_table() == before
    form.ask("app.report_on = real")


def test_a_kernel_restarted_while_a_query_runs_is_told(form: LabNotebook) -> None:
    form.ask(
        "import custdyn_widgets.widgets.app as app, time\n"
        "def slow(*_, **__):\n    app.progress.step('Reading the data', 0.4)\n    time.sleep(60)\n"
        "app.report_on = slow"
    )
    form.button("Query").click()
    form.page.wait_for_function(
        "document.querySelector('.custdyn-app .custdyn-status').innerText.includes('Reading the data')"
    )
    form.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    form.page.get_by_text("Run the cells again").first.wait_for()
    assert form.status() == ""
    expect(form.page.locator(".custdyn-status progress")).to_be_hidden()
    expect(form.button("Query")).to_have_attribute("title", re.compile("run the cells again"))


def test_a_kernel_restarted_while_the_link_is_created_leaves_nothing_that_waits(
    form: LabNotebook,
) -> None:
    form.ask(
        "import custdyn_widgets.widgets.publishing as publishing, time\n"
        "publishing.PublishingProcess.publish = lambda *_: time.sleep(60)"
    )
    form.button("Query").click()
    creating = form.page.get_by_text("Creating the link")
    creating.wait_for()
    form.field("Active duration (months)").fill("7")
    outdated = form.page.locator(".custdyn-outdated")
    expect(outdated).to_have_text(f"{OUTDATED} Click Query to update it.")
    form.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    form.page.get_by_text("Run the cells again").first.wait_for()
    expect(creating).to_have_count(0)
    expect(outdated).to_have_text(OUTDATED)  # Query is disabled
    for name in ("Export to CSV", "Export to XLSX", "Show Chart"):
        expect(form.button(name)).to_be_disabled()
    expect(form.button("Info")).to_be_enabled()
