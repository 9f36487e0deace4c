"""The result panel and the chart in a real JupyterLab: what is read, sorted, saved, copied and pointed at."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest
from playwright.sync_api import Locator, Page, expect

from custdyn_widgets.render.charts.presets import PRESETS
from custdyn_widgets.render.charts.specs import BLANK
from custdyn_widgets.render.csv import to_csv, to_excel_csv
from custdyn_widgets.report.formatting import format_value, info_rows
from custdyn_widgets.report.html import report_html
from custdyn_widgets.report.report import Report
from custdyn_widgets.text import printable
from tests.browser.axe import darkened, faults, faults_in_both_themes
from tests.browser.lab_notebook import LabNotebook
from tests.make_report import make_report
from tests.payloads import PAYLOADS

pytestmark = [pytest.mark.browser, pytest.mark.slow]
Open = Callable[..., LabNotebook]

_CELL = """
import ipywidgets, json
from custdyn_widgets.report import Report
from custdyn_widgets.widgets.chart_panel import ChartPanel
from custdyn_widgets.widgets.result import ResultPanel
panel, charts, chosen = ResultPanel(), ChartPanel(), []
def drawn(name):
    chosen.append(name)
    charts.draw(panel._report, name)
panel.on_show_chart = drawn
ipywidgets.VBox([panel, charts.widget]).add_class("custdyn-app")
"""
CELLS = [_CELL, "panel"]


@pytest.fixture
def notebook(open_notebook: Open) -> LabNotebook:
    """A notebook with new panels."""
    opened: LabNotebook = open_notebook(CELLS)
    opened.run_cell(0)
    opened.page.locator(".custdyn-result").wait_for(state="attached")
    return opened


@pytest.fixture
def clipboard(notebook: LabNotebook) -> Iterator[None]:
    """Let the page read and write the clipboard."""
    notebook.context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield
    notebook.context.clear_permissions()


def tell(notebook: LabNotebook, report: Report, call: str = "panel.show(report)") -> Locator:
    """Give the kernel a report and let it do something with it; return the panel."""
    text = json.dumps(report.to_dict())
    assert notebook.ask(f"report = Report.from_dict(json.loads({text!r}))\n{call}") == ""
    return notebook.page.locator(".custdyn-result").first


def show(notebook: LabNotebook, report: Report) -> Locator:
    panel = tell(notebook, report)
    panel.locator("table").wait_for()
    return panel


def texts(rows: Locator) -> list[list[str]]:
    found: list[list[str]] = rows.evaluate_all(
        "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))"
    )
    return found


def first_column(panel: Locator) -> list[str]:
    return [row[0] for row in texts(panel.locator("tbody tr"))]


def formatted(report: Report) -> list[list[str]]:
    return [
        [
            format_value(v, c, report.currency).replace(",", "")
            for v, c in zip(row.values, report.columns, strict=True)
        ]
        for row in report.shown_rows()
    ]


def heading(panel: Locator, place: int) -> Locator:
    """The button of a heading: labels first, then columns."""
    return panel.locator("thead button").nth(place)


def quiet(notebook: LabNotebook) -> None:
    assert (notebook.elsewhere, notebook.errors) == ([], [])
    assert notebook.page.evaluate("window.pwned") is None


def test_every_cell_is_there_as_pages_show_it(notebook: LabNotebook) -> None:
    report = make_report(5)
    panel = show(notebook, report)
    rows = texts(panel.locator(":is(tbody, tfoot) tr"))
    assert [row[1:] for row in rows] == formatted(report)
    assert [row[0] for row in rows] == ["2021-01", "2021-02", "2021-03", "2021-04", "2021-05 ◐", "Total ◐"]
    groups, columns = texts(panel.locator("thead tr"))
    assert groups[:3] == ["Month", "Clients - Active", "Clients - Overall Active"]
    assert columns == [column.label for column in report.columns]
    assert panel.get_by_role("img", name="partial").count() == 2
    assert heading(panel, 1).locator("..").get_attribute("title") == report.columns[0].definition
    quiet(notebook)


def test_a_heading_sorts_exactly_and_the_third_click_restores(notebook: LabNotebook) -> None:
    report = make_report(4)
    texts_of_amounts = ["90071992547409.930002", "-5.000000", None, "90071992547409.930001"]
    amounts = [text and Decimal(text) for text in texts_of_amounts]
    rows = tuple(
        replace(row, values=(row.values[0], amount, *row.values[2:]))
        for row, amount in zip(report.rows, amounts, strict=True)
    )
    panel = show(notebook, replace(report, rows=rows))
    months = first_column(panel)
    orders = {"ascending": [1, 3, 0, 2], "descending": [0, 3, 1, 2], "none": [0, 1, 2, 3]}
    heading(panel, 2).focus()
    for order, places in orders.items():
        notebook.page.keyboard.press("Enter")
        assert first_column(panel) == [months[place] for place in places]
        assert panel.locator("th").nth(0).get_attribute("aria-sort") == "none"
        assert heading(panel, 2).locator("..").get_attribute("aria-sort") == order
        assert notebook.page.evaluate("document.activeElement.textContent") == "Balance Pos"
    assert texts(panel.locator("tfoot tr"))[0][0] == "Total ◐"


def test_it_sorts_while_the_kernel_is_busy(notebook: LabNotebook) -> None:
    panel = show(notebook, make_report(3))
    notebook.page.evaluate(
        "() => { window.jupyterapp.shell.currentWidget.sessionContext.session.kernel"
        ".requestExecute({code: 'import time; time.sleep(5)'}).done.then(() => window.free = true) }"
    )
    heading(panel, 1).click()
    heading(panel, 1).click()
    assert first_column(panel) == ["2021-03 ◐", "2021-02", "2021-01"]
    assert notebook.page.evaluate("window.free") is None


def test_of_two_label_columns_a_repeated_month_is_muted_and_the_total_spans_both(
    notebook: LabNotebook,
) -> None:
    panel = show(notebook, make_report(2, packages=("a", "b", "(no package)")))
    again = "rows => rows.map(row => row.classList.contains('custdyn-again'))"
    assert panel.locator("tbody tr").evaluate_all(again) == [False, True, True, False, True, True]
    assert panel.locator("tfoot th").get_attribute("colspan") == "2"
    heading(panel, 1).click()
    assert [row[1] for row in texts(panel.locator("tbody tr"))] == [
        name for name in ("a", "b", "(no package)") for _ in range(2)
    ]
    assert panel.locator("tbody tr").evaluate_all(again) == [False] * 6


def test_headings_total_and_labels_stay_while_the_table_scrolls(notebook: LabNotebook) -> None:
    style = report_html(make_report(1)).partition("<style>")[2].partition("</style>")[0]
    added = notebook.page.add_style_tag(content=style)  # the form's output has the same table as HTML
    panel = show(notebook, make_report(24, packages=("a long name of a package", "b")))
    box = panel.get_by_role("region", name="The report's table")
    box.evaluate("box => box.scrollTo(500, 300)")
    frame = box.bounding_box()
    head = panel.locator("thead").bounding_box()
    total = panel.locator("tfoot").bounding_box()
    month, package = [panel.locator("tbody tr").nth(20).locator("th").nth(i).bounding_box() for i in (0, 1)]
    assert abs(head["y"] - frame["y"]) <= 2
    assert abs(total["y"] + total["height"] - frame["y"] - frame["height"]) <= 20
    assert abs(month["x"] - frame["x"]) <= 2
    assert abs(package["x"] - month["x"] - month["width"]) <= 2
    at = "(head, [x, y]) => head.contains(document.elementFromPoint(x, y))"
    for x in (month["x"] + 9, package["x"] + 9, package["x"] + 200):
        assert panel.locator("thead").evaluate(at, [x, head["y"] + head["height"] - 6]), (
            "a row covers headings"
        )
    added.evaluate("style => style.remove()")


def test_shades_show_that_there_is_more_to_scroll_to(notebook: LabNotebook) -> None:
    def shades(panel: Locator) -> list[bool]:
        place = panel.locator(".custdyn-place")
        names: list[bool] = place.evaluate(
            "place => ['custdyn-more', 'custdyn-wider'].map(name => place.classList.contains(name))"
        )
        return names

    panel = show(notebook, make_report(24, packages=("a", "b")))
    box = panel.get_by_role("region", name="The report's table")
    expect(panel.locator(".custdyn-more.custdyn-wider")).to_have_count(1)
    for to, expected in (
        ((0, 10**6), [False, True]),
        ((10**6, 0), [True, False]),
        ((10**6, 10**6), [False, False]),
    ):
        box.evaluate("(box, [x, y]) => box.scrollTo(x, y)", list(to))
        notebook.page.wait_for_timeout(100)
        assert shades(panel) == expected
    panel = show(notebook, make_report(2))
    expect(panel.locator(".custdyn-more")).to_have_count(0)
    assert panel.get_by_text("Ctrl+F").count() == 0


def test_a_query_without_grouping_is_one_row_named_all(notebook: LabNotebook) -> None:
    report = make_report(1)
    row = replace(report.rows[0], labels=(), partial=False)
    query = replace(report.query, group_by=())
    report = replace(report, headings=(), rows=(row,), total=None, query=query)
    panel = show(notebook, report)
    assert texts(panel.locator("tbody tr")) == [["All", *formatted(report)[0]]]
    assert [len(row) for row in texts(panel.locator("thead tr"))] == [1 + 6, len(report.columns)]
    assert panel.locator("thead button").count() == 0


def test_a_report_without_rows_is_headings_and_a_message(notebook: LabNotebook) -> None:
    panel = show(notebook, make_report(0, total=None, message="No client existed before the end."))
    assert panel.get_by_text("No client existed before the end.").is_visible()
    assert panel.locator("thead th", has_text="Renew Total").count() == 1
    assert panel.locator("tbody tr, tfoot tr").count() == 0
    assert panel.get_by_role("button", name="Show Chart").is_disabled()
    assert panel.get_by_role("button", name="Export to CSV").is_enabled()


def test_of_two_thousand_rows_those_near_the_visible_part_are_drawn_and_all_are_sorted(
    notebook: LabNotebook,
) -> None:
    panel = show(notebook, make_report(2_003))
    first, last = (make_report(2_000).rows[place].labels[0] for place in (0, -1))
    rows, region = panel.locator("tbody tr[aria-rowindex]"), panel.locator(".custdyn-scroll")
    expect(panel.get_by_role("table")).to_have_attribute("aria-rowcount", "2003")
    width = panel.locator("thead").bounding_box()["width"]
    for place, label, edge in (("region.scrollHeight", last, "end"), ("0", first, "start")):
        region.evaluate(f"region => region.scrollTo(0, {place})")
        region.evaluate(f"region => region.scrollIntoView({{ block: '{edge}' }})")
        expect(panel.locator("tbody th", has_text=label).first).to_be_in_viewport()
        assert 25 <= rows.count() < 300
        assert panel.locator("thead").bounding_box()["width"] == width
    told = "the exports have them all. Ctrl+F searches only the rows in view; Find in table"
    assert panel.get_by_text(f"Showing 2,000 of 2,003 rows; {told}").is_visible()
    heading(panel, 0).click()
    heading(panel, 0).click()
    assert first_column(panel)[0] == make_report(2_000).rows[-1].labels[0]


def test_a_large_table_is_searched_and_copied_whole(notebook: LabNotebook, clipboard: None) -> None:
    made = make_report(1_000, packages=('"quoted', "=1+1"))
    report = replace(made, rows=made.rows[:1_001])
    panel = show(notebook, report)
    keyboard = notebook.page.keyboard
    field, said = panel.get_by_role("searchbox", name="Find in table"), panel.get_by_role("status")
    label = report.rows[801].labels[0]
    field.fill(label)
    found = panel.locator(".custdyn-found")
    expect(found).to_be_in_viewport()
    expect(found).to_have_text(label)
    assert said.get_by_text(f'1 of 2: {label}, "quoted, Month').is_visible()
    for key, place in (("Enter", 2), ("Enter", 1), ("Shift+Enter", 2)):
        keyboard.press(key)
        assert said.get_by_text(f"{place} of 2: {label}, ").is_visible()
        expect(found).to_be_in_viewport()
    panel.get_by_role("button", name="Next").click()
    assert said.get_by_text(f"1 of 2: {label}, ").is_visible()
    amount = formatted(report)[-2][1]
    field.fill(format_value(report.rows[-1].values[1], report.columns[1], report.currency))
    expect(found).to_have_text(amount)
    expect(found).to_be_in_viewport()
    assert "Clients - Active: Balance Pos" in " ".join(said.all_inner_texts())
    field.fill("nothing like it")
    assert said.get_by_text("Not found").is_visible()
    keyboard.press("Escape")
    expect(field).to_have_value("")
    expect(found).to_have_count(0)
    assert faults_in_both_themes(notebook.page, ".custdyn-result") == []

    heading(panel, 0).click()
    heading(panel, 0).click()  # the last month first
    panel.get_by_role("button", name="Copy table").click()
    panel.get_by_text("Copied 1002 rows").wait_for()
    lines = [line.split("\t") for line in pasted(notebook.page).splitlines()]
    assert lines[0] == ["Month", "Package Name", *(column.name for column in report.columns)]
    assert [line[:2] for line in lines[1:4]] == [
        [report.rows[1_000].labels[0], '"""quoted"'],
        [report.rows[998].labels[0], '"""quoted"'],
        [report.rows[999].labels[0], "'=1+1"],
    ]
    assert lines[-1][:2] == ["Total", ""]
    numbers = [["" if text == "–" else text for text in row] for row in formatted(report)]
    assert sorted(line[2:] for line in lines[1:-1]) == sorted(numbers[:-1])
    assert {len(line) for line in lines} == {2 + len(report.columns)}


