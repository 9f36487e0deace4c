"""How quick the form is in a real browser: `python -m tests.browser.speed`, on the demo mart.

Measured in the page, from the click (or the start of the cell) to the frame that shows the result.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.chromium import launched
from tests.browser.lab import running_lab
from tests.browser.lab_notebook import LabNotebook

TURNS = 20
CELLS = ["from custdyn_widgets import CustomerDynamics\nCustomerDynamics", "CustomerDynamics('demo')"]
LIMITS = {"first display": 1.5, "click to table": 0.5, "a later change": 0.3, "click to link": 3.0}

_CELL = """async () => {
  const app = window.jupyterapp, panel = app.shell.currentWidget;
  panel.content.activeCellIndex = 1;
  const began = performance.now();
  app.commands.execute('notebook:run-cell');
  const shown = () => [...document.querySelectorAll('.custdyn-form button')].some(
    b => b.innerText.trim() === 'Query' && b.offsetHeight > 0);
  while (!shown()) await new Promise(requestAnimationFrame);
  return (performance.now() - began) / 1000;
}"""
_TABLE = "document.querySelector('.custdyn-app table')?.innerText"
_LINK = """document.querySelector(".custdyn-app a[href*='view?id=']")?.href"""


def _click_to(read: str) -> str:
    """Return the script that clicks Query and takes the time until what is read there is another text."""
    return f"""async () => {{
      const read = () => {read} ?? '';
      const buttons = [...document.querySelectorAll('.custdyn-form button')];
      const query = buttons.find(b => b.innerText.trim() === 'Query');
      while (query.ariaDisabled === 'true') await new Promise(requestAnimationFrame);
      const before = read();
      const began = performance.now();
      query.click();
      while (read() === before || !read()) await new Promise(requestAnimationFrame);
      return (performance.now() - began) / 1000;
    }}"""


def measured(open_one: Callable[[], LabNotebook], turns: int) -> dict[str, list[float]]:
    """Return the seconds of each thing that was measured."""
    found: dict[str, list[float]] = {name: [] for name in LIMITS}
    for _ in range(turns):
        notebook = open_one()
        notebook.run_cell(0)
        found["first display"].append(notebook.page.evaluate(_CELL))
        found["click to table"].append(notebook.page.evaluate(_click_to(_TABLE)))
        for group in ("year", "month", "date", "year"):
            notebook.field("Group by").select_option(group)
            notebook.ask("pass")
            found["a later change"].append(notebook.page.evaluate(_click_to(_TABLE)))
        notebook.link().wait_for()
        found["click to link"].append(notebook.page.evaluate(_click_to(_LINK)))
        notebook.close()
    return found


def lines(found: dict[str, list[float]]) -> Iterator[str]:
    """Yield the figures: median and 95th percentile beside what is allowed."""
    yield f"{'':16}{'median':>9}{'95th':>9}{'at most':>9}"
    for name, seconds in found.items():
        high = statistics.quantiles(seconds, n=20)[-1]
        yield f"{name:16}{statistics.median(seconds):>7.2f} s{high:>7.2f} s{LIMITS[name]:>7.1f} s"


def main() -> None:
    """Measure and print."""
    turns = int(sys.argv[1]) if len(sys.argv) > 1 else TURNS
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        folder, home = Path(scratch) / "notebooks", Path(scratch) / "home"
        folder.mkdir()
        home.mkdir()
        browser = launched(playwright)
        with running_lab(folder, home) as lab:
            LabNotebook.write(folder / "speed.ipynb", CELLS)
            warm = LabNotebook.open(lab, browser, "speed.ipynb")
            warm.run_all()  # draws the demo mart
            warm.close()
            found = measured(lambda: LabNotebook.open(lab, browser, "speed.ipynb"), turns)
        browser.close()
    print("\n".join(lines(found)))


if __name__ == "__main__":
    main()
