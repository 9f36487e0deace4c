"""Bridges (waterfall charts): bars that show how an opening figure becomes a closing one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from custdyn_widgets.render.charts.axes import y_axis
from custdyn_widgets.render.charts.presets import Preset
from custdyn_widgets.render.charts.style import HEIGHT, WIDTH, frame, style
from custdyn_widgets.render.charts.vegalite import NUMBER_ROOM, PALETTE, SCHEMA
from custdyn_widgets.report import MINUS, Column, Report, format_instant, format_value

_DOWN = ("Clients - Movement: Lapsed", "Clients - Movement: Closed")  # counts drawn as decreases
_COLOURS = {"total": PALETTE[0], "up": PALETTE[2], "down": PALETTE[4]}
_DIGIT = 7  # pixels
_SUFFIXES = ((0, ""), (3, "k"), (6, "M"), (9, "G"), (12, "T"))


def bridge_spec(report: Report, preset: Preset) -> dict[str, Any]:
    """Return the Vega-Lite specification of a bridge for the Total or the only row."""
    row = report.total or report.rows[-1]
    columns = [report.columns[report.column(name)] for name in preset.columns]
    signs = [-1 if name in _DOWN else 1 for name in preset.columns]
    exact = [
        sign * Decimal(row.values[report.column(name)] or 0)
        for sign, name in zip(signs, preset.columns, strict=True)
    ]
    steps = list(_steps(exact, columns, report.currency))
    y = y_axis([step[end] for step in steps for end in ("y", "y2")], columns, report.currency)
    highest, lowest = (pick(0, *(pick(s["y"], s["y2"]) for s in steps)) for pick in (max, min))
    if highest > lowest:
        y["scale"]["domainMax"] = highest + (highest - lowest) * NUMBER_ROOM
    until = format_instant(report.info.effective_end, report.info.timezone)
    notes = [f"Partial: until {until}"] if row.partial and report.is_partial else []
    units = f", in {report.currency}" if columns[0].unit == "money" else ""
    return {
        "$schema": SCHEMA,
        "title": {"text": preset.name, **({"subtitle": notes} if notes else {})},
        "description": f"{preset.name}{units}",
        **frame(HEIGHT + 16 * len(notes)),
        "data": {"values": steps},
        "layer": _layers(y, [step["x"] for step in steps]),
        "config": style(),
    }


def _steps(exact: Sequence[Decimal], columns: Sequence[Column], currency: str) -> Iterator[dict[str, Any]]:
    """Yield the bars. `y` and `y2` are the ends of a bar, and `level` is where the next bar starts."""
    numbers = _short_numbers(exact, columns, currency)
    level = Decimal(0)
    last = len(exact) - 1
    for place, (value, column, number) in enumerate(zip(exact, columns, numbers, strict=True)):
        is_total = place in (0, last)
        start = Decimal(0) if is_total else level
        level = start + value
        text = format_value(abs(value) if column.unit == "money" else int(abs(value)), column, currency)
        sign = _sign(value, is_total=is_total)
        unit = f" {currency}" if column.unit == "money" else ""
        yield {
            "x": column.label,
            "next": columns[min(place + 1, last)].label,
            "y": float(level),
            "y2": float(start),
            "level": float(level),
            "top": float(max(start, level)),
            "kind": "total" if is_total else "down" if value < 0 else "up",
            "number": number if number == "0" else sign + number,
            "told": f"{column.name}: {sign}{text}{unit}",
        }


def _sign(value: Decimal, *, is_total: bool) -> str:
    return MINUS if value < 0 else "+" if value and not is_total else ""


def _short_numbers(exact: Sequence[Decimal], columns: Sequence[Column], currency: str) -> list[str]:
    """Return the numbers above the bars, without signs: in full if they fit, otherwise abbreviated."""
    sizes = [abs(value) for value in exact]
    room = (WIDTH - 60) / len(sizes) / _DIGIT - 1
    full = [
        format_value(size if c.unit == "money" else int(size), c, currency)
        for size, c in zip(sizes, columns, strict=True)
    ]
    forms = [full, *([_scaled(size, power, suffix) for size in sizes] for power, suffix in _SUFFIXES)]
    return next((form for form in forms if max(map(len, form)) <= room), forms[-1])


def _scaled(size: Decimal, power: int, suffix: str) -> str:
    if size < 1_000:
        return f"{size:.0f}"
    scaled = size.scaleb(-power)
    digits = 1 if suffix and scaled < 100 else 0
    text = f"{scaled:,.{digits}f}"
    return text + suffix


def _layers(y: dict[str, Any], labels: Sequence[str]) -> list[dict[str, Any]]:
    axis: dict[str, Any] = {"title": None, "labelAngle": -40 if len(labels) > 6 else 0, "labelPadding": 6}
    if len(labels) > 6:
        axis |= {"labelAlign": "right", "labelBaseline": "top"}
    bands = {"domain": list(labels), "paddingInner": 0.25, "paddingOuter": 0.1}
    x = {"field": "x", "type": "nominal", "sort": None, "scale": bands, "axis": axis}
    colour = {
        "field": "kind",
        "type": "nominal",
        "scale": {"domain": [*_COLOURS], "range": [*_COLOURS.values()]},
        "legend": None,
    }
    told = {"description": {"field": "told"}, "tooltip": {"field": "told"}}
    return [
        {
            "mark": {"type": "rule", "color": "currentColor", "opacity": 0.5, "aria": False},
            "encoding": {"x": x, "x2": {"field": "next"}, "y": {**y, "field": "level"}},
        },
        {
            "mark": {"type": "bar"},
            "encoding": {"x": x, "y": y, "y2": {"field": "y2"}, "color": colour, **told},
        },
        {
            "mark": {"type": "text", "dy": -8, "fontSize": 12, "color": "currentColor", "aria": False},
            "encoding": {"x": x, "y": {**y, "field": "top"}, "text": {"field": "number"}},
        },
    ]
