"""What is asked of every contender: the query, and what the peers are told beside it.

The peers get the edges of buckets and windows; ours gets the query and finds them itself. All of it is
in UTC, which favours the peers: an edge is then a day's edge.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

AS_OF = "2025-01-02T00:00:00Z"
CURRENCY = "USD"
WINDOW_MONTHS = 3
LEVELS = ("Active", "Overall Active", "All")


@dataclass(frozen=True)
class Question:
    """One report.

    Attributes
    ----------
    name
        What the figures call it.
    edges
        The first days of the buckets, and the day after the last one: one more than there are buckets.
    windows
        The first day of each bucket's window of activity.
    labels
        Of the buckets.
    query
        The query, as JSON.
    """

    name: str
    edges: tuple[date, ...]
    windows: tuple[date, ...]
    labels: tuple[str, ...]
    query: dict[str, Any] = field(default_factory=dict)

    @property
    def client_filter(self) -> dict[str, list[str]]:
        """The query's filters of clients: company, owner_user, client_tags."""
        return {k: self.query[k] for k in ("company", "owner_user", "client_tags") if k in self.query}


def months_before(day: date, count: int) -> date:
    """Return the first of the month so many months before a first of a month."""
    months = day.year * 12 + day.month - 1 - count
    return date(months // 12, months % 12 + 1, 1)


def clamped_months_before(day: date, count: int) -> date:
    """Return the day so many months before, clamped to its month's length."""
    first = months_before(day.replace(day=1), count)
    last = months_before(first, -1) - timedelta(1)
    return min(first + timedelta(day.day - 1), last)


def _question(name: str, edges: list[date], group: str, **fields: Any) -> Question:
    width = {"year": 4, "month": 7, "date": 10}[group]
    query = {
        "interval": {"start": f"{edges[0]} 00:00:00", "end": f"{edges[-1] - timedelta(1)} 23:59:59"},
        "timezone": "UTC",
        "client_type": "all",
        "group_by": [group],
        "currency": CURRENCY,
        "active_duration": WINDOW_MONTHS,
        **fields,
    }
    windows = tuple(clamped_months_before(e, WINDOW_MONTHS) for e in edges[1:])
    return Question(name, tuple(edges), windows, tuple(str(e)[:width] for e in edges[:-1]), query)


_MONTHS = [months_before(date(2025, 1, 1), 24 - i) for i in range(25)]
_DAYS = [date(2022, 1, 1) + timedelta(i) for i in range(1097)]

QUESTIONS = {
    q.name: q
    for q in (
        _question("24 months", _MONTHS, "month"),
        _question("366 days", _DAYS[-367:], "date"),
        _question("1 year", [_DAYS[-367], _DAYS[-1]], "year"),
        _question("1,096 days", _DAYS, "date"),
        _question("24 months, a company and those below", _MONTHS, "month", company=["R1.2"]),
        _question("24 months, an owner", _MONTHS, "month", owner_user=["owner07"]),
        _question("24 months, a tag", _MONTHS, "month", client_tags=["vip"]),
    )
}

CLIENTS = "24 months, the clients behind the last one"
_DEFAULT = ["active", "overall_active", "all", "refill", "payg", "packages"]
DYNAMICS = {
    q.name: q
    for q in (
        _question("24 months, movement", _MONTHS, "month", columns=[*_DEFAULT, "movement"]),
        _question("24 months, balances", _MONTHS, "month", columns=[*_DEFAULT, "balances"]),
        _question("24 months, comparison", _MONTHS, "month", compare="previous_year"),
        _question(
            "24 months, all three",
            _MONTHS,
            "month",
            columns=[*_DEFAULT, "movement", "balances"],
            compare="previous_year",
        ),
        _question("24 months × cohorts", _MONTHS, "month", group_by=["month", "cohort"]),
        _question(CLIENTS, _MONTHS, "month"),
    )
}
"""Questions about who moved and what changed."""

WORKBOOK = "XLSX of 1,096 days × packages"
WORKBOOKS = {WORKBOOK: _question(WORKBOOK, _DAYS, "date", group_by=["date", "package"])}
"""The report that is written as XLSX: about 10,000 rows."""
