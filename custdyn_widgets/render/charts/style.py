"""The size and style of every chart: fonts, lines and colours."""

from __future__ import annotations

from typing import Any

WIDTH, HEIGHT = 440, 250


def frame(height: int) -> dict[str, Any]:
    """Return the size of a drawing, with its padding."""
    return {
        "background": "transparent",
        "padding": {"left": 4, "right": 8, "top": 4, "bottom": 14},
        "width": WIDTH,
        "height": height,
        "autosize": {"type": "fit", "contains": "padding"},
    }


def style() -> dict[str, Any]:
    """Return the configuration of a drawing: text and lines in the text colour of the page."""
    ink = "currentColor"
    return {
        "font": "sans-serif",
        "view": {"stroke": None},
        "title": {
            "color": ink, "subtitleColor": ink, "fontSize": 15, "fontWeight": 600, "subtitleFontSize": 12.5,
            "anchor": "start", "frame": "bounds", "limit": WIDTH - 20, "offset": 16, "subtitlePadding": 4,
        },
        "axis": {
            "labelColor": ink, "titleColor": ink, "gridColor": ink, "gridOpacity": 0.16, "domain": False,
            "ticks": False, "labelFontSize": 12.5, "titleFontSize": 12.5, "titleFontWeight": "normal",
            "labelPadding": 6,
        },
        "axisX": {"grid": False, "domain": True, "domainColor": ink, "domainOpacity": 0.4},
        "axisY": {"titleAngle": 0, "titleAlign": "left", "titleY": -12, "titleBaseline": "bottom"},
        "legend": {"labelColor": ink, "labelFontSize": 12.5, "offset": 14, "columnPadding": 18},
    }  # fmt: skip
