"""A period whose figures end before it does is told wherever its figures are."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from html import unescape
from typing import cast

import openpyxl
import pytest

from custdyn_widgets.mail.letters import ReportLetter
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.render.charts.drawing import chart_svg, report_charts
from custdyn_widgets.render.charts.specs import blank_spec
from custdyn_widgets.render.page import render_page
from custdyn_widgets.render.xlsx.workbook import to_xlsx
from custdyn_widgets.report.report import Report
from custdyn_widgets.report.terminal import report_text
from custdyn_widgets.widgets.table import shown_report
from tests.make_report import make_report

UNTIL = "2022-12-16 08:30:00 UTC"
SENTENCE = f"Partial: the figures run up to {UNTIL}, the time of the report; the interval ends at "


def grouped(group_by: list[str], *, is_partial: bool) -> Report:
    """Return a report of two packages, or of one row, whose buckets are whole but for the report's end."""
    report = make_report(2, packages=("Basic", "Gold") if "package" in group_by else ())
    asked = {**report.query.to_dict(), "group_by": group_by}
    rows = tuple(replace(row, partial=is_partial and row is report.rows[-1]) for row in report.rows)
    total = replace(report.total or report.rows[0], partial=is_partial)
    headings = {"month": "Month", "package": "Package Name"}
    if group_by == ["package"]:
        rows = tuple(replace(row, labels=row.labels[1:], partial=is_partial) for row in report.rows[:2])
        total = replace(total, labels=("Total",))
    if not group_by:
        rows = (replace(report.rows[0], labels=(), partial=is_partial),)
    return replace(
        report,
        query=ReportQuery.from_dict(asked),
        headings=tuple(headings[name] for name in group_by),
        rows=rows,
        total=total if group_by else None,
    )


def faces(report: Report) -> dict[str, str]:
    letter = ReportLetter("Monthly", "monthly", report, "https://reports.example.com/view?id=a")
    text, html = letter.texts(attached=False)
    book = openpyxl.load_workbook(io.BytesIO(to_xlsx(report)))
    sheets = {
        f"sheet {sheet.title}": "\n".join(str(cell.value) for row in sheet.iter_rows() for cell in row)
        for sheet in book.worksheets
        if sheet.title in ("Report", "Charts")
    }
    return {
        "page": render_page(report, {}).decode(),
        "notebook": cast("str", report._repr_html_()),
        "form": "\n".join(shown_report(report)["notes"]),
        "terminal": report_text(report),
        "letter as text": text,
        "letter as HTML": html,
        **sheets,
    }


@pytest.mark.parametrize("group_by", [[], ["month"], ["package"], ["month", "package"]])
def test_every_face_tells_until_when_the_figures_count(group_by: list[str]) -> None:
    for name, words in faces(grouped(group_by, is_partial=True)).items():
        plain = " ".join(unescape(re.sub("<[^>]*>", "", words)).split())
        assert SENTENCE in plain, name
    for name, words in faces(grouped(group_by, is_partial=False)).items():
        assert "artial" not in words, name


@pytest.mark.parametrize("group_by", [[], ["month"], ["package"], ["month", "package"]])
@pytest.mark.parametrize("mark", ["line", "bar", "stacked bar", "area", "point", "stacked area"])
def test_every_drawing_tells_what_is_partial(group_by: list[str], mark: str) -> None:
    report = grouped(group_by, is_partial=True)
    whole = grouped(group_by, is_partial=False)
    assert "artial" in re.sub("<title>[^<]*</title>", "", chart_svg(blank_spec(report, mark=mark)))
    assert "artial" not in chart_svg(blank_spec(whole, mark=mark))
    assert all("artial" in svg for svg in report_charts(report).values())


def test_the_subject_of_a_letter_tells_until_when() -> None:
    def subject(report: Report) -> str:
        return ReportLetter("Monthly", "monthly", report, "").subject

    report = grouped(["month"], is_partial=True)
    assert subject(report) == "Monthly: 2021-01-01 to 2022-12-31 (partial: until 2022-12-16 08:30)"
    kolkata = replace(report, info=replace(report.info, timezone="Asia/Kolkata"))
    assert subject(kolkata).endswith("(partial: until 2022-12-16 14:00)")
    day = replace(report.info, interval_start="2022-12-16 00:00:00", interval_end="2022-12-16 23:59:59")
    assert subject(replace(report, info=day)) == "Monthly: 2022-12-16 (partial: until 2022-12-16 08:30)"
    assert subject(grouped(["month"], is_partial=False)) == "Monthly: 2021-01-01 to 2022-12-31"


def test_the_total_is_marked_where_rows_are() -> None:
    report = grouped(["month"], is_partial=True)
    sheet = openpyxl.load_workbook(io.BytesIO(to_xlsx(report)))["Report"]
    total = next(cell for row in sheet.iter_rows(max_col=1) for cell in row if cell.value == "Total")
    assert total.number_format == '@" *"'
    assert 'Total <i title="partial">◐</i>' in render_page(report, {}).decode()
    assert "Total ◐" in cast("str", report._repr_html_())
