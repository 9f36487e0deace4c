from __future__ import annotations

import itertools
import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from custdyn_widgets.errors import CustDynError, QueryError
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.render.charts.drawing import (
    blank_chart,
    chart,
    chart_svg,
    report_charts,
    with_own_presets,
)
from custdyn_widgets.render.charts.presets import PRESETS, presets_of, register_preset
from custdyn_widgets.render.charts.specs import blank_spec, preset_spec
from custdyn_widgets.render.charts.svg import inert_svg
from custdyn_widgets.render.charts.vegalite import GREY, PALETTE, time_ticks
from custdyn_widgets.report.report import Report, Row
from tests.make_report import COLUMNS, make_report

NAMES = ("Clients - Active: Qty", "Balance Refill: Total", "Pay as you Go: Total", "Packages: Renew Total")
HOSTILE = (
    "<script>alert(1)</script>",
    "</svg><img src=x onerror=alert(1)>",
    "\"'&\n\r\t",
    "\x00\x1b\ufffe\ud800",
    "=cmd|'/C calc'!A0",
    "https://example.com",
)


def grouped(report: Report, group_by: list[str], **changes: object) -> Report:
    query = ReportQuery.from_dict({"interval": "this_year", "group_by": group_by, "currency": "USD"})
    return replace(report, query=query, **changes)


def one_row() -> Report:
    report = make_report(1)
    return grouped(report, [], headings=(), total=None, rows=(Row((), report.rows[0].values, partial=True),))


def by_package(names: tuple[str, ...]) -> Report:
    report = make_report(1, names)
    rows = tuple(replace(row, labels=row.labels[1:]) for row in report.rows)
    return grouped(report, ["package"], headings=("Package Name",), rows=rows)


def by_date(count: int) -> Report:
    days = (date(2021, 1, 10) + timedelta(days=i) for i in range(count))
    values = make_report(1).rows[0].values
    return grouped(
        make_report(1), ["date"], headings=("Date",), rows=tuple(Row((d.isoformat(),), values) for d in days)
    )


def drawn(spec: dict) -> list[dict]:
    return spec["data"]["values"]


def texts(svg: str) -> list[str]:
    return [e.text or "" for e in ET.fromstring(svg).iter() if e.tag.endswith("}text")]


def test_the_presets_are_the_four_of_the_reference_in_its_spelling():
    assert tuple(PRESETS) == NAMES
    assert all(preset.description for preset in PRESETS.values())


def test_a_chart_plots_the_values_of_the_rows_as_they_stand():
    report = make_report(24)
    values = [row.values[report.column("Balance Refill: Total")] for row in report.rows]
    points = drawn(preset_spec(report, "Balance Refill: Total"))
    assert [p["y"] for p in points] == [float(v) for v in values]
    assert [p["x"] for p in points] == [row.labels[0] for row in report.rows]
    assert [p["x"] for p in points if p.get("partial")] == ["2022-12"]
    assert points[0]["told"] == "2021-01 · Balance Refill: Total: 124,740.73 USD"


def test_a_page_has_the_four_presets_with_titles_units_and_thousands_separators():
    charts = report_charts(make_report(24))
    assert tuple(charts) == NAMES
    for title, svg in charts.items():
        assert title in texts(svg)
    assert "USD" in texts(charts["Balance Refill: Total"])
    assert "3,000,000" in texts(charts["Balance Refill: Total"])
    assert "Number" in texts(charts["Clients - Active: Qty"])
    assert "Ringed: partial month" in texts(charts["Clients - Active: Qty"])
    assert "Faded: partial month" in texts(charts["Balance Refill: Total"])


def test_the_same_report_gives_the_same_bytes():
    report = make_report(24, ("Basic", "Gold"))
    again = Report.from_dict(report.to_dict())
    assert report_charts(report) == report_charts(again)


