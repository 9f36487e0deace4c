"""Interactive charts: a page's chart with tooltips and zoom, as wide as its container.

On a page, the time axis is nominal: its labels can be chosen one by one, but it cannot be zoomed. Here, the
axis is temporal, in UTC, so that it does not depend on the browser's time zone.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from custdyn_widgets.render.charts.vegalite import NUMBER_ROOM

_DAY = 86_400_000  # milliseconds
_MIDNIGHT = "utchours(datum.value) == 0"
# For each label length: the time unit, its format, the minimum step of the axis, and a test for the start
# of a unit. On a zoomed axis, labels at other positions would show the same unit twice.
_UNITS = {
    4: ("utcyear", "%Y", 366 * _DAY, f"utcdayofyear(datum.value) == 1 && {_MIDNIGHT}"),
    7: ("utcyearmonth", "%Y-%m", 31 * _DAY, f"utcdate(datum.value) == 1 && {_MIDNIGHT}"),
    10: ("utcyearmonthdate", "%Y-%m-%d", _DAY, _MIDNIGHT),
}
_HEIGHT = 320
_DIGIT = 7  # pixels
# Without Shift, the wheel scrolls the notebook as usual.
_ZOOM = {
    "name": "zoom",
    "select": {"type": "interval", "encodings": ["x"], "zoom": "wheel![event.shiftKey]", "clear": "dblclick"},
    "bind": "scales",
}


def live_spec(spec: dict[str, Any]) -> dict[str, Any]:
    """Return an interactive version of a chart's specification.

    Works only for specifications returned by `preset_spec` and `blank_spec`.
    """
    live = copy.deepcopy(spec)
    live |= {"width": "container", "height": max(_HEIGHT, live["height"])}  # long legends add height
    units = list(_units(live))
    if can_zoom(live):
        _make_zoomable(live, units)
    if not any("tooltip" in unit["encoding"] for unit in units):
        live["layer"].append(_hidden_points(units[0]))
    return live


def can_zoom(spec: dict[str, Any]) -> bool:
    """Return whether a chart has a time axis, with one mark per time and series."""
    units = list(_units(spec))
    by_time = bool(spec["data"]["values"]) and "values" in units[0]["encoding"]["x"]["axis"]
    return by_time and not any("xOffset" in unit["encoding"] for unit in units)


def _make_zoomable(live: dict[str, Any], units: list[dict[str, Any]]) -> None:
    unit, form, step, begins = _UNITS[len(live["data"]["values"][0]["x"])]
    live["data"]["format"] = {"parse": {"x": f"utc:'{form}'"}}
    last = _instant(max(value["x"] for value in live["data"]["values"]))
    bars = any(one["mark"]["type"] == "bar" for one in units)
    axis = {
        "title": None, "labelAngle": 0, "format": form, "labelOverlap": True, "labelSeparation": 10,
        "tickMinStep": step, "labelExpr": f"{begins} && datum.value <= {last} ? datum.label : ''",
        **({"labelAlign": "left", "labelOffset": 4} if bars else {}),  # a bar starts at its label
    }  # fmt: skip
    scale = {"type": "utc"} if bars else {"type": "utc", "padding": 16}  # so that edge points are not cut off
    # Without this, lines and numbers would be at the edges of bars.
    middle = {"bandPosition": 0.5} if bars else {}
    for one in units:
        kind = one["mark"]["type"]
        one["encoding"]["x"] = {
            "field": "x",
            "type": "temporal",
            "timeUnit": unit,
            "scale": scale,
            "axis": axis,
            **(middle if kind != "bar" else {}),
        }
        is_ring = one["mark"].get("filled") is False
        if is_ring:
            one["encoding"]["opacity"] = _whole_within_plot(unit)
        one["mark"] = {**one["mark"], "clip": not is_ring}
        one["mark"].pop("width", None)
        if kind == "text":
            one["encoding"]["text"] = _number_with_room(unit)
    if any(one["mark"]["type"] == "text" for one in units):
        _make_room_for_numbers(live, units)
    units[0]["params"] = [_ZOOM]


def _whole_within_plot(unit: str) -> dict[str, Any]:
    """Return the opacity of rings: 0 for those that zooming or panning has moved out of the plot.

    Clipping would also cut off a ring at the top or bottom of the plot.
    """
    test = f"inrange(scale('x', datum['{unit}_x']), [0, width])"
    return {"condition": {"test": test, "value": 1}, "value": 0}


def _number_with_room(unit: str) -> dict[str, Any]:
    """Return the text of a bar's number, which is empty if the bar is too narrow for it."""
    ends = (f"scale('x', datum['{unit}_x{end}'])" for end in ("_end", ""))
    room = f"{' - '.join(ends)} >= {_DIGIT} * length(datum.number)"
    return {"condition": {"test": room, "field": "number"}, "value": ""}


def _make_room_for_numbers(live: dict[str, Any], units: list[dict[str, Any]]) -> None:
    """Extend the axis above the tallest bar, so that numbers are not clipped."""
    values = [0, *(value["y"] for value in live["data"]["values"] if value["y"])]
    if max(values) == 0:
        return
    limit = {"domainMax": max(values) + (max(values) - min(values)) * NUMBER_ROOM}
    for one in units:
        one["encoding"]["y"] = {**one["encoding"]["y"], "scale": {**one["encoding"]["y"]["scale"], **limit}}


def _instant(label: str) -> int:
    """Return the start of the year, month or day that a label names, in milliseconds since 1970 in UTC."""
    year, month, day = map(int, (label + "-01-01").split("-")[:3])
    return int(datetime(year, month, day, tzinfo=UTC).timestamp() * 1000)


def _hidden_points(unit: dict[str, Any]) -> dict[str, Any]:
    """Return invisible points with tooltips, for a chart that is too large to have tooltips on a page."""
    encoding = {key: value for key, value in unit["encoding"].items() if key in ("x", "y", "color")}
    encoding["tooltip"] = {"field": "told"}
    return {
        "mark": {"type": "point", "opacity": 0, "size": 80, "clip": True, "aria": False},
        "encoding": encoding,
    }


def _units(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the single-mark layers of a specification."""
    for layer in spec.get("layer", []):
        if "layer" in layer:
            yield from _units(layer)
        else:
            yield layer
