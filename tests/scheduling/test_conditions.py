"""Conditions evaluated on reports made by hand, against a direct definition."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.errors import SavedQueryError
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.report.report import Column, Report, Row, Value
from custdyn_widgets.saved_queries.alerts.condition import parse_alert_if
from custdyn_widgets.scheduling import conditions as module
from custdyn_widgets.scheduling.conditions import Finding, evaluate
from tests.make_report import INFO

QTY, TOTAL, CHURN = "Clients - Active: Qty", "Balance Refill: Total", "Clients - Movement: Churn Rate"
QTY_COLUMN = Column("Clients - Active", "Qty", "count", "")
TOTAL_COLUMN = Column("Balance Refill", "Total", "money", "")
CHURN_COLUMN = Column("Clients - Movement", "Churn Rate", "rate", "")
MONTHS = [f"2021-{month:02}" for month in range(1, 13)]


def report_of(*values: Value, total: Value = None, column: Column = QTY_COLUMN) -> Report:
    """Return a report of one column, with a row for each month."""
    rows = tuple(row_of((month,), value) for month, value in zip(MONTHS, values, strict=False))
    whole = row_of(("Total",), total) if rows else None
    return Report(ReportQuery("last_year"), ("Month",), (column,), rows, whole, INFO)


def row_of(labels: tuple[str, ...], *values: Value) -> Row:
    month = labels[0] if labels and labels[0] in MONTHS else MONTHS[0]
    at = MONTHS.index(month)
    end = f"{MONTHS[at + 1]}-01T00:00:00Z" if at < 11 else "2022-01-01T00:00:00Z"
    return Row(labels, values, f"{month}-01T00:00:00Z", end)


def find(report: Report, column: str = QTY, row: str = "last", **relation: object) -> Finding:
    [found] = evaluate(report, parse_alert_if([{"column": column, "row": row, **relation}]))
    return found


def labels_of(found: Finding) -> list[str]:
    return [" ".join(cell.labels) for cell in found.met]


@pytest.mark.parametrize(
    ("value", "below", "above"), [(99, True, False), (100, False, False), (101, False, True)]
)
def test_equal_is_neither_below_nor_above(value: int, below: bool, above: bool) -> None:
    report = report_of(1, value, total=1)
    assert find(report, below=100).is_true is below
    assert find(report, above=100).is_true is above


def test_total_last_and_any_look_at_their_rows() -> None:
    report = report_of(5, 50, 7, 90, total=152)
    assert not find(report, below=80).is_true
    assert labels_of(find(report, row="total", above=151)) == ["Total"]
    assert labels_of(find(report, row="any", below=10)) == ["2021-01", "2021-03"]
    assert not find(report, row="any", above=100).is_true  # the Total is none of the rows


def test_a_report_in_one_row_is_its_total() -> None:
    report = replace(report_of(5), headings=(), rows=(Row((), (5,)),), total=None)
    assert labels_of(find(report, row="total", below=6)) == ["Total"]
    assert labels_of(find(report, row="any", below=6)) == ["Total"]


def test_a_change_as_large_as_the_bound_is_large_enough() -> None:
    report = report_of(80, 100, 95, total=1)
    assert find(report, falls_by=5).is_true
    assert find(report, falls_by="5%").is_true
    assert not find(report, falls_by="5.000001").is_true
    assert not find(report, falls_by="5.000001%").is_true
    assert not find(report, rises_by=1).is_true
    assert labels_of(find(report, row="any", rises_by="25%")) == ["2021-02"]


def test_a_percentage_of_a_negative_number_is_of_its_size() -> None:
    amounts = [Decimal("-100.000000"), Decimal("-95.000000")]
    assert find(report_of(*amounts, column=TOTAL_COLUMN), TOTAL, rises_by="5%").is_true
    assert not find(report_of(*amounts, column=TOTAL_COLUMN), TOTAL, falls_by="1%").is_true
    assert find(report_of(*reversed(amounts), column=TOTAL_COLUMN), TOTAL, falls_by="5.26%").is_true


@pytest.mark.parametrize(
    ("values", "relation", "reason"),
    [
        ((1, None), {"below": 5}, module.NO_VALUE),
        ((1, None), {"falls_by": 5}, module.NO_VALUE),
        ((None, 1), {"falls_by": 5}, module.NO_VALUE_BEFORE),
        ((0, 1), {"rises_by": "5%"}, module.ZERO_BEFORE),
        ((0, 0), {"falls_by": "5%"}, module.ZERO_BEFORE),
        ((1,), {"falls_by": 5}, module.NO_ROW_BEFORE),
        ((), {"below": 5}, module.NO_ROW),
    ],
)
def test_what_cannot_be_judged_meets_nothing_and_is_told(
    values: tuple[Value, ...], relation: dict[str, Any], reason: str
) -> None:
    found = find(report_of(*values), **relation)
    assert not found.is_true
    assert [why for _, why in found.unknown] == [reason]
    assert find(report_of(0, 1), rises_by=1).is_true  # a number against 0 can be said


def test_the_first_row_is_no_news_and_a_null_among_any_rows_is() -> None:
    found = find(report_of(100, None, 50, 20), row="any", falls_by=10)
    assert labels_of(found) == ["2021-04"]
    assert [(cell.labels, why) for cell, why in found.unknown if cell] == [
        (("2021-02",), module.NO_VALUE),
        (("2021-03",), module.NO_VALUE_BEFORE),
    ]
    assert [why for _, why in find(report_of(100), row="any", falls_by=10).unknown] == [module.NO_ROW_BEFORE]


def test_a_rate_takes_a_fraction_or_a_percentage_and_changes_by_points() -> None:
    report = report_of(Decimal("0.020000"), Decimal("0.050000"), column=CHURN_COLUMN)
    assert not find(report, CHURN, above="5%").is_true
    assert not find(report, CHURN, above="0.05").is_true
    assert find(report, CHURN, above="4.9%").is_true
    assert find(report, CHURN, above="0.049").is_true
    assert find(report, CHURN, rises_by="3%").is_true  # three points, not 150 percent
    assert find(report, CHURN, rises_by="0.03").is_true
    assert not find(report, CHURN, rises_by="3.1%").is_true


def by_package(*rows: tuple[str, str, Value], end: str = "2021-04-01T00:00:00Z") -> Report:
    found = tuple(row_of((month, package), value) for month, package, value in rows)
    info = replace(INFO, effective_end=end)
    return Report(ReportQuery("last_year"), ("Month", "Package Name"), (QTY_COLUMN,), found, None, info)


def test_rows_of_packages_are_compared_with_the_same_package_in_the_period_before() -> None:
    report = by_package(
        ("2021-01", "Gold", 100), ("2021-01", "Blue", 10), ("2021-02", "Blue", 10),
        ("2021-03", "Blue", 1), ("2021-03", "Gold", 50), ("2021-03", "Red", 7),
    )  # fmt: skip
    found = find(report, falls_by="50%")
    assert labels_of(found) == ["2021-03 Blue"]
    # Gold has no row in February, so there is none to measure from.
    assert [(cell.labels[1], why) for cell, why in found.unknown if cell] == [
        ("Gold", module.NO_ROW_BEFORE),
        ("Red", module.NO_ROW_BEFORE),
    ]
    assert labels_of(find(report, below=10)) == ["2021-03 Blue", "2021-03 Red"]


def test_the_last_period_may_have_no_rows_of_packages() -> None:
    report = by_package(("2021-02", "Gold", 1), end="2021-04-01T00:00:00Z")
    found = find(report, below=10)
    assert (found.met, found.unknown) == ((), ((None, module.NO_ROW),))


def compared(
    value: Value, before: Value, change: Value, percent: Value, column: Column = QTY_COLUMN
) -> Report:
    columns = [replace(column, label=column.label + end) for end in ("", " Before", " Change", " Change %")]
    columns[3] = replace(columns[3], unit="percent")
    row = Row(("2021-01",), (value, before, change, percent), "a", "b")
    total = replace(row, labels=("Total",))
    return Report(ReportQuery("last_year"), ("Month",), tuple(columns), (row,), total, INFO)


@pytest.mark.parametrize("row", ["total", "last", "any"])
def test_a_comparison_is_judged_by_the_columns_that_it_adds(row: str) -> None:
    report = compared(95, 100, -5, Decimal("-5.000000"))
    to: dict[str, Any] = {"row": row, "against": "compare"}
    assert find(report, falls_by=5, **to).is_true
    assert find(report, falls_by="5%", **to).is_true
    assert not find(report, falls_by="5.1%", **to).is_true
    assert not find(report, rises_by="5%", **to).is_true
    assert find(report, falls_by=5, **to).met[0].before == 100


def test_a_comparison_with_nothing_is_told() -> None:
    to: dict[str, Any] = {"row": "total", "against": "compare"}
    assert find(compared(5, 0, 5, None), rises_by="5%", **to).unknown[0][1] == module.ZERO_BEFORE
    assert module.ZERO_BEFORE == "the earlier value is 0, so the percentage change is undefined"
    assert find(compared(5, 0, 5, None), rises_by=5, **to).is_true
    assert find(compared(5, None, None, None), rises_by=5, **to).unknown[0][1] == module.NO_VALUE_BEFORE
    assert find(compared(None, 5, None, None), rises_by=5, **to).unknown[0][1] == module.NO_VALUE


def test_a_comparison_of_rates_is_in_points() -> None:
    report = compared(
        Decimal("0.05"), Decimal("0.02"), Decimal("0.03"), Decimal("150"), column=CHURN_COLUMN
    )  # fmt: skip
    assert find(report, CHURN, "total", rises_by="3%", against="compare").is_true
    assert not find(report, CHURN, "total", rises_by="4%", against="compare").is_true
    assert find(report, f"{CHURN} Change %", "total", above=149).is_true
    assert find(report, f"{CHURN} Change %", "total", above="149%").is_true
    assert not find(report, f"{CHURN} Change %", "total", above="150%").is_true


def test_a_column_that_the_report_lacks_is_an_error() -> None:
    with pytest.raises(SavedQueryError, match="has no column 'Clients - Closed: Qty'"):
        find(report_of(1), "Clients - Closed: Qty", below=1)


def test_the_last_rows_of_a_computed_report_are_those_of_its_last_period(own_cache: None) -> None:
    for group in ("year", "month", "date"):
        query = ReportQuery.from_dict(
            {"interval": "last_90_days", "timezone": "Asia/Kathmandu", "group_by": [group, "package"]}
        )
        report = run_report(query, "tests/golden/small/mart", as_of="2022-02-01T05:00:00.5Z")
        found = find(report, row="last", above=-1)
        last = report.rows[-1].labels[0]
        assert {cell.labels[0] for cell in found.met} == {last}
        assert len(found.met) == sum(row.labels[0] == last for row in report.rows)


def test_a_computed_comparison_is_judged_by_its_columns(own_cache: None) -> None:
    for group in ([], ["month"], ["company"]):
        query = ReportQuery.from_dict(
            {
                "interval": "last_month",
                "group_by": group,
                "columns": ["active", "refill", "movement"],
                "compare": "previous_month",
            }
        )
        report = run_report(query, "tests/golden/small/mart", as_of="2021-12-01")
        total = report.total or report.rows[0]
        by_name = {column.name: value for column, value in zip(report.columns, total.values, strict=True)}
        for name in (TOTAL, QTY, CHURN):
            change = by_name[f"{name} Change"]
            for bound in (Decimal("0.000001"), abs(change or 0), abs(change or 0) + 1):
                if not bound:
                    continue
                found = [
                    find(report, name, "total", against="compare", **{relation: bound}).is_true
                    for relation in ("falls_by", "rises_by")
                ]
                assert found == [
                    change is not None and -change >= bound,
                    change is not None and change >= bound,
                ]


values = st.one_of(st.none(), st.integers(-20, 20), st.sampled_from([10**17, 10**17 + 1, -(10**17)]))
bounds = st.tuples(st.integers(1, 400), st.booleans())


@given(
    st.lists(values, max_size=6),
    values,
    st.sampled_from(["below", "above", "falls_by", "rises_by"]),
    bounds,
    st.sampled_from(["last", "any", "total"]),
)
def test_every_condition_equals_its_direct_definition(
    drawn: list[Value], total: Value, relation: str, bound: tuple[int, bool], row: str
) -> None:
    hundredths, percent = bound
    is_change = relation in ("falls_by", "rises_by")
    percent = percent and is_change
    row = "any" if is_change and row == "total" else row
    found = find(
        report_of(*drawn, total=total), row=row,
        **{relation: f"{Decimal(hundredths).scaleb(-2)}{'%' if percent else ''}"},
    )  # fmt: skip

    limit = Fraction(hundredths, 100)
    expected = []
    chosen = {"last": range(len(drawn))[-1:], "any": range(len(drawn)), "total": range(0)}[row]
    pairs = [(MONTHS[at], drawn[at], drawn[at - 1] if at else None) for at in chosen]
    pairs += [("Total", total, None)] if row == "total" and drawn else []
    for label, value, before in pairs:
        if value is None:
            continue
        if not is_change:
            met = value < limit if relation == "below" else value > limit
        elif before is None or (percent and before == 0):
            continue
        else:
            size = (
                Fraction(value) - Fraction(before)
                if relation == "rises_by"
                else Fraction(before) - Fraction(value)
            )
            met = size * 100 >= limit * abs(Fraction(before)) if percent else size >= limit
        expected += [label] if met else []
    assert labels_of(found) == expected
    assert found.is_true == bool(expected)
