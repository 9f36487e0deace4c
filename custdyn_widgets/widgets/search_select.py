"""A field that searches thousands of values as you type, in the browser, without the kernel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anywidget
import traitlets

_FOLDER = Path(__file__).parent


class SearchSelect(anywidget.AnyWidget):
    """A combobox with a searchable list.

    Attributes
    ----------
    options
        Lists of value and label, or value, label and group, in display order. The search matches any part of
        the label and ignores case and accents.
    value
        The chosen values. Those without an option are marked as not in the data.
    multiple
        Whether several values can be chosen, shown as chips. If not, the text in the field becomes the value
        when the field loses focus, and an empty field gives an empty list. The form validates the value.
    label, tooltip, placeholder
        The label above the field, the tooltip, and the text in the empty field.
    error
        The error in the value, or "".
    on_undo
        Called when the user presses Ctrl+Z and this field has no change left to undo.
    wants_focus
        Set to True to focus the field now, or when it is first shown.
    """

    _esm = _FOLDER / "search_select.js"
    _css = _FOLDER / "form.css"

    options: Any = traitlets.List().tag(sync=True)  # not validated, since there may be tens of thousands
    value = traitlets.List(traitlets.Unicode()).tag(sync=True)
    multiple = traitlets.Bool(True).tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)
    tooltip = traitlets.Unicode().tag(sync=True)
    description = traitlets.Unicode().tag(sync=True)  # Jupyter requires a description to show a tooltip
    placeholder = traitlets.Unicode().tag(sync=True)
    disabled = traitlets.Bool(False).tag(sync=True)
    error = traitlets.Unicode().tag(sync=True)
    wants_focus = traitlets.Bool(False).tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.on_undo: Callable[[], None] = lambda: None
        self.on_msg(self._received)

    def take_focus(self) -> None:
        """Focus the field, even if an earlier request is still pending."""
        self.wants_focus = False
        self.wants_focus = True

    def _received(self, _widget: object, message: object, _buffers: object) -> None:
        if isinstance(message, Mapping) and message.get("undo"):
            self.on_undo()
