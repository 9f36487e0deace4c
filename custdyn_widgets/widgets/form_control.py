"""One control of the form: a choice, a wall time, a number or a yes-or-no, with its label and its error.

ipywidgets' own pickers pass times through the browser's clock, which loses those that it skips, and can
tell a screen reader neither that a value is wrong nor why.
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
        `[value, label]` of a choice.
    least, most
        The bounds of a number, as hints: what is typed beyond them arrives all the same.
    label, tooltip
        Texts: above the control, and on hovering.
    error
        What is wrong with the value, in words; empty if nothing is.
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
    description = traitlets.Unicode().tag(sync=True)  # Jupyter measures it before it shows a tooltip
    disabled = traitlets.Bool(False).tag(sync=True)
    error = traitlets.Unicode().tag(sync=True)
