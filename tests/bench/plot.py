"""The plot of the benchmark's page, as SVG on white: seconds by contender, by rows and by buckets.

The bars, each named, are the legend of the lines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd
import vl_convert

from . import growth
from .runner import Figure
from .steps import CACHED, FIRST, MONTHS, PANDAS, POLARS, POLARS_CHECKED, SQL, SQL_CHECKED

# Hues that colour-blind people can tell apart; lighter where checks or facts are in the time.
COLOURS = {
    CACHED: "#0072B2",
    FIRST: "#6AAED6",
    SQL: "#D55E00",
    SQL_CHECKED: "#F0A36B",
    POLARS: "#009E73",
    POLARS_CHECKED: "#7CCDB4",
}
WIDTH = 640


def draw(figures: Mapping[int, Sequence[Figure]]) -> str:
    """Return the SVG of the figures by rows."""
    rows = max(figures)
    lines = alt.hconcat(
        _lines(growth.by_rows(figures), "rows, 24 months"),
        _lines(growth.by_buckets(figures[rows]), f"buckets, {rows:,} rows"),
        spacing=60,
    )
    chart = alt.vconcat(_bars(figures[rows], rows), lines, spacing=30).configure(
        background="white", padding=12, view=alt.ViewConfig(stroke=None)
    )
    svg: str = vl_convert.vegalite_to_svg(chart.to_dict())
    return svg


def _bars(figures: Sequence[Figure], rows: int) -> Any:
    seconds = {f.step.name: f.median("first_call") for f in figures if f.step.question == MONTHS}
    names = [name for name in COLOURS if name in seconds]
    data = pd.DataFrame({"name": names, "seconds": [seconds[name] for name in names]})
    title = alt.TitleParams(
        f"24 months of {rows:,} rows, first call",
        subtitle=f"not drawn: naive pandas, {seconds[PANDAS]:.1f} s",
    )
    base = alt.Chart(data, title=title).encode(
        x=alt.X("seconds:Q", title="seconds, imports not included", axis=alt.Axis(tickCount=6)),
        y=alt.Y("name:N", title=None, sort=names, axis=alt.Axis(labelLimit=240, ticks=False, domain=False)),
    )
    bars = base.mark_bar(height={"band": 0.7}).encode(color=_colour(names))
    text = base.mark_text(align="left", dx=4, fill="#333").encode(text=alt.Text("seconds:Q", format=".2f"))
    return (bars + text).properties(width=WIDTH, height=24 * len(names))


def _lines(points: Sequence[growth.Point], title: str) -> Any:
    names = [name for name in COLOURS if any(p.name == name for p in points)]
    counts = sorted({p.count for p in points})
    axis = alt.Axis(values=counts, format=",d", labelOverlap="greedy", grid=False)
    encoded = alt.Chart(pd.DataFrame(points), title=f"Growth with {title}").encode(
        x=alt.X("count:Q", title=None, scale=alt.Scale(zero=True, nice=False), axis=axis),
        y=alt.Y("seconds:Q", title="seconds", scale=alt.Scale(zero=True), axis=alt.Axis(tickCount=5)),
        color=_colour(names),
    )
    return encoded.mark_line(point=True).properties(width=(WIDTH - 110) // 2, height=180)


def _colour(names: Sequence[str]) -> Any:
    scale = alt.Scale(domain=list(names), range=[COLOURS[name] for name in names])
    return alt.Color("name:N", scale=scale, legend=None)


def draw_large(figures: Mapping[int, Sequence[Figure]]) -> str:
    """Return the SVG of seconds and of peak memory by rows, both on logarithmic scales."""
    points = [
        {
            "rows": rows,
            "name": f.step.name,
            "seconds": f.median("first_call"),
            "GB": (f.median("peak_mb") or 0) / 1000,
        }
        for rows, found in sorted(figures.items())
        for f in found
        if f.step.question == MONTHS and not f.missing
    ]
    here = [point for point in points if not point["name"].startswith("PostgreSQL")]  # a server has its own
    chart = alt.hconcat(
        _log_lines(points, "seconds", "Seconds of the first call, imports not included"),
        _log_lines(here, "GB", "Peak memory of the process in GB"),
        spacing=40,
    )
    chart = chart.configure(background="white", padding=12, view=alt.ViewConfig(stroke=None))
    svg: str = vl_convert.vegalite_to_svg(chart.to_dict())
    return svg


def _log_lines(points: Sequence[Mapping[str, Any]], measure: str, title: str) -> Any:
    rows = sorted({point["rows"] for point in points})
    axis = alt.Axis(values=rows, format="~s", grid=False)
    encoded = alt.Chart(pd.DataFrame(points), title=title).encode(
        x=alt.X("rows:Q", title="rows", scale=alt.Scale(type="log", nice=False), axis=axis),
        y=alt.Y(f"{measure}:Q", title=None, scale=alt.Scale(type="log")),
        color=alt.Color(
            "name:N",
            title=None,
            sort=list(dict.fromkeys(point["name"] for point in points)),
            legend=alt.Legend(orient="bottom", columns=3, labelLimit=300),
        ),
    )
    return encoded.mark_line(point=True).properties(width=360, height=280)


def draw_shapes(ratios: Mapping[str, float], target: float) -> str:
    """Return the SVG of a ratio for each shape of ledger, with the target as a line."""
    names = list(ratios)
    data = pd.DataFrame({"name": names, "ratio": list(ratios.values())})
    x = alt.X("ratio:Q", title="ours ÷ SQL, seconds of whole processes", scale=alt.Scale(zero=True))
    axis = alt.Axis(labelLimit=380, ticks=False, domain=False)
    bars = alt.Chart(data).encode(x=x, y=alt.Y("name:N", title=None, sort=names, axis=axis))
    text = bars.mark_text(align="left", dx=4, fill="#333").encode(text=alt.Text("ratio:Q", format=".2f"))
    line = alt.Chart(pd.DataFrame({"ratio": [target]})).mark_rule(color="#D55E00", strokeDash=[4, 3])
    chart = bars.mark_bar(height={"band": 0.7}, color="#6AAED6") + text + line.encode(x="ratio:Q")
    chart = chart.properties(width=WIDTH, height=22 * len(names))
    chart = chart.configure(background="white", padding=12, view=alt.ViewConfig(stroke=None))
    svg: str = vl_convert.vegalite_to_svg(chart.to_dict())
    return svg
