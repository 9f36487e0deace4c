"""What a saved notebook shows without a kernel: the last table and chart, as one output of plain HTML.

Widgets live only as long as their kernel. So beside them stands one static output, which each query puts
its table into; while the widgets live it is hidden.

A page that was loaded anew no longer knows which of its outputs is meant, and Lab passes over what is
written: the saved notebook then keeps the last table of before, until the form's cell is run again.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape
from typing import Any
from uuid import uuid4

from custdyn_widgets.report import Report, report_html
from custdyn_widgets.text import printable

MOST_ROWS = 100
LIVE = "custdyn-live"  # the class of a living form
_STATIC = "custdyn-static"
# The live form stands in an output of its own before this one, and may be drawn in a window of its own.
_HIDDEN_WHILE_LIVE = f"<style>.jp-OutputArea:has(.{LIVE}) .{_STATIC} {{ display: none; }}</style>"


class StaticView:
    """One output that is written again and again."""

    def __init__(self) -> None:
        self._id = uuid4().hex  # of all outputs that show it: a form may be shown in several cells
        self._handle: Any = None
        self._html = ""

    def display(self) -> None:
        """Show it behind what was shown before; what is written from now on stands here too."""
        from IPython.display import HTML, display  # late: only notebooks have it

        self._handle = display(HTML(self._html or _wrapped("")), display_id=self._id)

    def show(self, report: Report, chart: Mapping[str, Any] | None = None) -> None:
        """Write a report's first 100 rows, and a chart of it as a picture, in place of what is there."""
        self._html = static_html(report, chart)
        if self._handle is not None:
            from IPython.display import HTML

            self._handle.update(HTML(self._html))


def static_html(report: Report, chart: Mapping[str, Any] | None = None) -> str:
    """Return what a saved notebook keeps of a report.

    Parameters
    ----------
    report
        The report; of more than 100 rows the first 100 are kept, and the Total.
    chart
        A Vega-Lite specification of it, drawn as a picture.
    """
    return _wrapped(report_html(report, MOST_ROWS) + (_picture(chart) if chart else ""))


def _picture(chart: Mapping[str, Any]) -> str:
    from custdyn_widgets.render import chart_svg  # late: loads a JavaScript engine

    drawn = base64.b64encode(chart_svg(chart).encode()).decode("ascii")
    words = escape(printable(str(chart.get("description", "Chart"))))
    return f'<img alt="{words}" style="max-width: 100%" src="data:image/svg+xml;base64,{drawn}">'


def _wrapped(html: str) -> str:
    return f'{_HIDDEN_WHILE_LIVE}<div class="{_STATIC}">{html}</div>'
