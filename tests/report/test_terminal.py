"""A report as text for a terminal."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from custdyn_widgets.report.report import Column, Report
from custdyn_widgets.report.terminal import report_heading, report_text
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


def small(columns: tuple[Column, ...], packages: tuple[str, ...] = ()) -> Report:
    """Return a report of two months with a 1 in each count and 1,000.00 in each amount."""
    report = make_report(2, packages)
    values = tuple(1 if column.unit == "count" else Decimal(1_000) for column in columns)
    assert report.total is not None
    return replace(
        report,
        columns=columns,
        rows=tuple(replace(row, values=values) for row in report.rows),
        total=replace(report.total, values=values),
    )


def test_headings_stand_above_their_columns_and_notes_below_the_table() -> None:
    columns = (
        Column("Clients - Active", "Qty", "count", ""),  # wider than its column, so cut
        Column("Refills", "Total", "money", ""),  # one letter narrower, which no dot shows
        Column("Fees", "Qty", "count", ""),
        Column("Fees", "Total", "money", ""),
    )
    [head, table, notes] = report_text(small(columns, ("Basic",))).split("\n\n")
    assert head.startswith(
        "Customer Dynamics in USD: 2021-01-01 00:00:00 to 2022-12-31 23:59:59 (UTC), clients"
    )
    assert table.splitlines() == [
        "                        Cli  Refills   Fees.........",
        "Month     Package Name  Qty     Total  Qty     Total",
        "----------------------------------------------------",
        "2021-01   Basic           1  1,000.00    1  1,000.00",
        "2021-02*  Basic           1  1,000.00    1  1,000.00",
        "----------------------------------------------------",
        "Total*                    1  1,000.00    1  1,000.00",
    ]
    assert [line.partition(" ")[0] for line in notes.splitlines()] == ["Partial:", "*", "Clients"]
    assert notes.endswith("\n")
    bare = small(columns)
    bare = replace(bare, headings=(), rows=(replace(bare.rows[0], labels=()),), total=None)
    assert report_text(bare).split("\n\n")[1:] == [
        "Cli  Refills   Fees.........\n"
        "Qty     Total  Qty     Total\n"
        "----------------------------\n"
        "  1  1,000.00    1  1,000.00\n"
    ]


@pytest.mark.parametrize(
    ("width", "blocks"),
    [
        (35, ["ABC"]), (34, ["AB", "C"]), (26, ["AB", "C"]), (25, ["A", "BC"]), (24, ["A", "BC"]),
        (23, ["A", "B", "C"]), (1, ["A", "B", "C"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("groups", ["123", "111", "122", "112"])
@pytest.mark.parametrize("packages", [(), ("Basic",)])
def test_a_block_has_as_many_columns_as_fit(
    width: int, blocks: list[str], groups: str, packages: tuple[str, ...]
) -> None:
    letters = {"A": 9, "B": 5, "C": 7}
    columns = tuple(
        Column(group, letter * count, "count", "")
        for group, (letter, count) in zip(groups, letters.items(), strict=True)
    )
    report = small(columns, packages)
    text = report_text(report, width + len("  Package Name") * bool(packages))
    found = text.split("\n\n")[1:-1]
    shown = ["".join(letter for letter in letters if letter * 5 in block) for block in found]
    # A group is split only if it is wider than the terminal by itself.
    together = {"122": {25: blocks, 26: ["A", "BC"], 34: ["A", "BC"]}}.get(groups, {})
    assert shown == together.get(width, blocks)


def test_without_rows_the_message_is_below_the_query() -> None:
    text = report_text(make_report(0, total=None, message="No client\x00 existed."))
    assert text == f"{report_heading(make_report(0))}\n\nNo client\ufffd existed.\n"


def test_long_names_and_queries_are_cut() -> None:
    def first(name: str) -> str:
        return report_text(make_report(1, (name,))).splitlines()[5].split()[1].rstrip("*")

    assert (first("x" * 60), first("x" * 61)) == ("x" * 60, "x" * 59 + "…")
    report = make_report(1)
    room = 2_000 - len(replace(report, query=replace(report.query, company=("",))).query.describe())
    for length, end in ((room, "months"), (room + 1, "…")):
        named = replace(report, query=replace(report.query, company=("x" * length,)))
        assert report_heading(named).endswith(end)
