"""The chart to look into, as the drawing library draws it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from decimal import Decimal

import pytest
import vl_convert

from custdyn_widgets.render.charts.live import can_zoom, live_spec
from custdyn_widgets.render.charts.presets import presets_of
from custdyn_widgets.render.charts.specs import blank_spec, preset_spec
from custdyn_widgets.report.report import Report, Row
from tests.make_report import make_report

_BAR = re.compile(r'd="M([\d.]+),([\d.]+)h([\d.]+)v([\d.]+)')
_NUMBER = re.compile(r"translate\(([\d.]+),(-?[\d.]+)\)[^>]*>([^<]*)<")
_DIGIT = 6.7  # pixels of the widest in these letters


def drawn(report: Report, width: int) -> tuple[list[tuple[float, ...]], list[tuple[str, ...]], float]:
    """Return the bars, the numbers beside them, and the height of the plot."""
    spec = live_spec(blank_spec(report, y="Balance Refill: Total", mark="bar")) | {"width": width}
    svg = vl_convert.vegalite_to_svg(spec, vl_version="6.4")
    bars, numbers = (
        re.search(rf'class="mark-{kind} role-mark.*?</g>', svg, re.DOTALL)[0] for kind in ("rect", "text")
    )
    height = re.search(r'class="background"[^>]*d="M[\d.]+,[\d.]+h[\d.]+v([\d.]+)', svg)[1]
    return (
        [tuple(map(float, found)) for found in _BAR.findall(bars)],
        _NUMBER.findall(numbers),
        float(height),
    )


@pytest.mark.parametrize("signs", [(1, -1), (-1, 1), (-1, -1)])
def test_on_a_page_the_number_of_a_negative_bar_stands_above_the_axis_too(signs):
    spec = blank_spec(some(2, signs), y="Balance Refill: Total", mark="bar")
    svg = vl_convert.vegalite_to_svg(spec, vl_version="6.4")
    numbers = _NUMBER.findall(re.search(r'class="mark-text role-mark.*?</g>', svg, re.DOTALL)[0])
    height = re.search(r'class="background"[^>]*d="M[\d.]+,[\d.]+h[\d.]+v([\d.]+)', svg)[1]
    assert len(numbers) == 2
    assert all(float(y) <= float(height) - 1 for _, y, _ in numbers)


def some(months: int, signs: tuple[int, ...]) -> Report:
    report = make_report(months)
    rows = zip(report.rows, signs, strict=True)
    return replace(report, rows=tuple(signed(row, sign) for row, sign in rows))


def signed(row: Row, sign: int) -> Row:
    values = tuple(sign * v if isinstance(v, Decimal) else v for v in row.values)
    return replace(row, values=values, partial=False)


@pytest.mark.parametrize("signs", [(1,), (1, 1, 1), (1, -1), (-1, 1, -1), (-1, -1)])
@pytest.mark.parametrize("width", [250, 600, 900])
def test_each_number_stands_in_the_middle_beyond_its_own_bar_and_within_the_plot(signs, width):
    bars, numbers, height = drawn(some(len(signs), signs), width)
    assert len(bars) == len(numbers) == len(signs)
    for sign, (left, top, wide, high), (x, y, text) in zip(signs, bars, numbers, strict=True):
        assert float(x) == pytest.approx(left + wide / 2, abs=1)
        assert len(text) * _DIGIT <= wide
        below = sign < 0
        assert float(y) > top + high if below else float(y) < top
        assert 9 <= float(y) <= height - (1 if below else 0)
    if width == 900:
        assert all(text for _, _, text in numbers)


@pytest.mark.parametrize("days", [3, 20])
def test_no_day_after_the_last_one_is_named(days: int) -> None:
    report = make_report(1)
    labels = [f"2021-01-{day:02}" for day in range(1, days + 1)]
    rows = tuple(replace(report.rows[0], labels=(label,)) for label in labels)
    by_day = replace(report, rows=rows, query=replace(report.query, group_by=("date",)), headings=("Date",))
    spec = live_spec(blank_spec(by_day, y="Balance Refill: Total", mark="bar")) | {"width": 3000}
    svg = vl_convert.vegalite_to_svg(spec, vl_version="6.4")
    axis = re.search(r'class="mark-text role-axis-label.*?</g>', svg, re.DOTALL)[0]
    assert [found for found in re.findall(r">([^<]*)</text>", axis) if found] == labels


@pytest.mark.parametrize("name", ["2021", "2021-99", "9999-12-31"])
def test_a_package_whose_name_looks_like_a_date_is_not_drawn_as_a_time(name: str) -> None:
    report = make_report(1, packages=(name,))
    rows = tuple(replace(row, labels=row.labels[1:]) for row in report.rows)
    query = replace(report.query, group_by=("package",))
    by_package = replace(report, headings=("Package Name",), rows=rows, query=query, total=None)
    spec = live_spec(blank_spec(by_package, y="Balance Refill: Total", mark="bar"))
    assert spec["layer"][0]["layer"][0]["encoding"]["x"]["type"] == "nominal"


def test_a_long_legend_makes_the_drawing_taller_and_not_its_plot_flatter() -> None:
    report = make_report(12, tuple(f"Package {i}" for i in range(12)))
    columns = ["Packages: Renew Total", "Clients - Overall Active: Balance Pos"]
    heights = {
        count: live_spec(blank_spec(report, "Month", columns[:count], "line"))["height"] for count in (1, 2)
    }
    assert heights[2] >= heights[1] + 3 * 16 >= 320 + 3 * 16


@pytest.mark.parametrize("rows", [1, 12])
def test_every_live_chart_shows_values_under_the_pointer_in_one_layer(rows: int) -> None:
    report = make_report(rows)
    specs = [preset_spec(report, name) for name in presets_of(report)]
    specs += [blank_spec(report, y="Balance Refill: Total", mark=mark) for mark in ("bar", "line", "area")]
    for spec in specs:
        described = sum("tooltip" in layer for layer in map(json.dumps, spec["layer"]))
        live = live_spec(spec)
        assert sum("tooltip" in layer for layer in map(json.dumps, live["layer"])) == max(1, described)
        assert len(live["layer"]) == len(spec["layer"]) + (not described)


@pytest.mark.parametrize(
    ("group", "labels", "unit", "step", "last"),
    [
        ("year", ("2020", "2021"), "utcyear", 366, 1_609_459_200_000),
        ("month", ("2021-01", "2021-03"), "utcyearmonth", 31, 1_614_556_800_000),
        ("date", ("2021-01-30", "2021-02-01"), "utcyearmonthdate", 1, 1_612_137_600_000),
    ],
)
@pytest.mark.parametrize("mark", ["line", "bar"])
def test_an_axis_of_time_has_at_most_one_label_for_each_bucket_until_the_last(
    group: str, labels: tuple[str, ...], unit: str, step: int, last: int, mark: str
) -> None:
    report = make_report(1)
    rows = tuple(replace(report.rows[0], labels=(label,)) for label in labels)
    query = replace(report.query, group_by=(group,))
    report = replace(report, rows=rows, query=query, headings=(group.title(),))
    spec = blank_spec(report, y="Balance Refill: Total", mark=mark)
    live = live_spec(spec)
    assert can_zoom(spec)
    for layer in live["layer"][0]["layer"]:
        x = layer["encoding"]["x"]
        assert (x["type"], x["timeUnit"], x["axis"]["tickMinStep"]) == ("temporal", unit, step * 86_400_000)
        assert x["axis"]["labelExpr"].endswith(f"datum.value <= {last} ? datum.label : ''")
        assert layer["mark"]["clip"] is (layer["mark"].get("filled") is not False)  # rings are whole
        middle = mark == "bar" and layer["mark"]["type"] != "bar"  # numbers and rings, not bars
        assert x.get("bandPosition") == (0.5 if middle else None)
    assert live["layer"][0]["layer"][0]["params"][0]["bind"] == "scales"
    assert live["height"] == 320
    assert "params" not in str(spec)  # the page's own chart is left as it is


@pytest.mark.parametrize("mark", ["line", "area", "point"])
def test_the_ring_of_a_partial_month_is_whole_and_gone_when_zoomed_out(mark: str) -> None:
    report = make_report(6)
    rows = tuple(replace(row, partial=row is report.rows[-1]) for row in report.rows)
    spec = live_spec(blank_spec(replace(report, rows=rows), y="Balance Refill: Total", mark=mark))
    layers = spec["layer"][0]["layer"]
    rings = [layer for layer in layers if layer["mark"].get("filled") is False]
    assert len(rings) == 1
    assert [layer["mark"]["clip"] for layer in layers] == [layer not in rings for layer in layers]

    def opacities() -> list[str]:
        svg = vl_convert.vegalite_to_svg(spec | {"width": 400}, vl_version="6.4")
        return re.findall(r'stroke-width="1.5" opacity="(.)"', svg)

    assert opacities() == ["1"]
    for layer in layers:  # as zooming does
        layer["encoding"]["x"]["scale"]["domain"] = [1_612_137_600_000, 1_619_827_200_000]
    del layers[0]["params"]
    assert opacities() == ["0"]


def test_only_a_time_axis_with_one_mark_for_each_time_and_series_can_be_zoomed() -> None:
    report = make_report(2, ("A", "B"))
    stacked, beside = (blank_spec(report, "Month", mark=mark) for mark in ("stacked bar", "bar"))
    assert can_zoom(stacked)
    assert not can_zoom(beside)
    assert not can_zoom(blank_spec(report, "Package Name"))
    assert not can_zoom(blank_spec(report, "Balance Refill: Qty", mark="point"))
    for spec in (beside, blank_spec(report, "Package Name")):
        assert "params" not in str(live_spec(spec))


def test_numbers_have_room_above_the_highest_bar() -> None:
    spec = live_spec(blank_spec(some(2, (1, -1)), y="Balance Refill: Total", mark="bar"))
    values = [value["y"] for value in spec["data"]["values"]]
    room = (max(values) - min(values)) * 0.12
    tops = {layer["encoding"]["y"]["scale"]["domainMax"] for layer in spec["layer"][0]["layer"]}
    assert tops == {max(values) + room}
    below = live_spec(blank_spec(some(2, (-1, -1)), y="Balance Refill: Total", mark="bar"))
    assert "domainMax" not in str(below)
