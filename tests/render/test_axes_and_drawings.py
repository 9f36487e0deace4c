"""The scale of a chart's axis, the marks and colours of presets, and what remains of a drawing."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from custdyn_widgets.render.charts.axes import y_axis
from custdyn_widgets.render.charts.names import are_crowded, drawn_width, fitting_names
from custdyn_widgets.render.charts.specs import (
    blank_spec,
    column_colour,
    one_row_charts,
    preset_mark,
    preset_spec,
)
from custdyn_widgets.render.charts.svg import inert_svg
from custdyn_widgets.render.charts.vegalite import GREY, PALETTE
from custdyn_widgets.report.report import Column, Report
from tests.make_report import COLUMNS, make_report
from tests.render.test_bridges import bridged
from tests.render.test_charts import by_package, one_row

QTY = Column("Refills", "Qty", "count", "")
TOTAL = Column("Refills", "Total", "money", "")
RATE = Column("Clients", "Rate", "rate", "")
POINTS = Column("Clients", "Rate Change", "points", "", "change")


@pytest.mark.parametrize(
    ("largest", "title", "divisor"),
    [
        (9_999_999, "USD", 1), (1e7, "USD, millions", 10**6), (-1e7, "USD, millions", 10**6),
        (9_999_999_999, "USD, millions", 10**6), (1e10, "USD, billions", 10**9),
        (9_999_999_999_999, "USD, billions", 10**9), (1e13, "USD, trillions", 10**12),
    ],
)  # fmt: skip
def test_an_axis_is_in_millions_from_ten_millions_on(largest: float, title: str, divisor: int) -> None:
    axis = y_axis([1, None, largest], [TOTAL], "USD")["axis"]
    assert axis["title"] == title
    assert f"datum.value / {divisor}," in axis["labelExpr"]


@pytest.mark.parametrize(
    ("columns", "title"),
    [
        ([QTY], "Number"), ([TOTAL], "USD"), ([RATE], "Percent"), ([RATE, POINTS], "Percent"),
        ([TOTAL, QTY], "number and USD"), ([POINTS, TOTAL], "USD and percent"),
    ],
)  # fmt: skip
def test_an_axis_names_each_unit_once(columns: list[Column], title: str) -> None:
    assert y_axis([1], columns, "USD")["axis"]["title"] == title


def test_only_counts_have_labels_at_whole_numbers_alone() -> None:
    counts, amounts = (y_axis([1], [column], "USD")["axis"] for column in (QTY, TOTAL))
    assert counts["tickMinStep"] == 1
    assert counts["labelExpr"] == f"datum.value % 1 ? '' : {amounts['labelExpr']}"
    assert "tickMinStep" not in amounts


def test_an_axis_without_values_or_of_zeros_shows_zero() -> None:
    for values in ([], [None], [0, 0.0]):
        axis = y_axis(values, [QTY], "USD")
        assert axis["scale"] == {"zero": True, "nice": True, "domain": [0, 1]}
        assert axis["axis"]["values"] == [0]
    assert "domain" not in y_axis([0.1], [QTY], "USD")["scale"]


def test_the_second_axis_is_on_the_right_without_lines() -> None:
    left, right = (y_axis([1], [QTY], "USD", right=side)["axis"] for side in (False, True))
    assert (right["orient"], right["grid"]) == ("right", False)
    assert not {"orient", "grid"} & left.keys()


@pytest.mark.parametrize(
    ("categories", "alone", "together"), [(120, "bar", "stacked bar"), (121, "area", "stacked area")]
)
def test_too_many_bars_over_time_are_an_area(categories: int, alone: str, together: str) -> None:
    assert preset_mark("bar", is_shared=False, categories=categories) == alone
    assert preset_mark("bar", is_shared=True, categories=categories) == together
    assert preset_mark("line", is_shared=True, categories=categories) == "line"


def test_a_preset_of_many_days_is_an_area_whose_gaps_are_zeros() -> None:
    report = make_report(1, ("A", "B"))
    days = [f"{date(2021, 1, 1) + timedelta(days=i)}" for i in range(121)]
    rows = tuple(replace(row, labels=(day, row.labels[1])) for day in days for row in report.rows)
    query = replace(report.query, group_by=("date", "package"))
    report = replace(report, query=query, headings=("Date", "Package Name"), rows=rows[:-1])
    spec = preset_spec(report, "Balance Refill: Total")
    assert spec["layer"][0]["layer"][0]["mark"]["type"] == "area"
    assert [value["y"] for value in spec["data"]["values"] if value["x"] == days[-1]].count(0) == 1
    fewer = preset_spec(replace(report, rows=rows[:-2]), "Balance Refill: Total")
    assert fewer["layer"][0]["layer"][0]["mark"]["type"] == "bar"
    assert len(fewer["data"]["values"]) == 240


def test_a_preset_of_packages_has_bars_and_never_lines() -> None:
    spec = preset_spec(by_package(("A", "B")), "Clients - Active: Qty")
    assert spec["layer"][0]["layer"][0]["mark"]["type"] == "bar"


def test_groups_of_columns_have_their_colours_and_other_columns_one_of_their_own() -> None:
    known = {column.group: column_colour(column) for column in COLUMNS}
    assert known["Clients - Active"] == known["Clients - All"] == PALETTE[0]
    assert len({*known.values()}) == 4
    own = column_colour(Column("Mine", "Refills", "count", ""))
    assert own in PALETTE
    assert own not in {*known.values(), GREY}


def test_a_report_in_one_row_has_charts_of_clients_and_of_totals() -> None:
    report = one_row()
    assert one_row_charts(report) == {
        "Clients at the end": [
            f"Clients - {level}: Qty" for level in ("Active", "Overall Active", "All")
        ],
        "Totals for the interval": [
            "Balance Refill: Total", "Pay As You Go: Total", "Packages: Renew Total",
        ],
    }  # fmt: skip
    assert one_row_charts(bridged(total=False)) == {}  # its bridges show the movement of clients


def test_a_chart_is_of_the_first_column_and_heading_unless_others_are_chosen() -> None:
    report = make_report(2)
    spec = blank_spec(report)
    assert spec["title"]["text"] == "Clients - Active: Qty"
    assert spec["description"] == "Clients - Active: Qty by month"
    assert [value["x"] for value in spec["data"]["values"]] == ["2021-01", "2021-02"]
    spec = blank_spec(report, y=["Balance Refill: Qty", "Balance Refill: Total"], title="Mine")
    assert spec["description"] == "Mine, in USD by month"
    assert blank_spec(one_row())["description"] == "Clients - Active: Qty"


def test_only_columns_of_the_second_axis_are_on_the_right() -> None:
    names = ["Clients - All: Qty", "Balance Refill: Total"]
    spec = blank_spec(make_report(2), "Month", names, "bar", names[1])
    left, right = (side["layer"] for side in spec["layer"])
    assert spec["resolve"] == {"scale": {"y": "independent"}}
    for layers, name, kind in ((left, names[0], "bar"), (right, names[1], "line")):
        assert layers[0]["mark"]["type"] == kind
        assert layers[0]["transform"][0]["filter"]["oneOf"] == [name]
    alone = blank_spec(make_report(2), "Month", names)
    assert "resolve" not in alone
    assert len(alone["layer"]) == 1


def marks(spec: dict[str, Any]) -> list[str]:
    return [layer["mark"]["type"] for layer in spec["layer"][0]["layer"]]


def by_day(count: int) -> Report:
    report = make_report(1)
    days = [f"{date(2021, 1, 1) + timedelta(days=i)}" for i in range(count)]
    rows = tuple(replace(report.rows[0], labels=(day,), partial=False) for day in days)
    query = replace(report.query, group_by=("date",))
    return replace(report, query=query, headings=("Date",), rows=rows, total=None)


@pytest.mark.parametrize(("count", "is_told"), [(240, True), (241, False)])
@pytest.mark.parametrize("mark", ["line", "bar", "area"])
def test_up_to_240_points_tell_their_values(mark: str, count: int, is_told: bool) -> None:
    assert ("tooltip" in str(blank_spec(by_day(count), mark=mark)["layer"])) is is_told


def test_only_a_partial_bucket_has_a_ring_or_is_faded() -> None:
    def whole(report: Report) -> Report:
        return replace(report, rows=tuple(replace(row, partial=False) for row in report.rows))

    assert marks(blank_spec(make_report(2), mark="line")) == ["line", "point", "point"]
    assert marks(blank_spec(whole(make_report(2)), mark="line")) == ["line", "point"]
    assert marks(blank_spec(make_report(2), mark="point")) == ["point", "point"]
    assert marks(blank_spec(make_report(2, ("A", "B")), mark="stacked area")) == ["area"]
    subtitles = {
        mark: blank_spec(make_report(2, ("A", "B")), mark=mark)["title"].get("subtitle")
        for mark in ("line", "bar", "stacked area")
    }
    assert subtitles == {
        "line": ["Ringed: partial month"], "bar": ["Faded: partial month"],
        "stacked area": ["Partial: 2021-02"],
    }  # fmt: skip
    assert "subtitle" not in blank_spec(whole(make_report(2)))["title"]


def test_numbers_stand_above_few_single_bars_only() -> None:
    assert marks(blank_spec(make_report(3), y="Balance Refill: Qty", mark="bar")) == ["bar", "text"]
    assert marks(blank_spec(make_report(24), y="Balance Refill: Qty", mark="bar")) == ["bar"]
    assert marks(blank_spec(make_report(2, ("A", "B")), y="Balance Refill: Qty", mark="bar")) == ["bar"]


def test_a_legend_has_a_row_for_two_names_and_makes_the_drawing_taller() -> None:
    heights = [
        blank_spec(make_report(1, tuple(f"P{i}" for i in range(count))), "Month")["height"]
        for count in range(1, 11)
    ]
    rows = [round((height - heights[0]) / 20) for height in heights]
    assert rows == [0, 1, 2, 2, 3, 3, 4, 4, 4, 4]  # from the eighth on, the others share the seventh name


# Drawings


def kept(body: str, **attributes: str) -> str:
    """Return what is left of a drawing's content."""
    return inert_svg(f'<svg xmlns="http://www.w3.org/2000/svg">{body}</svg>', **attributes).split(
        "</title>", 1
    )[1]


