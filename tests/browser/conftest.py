"""One JupyterLab for all tests of a process; one Chromium, one page of Lab and one kernel for this folder's.

Chromium ends with the folder's last test, because it keeps an event loop running in the process, which other
tests cannot have.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.chromium import launched
from tests.browser.lab import Lab, running_lab
from tests.browser.lab_notebook import LabNotebook

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
# Far from the query's time zone, and its clock skips the midnight of 2018-11-04.
ZONE = "America/Sao_Paulo"
expect.set_options(timeout=20_000)  # milliseconds: a machine that runs other tests too may be slow to answer


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder, home = tmp_path_factory.mktemp("notebooks"), tmp_path_factory.mktemp("home")
    with running_lab(folder, home) as running:
        yield running


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = launched(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def kept_notebook(chromium: Browser) -> Iterator[list[LabNotebook]]:
    """The notebook that tests share, as soon as one of them has opened it."""
    kept: list[LabNotebook] = []
    yield kept
    for notebook in kept:
        notebook.close()


@pytest.fixture
def open_notebook(
    lab: Lab, chromium: Browser, kept_notebook: list[LabNotebook], request: pytest.FixtureRequest
) -> Iterator[Callable[..., LabNotebook]]:
    """Open a notebook of the checkout, or one of some cells, in the kernel that tests share.

    The kernel keeps what was imported, and nothing else: a test that patches a module takes the patch back.
    A kernel and a page in which a test failed are not used again.
    """
    failed = request.session.testsfailed

    def open_one(notebook: str | list[str], **size: int) -> LabNotebook:
        content = LabNotebook.content(notebook) if isinstance(notebook, list) else read(NOTEBOOKS / notebook)
        if not kept_notebook:
            name = f"{request.node.name.split('[')[0]}.ipynb"
            (lab.folder / name).write_text(json.dumps(content), encoding="utf-8")
            kept_notebook.append(LabNotebook.open(lab, chromium, name, timezone_id=ZONE, **size))
        else:
            kept_notebook[0].refill(content)
            kept_notebook[0].resize(**size)
        return kept_notebook[0]

    yield open_one
    if request.session.testsfailed > failed and kept_notebook:
        kept_notebook.pop().close()


def read(path: Path) -> dict[str, Any]:
    """Return the content of a notebook as Lab has it."""
    return dict(nbformat.read(path, as_version=4))
