"""Drawings of a report's charts: Altair charts for notebooks, and inert SVG for pages.

SVG is drawn in this process, from the values in the report's rows: no metrics are computed and no query is
run.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from custdyn_widgets.errors import CustDynError, QueryError
from custdyn_widgets.files import load_jsonschema
from custdyn_widgets.render.charts.presets import BRIDGE, Preset, own_presets, presets_of
from custdyn_widgets.render.charts.specs import blank_spec, one_row_charts, preset_spec
from custdyn_widgets.render.charts.svg import INK, inert_svg
from custdyn_widgets.render.charts.vegalite import SCHEMA
from custdyn_widgets.report import Report
from custdyn_widgets.text import printable

if TYPE_CHECKING:
    import altair as alt

_Specs = dict[str, Callable[[], dict[str, Any]]]

_VEGALITE = "6.4"
_DARK_INK = "#1c2127"


def chart(report: Report, name: str) -> alt.TopLevelMixin:
    """Return the Altair chart for a preset.

    Parameters
    ----------
    report
        A report with rows. Amounts are drawn in its currency.
    name
        The name of a preset in `PRESETS`, such as `Clients - Active: Qty`, or in the report.

    Raises
    ------
    QueryError
        If there is no preset with this name, or the report lacks one of the preset's columns or has no rows.
    """
    return _altair(preset_spec(report, name))


def blank_chart(
    report: Report,
    x: str | None = None,
    y: str | Sequence[str] = (),
    mark: str = "line",
    second_axis: str | Sequence[str] = (),
    title: str | None = None,
) -> alt.TopLevelMixin:
    """Return a user-defined chart as an Altair chart; parameters as in `blank_spec`."""
    return _altair(blank_spec(report, x, y, mark, second_axis, title))


def chart_svg(chart: alt.TopLevelMixin | Mapping[str, Any]) -> str:
    """Return a chart as inert SVG. The result is deterministic.

    Parameters
    ----------
    chart
        An Altair chart or a Vega-Lite specification. It must contain its data, because nothing is fetched.

    Raises
    ------
    CustDynError
        If it is not a chart, or cannot be drawn without fetching something.
    """
    spec = dict(chart) if isinstance(chart, Mapping) else chart.to_dict()
    spec = _printable_spec(spec)
    try:
        svg = _drawn(json.dumps(spec))
    except (TypeError, ValueError) as error:
        reason = printable(" ".join(str(error).split()))[:200]
        raise QueryError(f"The chart cannot be drawn: {reason}", field="chart") from error
    return inert_svg(svg, str(spec.get("description", "") or _title(spec)))


@lru_cache(maxsize=16)  # so that charts shown in the notebook are not drawn again for the snapshot
def _drawn(spec: str) -> str:
    import vl_convert  # imported late because it loads a JavaScript engine

    svg: str = vl_convert.vegalite_to_svg(spec, vl_version=_VEGALITE, allowed_base_urls=[])
    return svg


def chart_png(svg: str) -> bytes:
    """Return an inert drawing as PNG at twice its size, dark on white so that it is readable anywhere."""
    import vl_convert  # imported late because it loads a JavaScript engine

    inked = svg.replace(f'color="{INK}"', f'color="{_DARK_INK}"', 1)
    grounded = inked.replace("</title>", '</title><rect width="100%" height="100%" fill="#ffffff"/>', 1)
    png: bytes = vl_convert.svg_to_png(grounded, scale=2)
    return png


@lru_cache(maxsize=1)
def browser_library() -> str:
    """Return a JavaScript module of about 1 MB that exports vega-embed with its dependencies."""
    import vl_convert  # imported late because it loads a JavaScript engine

    module: str = vl_convert.javascript_bundle("export default vegaEmbed;", vl_version=_VEGALITE)
    return module


def start_engine() -> None:
    """Start the JavaScript engine in a thread ahead of time, because starting it takes half a second."""

    def start() -> None:
        with contextlib.suppress(Exception):  # drawing the first chart will raise the error again
            chart_svg({"data": {"values": []}, "mark": "point"})

    threading.Thread(target=start, name="custdyn-engine").start()


def report_charts(report: Report, drawn: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the SVG drawings for a report's page, keyed by title, in the order in which they appear.

    These are the report's own charts, followed by each preset whose columns are in the report. If there is no
    grouping, charts with a bar for each of several columns replace the presets, which would have only one
    bar each. A report without rows has no drawings.

    Parameters
    ----------
    report
        The report.
    drawn
        Charts of this report that another process has drawn, by title. Inert ones are used; others are drawn
        again.
    """
    if not report.rows:
        return {}
    presets = presets_of(report)
    own: _Specs = {t: partial(dict, s) for t, s in report.charts.items() if Preset.read_from(t, s) is None}
    if report.headings:
        preset: _Specs = {name: partial(preset_spec, report, name) for name in presets if name not in own}
        specs = own | preset
    else:
        row: _Specs = {
            title: partial(blank_spec, report, y=names, mark="bar", title=title)
            for title, names in one_row_charts(report).items()
        }
        bridges: _Specs = {n: partial(preset_spec, report, n) for n, p in presets.items() if p.mark == BRIDGE}
        specs = row | bridges | own
    return {title: _inert(drawn, title) or chart_svg(spec()) for title, spec in specs.items()}


def with_own_presets(report: Report) -> Report:
    """Return the report with this process's own presets added to its charts, for use in other processes."""
    own = {} if not report.rows else {n: p for n, p in presets_of(report).items() if n in own_presets()}
    charts = {n: p.add_to(preset_spec(report, n)) for n, p in own.items() if n not in report.charts}
    return replace(report, charts={**report.charts, **charts}) if charts else report


def _inert(drawn: Mapping[str, str] | None, title: str) -> str | None:
    """Return a drawing created in another process, or None if it is missing or not inert."""
    svg = drawn.get(title) if drawn else None
    try:
        return svg if isinstance(svg, str) and inert_svg(svg) == svg else None
    except CustDynError:
        return None


def _title(spec: Mapping[str, Any]) -> str:
    title = spec.get("title", "Chart")
    text = title.get("text", "Chart") if isinstance(title, Mapping) else title
    return text if isinstance(text, str) else "Chart"


def _printable_spec(value: Any, *, is_data: bool = False) -> Any:
    """Return a specification without links or characters that would break the drawing."""
    if isinstance(value, str):
        return printable(value, isolates=True)
    if isinstance(value, Mapping):
        kept = ((str(key), item) for key, item in value.items() if is_data or key != "href")
        return {
            printable(key): _printable_spec(item, is_data=is_data or key in ("data", "datasets"))
            for key, item in kept
        }
    if isinstance(value, list | tuple):
        return [_printable_spec(item, is_data=is_data) for item in value]
    return value


def _altair(spec: dict[str, Any]) -> alt.TopLevelMixin:
    load_jsonschema()
    import altair as alt  # imported late because this takes a second

    drawn: alt.TopLevelMixin = alt.Chart.from_dict({**spec, "$schema": alt.SCHEMA_URL or SCHEMA})
    return drawn
