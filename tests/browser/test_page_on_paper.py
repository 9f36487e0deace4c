"""The page on paper: sheets are filled, no sheet holds only a sentence, and tables are divided with care."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser

from custdyn_widgets.render.charts.drawing import report_charts
from custdyn_widgets.render.page import render_page
from custdyn_widgets.report.report import Report
from tests.make_report import make_comparison, make_report

pytestmark = pytest.mark.browser

NOTES = (
    "The data was last changed at 2022-12-16T06:00:00Z, before the effective end of the report.",
    "12 rows of transactions.csv were left out because they are faulty. "
    + "`custdyn check --all` lists them with file, row, column and value. " * 3,
    "The clients of 3 companies have no currency.",
)
MARGIN, PER_INCH = 11 / 25.4, 20  # inches; dots
FULL = 0.6  # of a sheet's height between its margins


def printed(browser: Browser, content: bytes, folder: Path, paper: str) -> tuple[list[float], list[str]]:
    """Return how far down each sheet is printed, from 0 to 1, and its text."""
    tools = shutil.which("pdftoppm"), shutil.which("pdftotext")
    if not all(tools):
        pytest.skip("poppler is not installed")
    size, portrait = paper.split()[0], "portrait" in paper
    page = browser.new_page()
    # Some browsers do not know the page's own size, and print as the reader says.
    size_rule = "@page{size:landscape;"
    page.set_content(content.decode().replace(size_rule, "@page{" if portrait else size_rule))
    page.pdf(path=folder / "page.pdf", format=size, landscape=not portrait)
    page.close()
    subprocess.run([tools[0], "-r", f"{PER_INCH}", "-gray", "page.pdf", "sheet"], cwd=folder, check=True)
    filled = []
    for sheet in sorted(folder.glob("sheet-*.pgm")):
        with Image.open(sheet) as picture:
            box = picture.point(lambda grey: 255 * (grey < 250)).getbbox()
            margin = MARGIN * PER_INCH
            filled.append(((box[3] if box else 0) - margin) / (picture.height - 2 * margin))
    text = subprocess.run(
        [tools[1], "-layout", "page.pdf", "-"], cwd=folder, capture_output=True, text=True, check=True
    )
    return filled, text.stdout.split("\f")[: len(filled)]


def page_of(report: Report, charts: int, notes: int) -> bytes:
    """Return a page with so many charts and notes; charts beyond those of the report are the same again."""
    drawn = list(report_charts(report).items())
    noted = replace(report, info=replace(report.info, warnings=NOTES[:notes]))
    shown = {f"{i}. {drawn[i % len(drawn)][0]}": drawn[i % len(drawn)][1] for i in range(charts)}
    return render_page(noted, shown)


@pytest.mark.parametrize(
    ("rows", "charts", "notes", "paper"),
    [
        (1, 2, 1, "A4"), (6, 0, 2, "A4"), (6, 12, 3, "A4"), (12, 2, 0, "A4"), (12, 4, 2, "A4"),
        (12, 6, 0, "Letter"), (20, 0, 1, "A4"), (20, 2, 0, "Letter"), (20, 2, 1, "A4"),
        (20, 6, 2, "A4 portrait"), (24, 2, 2, "Letter"), (24, 4, 0, "A4 portrait"), (44, 2, 0, "A4"),
        (44, 6, 3, "A4"),
    ],
)  # fmt: skip
def test_every_sheet_but_the_last_is_filled_and_the_last_holds_more_than_the_footer(
    chromium, tmp_path, rows, charts, notes, paper
):
    filled, texts = printed(chromium, page_of(make_report(rows), charts, notes), tmp_path, paper)
    assert min(filled[:-1], default=1) >= FULL, filled
    assert "Clients read" in texts[-1]
    assert "A frozen copy" in texts[-1]


@pytest.mark.parametrize("paper", ["A4", "Letter"])
@pytest.mark.parametrize(
    ("report", "notes"),
    [(make_report(6), 0), (make_report(6), 3), (make_comparison(6), 2)],
    ids=["no note", "three notes", "a comparison with two notes"],
)
def test_four_charts_are_on_the_first_sheet_below_notes(chromium, tmp_path, report, notes, paper):
    _, texts = printed(chromium, page_of(report, 4, notes), tmp_path, paper)
    assert texts[0].count("partial month") == 4


@pytest.mark.parametrize("rows", range(14, 35, 5))
def test_a_divided_table_repeats_its_headings_and_ends_with_several_rows(chromium, tmp_path, rows):
    filled, texts = printed(chromium, page_of(make_report(rows), 2, 1), tmp_path, "A4")
    months = [re.findall(r"^ *(20\d\d-\d\d)\b.*\d,\d{3}", text, re.MULTILINE) for text in texts]
    parts = [(len(found), text) for found, text in zip(months, texts, strict=True) if found]
    assert sum(count for count, _ in parts) == rows
    assert all(count >= 3 and "Renew" in text for count, text in parts), months
    assert re.search(r"^ *Total\b", parts[-1][1], re.MULTILINE)
    assert "Amounts in USD" in parts[-1][1]
    assert min(filled[:-1]) >= FULL, filled
