"""Charts of a report: four presets, one that the person composes, and your own.

A chart draws values of a report's rows as they stand; it never computes a metric and never queries again.
`chart` and `blank_chart` give Altair charts; `report_charts` gives the drawings of a page, as inert SVG
made in this process.
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
from custdyn_widgets.render.charts.points import COLUMNS, points_of
from custdyn_widgets.render.charts.presets import (
    PRESETS,
    Preset,
    check_mark,
    own_presets,
    presets_of,
    register_preset,
)
from custdyn_widgets.render.charts.svg import inert_svg
from custdyn_widgets.render.charts.vegalite import PALETTE, SCHEMA, chart_spec
from custdyn_widgets.report import Column, Report
from custdyn_widgets.text import printable

if TYPE_CHECKING:
    import altair as alt

__all__ = [
    "BLANK",
    "PRESETS",
    "Preset",
    "blank_chart",
    "blank_spec",
    "chart",
    "chart_svg",
    "column_colour",
    "one_row_charts",
    "preset_mark",
    "preset_spec",
    "presets_of",
    "register_preset",
    "report_charts",
    "start_engine",
    "with_own_presets",
]

_Specs = dict[str, Callable[[], dict[str, Any]]]

BLANK = "Blank Chart"
_VEGALITE = "6.4"
_MANY_PLACES = 120  # more bars than that are thinner than a reader can tell apart
_GROUP_COLOURS = {
    "Clients": PALETTE[0],
    "Balance Refill": PALETTE[2],
    "Pay As You Go": PALETTE[4],
    "Packages": PALETTE[3],
}
_OWN_COLOUR = PALETTE[1]  # of columns that an analyst's own metric adds


def chart(report: Report, name: str) -> alt.TopLevelMixin:
    """Return a preset's chart of a report, as an Altair chart.

    Parameters
    ----------
    report
        A report with rows. Amounts are drawn in its currency, counts as they are.
    name
        A key of `PRESETS`, such as `Clients - Active: Qty`, or of the report's own presets.

    Raises
    ------
    QueryError
        If there is no preset of this name, or the report lacks a column of it or has no rows.
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
    """Return a chart that the person composed, as an Altair chart; parameters as in `blank_spec`."""
    return _altair(blank_spec(report, x, y, mark, second_axis, title))


def preset_spec(report: Report, name: str) -> dict[str, Any]:
    """Return a preset's chart as a Vega-Lite specification; errors as in `chart`."""
    known = PRESETS | presets_of(report)
    if name not in known:
        raise QueryError.not_allowed("chart", name, [*known])
    preset = known[name]
    return _spec(
        report, _own_x(report), _columns(report, "chart", preset.columns), preset.mark, (), name, preset=True
    )


def blank_spec(
    report: Report,
    x: str | None = None,
    y: str | Sequence[str] = (),
    mark: str = "line",
    second_axis: str | Sequence[str] = (),
    title: str | None = None,
) -> dict[str, Any]:
    """Return a chart that the person composed, as a Vega-Lite specification.

    Parameters
    ----------
    report
        A report with rows.
    x
        One of the report's headings, or a column's name to draw against numbers; default: time, else the
        package, else (a report of one row) a place for each column.
    y
        The names of one or more columns; default: `Clients - Active: Qty`, or the first column.
    mark
        `line`, `bar`, `stacked bar`, `area`, `point` or `stacked area`.
    second_axis
        The names of those columns of `y` that are measured on a second axis, at the right.
    title
        The chart's title; default: the columns' names.

    Raises
    ------
    QueryError
        If a name or mark is not one that the report or a chart has, or the report has no rows.
    """
    check_mark(mark)
    first = [c.name for c in report.columns[:1]]
    columns = _columns(report, "y", _names(y) or first)
    right = tuple(c.name for c in _columns(report, "second_axis", _names(second_axis)))
    for name in right:
        if name not in [c.name for c in columns]:
            raise QueryError.not_allowed("second_axis", name, [c.name for c in columns])
    allowed = [*report.headings, *([] if report.headings else [COLUMNS]), *(c.name for c in report.columns)]
    if x is not None and x not in allowed:
        raise QueryError.not_allowed("x", x, allowed)
    return _spec(report, x or _own_x(report), columns, mark, right, title, preset=False)


def chart_svg(chart: alt.TopLevelMixin | Mapping[str, Any]) -> str:
    """Return a chart as inert SVG, the same bytes each time.

    Parameters
    ----------
    chart
        An Altair chart or a Vega-Lite specification. Data must be in it: nothing is fetched.

    Raises
    ------
    CustDynError
        If the chart cannot be drawn without fetching something, or is no chart.
    """
    spec = dict(chart) if isinstance(chart, Mapping) else chart.to_dict()
    spec = _printable_spec(spec)
    try:
        svg = _drawn(json.dumps(spec))
    except (TypeError, ValueError) as error:
        reason = printable(" ".join(str(error).split()))[:200]
        raise QueryError(f"The chart cannot be drawn: {reason}", field="chart") from error
    return inert_svg(svg, str(spec.get("description", "") or _title(spec)))


@lru_cache(maxsize=16)  # what a notebook showed is drawn no second time when it is frozen
def _drawn(spec: str) -> str:
    import vl_convert  # late: loads a JavaScript engine

    svg: str = vl_convert.vegalite_to_svg(spec, vl_version=_VEGALITE, allowed_base_urls=[])
    return svg


