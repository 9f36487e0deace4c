"""Vega-Lite specifications for presets and user-defined charts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from custdyn_widgets.errors import QueryError
from custdyn_widgets.render.charts.before import with_period_before
from custdyn_widgets.render.charts.bridges import bridge_spec
from custdyn_widgets.render.charts.points import COLUMNS, points_of
from custdyn_widgets.render.charts.presets import BRIDGE, PRESETS, check_mark, presets_of, row_presets
from custdyn_widgets.render.charts.vegalite import PALETTE, chart_spec
from custdyn_widgets.report import Column, Report
from custdyn_widgets.text import isolate, printable

BLANK = "Blank Chart"
_MANY_CATEGORIES = 120  # more bars would be too thin to tell apart
_GROUP_COLOURS = {
    "Clients": PALETTE[0],
    "Balance Refill": PALETTE[2],
    "Pay As You Go": PALETTE[4],
    "Packages": PALETTE[3],
    "Balance Movement": PALETTE[5],
}
_OWN_COLOUR = PALETTE[1]  # for columns of custom metrics


def preset_spec(report: Report, name: str) -> dict[str, Any]:
    """Return the Vega-Lite specification of a preset; errors as in `chart`."""
    known = PRESETS | presets_of(report)
    if name not in known:
        raise QueryError.not_allowed("chart", name, [*known])
    preset = known[name]
    if preset.mark == BRIDGE and report.rows:
        return bridge_spec(report, preset)
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
    """Return the Vega-Lite specification of a user-defined chart.

    Parameters
    ----------
    report
        A report with rows.
    x
        One of the report's headings, or the name of a number column. Defaults to the first heading; without
        grouping, to a category for each column of `y`.
    y
        The names of one or more columns. Defaults to the first column of the report.
    mark
        `line`, `bar`, `stacked bar`, `area`, `point` or `stacked area`.
    second_axis
        The names of the columns of `y` that use a second axis, on the right.
    title
        The chart's title. Defaults to the names of the columns.

    Raises
    ------
    QueryError
        If a name is not in the report, the mark is unknown, or the report has no rows.
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


def column_colour(column: Column) -> str:
    """Return the colour of a column's group on pages and in charts."""
    own = (colour for group, colour in _GROUP_COLOURS.items() if column.group.startswith(group))
    return next(own, _OWN_COLOUR)


def one_row_charts(report: Report) -> dict[str, list[str]]:
    """Return the charts that replace presets if there is no grouping: column names by title."""
    drawn = dict.fromkeys(name for preset in row_presets(report) for name in preset.columns)
    # The movement of clients is shown by bridges instead.
    counts = [
        c
        for c in report.columns
        if (c.unit, c.part) == ("count", "value") and c.group != "Clients - Movement"
    ]
    wanted = {
        "Clients at the end": [c.name for c in counts if c.group.startswith("Clients")],
        "Totals for the interval": [c.name for c in report.columns if c.name in drawn and c.unit == "money"],
        "Counts for the interval": [
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
            f"There is nothing to draw: the report has no rows. {report.message or ''}".strip(), field="chart"
        )
    joined = mark not in ("bar", "stacked bar", "point")
    points = points_of(report, x, columns, joined=joined)
    if preset and points.is_time:
        mark = preset_mark(
            mark, is_shared=report.query.row_group is not None, categories=len(points.categories)
        )
        if joined != ("bar" not in mark):
            points = points_of(report, x, columns, joined=not joined)
    elif preset and mark == "line":
        mark = "bar"  # lines are used only for time, not for packages or columns
    names = ", ".join(c.name for c in columns)
    units = ", in " + report.currency if any(c.unit == "money" for c in columns) else ""
    by = " by " + " and ".join(report.query.group_by) if report.query.group_by else ""
    spec = chart_spec(
        points, columns, mark=mark, right=right, currency=report.currency, title=isolate(title or names),
        colour=column_colour(columns[0]), description=f"{isolate(title or names)}{printable(units)}{by}",
    )  # fmt: skip
    is_alone = preset and points.is_time and len(columns) == 1 and len(points.series) == 1
    return with_period_before(spec, report, x, columns[0], mark) if is_alone else spec


def preset_mark(mark: str, *, is_shared: bool, categories: int) -> str:
    """Return a preset's mark over time: an area if there are too many bars.

    The mark is stacked if packages or groups of clients share each bucket, because their flows add up.
    """
    if mark != "bar":
        return mark
    if is_shared:
        return "stacked bar" if categories <= _MANY_CATEGORIES else "stacked area"
    return "bar" if categories <= _MANY_CATEGORIES else "area"


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
