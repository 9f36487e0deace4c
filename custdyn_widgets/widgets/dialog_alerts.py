"""The dialog's list of conditions under which a report is sent.

The browser stores them as JSON text in one field: a list of objects with the strings `column`, `row`,
`relation` (with `:compare` for a change from the comparison period) and `bound`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from custdyn_widgets.errors import CustDynError, SavedQueryError
from custdyn_widgets.query import ReportQuery
from custdyn_widgets.report import Column
from custdyn_widgets.saved_queries import (
    RELATIONS,
    ROWS,
    Condition,
    SavedQuery,
    check_columns,
    parse_alert_if,
)
from custdyn_widgets.text import printable

ALERT_IF = "alert_if"
_PARTS = ("column", "row", "relation", "bound")
_COMPARE = "compare"
_LEVEL_WORDS = {"below": "is below", "above": "is above"}
_CHANGE_WORDS = {"falls_by": "falls from {} by at least", "rises_by": "rises from {} by at least"}

Choices = dict[str, list[list[str]]]


def choices(query: ReportQuery, columns: Sequence[Column], shown: Sequence[Condition] = ()) -> Choices:
    """Return the values and labels to choose from in each part of a condition.

    Parameters
    ----------
    query, columns
        The query to save and the columns of its report.
    shown
        The conditions of the loaded saved query, whose values are offered even if they no longer apply.
    """
    period = query.time_group
    names = [*(column.name for column in columns), *(condition.column for condition in shown)]
    rows = {"total": "Total", "last": f"latest {period or 'period'}", "any": f"any {period or 'row'}"}
    relations = dict(_LEVEL_WORDS)
    if period or any(one.is_change and one.against != _COMPARE for one in shown):
        before = f"the {period or 'row'} before"  # not "the previous month", which is a comparison period
        relations |= {name: words.format(before) for name, words in _CHANGE_WORDS.items()}
    if query.compare or any(one.is_change and one.against == _COMPARE for one in shown):
        before = f"the {(query.compare or 'comparison period').replace('_', ' ')}"
        relations |= {f"{name}:{_COMPARE}": words.format(before) for name, words in _CHANGE_WORDS.items()}
    used = {one.row for one in shown}
    return {
        "column": [[name, printable(name)] for name in dict.fromkeys(names)],
        "row": [[row, rows[row]] for row in ROWS if period or row != "last" or row in used],
        "relation": [[value, label] for value, label in relations.items()],
    }


def text_of(conditions: Sequence[Condition]) -> str:
    """Return the text of the field for the given conditions; empty if there are none."""
    return json.dumps([_parts_of(condition) for condition in conditions]) if conditions else ""


def typed_conditions(text: str, columns: Callable[[], Sequence[Column]]) -> tuple[Condition, ...]:
    """Return the conditions in the field's text; `columns` returns the report's columns.

    Raises
    ------
    SavedQueryError
        If a condition is invalid, or the report lacks its column.
    """
    given = _rows(text)
    for number, one in enumerate(given):
        if not one["bound"].strip():
            raise SavedQueryError(
                "Enter a bound: a number such as 100, or a percentage such as 5%.",
                field=f"{ALERT_IF}[{number}].bound",
            )
    conditions = parse_alert_if([_as_condition(one) for one in given])
    if conditions:
        check_columns(conditions, columns())
    return conditions


def in_dialog(error: CustDynError) -> CustDynError:
    """Return an error about a condition, with its message shortened and its field named as in the dialog."""
    field = error.field or ""
    if not field.startswith(f"{ALERT_IF}["):
        return error
    place, _, part = field.partition(".")
    shown = {"against": "relation", **dict.fromkeys(RELATIONS, "bound"), "": "column"}.get(part, part)
    return SavedQueryError(error.message.removeprefix(f"{field}: "), field=f"{place}.{shown}")


def lost_words(saved: SavedQuery) -> str:
    """Describe the conditions of a saved query."""
    count = len(saved.alert_if)
    return f"its {count} alert{'' if count == 1 else 's'}"


def _parts_of(condition: Condition) -> dict[str, str]:
    compare = f":{_COMPARE}" if condition.is_change and condition.against == _COMPARE else ""
    values = (condition.column, condition.row, condition.relation + compare, str(condition.bound))
    return dict(zip(_PARTS, values, strict=True))


def _as_condition(parts: Mapping[str, str]) -> dict[str, Any]:
    relation, _, against = parts["relation"].partition(":")
    found = {"column": parts["column"], "row": parts["row"], relation: parts["bound"]}
    return {**found, "against": against} if against else found


def _rows(text: str) -> list[dict[str, str]]:
    """Parse the text of the field into the rows of the list."""
    try:
        given = json.loads(text) if text.strip() else []
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, list) or not all(isinstance(one, Mapping) for one in given):
        raise SavedQueryError.invalid(ALERT_IF, text, "is not a list of conditions")
    return [{part: str(one.get(part, "")) for part in _PARTS} for one in given]
