"""The search-select and the controls on the kernel's side: what is sent and what comes back."""

from __future__ import annotations

from pathlib import Path

import pytest
import traitlets

import custdyn_widgets.widgets as widgets
from custdyn_widgets.widgets.form_control import Control
from custdyn_widgets.widgets.search_select import SearchSelect

FOLDER = Path(widgets.__file__).parent
SYNCED = {
    "options",
    "value",
    "multiple",
    "label",
    "tooltip",
    "placeholder",
    "disabled",
    "error",
    "wants_focus",
}


def test_all_that_the_browser_needs_is_sent() -> None:
    state = SearchSelect(options=[["a", "A"]], value=["a"]).get_state()
    assert set(state) >= SYNCED
    assert state["options"] == [["a", "A"]]
    assert state["_esm"] == (FOLDER / "search_select.js").read_text()
    assert state["_css"] == (FOLDER / "form.css").read_text()


def test_what_the_browser_sends_becomes_the_value() -> None:
    select = SearchSelect(options=[["a", "A"], ["b", "B"]])
    seen: list[list[str]] = []
    select.observe(lambda change: seen.append(change["new"]), "value")
    select.set_state({"value": ["b"]})
    assert seen == [["b"]]


@pytest.mark.parametrize("value", [1, [1], [None]])
def test_a_value_that_is_no_list_of_texts_is_refused(value: object) -> None:
    with pytest.raises(traitlets.TraitError):
        SearchSelect(value=value)


def test_a_control_is_one_of_the_known_kinds() -> None:
    with pytest.raises(traitlets.TraitError):
        Control(kind="slider")


@pytest.mark.parametrize("name", ["search_select.js", "form_control.js"])
def test_the_script_writes_no_markup_and_asks_no_host(name: str) -> None:
    script = (FOLDER / name).read_text()
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "http",
        "fetch",
        "import ",
    ):
        assert word not in script