def test_exports_are_the_report_on_screen_and_saved_once_for_two_views(notebook: LabNotebook) -> None:
    report = make_report(3)
    notebook.run_cell(1)  # a second view of the same panel
    panel = show(notebook, report)
    notebook.page.locator(".custdyn-result table").nth(1).wait_for()
    saved: list[object] = []
    notebook.page.on("download", lambda download: saved.append(download))
    with notebook.page.expect_download() as download:
        panel.get_by_role("button", name="Export to CSV").click()
    assert download.value.path().read_bytes() == to_csv(report)
    assert download.value.suggested_filename == "customer-dynamics-2021-01-01-to-2022-12-31.csv"
    panel.get_by_role("checkbox", name="Total in CSV").check()
    with notebook.page.expect_download() as download:
        panel.get_by_role("button", name="Export to Excel CSV").click()
    assert download.value.path().read_bytes() == to_excel_csv(report, total=True)
    with notebook.page.expect_download() as download:
        panel.get_by_role("button", name="Export to XLSX").click()
    book = openpyxl.load_workbook(io.BytesIO(download.value.path().read_bytes()))
    counts = [row[1] for row in book.worksheets[0].values if isinstance(row[0], datetime)]
    assert counts == [row.values[0] for row in report.rows]
    assert panel.get_by_role("status").first.inner_text().startswith("Saved as customer-dynamics")
    with notebook.page.expect_download() as download:
        panel.get_by_role("button", name="Export to PDF").click()
    assert download.value.path().read_bytes().startswith(b"%PDF-1.7")
    assert len(saved) == 4
    quiet(notebook)


