"""The points of a chart, taken from a report's rows without further computation.

This is the last step before drawing, and the only one that converts amounts to floats.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

from custdyn_widgets.render.charts.names import (
    LEGEND_ROOM,
    fitting_categories,
    fitting_columns,
    fitting_names,
    fitting_pairs,
)
from custdyn_widgets.report import MINUS, Column, Report, format_instant, format_value
from custdyn_widgets.text import isolate, printable, short_names

COLUMNS = "Columns"  # the x axis of a report without grouping, with a category for each column
MAX_SERIES = 7
MAX_POINTS = 4_000
MAX_FILLED = 20_000  # including zeros for omitted rows: one point for each category and series
MAX_CATEGORIES = 24
MAX_NAME = 120  # characters; the drawing library can take half a minute to measure longer names
_PERCENT = {"rate": 100, "points": 100}  # fractions are drawn as percentages
_TIME_HEADINGS = ("Year", "Month", "Date")
_CALENDAR = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?", re.ASCII)


@dataclass(frozen=True)
class Point:
    """A value to draw, with its position, series and exact text."""

    x: str | float
    y: float | None
    series: str
    column: str
    text: str
    partial: bool


@dataclass(frozen=True)
class Points:
    """The points of a chart.

    Attributes
    ----------
    x
        The x axis: a heading of the report, `Columns`, or the name of a number column.
    categories
        The categories on the x axis, in order; empty if x is numeric.
    values
        The points, in the order of the report's rows.
    series
        The series with their own colours, in order.
    others
        The grey series, largest first.
    notes
        Notes needed to understand the chart.
    """

    x: str
    categories: tuple[str, ...]
    values: tuple[Point, ...]
    series: tuple[str, ...]
    others: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def folded(self) -> int:
        """The number of grey series."""
        return len(self.others)

    @cached_property
    def legend(self) -> dict[str, str]:
        """The legend's name for each coloured series, unique among all series, including the grey ones."""
        names = (*self.series, *self.others)
        if not self.has_long_names:
            shown = _isolated(fitting_names(names, LEGEND_ROOM))
            return {name: shown[name] for name in self.series}
        column = {point.series: point.column for point in self.values}
        pairs = {name: (name.removesuffix(f" · {column.get(name)}"), column.get(name, "")) for name in names}
        lines = fitting_pairs(pairs.values())
        return {name: lines[pairs[name]] for name in self.series}

    @cached_property
    def has_long_names(self) -> bool:
        """Whether a name in the legend includes its column: `Gold · Balance Refill: Total`."""
        return any(point.series.endswith(f" · {point.column}") for point in self.values)

    @cached_property
    def axis(self) -> dict[str, str]:
        """The names of categories as shown on an axis."""
        if self.is_time:
            return {category: category for category in self.categories}
        return _isolated((fitting_columns if self.x == COLUMNS else fitting_categories)(self.categories))

    @property
    def is_time(self) -> bool:
        """Whether the x axis shows time."""
        return self.x in _TIME_HEADINGS

    @property
    def is_number(self) -> bool:
        """Whether the x axis shows a number column."""
        return not self.categories