def test_a_drawing_has_words_for_people_who_cannot_see_it():
    root = ET.fromstring(report_charts(make_report(24))["Balance Refill: Total"])
    assert root.get("role") == "img"
    assert root.get("aria-label") == root[0].text == "Balance Refill: Total, in USD by month"
    told = [e.text for e in root.iter() if e.tag.endswith("}title")]
    assert "2022-12 · Balance Refill: Total: 2,964,246.88 USD, partial" in told


def test_a_value_per_bucket_is_drawn_however_many_there_are():
    for report in (make_report(1), make_report(24), by_date(400)):
        assert len(drawn(preset_spec(report, "Balance Refill: Total"))) == len(report.rows)


@pytest.mark.parametrize(
    ("places", "labels"),
    [
        (["2021-03"], ["2021-03"]),
        (
            [f"{2021 + i // 12}-{i % 12 + 1:02}" for i in range(24)],
            ["2021-01", "2021-07", "2022-01", "2022-07"],
        ),
        ([str(y) for y in range(1995, 2026)], ["1995", "2000", "2005", "2010", "2015", "2020", "2025"]),
        (
            [(date(2021, 1, 10) + timedelta(days=i)).isoformat() for i in range(30)],
            ["2021-01-11", "2021-01-18", "2021-01-25", "2021-02-01", "2021-02-08"],
        ),
        (
            [(date(2021, 1, 10) + timedelta(days=i)).isoformat() for i in range(400)],
            ["2021-04-01", "2021-07-01", "2021-10-01", "2022-01-01"],
        ),
    ],
)
def test_a_time_axis_is_labelled_where_the_calendar_begins_something(places, labels):
    assert time_ticks(places)[0] == labels


@pytest.mark.parametrize(
    ("places", "most"),
    [
        ([f"2021-03-{i:02}" for i in range(1, 10)], 5),
        ([f"2021-{i:02}" for i in range(1, 10)], 6),
        ([str(2001 + i) for i in range(10)], 8),
    ],
)
def test_every_place_of_a_time_axis_is_labelled_up_to_a_number_for_the_length_of_labels(
    places: list[str], most: int
) -> None:
    assert time_ticks(places[:most])[0] == places[:most]
    assert len(time_ticks(places[: most + 1])[0]) < most


@pytest.mark.parametrize("count", [*range(1, 60), 90, 365, 366, 400, 1000, 4000])
def test_labels_of_a_time_axis_never_overlap(count):
    for report_places in (
        [(date(2019, 12, 30) + timedelta(days=i)).isoformat() for i in range(count)],
        [f"{1950 + i // 12:04}-{i % 12 + 1:02}" for i in range(min(count, 1800))],
        [f"{1900 + i:04}" for i in range(min(count, 201))],
    ):
        ticks, length = time_ticks(report_places)
        assert ticks
        where = [report_places.index(t) for t in ticks]
        step = 350 / len(report_places)  # about the narrowest plot, in pixels
        width = min(length, len(ticks[0])) * 6.5  # a digit of 12.5 pixels' letters
        assert all((b - a) * step >= width for a, b in itertools.pairwise(where))


def test_by_package_and_time_colours_stand_for_packages_and_only_flows_are_stacked():
    report = make_report(24, ("Basic", "Gold"))
    assert {p["series"] for p in drawn(preset_spec(report, "Balance Refill: Total"))} == {"Basic", "Gold"}
    bars = preset_spec(report, "Balance Refill: Total")["layer"][0]["layer"][0]
    assert (bars["mark"]["type"], bars["encoding"]["y"]["stack"]) == ("bar", "zero")
    lines = preset_spec(report, "Clients - Active: Qty")["layer"][0]["layer"][0]
    assert (lines["mark"]["type"], lines["encoding"]["y"]["stack"]) == ("line", None)


def test_a_package_has_the_same_colour_in_every_chart():
    report = make_report(24, ("Basic", "Gold", "Silver"))
    scales = [
        preset_spec(report, name)["layer"][0]["layer"][0]["encoding"]["color"]["scale"] for name in NAMES
    ]
    assert all(scale == scales[0] for scale in scales)


