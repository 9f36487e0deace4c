"""A field that finds values as one types, among thousands, in the browser: the kernel is never waited for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import traitlets

_FOLDER = Path(__file__).parent


class SearchSelect(anywidget.AnyWidget):
    """A combobox with a searched list; the chosen values are chips, or, where one is chosen, the text itself.

    Attributes
    ----------
    options
        `[value, label]` or `[value, label, group]`, in the order in which they are listed. The label is shown
        and searched, anywhere in it, whatever its case and accents.
    value
        The chosen values. One that is in no option is shown and marked as not in the data.
    multiple
        Whether more than one can be chosen. If not, a text that is no option becomes the value when one
        leaves the field, and an emptied field is the empty list, for the owner to judge.
    label, tooltip, placeholder
        Texts: above the field, on hovering, and in the empty field.
    error
        What is wrong with the value, in words; empty if nothing is.
    wants_focus
        Set it to put the cursor into the field, now or when it is first shown.
    """

    _esm = _FOLDER / "search_select.js"
    _css = _FOLDER / "form.css"

    options: Any = traitlets.List().tag(sync=True)  # of unchecked items: there may be tens of thousands
    value = traitlets.List(traitlets.Unicode()).tag(sync=True)
    multiple = traitlets.Bool(True).tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)
    tooltip = traitlets.Unicode().tag(sync=True)
    description = traitlets.Unicode().tag(sync=True)  # Jupyter measures it before it shows a tooltip
    placeholder = traitlets.Unicode().tag(sync=True)
    disabled = traitlets.Bool(False).tag(sync=True)
    error = traitlets.Unicode().tag(sync=True)
    wants_focus = traitlets.Bool(False).tag(sync=True)