def test_a_refused_xlsx_is_said_and_the_table_stays(notebook: LabNotebook) -> None:
    panel = show(notebook, make_report(3))
    refusal = (
        "import custdyn_widgets.widgets.download as d\n"
        "from custdyn_widgets.errors import ExportError\n"
        "def refuse(report): raise ExportError.too_many_rows(100_001, 100_000)\n"
        "real, d.render.to_xlsx = d.render.to_xlsx, refuse"
    )
    assert notebook.ask(refusal) == ""
    panel.get_by_role("button", name="Export to XLSX").click()
    panel.get_by_role("alert").get_by_text("Choose csv").wait_for()
    assert notebook.ask("d.render.to_xlsx = real") == ""
    assert panel.locator("tbody tr").count() == 3


def test_a_download_alone_starts_at_once_without_a_table(notebook: LabNotebook) -> None:
    report = make_report(3)
    with notebook.page.expect_download() as download:
        panel = tell(notebook, report, "panel.set_download_only(report, 'csv')")
    assert download.value.path().read_bytes() == to_csv(report)
    with notebook.page.expect_download() as download:
        panel.get_by_role("button", name="Export to CSV").click()
    assert download.value.path().read_bytes() == to_csv(report)
    assert panel.locator("table").count() == 0
    assert panel.get_by_role("button", name="Show Chart").count() == 0