ALIKE = {
    "zones": tuple(f"Unlimited Ukraine Zone {zone} Mobile and Fixed Lines" for zone in "ABCD"),
    "capitals": tuple(f"WWWWWWWW MMMMMMMMM {'W' * 30} {i}" for i in range(4)),
    "cyrillic": tuple(f"Безлімітний тариф для всієї України {i} зона" for i in range(4)),
    "chinese": tuple("全国无限通话和移动数据套餐全国无限通话" + end for end in "甲乙丙丁"),
    "one word": tuple("Unlimited_Ukraine_Zone_Mobile_and_Fixed_" + end for end in "ABCD"),
}


@pytest.mark.parametrize("names", ALIKE.values(), ids=ALIKE)
@pytest.mark.parametrize("count", [1, 4])
def test_long_names_differ_in_the_legend_and_on_the_axis(names, count):
    some = (*(f"{name} {i}" for i in range(count) for name in names), "Basic")
    for report in (make_report(2, some), by_package(some)):
        spec = preset_spec(report, "Packages: Renew Total")
        labels = {p[field] for p in drawn(spec) for field in ("x", "series")} - {""}
        written = [text for text in texts(chart_svg(spec)) if "…" in text or text == "Basic"]
        assert len(set(written)) == len(written) == min(len(some), 6 if report.headings[0] == "Month" else 99)
        assert set(written) <= labels  # the library has not cut them once more


def test_a_name_in_the_legend_differs_from_those_that_are_drawn_in_grey():
    report = make_report(2, (*ALIKE["zones"], "Basic", "Gold", "Silver", "Bronze", "Iron"))
    legend = preset_spec(report, "Clients - Active: Qty")["layer"][0]["layer"][0]["encoding"]["color"][
        "scale"
    ]
    [zone] = [name for name in legend["domain"] if "…" in name]
    assert "D Mobile" in zone


@pytest.mark.parametrize("names", [*ALIKE.values(), ("חבילה 300 Basic", "باقة 5G Plus"), ("a · b", "b")])
def test_a_legend_of_packages_and_columns_names_both(names):
    columns = ["Packages: Renew Total", "Clients - Overall Active: Balance Pos"]
    spec = blank_spec(make_report(2, names), "Month", columns, "line")
    domain = spec["layer"][0]["layer"][0]["encoding"]["color"]["scale"]["domain"]
    lines = [re.sub("[\u2068\u2069]", "", text).rpartition(" · ") for text in domain if " · " in text]
    assert len({name for name, _, _ in lines}) == len(lines) // 2 >= 2
    assert {column for _, _, column in lines} == set(columns)
    written = {text for text in texts(chart_svg(spec)) if " · " in text}
    assert written == {text for text in domain if " · " in text}  # the library has not cut them once more


def test_the_largest_of_what_is_drawn_have_the_colours():
    report = make_report(2, tuple(f"Package {i:02}" for i in range(12)))
    place = report.column("Packages: Renew Total")

    def turned(row: Row) -> Row:
        amount = Decimal(100 - int(row.labels[1][-2:]))
        return replace(row, values=(*row.values[:place], amount, *row.values[place + 1 :]))

    report = replace(report, rows=tuple(map(turned, report.rows)))
    coloured = {
        name: preset_spec(report, name)["layer"][0]["layer"][0]["encoding"]["color"]["scale"]["domain"]
        for name in ("Clients - Active: Qty", "Packages: Renew Total")
    }
    assert {*coloured["Packages: Renew Total"]} == {*(f"Package {i:02}" for i in range(6)), "6 others"}
    assert {*coloured["Clients - Active: Qty"]} == {*(f"Package {i:02}" for i in range(6, 12)), "6 others"}


