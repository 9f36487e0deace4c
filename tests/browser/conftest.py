"""One JupyterLab for all tests of a process, a Chromium for each module, a kernel of its own for each test.

A Chromium for longer would keep an event loop running in the process, which other tests cannot have.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.chromium import launched
from tests.browser.lab import Lab, running_lab
from tests.browser.lab_notebook import LabNotebook

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder, home = tmp_path_factory.mktemp("notebooks"), tmp_path_factory.mktemp("home")
    with running_lab(folder, home) as running:
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = launched(playwright)
        yield browser
        browser.close()


@pytest.fixture
def open_notebook(
    lab: Lab, chromium: Browser, request: pytest.FixtureRequest
) -> Iterator[Callable[..., LabNotebook]]:
    """Open a copy of a notebook of the checkout, or one of some cells; its kernel ends with the test."""
    opened: list[LabNotebook] = []

    def open_one(notebook: str | list[str], **about: object) -> LabNotebook:
        name = f"{request.node.name.split('[')[0]}-{len(opened)}.ipynb"
        if isinstance(notebook, str):
            shutil.copy(NOTEBOOKS / notebook, lab.folder / name)
        else:
            LabNotebook.write(lab.folder / name, notebook)
        opened.append(LabNotebook.open(lab, chromium, name, **about))
        return opened[-1]

    yield open_one
    for notebook in opened:
        notebook.close()