def pasted(page: Page) -> str:
    """Return what the clipboard gives to a field."""
    page.evaluate("document.body.append(Object.assign(document.createElement('textarea'), {id: 'paste'}))")
    page.locator("#paste").focus()
    page.keyboard.press("Control+v")
    text: str = page.locator("#paste").input_value()
    page.evaluate("document.querySelector('#paste').remove()")
    return text


@pytest.mark.parametrize("found", ["navigator.clipboard", "undefined"])
def test_the_link_is_copied_with_and_without_the_browsers_leave(
    notebook: LabNotebook, clipboard: None, found: str
) -> None:
    link = f"http://127.0.0.1:1/view?id={found[0] * 52}"  # not the one of the other case
    notebook.page.evaluate(
        f"Object.defineProperty(navigator, 'clipboard', {{value: {found}, configurable: true}})"
    )
    panel = show(notebook, make_report(2))
    notebook.ask(f"panel.set_link({link!r}, 'Frozen.')")
    panel.get_by_role("button", name="Copy link").click()
    panel.get_by_role("button", name="Copied").wait_for()
    assert pasted(notebook.page) == link
    anchor = panel.get_by_role("link")
    assert (anchor.inner_text(), anchor.get_attribute("target")) == (link, "_blank")
    assert "noopener" in (anchor.get_attribute("rel") or "")
    notebook.page.evaluate("delete navigator.clipboard")