def test_a_package_that_has_a_colour_in_two_charts_has_the_same():
    report = make_report(2, tuple(f"Package {i:02}" for i in range(12)))
    place = report.column("Packages: Renew Total")
    first = replace(
        report,
        rows=tuple(
            replace(r, values=(*r.values[:place], r.values[place] * 100, *r.values[place + 1 :]))
            if r.labels[1] == "Package 00"
            else r
            for r in report.rows
        ),
    )
    active, renewed = (
        preset_spec(first, name)["layer"][0]["layer"][0]["encoding"]["color"]["scale"]["domain"]
        for name in ("Clients - Active: Qty", "Packages: Renew Total")
    )
    assert renewed == [name if name != "Package 06" else "Package 00" for name in active]


def test_more_packages_than_colours_are_drawn_in_grey_and_counted_in_the_legend():
    report = make_report(24, tuple(f"Package {i}" for i in range(12)))
    svg = report_charts(report)["Balance Refill: Total"]
    assert "6 others" in texts(svg)
    assert svg.count(f'fill="{GREY}"') >= 6 * 24


def test_a_left_out_row_is_drawn_as_the_zero_that_it_means():
    report = make_report(24, ("Basic", "Gold"))
    report = replace(report, rows=tuple(r for r in report.rows if r.labels != ("2021-05", "Gold")))
    points = drawn(preset_spec(report, "Clients - Active: Qty"))
    assert {(p["x"], p["series"]): p["y"] for p in points}["2021-05", "Gold"] == 0
    assert {p["x"] for p in points if p.get("partial")} == {"2022-12"}


def test_an_average_over_nothing_is_a_gap():
    points = drawn(blank_spec(make_report(24), y="Balance Refill: Avg"))
    assert [p["x"] for p in points if p["y"] is None] == ["2021-04"]


def test_without_a_time_grouping_x_is_the_package():
    points = drawn(preset_spec(by_package(("Basic", "Gold", "(no package)")), "Clients - Active: Qty"))
    assert [p["x"] for p in points] == ["Basic", "Gold", "(no package)"]


def test_of_many_packages_the_largest_are_drawn_and_the_chart_says_so():
    svg = report_charts(by_package(tuple(f"Package {i:02}" for i in range(60))))["Packages: Renew Total"]
    assert "The 24 largest of 60; the table has them all." in "".join(ET.fromstring(svg).itertext())
    assert "Package 59" in texts(svg)
    assert "Package 00" not in texts(svg)


def test_a_single_row_gives_a_bar_for_each_column():
    names = ["Balance Refill: Total", "Pay As You Go: Total"]
    points = drawn(blank_spec(one_row(), y=names, mark="bar"))
    assert [p["x"] for p in points] == names
    assert "124,740.73 USD" in "".join(report_charts(one_row()).values())


def test_a_report_without_rows_has_no_charts_and_says_why():
    empty = make_report(0, message="No chosen client existed before 2022-12-16.")
    assert report_charts(empty) == {}
    with pytest.raises(QueryError, match="No chosen client existed"):
        preset_spec(empty, NAMES[0])


@pytest.mark.parametrize("mark", ["line", "bar", "stacked bar", "area", "point", "stacked area"])
def test_a_composed_chart_is_drawn_with_every_mark_and_a_second_axis(mark):
    spec = blank_spec(
        make_report(6, ("Basic", "Gold")),
        "Month",
        ["Clients - All: Qty", "Balance Refill: Total"],
        mark,
        ["Balance Refill: Total"],
        "My title",
    )
    svg = chart_svg(spec)
    assert {"My title", "Number", "USD"} <= set(texts(svg))


def test_a_composed_chart_may_set_a_column_against_a_column():
    report = make_report(6)
    points = drawn(blank_spec(report, "Clients - All: Qty", "Balance Refill: Total", "point"))
    assert [p["x"] for p in points] == [
        row.values[report.column("Clients - All: Qty")] for row in report.rows
    ]


def test_charts_are_altair_charts_that_draw_the_same():
    import altair

    report = make_report(24)
    made = chart(report, "Balance Refill: Total")
    assert isinstance(made, altair.TopLevelMixin)
    assert chart_svg(made) == report_charts(report)["Balance Refill: Total"]
    assert isinstance(blank_chart(report, y="Balance Refill: Qty"), altair.TopLevelMixin)


