"""Pages full of hostile names in Chromium: nothing runs, nothing is asked for, and every name is read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import nbformat.v4 as v4
import pytest
from playwright.sync_api import Browser, Page

from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.notebook.author_cells import author_sections
from custdyn_widgets.publish.freezing import publish
from custdyn_widgets.report.report import Report
from custdyn_widgets.report.table_view import MAX_LABEL
from custdyn_widgets.settings import Settings
from custdyn_widgets.snapshots.store import Store
from tests import mart_forms
from tests.browser.chromium import served
from tests.payloads import AS_OF, FOLDER, IN_FILES, PAYLOADS, ROLE, as_shown, asked_of, hostile_mart

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.usefixtures("own_cache")]
MONTHLY = {"interval": "this_year", "group_by": ["month", "package"]}


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory, own_cache: None) -> dict[str, Report]:
    folder = tmp_path_factory.mktemp("mart") / FOLDER
    folder.mkdir()
    mart_forms.write_csv(hostile_mart(IN_FILES), folder)
    frames = mart_forms.frames(hostile_mart(PAYLOADS))
    nobody = {**asked_of(IN_FILES), "interval": {"start": "2020-01-01", "end": "2020-12-31"}}
    return {
        "by package": run_report(asked_of(IN_FILES), folder, as_of=AS_OF, role=ROLE),
        "by month and package": run_report(MONTHLY, frames, as_of=AS_OF, role=ROLE),
        "nobody": run_report(nobody, folder, as_of=AS_OF, role=ROLE),
    }


def authors_notebook(report: Report) -> object:
    """Return an executed notebook whose author shows every payload in Markdown, text, tables and pictures."""
    texts = [text.encode("utf-8", "replace").decode() for text in PAYLOADS[:-1]]
    picture = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9" onload="window.pwned=21">'
        "<script>window.pwned=22</script><image href='https://evil.example/i.png'/>"
        "<rect width='9' height='9'/></svg>"
    )
    outputs = [
        v4.new_output("stream", name="stdout", text="\n".join(texts)),
        v4.new_output("display_data", {"text/html": report._repr_html_()}),
        v4.new_output("display_data", {"text/html": "".join(texts)}),
        v4.new_output("display_data", {"image/svg+xml": picture}),
        *(v4.new_output("display_data", {"text/markdown": text}) for text in texts),
    ]
    return v4.new_notebook(
        cells=[
            *(v4.new_markdown_cell(text) for text in texts),
            v4.new_code_cell("x = 1", outputs=outputs),
        ]
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("home") / "snapshots")


@pytest.fixture(scope="module")
def frozen(reports: dict[str, Report], store: Store) -> dict[str, str]:
    """The snapshots' ids, by name."""
    settings = Settings(store.folder, store.folder, store.folder)
    sections = author_sections(authors_notebook(reports["by package"]))  # type: ignore[arg-type]
    found = {name: str(publish(report, settings, store=store).id) for name, report in reports.items()}
    return {**found, "author": str(publish(reports["nobody"], settings, store=store, sections=sections).id)}


@pytest.fixture(scope="module")
def address(store: Store, frozen: dict[str, str]) -> Iterator[str]:
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(store.folder.parent),
        "CUSTDYN_SNAPSHOTS": str(store.folder),
    }
    with served(environment) as address:
        yield address


