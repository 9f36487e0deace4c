"""Exports: what a program or a spreadsheet reads back is the report, and no text runs."""

from __future__ import annotations

import codecs
import csv
import io
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custdyn_widgets.errors import ExportError
from custdyn_widgets.progress import report_to
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.render.charts.points import Point, Points
from custdyn_widgets.render.charts.presets import presets_of
from custdyn_widgets.render.charts.specs import preset_spec
from custdyn_widgets.render.charts.vegalite import chart_spec
from custdyn_widgets.render.csv import number_text, to_csv, to_excel_csv
from custdyn_widgets.render.page import render_page
from custdyn_widgets.render.xlsx import table, workbook
from custdyn_widgets.render.xlsx.cells import TEXT_LIMIT, cell_text
from custdyn_widgets.render.xlsx.chart_data import Drawing, report_drawings
from custdyn_widgets.render.xlsx.table import fits_a_double, money_format
from custdyn_widgets.render.xlsx.workbook import to_xlsx
from custdyn_widgets.report.formatting import format_value
from custdyn_widgets.report.report import Report, Row
from custdyn_widgets.text import guard_formula, replace_surrogates
from tests.make_report import COLUMNS, INFO, make_comparison, make_report

HOSTILE = (
    "<script>alert(1)</script>", "=cmd|' /C calc'!A0", "</svg>", 'quo"te, comma', "two\nlines\r",
    "\x00\x07bell", "\ufffe\uffff", "\ud800 lone", " =1+1", "\t@x", "-2", "_x0041_", "{=A1}", "x" * 40_000,
)  # fmt: skip


def read_csv(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode("utf-8"), newline=""), strict=True))


def read_xlsx(data: bytes) -> openpyxl.Workbook:
    return openpyxl.load_workbook(io.BytesIO(data))


def texts(sheet) -> list[str]:
    return [cell.value for row in sheet.iter_rows() for cell in row if isinstance(cell.value, str)]


def headings_row(sheet) -> int:
    return next(row[0].row for row in sheet.iter_rows() if row[-1].value == "Renew Total")


def data_rows(sheet) -> list[tuple[object, ...]]:
    return list(sheet.iter_rows(min_row=headings_row(sheet) + 1, values_only=True))


def ungrouped() -> Report:
    whole = make_report(1)
    query = ReportQuery.from_dict({"interval": "last_month", "group_by": []})
    return replace(whole, query=query, headings=(), rows=(replace(whole.rows[0], labels=()),), total=None)


def with_value(value: Decimal) -> Report:
    report = make_report(1)
    values = (report.rows[0].values[0], value, *report.rows[0].values[2:])
    return replace(report, rows=(replace(report.rows[0], values=values),))


# CSV


def test_csv_holds_headings_and_every_value_in_the_order_shown():
    report = make_report(packages=("A", "B"))
    head, *rows = read_csv(to_csv(report))
    assert head == ["Month", "Package Name", *(c.name for c in COLUMNS)]
    assert [tuple(r[:2]) for r in rows] == [r.labels for r in report.rows]
    for read, row in zip(rows, report.rows, strict=True):
        assert [Decimal(v) if v else None for v in read[2:]] == list(row.values)


def test_csv_ends_its_lines_with_crlf_and_has_no_byte_order_mark():
    data = to_csv(make_report(2))
    assert data.startswith(b"Month,Clients - Active: Qty,")
    assert data.count(b"\r\n") == data.count(b"\n") == 3
    assert b'"' not in data


def test_csv_writes_the_total_last_and_only_when_asked():
    report = make_report(2, packages=("A",))
    assert to_csv(report, total=True).startswith(to_csv(report))
    last = read_csv(to_csv(report, total=True))[-1]
    assert last[:2] == ["Total", ""]
    assert [Decimal(v) for v in last[2:]] == list(report.total.values)