@pytest.mark.parametrize(
    ("body", "left"),
    [
        ('<path d="M1.23456,2.5"/>', '<path d="M1.23,2.5"/>'),
        ('<path d="M1.996,-0.0001L5.0004e-7"/>', '<path d="M2,0L0"/>'),
        ('<rect x="1" opacity="1" stroke-width="1" y2="0"/>', '<rect x="1"/>'),
        ('<rect x="1" opacity="0.5"/>', '<rect x="1" opacity="0.5"/>'),
        ('<g><g transform="translate(0,0)"><rect x="1"/></g></g>', '<rect x="1"/>'),
        ('<g fill="red"></g><g fill="red"><rect x="1"/></g>', '<g fill="red"><rect x="1"/></g>'),
        ('<rect x="1" display="none"/><rect x="2" visibility="hidden"/><rect x="3" visibility="visible"/>',
         '<rect x="3"/>'),
        ('<path d=""/><path d="M0,0h0v0h0Z"/><path d="M0,0h1"/>', '<path d="M0,0h1"/>'),
        ('<path class="background" d="M0,0h1"/><path class="background" d="M0,0h1" fill="red"/>',
         '<path d="M0,0h1" fill="red"/>'),
        ('<path d="M2,0A2,2,0,1,1,-2,0A2,2,0,1,1,2,0" transform="translate(5,-6.5)" fill="red"/>',
         '<circle cx="5" cy="-6.5" r="2" fill="red"/>'),
        ('<path d="M2,0A2,2,0,1,1,-2,0A2,2,0,1,1,2,0"/>', '<path d="M2,0A2,2,0,1,1,-2,0A2,2,0,1,1,2,0"/>'),
        ('<rect role="graphics-symbol" aria-label="a &lt; b" x="1"/>',
         '<rect x="1"><title>a &lt; b</title></rect>'),
        ('<rect aria-label="no symbol" x="1"/>', '<rect x="1"/>'),
        ('<g role="graphics-symbol" aria-label="no shape" fill="red"><rect x="1"/></g>',
         '<g fill="red"><rect x="1"/></g>'),
        ('<text x="1">a<tspan x="2">b</tspan>c</text>', '<text x="1">a<tspan x="2">b</tspan>c</text>'),
        ('<rect fill="URL(http://x.example/#a)" x="1"/>', '<rect x="1"/>'),
    ],
)  # fmt: skip
def test_what_remains_of_a_drawing(body: str, left: str) -> None:
    assert kept(body) == f"{left}</svg>"


