"""A field that searches thousands of values while typing, in the browser, without the kernel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import traitlets

_FOLDER = Path(__file__).parent


class SearchSelect(anywidget.AnyWidget):
    """A combobox with a searchable list; chosen values are chips, a single one is the text.

    Attributes
    ----------
    options
        `[value, label]` or `[value, label, group]`, in the order in which they are listed. The label is shown
        and searched, anywhere in it, whatever its case and accents.
    value
        The chosen values; one without an option is marked as not in the data.
    multiple
        Whether several can be chosen. If not, on leaving the field any text becomes the value, and an empty
        field an empty list; the form checks them.
    label, tooltip, placeholder
        Texts: above the field, on hovering, and in the empty field.
    error
        The error in the value; empty if there is none.
    wants_focus
        Set it to focus the field, now or when it is first shown.
    """

    _esm = _FOLDER / "search_select.js"
    _css = _FOLDER / "form.css"

    options: Any = traitlets.List().tag(sync=True)  # items are not validated: there may be tens of thousands
    value = traitlets.List(traitlets.Unicode()).tag(sync=True)
    multiple = traitlets.Bool(True).tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)
    tooltip = traitlets.Unicode().tag(sync=True)
    description = traitlets.Unicode().tag(sync=True)  # Jupyter needs it to show a tooltip
    placeholder = traitlets.Unicode().tag(sync=True)
    disabled = traitlets.Bool(False).tag(sync=True)
    error = traitlets.Unicode().tag(sync=True)
    wants_focus = traitlets.Bool(False).tag(sync=True)
