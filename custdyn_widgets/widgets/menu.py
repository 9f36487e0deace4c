"""A button of the form that opens a menu."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from custdyn_widgets.widgets.browser_module import browser_module


class Menu(anywidget.AnyWidget):
    """A button with a menu.

    Attributes
    ----------
    description, tooltip
        The button's label and tooltip.
    options
        The key and label of each item.
    disabled
        Whether the button is dimmed and ignores clicks. It can still be focused.
    page
        The id of the browser page in which an item was last chosen, or "".
    """

    _esm = browser_module("menu.js")
    _css = Path(__file__).with_name("form.css")

    description = traitlets.Unicode().tag(sync=True)
    tooltip = traitlets.Unicode().tag(sync=True)
    options: Any = traitlets.List().tag(sync=True)
    disabled = traitlets.Bool(False).tag(sync=True)

    def __init__(self, chosen: Callable[[str], None], **traits: Any) -> None:
        super().__init__(**traits)
        self.page = ""
        self._chosen = chosen
        self.on_msg(self._received)

    def choose(self, key: str) -> None:
        """Choose an item."""
        self._chosen(key)

    def _received(self, _widget: object, message: object, _buffers: object) -> None:
        if not isinstance(message, Mapping) or self.disabled:
            return
        key = message.get("chosen")
        if key in [option[0] for option in self.options]:
            self.page = str(message.get("page") or "")
            self.choose(str(key))