def points_of(report: Report, x: str, columns: Sequence[Column], *, joined: bool) -> Points:
    """Return the points of the columns, plotted against x.

    Parameters
    ----------
    report
        A report with rows.
    x
        A heading of the report, `Columns`, or the name of a number column.
    columns
        The columns to draw.
    joined
        Whether lines join the points. If so, rows left out because all their values are zero get a point at
        zero, so that lines do not skip them.
    """
    shown = shown_names(report)
    found = list(_points(report, shown, x, columns))
    names = list(dict.fromkeys(p.series for p in found))
    # On a time axis, the partial bucket is marked instead.
    until = format_instant(report.info.effective_end, report.info.timezone)
    cut = [f"Partial: until {until}"] if report.is_partial and x not in _TIME_HEADINGS else []
    is_shared = bool(report.query.row_group) and x != report.headings[-1] and len(names) > 1
    ranked = _ranked(names, found) if is_shared else names
    fills = joined and x in _TIME_HEADINGS
    kept, dropped = _within_limit(ranked, found, len(_categories(x, found)) if fills else 1)
    notes = [*cut, *([f"Smaller series not drawn: {dropped:,}; the table has them all."] if dropped else [])]
    if dropped:
        drawn = set(kept)
        found = [p for p in found if p.series in drawn]
    categories = _categories(x, found)
    if categories and x not in _TIME_HEADINGS and len(categories) > MAX_CATEGORIES:
        notes.append(f"The {MAX_CATEGORIES} largest of {len(categories):,}; the table has them all.")
        categories = _largest(categories, found)
        largest = set(categories)
        found = [p for p in found if p.x in largest]
    if fills and len(kept) > 1:
        found = list(_with_zeros(found, kept, categories, columns))
    coloured = kept if len(kept) <= MAX_SERIES else kept[: MAX_SERIES - 1]
    others = kept[len(coloured) :]
    if is_shared:
        coloured = _by_colour(report, shown, names, coloured)
    return Points(x, categories, tuple(found), tuple(coloured), tuple(others), tuple(notes))


def _isolated(names: Mapping[str, str]) -> dict[str, str]:
    return {name: isolate(shown) for name, shown in names.items()}


def shown_names(report: Report) -> dict[str, str]:
    """Map row labels to distinct names for charts.

    Names are on a single line; long ones are shortened but still differ. Names that would look the same are
    numbered.
    """
    printed: dict[str, str] = {}
    taken: set[str] = set()
    numbers: dict[str, int] = defaultdict(lambda: 1)
    for label in dict.fromkeys(label for row in report.rows for label in row.labels):
        name = first = printable(label)
        while name in taken:
            numbers[first] += 1
            name = f"{first} ({numbers[first]})"
        taken.add(name)
        printed[label] = name
    names = short_names(printed.values(), MAX_NAME)
    return {label: names[name] for label, name in printed.items()}


def _points(report: Report, shown: Mapping[str, str], x: str, columns: Sequence[Column]) -> Iterator[Point]:
    """Yield a point for each row and column, except for rows without a value on a numeric x axis."""
    isolated = {label: isolate(name) for label, name in shown.items()}
    at_label = report.headings.index(x) if x in report.headings else None
    at_value = report.column(x) if at_label is None and x != COLUMNS else None
    timed = any(heading in _TIME_HEADINGS for heading in report.headings)
    units = {"money": f" {report.currency}"}
    drawn = [(c, report.column(c.name), isolate(c.name), units.get(c.unit, "")) for c in columns]
    several = len(columns) > 1 and x != COLUMNS
    for row in report.rows:
        at: str | float | None = None if at_label is None else shown[row.labels[at_label]]
        if at_value is not None:
            value = row.values[at_value]
            if value is None:
                continue
            at = float(value)
        rest = [shown[label] for place, label in enumerate(row.labels) if place != (at_label or 0)]
        series = " · ".join(rest)
        names = "".join(f"{isolated[label]} · " for label in row.labels)
        cut = ", partial" if row.partial and timed else ""
        for column, place, name, unit in drawn:
            value = row.values[place]
            number = format_value(value, column, report.currency).replace("-", MINUS)  # as shown on the axis
            yield Point(
                x=column.name if x == COLUMNS else at,  # type: ignore[arg-type]  # at is None only for Columns
                y=None if value is None else float(value * _PERCENT.get(column.unit, 1)),
                series=" · ".join([*rest, column.name]) if several else series,
                column=column.name,
                text=f"{names}{name}: {number}{unit}{cut}",
                partial=bool(cut),
            )