def test_an_axis_of_counts_is_labelled_with_whole_numbers():
    report = make_report(2)
    few = replace(report, rows=tuple(replace(r, values=(1, *r.values[1:])) for r in report.rows))
    labels = texts(report_charts(few)["Clients - Active: Qty"])
    assert "1" in labels
    assert not [label for label in labels if re.fullmatch(r"\d+\.\d+", label)]


def test_large_amounts_are_told_in_millions_and_all_zero_has_a_baseline():
    report = make_report(2)
    big = replace(
        report, rows=tuple(replace(r, values=tuple(_times(v, 10**6) for v in r.values)) for r in report.rows)
    )
    assert "USD, billions" in texts(report_charts(big)["Balance Refill: Total"])
    zero = replace(
        report, rows=tuple(replace(r, values=tuple(_times(v, 0) for v in r.values)) for r in report.rows)
    )
    assert "0" in texts(report_charts(zero)["Balance Refill: Total"])


def _times(value, factor):
    return value if value is None else value * (Decimal(factor) if isinstance(value, Decimal) else factor)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"y": "Balance Refil: Total"}, "y"),
        ({"x": "Mouth"}, "x"),
        ({"mark": "pie"}, "mark"),
        ({"second_axis": "Balance Refill: Total"}, "second_axis"),
    ],
)
def test_an_error_names_the_field_and_the_nearest_value(arguments, field):
    with pytest.raises(QueryError, match=r"Choose from|Did you mean") as caught:
        blank_spec(make_report(2), **arguments)
    assert caught.value.field == field
    with pytest.raises(QueryError, match="Clients - Active: Qty"):
        preset_spec(make_report(2), "Clients - Active: Qy")


@pytest.fixture
def presets():
    """Put back the presets as they were."""
    before = dict(PRESETS)
    yield PRESETS
    PRESETS.clear()
    PRESETS.update(before)


@pytest.mark.usefixtures("presets")
def test_a_preset_of_ones_own_is_drawn_with_the_others():
    register_preset("Renewals", "Packages: Renew Qty", "bar", "How many packages were renewed.")
    register_preset("Elsewhere", "Other: Column", "bar", "A column that this report has not.")
    assert tuple(report_charts(make_report(2))) == (*NAMES, "Renewals")


@pytest.mark.parametrize("report", [make_report(3), one_row()], ids=["by month", "one row"])
def test_a_report_carries_its_authors_presets_to_a_process_that_knows_none(presets, report):
    standard = dict(presets)
    register_preset("Renewals", ["Packages: Renew Qty", "Balance Refill: Qty"], "point", "What was renewed.")
    register_preset("Balance Refill: Total", "Balance Refill: Total", "line", "A standard one, drawn my way.")
    register_preset("Elsewhere", "Other: Column", "bar", "A column that this report has not.")
    here = report_charts(report)
    carried = Report.from_dict(json.loads(json.dumps(with_own_presets(report).to_dict())))
    assert set(carried.charts) == {"Renewals", "Balance Refill: Total"}
    presets.clear()
    presets.update(standard)
    assert list(report_charts(carried).items()) == list(here.items())
    assert report_charts(report) != here
    assert presets_of(carried)["Renewals"].mark == "point"


@pytest.mark.usefixtures("presets")
def test_a_report_without_rows_or_own_presets_carries_none():
    assert with_own_presets(make_report(3)) == make_report(3)
    register_preset("Renewals", "Packages: Renew Qty", "point", "What was renewed.")
    assert with_own_presets(make_report(0)).charts == {}


@pytest.mark.parametrize(
    "meta",
    [None, [], {}, {"columns": [], "mark": "bar", "description": ""}, {"columns": "x", "mark": "bar"},
     {"columns": ["Balance Refill: Qty"], "mark": "pie", "description": ""}],
)  # fmt: skip
def test_a_chart_that_tells_of_no_proper_preset_is_drawn_as_it_stands(meta):
    spec = blank_spec(make_report(2), y="Balance Refill: Qty", title="Mine")
    report = make_report(2, charts={"Mine": {**spec, "usermeta": {"custdyn-preset": meta}}})
    assert tuple(report_charts(report)) == ("Mine", *NAMES)


