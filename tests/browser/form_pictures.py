"""The README's pictures of the form, taken in a real JupyterLab: part of `make pictures`."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import Browser

from tests.browser.lab import running_lab
from tests.browser.lab_notebook import DARK, LIGHT, LabNotebook

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "customer_dynamics.ipynb"
THEMES = {"light": LIGHT, "dark": DARK}
WIDTH, HEIGHT = 1280, 1500


def draw(browser: Browser, folder: Path) -> None:
    """Take the pictures of form, result, chart and dialog, light and dark, into a folder."""
    with tempfile.TemporaryDirectory() as scratch:
        notebooks, home = Path(scratch) / "notebooks", Path(scratch) / "home"
        notebooks.mkdir()
        home.mkdir()
        shutil.copy(NOTEBOOK, notebooks)
        with running_lab(notebooks, home) as lab:
            LabNotebook.open(lab, browser, NOTEBOOK.name).run_all()  # draws the demo mart
            for name, theme in THEMES.items():
                notebook = LabNotebook.open(
                    lab, browser, NOTEBOOK.name, theme=theme, width=WIDTH, height=HEIGHT
                )
                _take(notebook, folder, name)
                notebook.close()


def _take(notebook: LabNotebook, folder: Path, theme: str) -> None:
    notebook.run_all()
    page, app = notebook.page, notebook.page.locator(".custdyn-app")
    notebook.add_filter("Company")
    page.wait_for_function("document.activeElement.closest('.custdyn-row')")
    page.keyboard.type("cast")
    notebook.form.locator("div[role=option]:visible").first.wait_for()
    app.screenshot(path=folder / f"form-{theme}.png")
    notebook.run_all()  # a new form, since the chosen filter would stay
    notebook.button("Query").click()
    notebook.link().wait_for()
    notebook.show_chart("Balance Refill: Total")
    page.locator(".custdyn-chart svg.marks").wait_for()
    page.locator(".custdyn-chart").hover()
    app.screenshot(path=folder / f"result-{theme}.png")
    notebook.show_chart("Blank Chart")
    page.locator(".custdyn-editor input:focus").wait_for()
    page.keyboard.type("clients - active: qty")
    for key in ("Enter", "Escape"):
        page.keyboard.press(key)
    page.locator(".custdyn-chart svg.marks").wait_for()
    page.locator(".custdyn-chart").screenshot(path=folder / f"chart-{theme}.png")
    notebook.button("Save Query").click()
    page.get_by_role("dialog").screenshot(path=folder / f"dialog-{theme}.png")
