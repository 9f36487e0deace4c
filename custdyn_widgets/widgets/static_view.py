"""The last table and chart as plain HTML, for a saved notebook without a kernel.

Widgets disappear along with their kernel, so each query also writes its table to a static output, which is
hidden while the widgets are live.

After the browser page is reloaded, Lab can no longer find that output and discards updates. The notebook then
keeps the earlier table until the form's cell runs again.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape
from typing import Any
from uuid import uuid4

from custdyn_widgets.report import Report, report_html
from custdyn_widgets.text import printable

MAX_ROWS = 100
LIVE = "custdyn-live"  # the class of a live form
_STATIC = "custdyn-static"
# The live form is in an earlier output, and may also be shown in another window.
_HIDDEN_WHILE_LIVE = f"<style>.jp-OutputArea:has(.{LIVE}) .{_STATIC} {{ display: none; }}</style>"


class StaticView:
    """An output that each query overwrites."""

    def __init__(self) -> None:
        self._id = uuid4().hex  # the same for all outputs, because a form may be shown in several cells
        self._handle: Any = None
        self._html = ""

    def display(self) -> None:
        """Display the output, which also shows later updates."""
        from IPython.display import HTML, display  # imported late because only notebooks have it

        self._handle = display(HTML(self._html or _wrapped("")), display_id=self._id)

    def show(self, report: Report, chart: Mapping[str, Any] | None = None) -> None:
        """Replace the content with the first 100 rows of a report and an image of its chart."""
        self._html = static_html(report, chart)
        if self._handle is not None:
            from IPython.display import HTML

            self._handle.update(HTML(self._html))


def static_html(report: Report, chart: Mapping[str, Any] | None = None) -> str:
    """Return the HTML of a report's first 100 rows, its Total, and an image of a chart, if given."""
    return _wrapped(report_html(report, MAX_ROWS) + (_picture(chart) if chart else ""))


def _picture(chart: Mapping[str, Any]) -> str:
    from custdyn_widgets.render import chart_svg  # imported late because it loads a JavaScript engine

    drawn = base64.b64encode(chart_svg(chart).encode()).decode("ascii")
    words = escape(printable(str(chart.get("description", "Chart"))))
    return f'<img alt="{words}" style="max-width: 100%" src="data:image/svg+xml;base64,{drawn}">'


def _wrapped(html: str) -> str:
    return f'{_HIDDEN_WHILE_LIVE}<div class="{_STATIC}">{html}</div>'
