"""A button of the form.

On ipywidgets' buttons, Lab handles letters as its own keys (D, D deletes the cell), and a focused button that
is disabled loses the focus. This button avoids both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anywidget
import traitlets

_FOLDER = Path(__file__).parent
LOOKS = ("plain", "primary", "bin")


class Button(anywidget.AnyWidget):
    """A native button of the browser.

    Attributes
    ----------
    description
        The label; for a bin, the text for screen readers.
    tooltip
        The text on hovering.
    look
        `plain`, `primary` for the main action, or `bin`, an icon.
    disabled
        Whether it is dimmed and ignores clicks; the keyboard still reaches it.
    page
        The id of the browser page of the last click; "" if there was none.
    """

    _esm = _FOLDER / "form_button.js"
    _css = _FOLDER / "form.css"

    description = traitlets.Unicode().tag(sync=True)
    tooltip = traitlets.Unicode().tag(sync=True)
    look = traitlets.Enum(LOOKS, "plain").tag(sync=True)
    disabled = traitlets.Bool(False).tag(sync=True)

    def __init__(self, clicked: Callable[[], None], **traits: Any) -> None:
        super().__init__(**traits)
        self.page = ""
        self._clicked = clicked
        self.on_msg(self._received)

    def click(self) -> None:
        """Do what a click does."""
        self._clicked()

    def _received(self, _widget: object, message: object, _buffers: object) -> None:
        if isinstance(message, Mapping) and message.get("clicked") and not self.disabled:
            self.page = str(message.get("page") or "")
            self.click()