@pytest.mark.parametrize("total", [True, False])
@pytest.mark.parametrize("names", [("Базовий", "B; C, D"), HOSTILE], ids=("plain", "hostile"))
def test_a_csv_for_excel_has_what_the_plain_one_has_with_every_digit(names: tuple[str, ...], total: bool):
    exact = Decimal("-123456789012345678.123456")
    report = replace(make_report(packages=names), total=with_value(exact).rows[0])
    report = replace(report, total=replace(report.total, labels=("Total", "")))
    data = to_excel_csv(report, total=total)
    assert data.startswith(codecs.BOM_UTF8)
    text = data.decode("utf-8-sig")
    assert not text.startswith("\ufeff")
    found = list(csv.reader(io.StringIO(text, newline=""), delimiter=";", strict=True))
    plain = read_csv(to_csv(report, total=total))
    texts = [row[:2] if index else row for index, row in enumerate(plain)]
    assert [row[:2] if index else row for index, row in enumerate(found)] == texts
    assert [row[2:] for row in found[1:]] == [[n.replace(".", ",") for n in row[2:]] for row in plain[1:]]
    assert ("-123456789012345678,123456" in text) == total


def test_csv_of_a_query_without_grouping_has_no_total_and_no_labels():
    assert to_csv(ungrouped(), total=True) == to_csv(ungrouped())
    assert read_csv(to_csv(ungrouped()))[0] == [c.name for c in COLUMNS]


def test_csv_without_rows_is_the_headings_alone():
    empty = replace(make_report(0), total=None, message="Nothing.")
    assert len(read_csv(to_csv(empty, total=True))) == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""), (0, "0"), (-7, "-7"), (1234567, "1234567"),
        (Decimal("0.000000"), "0.00"), (Decimal("-0.000000"), "0.00"), (Decimal("1.500000"), "1.50"),
        (Decimal("-0.000001"), "-0.000001"), (Decimal("1.234500"), "1.2345"),
        (Decimal("100.000000"), "100.00"),
        (Decimal("123456789012345678901234567890.123456"), "123456789012345678901234567890.123456"),
    ],
)  # fmt: skip
def test_numbers_are_plain_and_exact(value, text):
    assert number_text(value) == text


def test_negative_numbers_are_not_guarded_but_hostile_headings_are():
    report = replace(make_report(1), headings=("=Month",))
    head, row = read_csv(to_csv(report))
    assert head[0] == "'=Month"
    assert row[3].startswith("-")


# XLSX


def test_xlsx_shows_the_table_under_two_level_headings_with_the_total_last():
    report = make_report(packages=("A", "B"))
    sheet = read_xlsx(to_xlsx(report))["Report"]
    row = headings_row(sheet)
    assert [c.value for c in sheet[row - 1][:6]] == [
        "Month",
        "Package Name",
        "Clients - Active",
        None,
        None,
        None,
    ]
    assert [c.value for c in sheet[row][2:]] == [c.label for c in COLUMNS]
    assert f"C{row - 1}:F{row - 1}" in {str(r) for r in sheet.merged_cells.ranges}
    assert sheet.freeze_panes == f"C{row + 1}"
    *rows, total = data_rows(sheet)
    assert [r[1] for r in rows] == [r.labels[1] for r in report.rows]
    expected = [[None if v is None else float(v) for v in r.values] for r in report.rows]
    assert [[None if v is None else float(v) for v in r[2:]] for r in rows] == expected
    assert total[:2] == ("Total", None)
    assert [float(v) for v in total[2:]] == [float(v) for v in report.total.values]
    last = sheet[sheet.max_row]
    assert all(cell.font.bold and cell.border.top.style for cell in last)


@pytest.mark.parametrize(
    ("group", "label", "shown"),
    [("year", "2021", "yyyy"), ("month", "2021-10", "yyyy-mm"), ("date", "2021-10-31", "yyyy-mm-dd")],
)
def test_time_labels_are_real_dates_shown_as_their_labels(group, label, shown):
    report = make_report(1)
    query = ReportQuery.from_dict({"interval": "last_year", "group_by": [group]})
    row = replace(report.rows[0], labels=(label,), partial=False)
    report = replace(report, query=query, headings=(group.title(),), rows=(row,))
    sheet = read_xlsx(to_xlsx(report))["Report"]
    cell = sheet.cell(headings_row(sheet) + 1, 1)
    assert cell.value == datetime.fromisoformat(label + "0000-01-01"[len(label) :])
    assert cell.number_format == shown


