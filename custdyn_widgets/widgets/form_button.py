"""Buttons of the form.

While an ipywidgets button has the focus, JupyterLab treats letters as its own shortcuts (D, D deletes the
cell), and a button loses the focus when it is disabled. This button avoids both problems.
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
    """A native button.

    Attributes
    ----------
    description
        The label or, for a bin, the text for screen readers.
    tooltip
        The tooltip.
    look
        `plain`, `primary` for the main action, or `bin` for a bin icon.
    disabled
        Whether the button is dimmed and ignores clicks. It can still be focused.
    page
        The id of the browser page in which it was last clicked, or "".
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
        """Perform the button's action."""
        self._clicked()

    def _received(self, _widget: object, message: object, _buffers: object) -> None:
        if isinstance(message, Mapping) and message.get("clicked") and not self.disabled:
            self.page = str(message.get("page") or "")
            self.click()
