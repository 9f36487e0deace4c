"""What differs between two reports: cells, rows, columns, and the reasons that the reports record."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from custdyn_widgets.errors import QueryError
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.report.client_changes import ClientChanges
from custdyn_widgets.report.difference import ReportDifference, report_difference
from custdyn_widgets.report.report import Column, Quote, Report, Row, Value
from tests.make_report import make_report

OLD = make_report(3)
QTY, BALANCE, AVG = (OLD.column(f"{name}") for name in (
    "Balance Refill: Qty", "Clients - All: Balance", "Balance Refill: Avg"
))  # fmt: skip


def changed(report: Report, row: int, **values: Value) -> Report:
    """Return the report with other values in a row, by label of the refill columns."""
    by_position = {report.column(f"Balance Refill: {label}"): value for label, value in values.items()}
    found = report.rows[row]
    cells = tuple(by_position.get(i, value) for i, value in enumerate(found.values))
    return replace(report, rows=(*report.rows[:row], replace(found, values=cells), *report.rows[row + 1 :]))


def asked(report: Report, **fields: Any) -> Report:
    return replace(report, query=replace(report.query, **fields))


def with_info(report: Report, **fields: Any) -> Report:
    return replace(report, info=replace(report.info, **fields))


def kinds(difference: ReportDifference) -> list[str]:
    return [reason.kind for reason in difference.reasons]


def test_equal_reports_differ_in_nothing() -> None:
    difference = report_difference(OLD, replace(OLD))
    assert difference.is_empty
    assert difference.reasons == ()
    assert difference.texts() == [("Month", "Column", "Old", "New", "Change")]


def test_each_cell_that_differs_has_row_column_old_new_and_change() -> None:
    old = changed(OLD, 1, Qty=12, Total=Decimal("10.000001"), Avg=None)
    new = changed(OLD, 1, Qty=10, Total=Decimal("10.500001"), Avg=Decimal("1.050000"))
    difference = report_difference(old, new)
    assert [(c.labels, c.is_total, c.column.name, c.old, c.new, c.change) for c in difference.cells] == [
        (("2021-02",), False, "Balance Refill: Qty", 12, 10, -2),
        (("2021-02",), False, "Balance Refill: Total", *map(Decimal, ("10.000001", "10.500001", "0.500000"))),
        (("2021-02",), False, "Balance Refill: Avg", None, Decimal("1.050000"), None),
    ]  # fmt: skip
    assert difference.texts()[1:] == [
        ("2021-02", "Balance Refill: Qty", "12", "10", "-2"),
        ("2021-02", "Balance Refill: Total", "10.00", "10.50", "0.50"),
        ("2021-02", "Balance Refill: Avg", "–", "1.05", "–"),
    ]
    assert list(difference.to_pandas().columns) == ["Month", "Column", "Old", "New", "Change"]
    assert difference.to_pandas()["Change"].tolist() == [-2, Decimal("0.500000"), None]


def test_a_change_is_exact_and_seen_even_where_rounding_hides_it() -> None:
    old = changed(OLD, 0, Total=Decimal("123456789012345678901234567890.000001"))
    new = changed(OLD, 0, Total=Decimal("123456789012345678901234567890.000002"))
    [cell] = report_difference(old, new).cells
    assert cell.change == Decimal("0.000001")
    assert cell.texts("USD") == (
        "123,456,789,012,345,678,901,234,567,890.000001",
        "123,456,789,012,345,678,901,234,567,890.000002",
        "0.000001",
    )


def test_changes_of_rates_and_percentages_are_in_percentage_points() -> None:
    columns = (
        Column("Clients - Movement", "Churn Rate", "rate", "Churn."),
        Column("Balance Refill", "Total Change %", "percent", "Change.", "change_percent"),
    )

    def report(rate: str, percent: str) -> Report:
        row = Row(("2021-01",), (Decimal(rate), Decimal(percent)))
        return replace(OLD, columns=columns, rows=(row,), total=None)

    cells = report_difference(report("0.125", "10"), report("0.25", "12.5")).cells
    assert [cell.texts("USD") for cell in cells] == [
        ("12.5%", "25.0%", "12.5 pp"),
        ("10.0%", "12.5%", "2.5 pp"),
    ]


def test_the_total_comes_last_and_is_marked() -> None:
    assert OLD.total is not None
    values = (OLD.total.values[0] + 1, *OLD.total.values[1:])  # type: ignore[operator]
    new = replace(changed(OLD, 2, Qty=1), total=replace(OLD.total, values=values))
    assert [(c.labels[0], c.is_total) for c in report_difference(OLD, new).cells] == [
        ("2021-03", False),
        ("Total", True),
    ]


def test_rows_are_matched_by_labels_and_those_of_one_report_are_named() -> None:
    old = make_report(1, packages=("Basic", "Gone"))
    new = replace(old, rows=(replace(old.rows[1], labels=("2021-01", "New")), old.rows[0]))
    difference = report_difference(old, new)
    assert difference.rows_only_in_old == (("2021-01", "Gone"),)
    assert difference.rows_only_in_new == (("2021-01", "New"),)
    assert {cell.labels[1] for cell in difference.cells} == {"Gone", "New"}
    assert all(cell.change is None for cell in difference.cells)
    assert all(cell.old is None for cell in difference.cells if cell.labels[1] == "New")
    assert all(cell.new is None for cell in difference.cells if cell.labels[1] == "Gone")


def test_a_row_of_zeros_in_one_report_is_named_but_gives_no_cell() -> None:
    zeros = Row(("2021-01", "Empty"), tuple(0 if c.unit == "count" else None for c in OLD.columns))
    old = make_report(1, packages=("Basic",))
    difference = report_difference(old, replace(old, rows=(*old.rows, zeros)))
    assert difference.cells == ()
    assert difference.rows_only_in_new == (("2021-01", "Empty"),)
    assert not difference.is_empty


@pytest.mark.parametrize("row", [0, 1])
def test_rows_with_the_same_labels_are_matched_in_order(row: int) -> None:
    old = make_report(1, packages=("Twin", "Twin"))
    new = changed(old, row, Qty=7)
    [cell] = report_difference(old, new).cells
    assert (cell.old, cell.new) == (old.rows[row].values[QTY], 7)


def test_a_cell_that_becomes_zero_or_undefined_is_a_difference() -> None:
    old = changed(OLD, 0, Qty=None, Total=Decimal(0), Avg=Decimal(5))
    new = changed(OLD, 0, Qty=0, Total=Decimal(-3), Avg=None)
    found = report_difference(old, new).cells
    assert [(cell.old, cell.new, cell.change) for cell in found] == [
        (None, 0, None), (Decimal(0), Decimal(-3), Decimal(-3)), (Decimal(5), None, None),
    ]  # fmt: skip


def test_a_change_from_a_whole_number_to_an_amount_is_exact() -> None:
    old, new = changed(OLD, 0, Total=7), changed(OLD, 0, Total=Decimal("7.000001"))
    [cell] = report_difference(old, new).cells
    assert cell.change == Decimal("0.000001")


def test_notes_tell_what_only_one_report_has_and_then_reasons_and_clients() -> None:
    old = make_report(1, packages=("Basic", *"abcdef"))
    new = replace(old, rows=(old.rows[0], replace(old.rows[0], labels=("2021-01", "New"))))
    why = "reports do not contain the contributions of individual clients"
    difference = report_difference(old, new)
    assert [*difference.notes()] == [
        "Rows only in the old report: 2021-01, a; 2021-01, b; 2021-01, c; 2021-01, d; 2021-01, e and 1 more.",
        "Rows only in the new report: 2021-01, New.",
        difference.reasons[0].text,
        f"The clients that changed cannot be determined: {why}.",
    ]
    counted = replace(difference, clients=ClientChanges((), (), 1), rows_only_in_old=(), rows_only_in_new=())
    assert [*counted.notes()] == [difference.reasons[0].text, "The contribution of 1 client changed."]


def test_notes_of_reports_with_other_columns_only_name_these() -> None:
    fewer = replace(OLD, columns=OLD.columns[:-1], total=None)
    difference = report_difference(replace(OLD, total=None), with_info(fewer, clients=1))
    assert [*difference.notes()] == ["Columns only in the old report: Packages: Renew Total."]
    assert not difference.is_empty
    other = report_difference(fewer, replace(OLD, total=None))
    assert [*other.notes()] == ["Columns only in the new report: Packages: Renew Total."]
    assert not other.is_empty


def test_columns_may_differ_and_are_named() -> None:
    new = replace(
        asked(OLD, columns=("active",)),
        columns=OLD.columns[:4],
        rows=tuple(replace(row, values=row.values[:4]) for row in OLD.rows),
        total=None,
    )
    difference = report_difference(replace(OLD, total=None), new)
    assert difference.cells == ()
    assert difference.columns_only_in_new == ()
    assert difference.columns_only_in_old == tuple(column.name for column in OLD.columns[4:])


@pytest.mark.parametrize(
    ("name", "new", "before", "after"),
    [
        ("group_by", asked(OLD, group_by=("year",)), "['month']", "['year']"),
        ("client_type", asked(OLD, client_type="all"), "'client'", "'all'"),
        ("company", asked(OLD, company=("A",)), "[]", "['A']"),
        ("active_duration", asked(OLD, active_duration=1), "3", "1"),
        ("compare", asked(OLD, compare="previous_year"), "None", "'previous_year'"),
        ("interval_end", with_info(OLD, interval_end="2022-11-30 23:59:59"), "2022-12-31", "2022-11-30"),
        ("effective_end", with_info(OLD, effective_end="2022-12-17T00:00:00Z"), "12-16T08", "12-17T00"),
        ("timezone", with_info(OLD, timezone="Europe/Kyiv"), "'UTC'", "'Europe/Kyiv'"),
        ("currency", with_info(OLD, currency="EUR"), "'USD'", "'EUR'"),
    ],
)
def test_reports_of_different_queries_are_refused(name: str, new: Report, before: str, after: str) -> None:
    with pytest.raises(QueryError) as caught:
        report_difference(OLD, new)
    assert caught.value.field == name
    assert f"{name} is " in caught.value.message
    assert before in caught.value.message
    assert after in caught.value.message


def test_the_same_query_in_other_words_is_compared() -> None:
    old = asked(OLD, client_tags=("a", "b"))
    same = asked(OLD, client_tags=("b", "a"), currency=None, interval="last_year")
    assert report_difference(old, same).is_empty


def test_what_precedes_a_preset_is_not_what_precedes_its_dates() -> None:
    old = asked(OLD, compare="previous_period")
    with pytest.raises(QueryError, match="interval is"):
        report_difference(old, asked(old, interval="last_30_days"))


def test_every_recorded_reason_is_told() -> None:
    quotes = (Quote("EUR", "2021-01-01", "0.83", "USD"), Quote("GBP", "2021-01-02", "0.7", "USD"))
    new = with_info(
        changed(OLD, 0, Qty=1),
        quotes=quotes,
        versions={"custdyn_widgets": "0.2.0"},
        clients=2999,
        transactions=123457,
        data_as_of=None,
        source="other",
    )
    new = replace(new, columns=(replace(OLD.columns[0], definition="Otherwise."), *OLD.columns[1:]))
    difference = report_difference(OLD, new)
    assert [reason.text for reason in difference.reasons] == [
        "Quotes differ: EUR as of 2021-01-01 was 0.82, now 0.83 per USD; "
        "only the new report uses GBP as of 2021-01-02.",
        "Definitions differ: Clients - Active: Qty.",
        "Versions differ: custdyn_widgets 0.1.0, now 0.2.0.",
        "Sources differ: demo, now other.",
        "Chosen clients: 3,000, now 2,999.",
        "Transactions: 123,456, now 123,457.",
        "Data as of 2022-12-16T06:00:00Z, now unknown.",
    ]


def test_the_rest_is_told_if_nothing_recorded_explains_a_cell() -> None:
    new = with_info(changed(OLD, 0, Qty=1), data_as_of="2022-12-17T06:00:00Z")
    difference = report_difference(OLD, new)
    assert kinds(difference) == ["data_as_of", "data"]
    assert difference.reasons[-1].text.endswith("so the clients or transactions themselves differ.")
    versions = report_difference(OLD, with_info(new, versions={"custdyn_widgets": "0.2.0"}))
    assert kinds(versions) == ["versions", "data_as_of", "data"]
    assert versions.reasons[-1].text.endswith("unless the version change explains the difference.")
    assert kinds(report_difference(OLD, with_info(new, clients=1))) == ["clients", "data_as_of"]


def test_quotes_that_only_the_old_report_uses_are_told() -> None:
    new = with_info(OLD, quotes=(Quote("GBP", "2021-01-02", "0.7", "USD"),))
    assert [reason.text for reason in report_difference(OLD, new).reasons] == [
        "Quotes differ: only the old report uses EUR as of 2021-01-01; only the new report uses GBP as of "
        "2021-01-02.",
    ]


def test_a_quote_written_otherwise_is_the_same_quote() -> None:
    new = with_info(OLD, quotes=(Quote("EUR", "2021-01-01", "0.820", "USD"),))
    assert report_difference(OLD, new).reasons == ()


def test_many_quotes_are_counted() -> None:
    quotes = tuple(Quote("GBP", f"2021-01-{day:02}", "0.7", "USD") for day in range(1, 31))
    difference = report_difference(OLD, with_info(OLD, quotes=(*OLD.info.quotes, *quotes)))
    assert difference.reasons[0].text == (
        "Quotes differ: only the new report uses GBP as of 2021-01-01, GBP as of 2021-01-02, "
        "GBP as of 2021-01-03 and 27 more."
    )


def test_json_has_no_floats_and_all_digits() -> None:
    new = changed(OLD, 0, Qty=1, Total=Decimal("0.000001"))
    plain = json.loads(json.dumps(report_difference(OLD, new).to_dict()), parse_float=pytest.fail)
    assert plain["cells"][0] | {"old": 0, "change": 0} == {
        "row": ["2021-01"], "total": False, "column": "Balance Refill: Qty", "old": 0, "new": 1, "change": 0,
    }  # fmt: skip
    assert plain["cells"][1]["new"] == "0.000001"
    assert plain["old"]["as_of"] == "2022-12-16T08:30:00Z"
    assert plain["reasons"][-1]["kind"] == "data"


def test_a_report_without_grouping_has_no_labels() -> None:
    query = ReportQuery(interval="last_month", group_by=())
    old = replace(OLD, query=query, headings=(), rows=(replace(OLD.rows[0], labels=()),), total=None)
    assert report_difference(old, changed(old, 0, Qty=1)).texts()[1][0] == "Balance Refill: Qty"
