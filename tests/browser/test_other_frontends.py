"""The form where JupyterLab is not: in Notebook 7 and in Voilà it asks and shows a table."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import NOTEBOOKS
from tests.browser.lab import Lab
from tests.browser.lab_notebook import RUN_ALL

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.mark.parametrize("app", ["notebook", "voila"])
def test_a_query_shows_a_table(app: str, lab: Lab, chromium: Browser) -> None:
    shutil.copy(NOTEBOOKS / "customer_dynamics.ipynb", lab.folder / f"{app}.ipynb")
    page = chromium.new_page(viewport={"width": 1300, "height": 1000})
    page.goto(replace(lab, app=app).page(f"{app}.ipynb"))
    if app == "notebook":
        page.wait_for_function("window.jupyterapp && window.jupyterapp.shell.currentWidget?.content?.model")
        page.evaluate(RUN_ALL)
    page.locator(".custdyn-form").get_by_role("button", name="Query", exact=True).click(timeout=90_000)
    page.locator(".custdyn-app table tbody tr").first.wait_for()
    assert page.locator(".custdyn-app table tbody tr").count() == 12
    if app == "notebook":
        page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    page.close()
