"""Common questions: each fills in the form, and shows the report or the clients that answer it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from custdyn_widgets.query import ReportQuery


@dataclass(frozen=True)
class Question:
    """A question in the menu.

    Attributes
    ----------
    words
        The question.
    fields
        The fields of the query that answers it. Filters, client type, time zone, currency and active duration
        remain as they are in the form.
    column
        The column whose clients are shown, or "" to show only the report.
    movement
        The movement of those clients; "" for the one that belongs to the column.
    """

    words: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    column: str = ""
    movement: str = ""

    def query(self, current: ReportQuery) -> ReportQuery:
        """Return the current query with this question's fields, and no comparison unless they include one."""
        return replace(current, **{"compare": None, **self.fields})


CHANGES = "changes"
_ONE_ROW: dict[str, Any] = {"group_by": ()}
_BY_MONTH = {"interval": "last_12_months", "group_by": ("month",)}
QUESTIONS = {
    "became_active": Question(
        "Who became active last month?",
        {**_ONE_ROW, "interval": "last_month", "columns": ("active", "movement")},
        column="Clients - Movement: New",
        movement="new or reactivated",
    ),
    "lapsed": Question(
        "Who lapsed last month?",
        {**_ONE_ROW, "interval": "last_month", "columns": ("active", "movement")},
        column="Clients - Movement: Lapsed",
    ),
    "payg": Question(
        "Why did pay as you go change?",
        {**_BY_MONTH, "columns": ("active", "payg"), "compare": "previous_month"},
    ),
    "same_days": Question(
        "How does this month compare with the same days of last month?",
        {**_ONE_ROW, "interval": "this_month", "compare": "previous_month"},
    ),
    "negative": Question(
        "Who makes up the negative balance?",
        {**_ONE_ROW, "interval": "this_month", "columns": ("all",)},
        column="Clients - All: Balance Neg",
    ),
    CHANGES: Question("What has changed since a report was sent?"),
    "cohorts": Question(
        "How many of each month's new clients are still active?",
        {"interval": "last_12_months", "group_by": ("cohort",), "columns": ("active", "overall_active")},
    ),
}