def test_what_is_no_web_address_never_becomes_a_link(notebook: LabNotebook) -> None:
    panel = show(notebook, make_report(2))
    notebook.ask("panel.set_link('javascript:window.pwned=1', 'There is no link.')")
    panel.get_by_text("There is no link.").wait_for()
    assert panel.locator("a").count() == 0


def test_the_toolbar_and_its_menu_work_by_keyboard(notebook: LabNotebook) -> None:
    panel = show(notebook, make_report(3))
    keyboard = notebook.page.keyboard

    def focused() -> str:
        text: str = notebook.page.evaluate("document.activeElement.textContent")
        return text

    notebook.command("notebook:enter-command-mode")
    panel.get_by_role("button", name="Export to CSV").focus()
    for key, name in (
        ("ArrowRight", "Export to Excel CSV"),
        ("ArrowRight", "Export to XLSX"),
        ("ArrowRight", "Export to PDF"),
        ("ArrowRight", ""),
        ("ArrowRight", "Show Chart"),
        ("End", "Info"),
    ):
        keyboard.press(key)
        assert focused() == name
    stops = panel.get_by_role("toolbar").locator("button:not([role=menuitem]), input")
    assert stops.evaluate_all("all => all.map(one => one.tabIndex)") == [-1, -1, -1, -1, -1, -1, 0]
    keyboard.press("ArrowLeft")
    keyboard.press("Enter")
    names = [*PRESETS, BLANK]
    assert focused() == names[0]
    for key, name in (("ArrowDown", names[1]), ("End", BLANK), ("ArrowDown", names[0]), ("ArrowUp", BLANK)):
        keyboard.press(key)
        assert focused() == name
    keyboard.press("Escape")
    assert focused() == "Show Chart"
    assert not panel.get_by_role("menu").is_visible()
    keyboard.press("ArrowDown")
    keyboard.press("Home")
    keyboard.press("Enter")
    notebook.page.locator(".custdyn-chart svg.marks").wait_for()
    assert notebook.ask("print(chosen)").strip() == str([names[0]])
    assert not panel.get_by_role("menu").is_visible()


