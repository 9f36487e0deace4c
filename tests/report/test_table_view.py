"""The one view of a report's table that every output draws."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from decimal import Decimal

import pytest

from custdyn_widgets.report.partial_rows import ASTERISK_NOTE, CUT_SHORT
from custdyn_widgets.report.report import Report
from custdyn_widgets.report.table_view import TableView, table_view
from tests.make_report import make_comparison, make_report

CLIENTS_ONLY = "Only clients of type Client are counted, even in Clients - All."
CUT = (
    "Partial: the figures run up to 2022-12-16 08:30:00 UTC, the time of the report; "
    "the interval ends at 2022-12-31 23:59:59."
)
PACKAGES = ("Basic", "Gold\x00\n" + "x" * 400)


def test_groups_span_their_columns_in_order_and_begin_at_the_first() -> None:
    view = table_view(make_report())
    assert [(group.name, group.first, group.span) for group in view.groups] == [
        ("Clients - Active", 0, 4),
        ("Clients - Overall Active", 4, 4),
        ("Clients - All", 8, 4),
        ("Balance Refill", 12, 3),
        ("Pay As You Go", 15, 2),
        ("Packages", 17, 4),
    ]
    assert view.group_starts == {0, 4, 8, 12, 15, 17}
    assert [i for group in view.groups for i in group.positions] == [*range(len(view.columns))]


def test_long_names_in_a_table_differ_where_they_are_cut() -> None:
    names = tuple(f"{'long ' * 20}{end}" for end in ("first", "second"))
    view = table_view(make_report(1, packages=names), max_label=20)
    assert [row.labels[1] for row in view.rows] == ["long long long…first", "long long lon…second"]


def test_labels_are_printable_and_cut_and_whole_in_the_source() -> None:
    view = table_view(make_report(1, packages=PACKAGES), max_label=20)
    assert [row.labels[1] for row in view.rows] == ["Basic", "Gold\ufffd " + "x" * 13 + "…"]
    assert [row.source.labels[1] for row in view.rows] == list(PACKAGES)
    assert view.name_label == 1
    assert table_view(make_report(1)).name_label is None


def test_rows_have_their_values_as_they_are_and_as_text() -> None:
    report = make_report(2)
    view = table_view(report)
    assert [row.values for row in view.all_rows()] == [row.values for row in report.shown_rows()]
    assert view.rows[0].texts[:2] == ("100", "123,555.55")
    assert [row.is_total for row in view.all_rows()] == [False, False, True]


def test_a_partial_total_is_marked_like_any_row() -> None:
    report = make_report(2)
    whole = replace(report, rows=report.rows[:1])
    assert [row.is_partial for row in table_view(report).all_rows()] == [False, True, True]
    marked = table_view(whole, partial_note=ASTERISK_NOTE)
    assert [row.is_partial for row in marked.all_rows()] == [False, True]
    assert marked.partial_note == f"* {CUT_SHORT}"
    assert report.total is not None
    done = table_view(replace(whole, total=replace(report.total, partial=False)))
    assert (done.partial_note, done.cut_note) == ("", "")


def test_a_report_without_labels_has_nothing_to_mark() -> None:
    report = make_report(1, total=None, headings=())
    view = table_view(replace(report, rows=(replace(report.rows[0], labels=()),)))
    assert view.rows[0].source.partial
    assert (view.rows[0].is_partial, view.partial_note) == (False, "")


def test_notes_come_in_order_of_type_until_when_partial_then_overlap_then_rows_left_out() -> None:
    view = table_view(make_report(5, packages=("a", "b")), max_rows=9)
    assert view.notes == (
        CLIENTS_ONLY,
        CUT,
        f"◐ marks a bucket {CUT_SHORT}.",
        "Clients and balances overlap between packages and do not add up: a client that used two packages "
        "is counted in both rows, but only once in the Total.",
        "Showing 9 of 10 rows; the CSV has them all.",
    )
    assert len(view.rows) == 9
    assert view.warnings == make_report().info.warnings


def test_a_partial_row_that_is_left_out_needs_no_note() -> None:
    report = make_report(5)
    assert report.total is not None
    report = replace(report, total=replace(report.total, partial=False))
    view = table_view(report, max_rows=4, limit_note="{hidden} more of {total}.")
    assert view.notes == (CLIENTS_ONLY, "1 more of 5.")


@pytest.mark.parametrize(
    ("client_type", "words"),
    [
        ("client", CLIENTS_ONLY),
        ("calling_card", "Only clients of type Calling card are counted, even in Clients - All."),
        ("all", "Clients of all types are counted."),
    ],
)
def test_the_note_says_which_client_type_is_counted(client_type: str, words: str) -> None:
    report = make_report(1)
    view = table_view(replace(report, query=replace(report.query, client_type=client_type)))
    assert view.notes[0] == words


def test_a_view_is_a_value() -> None:
    view: TableView = table_view(make_report(2))
    assert view == table_view(make_report(2))
    with pytest.raises(FrozenInstanceError):
        view.partial_note = ""  # type: ignore[misc]


def test_a_report_that_is_read_again_has_values_of_the_same_types() -> None:
    report = make_report(3)
    again = Report.from_dict(report.to_dict())
    assert [[type(value) for value in row.values] for row in again.rows] == [
        [type(value) for value in row.values] for row in report.rows
    ]


def test_a_comparison_has_a_column_for_each_number_with_its_change_in_the_cell() -> None:
    view = table_view(make_comparison(1))
    assert len(view.columns) == 12
    assert [column.name for column in view.numbers] == [
        "Clients - Active: Qty", "Balance Refill: Total", "Clients - Movement: Churn Rate",
    ]  # fmt: skip
    assert [(group.name, group.first, group.span) for group in view.number_groups] == [
        ("Clients - Active", 0, 1), ("Balance Refill", 1, 1), ("Clients - Movement", 2, 1),
    ]  # fmt: skip
    assert [(cell.text, cell.change, cell.before) for cell in view.rows[0].cells] == [
        ("1,234", "+34 (+2.8%)", "1,200"),
        ("-50.50", "–", "–"),
        ("12.5%", "-2.5 pp", "15.0%"),
    ]
    assert "the previous month" in view.comparison_note
    assert view.comparison_note not in view.notes


@pytest.mark.parametrize(
    ("change", "text"),
    [("0.4", "+0.40"), ("0.005", "+0.01"), ("0.004", "0.00"), ("0", "0.00"), ("-2", "-2.00")],
)
def test_a_change_has_a_plus_only_if_more_than_zero_is_shown(change: str, text: str) -> None:
    report = make_comparison(1)
    values = [*report.rows[0].values]
    values[report.column("Balance Refill: Total Change")] = Decimal(change)
    view = table_view(replace(report, rows=(replace(report.rows[0], values=tuple(values)),)))
    assert view.rows[0].cells[1].change == text


def test_without_a_comparison_cells_are_the_numbers_alone() -> None:
    view = table_view(make_report(2))
    assert (view.numbers, view.number_groups, view.comparison_note) == (view.columns, view.groups, "")
    assert [cell.text for cell in view.rows[0].cells] == [*view.rows[0].texts]
    assert not any(cell.change or cell.before for cell in view.rows[0].cells)


@pytest.mark.parametrize("group", ["company", "owner_user"])
def test_names_of_resellers_and_users_are_cut_as_those_of_packages_but_do_not_overlap(group: str) -> None:
    view = table_view(make_comparison(1, PACKAGES, group), max_label=20)
    assert [row.labels[1] for row in view.rows] == ["Basic", "Gold\ufffd " + "x" * 13 + "…"]
    assert (view.name_label, view.overlap_note) == (1, "")


def test_short_labels_are_not_names() -> None:
    assert table_view(make_comparison(1, ("2021-10",), "cohort")).name_label is None
