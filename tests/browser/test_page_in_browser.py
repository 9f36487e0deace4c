"""The page in Chromium: it asks and runs nothing, its headings stay, and it prints on landscape paper."""

from __future__ import annotations

import functools
import http.server
import io
import itertools
import re
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest
from PIL import Image, ImageStat
from playwright.sync_api import Page

from custdyn_widgets.render.charts.drawing import report_charts
from custdyn_widgets.render.page import Section, render_page
from custdyn_widgets.viewer.headers import HEADERS
from tests.make_report import make_comparison, make_report
from tests.render.test_charts import HOSTILE

pytestmark = pytest.mark.browser


def pages() -> dict[str, bytes]:
    plain = make_report(24)
    hostile = make_report(24, HOSTILE)
    picture = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9" onload="document.title=1"><rect/></svg>'
    )
    return {
        "/plain": render_page(plain, report_charts(plain)),
        "/hostile": render_page(hostile, report_charts(hostile), [Section("svg", picture)]),
    }


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves the pages as the viewer does."""

    def __init__(self, served: dict[str, bytes], *arguments) -> None:
        self.served = served
        super().__init__(*arguments)

    def do_GET(self) -> None:
        body = self.served.get(self.path)
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *arguments) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, pages()))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("path", ["/plain", "/hostile"])
def test_the_page_asks_nothing_runs_nothing_and_does_not_scroll_sideways(chromium, address, path):
    page = chromium.new_page()
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address + path)
    assert page.title().startswith("Customer Dynamics: ")
    for width, scheme in itertools.product((1280, 375), ("light", "dark")):
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, scheme
    assert page.evaluate("document.querySelectorAll('script').length") == 0
    assert page.locator("figure svg").count() == 4
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [address + path]
    page.close()


def test_headings_and_the_first_column_stay_while_the_table_scrolls(chromium, address):
    page = chromium.new_page(viewport={"width": 1280, "height": 500})
    page.goto(address + "/plain")
    box = page.locator(".box")
    box.evaluate("box => box.scrollTo(600, 300)")
    frame = box.bounding_box()
    month = page.locator("tbody th", has_text="2022-03").bounding_box()
    heading = page.locator("thead th", has_text="Renew Total").bounding_box()
    total = page.locator("tfoot th").bounding_box()
    assert month["x"] - frame["x"] <= 2
    assert 0 <= heading["y"] - frame["y"] <= 60
    assert abs(total["y"] + total["height"] - frame["y"] - frame["height"]) <= 20
    page.close()


def test_what_is_copied_of_a_number_is_a_number_and_is_seen_in_thousands(chromium, address):
    page = chromium.new_page()
    page.goto(address + "/plain")
    copied = page.evaluate(
        "(getSelection().selectAllChildren(document.querySelector('tbody')), `${getSelection()}`)"
    )
    cells = [line.split("\t") for line in copied.splitlines()]
    assert cells[0][:4] == ["2021-01", "100", "123555.55", "-123654.32"]
    assert all(cell == "–" or Decimal(cell).is_finite() for line in cells for cell in line[1:])
    separator = "getComputedStyle(document.querySelector('td > span'), '::before').content"
    assert page.evaluate(separator) == '","'
    page.close()


def test_the_page_prints_on_landscape_paper_with_headings_on_each_page(chromium, address, tmp_path):
    page = chromium.new_page()
    page.goto(address + "/hostile")
    path = tmp_path / "page.pdf"
    page.pdf(path=path, prefer_css_page_size=True)
    sheets = printed(path)
    assert path.read_bytes().startswith(b"%PDF")
    tables = [text for text in sheets if "2021-0" in text or "2022-" in text]
    assert len(tables) >= 2
    assert all("Renew Total" in text for text in sheets if "2021-06" in text or "2022-06" in text)
    assert any(re.search(r"-\d{1,3},\d{3}", text) and "Total" in text for text in sheets)
    page.close()


@pytest.mark.parametrize(("rows", "together"), [(12, True), (44, False)])
def test_a_short_table_prints_below_its_charts_and_a_long_one_begins_with_some_rows(
    chromium, tmp_path, rows, together
):
    report = make_report(rows)
    charts = report_charts(report)
    kept = dict(list(charts.items())[:1]) if together else charts
    page = chromium.new_page()
    page.set_content(render_page(report, kept).decode())
    path = tmp_path / "page.pdf"
    page.pdf(path=path, prefer_css_page_size=True)
    sheets = printed(path)
    [heading] = [sheet for sheet in sheets if re.search(r"^ *Table$", sheet, re.MULTILINE)]
    assert (heading is sheets[0]) == together
    assert "2021-05" in heading.partition("Table\n")[2]
    page.close()


@pytest.mark.parametrize(("height", "hinted"), [(800, True), (2_000, False)])
def test_a_table_that_goes_on_below_says_so(chromium, address, height, hinted):
    page = chromium.new_page(viewport={"width": 1280, "height": height})
    page.goto(address + "/plain")
    assert page.get_by_text("24 rows and the Total. Scroll within the table").is_visible() == hinted
    box = page.locator(".box").evaluate("box => box.scrollHeight - box.clientHeight")
    assert (box > 1) == hinted
    page.set_viewport_size({"width": 375, "height": 800})
    assert page.get_by_text("24 rows and the Total. Scroll within the table").is_visible()
    page.close()


def long_names(rows: int) -> bytes:
    """Return the page of a table whose names wrap over many lines."""
    report = make_report(rows)
    name = "A reseller whose name is so long that it has to wrap over several lines"
    named = tuple(replace(row, labels=(f"{name}, {i}",)) for i, row in enumerate(report.rows))
    query = replace(report.query, group_by=("company",))
    return render_page(replace(report, rows=named, headings=("Company",), query=query), {})


def shades(page: Page) -> dict[str, bool]:
    """Return at which edges the table's box is shaded, by looking at it. Its text is hidden meanwhile."""
    ink = "td,th,td *,th *{color:transparent!important;border-color:transparent!important}"
    hidden = page.add_style_tag(content=ink)
    page.wait_for_timeout(100)
    picture = Image.open(io.BytesIO(page.locator(".box").screenshot())).convert("L")
    hidden.evaluate("style => style.remove()")
    width, height = picture.size
    head, foot, label = page.evaluate(
        """['thead', 'tfoot', 'tbody .l:last-of-type'].map((one) => document.querySelector(one))
          .map((one, i) => i < 2 ? one.offsetHeight : one.getBoundingClientRect().right
            - document.querySelector('.box').getBoundingClientRect().left)"""
    )
    foot, label = round(foot) + 2, round(label)
    middle = (head + height - foot) // 2
    plain = ImageStat.Stat(picture.crop((width - 60, middle, width - 50, middle + 9))).mean[0]
    edges = {
        "right": (width - 5, middle, width - 3, middle + 9),
        "left": (label + 1, middle, label + 3, middle + 9),
        "below": (width - 60, height - foot - 3, width - 50, height - foot - 1),
    }
    return {name: abs(ImageStat.Stat(picture.crop(edge)).mean[0] - plain) > 5 for name, edge in edges.items()}