def test_lab_takes_no_key_for_its_cells_from_what_has_the_focus(notebook: LabNotebook) -> None:
    panel = show(notebook, make_report(3))
    notebook.ask("panel.set_link('http://127.0.0.1/view?id=a'); drawn('Balance Refill: Total')")
    notebook.page.locator(".custdyn-chart svg.marks").wait_for()
    stops = panel.locator("button:visible, a:visible, [role=region]").element_handles()
    stops += notebook.page.locator(".custdyn-chart button:visible").element_handles()
    cells = """() => {
      const content = window.jupyterapp.shell.currentWidget.content;
      return [content.widgets.length, content.activeCellIndex];
    }"""
    before = notebook.page.evaluate(cells)
    notebook.command("notebook:enter-command-mode")
    for stop in [*stops[:7], *stops[-5:]]:
        stop.focus()
        for key in ("d", "d", "ArrowDown", "a"):
            notebook.page.keyboard.press(key)
        assert notebook.page.evaluate(cells) == before, stop.text_content()
    assert stops[-1].evaluate("stop => stop === document.activeElement")


def test_info_opens_and_tells_everything(notebook: LabNotebook) -> None:
    report = make_report(2)
    panel = show(notebook, report)
    toggle = panel.get_by_role("button", name="Info")
    assert toggle.get_attribute("aria-expanded") == "false"
    toggle.click()
    assert toggle.get_attribute("aria-expanded") == "true"
    told = panel.locator(".custdyn-info")
    assert told.is_visible()
    assert told.locator("dl").first.locator("dd").all_inner_texts() == [t for _, t in info_rows(report)]
    assert told.get_by_text(report.definitions[0]).is_visible()
    assert told.get_by_text("Sum of refills.").is_visible()
    toggle.click()
    assert not told.is_visible()


def test_status_progress_and_errors_are_announced_and_the_table_stays(notebook: LabNotebook) -> None:
    panel = show(notebook, make_report(2))
    notebook.ask("panel.set_status('Reading the ledger', 0.25)")
    bar = panel.get_by_role("progressbar")
    bar.wait_for()
    assert float(bar.evaluate("bar => bar.value")) == 0.25
    assert panel.get_by_role("status").first.inner_text() == "Reading the ledger"
    notebook.ask("panel.set_status('2 rows.'); panel.set_error('The data <b>cannot</b> be read.')")
    alert = panel.get_by_role("alert")
    alert.get_by_text("The data <b>cannot</b> be read.").wait_for()
    assert not bar.is_visible()
    assert panel.locator("tbody tr").count() == 2
    notebook.ask("panel.set_error('')")
    alert.wait_for(state="hidden")


