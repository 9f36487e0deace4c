"""A chart's value axis: its title, unit and scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from custdyn_widgets.report import Column

_SCALES = ((10**13, 10**12, "trillions"), (10**10, 10**9, "billions"), (10**7, 10**6, "millions"))


def y_axis(
    values: Sequence[float | None], columns: Sequence[Column], currency: str, *, right: bool = False
) -> dict[str, Any]:
    """Return the y encoding for these columns' values."""
    largest = max((abs(value) for value in values if value is not None), default=0)
    _, divisor, scale_name = next((s for s in _SCALES if largest >= s[0]), (0, 1, ""))
    names = {"count": "number", "money": currency}
    units = list(dict.fromkeys(names.get(unit, "percent") for unit in _ordered_units(columns)))
    unit = " and ".join(units)
    side = (
        {"orient": "right", "titleX": 30, "titleAlign": "right", "grid": False} if right else {"titleX": -28}
    )
    plain = unit.capitalize() if unit in ("number", "percent") else unit
    axis = {
        "title": f"{unit}, {scale_name}" if scale_name else plain,
        "labelExpr": f"format(datum.value / {divisor}, ',.12~f')",
        "tickCount": 5,
        **side,
    }
    if units in ([], ["number"]):  # counts are whole numbers
        axis["tickMinStep"] = 1
        axis["labelExpr"] = f"datum.value % 1 ? '' : {axis['labelExpr']}"
    scale: dict[str, Any] = {"zero": True, "nice": True}
    if not largest:
        scale["domain"] = [0, 1]
        axis["values"] = [0]
    return {"field": "y", "type": "quantitative", "axis": axis, "scale": scale}


def _ordered_units(columns: Sequence[Column]) -> list[str]:
    order = ("count", "money", "rate", "percent", "points")
    return [unit for unit in order if any(column.unit == unit for column in columns)]
