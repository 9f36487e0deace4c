"""A saved query's chart: the name of a preset, or the fields of a custom chart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from custdyn_widgets.errors import SavedQueryError
from custdyn_widgets.saved_queries.checks import object_fields

_CHART_KEYS = ("x", "y", "mark", "second_axis", "title")
_CHART_LISTS = ("y", "second_axis")


def parse_chart(chart: Mapping[str, object] | None) -> dict[str, Any] | None:
    """Return the value of the `chart` key, with its keys in a fixed order and its tuples as lists."""
    if chart is None:
        return None
    is_preset = isinstance(chart, Mapping) and "preset" in chart
    allowed, required = (("preset",), ("preset",)) if is_preset else (_CHART_KEYS, ("y", "mark"))
    object_fields(
        "chart", chart, allowed, dict.fromkeys(required, "either a preset alone, or at least y and mark")
    )
    return {key: _chart_value(key, chart[key]) for key in allowed if key in chart}


def _chart_value(key: str, value: object) -> object:
    if value is None or isinstance(value, str):
        return value
    if key not in _CHART_LISTS:
        raise SavedQueryError.wrong_type(f"chart.{key}", value, "text")
    if not isinstance(value, list | tuple) or not all(isinstance(text, str) for text in value):
        raise SavedQueryError.wrong_type(f"chart.{key}", value, "text or a list of strings")
    return list(value)