def test_a_date_that_spreadsheets_disagree_about_stays_a_text():
    report = make_report(1)
    report = replace(report, rows=(replace(report.rows[0], labels=("1900-02",)),))
    assert data_rows(read_xlsx(to_xlsx(report))["Report"])[0][0] == "1900-02"
    report = replace(report, rows=(replace(report.rows[0], labels=("1900-03",)),))
    assert data_rows(read_xlsx(to_xlsx(report))["Report"])[0][0] == datetime(1900, 3, 1)


def test_a_partial_bucket_is_marked_and_explained():
    sheet = read_xlsx(to_xlsx(make_report(3)))["Report"]
    formats = [sheet.cell(headings_row(sheet) + i, 1).number_format for i in (1, 2, 3)]
    assert formats == ["yyyy-mm", "yyyy-mm", 'yyyy-mm" *"']
    assert any(text.startswith("* cut short") for text in texts(sheet))


def test_a_package_called_total_is_marked_as_partial_like_any_other():
    query = ReportQuery.from_dict({"interval": "this_year", "group_by": ["package"]})
    made = make_report(1)
    rows = tuple(replace(made.rows[0], labels=(name,), partial=True) for name in ("Total", "Zed"))
    report = replace(made, query=query, headings=("Package Name",), rows=rows)
    sheet = read_xlsx(to_xlsx(report)).worksheets[0]
    first = headings_row(sheet) + 1
    cells = [sheet.cell(first + i, 1) for i in range(3)]
    assert [(c.value, "*" in c.number_format) for c in cells] == [
        ("Total", True), ("Zed", True), ("Total", True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("currency", "shown"),
    [("USD", "#,##0.00"), ("JPY", "#,##0"), ("KWD", "#,##0.000")],
)
def test_amounts_are_shown_with_the_digits_of_their_currency_which_stands_above(currency, shown):
    report = make_report(1)
    sheet = read_xlsx(to_xlsx(replace(report, info=replace(report.info, currency=currency))))["Report"]
    row = sheet[headings_row(sheet) + 1]
    assert money_format(currency) == shown
    assert any(f"Amounts in {currency}." in text for text in texts(sheet))
    assert [c.number_format for c in row[1:]] == [shown if c.unit == "money" else "#,##0" for c in COLUMNS]


def test_every_column_is_wide_enough_for_its_numbers():
    report = with_value(Decimal("-123456789012.123456"))
    sheet = read_xlsx(to_xlsx(report))["Report"]
    assert sheet.column_dimensions["C"].width > len("-123,456,789,012.12")


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        ("8589934591.999999", True), ("8589934592.000001", False), ("0.000001", True),
        ("12345678901.500000", True),
        ("123456789012.123457", False), ("12345678901234567.000000", False),
    ],
)  # fmt: skip
def test_a_note_says_when_a_double_cannot_hold_an_amount(value, fits):
    assert fits_a_double(Decimal(value)) is fits
    notes = [t for t in texts(read_xlsx(to_xlsx(with_value(Decimal(value))))["Report"]) if "CSV export" in t]
    assert len(notes) == (not fits)


@given(st.integers(-(10**17), 10**17))
def test_an_amount_said_to_fit_reads_back_exactly(millionths):
    value = Decimal(millionths).scaleb(-6)
    if fits_a_double(value):
        assert round(Decimal(float(f"{float(value):.16g}")), 6) == value


def test_the_workbook_tells_info_and_definitions():
    report = make_report(2)
    book = read_xlsx(to_xlsx(report))
    assert book.sheetnames == ["Report", "Charts", "Info", "Definitions", "Chart data"]
    assert "Data Interval" in texts(book["Info"])
    assert report.info.warnings[0] in texts(book["Info"])
    assert {c.name for c in COLUMNS} <= set(texts(book["Definitions"]))
    assert report.definitions[0] in texts(book["Definitions"])


