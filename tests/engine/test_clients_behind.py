"""The clients behind a row: which row is meant, at which time, and amounts rounded once."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from custdyn_widgets.engine import clients_behind, run_report
from custdyn_widgets.errors import QueryError, RateError
from tests.mart_forms import frames

pytestmark = pytest.mark.usefixtures("own_cache")
MAY = {"interval": {"start": "2021-05-01", "end": "2021-05-31"}, "group_by": [], "currency": "USD"}
AS_OF = "2021-07-01T00:00:00Z"


def clients(*names: str, **fields: str) -> list[dict[str, str]]:
    common = {"client_type": "client", "currency": "USD", "created_at": "2011-01-01T00:00:00Z", **fields}
    return [{"client_id": name, **common} for name in names]


def ledger(*rows: tuple[str, str, str], kind: str = "usage", **fields: str) -> list[dict[str, str]]:
    return [
        {
            "transaction_id": f"{kind} {i}",
            "client_id": who,
            "at": at,
            "kind": kind,
            "amount": amount,
            **fields,
        }
        for i, (who, at, amount) in enumerate(rows)
    ]


def rates(*quotes: tuple[str, str]) -> list[dict[str, str]]:
    return [{"date": day, "base": "USD", "currency": "EUR", "units_per_base": units} for day, units in quotes]


QUOTE = rates(("2011-01-01", "1.2"))  # a EUR is 5/6 of a USD


NONE = ledger(("A", "2010-01-01", "0"), kind="other")


def millionths(values: Any) -> list[int]:
    return [int(value.scaleb(6)) for value in values]


def test_the_clients_are_those_at_the_time_of_the_report_unless_another_is_given() -> None:
    uses = ledger(("A", "2021-05-10", "-1"), ("A", "2021-05-20", "-2"))
    mart = frames({"clients": clients("A"), "transactions": uses})
    report = run_report(MAY, mart, as_of="2021-05-15T00:00:00Z")
    assert clients_behind(report, None, mart)["Pay As You Go Total"].tolist() == [1]
    later = clients_behind(report, None, mart, as_of="2021-05-25T00:00:00Z")
    assert later["Pay As You Go Total"].tolist() == [3]


def test_alive_clients_without_a_transaction_are_in_the_row_without_a_package() -> None:
    """Section 4: All of the last row also counts alive clients without any transaction before the end."""
    times = (("A", "2021-05-10", "-1"), ("L", "2021-06-10", "-1"))
    fees = ledger(*times, kind="package_activation", package_id="P1")
    people = [*clients("A", "B", "L"), *clients("C", closed_at="2021-05-20T00:00:00Z")]
    people += clients("D", created_at="2021-06-01T00:00:00Z")
    packages = [{"package_id": "P1", "name": "Gold"}]
    mart = frames({"clients": people, "transactions": fees, "packages": packages})
    query = {**MAY, "group_by": ["package"]}
    report = run_report(query, mart, as_of=AS_OF)
    for label, names in (("Gold", ["A"]), ("(no package)", ["B", "L"])):
        [row] = [row for row in report.rows if row.labels == (label,)]
        assert row.values[[c.name for c in report.columns].index("Clients - All: Qty")] == len(names)
        found = clients_behind(report, label, mart)
        assert found["Client Id"].tolist() == names
        assert found["Alive"].tolist() == [1] * len(names)


SAME_LABELS = {
    "clients": clients("A"),
    "transactions": [
        *ledger(("A", "2021-05-01", "-1"), kind="package_renewal", package_id="P1"),
        *ledger(("A", "2021-05-02", "-2"), kind="package_activation", package_id="P3"),
    ],
    "packages": [
        {"package_id": code, "name": name}
        for code, name in (("P1", "Gold"), ("P2", "Gold"), ("P3", "Gold (P1)"))
    ],
}


@pytest.mark.parametrize(
    ("group_by", "row", "total", "message"),
    [
        (["month"], "2021-05", True, "cannot be given together with the Total"),
        ([], "2021-05", False, "is not needed without grouping"),
        (["month", "package"], "2021-05", False, "must have a label for each of month, package; for the To"),
        (
            ["month"],
            None,
            False,
            "row is required: a label for each of month; for the Total, set total=True.",
        ),
        (["package"], "Gold (P1)", False, "is the label of several rows"),
        (["package"], "Silver", False, "is not a row of the report"),
    ],
)
def test_a_row_that_is_not_one_row_is_refused_with_the_reason(
    group_by: list[str], row: str | None, total: bool, message: str
) -> None:
    with pytest.raises(QueryError) as caught:
        clients_behind({**MAY, "group_by": group_by}, row, frames(SAME_LABELS), as_of=AS_OF, total=total)
    assert caught.value.field == "row"
    assert message in caught.value.message


def test_a_balance_that_is_half_a_millionth_is_rounded_to_the_even_one() -> None:
    balances = {"A": 3, "B": 9, "C": -3, "D": -9, "E": 12}
    found = [
        clients(name, currency="EUR", opening_balance=str(Decimal(own).scaleb(-6)))[0]
        for name, own in balances.items()
    ]
    frame = clients_behind(
        MAY, None, frames({"clients": found, "rates": QUOTE, "transactions": NONE}), as_of=AS_OF
    )
    assert millionths(frame["Balance"]) == [3, 9, -3, -9, 12]
    assert millionths(frame["Balance Converted"]) == [2, 8, -2, -8, 10]


@pytest.mark.parametrize("by_package", [False, True])
def test_halves_of_a_millionth_in_both_periods_and_in_their_change_are_each_rounded_once(
    by_package: bool,
) -> None:
    """Of A, 7½ millionths after 2½ are 5 more; of B, 10 after 2½ are 7½ more."""
    april = [("A", "2021-04-10", "-0.000003"), ("B", "2021-04-10", "-0.000003")]
    may = [("A", "2021-05-10", "-0.000009"), ("B", "2021-05-10", "-0.000012")]
    paid = ledger(*april, *may, kind="package_renewal", package_id="P1")
    other = ledger(("A", "2021-05-11", "-0.000033"), kind="package_activation", package_id="P2")
    mart = {
        "clients": clients("A", "B", currency="EUR"),
        "transactions": [*paid, *other],
        "packages": [{"package_id": code, "name": code} for code in ("P1", "P2")],
        "rates": QUOTE,
    }
    query = {**MAY, "group_by": ["package"] if by_package else [], "compare": "previous_month"}
    row = "P1" if by_package else None
    frame = clients_behind(query, row, frames(mart), as_of=AS_OF, change=True)
    assert frame["Client Id"].tolist() == ["A", "B"]
    found = {name: millionths(frame[f"Renew Total{name}"]) for name in ("", " Before", " Change")}
    assert found == {"": [8, 10], " Before": [2, 2], " Change": [5, 8]}
    assert millionths(frame["Activation Total"]) == [0 if by_package else 28, 0]
    assert (
        clients_behind(query, row, frames(mart), as_of=AS_OF)["Renew Total"].tolist()
        == frame["Renew Total"].tolist()
    )


def test_without_an_earlier_period_there_is_nothing_to_compare_with() -> None:
    """In Apia, 30 December 2011 was skipped."""
    mart = frames({"clients": clients("A", "B"), "transactions": ledger(("B", "2011-12-31T00:00:00Z", "-4"))})
    query = {
        "interval": {"start": "2011-12-29", "end": "2011-12-31"},
        "timezone": "Pacific/Apia",
        "group_by": ["date"],
        "compare": "previous_day",
    }
    frame = clients_behind(query, "2011-12-31", mart, as_of=AS_OF, change=True)
    assert frame["Client Id"].tolist() == ["B"]
    assert frame["Pay As You Go Total"].tolist() == [4]
    for name in ("Pay As You Go Total", "Refill Qty"):
        assert frame[f"{name} Before"].tolist() == frame[f"{name} Change"].tolist() == [None]


@pytest.mark.parametrize(("end", "worth"), [("2021-05-30 23:59:59", 4), ("2021-05-31 00:00:00", 2)])
def test_a_balance_is_worth_what_the_quote_of_the_last_second_says(end: str, worth: int) -> None:
    """The quote of 31 May counts if the period has one second of it, for rows, their Total and clients."""
    mart = frames(
        {
            "clients": [
                *clients("A", currency="EUR", opening_balance="8"),
                *clients("B", currency="EUR", opening_balance="8", closed_at="2021-04-20T00:00:00Z"),
            ],
            "transactions": NONE,
            "rates": rates(("2011-01-01", "2"), ("2021-05-31", "4")),
        }
    )
    query = {
        "interval": {"start": "2021-04-01", "end": end},
        "currency": "USD",
        "columns": ["all", "balances"],
    }
    for group_by in ([], ["month"]):
        report = run_report({**query, "group_by": group_by}, mart, as_of=AS_OF)
        last = report.total or report.rows[-1]
        assert last.values[report.column("Clients - All: Balance")] == worth
        assert last.values[report.column("Balance Movement: Left")] == -worth
        frame = clients_behind(report, None, mart, total=bool(group_by))
        assert frame["Balance Converted"].tolist() == [worth]


def test_a_balance_of_a_living_client_needs_its_quote() -> None:
    mart = frames(
        {
            "clients": [*clients("A", currency="EUR", opening_balance="5"), *clients("B")],
            "transactions": ledger(("B", "2021-05-10", "-1")),
            "rates": rates(("2021-06-01", "2")),
        }
    )
    with pytest.raises(RateError, match="no quote for EUR on or before 2021-05-31"):
        clients_behind(MAY, None, mart, as_of=AS_OF)