def test_a_drawing_made_elsewhere_is_taken_only_if_it_is_inert_as_it_stands():
    report = make_report(2)
    drawn = report_charts(report)
    other = report_charts(make_report(3))
    hostile = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    given = {NAMES[0]: other[NAMES[0]], NAMES[1]: hostile, NAMES[2]: "no drawing", NAMES[3]: 7, "More": "x"}
    assert report_charts(report, given) == {**drawn, NAMES[0]: other[NAMES[0]]}


@pytest.mark.parametrize(("name", "columns"), [("", "A: B"), (" ", "A: B"), ("Own", ()), ("Own", [1])])
def test_a_preset_without_a_name_or_column_cannot_be_registered(presets, name, columns):
    before = dict(presets)
    with pytest.raises(CustDynError):
        register_preset(name, columns, "bar", "Nothing.")
    assert presets == before


def test_charts_that_a_report_carries_come_first():
    spec = blank_spec(make_report(2), y="Balance Refill: Qty", title="Mine")
    assert tuple(report_charts(make_report(2, charts={"Mine": spec}))) == ("Mine", *NAMES)


def test_hostile_names_are_plain_text_in_the_drawing():
    for report in (make_report(2, HOSTILE), by_package(HOSTILE)):
        for svg in report_charts(report).values():
            assert_inert(svg)
            svg.encode("utf-8")
            assert "https://example.com" in svg


def test_a_name_from_right_to_left_is_isolated_in_the_drawing_and_in_its_words():
    names = ("باقة 5GB بلس (2)", "חבילה 10GB Max! " * 9, "2GB באקה")
    for report in (make_report(2, names), by_package(names)):
        spec = preset_spec(report, "Balance Refill: Total")
        title = "כותרת 12"
        for svg in (chart_svg(spec), chart_svg(blank_spec(report, title=title)), inert_svg(chart_svg(spec))):
            assert not re.search("[\u0590-\u08ff]", re.sub("\u2068[^<\u2068\u2069]*\u2069", "", svg))
            assert inert_svg(svg) == svg
        assert "\ufffd" not in chart_svg(spec)
        assert f"\u2068{names[0]}\u2069 · Balance Refill: Total" in drawn(spec)[0]["told"]


def test_a_drawing_of_another_library_has_its_names_isolated():
    svg = '<svg xmlns="http://www.w3.org/2000/svg"><text>חבילה 5<tspan>באקה 2</tspan></text></svg>'
    assert ">\u2068חבילה 5\u2069<tspan>\u2068באקה 2\u2069</tspan><" in inert_svg(svg)


def assert_inert(svg: str) -> None:
    allowed = {"svg", "g", "path", "text", "tspan", "rect", "line", "circle", "title", "defs", "clipPath"}
    for element in ET.fromstring(svg).iter():
        assert element.tag.rpartition("}")[2] in allowed
        assert not [a for a in element.attrib if "href" in a or a.startswith("on") or a in ("style", "class")]


def test_links_pictures_scripts_and_foreign_references_do_not_survive():
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        'onload="alert(1)">'
        '<script>alert(1)</script><style>*{fill:red}</style><image xlink:href="http://e.example/x.png"/>'
        '<foreignObject><body>x</body></foreignObject><use href="#a"/><!-- note -->'
        '<a xlink:href="javascript:alert(1)"><text onclick="alert(1)">kept</text></a>'
        '<rect fill="url(http://e.example/#x)" width="5"/><rect fill="url(#own)" id="r" width="6"/></svg>'
    )
    inert = inert_svg(svg, 'A "label"')
    assert_inert(inert)
    assert "e.example" not in inert
    assert "alert" not in inert
    assert ">kept<" in inert
    assert re.search(r'fill="url\(#[0-9a-f]{8}-own\)"', inert)
    assert ET.fromstring(inert).get("aria-label") == 'A "label"'


