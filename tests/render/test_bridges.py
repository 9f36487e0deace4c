"""Bridges, the period before behind a preset, and charts of rates and of groups of clients."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from decimal import Decimal
from typing import Any

import openpyxl
import pytest

from custdyn_widgets.render.charts.drawing import chart_svg, report_charts
from custdyn_widgets.render.charts.live import live_spec
from custdyn_widgets.render.charts.presets import BRIDGES, presets_of
from custdyn_widgets.render.charts.specs import blank_spec, preset_spec
from custdyn_widgets.render.charts.vegalite import NUMBER_ROOM
from custdyn_widgets.render.page import headline_figures, render_page
from custdyn_widgets.render.xlsx.workbook import to_xlsx
from custdyn_widgets.report.report import Column, Report, Row
from tests.make_report import make_comparison, make_report

MOVEMENT = {"Opening": 100, "New": 20, "Reactivated": 5, "Lapsed": 30, "Closed": 1, "Closing": 94}
BALANCES = {
    "Opening": "-10.5", "Joined": "0", "Refills": "1234567.25", "Usage": "-2000000", "Packages": "-10",
    "Other": "20", "Left": "-0.5", "Exchange": "0.25", "Closing": "-765433.5",
}  # fmt: skip


def bridged(*, total: bool = True) -> Report:
    """Return a report with the columns of both bridges: two months, or a single row."""
    columns = (
        *(Column("Clients - Movement", label, "count", "") for label in MOVEMENT),
        *(Column("Balance Movement", label, "money", "") for label in BALANCES),
    )
    values = (
        *MOVEMENT.values(),
        *(Decimal(value).quantize(Decimal("0.000001")) for value in BALANCES.values()),
    )
    report = make_report(2)
    if total:
        zeros = tuple(Row(row.labels, (0,) * len(values)) for row in report.rows)
        return replace(report, columns=columns, rows=zeros, total=Row(("Total",), values))
    query = replace(report.query, group_by=())
    return replace(report, columns=columns, query=query, headings=(), rows=(Row((), values),), total=None)


def bars(spec: dict[str, Any]) -> list[dict[str, Any]]:
    values: list[dict[str, Any]] = spec["data"]["values"]
    return values


@pytest.mark.parametrize("total", [True, False])
def test_each_bar_starts_where_the_one_before_ends_and_the_last_one_stands_on_zero(total: bool) -> None:
    report = bridged(total=total)
    for name in BRIDGES:
        shown = bars(preset_spec(report, name))
        assert [bar["y2"] for bar in shown[1:-1]] == [bar["y"] for bar in shown[:-2]]
        assert shown[0]["y2"] == shown[-1]["y2"] == 0
        assert shown[-1]["y"] == shown[-2]["y"]  # the law of both bridges
    assert [bar["kind"] for bar in bars(preset_spec(report, "Movement bridge"))] == [
        "total", "up", "up", "down", "down", "total",
    ]  # fmt: skip


def test_each_bar_leads_to_the_next_and_has_its_number_above() -> None:
    shown = bars(preset_spec(bridged(), "Movement bridge"))
    labels = [*MOVEMENT]
    assert [(bar["x"], bar["next"]) for bar in shown] == [
        *zip(labels, [*labels[1:], labels[-1]], strict=True)
    ]
    assert [bar["level"] for bar in shown] == [100, 120, 125, 95, 94, 94]
    assert [bar["top"] for bar in shown] == [100, 120, 125, 125, 95, 94]
    spec = json.dumps(preset_spec(bridged(), "Movement bridge"))
    (top,) = {float(found) for found in re.findall(r'"domainMax": ([\d.]+)', spec)}
    assert top == pytest.approx(125 * (1 + NUMBER_ROOM))


def test_a_bridge_names_its_unit_and_the_end_of_partial_figures() -> None:
    report = bridged()
    movement, balances = (preset_spec(report, name) for name in BRIDGES)
    assert (movement["description"], balances["description"]) == ("Movement bridge", "Balance bridge, in USD")
    assert "subtitle" not in movement["title"]
    assert report.total is not None
    partial = preset_spec(replace(report, total=replace(report.total, partial=True)), "Movement bridge")
    assert partial["title"]["subtitle"] == ["Partial: until 2022-12-16 08:30:00 UTC"]
    assert partial["height"] == movement["height"] + 16
    zeros = tuple(0 if isinstance(value, int) else Decimal(0) for value in report.total.values)
    empty = preset_spec(replace(report, total=replace(report.total, values=zeros)), "Balance bridge")
    assert "domainMax" not in json.dumps(empty)
    assert {(bar["kind"], bar["number"]) for bar in bars(empty)} == {("total", "0.00"), ("up", "0.00")}


def test_there_is_room_for_numbers_above_a_bridge_below_zero() -> None:
    report = bridged(total=False)
    values = tuple(-abs(value) if isinstance(value, Decimal) else value for value in report.rows[0].values)
    spec = preset_spec(replace(report, rows=(Row((), values),)), "Balance bridge")
    lowest = min(min(bar["y"], bar["y2"]) for bar in bars(spec))
    (top,) = set(re.findall(r'"domainMax": ([\d.]+)', json.dumps(spec)))
    assert float(top) == pytest.approx(-lowest * NUMBER_ROOM)


def test_numbers_have_signs_and_are_short_and_tooltips_are_exact() -> None:
    movement, balances = (bars(preset_spec(bridged(), name)) for name in BRIDGES)
    assert [bar["number"] for bar in movement] == ["100", "+20", "+5", "−30", "−1", "94"]
    assert [bar["number"] for bar in balances] == [
        "−10", "0", "+1.2M", "−2.0M", "−10", "+20", "0", "0", "−0.8M",
    ]  # fmt: skip
    assert balances[2]["told"] == "Balance Movement: Refills: +1,234,567.25 USD"
    assert balances[6]["told"] == "Balance Movement: Left: −0.50 USD"


@pytest.mark.parametrize(
    ("opening", "number"),
    [("99500", "99.5k"), ("100000", "100k"), ("99500000", "99.5M"), ("100000000", "100M")],
)
def test_numbers_of_three_digits_have_no_decimal_place(opening: str, number: str) -> None:
    report = bridged(total=False)
    counts = report.rows[0].values[: len(MOVEMENT)]
    amounts = (Decimal(opening), *[Decimal(0)] * (len(BALANCES) - 2), Decimal(opening))
    spec = preset_spec(replace(report, rows=(Row((), (*counts, *amounts)),)), "Balance bridge")
    assert [bar["number"] for bar in bars(spec)] == [number, *["0"] * (len(BALANCES) - 2), number]


def test_bridges_are_offered_only_with_their_columns_and_drawn_on_pages_and_live() -> None:
    assert not BRIDGES.keys() & presets_of(make_report(2)).keys()
    for report in (bridged(), bridged(total=False)):
        assert [*BRIDGES] == [*presets_of(report)]
        assert [*report_charts(report)] == [*BRIDGES]
        assert b"Movement bridge" in render_page(report, report_charts(report))
        assert to_xlsx(report)  # which has no native chart of a bridge
        assert [figure["label"] for figure in headline_figures(report)] == [*MOVEMENT]
        for name in BRIDGES:
            assert "<svg" in chart_svg({**live_spec(preset_spec(report, name)), "width": 400})


def test_headline_figures_are_those_of_the_other_presets_where_there_are_any() -> None:
    usual, other = make_report(2), bridged()
    assert usual.total
    assert other.total
    both = replace(
        usual,
        columns=usual.columns + other.columns,
        rows=(),
        total=replace(usual.total, values=usual.total.values + other.total.values),
    )
    assert headline_figures(both) == headline_figures(replace(usual, rows=()))


@pytest.mark.parametrize(
    ("name", "note"), [("Clients - Active: Qty", "Dashed"), ("Balance Refill: Total", "Grey")]
)
def test_a_preset_of_a_comparison_has_the_period_before_behind_it(name: str, note: str) -> None:
    report = make_comparison(3)
    spec = preset_spec(report, name)
    drawn = [value for value in bars(spec) if value["column"] == f"{name} Before"]
    before = report.rows[0].values[report.column(f"{name} Before")]
    assert [value["y"] for value in drawn] == [None if before is None else float(before)] * 3
    assert f"{note}: previous month" in spec["title"]["subtitle"]
    first = spec["layer"][0]["layer"][0]  # and so behind all others
    assert first["transform"] == [{"filter": {"field": "column", "oneOf": [f"{name} Before"]}}]
    for one in (spec, {**live_spec(spec), "width": 400}):
        assert "<svg" in chart_svg(one)


def test_several_series_have_no_period_before() -> None:
    spec = preset_spec(make_comparison(3, ("A", "B")), "Clients - Active: Qty")
    assert {value["column"] for value in bars(spec)} == {"Clients - Active: Qty"}


def test_rates_are_drawn_in_percent() -> None:
    spec = blank_spec(make_comparison(2), y="Clients - Movement: Churn Rate")
    assert {value["y"] for value in bars(spec)} == {12.5}
    assert bars(spec)[0]["told"].endswith("Churn Rate: 12.5%")
    assert spec["layer"][0]["layer"][0]["encoding"]["y"]["axis"]["title"] == "Percent"


def test_a_workbook_tells_percentage_points_from_percent() -> None:
    report = make_comparison(2)
    sheet = openpyxl.load_workbook(io.BytesIO(to_xlsx(report)))["Report"]
    labels = len(report.headings)
    last = sheet.max_row
    while not isinstance(sheet.cell(last, labels + 1).value, int | float):
        last -= 1
    cells = [sheet.cell(last, labels + 1 + place) for place in range(len(report.columns))]
    formats = {column.unit: cell.number_format for column, cell in zip(report.columns, cells, strict=True)}
    assert formats["rate"] == "0.0%"
    assert formats["points"] == '0.0%" pts"'
    assert formats["percent"] == '#,##0.0"%"'


def test_flows_of_resellers_are_stacked_and_their_names_are_text() -> None:
    report = make_comparison(3, ("<b>A</b>", "B"))
    spec = preset_spec(report, "Balance Refill: Total")
    encoding = spec["layer"][0]["layer"][0]["encoding"]
    assert encoding["y"]["stack"] == "zero"
    assert "<b>" not in chart_svg(spec)
