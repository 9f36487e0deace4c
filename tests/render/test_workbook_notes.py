"""The notes above the table: short enough that the table can be seen, and nowhere is text lost."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from typing import Any

import openpyxl
import pytest

from custdyn_widgets.render.xlsx.title import shortened_note
from custdyn_widgets.render.xlsx.workbook import to_xlsx
from custdyn_widgets.report import TRIANGLE_NOTE, CohortTriangle
from custdyn_widgets.report.report import Report
from tests.make_report import COLUMNS, make_report

HINT = "… (the rest is on the Info sheet)"
LINE = 11 * 1.2  # points that a line of text needs at least


def opened(report: Report) -> Any:
    return openpyxl.load_workbook(io.BytesIO(to_xlsx(report)))


def filtered(names: tuple[str, ...], report: Report | None = None) -> Report:
    report = report or make_report(3)
    return replace(report, query=replace(report.query, package=names))


def frozen_height(sheet: Any) -> float:
    """Return the height, in points, of the rows that stay on the screen."""
    first = int(re.findall(r"\d+", sheet.freeze_panes)[0])
    return sum(sheet.row_dimensions[row].height or 15 for row in range(1, first))


def info_notes(book: Any) -> str:
    """Return the notes that continue on the Info sheet, which may have several rows each."""
    rows = list(book["Info"].iter_rows(min_row=2, values_only=True))
    end = next(index for index, (name, _) in enumerate(rows) if name == "Data Interval")
    return " ".join(text for _, text in rows[:end])


NAMES = {
    "latin": tuple(f"Package {n:03} with a usual name" for n in range(300)),
    "long": tuple("x" * 200 + str(n) for n in range(300)),
    "cjk": tuple("月額プラン" + str(n) for n in range(300)),
    "capitals": tuple("WWW MMM " + str(n) for n in range(300)),
    "lines": tuple(f"a\nb\n{n}" for n in range(300)),
}


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("narrow", [False, True])
def test_a_filter_of_many_names_leaves_room_for_the_table_and_is_whole_on_the_info_sheet(
    names: tuple[str, ...], narrow: bool
) -> None:
    report = make_report(3)
    if narrow:
        report = replace(
            report,
            columns=COLUMNS[:2],
            rows=tuple(replace(row, values=row.values[:2]) for row in report.rows),
            total=None,
        )
    report = filtered(names, report)
    book = opened(report)
    assert frozen_height(book["Report"]) < 200
    note = book["Report"]["A2"].value
    assert note.endswith(HINT)
    assert note.startswith("Amounts in USD. 2021-01-01 00:00:00 to")
    full = f"Amounts in USD. {report.query.describe()}."
    assert "".join(info_notes(book).split()) == "".join(full.split())
    for row in range(2, book["Info"].max_row + 1):
        text, height = book["Info"].cell(row, 2).value, book["Info"].row_dimensions[row].height
        assert (height or LINE) < 409
        wide = sum(2 if letter > "\u2fff" else 0.85 for letter in text)
        assert (height or 15) >= LINE * wide / 100


def test_notes_that_fit_are_not_shortened_and_not_on_the_info_sheet() -> None:
    for report in (make_report(3), filtered(("Basic", "Premium"))):
        book = opened(report)
        assert book["Report"]["A2"].value == f"Amounts in USD. {report.query.describe()}."
        assert info_notes(book) == ""


def test_any_long_note_is_whole_on_the_info_sheet() -> None:
    message = "A long message. " * 200
    book = opened(filtered(NAMES["latin"], replace(make_report(2), message=message)))
    assert frozen_height(book["Report"]) < 250
    assert book["Report"]["A3"].value.endswith(HINT)
    assert message.strip() in info_notes(book)


def test_a_note_is_shortened_between_words_to_three_lines() -> None:
    note = ", ".join(f"word{n}" for n in range(200))
    short = shortened_note(note, 100)
    assert re.fullmatch(r"(word\d+, )*word\d+" + re.escape(HINT), short)
    assert note.startswith(short.removesuffix(HINT) + ",")
    assert 200 < len(short) <= 310  # commas are narrow
    assert shortened_note("a b", 100) == "a b"
    short = shortened_note("x" * 999, 100)
    assert short == "x" * (len(short) - len(HINT)) + HINT
    assert 150 < len(short) <= 300
    assert shortened_note("\n".join("abcdefgh"), 100) == "a\nb\nc" + HINT


def test_the_note_above_the_cohorts_is_whole() -> None:
    book = opened(make_report(1, triangle=CohortTriangle(("2021-10",), (5,), ((5,),))))
    assert book["Cohorts"]["A1"].value == TRIANGLE_NOTE


def test_the_currency_stays_above_the_table_if_the_query_is_shortened() -> None:
    sheet = opened(filtered(tuple(f"Unlimited Europe {n:02}" for n in range(60))))["Report"]
    assert sheet["A2"].value.startswith("Amounts in USD. ")
    assert sheet["A2"].value.endswith(HINT)


def test_a_text_that_begins_with_empty_lines_is_beside_its_name() -> None:
    book = opened(make_report(1, message="\n" * 30 + "word " * 3_000))
    rows = [[cell.value for cell in row] for row in book["Info"].iter_rows(max_row=4)]
    assert rows[1][0] == "Note"
    assert str(rows[1][1]).startswith("word word")


def test_a_long_name_of_a_group_leaves_room_for_the_rows() -> None:
    report = make_report(2)
    columns = tuple(replace(column, group="A very long name " * 60) for column in report.columns[:1])
    rows = tuple(replace(row, values=row.values[:1]) for row in report.rows)
    sheet = opened(replace(report, columns=columns, rows=rows, total=None))["Report"]
    assert frozen_height(sheet) < 200
