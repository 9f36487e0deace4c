"""The notebooks in a real JupyterLab: every cell runs, tables and forms show, nothing asks elsewhere."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.lab_notebook import LabNotebook

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_your_data_goes_from_csv_files_to_a_report_and_the_form(
    open_notebook: Callable[..., LabNotebook],
) -> None:
    notebook = open_notebook("your_data.ipynb")
    outputs = notebook.run_all()
    assert not [o for o in outputs if o not in ("display_data", "execute_result", "stream")]
    assert "my_export: 3 clients, 8 transactions, 3 rates. No faults." in notebook.page.inner_text(
        ".jp-Notebook"
    )
    table = notebook.page.locator("table.custdyn").first  # Lab may have scrolled past it
    expect(table).to_contain_text("2026-03")
    notebook.form.get_by_role("button", name="Query", exact=True).wait_for()
    assert (notebook.elsewhere, notebook.errors) == ([], [])
