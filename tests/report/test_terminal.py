"""A report as text for a terminal."""

from __future__ import annotations

from dataclasses import replace

from custdyn_widgets.report.terminal import report_text
from tests.make_report import make_comparison, make_report


def test_without_a_width_all_columns_stand_beside_each_other() -> None:
    text = report_text(make_report(3))
    assert text.count("Month") == 1
    assert text.count("\nTotal*") == 1


def test_on_a_narrow_terminal_groups_stand_below_each_other_with_their_labels() -> None:
    report = make_report(3)
    text = report_text(report, 80)
    blocks = text.split("\n\n")[1:-1]
    assert len(blocks) > 2
    assert all("Month" in block and "2021-02" in block and "\nTotal" in block for block in blocks)
    assert all(len(line) <= 80 for block in blocks for line in block.splitlines())
    for group in {column.group for column in report.columns}:
        assert group in text


def test_a_group_wider_than_the_terminal_still_stands_whole() -> None:
    assert "Balance Pos" in report_text(make_report(1), 10)


def test_the_same_figures_are_shown_however_wide_it_is() -> None:
    def figures(text: str) -> list[str]:
        return sorted(word for word in text.split() if "," in word and word[-1].isdigit())

    report = make_report(2)
    assert figures(report_text(report, 60)) == figures(report_text(report))


def test_a_group_too_wide_for_the_terminal_is_split_between_numbers_and_not_within_a_comparison() -> None:
    report = make_comparison(2)
    columns = tuple(replace(column, group="One group") for column in report.columns)
    blocks = report_text(replace(report, columns=columns), 80).split("\n\n")[1:-1]
    assert len(blocks) > 1
    assert all("One group" in block and "\nTotal" in block for block in blocks)
    assert all(len(line) <= 80 for block in blocks for line in block.splitlines())
    text = "\n".join(blocks)
    for parts in (
        "Qty  Qty Before  Qty Change  Qty Change %",
        "Total  Total Before  Total Change  Total Change %",
    ):
        assert parts in text


def test_a_group_is_split_only_if_it_is_wider_than_the_terminal() -> None:
    report = make_comparison(2)
    report = replace(report, columns=tuple(replace(column, group="One group") for column in report.columns))
    width = max(map(len, report_text(report).split("\n\n")[1].splitlines()))
    assert report_text(report, width).count("One group") == 1
    assert report_text(report, width - 1).count("One group") == 2


def test_hostile_names_of_resellers_are_printable() -> None:
    text = report_text(make_comparison(1, ("\x1b[2J\u202eevil", "fine")))
    assert "\x1b" not in text
    assert "\u202e" not in text