def test_ids_of_two_drawings_on_a_page_differ_and_stay_joined() -> None:
    body = '<defs><clipPath id="a"><rect x="1"/></clipPath></defs><rect clip-path="url(#a)" x="{}"/>'
    ids = []
    for x in "12":
        left = kept(body.format(x))
        [name] = re.findall('id="(.*?)"', left)
        assert f'clip-path="url(#{name})"' in left
        ids.append(name)
    assert ids[0] != ids[1]


def test_a_drawing_keeps_its_size_and_its_own_label_unless_another_is_given() -> None:
    own = 'width="5" viewBox="0 0 5 5" aria-label="Mine"'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" {own}><title>x</title></svg>'
    inert = inert_svg(svg)
    assert ' width="5" viewBox="0 0 5 5" role="img" aria-label="Mine" ' in inert
    assert "<title>Mine</title></svg>" in inert
    assert 'aria-label="&quot;" ' in inert_svg(svg, '"')
    assert "<title>Chart</title>" in inert_svg('<svg xmlns="http://www.w3.org/2000/svg"/>')


@pytest.mark.parametrize(
    ("text", "width"),
    [("", 0.0), ("il", 0.68), ("MM", 1.9), ("ab", 1.12), ("AB", 1.44), ("+", 0.72),
     ("中", 1.0), ("ж", 0.7), ("\u0301", 0.0), ("…", 1.0)],
)  # fmt: skip
def test_the_width_of_text_is_that_of_its_letters(text: str, width: float) -> None:
    assert drawn_width(text, 1.0) == pytest.approx(width)
    assert drawn_width(text) == pytest.approx(12.5 * width)


def test_names_are_cut_only_if_they_do_not_fit_and_an_axis_is_crowded_only_if_full() -> None:
    fits: Callable[[float], str] = lambda room: fitting_names(["abcdefghij"], room)["abcdefghij"]  # noqa: E731
    width = drawn_width("abcdefghij")
    assert fits(width) == "abcdefghij"
    assert fits(width - 0.1) != "abcdefghij"
    assert drawn_width(fits(width - 0.1)) < width
    assert not are_crowded(["a" * 25, "b" * 25])  # 50 letters of 7 pixels
    assert are_crowded(["a" * 25, "b" * 26])
    assert not are_crowded([*"abcdefghijkl"])  # short names have room for 4 letters each
    assert are_crowded([*"abcdefghijklm"])
