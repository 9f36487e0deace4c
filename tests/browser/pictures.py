"""Draw the README's pictures: `make pictures`. The demo operator is the same for the same instant."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from custdyn_widgets import run_report
from custdyn_widgets.mart.demo.folder import demo_folder
from custdyn_widgets.mart.demo.mart import demo_query
from custdyn_widgets.publish.freezing import report_files
from custdyn_widgets.query.query import parse_as_of
from tests.browser import form_pictures
from tests.browser.chromium import launched

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
AS_OF = "2026-11-22T00:00:00Z"
SHOTS = {
    "page-light": ("light", 1280, 1250),
    "page-dark": ("dark", 1280, 1250),
    "page-phone": ("light", 390, 844),
}


def demo_page() -> bytes:
    """Return the page of the demo report, from a cache that is used once."""
    with tempfile.TemporaryDirectory() as cache:
        os.environ["CUSTDYN_CACHE"] = cache
        instant = parse_as_of(AS_OF)
        report = run_report(demo_query(instant), demo_folder(instant), as_of=instant)
        return report_files(report)["report.html"]


def draw(browser: Browser, page: Path, name: str) -> None:
    """Take one picture of the page."""
    scheme, width, height = SHOTS[name]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
    tab = context.new_page()
    tab.goto(page.as_uri())
    tab.screenshot(path=PICTURES / f"{name}.png")
    context.close()


def main() -> None:
    """Draw every picture."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page = Path(folder) / "report.html"
        page.write_bytes(demo_page())
        browser = launched(playwright)
        for name in SHOTS:
            draw(browser, page, name)
        form_pictures.draw(browser, PICTURES)
        browser.close()


if __name__ == "__main__":
    main()
