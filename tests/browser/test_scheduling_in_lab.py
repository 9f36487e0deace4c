"""jupyter-scheduler's own dialog in JupyterLab, filled in as the documentation says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Response, expect

from tests.jupyter_server import BASE, TOKEN, Jupyter, running
from tests.scheduling.test_jupyter_scheduler import CONFIG, make_project

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TEMPLATE = "templates/customer_dynamics.ipynb"
DOCUMENTED = (Path(__file__).parents[2] / "docs" / "scheduling.md").read_text(encoding="utf-8")
_PATIENCE_MS = 60_000


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    home = tmp_path_factory.mktemp("scheduling")
    make_project(home / "work")
    announcements = {"@jupyterlab/apputils-extension:announcements": True}
    (home / ".jupyter" / "labconfig").mkdir(parents=True)
    (home / ".jupyter" / "labconfig" / "page_config.json").write_text(
        json.dumps({"disabledExtensions": announcements})
    )
    with running(home, CONFIG, "--TaskRunner.poll_interval=1", scheduler=True) as server:
        yield server


@pytest.fixture(scope="module")
def elsewhere() -> list[str]:
    """The addresses on other machines that the page asked for."""
    return []


@pytest.fixture(scope="module")
def page(jupyter: Jupyter, chromium: Browser, elsewhere: list[str]) -> Iterator[Page]:
    page = chromium.new_page(viewport={"width": 1300, "height": 1000})
    home = f"http://127.0.0.1:{jupyter.port}/"
    page.on(
        "request",
        lambda r: None if r.url.startswith((home, "data:", "blob:")) else elsewhere.append(r.url),
    )
    page.goto(f"{home[:-1]}{BASE}lab/tree/{TEMPLATE}?token={TOKEN}&reset")
    yield page
    page.close()


def is_new_job(response: Response) -> bool:
    """Return whether this is the answer to the dialog's request for a job."""
    return response.request.method == "POST" and "/scheduler/jobs" in response.url


def create_job(page: Page, value: str) -> None:
    """Open the template and run it as a job, with this as what is typed for `saved`; wait for its end."""
    # The dialog takes the file that is selected in the file browser, which lists its folder in its own time.
    page.locator(".jp-DirListing-item", has_text="customer_dynamics").dblclick(timeout=_PATIENCE_MS)
    page.locator('[title="Create a job"]').first.click(timeout=_PATIENCE_MS)
    expect(page.locator("input[name=inputFile]")).to_have_value(TEMPLATE)
    # Until the dialog knows the environments it forgets, at any moment, what was added to it.
    page.locator("#jp-create-job-outputFormat-html:checked").wait_for()
    page.locator('[title="Add new parameter"]').first.click()
    page.locator("input[name=parameter-0-name]").click()
    page.keyboard.type("saved")
    page.keyboard.press("Tab")
    page.keyboard.type(value)
    page.keyboard.press("Tab")
    with page.expect_response(is_new_job, timeout=_PATIENCE_MS) as created:
        page.get_by_role("button", name="Create", exact=True).click()
    assert created.value.ok, created.value.text()
    open_job(page)
    for _ in range(_PATIENCE_MS // 1000):
        page.get_by_role("button", name="Reload Job").click()
        page.wait_for_timeout(1000)
        if page.get_by_text(re.compile("^(Completed|Failed)$")).count():
            return
    raise AssertionError(page.inner_text("body"))


def open_job(page: Page) -> None:
    """Open the newest job in the list, which may have been read before the job was in it."""
    job = page.locator("a", has_text="customer_dynamics").first
    for _ in range(_PATIENCE_MS // 1000):
        page.wait_for_timeout(1000)
        if job.count():
            job.click()
            return
        page.get_by_role("button", name="Reload", exact=True).click()
    raise AssertionError(page.inner_text("body"))


def test_what_the_documentation_says_to_type_freezes_a_snapshot(
    jupyter: Jupyter, page: Page, elsewhere: list[str]
) -> None:
    [(name, value)] = re.findall(r"\| Name \| Value \|\n\|---\|---\|\n\| `(\w+)` \| `(.*)` \|", DOCUMENTED)
    assert name == "saved"
    create_job(page, value)
    page.get_by_text("Completed", exact=True).wait_for()
    assert len(jupyter.store.ids()) == 1
    assert not elsewhere


def test_without_quotes_the_job_says_what_the_documentation_says(jupyter: Jupyter, page: Page) -> None:
    before = jupyter.store.ids()
    create_job(page, "board")
    page.get_by_text("Failed", exact=True).wait_for()
    told = "name 'board' is not defined"
    assert told in page.get_by_role("alert").first.inner_text()
    assert f"NameError: {told}" in DOCUMENTED
    assert jupyter.store.ids() == before
