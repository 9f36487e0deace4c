"""The page of a comparison of two reports: its figures, notes, cells and facts."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

from custdyn_widgets.render.difference_page import render_difference
from custdyn_widgets.report.client_changes import ClientChanges
from custdyn_widgets.report.difference import ReportDifference, report_difference
from custdyn_widgets.report.report import Report
from tests.make_report import make_report
from tests.report.test_difference import changed, with_info


def page(difference: ReportDifference) -> str:
    return unescape(re.sub("</?(span|bdi|b)>", "", render_difference(difference).decode()))


def figures(html: str) -> dict[str, str]:
    return dict(re.findall('<li style="--c:#[0-9a-f]{6}">(.*?)<strong>(.*?)</strong>', html))


def test_a_page_counts_cells_rows_columns_and_clients() -> None:
    old = make_report(3)
    new = changed(changed(old, 0, Qty=1, Avg=None), 1, Qty=1)
    assert old.total is not None
    values = (1, *old.total.values[1:])
    new = replace(new, total=replace(old.total, values=values))
    difference = report_difference(old, new)
    html = page(difference)
    assert figures(html) == {
        "Cells that differ": "4",
        "Rows": "2",
        "Columns": "3",
        "Clients whose contribution changed": "unknown",
    }
    counted = page(replace(difference, clients=ClientChanges((), (), 1_200)))
    assert figures(counted)["Clients whose contribution changed"] == "1200"  # CSS shows the comma
    assert all(f"<li>{note}</li>" in html for note in difference.notes())
    assert [*re.findall('<tbody class="(.*?)">\n<tr><th[^>]*>(.*?)</th>', html)] == [("total", "Total")]
    assert "No cell differs." not in html
    assert [*re.findall('<th scope="row" class="l">(.*?)</th><td>(.*?)</td><td>(.*?)</td>', html)] == [
        ("Balance Refill: Qty", "232", "1"),
        ("Balance Refill: Avg", "124839.50", "–"),
        ("Balance Refill: Qty", "269", "1"),
        ("Clients - Active: Qty", "1950", "1"),
    ]


def test_a_page_says_where_both_reports_come_from() -> None:
    old = make_report(1)
    new = with_info(old, data_as_of=None, clients=1_234_567, generated_at="2022-12-17T09:00:00Z", source="db")
    new = with_info(new, versions={"b": "2", "a": "1"})
    html = page(report_difference(old, new))
    when = re.search('<p class="when">(.*?)</p>', html)
    assert when is not None
    assert when[1] == ("Old report 2022-12-16 08:30:01 UTCNew report 2022-12-17 09:00:00 UTCSource db")
    both = re.findall(
        '<th scope="row" class="l">(.*?)</th><td class="l">(.*?)</td><td class="l">(.*?)</td>', html
    )
    assert both == [
        ("Generated at", "2022-12-16 08:30:01 UTC", "2022-12-17 09:00:00 UTC"),
        ("As of", "2022-12-16 08:30:00 UTC", "2022-12-16 08:30:00 UTC"),
        ("Data as of", "2022-12-16 06:00:00 UTC", "unknown"),
        ("Source", "demo", "db"),
        ("Clients", "3,000", "1,234,567"),
        ("Transactions", "123,456", "123,456"),
        ("Versions", "custdyn_widgets 0.1.0", "a 1, b 2"),
    ]
    assert "No cell differs." in html


def of_cells(count: int) -> ReportDifference:
    old = make_report(1)
    rows = [replace(old.rows[0], labels=(f"row {i}",)) for i in range(count)]
    numbers = [replace(row, values=(i, *row.values[1:])) for i, row in enumerate(rows, 1_000)]
    whole = replace(old, rows=tuple(rows), total=None)
    return report_difference(whole, replace(whole, rows=tuple(numbers)))


def test_a_page_shows_2000_cells_and_counts_the_others() -> None:
    html = page(of_cells(2_000))
    assert html.count("<tbody>") == 2_000 + 1  # and the table of both reports
    assert "the CSV has" not in html
    html = page(of_cells(2_003))
    assert html.count("<tbody>") == 2_000 + 1
    assert "The first 2,000 lines are shown; the CSV has 3 more." in html


def test_a_page_of_a_report_without_grouping_has_no_labels() -> None:
    def bare(report: Report) -> Report:
        row = replace(report.rows[0], labels=())
        return replace(report, headings=(), rows=(row,), total=None, query=replace(report.query, group_by=()))

    old = make_report(1)
    html = page(report_difference(bare(old), bare(changed(old, 0, Qty=1))))
    assert 'scope="rowgroup"' not in html
    assert "Balance Refill: Qty" in html
