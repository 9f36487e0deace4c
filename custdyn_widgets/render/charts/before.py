"""The earlier period of a comparison, drawn faintly behind a preset's chart."""

from __future__ import annotations

from typing import Any

from custdyn_widgets.render.charts.points import points_of
from custdyn_widgets.report import Column, Report

_MARKS: dict[str, dict[str, Any]] = {
    "line": {"type": "line", "strokeDash": [5, 4], "strokeWidth": 1.5, "opacity": 0.6},
    "bar": {"type": "bar", "width": {"band": 1.2}, "opacity": 0.25},  # wider than the bar in front of it
}


def with_period_before(
    spec: dict[str, Any], report: Report, x: str, column: Column, mark: str
) -> dict[str, Any]:
    """Return a one-column chart with its earlier values, if there are any, drawn behind it."""
    place = report.column(column.name) + 1
    before = report.columns[place] if place < len(report.columns) else column
    main = next(iter(spec["layer"][0]["layer"]), None)
    if before.part != "before" or mark not in _MARKS or main is None:
        return spec
    points = points_of(report, x, [before], joined=False)
    values = [{"x": p.x, "y": p.y, "told": p.text, "number": "", "column": p.column} for p in points.values]
    encoding = {key: main["encoding"][key] for key in ("x", "y")} | {"color": {"value": "currentColor"}}
    encoding["y"] = {**encoding["y"], "stack": None}
    layer = {
        "transform": [{"filter": {"field": "column", "oneOf": [before.name]}}],
        "mark": {**_MARKS[mark], "aria": False},
        "encoding": encoding,
    }
    earlier = str(report.query.compare).replace("_", " ")
    notes = [*spec["title"].get("subtitle", []), f"{'Dashed' if mark == 'line' else 'Grey'}: {earlier}"]
    return {
        **spec,
        "title": {**spec["title"], "subtitle": notes},
        "height": spec["height"] + 16,
        "data": {"values": [*spec["data"]["values"], *values]},
        "layer": [{"layer": [layer, *spec["layer"][0]["layer"]]}, *spec["layer"][1:]],
    }
