"""The analyst's notebook in a real JupyterLab: cells run, tables and charts show, nothing asks elsewhere."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.browser.chromium import launched
from tests.browser.lab import Lab, running_lab

pytestmark = [pytest.mark.browser, pytest.mark.slow]
NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "customer_dynamics.ipynb"

_RUN_ALL = """async () => {
  const app = window.jupyterapp;
  await app.restored;
  const panel = app.shell.currentWidget;
  await panel.context.ready;
  await panel.sessionContext.ready;
  await panel.sessionContext.session.kernel.info;
  await app.commands.execute('notebook:run-all-cells');
  const cells = panel.content.model.cells;
  const found = [];
  for (let i = 0; i < cells.length; i++) {
    const outputs = cells.get(i).toJSON().outputs || [];
    found.push(...outputs.map(o => o.output_type === 'error' ? o.ename + ': ' + o.evalue : o.output_type));
  }
  return found;
}"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder, home = tmp_path_factory.mktemp("notebooks"), tmp_path_factory.mktemp("home")
    shutil.copy(NOTEBOOK, folder)
    with running_lab(folder, home) as running:
        yield running


@pytest.fixture(params=["JupyterLab Light", "JupyterLab Dark"])
def page(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = launched(playwright)
        page = browser.new_page(viewport={"width": 1300, "height": 1000})
        page.goto(lab.page(NOTEBOOK.name))
        page.wait_for_function("window.jupyterapp && window.jupyterapp.shell.currentWidget?.content?.model")
        page.evaluate(
            "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", request.param
        )
        yield page
        browser.close()


def test_every_cell_runs_and_shows_offline(page: Page, lab: Lab, request: pytest.FixtureRequest) -> None:
    elsewhere: list[str] = []
    local = (lab.address, lab.address.replace("http", "ws"), "data:", "blob:")
    page.on("request", lambda asked: None if asked.url.startswith(local) else elsewhere.append(asked.url))
    outputs = page.evaluate(_RUN_ALL)
    assert len(outputs) >= 5
    assert not [o for o in outputs if o not in ("display_data", "execute_result", "stream")]
    page.locator(".jp-OutputArea table").first.wait_for()
    assert page.locator(".jp-OutputArea table").count() >= 3
    assert page.locator(".jp-OutputArea svg, .jp-OutputArea img[src^='data:image/svg']").count() >= 2
    assert elsewhere == []
    pictures = os.environ.get("CUSTDYN_TEST_PICTURES")
    if pictures:  # for a person to look at
        theme = request.node.callspec.params["page"].split()[-1].lower()
        for number, place in enumerate(page.locator(".jp-CodeCell").all()):
            place.scroll_into_view_if_needed()
            page.screenshot(path=Path(pictures) / f"lab-{theme}-{number}.png")
