"""What axe says of a page's accessibility."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

SERIOUS = ("serious", "critical")
# Lab's body has no height and hides what overflows: axe would consider everything in it hidden.
_RUN = """async context => {
  if (!document.body.offsetHeight) document.body.style.minHeight = "100vh";
  const {violations} = await axe.run(context ?? document, {resultTypes: ["violations"]});
  return violations.map(({id, impact, nodes}) => [impact, id, nodes.map(node => node.html.slice(0, 200))]);
}"""
_DARKEN = """async () => {
  const style = document.createElement("link");
  const loaded = new Promise((resolve, reject) => Object.assign(style, {onload: resolve, onerror: reject}));
  style.rel = "stylesheet";
  style.id = "dark";
  style.href = "/lab/api/themes/@jupyterlab/theme-dark-extension/index.css";
  document.body.append(style);
  await loaded;
  Object.assign(document.body.dataset, {jpThemeLight: "false", jpThemeName: "JupyterLab Dark"});
}"""
_LIGHTEN = """() => {
  document.querySelector("#dark").remove();
  Object.assign(document.body.dataset, {jpThemeLight: "true", jpThemeName: "JupyterLab Light"});
}"""
Fault = tuple[str, str, list[str]]


def faults(page: Page, context: str | None = None) -> list[Fault]:
    """Return what axe finds in a page or in a part of it: the impact, the rule, the elements."""
    if page.evaluate("typeof axe === 'undefined'"):
        page.evaluate(Axe().axe_script)
    return [(impact, rule, nodes) for impact, rule, nodes in page.evaluate(_RUN, context)]


def serious(found: list[Fault]) -> list[Fault]:
    """Return those of the faults that keep somebody from using the page."""
    return [fault for fault in found if fault[0] in SERIOUS]


@contextlib.contextmanager
def darkened(page: Page) -> Iterator[None]:
    """Show Lab's page in the dark theme; nothing loses the focus, as it does when Lab changes the theme."""
    page.evaluate(_DARKEN)
    try:
        yield
    finally:
        page.evaluate(_LIGHTEN)


def faults_in_both_themes(page: Page, context: str) -> list[Fault]:
    """Return what axe finds in a part of Lab's page in the light theme and in the dark one."""
    found = faults(page, context)
    with darkened(page):
        return found + faults(page, context)
