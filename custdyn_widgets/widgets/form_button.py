"""A button of the form.

Lab takes a letter pressed on ipywidgets' buttons for one of its own keys (D, D deletes the cell), and a
button that is switched off while it has the focus loses it. This one keeps both.
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
        What it says; of a bin, what a screen reader says.
    tooltip
        The text on hovering.
    look
        `plain`, `primary` for the one thing that a form is for, or `bin`, a picture alone.
    disabled
        Whether it is off: dimmed, and reached by the keyboard all the same.
    page
        The browser page that it was last clicked in, as that named itself; "" if it was none.
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
