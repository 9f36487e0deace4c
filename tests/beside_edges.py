"""A mart in which everything happens just before, at and just after the edges of its reports."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.strategies import Case

AS_OF = "2021-03-20T00:00:00Z"
_DAYS = {"start": "2021-03-01", "end": "2021-03-04"}
# The reports' windows of one month start on the days of February, and their buckets on those of March.
_EDGES = [datetime(2021, month, day, tzinfo=UTC) for month in (2, 3) for day in (1, 2, 4, 5)]
_MOMENTS = [edge + timedelta(seconds=by) for edge in _EDGES for by in (-1, 0, 1)]
_KINDS = [
    ("package_activation", "-1.75"),
    ("package_renewal", "-0.5"),
    ("package_renewal", "0"),
    ("other", "2"),
]
QUERIES: dict[str, dict[str, Any]] = {
    "days": {"columns": ["active", "overall_active", "all", "payg", "refill", "movement", "balances"]},
    "companies": {"group_by": ["date", "company"], "columns": ["active", "movement", "balances"]},
    "packages": {"group_by": ["date", "package"], "columns": ["active", "packages", "movement", "all"]},
    "a package": {"package": ["p1"], "columns": ["packages", "balances"]},
    "a second of a day": {"group_by": ["month"], "columns": ["all", "refill", "balances"]},
    "a month": {"group_by": ["month"], "columns": ["active", "movement"], "compare": "previous_month"},
}


def beside_edges(name: str) -> Case:
    """Return the mart with one of the queries."""
    query = {"interval": _DAYS, "group_by": ["date"], "active_duration": 1, "currency": "EUR"}
    as_of = "2021-03-04T00:00:01Z" if name == "a second of a day" else AS_OF
    return Case(_mart(), {**query, **QUERIES[name]}, as_of)


def _mart() -> dict[str, list[dict[str, Any]]]:
    first = {"client_type": "client", "currency": "EUR", "created_at": "2020-06-01", "client_id": "0"}
    clients, ledger = [first], [("0", "2021-02-03T12:00:00Z", "usage", "-8", "")]  # the first row, and alone
    for i, moment in enumerate(_MOMENTS):
        at, currency, company = _text(moment), ("EUR", "USD")[i % 2], ("North", "South", "")[i % 7 % 3]
        own = {"client_type": "client", "currency": currency, "company": company, "created_at": "2020-06-01"}
        clients += [
            {**own, "client_id": f"pays {i}"},
            {**own, "client_id": f"joins {i}", "created_at": at, "opening_balance": "0.000001"},
            {**own, "client_id": f"joins in debt {i}", "created_at": at, "opening_balance": "-2"},
            {**own, "client_id": f"leaves {i}", "closed_at": at, "opening_balance": "1"},
            {**own, "client_id": f"leaves long after {i}", "closed_at": at},
        ]
        kind, amount = _KINDS[i % 4]
        package = "" if kind == "other" else f"p{i % 3 % 2}"
        ledger += [
            (f"pays {i}", at, kind, amount, package),
            (f"pays {i}", at, "usage", "-1.5", ""),
            (f"pays {i}", "2021-03-02T12:00:00Z", "package_renewal", "-0.125", "p0"),
            (f"pays {i}", "2021-03-02T13:00:00Z", "package_renewal", "0.0625", "p0"),  # taken back in part
            (f"pays {i}", "2021-03-03T12:00:00Z", "refill", "0.25", ""),  # after some have lapsed
            (f"leaves {i}", min(at, "2021-02-25T00:00:00Z"), "usage", "-3", ""),
            (f"leaves {i}", "2021-03-04T13:00:00Z", "usage", "-3", ""),  # after all of them have left
            (f"leaves long after {i}", "2021-01-31T00:00:00Z", "usage", "-4", f"p{i % 2}"),
        ]
    columns = ("client_id", "at", "kind", "amount", "package_id")
    rows = [dict(zip(columns, line, strict=True), transaction_id=str(i)) for i, line in enumerate(ledger)]
    quotes = [
        {"currency": "USD", "date": f"2021-0{day}", "units_per_base": worth, "base": "EUR"}
        for day, worth in (("1-01", "1.25"), ("3-02", "1.6"), ("3-04", "2"))
    ]
    return {
        "clients": clients,
        "transactions": [row for row in rows if row["at"] < "2021-03-05T00:00:02Z"],
        "rates": quotes,
        "packages": [{"package_id": p, "name": p} for p in ("p0", "p1")],
        "companies": [{"company": name, "parent": ""} for name in ("North", "South")],
    }


def _text(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
