"""One control of the form: a choice, a wall time, a number or a yes-or-no, with its label and its error.

ipywidgets' own pickers convert times with the browser's clock, which loses the times that it skips, and
cannot give an error to a screen reader.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import traitlets

_FOLDER = Path(__file__).parent
KINDS = ("choice", "wall time", "number", "flag", "text")


class Control(anywidget.AnyWidget):
    """A labelled native control of the browser.

    Attributes
    ----------
    kind
        `choice`, `wall time`, `number`, `flag` or `text`.
    value
        The chosen option's value; a text; the wall time as `YYYY-MM-DDTHH:MM:SS`, empty where it is
        incomplete; the number, None without one; or a bool.
    options
        Value and label of each option of a choice.
    least, most
        The bounds of a number, as hints only: values beyond them are sent too.
    label, tooltip
        The text above the control, and the text on hovering.
    error
        The error in the value; empty if there is none.
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
    description = traitlets.Unicode().tag(sync=True)  # Jupyter needs it to show a tooltip
    disabled = traitlets.Bool(False).tag(sync=True)
    error = traitlets.Unicode().tag(sync=True)