def _ranked(names: list[str], found: Sequence[Point]) -> list[str]:
    """Return the package series in order of their size in the drawing, largest first.

    The size of a series is its share of its column's total, so that counts and amounts are comparable.
    """
    columns: dict[str, float] = defaultdict(float)
    for point in found:
        columns[point.column] += abs(point.y or 0)
    sizes: dict[str, float] = defaultdict(float)
    for point in found:
        sizes[point.series] += abs(point.y or 0) / (columns[point.column] or 1)
    return sorted(names, key=lambda name: -sizes[name])


def _by_colour(
    report: Report, shown: Mapping[str, str], names: Sequence[str], chosen: list[str]
) -> list[str]:
    """Return the package series that have a colour of their own, in the order of the colours.

    The packages with the most clients get the first colours, so each has the same colour in every chart.
    """
    position = len(report.headings) - 1
    clients: dict[str, int] = defaultdict(int)
    for row in report.rows:
        first = row.values[0]
        clients[shown[row.labels[position]]] += abs(int(first)) if first is not None else 0
    # A series is a package, or a package and a column. Package names may also contain " · ".
    package = {name: name if name in clients else name.rpartition(" · ")[0] for name in names}
    usual = sorted(names, key=lambda name: -clients[package[name]])[: len(chosen)]
    others = iter([name for name in chosen if name not in usual])
    return [name if name in chosen else next(others) for name in usual]


def _within_limit(ranked: list[str], found: Sequence[Point], categories: int) -> tuple[list[str], int]:
    """Return the series to draw, and how many were left out.

    Even a few points can have so many series and categories that filling gaps adds far too many zeros.
    """
    fits = len(found) <= MAX_POINTS and len(ranked) * categories <= MAX_FILLED
    if fits or len(ranked) <= MAX_SERIES:
        return ranked, 0
    return ranked[:MAX_SERIES], len(ranked) - MAX_SERIES


def _largest(categories: Sequence[str], found: Sequence[Point]) -> tuple[str, ...]:
    size: dict[str | float, float] = defaultdict(float)
    for point in found:
        size[point.x] = max(size[point.x], abs(point.y or 0))
    chosen = set(sorted(categories, key=lambda category: -size[category])[:MAX_CATEGORIES])
    return tuple(category for category in categories if category in chosen)


def _categories(x: str, found: Sequence[Point]) -> tuple[str, ...]:
    """Return the categories on the x axis. On a time axis, include buckets without rows."""
    names = tuple(dict.fromkeys(p.x for p in found if isinstance(p.x, str)))
    if x not in _TIME_HEADINGS or len(names) < 2 or not all(_CALENDAR.fullmatch(n) for n in names):
        return names
    return tuple(_calendar(x, min(names), max(names)))


def _calendar(heading: str, first: str, last: str) -> Iterator[str]:
    if heading == "Year":
        yield from (f"{year:04}" for year in range(int(first), int(last) + 1))
    elif heading == "Month":
        a, b = (int(text[:4]) * 12 + int(text[5:]) - 1 for text in (first, last))
        yield from (f"{m // 12:04}-{m % 12 + 1:02}" for m in range(a, b + 1))
    else:
        start, end = date.fromisoformat(first), date.fromisoformat(last)
        yield from ((start + timedelta(days=d)).isoformat() for d in range((end - start).days + 1))


def _with_zeros(
    found: Sequence[Point], series: Sequence[str], categories: Sequence[str], columns: Sequence[Column]
) -> Iterator[Point]:
    """Yield the points, with a zero for each row that was left out; undefined averages remain gaps."""
    present = {(p.x, p.series): p for p in found}
    column_of = {p.series: p.column for p in found}
    averages = {c.name for c in columns if "Avg" in c.label or c.unit not in ("count", "money")}
    for category in categories:
        for name in series:
            point = present.get((category, name))
            if point is None:
                column = column_of[name]
                point = Point(category, None if column in averages else 0.0, name, column, "", False)
            yield point