def start_engine() -> None:
    """Start the JavaScript engine in a thread, where charts will be drawn soon: it takes half a second."""

    def start() -> None:
        with contextlib.suppress(Exception):  # a drawing will meet it again
            chart_svg({"data": {"values": []}, "mark": "point"})

    threading.Thread(target=start, name="custdyn-engine").start()


def report_charts(report: Report, drawn: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the drawings for a report's page: title to SVG, in order.

    First the charts that the report carries, then each preset whose columns the report has. A report of one
    row has, instead of presets of one bar each, a bar for each of their columns. No rows, no drawings.

    Parameters
    ----------
    report
        The report.
    drawn
        Drawings that another process made of this report, by title: taken where nothing in them has to be
        made inert, and drawn again otherwise.
    """
    if not report.rows:
        return {}
    presets = presets_of(report)
    own: _Specs = {t: partial(dict, s) for t, s in report.charts.items() if Preset.told_by(t, s) is None}
    if report.headings:
        preset: _Specs = {name: partial(preset_spec, report, name) for name in presets if name not in own}
        specs = own | preset
    else:
        row: _Specs = {
            title: partial(blank_spec, report, y=names, mark="bar", title=title)
            for title, names in one_row_charts(report).items()
        }
        specs = row | own
    return {title: _inert(drawn, title) or chart_svg(spec()) for title, spec in specs.items()}


def with_own_presets(report: Report) -> Report:
    """Return the report with this process's own presets among its charts, so that they go where it goes."""
    own = {} if not report.rows else {n: p for n, p in presets_of(report).items() if n in own_presets()}
    charts = {n: p.marked(preset_spec(report, n)) for n, p in own.items() if n not in report.charts}
    return replace(report, charts={**report.charts, **charts}) if charts else report


def _inert(drawn: Mapping[str, str] | None, title: str) -> str | None:
    """Return a drawing that another process made, if it is inert as it stands."""
    svg = drawn.get(title) if drawn else None
    try:
        return svg if isinstance(svg, str) and inert_svg(svg) == svg else None
    except CustDynError:
        return None


def column_colour(column: Column) -> str:
    """Return the colour that stands for a column's group on pages and in charts."""
    own = (colour for group, colour in _GROUP_COLOURS.items() if column.group.startswith(group))
    return next(own, _OWN_COLOUR)


def one_row_charts(report: Report) -> dict[str, list[str]]:
    """Return what is drawn for a report of one row, in place of presets of one bar: title to column names."""
    drawn = dict.fromkeys(name for preset in presets_of(report).values() for name in preset.columns)
    counts = [c for c in report.columns if c.unit == "count"]
    wanted = {
        "Clients at the end": [c.name for c in counts if c.group.startswith("Clients")],
        "Totals of the interval": [c.name for c in report.columns if c.name in drawn and c.unit == "money"],
        "Counts of the interval": [
            c.name for c in counts if c.name in drawn and not c.group.startswith("Clients")
        ],
    }
    return {title: names for title, names in wanted.items() if names}


def _spec(
    report: Report,
    x: str,
    columns: list[Column],
    mark: str,
    right: Sequence[str],
    title: str | None,
    *,
    preset: bool,
) -> dict[str, Any]:
    if not report.rows:
        raise QueryError(
            f"A report without rows has nothing to draw. {report.message or ''}".strip(), field="chart"
        )
    points = points_of(report, x, columns, joined=mark not in ("bar", "stacked bar", "point"))
    if preset and points.is_time:
        mark = preset_mark(mark, by_package=report.query.by_package, places=len(points.places))
        points = points_of(report, x, columns, joined="bar" not in mark)
    elif preset and mark == "line":
        mark = "bar"  # packages or columns side by side are no course of time
    words = ", ".join(c.name for c in columns)
    units = ", in " + report.currency if any(c.unit == "money" for c in columns) else ""
    by = " by " + " and ".join(report.query.group_by) if report.query.group_by else ""
    return chart_spec(
        points, columns, mark=mark, right=right, currency=report.currency, title=printable(title or words),
        colour=column_colour(columns[0]), description=printable(f"{title or words}{units}{by}"),
    )  # fmt: skip


def preset_mark(mark: str, *, by_package: bool, places: int) -> str:
    """Return a preset's mark over time: stacked where packages add up, an area where bars get thin."""
    if mark != "bar":
        return mark
    if by_package:
        return "stacked bar" if places <= _MANY_PLACES else "stacked area"
    return "bar" if places <= _MANY_PLACES else "area"


def _own_x(report: Report) -> str:
    return report.headings[0] if report.headings else COLUMNS


def _names(given: str | Sequence[str]) -> list[str]:
    return [given] if isinstance(given, str) else list(given)


def _columns(report: Report, field: str, names: Sequence[str]) -> list[Column]:
    by_name = {c.name: c for c in report.columns}
    for name in names:
        if name not in by_name:
            raise QueryError.not_allowed(field, name, [*by_name])
    return [by_name[name] for name in names]


def _title(spec: Mapping[str, Any]) -> str:
    title = spec.get("title", "Chart")
    text = title.get("text", "Chart") if isinstance(title, Mapping) else title
    return text if isinstance(text, str) else "Chart"


def _printable_spec(value: Any, *, is_data: bool = False) -> Any:
    """Return a specification without links, and without characters that would break the drawing."""
    if isinstance(value, str):
        return printable(value)
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
    import altair as alt  # late: takes a second

    drawn: alt.TopLevelMixin = alt.Chart.from_dict({**spec, "$schema": alt.SCHEMA_URL or SCHEMA})
    return drawn
