"""How a workbook prints: readable, whole, with names and headings on each page, and no page too many."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl.utils import get_column_letter, range_boundaries

from custdyn_widgets.render.xlsx.page_setup import Pages, divide_columns, print_divided
from custdyn_widgets.render.xlsx.workbook import to_xlsx
from custdyn_widgets.report.cohorts import CohortTriangle
from custdyn_widgets.report.report import Column, Report, Row
from tests.make_report import COLUMNS, make_comparison, make_report

PAGE = 150.0  # characters of 11 points between the margins of A4
SURE = 113.0  # the same in a program without Calibri


def opened(report: Report) -> Any:
    return openpyxl.load_workbook(io.BytesIO(to_xlsx(report)))


def areas(sheet: Any) -> list[tuple[int, int, int, int]]:
    """Return the first column, first row, last column and last row of each area that is printed."""
    names = [area.rpartition("!")[2] for area in sheet.print_area.split(",")]
    return [range_boundaries(name.replace("$", "")) for name in names]


def compared(months: int = 12, names: tuple[str, ...] = ()) -> Report:
    """Return a report with the usual columns, each with its comparison."""
    report = make_report(months, names)
    parts = ("", " Before", " Change", " Change %")
    columns = tuple(replace(c, label=c.label + part) for c in COLUMNS for part in parts)

    def wide(row: Row | None) -> Row | None:
        return row and replace(row, values=tuple(value for value in row.values for _ in parts))

    rows = tuple(row for row in map(wide, report.rows) if row)
    return replace(report, columns=columns, rows=rows, total=wide(report.total))


def of_columns(count: int, group: str = "Group") -> Report:
    """Return a report of one row with so many columns in one group."""
    columns = tuple(Column(group, f"Number {n}", "count", "") for n in range(count))
    return make_report(1, columns=columns, rows=(Row(("2021-01",), (1_234_567,) * count),), total=None)


def of_cohorts(months: int) -> CohortTriangle:
    names = tuple(f"{2000 + i // 12}-{i % 12 + 1:02}" for i in range(months))
    counts = tuple(tuple(9 if i + j < months else None for j in range(months)) for i in range(months))
    return CohortTriangle(names, (10,) * months, counts)


# The rule


def test_columns_that_are_readable_on_one_page_stay_on_it_and_are_never_enlarged() -> None:
    assert divide_columns([10, 20], 1, [1]) == Pages(11, (range(2),))
    assert divide_columns([PAGE / 10] * 10, 1, [1]) == Pages(11, (range(10),))
    assert divide_columns([10.0] * 24, 1, [1]) == Pages(pytest.approx(11 * PAGE / 240), (range(24),))
    assert len(divide_columns([10.0] * 30, 1, [1]).parts) == 1
    assert len(divide_columns([10.0] * 31, 1, [1]).parts) > 1
    assert divide_columns([], 0, []).parts == (range(0),)


def test_pages_begin_with_groups_and_are_as_few_and_as_large_as_possible() -> None:
    pages = divide_columns([10.0] * 41, 1, [1, 11, 21, 31])
    assert pages.parts == (range(11), range(11, 21), range(21, 31), range(31, 41))
    assert (pages.size, pages.repeated) == (9, 1)  # 110 characters: two groups would need 210 and 5.9 points
    pages = divide_columns([10.0] * 41, 1, range(1, 41, 8))
    assert pages.parts == (range(17), range(17, 33), range(33, 41))
    assert pages.size == 7  # 170 characters


def test_only_a_group_too_wide_for_a_page_is_divided_and_evenly() -> None:
    pages = divide_columns([10.0] * 41, 1, [1, 21])
    assert pages.parts == (range(11), range(11, 21), range(21, 31), range(31, 41))


def test_labels_that_leave_too_little_room_are_repeated_only_as_far_as_they_fit() -> None:
    assert divide_columns([44.0] * 2 + [15.0] * 20, 2, [2]).repeated == 2
    assert divide_columns([44.0] * 5 + [15.0] * 20, 5, [5]).repeated == 2
    assert divide_columns([100.0] * 2 + [15.0] * 20, 2, [2]).repeated == 0


@given(
    st.lists(st.floats(7, 44), max_size=5),
    st.lists(st.lists(st.floats(5, 50), min_size=1, max_size=20), min_size=1, max_size=12),
)
def test_every_column_is_on_one_page_which_is_wide_enough(
    labels: list[float], groups: list[list[float]]
) -> None:
    widths = [*labels, *(width for group in groups for width in group)]
    starts = [len(labels) + sum(map(len, groups[:n])) for n in range(len(groups))]
    pages = divide_columns(widths, len(labels), starts)
    assert [position for part in pages.parts for position in part] == list(range(len(widths)))
    assert all(pages.parts)
    if len(pages.parts) == 1:
        assert 5.5 <= pages.size <= 11
        assert sum(widths) * pages.size <= PAGE * 11 * 1.000001
        return
    assert 7 <= pages.size <= 9
    again = sum(widths[: pages.repeated])
    for number, part in enumerate(pages.parts):
        used = sum(widths[part.start : part.stop]) + (again if number else 0)
        assert used * pages.size <= SURE * 11 * 1.000001
    for part in pages.parts[1:]:
        assert part.start > pages.repeated
        group = max(start for start in [*range(len(labels)), *starts] if start <= part.start)
        after = min(start for start in [*starts, len(widths)] if start > group)
        whole = again + sum(widths[group:after])
        assert part.start == group or whole * pages.size > SURE * 11


# The sheets


def test_the_usual_columns_print_on_one_page_at_a_readable_size() -> None:
    for report, size in ((make_report(24), 6.4), (make_report(24, ("Basic", "Premium")), 6), (small(), 7.5)):
        sheet = opened(report)["Report"]
        columns = range(1, len(report.headings) + len(report.columns) + 1)
        widths = [sheet.column_dimensions[get_column_letter(n)].width for n in columns]
        assert sheet.sheet_properties.pageSetUpPr.fitToPage
        assert (sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight) == (1, 0)
        assert 11 * PAGE / sum(widths) > size


def small() -> Report:
    """Return a report with the usual columns and amounts of thousands."""
    report = make_report(24)

    def less(row: Row) -> Row:
        return replace(
            row, values=tuple(v if v is None or isinstance(v, int) else v / 100 for v in row.values)
        )

    return replace(report, rows=tuple(map(less, report.rows)), total=report.total and less(report.total))


def test_a_very_wide_table_prints_a_page_for_each_few_groups_with_names_and_headings() -> None:
    report = compared()
    sheet = opened(report)["Report"]
    row = next(cells[1].row for cells in sheet.iter_rows() if cells[1].value == "Qty")
    assert not sheet.sheet_properties.pageSetUpPr.fitToPage
    assert 63 <= sheet.page_setup.scale <= 81
    assert_pages_fit(sheet)
    assert (sheet.print_title_cols, sheet.print_title_rows) == ("$A:$A", f"${row - 1}:${row}")
    first, *others = areas(sheet)
    assert first[:2] == (1, 1)
    assert {(top, bottom) for _, top, _, bottom in [first, *others]} == {
        (1, sheet.max_row),
        (row - 1, sheet.max_row),
    }
    assert all(
        top == row - 1 for _, top, _, _ in others
    )  # the title and the notes are on the first page only
    assert all(before[2] + 1 == after[0] for before, after in pairwise([first, *others]))
    assert others[-1][2] == sheet.max_column == 1 + len(report.columns)
    assert sheet.oddFooter.center.text == "Customer Dynamics – &A – page &P of &N"


def assert_pages_fit(sheet: Any) -> None:
    """Assert that no page is wider than the paper, even in a program without Calibri."""
    repeated = range_boundaries(sheet.print_title_cols.replace("$", ""))[2] if sheet.print_title_cols else 0
    for number, (left, _, right, _) in enumerate(areas(sheet)):
        columns = [*(range(1, repeated + 1) if number else ()), *range(left, right + 1)]
        width = sum(sheet.column_dimensions[get_column_letter(n)].width for n in columns)
        assert width * sheet.page_setup.scale / 100 <= SURE


@pytest.mark.parametrize("width", [6.4, 7.2, 8.5, 10.0, 12.4])
def test_a_full_page_is_not_wider_than_the_paper(width: float) -> None:
    sheet = openpyxl.Workbook().active
    pages = divide_columns([width] * 100, 0, [0])
    assert len(pages.parts) > 1
    print_divided(sheet, pages, 100, 1)
    for part in pages.parts:
        assert len(part) * width * sheet.page_setup.scale / 100 <= SURE


def test_a_page_packed_full_at_its_size_stays_within_the_paper() -> None:
    sheet = openpyxl.Workbook().active
    print_divided(sheet, Pages(7.0, (range(2), range(2, 4))), 4, 1)
    assert sheet.page_setup.scale == 63  # of 63.6: at 64 a page of 177.5 characters would be 113.6 wide


def test_a_group_divided_between_pages_has_its_name_on_each() -> None:
    sheet = opened(of_columns(40, "A group with a long name"))["Report"]
    row = next(cells[1].row for cells in sheet.iter_rows() if cells[1].value == "Number 0")
    merged = {str(area) for area in sheet.merged_cells.ranges}
    assert len(areas(sheet)) > 1
    for left, _, right, _ in areas(sheet):
        left = max(left, 2)
        assert sheet.cell(row - 1, left).value == "A group with a long name"
        letters = get_column_letter(left), get_column_letter(right)
        assert f"{letters[0]}{row - 1}:{letters[1]}{row - 1}" in merged
    lines = [cell.column for cell in sheet[row - 1] if cell.border.left and cell.border.left.style]
    assert lines == [2]


def test_a_wide_table_without_labels_repeats_none() -> None:
    wide = replace(of_columns(41), headings=(), rows=(Row((), (1_234_567,) * 41),))
    sheet = opened(wide)["Report"]
    assert len(areas(sheet)) > 1
    assert not sheet.print_title_cols
    assert sheet.page_setup.scale >= 63
    assert_pages_fit(sheet)


@pytest.mark.parametrize("names", [(), ("A",), ("x" * 99, "W" * 50)])
def test_notes_above_a_narrow_table_are_printed_whole(names: tuple[str, ...]) -> None:
    report = make_report(2, names)
    narrow = replace(
        report,
        message="A message with a list of names, such as Cöln & WIEN. " * 5,
        columns=COLUMNS[:2],
        rows=tuple(replace(row, values=row.values[:2]) for row in report.rows),
        total=report.total and replace(report.total, values=report.total.values[:2]),
    )
    assert_notes_fit(opened(narrow)["Report"])
    assert_notes_fit(opened(compared(2, names))["Report"])
    assert_notes_fit(opened(report)["Report"])


def assert_notes_fit(sheet: Any) -> None:
    """Assert that each line above the table has the width or height that it needs, within the first page."""
    left, _, right, _ = areas(sheet)[0]
    merged = {area.min_row: area for area in sheet.merged_cells.ranges if area.min_col == 1}
    for row in range(1, int(re.findall(r"\d+", sheet.print_title_rows)[0])):
        cell = sheet.cell(row, 1)
        last = merged[row].max_col if row in merged else right
        dimensions = [sheet.column_dimensions.get(get_column_letter(n)) for n in range(left, last + 1)]
        width = sum(dimension.width if dimension else 8 for dimension in dimensions)
        lines = 0.85 * len(cell.value) * cell.font.size / 11 / width  # a letter is narrower than a digit
        assert last <= right
        assert lines <= 1 or cell.alignment.wrap_text
        assert lines <= 1 or sheet.row_dimensions[row].height >= lines * cell.font.size * 1.2


@pytest.mark.parametrize(("months", "pages"), [(1, 1), (12, 1), (36, 1), (120, 6)])
def test_cohorts_of_many_months_print_over_several_pages(months: int, pages: int) -> None:
    sheet = opened(make_report(1, triangle=of_cohorts(months)))["Cohorts"]
    assert len(areas(sheet)) == pages
    assert areas(sheet)[-1][2:] >= (2 + months, 2 + months)
    assert {area[1] for area in areas(sheet)[1:]} <= {2}
    assert sheet.print_title_cols == ("$A:$B" if pages > 1 else None)
    assert_notes_fit(sheet)


def test_a_page_of_changes_in_points_is_wide_enough() -> None:
    sheet = opened(make_comparison())["Report"]
    [column] = [
        cell.column_letter for row in sheet.iter_rows() for cell in row if cell.value == "Churn Rate Change"
    ]
    assert sheet.column_dimensions[column].width >= 1.1 * len("-2.5% pts")


def test_only_sheets_that_are_shown_have_areas_to_print() -> None:
    for report in (compared(2, ("A", "B", "C")), make_comparison()):
        book = opened(report)
        assert not book["Chart data"].print_area  # LibreOffice prints even a hidden sheet if it has one
        assert not book["Charts"].print_area
        assert book["Charts"].sheet_properties.pageSetUpPr.fitToPage


# LibreOffice


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("profile")


def drawn(report: Report, folder: Path, profile: Path) -> list[str]:
    """Return the text of each page that LibreOffice prints."""
    office, reader = shutil.which("soffice"), shutil.which("pdftotext")
    if not office or not reader:
        pytest.skip("LibreOffice and poppler are not installed")
    (folder / "report.xlsx").write_bytes(to_xlsx(report))
    command = [office, f"-env:UserInstallation=file://{profile}", "--headless", "--convert-to", "pdf",
               "--outdir", str(folder), str(folder / "report.xlsx")]  # fmt: skip
    subprocess.run(command, check=True, timeout=180, capture_output=True)
    read = subprocess.run(
        [reader, "-layout", str(folder / "report.pdf"), "-"], check=True, capture_output=True
    )
    return read.stdout.decode().split("\f")[:-1]


@pytest.mark.office
@pytest.mark.slow
@pytest.mark.parametrize("names", [(), ("Basic", "x" * 60, "=W" * 30)])
def test_libreoffice_prints_a_page_for_each_area_and_none_in_vain(
    tmp_path: Path, profile: Path, names: tuple[str, ...]
) -> None:
    report = compared(4, names)
    sheet = opened(report)["Report"]
    pages = drawn(report, tmp_path, profile)
    tables = [page for page in pages if "– Report – page" in page]
    assert len(tables) == len(areas(sheet)) > 1
    for page, (left, *_) in zip(tables, areas(sheet), strict=True):
        assert "Month" in page
        assert "2021-04 *" in page
        assert "Total" in page
        assert "###" not in page
        group = sheet.cell(int(sheet.print_title_rows[1:].split(":")[0]), max(left, 1 + len(report.headings)))
        assert group.value in page
    assert ["Amounts in USD." in " ".join(page.split()) for page in tables] == [True] + [False] * len(
        tables[1:]
    )
    assert any("Clients - Active: Qty" in page for page in pages if "– Charts – page" in page)
    assert not any("– Chart data – page" in page for page in pages)


@pytest.mark.office
@pytest.mark.slow
def test_libreoffice_prints_many_rows_with_headings_on_each_page(tmp_path: Path, profile: Path) -> None:
    report = make_report(24, tuple(f"Package {n}" for n in range(20)))
    tables = [page for page in drawn(report, tmp_path, profile) if "– Report – page" in page]
    assert 5 <= len(tables) <= 15
    for page in tables:
        assert "Package Name" in page
        assert "Clients - Overall Active" in page
        assert "Packages" in page
        assert "###" not in page


@pytest.mark.office
@pytest.mark.slow
def test_libreoffice_prints_a_narrow_table_on_one_page_with_whole_notes(
    tmp_path: Path, profile: Path
) -> None:
    report = make_report(12)
    narrow = replace(
        report,
        columns=COLUMNS[:2],
        rows=tuple(replace(row, values=row.values[:2]) for row in report.rows),
        total=report.total and replace(report.total, values=report.total.values[:2]),
    )
    [table] = [page for page in drawn(narrow, tmp_path, profile) if "– Report – page" in page]
    assert "Amounts in USD." in " ".join(table.split())
