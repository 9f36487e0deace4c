"""The points of a chart: which there are, in which order, and what is told of those left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from custdyn_widgets.render.charts import points
from custdyn_widgets.render.charts.points import Points, points_of, shown_names
from custdyn_widgets.report.report import Column, Report, Row, Value
from tests.make_report import make_report

QTY = Column("Refills", "Qty", "count", "")
TOTAL = Column("Refills", "Total", "money", "")
AVG = Column("Refills", "Avg", "money", "")
RATE = Column("Clients", "Churn Rate", "rate", "")


def table(
    rows: Mapping[tuple[str, ...], Sequence[Value]],
    headings: tuple[str, ...] = ("Month", "Package Name"),
    columns: tuple[Column, ...] = (QTY, TOTAL, AVG, RATE),
) -> Report:
    """Return a report of whole buckets with these labels and values."""
    groups = {"Year": "year", "Month": "month", "Date": "date", "Package Name": "package"}
    report = make_report(1)
    return replace(
        report,
        query=replace(report.query, group_by=tuple(groups[heading] for heading in headings)),
        headings=headings,
        columns=columns,
        rows=tuple(Row(labels, tuple(values)) for labels, values in rows.items()),
        total=None,
    )


def of_months(found: Mapping[tuple[str, str], Sequence[Value]], column: Column, *, joined: bool) -> Points:
    return points_of(table(found), "Month", [column], joined=joined)


def drawn(found: Points) -> list[tuple[object, str, float | None]]:
    return [(point.x, point.series, point.y) for point in found.values]


@pytest.mark.parametrize(
    ("heading", "labels", "categories"),
    [
        ("Year", ["2019", "2022"], ["2019", "2020", "2021", "2022"]),
        ("Month", ["2020-11", "2021-02"], ["2020-11", "2020-12", "2021-01", "2021-02"]),
        ("Date", ["2020-02-28", "2020-03-01"], ["2020-02-28", "2020-02-29", "2020-03-01"]),
        ("Month", ["2021-03", "2021-01"], ["2021-01", "2021-02", "2021-03"]),
        ("Month", ["2021-01"], ["2021-01"]),
        ("Month", ["2021-01", "later"], ["2021-01", "later"]),
        ("Package Name", ["2021-01", "2021-03"], ["2021-01", "2021-03"]),
    ],
)
def test_an_axis_of_time_has_every_bucket_between_the_first_and_the_last(
    heading: str, labels: list[str], categories: list[str]
) -> None:
    report = table({(label,): (1,) for label in labels}, (heading,), (QTY,))
    assert points_of(report, heading, [QTY], joined=False).categories == tuple(categories)


def test_lines_pass_zero_where_a_row_is_left_out_and_have_a_gap_where_an_average_is() -> None:
    rows = {
        ("2021-01", "A"): (1, Decimal("1.5"), Decimal("1.5"), Decimal("0.5")),
        ("2021-01", "B"): (2, Decimal(2), Decimal(1), Decimal("0.25")),
        ("2021-03", "A"): (3, Decimal(3), None, Decimal(0)),
    }
    for column, first, second, last, left_out in (
        (QTY, 1.0, 2.0, 3.0, 0.0), (TOTAL, 1.5, 2.0, 3.0, 0.0), (AVG, 1.5, 1.0, None, None),
        (RATE, 50.0, 25.0, 0.0, None),
    ):  # fmt: skip
        assert sorted(drawn(of_months(rows, column, joined=True)), key=str) == [
            ("2021-01", "A", first), ("2021-01", "B", second), ("2021-02", "A", left_out),
            ("2021-02", "B", left_out), ("2021-03", "A", last), ("2021-03", "B", left_out),
        ]  # fmt: skip
        assert drawn(of_months(rows, column, joined=False)) == [
            ("2021-01", "A", first), ("2021-01", "B", second), ("2021-03", "A", last),
        ]  # fmt: skip
    alone = {labels: values for labels, values in rows.items() if labels[1] == "A"}
    assert len(of_months(alone, QTY, joined=True).values) == 2


def test_rates_and_their_changes_are_drawn_in_percent() -> None:
    change = replace(RATE, label="Churn Rate Change", unit="points", part="change")
    values = (Decimal("0.125"), Decimal("-0.025"))
    report = table({("2021-01", "A"): values}, columns=(RATE, change))
    found = [points_of(report, "Month", [column], joined=False).values[0].y for column in (RATE, change)]
    assert found == [12.5, -2.5]


def test_each_point_tells_its_row_column_value_unit_and_whether_it_is_partial() -> None:
    report = table({("2021-01", "Gold"): (1234, Decimal("-5.5"), None, Decimal("0.125"))})
    report = replace(report, rows=(replace(report.rows[0], partial=True),))
    told = [points_of(report, "Month", [c], joined=False).values[0].text for c in report.columns]
    assert told == [
        "2021-01 · Gold · Refills: Qty: 1,234, partial",
        "2021-01 · Gold · Refills: Total: −5.50 USD, partial",
        "2021-01 · Gold · Refills: Avg: – USD, partial",
        "2021-01 · Gold · Clients: Churn Rate: 12.5%, partial",
    ]
    by_package = table({("Gold",): (1,)}, ("Package Name",), (QTY,))
    by_package = replace(by_package, rows=(replace(by_package.rows[0], partial=True),))
    [point] = points_of(by_package, "Package Name", [QTY], joined=False).values
    assert (point.text, point.partial) == ("Gold · Refills: Qty: 1", False)


def test_a_column_against_a_column_leaves_out_rows_without_a_value_there() -> None:
    report = table(
        {("a",): (1, Decimal(7), None, None), ("b",): (2, None, Decimal("0.5"), None)}, ("Package Name",)
    )
    assert drawn(points_of(report, "Refills: Avg", [TOTAL], joined=False)) == [(0.5, "", None)]
    found = points_of(report, "Refills: Qty", [TOTAL, AVG], joined=False)
    assert drawn(found) == [
        (1.0, "Refills: Total", 7.0), (1.0, "Refills: Avg", None),
        (2.0, "Refills: Total", None), (2.0, "Refills: Avg", 0.5),
    ]  # fmt: skip
    assert found.is_number
    assert found.categories == ()


@pytest.mark.parametrize(("limit", "kept"), [(16, 8), (15, 7)])
@pytest.mark.parametrize("name", ["MAX_POINTS", "MAX_FILLED"])
def test_with_too_many_points_only_the_largest_series_are_drawn(
    monkeypatch: pytest.MonkeyPatch, name: str, limit: int, kept: int
) -> None:
    monkeypatch.setattr(points, name, limit)
    labels = [(month, f"P{i}") for month in ("2021-01", "2021-02") for i in range(8)]
    rows = {label: (int(label[1][1:]) + 1, Decimal(0), None, None) for label in labels}
    found = of_months(rows, QTY, joined=True)
    assert {point.series for point in found.values} == {f"P{i}" for i in range(8 - kept, 8)}
    note = "Smaller series not drawn: 1; the table has them all."
    assert found.notes == (() if kept == 8 else (note,))
    few = {label: values for label, values in rows.items() if label[1] != "P0"}
    monkeypatch.setattr(points, name, 1)
    assert of_months(few, QTY, joined=True).notes == ()  # a chart always has room for as many as have colours


def test_bars_are_not_filled_and_so_not_limited_by_what_filling_adds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(points, "MAX_FILLED", 8)
    rows = {("2021-01", f"P{i}"): (i, Decimal(0), None, None) for i in range(8)}
    rows["2021-12", "P1"] = (5, Decimal(0), None, None)
    assert of_months(rows, QTY, joined=False).notes == ()
    assert of_months(rows, QTY, joined=True).notes != ()


def test_of_more_than_24_categories_the_largest_remain_in_their_order() -> None:
    sizes = [*range(1, 25), -30]
    report = table({(f"P{i:02}",): (size,) for i, size in enumerate(sizes)}, ("Package Name",), (QTY,))
    found = points_of(report, "Package Name", [QTY], joined=False)
    assert found.categories == tuple(f"P{i:02}" for i in range(1, 25))
    assert {point.x for point in found.values} == set(found.categories)
    assert found.notes == ("The 24 largest of 25; the table has them all.",)
    whole = replace(report, rows=report.rows[1:])
    assert points_of(whole, "Package Name", [QTY], joined=False).notes == ()
    months = {(f"20{i // 12 + 10}-{i % 12 + 1:02}",): (1,) for i in range(25)}
    assert points_of(table(months, ("Month",), (QTY,)), "Month", [QTY], joined=False).notes == ()


def test_the_size_of_a_series_is_its_share_of_its_column() -> None:
    # As shares, the counts of A, B and C are 50, 30 and 20%, and their amounts 10, 40 and 50%.
    rows = {
        ("2021-01", name): (count, Decimal(amount), None, None)
        for name, count, amount in (("A", 50, -1000), ("B", 30, 4000), ("C", 20, -5000))
    }
    found = points_of(table(rows), "Month", [QTY, TOTAL], joined=False)
    assert {*found.series} == {f"{name} · {column.name}" for name in "ABC" for column in (QTY, TOTAL)}
    many = {("2021-01", f"P{i}"): (1, Decimal(i), None, None) for i in range(4)}
    found = points_of(table(many), "Month", [QTY, TOTAL], joined=False)
    assert found.others == ("P1 · Refills: Total", "P0 · Refills: Total")
    assert found.folded == 2


def test_names_that_would_look_the_same_are_numbered() -> None:
    labels = ["a\x00", "a\x01", "a\ufffd (2)", "a\x02", "b"]
    shown = shown_names(table({(label,): (1,) for label in labels}, ("Package Name",), (QTY,)))
    assert [shown[label] for label in labels] == [
        "a\ufffd", "a\ufffd (2)", "a\ufffd (2) (2)", "a\ufffd (3)", "b",
    ]  # fmt: skip


def test_the_end_of_the_figures_is_told_unless_the_axis_marks_it() -> None:
    report = make_report(2, ("A", "B"))
    note = "Partial: until 2022-12-16 08:30:00 UTC"
    assert points_of(report, "Package Name", report.columns[:1], joined=False).notes == (note,)
    assert points_of(report, "Month", report.columns[:1], joined=False).notes == ()