def test_the_presets_are_native_charts_with_titles_and_visible_axes():
    book = read_xlsx(to_xlsx(make_report(packages=("A", "B"))))
    charts = book["Charts"]._charts
    titles = [c.title.tx.rich.p[0].r[0].t for c in charts]
    assert titles == [
        "Clients - Active: Qty",
        "Balance Refill: Total",
        "Pay as you Go: Total",
        "Packages: Renew Total",
    ]
    for chart in charts:
        assert len(chart.series) == 2
        assert not chart.x_axis.delete
        assert not chart.y_axis.delete
        assert chart.y_axis.numFmt.formatCode == "#,##0"
        assert chart.x_axis.title.tx.rich.p[0].r[0].t == "Month"
    assert charts[1].y_axis.title.tx.rich.p[0].r[0].t == "USD"


@pytest.mark.parametrize(
    ("amount", "shown"), [("9.99", "#,##0.00"), ("-9.99", "#,##0.00"), ("10", "#,##0"), ("-10", "#,##0")]
)
def test_only_small_amounts_have_decimal_places_on_an_axis(amount: str, shown: str):
    report = make_report(2)
    values = tuple(3 if column.unit == "count" else Decimal(amount) for column in report.columns)
    rows = tuple(replace(row, values=values) for row in report.rows)
    counts, amounts, *_ = read_xlsx(to_xlsx(replace(report, rows=rows)))["Charts"]._charts
    assert counts.y_axis.numFmt.formatCode == "#,##0"
    assert amounts.y_axis.numFmt.formatCode == shown


def test_charts_draw_the_values_of_the_report():
    report = make_report(3, packages=("A", "B"))
    book = read_xlsx(to_xlsx(report))
    series = book["Charts"]._charts[0].series
    drawn = {}
    for one in series:
        (name,) = [c.value for c in cells_of(book, one.tx.strRef.f)]
        drawn[name] = [c.value for c in cells_of(book, one.val.numRef.f)]
    for name in ("A", "B"):
        assert drawn[name] == [row.values[0] for row in report.rows if row.labels[1] == name]
    months = [c.value for c in cells_of(book, series[0].cat.numRef.f)]
    assert months == [datetime(2021, month, 1) for month in (1, 2, 3)]


def cells_of(book, reference: str):
    sheet, area = reference.replace("$", "").replace("'", "").split("!")
    found = book[sheet][area]
    return [cell for row in found for cell in row] if isinstance(found, tuple) else [found]


def test_long_names_are_short_in_charts_and_many_packages_share_the_grey():
    names = [f"{i:02} " + "long " * 20 for i in range(12)]
    book = read_xlsx(to_xlsx(make_report(2, packages=tuple(names))))
    assert max(map(len, texts(book["Chart data"]))) <= 28
    assert len(book["Charts"]._charts[0].series) == 12
    assert any(text.startswith("In grey: 6 more packages") for text in texts(book["Charts"]))
    assert set(names) <= set(texts(book["Report"]))


def test_a_workbook_calls_packages_only_what_are_packages():
    names = tuple(f"Reseller {i}" for i in range(9))
    notes = texts(read_xlsx(to_xlsx(make_comparison(2, names, "company")))["Charts"])
    assert "In grey: 3 more series, the smallest in each chart." in notes


def test_a_report_of_one_row_has_a_bar_for_each_column():
    book = read_xlsx(to_xlsx(ungrouped()))
    assert len(book["Charts"]._charts) == 2
    assert data_rows(book["Report"])[0][0] == ungrouped().rows[0].values[0]
    assert len(data_rows(book["Report"])) == 1


def test_a_report_without_rows_says_why():
    empty = replace(make_report(0), total=None, message="No client existed before 2021-01-01.")
    book = read_xlsx(to_xlsx(empty))
    assert empty.message in texts(book["Report"])
    assert any(empty.message in text for text in texts(book["Charts"]))
    assert not book["Charts"]._charts


def test_xlsx_prints_landscape_one_page_wide_with_its_headings_on_every_page():
    book = read_xlsx(to_xlsx(make_report(2)))
    for sheet in book:
        assert sheet.page_setup.orientation == "landscape"
        assert sheet.page_setup.paperSize == int(sheet.PAPERSIZE_A4)
        assert (sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight) == (1, 0)
        assert sheet.sheet_properties.pageSetUpPr.fitToPage
    row = headings_row(book["Report"])
    assert book["Report"].print_title_rows == f"${row - 1}:${row}"


