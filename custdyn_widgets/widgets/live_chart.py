"""An interactive chart, drawn in the browser."""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets

from custdyn_widgets.render import browser_library

# The menu is disabled because it links to another host. Tooltips are styled in result.css.
_OPTIONS = {"actions": False, "renderer": "svg", "tooltip": {"theme": "custdyn"}}


class LiveChart(anywidget.AnyWidget):
    """A chart with tooltips and zoom.

    Attributes
    ----------
    spec
        The Vega-Lite specification, or None for no chart.
    """

    _esm = Path(__file__).with_name("live_chart.js")

    spec = traitlets.Instance(dict, allow_none=True).tag(sync=True)
    _library = traitlets.Unicode().tag(sync=True)
    _options = traitlets.Dict(_OPTIONS).tag(sync=True)

    def __init__(self) -> None:
        super().__init__(_library=browser_library())
