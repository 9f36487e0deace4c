"""A condition on the cells of a report, as listed in a saved query's `alert_if`.

{"column": "Clients - Active: Qty", "row": "last", "falls_by": "5%"}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from custdyn_widgets.errors import SavedQueryError
from custdyn_widgets.query import ReportQuery
from custdyn_widgets.saved_queries.alerts.bounds import Bound, parse_bound
from custdyn_widgets.saved_queries.checks import check_text, object_fields

ROWS = ("total", "last", "any")
LEVELS, CHANGES = ("below", "above"), ("falls_by", "rises_by")
RELATIONS = (*LEVELS, *CHANGES)
AGAINST = ("row_before", "compare")
MOST_CONDITIONS = 20
_LONGEST_COLUMN = 500
_KEYS = ("column", "row", *RELATIONS, "against")
_REQUIRED = {
    "column": 'the name of a column such as "Clients - Active: Qty"',
    "row": "total, last or any",
}
# Presets whose report has a single row when grouped by time, so there is no previous row.
_DAYS, _MONTHS = ("today", "yesterday"), ("this_month", "last_month")
_YEARS = ("this_quarter", "last_quarter", "this_year", "last_year")
_SINGLE_ROW = {"date": _DAYS, "month": (*_DAYS, *_MONTHS), "year": (*_DAYS, *_MONTHS, *_YEARS)}
_IN_WORDS = {
    "below": "is below {}",
    "above": "is above {}",
    "falls_by": "falls by {} or more",
    "rises_by": "rises by {} or more",
}
_ROW_WORDS = {"total": "Total", "last": "last row", "any": "any row"}
_AGAINST_WORDS = {"row_before": "from the previous row", "compare": "from the comparison period"}


@dataclass(frozen=True)
class Condition:
    """A condition on one column.

    Attributes
    ----------
    column
        The one-level name of the column, such as `Clients - Active: Qty`.
    row
        `total`, `last` (the rows of the last period) or `any` (true if any row meets the condition).
    relation
        `below`, `above`, `falls_by` or `rises_by`.
    bound
        The value or change to compare with. A value equal to it is neither below nor above it; a change equal
        to it counts.
    against
        What a value is compared with: `row_before`, or `compare` for the query's comparison period.

    Raises
    ------
    SavedQueryError
        If a value is invalid; the error's field is the key in the condition's object.
    """

    column: str
    row: str
    relation: str
    bound: Bound
    against: str = "row_before"

    def __post_init__(self) -> None:
        check_text("column", self.column, _LONGEST_COLUMN)
        for key, value, allowed in (("row", self.row, ROWS), ("against", self.against, AGAINST)):
            if not isinstance(value, str) or value not in allowed:
                raise SavedQueryError.not_allowed(key, value, allowed)
        if self.is_change and self.bound.number <= 0:
            why = "is not greater than 0; for the other direction, choose "
            other = CHANGES[1 - CHANGES.index(self.relation)]
            raise SavedQueryError.invalid(self.relation, str(self.bound), why + other)

    @property
    def is_change(self) -> bool:
        """Whether the condition compares a change with the bound."""
        return self.relation in CHANGES

    def __str__(self) -> str:
        against = f" {_AGAINST_WORDS[self.against]}" if self.is_change else ""
        words = _IN_WORDS[self.relation].format(self.bound)
        return f"{self.column}, {_ROW_WORDS[self.row]}: {words}{against}"

    def to_dict(self) -> dict[str, Any]:
        """Return the condition as a JSON object."""
        against = {"against": self.against} if self.is_change and self.against != AGAINST[0] else {}
        return {"column": self.column, "row": self.row, self.relation: self.bound.to_json(), **against}


def parse_alert_if(value: object) -> tuple[Condition, ...]:
    """Return the conditions under the `alert_if` key.

    Raises
    ------
    SavedQueryError
        If one is invalid; the error gives its index and the key.
    """
    if not isinstance(value, list | tuple):
        raise SavedQueryError.wrong_type("alert_if", value, "a list of objects")
    if len(value) > MOST_CONDITIONS:
        why = f"has {len(value):,} conditions, but at most {MOST_CONDITIONS} are allowed"
        raise SavedQueryError.invalid("alert_if", [*value[:1], "…"], why)
    found: list[Condition] = []
    for number, one in enumerate(value):
        condition = one if isinstance(one, Condition) else _parse(f"alert_if[{number}]", one)
        if condition in found:
            raise SavedQueryError.invalid(f"alert_if[{number}]", str(condition), "is listed twice")
        found.append(condition)
    return tuple(found)


def check_against_query(conditions: Sequence[Condition], query: ReportQuery) -> None:
    """Reject conditions on rows that a report for this query can never have.

    Raises
    ------
    SavedQueryError
        If a condition's row, or the row to compare it with, can never exist.
    """
    for number, condition in enumerate(conditions):
        field = f"alert_if[{number}]"
        if condition.row == "last" and query.time_group is None:
            why = 'needs year, month or date in group_by: choose "total" or "any", or group by time'
            raise SavedQueryError.invalid(f"{field}.row", "last", why)
        if not condition.is_change:
            continue
        if condition.against == "compare":
            if query.compare is None:
                why = 'needs a query with a comparison: set compare, for example to "previous_month"'
                raise SavedQueryError.invalid(f"{field}.against", "compare", why)
        elif why := _without_row_before(condition, query):
            remedy = f'{why}; set "against": "compare", and set compare in the query'
            raise SavedQueryError.invalid(f"{field}.{condition.relation}", str(condition.bound), remedy)


def _without_row_before(condition: Condition, query: ReportQuery) -> str:
    """Return why the condition cannot compare a row with the previous row, or "" if it can."""
    if condition.row == "total":
        return "cannot be measured against the previous row, because the Total has none"
    if query.time_group is None:
        return "cannot be measured against the previous row, because the query does not group by time"
    if query.interval in _SINGLE_ROW[query.time_group]:
        return (
            f"cannot be measured against the previous row, because {query.interval} by {query.time_group} "
            "gives only one row: choose a longer interval"
        )
    return ""


def _parse(field: str, value: object) -> Condition:
    given = object_fields(field, value, _KEYS, _REQUIRED)
    relations = [name for name in RELATIONS if name in given]
    if len(relations) != 1:
        where = f"{field}.{relations[1] if relations else RELATIONS[0]}"
        given_ones = " and ".join(relations) or "none of them"
        words = f"{field} must have exactly one of {', '.join(RELATIONS)}; it has {given_ones}."
        raise SavedQueryError(words, field=where)
    relation = relations[0]
    if "against" in given and relation in LEVELS:
        why = f"applies only to falls_by and rises_by: remove it, or replace {relation}"
        raise SavedQueryError.invalid(f"{field}.against", given["against"], why)
    bound = parse_bound(f"{field}.{relation}", given[relation])
    kept: Mapping[str, Any] = {key: given[key] for key in ("column", "row", "against") if key in given}
    try:
        return Condition(relation=relation, bound=bound, **kept)
    except SavedQueryError as error:
        inside = f"{field}.{error.field}"
        message = error.message.removeprefix(str(error.field))
        raise SavedQueryError(inside + message, field=inside) from None