@dataclass
class Watched:
    """A tab, and everything that it said, asked for or opened."""

    page: Page
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.said.append(dialog.message), dialog.dismiss()))
        self.page.on("popup", lambda popup: self.said.append(popup.url))
        self.page.on("download", lambda download: self.said.append(download.url))
        self.page.on("request", lambda request: self.asked.append(request.url))

    def open(self, address: str) -> None:
        """Go there, and do what a reader does without meaning to."""
        self.page.goto(address)
        self.page.mouse.move(400, 400)
        self.page.keyboard.press("Tab")

    def assert_nothing_happened(self, address: str) -> None:
        assert self.said == []
        assert [url for url in self.asked if not url.startswith("data:image/")] == [address]
        assert self.page.url == address
        assert self.page.evaluate("typeof window.pwned") == "undefined"
        assert len(self.page.context.pages) == 1

    def texts(self, selector: str) -> list[str]:
        """Return the text of each element, as its nodes hold it; a name may be isolated in it."""
        found: list[str] = self.page.evaluate(
            """s => [...document.querySelectorAll(s)].map((e) => {
              const first = e.firstElementChild?.localName === "bdi" ? e.firstElementChild : e;
              return first.firstChild?.nodeValue ?? "";
            })""",
            selector,
        )
        return found


def table_name(name: str) -> str:
    """Return a name as a table shows it: a very long one is cut short."""
    shown = as_shown(name)
    return shown if len(shown) <= MAX_LABEL else shown[: MAX_LABEL - 1] + "…"


@pytest.fixture
def tab(chromium: Browser) -> Iterator[Watched]:
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    yield Watched(context.new_page())
    context.close()


@pytest.mark.parametrize("name", ["by package", "by month and package", "nobody", "author"])
def test_the_viewers_page_is_inert_and_shows_every_name(
    name: str, reports: dict[str, Report], frozen: dict[str, str], address: str, tab: Watched
) -> None:
    link = f"{address}view?id={frozen[name]}"
    tab.open(link)
    tab.assert_nothing_happened(link)
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 1280
    facts = tab.texts("dl.info dd")
    assert as_shown(ROLE) in facts
    if name in reports:
        shown = {text.removesuffix(" ") for text in tab.texts("tbody th, tbody td.l")}
        assert {table_name(row.labels[-1]).removesuffix(" ") for row in reports[name].rows} <= shown
    if name == "author":
        text = "\n".join(tab.texts(".author pre"))
        assert {as_shown(line) for line in IN_FILES[0].splitlines()} <= set(text.split("\n"))


@pytest.mark.parametrize("name", ["by package", "by month and package", "author"])
def test_pages_and_drawings_are_inert_without_the_viewers_headers(
    name: str, frozen: dict[str, str], store: Store, tab: Watched
) -> None:
    files = sorted(store.place(frozen[name]).glob("report.html")) + sorted(
        store.place(frozen[name]).glob("*.svg")
    )
    assert len(files) == (1 if name == "author" else 5)
    for path in files:
        tab.open(path.as_uri())
        tab.assert_nothing_happened(path.as_uri())
        tab.asked.clear()


@pytest.mark.parametrize("name", ["by package", "by month and package", "nobody"])
def test_a_notebooks_table_is_inert_and_shows_every_name(
    name: str, reports: dict[str, Report], tab: Watched, tmp_path: Path
) -> None:
    path = tmp_path / "table.html"
    path.write_text(f"<!doctype html><meta charset=utf-8>{reports[name]._repr_html_()}", encoding="utf-8")
    tab.open(path.as_uri())
    tab.assert_nothing_happened(path.as_uri())
    expected = {table_name(row.labels[-1]) for row in reports[name].rows}
    assert expected <= set(tab.texts("tbody th"))
    assert widest(tab.page, "tbody th") <= 360


def widest(page: Page, selector: str) -> int:
    """Return the width of the widest element, in pixels; 0 if there is none."""
    found: int = page.evaluate(
        "s => Math.max(0, ...[...document.querySelectorAll(s)].map(e => e.offsetWidth))", selector
    )
    return found


@pytest.mark.parametrize("width", [1280, 375])
def test_no_name_hides_the_numbers(
    width: int, frozen: dict[str, str], address: str, chromium: Browser
) -> None:
    page = chromium.new_page(viewport={"width": width, "height": 900})
    for name in ("by package", "by month and package"):
        page.goto(f"{address}view?id={frozen[name]}")
        assert 50 < widest(page, "tbody .l") <= 300, name
    page.close()
