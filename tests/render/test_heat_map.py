"""The retention triangle on pages, in notebooks and in workbooks."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import openpyxl
import pytest

from custdyn_widgets.render.page import render_page
from custdyn_widgets.render.xlsx.workbook import to_xlsx
from custdyn_widgets.report.cohorts import CohortTriangle
from custdyn_widgets.report.heat_map import (
    DARK,
    DARK_INK,
    LIGHT,
    LIGHT_INK,
    MAX_COHORTS,
    STEPS,
    share_step,
    triangle_html,
)
from custdyn_widgets.report.html import report_html
from tests.make_report import make_report
from tests.render.test_page import assert_inert

TRIANGLE = CohortTriangle(
    ("2021-10", "2021-11", "2021-12"), (1200, 3, 1), ((1200, 54, 0), (3, 1, None), (1, None, None))
)


def triangle_of(months: int) -> CohortTriangle:
    names = tuple(f"{1990 + i // 12}-{i % 12 + 1:02}" for i in range(months))
    counts = tuple(tuple(100 - k if k < months - i else None for k in range(months)) for i in range(months))
    return CohortTriangle(names, (100,) * months, counts)


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio that WCAG defines."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(("colours", "ink"), [(LIGHT, LIGHT_INK), (DARK, DARK_INK)])
def test_numbers_are_readable_on_every_colour_and_colours_go_one_way(
    colours: tuple[str, ...], ink: str
) -> None:
    assert len(colours) == len(STEPS) + 1
    against = [contrast(colour, ink) for colour in colours]
    assert min(against) >= 4.5
    assert against == sorted(against, reverse=True)
    assert len(set(colours)) == len(colours)


@pytest.mark.parametrize(
    ("count", "size", "step"),
    [(0, 5, 0), (1, 1000, 1), (49, 1000, 1), (50, 1000, 2), (799, 1000, 9), (800, 1000, 10), (7, 7, 10)],
)
def test_a_colour_begins_exactly_at_its_share(count: int, size: int, step: int) -> None:
    assert share_step(count, size) == step


def test_cells_have_counts_and_say_their_share_and_months_to_come_are_empty() -> None:
    html = triangle_html(TRIANGLE)
    assert [*re.findall(r'<th scope="col">(.*?)</th>', html)] == ["Cohort", "Size", "0", "1", "2"]
    assert "<td>1,200</td>" in html
    assert 'title="2021-10, 1 month later: 54 of 1,200 (4.5%)">54</td>' in html
    assert 'title="2021-11, 1 month later: 1 of 3 (33.3%)">1</td>' in html
    assert 'title="2021-10, 2 months later: 0 of 1,200 (0.0%)">0</td>' in html
    assert html.count("<td></td>") == 3


@pytest.mark.parametrize(
    ("count", "size", "share"),
    [(1, 16, "6.3%"), (1, 2000, "0.1%"), (1, 2001, "0.0%"), (1200, 1200, "100.0%"), (0, 0, "0.0%")],
)
def test_a_share_is_rounded_half_up_to_a_tenth_of_a_percent(count: int, size: int, share: str) -> None:
    html = triangle_html(CohortTriangle(("2021-10",), (size,), ((count,),)))
    assert f'title="2021-10, in its first month: {count:,} of {size:,} ({share})">' in html


def test_the_scale_names_the_share_of_each_colour() -> None:
    [scale] = re.findall("Share of Size: (.*?)</p>", triangle_html(TRIANGLE))
    assert re.findall(r"var\(--s(\d+)\)\">(.*?)</span>", scale) == [
        ("0", "0"), ("1", "0–5%"), ("2", "5–10%"), ("3", "10–15%"), ("4", "15–20%"), ("5", "20–30%"),
        ("6", "30–40%"), ("7", "40–50%"), ("8", "50–60%"), ("9", "60–80%"), ("10", "80–100%"),
    ]  # fmt: skip


@pytest.mark.parametrize("months", [3, 30, 40, 60])
def test_a_triangle_is_printed_as_large_as_fits_a_sheet(months: int) -> None:
    triangle = triangle_of(months)
    [size] = re.findall(r"table.custdyn \{ font-size: ([\d.]+)pt", triangle_html(triangle))
    digits = len("1990-01") + len("Size") + 2 * months + triangle.counts[0].count(100)
    room = 770 - 4 * (2 + months)  # what the padding of cells leaves of a landscape sheet
    assert float(size) == pytest.approx(min(9.0, room / (0.6 * digits)), abs=0.051)


def test_the_smallest_letters_of_a_printed_triangle_have_three_points() -> None:
    assert "table.custdyn { font-size: 3.0pt" in triangle_html(triangle_of(MAX_COHORTS))


def test_only_the_last_of_very_many_cohorts_are_shown_with_a_note() -> None:
    html = triangle_html(triangle_of(MAX_COHORTS + 4))
    assert html.count('<th scope="row">') == MAX_COHORTS
    assert f"Showing the last {MAX_COHORTS} of {MAX_COHORTS + 4} cohorts." in html
    assert '<th scope="col">119</th>' in html
    assert '<th scope="col">120</th>' not in html  # empty for all of those
    assert "are left out" not in triangle_html(triangle_of(MAX_COHORTS))


def test_cohorts_without_a_known_month_have_no_columns_of_months() -> None:
    html = triangle_html(CohortTriangle(("2021-10",), (3,), ((None, None),)))
    assert re.findall('<th scope="col">(.*?)</th>', html) == ["Cohort", "Size"]


def test_without_cohorts_there_is_no_heat_map() -> None:
    assert triangle_html(CohortTriangle((), (), ())) == ""


def test_labels_are_escaped_wherever_the_triangle_came_from() -> None:
    hostile = '"><script>alert(1)</script>'
    html = triangle_html(replace(TRIANGLE, cohorts=(hostile, *TRIANGLE.cohorts[1:])))
    assert "<script" not in html
    assert '"">' not in html


def test_pages_and_notebooks_show_it_below_the_table_and_pages_stay_inert() -> None:
    report = replace(make_report(2), triangle=TRIANGLE)
    page = render_page(report, {})
    assert_inert(page)
    assert page.index(b"<h2>Cohorts</h2>") > page.index(b"</tbody>")
    assert b"prefers-color-scheme:dark){.custdyn-cohorts" in page
    assert 'data-jp-theme-light="false"] .custdyn-cohorts' in report_html(report)
    assert b"cohort" not in render_page(make_report(2), {}).lower()
    assert "cohort" not in report_html(make_report(2)).lower()


def test_a_workbook_has_it_as_coloured_numbers_on_a_sheet_of_its_own() -> None:
    book = openpyxl.load_workbook(io.BytesIO(to_xlsx(replace(make_report(2), triangle=TRIANGLE))))
    sheet = book["Cohorts"]
    rows = [row[:5] for row in sheet.iter_rows(min_row=2, values_only=True)]
    assert rows == [TRIANGLE.headings, *TRIANGLE.rows]
    colours = [
        [cell.fill.fgColor.rgb[2:] if cell.fill.fill_type else "" for cell in row] for row in sheet["B3:E4"]
    ]
    shown = [colour.removeprefix("#").upper() for colour in LIGHT]
    assert [[c.upper() for c in row] for row in colours] == [
        ["", shown[10], shown[1], ""],
        ["", shown[10], shown[6], ""],
    ]
    widths = {sheet.column_dimensions[letter].width for letter in "BCDE"}
    assert widths == {len("1,200") + 2}
    assert "Cohorts" not in openpyxl.load_workbook(io.BytesIO(to_xlsx(make_report(2)))).sheetnames
