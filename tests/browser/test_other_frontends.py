"""The form where JupyterLab is not: in Notebook 7 and in Voilà it asks and shows a table."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import NOTEBOOKS
from tests.browser.lab import running_lab
from tests.browser.lab_notebook import RUN_ALL

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.mark.parametrize("app", ["notebook", "voila"])
def test_a_query_shows_a_table(app: str, tmp_path: Path, chromium: Browser) -> None:
    folder, home = tmp_path / "notebooks", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    shutil.copy(NOTEBOOKS / "customer_dynamics.ipynb", folder)
    with running_lab(folder, home, app) as running:
        page = chromium.new_page(viewport={"width": 1300, "height": 1000})
        page.goto(running.page("customer_dynamics.ipynb"))
        if app == "notebook":
            page.wait_for_function(
                "window.jupyterapp && window.jupyterapp.shell.currentWidget?.content?.model"
            )
            page.evaluate(RUN_ALL)
        page.locator(".custdyn-form").get_by_role("button", name="Query", exact=True).click(timeout=90_000)
        page.locator(".custdyn-app table tbody tr").first.wait_for()
        assert page.locator(".custdyn-app table tbody tr").count() == 12
        page.close()