def test_the_heading_of_a_group_of_one_column_is_not_merged():
    report = make_report(1)
    columns = (replace(COLUMNS[0], group="One"), *(replace(COLUMNS[0], group="Two", label=x) for x in "ab"))
    small = replace(report, columns=columns, rows=(Row(("2021-01",), (1, 2, 3)),), total=None)
    sheet = read_xlsx(to_xlsx(small))["Report"]
    row = next(cells[3].row for cells in sheet.iter_rows() if cells[3].value == "b")
    assert {str(r) for r in sheet.merged_cells.ranges} >= {f"A{row - 1}:A{row}", f"C{row - 1}:D{row - 1}"}
    with zipfile.ZipFile(io.BytesIO(to_xlsx(small))) as archive:
        assert f'ref="B{row - 1}' not in archive.read("xl/worksheets/sheet1.xml").decode()


def test_too_many_rows_are_refused_and_csv_is_named():
    row = make_report(1).rows[0]
    with pytest.raises(ExportError, match=r"100,001 rows.*csv") as caught:
        to_xlsx(replace(make_report(1), rows=(row,) * 100_001))
    assert caught.value.field == "output"


def test_as_many_rows_as_the_limit_are_written(monkeypatch):
    monkeypatch.setattr(workbook, "ROW_LIMIT", 2)
    to_xlsx(make_report(2))
    with pytest.raises(ExportError, match="3 rows"):
        to_xlsx(make_report(3))


def test_too_many_cells_are_rejected_and_csv_is_named(monkeypatch):
    monkeypatch.setattr(workbook, "CELL_LIMIT", 2 * (1 + len(COLUMNS)))
    to_xlsx(make_report(2))
    with pytest.raises(ExportError, match=r"cells, but XLSX allows at most .*csv") as caught:
        to_xlsx(make_report(3))
    assert caught.value.field == "output"


def test_the_headings_of_the_rows_have_a_filter_that_leaves_the_total_out():
    sheet = read_xlsx(to_xlsx(make_report(3, packages=("A", "B"))))["Report"]
    row = headings_row(sheet)
    assert sheet.auto_filter.ref == f"A{row}:{sheet.cell(row, 2 + len(COLUMNS)).column_letter}{row + 6}"
    assert sheet.cell(row + 7, 1).value == "Total"
    for report in (ungrouped(), replace(make_report(2), rows=())):
        assert read_xlsx(to_xlsx(report))["Report"].auto_filter.ref is None


def test_a_long_workbook_reports_its_progress(monkeypatch):
    monkeypatch.setattr(table, "_STEP", 2)
    steps = []
    listener = SimpleNamespace(step=lambda words, done: steps.append((words, done)), note=steps.append)
    with report_to(listener):
        to_xlsx(make_report(5))
    assert steps == [
        ("Writing the workbook: 2 of 5 rows", 0.4),
        ("Writing the workbook: 4 of 5 rows", 0.8),
    ]


def by_day(days: int, packages: Callable[[int], str]) -> Report:
    """Return a report with a row for each day, of one package each."""
    months = make_report(1, packages=("A",))
    labels = ((f"{date(2021, 1, 1) + timedelta(days=i)}", packages(i)) for i in range(days))
    rows = tuple(replace(months.rows[0], labels=pair, partial=False) for pair in labels)
    fields = {"interval": {"start": "2021-01-01", "end": "2024-12-31"}, "group_by": ["date", "package"]}
    return replace(months, query=ReportQuery.from_dict(fields), headings=("Date", "Package Name"), rows=rows)


