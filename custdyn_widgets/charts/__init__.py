"""Charts of a report: four presets, one that the person composes, and your own.

A chart draws values of a report's rows as they stand; it never computes a metric and never queries again.
`chart` and `blank_chart` give Altair charts; `report_charts` gives the drawings of a page, as inert SVG
made in this process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from custdyn_widgets.charts.points import COLUMNS, points_of
from custdyn_widgets.charts.svg import inert_svg
from custdyn_widgets.charts.vegalite import MARKS, PALETTE, SCHEMA, chart_spec
from custdyn_widgets.display import printable
from custdyn_widgets.errors import QueryError
from custdyn_widgets.report import Column, Report
from custdyn_widgets.schemas import load_jsonschema

if TYPE_CHECKING:
    import altair as alt

BLANK = "Blank Chart"
_VEGALITE = "6.4"
_MANY_PLACES = 120  # more bars than that are thinner than a reader can tell apart
_GROUP_COLOURS = {
    "Clients": PALETTE[0],
    "Balance Refill": PALETTE[2],
    "Pay As You Go": PALETTE[4],
    "Packages": PALETTE[3],
}


@dataclass(frozen=True)
class Preset:
    """A chart by name.

    Attributes
    ----------
    name
        Its name, which is also the chart's title.
    columns
        The one-level names of the columns that it draws.
    mark
        One of `MARKS`. Bars of packages over time are stacked: flows of packages add up.
    description
        What it shows, in a sentence.
    """

    name: str
    columns: tuple[str, ...]
    mark: str
    description: str


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            "Clients - Active: Qty", ("Clients - Active: Qty",), "line",
            "Clients that are alive and paid for a use within the active duration, at the end of each row.",
        ),
        Preset(
            "Balance Refill: Total", ("Balance Refill: Total",), "bar",
            "What clients paid onto their balances in each row.",
        ),
        Preset(
            "Pay as you Go: Total", ("Pay As You Go: Total",), "bar",
            "What clients spent on usage in each row, less reversals.",
        ),
        Preset(
            "Packages: Renew Total", ("Packages: Renew Total",), "bar",
            "What package renewals brought in each row, less reversals.",
        ),
    )
}  # fmt: skip


def register_preset(name: str, columns: str | Sequence[str], mark: str, description: str) -> Preset:
    """Add a chart to the presets, or replace the one of this name, and return it.

    For example `register_preset("Renewals", "Packages: Renew Qty", "bar", "How many were renewed.")`.

    Raises
    ------
    QueryError
        If the mark is not one of `MARKS`. Columns are looked up when a report is drawn.
    """
    _check_mark(mark)
    PRESETS[name] = Preset(name, tuple(_names(columns)), mark, description)
    return PRESETS[name]


def chart(report: Report, name: str) -> alt.TopLevelMixin:
    """Return a preset's chart of a report, as an Altair chart.

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
    if name not in PRESETS:
        raise QueryError.not_allowed("chart", name, [*PRESETS])
    preset = PRESETS[name]
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
    _check_mark(mark)
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
    import vl_convert  # late: loads a JavaScript engine

    spec = dict(chart) if isinstance(chart, Mapping) else chart.to_dict()
    spec = _printable_spec(spec)
    try:
        svg = vl_convert.vegalite_to_svg(spec, vl_version=_VEGALITE, allowed_base_urls=[])
    except ValueError as error:
        reason = printable(" ".join(str(error).split()))[:200]
        raise QueryError(f"The chart cannot be drawn: {reason}", field="chart") from error
    return inert_svg(svg, str(spec.get("description", "") or _title(spec)))


def report_charts(report: Report) -> dict[str, str]:
    """Return the drawings for a report's page: title to SVG, in order.

    First the charts that the report carries, then each preset whose columns the report has. A report of one
    row has, instead of presets of one bar each, a bar for each of their columns. No rows, no drawings.
    """
    if not report.rows:
        return {}
    specs = dict(report.charts)
    if report.headings:
        for name, preset in PRESETS.items():
            if name not in specs and _has(report, preset.columns):
                specs[name] = preset_spec(report, name)
    else:
        specs = {**_one_row_specs(report), **specs}
    return {title: chart_svg(spec) for title, spec in specs.items()}


def column_colour(column: Column) -> str:
    """Return the colour that stands for a column's group on pages and in charts."""
    own = (colour for group, colour in _GROUP_COLOURS.items() if column.group.startswith(group))
    return next(own, PALETTE[0])


def one_row_charts(report: Report) -> dict[str, list[str]]:
    """Return what is drawn for a report of one row, in place of presets of one bar: title to column names."""
    drawn = dict.fromkeys(name for preset in PRESETS.values() for name in preset.columns)
    columns = [c for c in report.columns if c.name in drawn]
    money = [c.name for c in columns if c.unit == "money"]
    counts = [c.name for c in report.columns if c.unit == "count" and c.group.startswith("Clients")]
    wanted = {"Clients at the end": counts, "Totals of the interval": money}
    return {title: names for title, names in wanted.items() if names}


def _one_row_specs(report: Report) -> dict[str, Any]:
    return {
        title: blank_spec(report, y=names, mark="bar", title=title)
        for title, names in one_row_charts(report).items()
    }


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


def _has(report: Report, names: Sequence[str]) -> bool:
    return set(names) <= {c.name for c in report.columns}


def _columns(report: Report, field: str, names: Sequence[str]) -> list[Column]:
    by_name = {c.name: c for c in report.columns}
    for name in names:
        if name not in by_name:
            raise QueryError.not_allowed(field, name, [*by_name])
    return [by_name[name] for name in names]


def _check_mark(mark: str) -> None:
    if mark not in MARKS:
        raise QueryError.not_allowed("mark", mark, MARKS)


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
