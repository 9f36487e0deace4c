"""Vega-Lite chart specifications: marks, axes, colours and a legend for given points.

They are plain dicts, so that reports can be drawn without loading Altair, and contain no generated names,
links or remote addresses. Text is on a single line. Colours follow the page's text colour, so that a drawing
is readable on both light and dark backgrounds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from custdyn_widgets.render.charts.axes import y_axis
from custdyn_widgets.render.charts.names import (
    ANGLED_ROOM,
    AXIS_ROOM,
    FEW_CATEGORIES,
    LEGEND_ROOM,
    LETTERS,
    LONG_LEGEND_ROOM,
    SLACK,
    SMALL_LETTERS,
    are_crowded,
)
from custdyn_widgets.render.charts.points import COLUMNS, Point, Points
from custdyn_widgets.render.charts.style import HEIGHT, WIDTH, frame, style
from custdyn_widgets.report import Column

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
MARKS = ("line", "bar", "stacked bar", "area", "point", "stacked area")

# Okabe and Ito's palette, safe for all kinds of colour blindness, without yellow (unreadable on white) and
# black (unreadable on dark). Grey is for series that share a colour.
PALETTE = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#9a8a4f")
GREY = "#5f656e"
NUMBER_ROOM = 0.12  # space for a number beyond the end of a bar, as a fraction of the range of all bars
_MAX_DESCRIBED_POINTS = 240  # with more points, tooltips would make the page too large
_LEGEND_COLUMNS = 2


def chart_spec(
    points: Points,
    columns: Sequence[Column],
    *,
    mark: str,
    title: str,
    currency: str,
    right: Sequence[str] = (),
    colour: str = PALETTE[0],
    description: str = "",
) -> dict[str, Any]:
    """Return the specification of a chart.

    Parameters
    ----------
    points
        The points to draw.
    columns
        The columns of the points, for their units.
    mark
        One of `MARKS`.
    title, description
        The title above the drawing, and a one-sentence description for screen readers.
    currency
        The unit of amounts.
    right
        Names of the columns drawn as lines against a second axis on the right.
    colour
        The colour of a single series.
    """
    sides = []
    for at_right in (False, True):
        found = [p for p in points.values if (p.column in right) == at_right]
        if found:
            own = [c for c in columns if (c.name in right) == at_right]
            shape = "line" if at_right and mark != "point" else mark
            y = y_axis([p.y for p in found], own, currency, right=at_right)
            sides.append({"layer": _layers(points, found, shape, y, colour)})
    notes = [*points.notes, *_partial_note(points, mark)]
    return {
        "$schema": SCHEMA,
        "title": {"text": title, **({"subtitle": notes} if notes else {})},
        "description": description or title,
        **frame(HEIGHT + 20 * _legend_rows(points) + 16 * len(notes)),
        "data": {"values": list(_data(points))},
        "layer": sides,
        **({"resolve": {"scale": {"y": "independent"}}} if len(sides) > 1 else {}),
        "config": style(),
    }


def _data(points: Points) -> Iterator[dict[str, Any]]:
    ranks = {name: rank for rank, name in enumerate(points.series)}
    names = {name: points.legend[name] for name in points.series}
    names |= dict.fromkeys(points.others, _folded_name(points))
    for point in points.values:
        name = point.series
        at = points.axis.get(point.x, point.x) if isinstance(point.x, str) else point.x
        plain = {"x": at, "y": point.y, "told": point.text, "number": _number(point), "column": point.column}
        plain |= {"series": names[name], "key": name, "rank": ranks.get(name, len(ranks))}
        yield {**plain, "partial": True} if point.partial else plain


def _folded_name(points: Points) -> str:
    return f"{points.folded:,} others"


def _legend_names(points: Points) -> list[str]:
    folded = [_folded_name(points)] if points.folded else []
    return [*(points.legend[name] for name in points.series), *folded]


def _layers(
    points: Points, found: Sequence[Point], mark: str, y: dict[str, Any], colour: str
) -> list[dict[str, Any]]:
    """Return the layers of one axis: shapes, points, and rings around partial buckets."""
    encoding: dict[str, Any] = {"x": _x(points, mark), "y": y, **_colour(points, mark, colour)}
    chosen = {"filter": {"field": "column", "oneOf": list(dict.fromkeys(p.column for p in found))}}
    is_described = len(found) <= _MAX_DESCRIBED_POINTS
    texts = {"description": {"field": "told"}, "tooltip": {"field": "told"}} if is_described else {}
    base = {"transform": [chosen], "encoding": encoding}
    if "bar" in mark:
        numbers = _has_numbers(points, found)
        if numbers:
            encoding["y"] = _with_room_below(y, found)
        return [_bars(points, mark, base, texts), *([_numbers(base)] if numbers else [])]
    layers = []
    if mark != "point":
        layers.append(_joined(points, mark, base))
    if (is_described and mark != "stacked area") or mark == "point":
        size = 30 if len(found) <= 60 else 14
        dots = {"type": "point", "filled": True, "opacity": 1, "size": size if mark != "point" else 45}
        layers.append({**base, "mark": dots, "encoding": {**encoding, **texts}})
    if any(p.partial for p in found) and "stacked" not in mark:
        ring = {"type": "point", "filled": False, "size": 130, "strokeWidth": 1.5, "aria": False}
        layers.append({**base, "transform": [chosen, {"filter": "datum.partial === true"}], "mark": ring})
    return layers


def _bars(points: Points, mark: str, base: dict[str, Any], texts: dict[str, Any]) -> dict[str, Any]:
    stacked = "stacked" in mark
    side_by_side = not stacked and len(points.series) + points.folded > 1
    encoding = dict(base["encoding"])
    encoding["y"] = {**encoding["y"], "stack": "zero" if stacked else None}
    encoding["fillOpacity"] = {"condition": {"test": "datum.partial === true", "value": 0.45}, "value": 1}
    if stacked:
        encoding["order"] = {"field": "rank", "type": "quantitative"}
        encoding["detail"] = {"field": "key"}
    if side_by_side:
        encoding["xOffset"] = {"field": "series", "sort": _legend_names(points)}
    shape: dict[str, Any] = {"type": "bar", "aria": bool(texts)}
    if 0 < len(points.categories) <= 8 and not side_by_side:
        shape["width"] = 44
    return {**base, "mark": shape, "encoding": {**encoding, **texts}}


def _has_numbers(points: Points, found: Sequence[Point]) -> bool:
    """Return whether there is room for a number beyond the end of each bar."""
    one_each = len(points.series) <= 1 and len(found) == len(points.categories)
    return one_each and max(len(_number(p)) for p in found) * 7 * len(found) <= WIDTH - 80


def _with_room_below(y: dict[str, Any], found: Sequence[Point]) -> dict[str, Any]:
    """Return an axis that extends below negative bars, so that their numbers do not overlap the x labels."""
    values = [0, *(p.y for p in found if p.y is not None)]
    room = (max(values) - min(values)) * NUMBER_ROOM
    return {**y, "scale": {**y["scale"], "domainMin": min(values) - room}} if min(values) < 0 else y


def _numbers(base: dict[str, Any]) -> dict[str, Any]:
    encoding = {key: value for key, value in base["encoding"].items() if key in ("x", "y")}
    beyond = {"expr": "datum.y < 0 ? 10 : -8"}
    text = {"type": "text", "dy": beyond, "fontSize": 12, "color": "currentColor", "aria": False}
    return {**base, "mark": text, "encoding": {**encoding, "text": {"field": "number"}}}


def _number(point: Point) -> str:
    return point.text.rpartition(": ")[2]


def _joined(points: Points, mark: str, base: dict[str, Any]) -> dict[str, Any]:
    shape: dict[str, Any] = {"type": "line" if mark == "line" else "area", "aria": False}
    if mark == "line":
        shape |= {"strokeWidth": 2 if len(points.categories) <= 100 else 1.25, "strokeCap": "round"}
    elif mark == "area":
        shape |= {"opacity": 0.3, "line": {"strokeWidth": 2}}
    encoding = {**base["encoding"], "detail": {"field": "key"}}
    encoding["y"] = {**encoding["y"], "stack": "zero" if "stacked" in mark else None}
    if "stacked" in mark:
        encoding["order"] = {"field": "rank", "type": "quantitative"}
    return {**base, "mark": shape, "encoding": encoding}


def _colour(points: Points, mark: str, colour: str) -> dict[str, Any]:
    if len(points.series) <= 1:
        return {"color": {"value": colour}}
    colours = [*PALETTE[: len(points.series)], *([GREY] if points.folded else [])]
    legend = {
        "title": None, "orient": "bottom", "columns": _legend_columns(points),
        "labelLimit": (LONG_LEGEND_ROOM if points.has_long_names else LEGEND_ROOM) * SLACK,
        "symbolOpacity": 1, "symbolType": "stroke" if mark == "line" else "square",
        "symbolStrokeWidth": 4 if mark == "line" else 0,
    }  # fmt: skip
    scale = {"domain": _legend_names(points), "range": colours}
    return {"color": {"field": "series", "type": "nominal", "scale": scale, "legend": legend}}


def _legend_columns(points: Points) -> int:
    return 1 if points.has_long_names else _LEGEND_COLUMNS


def _legend_rows(points: Points) -> int:
    names = len(points.series) + bool(points.folded)
    return -(-names // _legend_columns(points)) if names > 1 else 0


def _partial_note(points: Points, mark: str) -> list[str]:
    categories = dict.fromkeys(str(p.x) for p in points.values if p.partial)
    if not categories or mark == "stacked area":  # which cannot mark a single bucket
        return [f"Partial: {' and '.join(categories)}"] if categories and points.is_time else []
    bucket = points.x.lower() if points.is_time else "bucket"
    return [f"{'Faded' if 'bar' in mark else 'Ringed'}: partial {bucket}"]


def _x(points: Points, mark: str) -> dict[str, Any]:
    if points.is_number:
        return {"field": "x", "type": "quantitative", "title": points.x, "axis": {"format": ",.12~f"}}
    scale = {"domain": [points.axis[category] for category in points.categories]}
    padding = {"paddingInner": 0.25 if len(points.categories) <= 60 else 0, "paddingOuter": 0.1}
    bands = {**scale, **padding} if "bar" in mark else scale
    axis: dict[str, Any] = {"title": None, "labelAngle": 0}
    if points.is_time:
        ticks, cut = time_ticks(points.categories)
        axis |= {"values": ticks, "labelExpr": f"slice(datum.label, 0, {cut})"}
    elif points.x == COLUMNS:
        axis |= {"labelExpr": "split(datum.label, ': ')", "labelLimit": AXIS_ROOM * SLACK}
    elif are_crowded(points.categories):
        few = len(points.categories) <= FEW_CATEGORIES
        limit = ANGLED_ROOM * SLACK
        axis |= {"labelAngle": -40 if few else -90, "labelAlign": "right", "labelLimit": limit}
        axis |= {
            "labelBaseline": "top" if few else "middle",
            "labelFontSize": LETTERS if few else SMALL_LETTERS,
        }
    else:
        axis |= {"labelLimit": AXIS_ROOM * SLACK}
    return {"field": "x", "type": "nominal", "sort": None, "scale": bands, "axis": axis}


def time_ticks(categories: Sequence[str]) -> tuple[list[str], int]:
    """Return the labelled categories of a time axis, and the length of their labels.

    The labels are few enough not to overlap, and fall on calendar boundaries such as Mondays or the first day
    of a month, quarter, year or decade.
    """
    most = {10: 5, 7: 6}.get(len(categories[0]), 8) if categories else 0
    if len(categories) <= most:
        return list(categories), 10
    by_date, by_month = len(categories[0]) == 10, len(categories[0]) == 7
    if by_date and len(categories) <= 2 * most:
        return list(categories[::2]), 10
    if by_date and len(categories) <= 7 * most:
        from datetime import date

        return [p for p in categories if date.fromisoformat(p).weekday() == 0], 10
    starts = [p for p in categories if p.endswith("-01")] if by_date else list(categories)
    for months in (1, 2, 3, 6) if by_date or by_month else ():
        found = [p for p in starts if (int(p[5:7]) - 1) % months == 0]
        if len(found) <= most:
            return found, 7
    for years in (1, 2, 5, 10, 20, 50, 100):
        found = [p for p in starts if p[5:7] in ("", "01") and int(p[:4]) % years == 0]
        if len(found) <= most:
            break
    return found, 4 if not by_date and not by_month else 7
