"""Form controls for choices, wall times, numbers, flags and text, with a label and an error.

The ipywidgets pickers convert times using the browser's time zone, which alters times that the zone skips,
and they cannot announce errors to screen readers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import traitlets

_FOLDER = Path(__file__).parent
KINDS = ("choice", "wall time", "number", "flag", "text")


class Control(anywidget.AnyWidget):
    """A native control with a label.

    Attributes
    ----------
    kind
        `choice`, `wall time`, `number`, `flag` or `text`.
    value
        The value of the chosen option; a wall time as `YYYY-MM-DDTHH:MM:SS`, or "" if it is incomplete; a
        number or None; a bool; or a string.
    options
        The value and label of each option of a choice.
    least, most
        The bounds of a number. They are only hints: values beyond them are sent too.
    label, tooltip
        The label above the control, and the tooltip.
    error
        The error in the value, or "".
    """

    _esm = _FOLDER / "form_control.js"
    _css = _FOLDER / "form.css"

    kind = traitlets.Enum(KINDS).tag(sync=True)
    value = traitlets.Any().tag(sync=True)
    options: Any = traitlets.List().tag(sync=True)
    least = traitlets.Int(0).tag(sync=True)
    most = traitlets.Int(0).tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)
    tooltip = traitlets.Unicode().tag(sync=True)
    description = traitlets.Unicode().tag(sync=True)  # Jupyter requires a description to show a tooltip
    disabled = traitlets.Bool(False).tag(sync=True)
    error = traitlets.Unicode().tag(sync=True)