BESIDE_AND_BELOW = {
    (0, 0): {"right": True, "left": False, "below": True},
    (40, 100): {"right": True, "left": True, "below": True},
    (10**5, 0): {"right": False, "left": True, "below": True},
    (0, 10**5): {"right": True, "left": False, "below": False},
    (10**5, 10**5): {"right": False, "left": True, "below": False},
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(390, 844), (1280, 700)])
@pytest.mark.parametrize(
    "content",
    [render_page(make_report(24), {}), long_names(10), render_page(make_comparison(24), {})],
    ids=["months", "long names", "comparison"],
)
def test_shades_show_where_the_table_goes_on(chromium, content, size, scheme):
    page = chromium.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    page.set_content(content.decode())
    box = page.locator(".box")
    wide = box.evaluate("box => box.scrollWidth > box.clientWidth")
    for (x, y), expected in BESIDE_AND_BELOW.items():
        box.evaluate("(box, [x, y]) => box.scrollTo(x, y)", [x, y])
        expected = expected if wide else {**expected, "right": False, "left": False}
        assert shades(page) == expected, (x, y)
    page.close()


def test_a_table_that_is_whole_has_no_shade_and_paper_has_none(chromium):
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    page.set_content(render_page(make_comparison(3), {}).decode())
    assert shades(page) == {"right": False, "left": False, "below": False}
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 900, "height": 500})
    assert page.locator(".box").evaluate("box => getComputedStyle(box).backgroundImage") == "none"
    page.close()


@pytest.mark.parametrize(
    ("content", "height", "hinted"),
    [
        (long_names(10), 844, True),
        (long_names(24), 1_600, True),
        (long_names(3), 1_200, False),
        (render_page(make_report(6), {}), 600, False),
        (render_page(make_comparison(24), {}), 1_200, True),
    ],
    ids=["10 long names", "24 long names", "3 long names", "6 months", "a comparison"],
)
def test_the_sentence_on_scrolling_depends_on_the_table_and_not_on_its_rows(
    chromium, content, height, hinted
):
    page = chromium.new_page(viewport={"width": 1280, "height": height})
    page.set_content(content.decode())
    hidden = page.locator(".box").evaluate("box => box.scrollHeight - box.clientHeight")
    assert (hidden > 1) == hinted
    assert page.get_by_text("Scroll within the table").is_visible() == hinted
    page.emulate_media(media="print")
    assert not page.get_by_text("Scroll within the table").is_visible()
    page.close()


def printed(path) -> list[str]:
    """Return the text of each sheet of a PDF, and hold that each is wider than high."""
    import subprocess

    tool = shutil.which("pdftotext")
    if not tool:
        pytest.skip("pdftotext is not installed")
    size = subprocess.run([shutil.which("pdfinfo"), path], capture_output=True, text=True, check=True).stdout
    width, height = next(line for line in size.splitlines() if line.startswith("Page size")).split()[2:5:2]
    assert float(width) > float(height)
    text = subprocess.run([tool, "-layout", path, "-"], capture_output=True, text=True, check=True).stdout
    return text.split("\f")