def calls_of(work: Callable[[Report], object], report: Report) -> int:
    """Return how many functions are called, in Python and in C."""
    calls = 0

    def count(_frame: object, event: str, _arg: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work(report)
    finally:
        sys.setprofile(before)
    return calls


def specifications(report: Report) -> list[dict[str, object]]:
    return [preset_spec(report, name) for name in presets_of(report)]


def page(report: Report) -> bytes:
    return render_page(report, {})


def drawings(report: Report) -> list[Drawing]:
    return list(report_drawings(report))


@pytest.mark.parametrize("work", [drawings, specifications, page, to_xlsx], ids=lambda work: work.__name__)
@pytest.mark.parametrize("packages", [str, lambda _: "A"], ids=("one a day", "one in all"))
def test_the_work_for_charts_pages_and_workbooks_grows_as_the_rows_do(
    packages: Callable[[int], str], work: Callable[[Report], object]
):
    work(by_day(2, packages))  # the first loads modules
    few, many = (calls_of(work, by_day(days, packages)) for days in (150, 300))
    assert many < 2.5 * few


class Name(str):
    """Name that counts how often it is compared with another."""

    __slots__ = ()
    compared = 0

    def __eq__(self, other: object) -> bool:
        type(self).compared += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def test_each_point_of_a_chart_finds_its_series_without_looking_through_the_others(
    monkeypatch: pytest.MonkeyPatch,
):
    def compared(count: int) -> int:
        names = [Name(f"Package {i}") for i in range(count)]
        values = tuple(Point("2021-01", 1.0, name, COLUMNS[0].name, f"{name}: 1", False) for name in names)
        points = Points("Month", ("2021-01",), values, tuple(names[:6]), tuple(names[6:]), ())
        monkeypatch.setattr(Name, "compared", 0)
        chart_spec(points, COLUMNS[:1], mark="line", title="Chart", currency="USD")
        return Name.compared

    assert compared(400) <= 2.5 * compared(200) + 400


def test_a_drawing_computes_its_series_and_dates_once():
    (drawing, *_) = report_drawings(make_report(3, packages=("A", "B")))
    assert drawing.series is drawing.series
    assert drawing.dates == (date(2021, 1, 1), date(2021, 2, 1), date(2021, 3, 1))


def test_the_same_report_gives_the_same_bytes_and_its_own_times():
    report = make_report(3, packages=HOSTILE)
    assert to_xlsx(report) == to_xlsx(Report.from_dict(report.to_dict()))
    data = to_xlsx(report)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {member.create_system for member in archive.infolist()} == {3}  # on every system
    properties = read_xlsx(data).properties
    assert properties.creator == "Customer Dynamics"
    assert properties.created == properties.modified == datetime(2022, 12, 16, 8, 30, 1)


def no_formula(book) -> None:
    for sheet in book:
        for row in sheet.iter_rows():
            assert all(cell.data_type != "f" for cell in row)


def test_hostile_names_and_headings_are_string_cells():
    report = make_report(2, packages=HOSTILE)
    columns = (replace(COLUMNS[0], group="=1+1", label="=2", definition="=3"), *COLUMNS[1:])
    info = replace(report.info, role="=role", source="=source", warnings=("=warning\x00",))
    report = replace(
        report, headings=("=Month", "=Package"), columns=columns, info=info, definitions=("=note",)
    )
    book = read_xlsx(to_xlsx(report))
    no_formula(book)
    assert {"=1+1", "=2", "=Package", "=cmd|' /C calc'!A0", "\ufffd\ufffdbell", "\ufffd lone"} <= set(
        texts(book["Report"])
    )
    assert "=source" in texts(book["Info"])
    with zipfile.ZipFile(io.BytesIO(to_xlsx(report))) as archive:
        sheets = [archive.read(name) for name in archive.namelist() if name.startswith("xl/worksheets/sheet")]
    assert not any(b"<f>" in sheet or b"<f " in sheet for sheet in sheets)


def test_a_text_too_long_for_a_cell_ends_by_saying_so():
    for text in ("x" * 40_000, "\U0001f600" * 20_000, "_x0041_" * 6_000, "a\r\n" * 20_000):
        cut = cell_text(text)
        assert len(cut.encode("utf-16-le")) // 2 <= TEXT_LIMIT
        assert cut.endswith(f"(truncated; {len(text):,} characters)")
    assert cell_text("x" * TEXT_LIMIT) == "x" * TEXT_LIMIT


def expected_cell(label: str) -> str:
    clean = re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]", "\ufffd", label)
    return clean.replace("\r\n", "\n").replace("\r", "\n")