def test_hostile_names_are_text_in_table_info_chart_and_tooltip(notebook: LabNotebook) -> None:
    names = tuple(dict.fromkeys(PAYLOADS))
    report = make_report(1, packages=names)
    info = replace(report.info, warnings=names[:30], source=names[0])
    panel = show(notebook, replace(report, info=info, definitions=names[:30]))
    words = json.dumps([name for name in names if "\ud800" not in name])
    told = f"for text in json.loads({words!r}): panel.set_error(text); panel.set_status(text)"
    assert notebook.ask(told + "; panel.set_link(text, text)") == ""
    shown = [row[1] for row in texts(panel.locator("tbody tr"))]
    assert shown == [printable(name) if len(name) <= 300 else printable(name[:299] + "…") for name in names]
    panel.get_by_role("button", name="Info").click()
    notebook.ask("drawn('Clients - Active: Qty')")
    drawing = notebook.page.locator(".custdyn-chart svg.marks")
    drawing.wait_for()
    drawing.locator("path, rect").last.hover(force=True)
    inside = notebook.page.locator(".custdyn-app").locator("script, iframe, object, embed, form, base, meta")
    assert inside.evaluate_all("all => all.map(one => one.className)") == ["vega-bindings"]
    assert panel.locator("img, style, link").count() == 0
    quiet(notebook)


def test_presets_and_the_blank_chart_are_drawn_offline_in_one_place(notebook: LabNotebook) -> None:
    panel = show(notebook, make_report(12))
    chart = notebook.page.locator(".custdyn-chart")
    for name in PRESETS:
        panel.get_by_role("button", name="Show Chart").click()
        panel.get_by_role("menuitem", name=name, exact=True).click()
        chart.locator("svg.marks").get_by_text(name, exact=True).wait_for()
        assert chart.locator("svg.marks").count() == 1
    with notebook.page.expect_download() as download:
        chart.get_by_role("button", name="Save as SVG").click()
    assert b"2021-01" in download.value.path().read_bytes()
    panel.get_by_role("button", name="Show Chart").click()
    panel.get_by_role("menuitem", name=BLANK, exact=True).click()
    chart.get_by_text("Choose the columns to draw.").wait_for()
    expect(chart.locator("svg.marks")).to_have_count(0)
    chart.get_by_role("combobox", name="Columns").fill("clients - active: qty")
    chart.get_by_role("combobox", name="Columns").press("Enter")
    chart.get_by_role("textbox", name="Title").fill("Of my own")
    chart.get_by_role("textbox", name="Title").press("Tab")
    chart.locator("svg.marks").get_by_text("Of my own").wait_for()
    chart.get_by_role("button", name="Close the chart").click()
    chart.wait_for(state="hidden")
    quiet(notebook)


WIDER = """app => [...app.querySelectorAll(':not(.custdyn-scroll *, svg *)')]
  .filter(one => one.getBoundingClientRect().right > app.getBoundingClientRect().right + 1)
  .map(one => one.outerHTML.slice(0, 200))"""


def take_picture(notebook: LabNotebook, name: str) -> None:
    """Take a picture of the panels for a person to look at, if one has said where."""
    if folder := os.environ.get("CUSTDYN_TEST_PICTURES"):
        notebook.page.locator(".custdyn-app").screenshot(path=Path(folder) / f"{name}.png")


def test_light_and_dark_wide_and_narrow_axe_finds_nothing(notebook: LabNotebook) -> None:
    report = make_report(6, packages=("a", "b"))
    panel = show(notebook, report)
    notebook.ask(
        "panel.set_error('It failed.'); panel.set_status('Reading', 0.5); panel.set_outdated('It is old.')\n"
        "panel.set_link('http://127.0.0.1/view?id=a', 'Nobody answers.', b'x', busy=True)\n"
        "drawn('Blank Chart'); charts._editor._y.value = ['Clients - Active: Qty']"
    )
    notebook.page.locator(".custdyn-chart svg.marks").wait_for()
    panel.get_by_role("button", name="Info").click()
    for width in (700, 1300):
        notebook.resize(width=width, height=2_000)
        panel.get_by_role("button", name="Show Chart").click()
        for theme in (contextlib.nullcontext, darkened):
            with theme(notebook.page):
                assert panel.get_by_role("menu").is_visible()
                assert faults(notebook.page, ".custdyn-app") == [], (theme, width)
                assert notebook.page.locator(".custdyn-app").evaluate(WIDER) == [], (theme, width)
                take_picture(notebook, f"result-{theme.__name__}-{width}")
        notebook.page.keyboard.press("Escape")
