"""A notebook in a real JupyterLab, driven as a person would, with every request off the machine noted."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Error, Locator, Page, Request, ViewportSize

from tests.browser.lab import Lab

LIGHT, DARK = "JupyterLab Light", "JupyterLab Dark"
_PANEL = """
  const app = window.jupyterapp;
  await app.restored;
  const panel = app.shell.currentWidget;
  await panel.context.ready;
  await panel.sessionContext.ready;
  await panel.sessionContext.session.kernel.info;
"""
RUN_ALL = f"""async () => {{{_PANEL}
  await app.commands.execute('notebook:run-all-cells');
  const found = [];
  const cells = panel.content.model.cells;
  for (let i = 0; i < cells.length; i++) {{
    const outputs = cells.get(i).toJSON().outputs || [];
    found.push(...outputs.map(o => o.output_type === 'error' ? o.ename + ': ' + o.evalue : o.output_type));
  }}
  return found;
}}"""
_RUN_CELL = f"""async number => {{{_PANEL}
  panel.content.activeCellIndex = number;
  await app.commands.execute('notebook:run-cell');
}}"""
_ASK = f"""async code => {{{_PANEL}
  const future = panel.sessionContext.session.kernel.requestExecute({{code, store_history: false}});
  let said = '';
  future.onIOPub = message => {{
    const content = message.content;
    if (message.header.msg_type === 'stream') said += content.text;
    if (message.header.msg_type === 'error') said += content.ename + ': ' + content.evalue;
  }};
  await future.done;
  return said;
}}"""
_INTERRUPT = f"""async () => {{{_PANEL}
  const kernel = panel.sessionContext.session.kernel;
  if (kernel.status === 'busy') await kernel.interrupt();
}}"""
_REFILL = f"""async content => {{{_PANEL}
  panel.context.model.fromJSON(content);
  panel.content.activeCellIndex = 0;
}}"""
_FORGET = """%reset -f
import os
os.environ.clear()
os.environ.update({})
del os"""
_COMMAND = f"async command => {{{_PANEL} await app.commands.execute(command); }}"


@dataclass
class LabNotebook:
    """An open notebook: its page, its file, what it asked of other hosts, what its console said.

    `environment` has the variables with which its kernel began.
    """

    lab: Lab
    context: BrowserContext
    page: Page
    path: Path
    size: ViewportSize
    environment: str = "{}"
    elsewhere: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", self._note_request)
        self.page.on("pageerror", self._note_error)

    @staticmethod
    def content(cells: list[str]) -> dict[str, Any]:
        """Return the content of a notebook of some code cells."""
        parts = [
            {
                "cell_type": "code",
                "id": f"c{i}",
                "metadata": {},
                "outputs": [],
                "execution_count": None,
                "source": c,
            }
            for i, c in enumerate(cells)
        ]
        kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
        about = {"nbformat": 4, "nbformat_minor": 5, "metadata": kernel}
        return {"cells": parts, **about}

    @classmethod
    def write(cls, path: Path, cells: list[str]) -> None:
        """Write a notebook of some code cells."""
        path.write_text(json.dumps(cls.content(cells)), encoding="utf-8")

    @classmethod
    def open(
        cls,
        lab: Lab,
        browser: Browser,
        name: str,
        *,
        theme: str = LIGHT,
        width: int = 1300,
        height: int = 1000,
        **about: Any,
    ) -> LabNotebook:
        """Open a notebook of Lab's folder; more keywords are those of a browser context."""
        size = ViewportSize(width=width, height=height)
        context = browser.new_context(viewport=size, accept_downloads=True, **about)
        self = cls(lab, context, context.new_page(), lab.folder / name, size)
        self.page.goto(lab.page(name))
        self.page.wait_for_function(
            "window.jupyterapp && window.jupyterapp.shell.currentWidget?.content?.model"
        )
        self.look(theme=theme, width=width, height=height)
        self.environment = self.ask("import os; print(dict(os.environ)); del os")
        return self

    def look(self, *, theme: str = LIGHT, width: int = 1300, height: int = 1000) -> None:
        """Set the theme and the size of the window, and close the side bar."""
        self.resize(width=width, height=height)
        self.page.evaluate(
            """async theme => {
              const commands = window.jupyterapp.commands;
              await commands.execute('apputils:change-theme', {theme});
              const sidebar = document.querySelector('#jp-left-stack');
              if (sidebar && sidebar.offsetWidth) await commands.execute('application:toggle-left-area');
            }""",
            theme,
        )

    def resize(self, *, width: int = 1300, height: int = 1000) -> None:
        """Set the size of the window."""
        self.size = ViewportSize(width=width, height=height)
        self.page.set_viewport_size(self.size)

    def refill(self, content: dict[str, Any]) -> None:
        """Replace all cells, as if another notebook had been opened in the same kernel, which forgets."""
        for page in self.context.pages:
            if page is not self.page:
                page.close()
        self.page.evaluate(_INTERRUPT)
        self.ask(_FORGET.format(self.environment))
        self.page.evaluate(_REFILL, content)
        self.page.locator(".custdyn-app, .custdyn-form").first.wait_for(state="detached")
        self.elsewhere.clear()
        self.errors.clear()

    def _note_request(self, request: Request) -> None:
        local = (self.lab.address, self.lab.address.replace("http", "ws"), "data:", "blob:")
        if not request.url.startswith(local):
            self.elsewhere.append(request.url)

    def _note_error(self, error: Error) -> None:
        self.errors.append(str(error))

    def run_all(self) -> list[str]:
        """Run every cell; return the kinds of the outputs, errors in words."""
        found: list[str] = self.page.evaluate(RUN_ALL)
        return found

    def run_cell(self, number: int) -> None:
        """Run one cell."""
        self.page.evaluate(_RUN_CELL, number)

    def ask(self, code: str) -> str:
        """Run code in the notebook's kernel, beside the cells; return what it printed, or its error."""
        said: str = self.page.evaluate(_ASK, code)
        return said

    def command(self, name: str) -> None:
        """Run a command of Lab, such as `docmanager:save`."""
        self.page.evaluate(_COMMAND, name)

    @property
    def form(self) -> Locator:
        """The form."""
        return self.page.locator(".custdyn-form:not(.custdyn-dialog)")

    def button(self, name: str) -> Locator:
        """A button of the form or of the result."""
        return self.page.locator(".custdyn-app").get_by_role("button", name=name, exact=True)

    def field(self, label: str) -> Locator:
        """A control of the form, by its label."""
        return self.form.get_by_label(label, exact=True).and_(self.page.locator("input, select"))

    def add_filter(self, name: str) -> None:
        """Choose a filter from the search for filters."""
        self.field("Filters").click()
        self.form.locator(".custdyn-popup").get_by_role("option", name=name).click()
        self.field(name).wait_for()

    def set_period(self, start: str, end: str) -> None:
        """Type a first and a last second."""
        self.field("Start").fill(start)
        self.field("End").fill(end)

    def show_chart(self, name: str) -> None:
        """Choose a chart from the menu of charts."""
        self.button("Show Chart").click()
        self.page.get_by_role("menuitem", name=name, exact=True).click()

    def status(self) -> str:
        """The words of the status line."""
        return self.page.locator(".custdyn-app .custdyn-status").first.inner_text()

    def link(self) -> Locator:
        """The link to the frozen report."""
        return self.page.locator(".custdyn-app a[href*='view?id=']")

    def link_text(self) -> str:
        """The link as it can be selected."""
        return self.link().inner_text()

    def rows(self) -> Locator:
        """The rows of the live table."""
        return self.page.locator(".custdyn-app table tbody tr")

    def cells_of_table(self) -> list[list[str]]:
        """Return the texts of the live table's rows, the labels first; waits until they are all there."""
        self.page.locator(".custdyn-app table[aria-busy=false]").wait_for()
        rows: list[list[str]] = self.page.locator(".custdyn-app table :is(tbody, tfoot) tr").evaluate_all(
            "rows => rows.map(row => [...row.cells].map(cell => cell.innerText.trim()))"
        )
        return rows

    def close(self) -> None:
        """End the kernel and close the page."""
        if not self.page.is_closed():
            self.page.evaluate("() => window.jupyterapp?.shell.currentWidget?.sessionContext?.shutdown?.()")
        self.context.close()
