"""The table that a notebook shows for a report."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser

from custdyn_widgets.notebook.author_cells import table_html
from custdyn_widgets.report.html import MAX_NOTEBOOK_ROWS, report_html
from tests.make_report import make_comparison, make_report

HOSTILE = '<script>alert(1)</script>"\n\ud800'


class Rows(HTMLParser):
    """The texts of a table's cells, by row, and every tag that was met."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self._in_cell = False

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        self._in_cell = tag in ("td", "th") or (self._in_cell and tag == "span")
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = self._in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.rows[-1][-1] += data


def read(html: str) -> Rows:
    parser = Rows()
    parser.feed(html)
    return parser


def test_every_row_has_its_labels_and_formatted_values_and_the_total_is_last() -> None:
    rows = read(report_html(make_report(3))).rows
    assert rows[0][:2] == ["Month", "Clients - Active"]
    assert rows[1][:2] == ["Qty", "Balance Pos"]
    assert [row[0] for row in rows[2:]] == ["2021-01", "2021-02", "2021-03 ◐", "Total ◐"]
    assert {len(row) for row in rows[2:]} == {1 + len(make_report(3).columns)}
    assert rows[2][1:3] == ["100", "123555.55"]
    assert all(cell == "–" or Decimal(cell).is_finite() for row in rows[2:] for cell in row[1:])


def test_digits_have_commas_that_are_seen_but_not_copied() -> None:
    html = report_html(make_report(1))
    assert '<td>123<span class="thousands">555.55</span>' in html
    assert '.custdyn-report .thousands::before{content:","}' in html


def test_only_the_total_is_in_bold_and_only_names_may_wrap() -> None:
    lines = report_html(make_report(2, packages=("Basic",))).split("<tr")
    assert [line.startswith(' class="total">') for line in lines[3:]] == [False, False, True]
    assert ['<th class="label name"' in line for line in lines[3:]] == [True, True, False]
    assert all(line.count('<th class="label" scope="row"') == 1 for line in lines[3:5])
    assert lines[5].count('<th class="label" scope="row"') == 2


def test_each_group_of_columns_begins_with_a_line() -> None:
    html = report_html(make_report(1, total=None))
    first = [line.startswith(' class="first"') for line in html.split("<td")[1:]]
    assert [place for place, begins in enumerate(first) if begins] == [0, 4, 8, 12, 15, 17]


def test_hostile_names_are_text() -> None:
    report = make_report(2, packages=(HOSTILE,))
    html = report_html(replace(report, message=HOSTILE, info=replace(report.info, warnings=(HOSTILE,))))
    assert read(html).tags == {"div", "style", "p", "table", "thead", "tbody", "tr", "th", "td", "span"}
    html.encode()


def test_a_long_report_is_cut_and_says_so() -> None:
    html = report_html(make_report(MAX_NOTEBOOK_ROWS + 5))
    assert len(read(html).rows) == 2 + MAX_NOTEBOOK_ROWS + 1
    assert "has 5 more" in html


def test_a_report_without_rows_shows_its_message_and_headings() -> None:
    html = report_html(make_report(0, total=None, message="No client existed before the end."))
    assert "No client existed before the end." in html
    assert len(read(html).rows) == 2


def test_the_page_takes_it_as_a_table_of_ours() -> None:
    inert = table_html(report_html(make_report(2)))
    assert inert is not None
    assert "2021-02 ◐" in inert
    assert "style" not in inert
    assert '<td>123<span class="thousands">555.55</span></td>' in inert


def test_the_page_keeps_no_other_class_of_a_table() -> None:
    table = '<table class="dataframe"><tr><td><span class="l">1</span></td></tr></table>'
    assert table_html(table) == table_html(table.replace(' class="l"', ""))


def test_a_notebook_shows_400_rows() -> None:
    assert len(read(report_html(make_report(400))).rows) == 2 + 400 + 1
    assert "report.table has" not in report_html(make_report(400))
    assert "The first 400 rows are shown; report.table has 1 more." in report_html(make_report(401))


def test_a_change_is_below_its_number_in_the_same_cell() -> None:
    html = report_html(make_comparison(2))
    assert '<td class="first" title="before: 1,200">1<span class="thousands">234</span>' in html
    assert "<small>+34 (+2.8%)</small></td>" in html
    assert {len(row) for row in read(html).rows[2:]} == {1 + 3}
    assert "Below each number: its change from the previous month" in html
    assert "small" not in report_html(make_report(2))


def test_hostile_names_of_resellers_are_text() -> None:
    html = report_html(make_comparison(2, (HOSTILE,)))
    assert "script" not in read(html).tags
    assert "&lt;script&gt;" in html
