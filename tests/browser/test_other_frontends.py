"""The form where JupyterLab is not: in Notebook 7 and in Voilà it asks and shows a table."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import NOTEBOOKS
from tests.browser.lab import running_lab

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.mark.parametrize("app", ["notebook", "voila"])
def test_a_query_shows_a_table(app: str, tmp_path: Path, chromium: Browser) -> None:
    folder, home = tmp_path / "notebooks", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    shutil.copy(NOTEBOOKS / "customer_dynamics.ipynb", folder)
    with running_lab(folder, home, app) as running:
        page = chromium.new_page(viewport={"width": 1300, "height": 1000})
        elsewhere: list[str] = []
        page.on(
            "request",
            lambda r: (
                None if "//127.0.0.1" in r.url or r.url[:5] in ("data:", "blob:") else elsewhere.append(r.url)
            ),
        )
        page.goto(running.page("customer_dynamics.ipynb"))
        if app == "notebook":
            page.get_by_role("menuitem", name="Run", exact=True).click()
            page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        page.locator(".custdyn-form").get_by_role("button", name="Query", exact=True).click(timeout=90_000)
        page.locator(".custdyn-app table tbody tr").first.wait_for(timeout=30_000)
        assert page.locator(".custdyn-app table tbody tr").count() >= 12
        assert elsewhere == []
        page.close()
