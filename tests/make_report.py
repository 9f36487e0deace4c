"""A `Report` made by hand, for tests of what shows a report (they need no source and no metrics)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.report.report import Column, Info, Quote, Report, Row

COLUMNS = (
    *(
        Column(
            f"Clients - {level}",
            label,
            "count" if label == "Qty" else "money",
            f"{label} of {level} clients.",
        )
        for level in ("Active", "Overall Active", "All")
        for label in ("Qty", "Balance Pos", "Balance Neg", "Balance")
    ),
    Column("Balance Refill", "Qty", "count", "Refills."),
    Column("Balance Refill", "Total", "money", "Sum of refills."),
    Column("Balance Refill", "Avg", "money", "Total / Qty."),
    Column("Pay As You Go", "Total", "money", "Usage."),
    Column("Pay As You Go", "Active Avg", "money", "Total / Clients - Active: Qty."),
    Column("Packages", "Activation Qty", "count", "Activations."),
    Column("Packages", "Activation Total", "money", "Set-up fees."),
    Column("Packages", "Renew Qty", "count", "Renewals."),
    Column("Packages", "Renew Total", "money", "Period fees."),
)
INFO = Info(
    interval_start="2021-01-01 00:00:00", interval_end="2022-12-31 23:59:59", timezone="UTC",
    start="2021-01-01T00:00:00Z", effective_end="2022-12-16T08:30:00Z",
    actual_start="2021-01-03T10:00:00Z", actual_end="2022-12-15T21:10:02Z",
    role="analyst", generated_at="2022-12-16T08:30:01Z", duration_ms=123, as_of="2022-12-16T08:30:00Z",
    data_as_of="2022-12-16T06:00:00Z", source="demo", clients=3000, transactions=123456, currency="USD",
    time_zone_data="2026a", quotes=(Quote("EUR", "2021-01-01", "0.82", "USD"),),
    warnings=("The data was last changed at 2022-12-16T06:00:00Z, before the effective end of the report.",),
    versions={"custdyn_widgets": "0.1.0"},
)  # fmt: skip


def _value(column: Column, i: int, j: int) -> int | Decimal | None:
    if column.label in ("Avg", "Active Avg") and i == 3:
        return None
    if column.unit == "count":
        return 100 + 37 * i + 11 * j
    sign = -1 if column.label == "Balance Neg" else 1
    return Decimal(sign * (123_456_789 * (i + 1) + 98_765 * j)).scaleb(-3).quantize(Decimal("0.000001"))


def make_report(months: int = 24, packages: tuple[str, ...] = (), **changes: object) -> Report:
    """Return a report of so many months, optionally by package too; the last month is partial."""
    rows = []
    for i in range(months):
        label = f"{2021 + i // 12}-{i % 12 + 1:02}"
        for k, package in enumerate(packages or ("",)):
            rows.append(
                Row(
                    labels=(label, package) if packages else (label,),
                    values=tuple(_value(c, i + k, j) for j, c in enumerate(COLUMNS)),
                    start=f"{label}-01T00:00:00Z",
                    end=f"{2021 + (i + 1) // 12}-{(i + 1) % 12 + 1:02}-01T00:00:00Z",
                    partial=i == months - 1,
                )
            )
    report = Report(
        query=ReportQuery.from_dict(
            {
                "interval": {"start": "2021-01-01", "end": "2022-12-31"},
                "group_by": ["month", "package"] if packages else ["month"],
                "currency": "USD",
            }
        ),
        headings=("Month", "Package Name") if packages else ("Month",),
        columns=COLUMNS,
        rows=tuple(rows),
        total=Row(
            labels=("Total", "") if packages else ("Total",),
            values=tuple(_value(c, 50, j) for j, c in enumerate(COLUMNS)),
            start="2021-01-01T00:00:00Z",
            end="2022-12-16T08:30:00Z",
            partial=True,
        ),
        info=INFO,
        definitions=("A reversed charge still made its client active.",),
    )
    return replace(report, **changes)


def make_comparison(months: int = 3, packages: tuple[str, ...] = (), group: str = "company") -> Report:
    """Return a report compared with the previous month, optionally with names of a grouping.

    Its columns are a count, an amount and a rate, each with its comparison.
    """
    columns = (
        Column("Clients - Active", "Qty", "count", "Active clients."),
        Column("Balance Refill", "Total", "money", "Refills."),
        Column("Clients - Movement", "Churn Rate", "rate", "Lapsed and closed clients."),
    )
    values = [
        1234,
        1200,
        34,
        "2.833333",
        "-50.5",
        None,
        None,
        None,
        "0.125",
        "0.150000",
        "-0.025",
        "-16.6667",
    ]
    exact = tuple(Decimal(value) if isinstance(value, str) else value for value in values)
    report = make_report(months, packages)
    query = replace(
        report.query, compare="previous_month", group_by=("month", *([group] if packages else []))
    )
    return replace(
        report,
        query=query,
        headings=("Month", "Company") if packages else ("Month",),
        columns=tuple(part for column in columns for part in _compared(column)),
        rows=tuple(replace(row, values=exact) for row in report.rows),
        total=replace(report.total, values=exact),
    )


def _compared(column: Column) -> list[Column]:
    change = "points" if column.unit == "rate" else column.unit
    return [
        column,
        replace(column, label=f"{column.label} Before", part="before"),
        replace(column, label=f"{column.label} Change", part="change", unit=change),
        replace(column, label=f"{column.label} Change %", part="change_percent", unit="percent"),
    ]
