"""The form's sources in a real JupyterLab: another one chosen, a database read again, both queried."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests import synced
from tests.browser.axe import faults_in_both_themes, serious
from tests.browser.lab_notebook import LabNotebook
from tests.databases import Database

pytestmark = [pytest.mark.browser, pytest.mark.slow]
MART = Path(__file__).parents[1] / "golden" / "mixed" / "mart"
EVERYONE = "ReportQuery(interval={'start': '2021-01-01', 'end': '2021-12-31'}, client_type='all')"


def cells(folder: Path) -> list[str]:
    """Return the cells of a notebook whose kernel has sources, marts and saved queries of its own."""
    own = {name: folder / name for name in ("marts", "cache", "snapshots", "queries")}
    own |= {"sources": folder / "sources.toml", "my_queries": folder / "mine"}
    named = {f"CUSTDYN_{name.upper()}": str(path) for name, path in own.items()}
    return [
        f"import os\nos.environ.update({json.dumps(named)})\n"
        "from custdyn_widgets import CustomerDynamics, ReportQuery\n"
        f"dynamics = CustomerDynamics('files', publish=False)\ndynamics._form.load({EVERYONE})\ndynamics"
    ]


def test_a_database_is_chosen_read_and_queried(
    open_notebook: Callable[..., LabNotebook], postgresql: Database, tmp_path: Path
) -> None:
    synced.create(postgresql)
    (tmp_path / "sources.toml").write_text(
        f'[files]\npath = "{MART}"\n[shop]\nurl = "{postgresql.url}"\n', encoding="utf-8"
    )
    notebook = open_notebook(cells(tmp_path))
    notebook.run_cell(0)
    source, status = notebook.field("Source"), notebook.page.locator(".custdyn-app .custdyn-status").first
    expect(source).to_have_value("files")
    expect(notebook.form.locator(".custdyn-as-of")).to_contain_text("Data as of")
    expect(notebook.button("Sync")).to_be_hidden()
    place = notebook.field("Filters").bounding_box()

    source.select_option("shop")
    told = notebook.page.locator(".custdyn-app").get_by_role("alert").filter(has_text="Click Sync.")
    expect(told).to_be_visible()
    expect(notebook.form.locator(".custdyn-as-of")).to_have_text("Not read yet")
    notebook.button("Sync").focus()
    notebook.page.keyboard.press("Enter")
    expect(status).to_contain_text("shop: 1 client, 2 transactions")
    expect(told).to_be_hidden()
    expect(notebook.button("Sync")).to_be_focused()
    expect(notebook.form.locator(".custdyn-as-of")).to_contain_text("Data as of")
    assert notebook.field("Filters").bounding_box() == place  # nothing moved
    notebook.button("Query").click()
    expect(notebook.rows().first).to_be_visible()
    assert notebook.ask("print(dynamics.report.info.source)").strip() == "shop"

    postgresql.run("UPDATE transactions SET amount = 20 WHERE transaction_id = '2'")
    notebook.button("Sync").click()
    expect(notebook.form.get_by_role("region", name="What the last sync found")).to_contain_text(
        "Changes to past transactions:"
    )
    outdated = notebook.page.locator(".custdyn-outdated")
    expect(outdated).to_contain_text("The data has been read again.")
    notebook.page.locator(".custdyn-app").screenshot(path=tmp_path / "sources.png")
    assert serious(faults_in_both_themes(notebook.page, ".custdyn-form")) == []
    notebook.button("Query").click()
    expect(outdated).to_have_text("")
    source.select_option("files")
    expect(status).to_contain_text("The source is files.")
    assert (notebook.elsewhere, notebook.errors) == ([], [])