labels = st.text(st.characters(), max_size=12) | st.sampled_from(HOSTILE[:-1])
amounts = st.integers(-(10**20), 10**20).map(lambda n: Decimal(n).scaleb(-6))


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(labels, amounts), min_size=1, max_size=4, unique_by=lambda pair: pair[0]))
def test_any_names_and_amounts_come_back(pairs):
    report = make_report(1)
    rows = tuple(
        Row(("2021-01", label), tuple(amount if c.unit == "money" else 3 for c in COLUMNS))
        for label, amount in pairs
    )
    report = replace(make_report(1, packages=("A",)), rows=rows)
    _, *read = read_csv(to_csv(report))
    for cells, (label, amount) in zip(read, pairs, strict=True):
        assert cells[1] == replace_surrogates(guard_formula(label))
        assert cells[1].removeprefix("'") == re.sub("[\ud800-\udfff]", "\ufffd", label).removeprefix("'")
        assert all(Decimal(v) == amount for v, c in zip(cells[2:], COLUMNS, strict=True) if c.unit == "money")
    book = read_xlsx(to_xlsx(report))
    no_formula(book)
    shown = [row[1] for row in data_rows(book["Report"])][:-1]
    for cell, (label, _) in zip(shown, pairs, strict=True):
        assert (cell or "").replace("_x005F_", "_") == expected_cell(label)


@pytest.mark.office
@pytest.mark.slow
def test_libreoffice_rounds_what_it_shows_as_a_page_does(tmp_path: Path):
    office = shutil.which("soffice")
    if not office:
        pytest.skip("LibreOffice is not installed")
    column = next(column for column in COLUMNS if column.unit == "money")
    amounts = {}
    for currency, step in {"JPY": "0.5", "USD": "0.005", "KWD": "0.0005"}.items():
        amounts[currency] = [
            Decimal(step) * n + whole for whole in (0, 1, 1234, 12_345_678) for n in range(-25, 26)
        ]
        report = make_report(
            1,
            query=ReportQuery(interval="last_month", group_by=("package",)),
            headings=("Package Name",),
            columns=(column,),
            rows=tuple(Row((f"Amount {i}",), (amount,)) for i, amount in enumerate(amounts[currency])),
            total=None,
            info=replace(INFO, currency=currency),
        )
        (tmp_path / f"{currency}.xlsx").write_bytes(to_xlsx(report))
    subprocess.run(
        [office, f"-env:UserInstallation=file://{tmp_path}/profile", "--headless", "--convert-to",
         "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true", "--outdir", str(tmp_path),
         *(str(tmp_path / f"{currency}.xlsx") for currency in amounts)],
        check=True, timeout=120, capture_output=True,
    )  # fmt: skip
    for currency, exact in amounts.items():
        read = csv.reader((tmp_path / f"{currency}.csv").read_text(encoding="utf-8").splitlines())
        shown = [row[1] for row in read if row[0].startswith("Amount ")]
        assert shown == [format_value(amount, column, currency) for amount in exact]


@pytest.mark.office
@pytest.mark.slow
def test_libreoffice_draws_the_report_one_page_wide_without_hashes(tmp_path: Path):
    office = shutil.which("soffice")
    if not office or not shutil.which("pdftotext"):
        pytest.skip("LibreOffice and poppler are not installed")
    (tmp_path / "report.xlsx").write_bytes(to_xlsx(make_report(packages=HOSTILE[:-1])))
    subprocess.run(
        [office, f"-env:UserInstallation=file://{tmp_path}/profile", "--headless", "--convert-to", "pdf",
         "--outdir", str(tmp_path), str(tmp_path / "report.xlsx")],
        check=True, timeout=120, capture_output=True,
    )  # fmt: skip
    drawn = subprocess.run(
        ["pdftotext", "-layout", str(tmp_path / "report.pdf"), "-"], check=True, capture_output=True
    ).stdout.decode()
    assert "###" not in drawn
    for expected in (
        "2021-10",
        "2022-12 *",
        "Total",
        "=cmd|' /C calc'!A0",
        "_x0041_",
        "Data Interval",
        "Pay as you Go",
    ):
        assert expected in drawn, expected
    first = drawn.split("\f")[0]
    assert "Packages" in first  # the last group of columns is on the first page
    assert first.count("Renew") == 2
    assert "Amounts in USD." in first
