"""The chart's module in Chromium, with a drawing library that takes as long as the test says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from custdyn_widgets.widgets.live_chart import LiveChart

pytestmark = pytest.mark.browser

# `await loaded` is how a library takes its time; each drawing waits for its own promise.
LIBRARY = """
await globalThis.loaded;
export default (place, spec) => new Promise((resolve, reject) => {
  const finalize = () => finalized.push(spec.mark);
  const draw = () => (place.textContent = spec.mark, resolve({ finalize }));
  drawings[spec.mark] = { draw, fail: () => reject(new Error(spec.mark)) };
});
"""
BEGIN = """async ([module, library]) => {
  Object.assign(globalThis, { drawings: {}, finalized: [], state: {}, listeners: [] });
  globalThis.loaded = new Promise((resolve) => (globalThis.load = resolve));
  const url = URL.createObjectURL(new Blob([module], { type: "text/javascript" }));
  const { default: widget } = await import(url);
  Object.assign(state, { _library: library, _options: {}, spec: { mark: "line" } });
  const model = { get: (name) => state[name], on: (_, act) => listeners.push(act), off() {} };
  const el = document.body.appendChild(document.createElement("main"));
  globalThis.choose = (mark) => { state.spec = mark && { mark }; for (const act of listeners) act(); };
  globalThis.end = widget.render({ model, el });
}"""


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page that draws a line as soon as the library is loaded."""
    page = chromium.new_page()
    page.goto("about:blank")
    page.evaluate(BEGIN, [str(LiveChart._esm), LIBRARY])
    yield page
    page.close()


def begun(page: Page, *marks: str) -> None:
    """Wait until these drawings have begun, and no others."""
    page.wait_for_function("marks => Object.keys(drawings).join() === marks", arg=",".join(marks))


def shown(page: Page) -> str:
    page.wait_for_timeout(50)
    return str(page.locator("main").inner_text())


def test_what_changes_while_the_library_loads_is_drawn_and_nothing_else(page: Page) -> None:
    page.evaluate("choose('area'), choose('bar'), load()")
    begun(page, "bar")
    page.evaluate("drawings.bar.draw()")
    assert shown(page) == "bar"


def test_an_older_drawing_that_ends_last_changes_nothing(page: Page) -> None:
    page.evaluate("load()")
    begun(page, "line")
    page.evaluate("choose('bar')")
    begun(page, "line", "bar")
    page.evaluate("drawings.bar.draw(), drawings.line.draw()")
    assert (shown(page), page.evaluate("finalized")) == ("bar", ["line"])


def test_an_older_drawing_that_fails_last_changes_nothing(page: Page) -> None:
    page.evaluate("load()")
    begun(page, "line")
    page.evaluate("choose('bar')")
    begun(page, "line", "bar")
    page.evaluate("drawings.bar.draw(), drawings.line.fail()")
    assert (shown(page), page.evaluate("finalized")) == ("bar", [])


def test_a_chart_taken_away_while_it_loads_stays_away(page: Page) -> None:
    page.evaluate("choose(null), load()")
    assert shown(page) == ""
    page.evaluate("choose('bar')")
    begun(page, "bar")
    page.evaluate("choose(null), drawings.bar.draw()")
    assert (shown(page), page.evaluate("finalized")) == ("", ["bar"])


def test_the_newest_drawing_that_fails_is_told(page: Page) -> None:
    page.evaluate("load()")
    begun(page, "line")
    page.evaluate("drawings.line.fail()")
    assert shown(page) == "The chart cannot be drawn: line"
