"""One JupyterLab for all tests of a process, a Chromium for each module.

A test takes a kernel of its own with `open_notebook`, or shares its module's with `reuse_notebook`.

A Chromium for longer would keep an event loop running in the process, which other tests cannot have. Lab is
loaded once for each kind of browser context, and again after a test that failed.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.chromium import launched
from tests.browser.lab import Lab, running_lab
from tests.browser.lab_notebook import LabNotebook

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
LOOK = {"theme", "width", "height"}
expect.set_options(timeout=20_000)  # milliseconds: a machine that runs other tests too may be slow to answer


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


@pytest.fixture(scope="module")
def left_notebooks(chromium: Browser) -> dict[str, list[LabNotebook]]:
    """Notebooks in whose page another can be opened, by the kind of their browser context."""
    return {}


@pytest.fixture
def open_notebook(
    lab: Lab, chromium: Browser, left_notebooks: dict[str, list[LabNotebook]], request: pytest.FixtureRequest
) -> Iterator[Callable[..., LabNotebook]]:
    """Open a copy of a notebook of the checkout, or one of some cells; its kernel ends with the test."""
    opened: list[tuple[str, LabNotebook]] = []
    failed = request.session.testsfailed

    def open_one(notebook: str | list[str], **about: object) -> LabNotebook:
        name = f"{request.node.name.split('[')[0]}-{len(opened)}.ipynb"
        kind = kind_of(about)
        same = left_notebooks.setdefault(kind, [])
        left = same.pop() if same else None
        opened.append((kind, open_copy(lab, chromium, notebook, name, left=left, **about)))
        return opened[-1][1]

    yield open_one
    for kind, notebook in opened:
        if request.session.testsfailed == failed and notebook.leave():
            left_notebooks[kind].append(notebook)
        else:
            notebook.close()


@pytest.fixture(scope="module")
def kept_notebooks() -> Iterator[dict[str, LabNotebook]]:
    kept: dict[str, LabNotebook] = {}
    yield kept
    for notebook in kept.values():
        notebook.close()


@pytest.fixture
def reuse_notebook(
    lab: Lab, chromium: Browser, kept_notebooks: dict[str, LabNotebook], request: pytest.FixtureRequest
) -> Iterator[Callable[..., LabNotebook]]:
    """Open a notebook as `open_notebook` does, or take the module's again: cleared, its kernel as it was.

    For tests that change nothing in the kernel but what the notebook's cells make anew. A notebook in which
    a test failed is not taken again.
    """
    taken: list[str] = []
    failed = request.session.testsfailed

    def take(notebook: str | list[str], **about: object) -> LabNotebook:
        key = repr((notebook, kind_of(about)))
        taken.append(key)
        if key in kept_notebooks:
            kept_notebooks[key].clear()
            kept_notebooks[key].look(**{name: about[name] for name in LOOK & about.keys()})
        else:
            name = f"{request.node.path.stem}-{len(kept_notebooks)}-{len(taken)}.ipynb"
            kept_notebooks[key] = open_copy(lab, chromium, notebook, name, **about)
        return kept_notebooks[key]

    yield take
    if request.session.testsfailed > failed:
        for key in taken:
            kept_notebooks.pop(key).close()


def kind_of(about: dict[str, object]) -> str:
    """Return what tells browser contexts apart; theme and size can be changed in an open one."""
    return repr(sorted((name, about[name]) for name in about.keys() - LOOK))


def open_copy(
    lab: Lab, chromium: Browser, notebook: str | list[str], name: str, **about: object
) -> LabNotebook:
    if isinstance(notebook, str):
        shutil.copy(NOTEBOOKS / notebook, lab.folder / name)
    else:
        LabNotebook.write(lab.folder / name, notebook)
    return LabNotebook.open(lab, chromium, name, **about)