@pytest.mark.parametrize(
    "bad", ['<!DOCTYPE svg [<!ENTITY a "b">]><svg/>', "<svg", "<html></html>", "", "<svg>\ud800</svg>"]
)
def test_what_is_no_plain_svg_is_refused(bad):
    with pytest.raises(CustDynError):
        inert_svg(bad)


def test_a_specification_that_asks_the_network_is_refused_and_a_link_in_it_is_dropped():
    base = {"mark": "point", "encoding": {"x": {"field": "a", "type": "quantitative"}}}
    with pytest.raises(QueryError, match="cannot be drawn"):
        chart_svg({**base, "data": {"url": "http://127.0.0.1:9/data.json"}})
    values = {"values": [{"a": 1, "href": "javascript:alert(1)", "u": "http://127.0.0.1:9/x.png"}]}
    linked = {**base, "data": values, "encoding": {**base["encoding"], "href": {"field": "href"}}}
    assert_inert(chart_svg(linked))
    picture = {"mark": "image", "data": values, "encoding": {**base["encoding"], "url": {"field": "u"}}}
    assert "127.0.0.1" not in chart_svg(picture)


def test_colours_stay_apart_for_people_with_any_colour_blindness():
    for seen in (None, *_SEEN.values()):
        for a, b in itertools.combinations([*PALETTE, GREY], 2):
            assert _distance(_as_seen(a, seen), _as_seen(b, seen)) > 9, (a, b)


# Machado, Oliveira and Fernandes (2009), severity 1: linear RGB as people without one kind of cone see it.
_SEEN = {
    "protan": ((0.1523, 1.0526, -0.2049), (0.1145, 0.7863, 0.0992), (-0.0039, -0.0481, 1.0520)),
    "deutan": ((0.3673, 0.8606, -0.2280), (0.2801, 0.6725, 0.0474), (-0.0118, 0.0429, 0.9689)),
    "tritan": ((1.2555, -0.0767, -0.1788), (-0.0784, 0.9308, 0.1476), (0.0047, 0.6914, 0.3039)),
}


def _as_seen(colour, matrix):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    if matrix is None:
        return linear
    return [min(1.0, max(0.0, sum(m * v for m, v in zip(row, linear, strict=True)))) for row in matrix]


def _distance(one, other):
    def lab(rgb):
        to_xyz = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
        xyz = [sum(m * v for m, v in zip(row, rgb, strict=True)) for row in to_xyz]
        x, y, z = (
            t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116
            for t in (v / w for v, w in zip(xyz, (0.95047, 1, 1.08883), strict=True))
        )
        return (116 * y - 16, 500 * (x - y), 200 * (y - z))

    return sum((a - b) ** 2 for a, b in zip(lab(one), lab(other), strict=True)) ** 0.5


def test_every_column_of_the_made_report_can_be_drawn():
    report = make_report(3)
    for column in COLUMNS:
        told = [p["told"] for p in drawn(blank_spec(report, y=column.name))]
        assert len(told) == 3
        assert all(column.name in text for text in told)


@pytest.mark.parametrize(
    ("parts", "label"),
    [
        ({"title": "Mine"}, "Mine"),
        ({"title": {"text": "Mine", "anchor": "start"}}, "Mine"),
        ({"title": {"text": ["Two", "lines"]}}, "Chart"),
        ({"title": {"anchor": "start"}}, "Chart"),
        ({}, "Chart"),
        ({"title": "Mine", "description": "What it shows"}, "What it shows"),
    ],
)
def test_a_chart_of_ones_own_is_told_by_its_description_or_title(
    parts: dict[str, object], label: str
) -> None:
    spec = {"data": {"values": [{"x": 1}]}, "mark": "bar", "encoding": {"x": {"field": "x"}}, **parts}
    assert ET.fromstring(chart_svg(spec)).get("aria-label") == label
