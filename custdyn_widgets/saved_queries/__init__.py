"""Saved queries: queries with a title, a schedule and recipients."""

from custdyn_widgets.saved_queries.alerts.columns import (
    BEFORE,
    change_column,
    check_columns,
    is_in_percent,
    is_rate,
)
from custdyn_widgets.saved_queries.alerts.condition import RELATIONS, ROWS, Condition, parse_alert_if
from custdyn_widgets.saved_queries.automation import (
    MAX_RECIPIENTS,
    ONLY_IF,
    ForEach,
    Retention,
    parse_recipients,
)
from custdyn_widgets.saved_queries.content import WITHOUT_TOTAL, SavedQuery, is_name, name_for
from custdyn_widgets.saved_queries.folders import (
    ListedQuery,
    Place,
    Stored,
    delete,
    failure_recipients,
    find,
    folder_of,
    listing,
    load,
    save,
)
from custdyn_widgets.saved_queries.letter_words import fill_words
from custdyn_widgets.saved_queries.schedule.conversion import convert_schedule
from custdyn_widgets.saved_queries.schedule.schedule import Schedule

__all__ = [
    "BEFORE",
    "MAX_RECIPIENTS",
    "ONLY_IF",
    "RELATIONS",
    "ROWS",
    "WITHOUT_TOTAL",
    "Condition",
    "ForEach",
    "ListedQuery",
    "Place",
    "Retention",
    "SavedQuery",
    "Schedule",
    "Stored",
    "change_column",
    "check_columns",
    "convert_schedule",
    "delete",
    "failure_recipients",
    "fill_words",
    "find",
    "folder_of",
    "is_in_percent",
    "is_name",
    "is_rate",
    "listing",
    "load",
    "name_for",
    "parse_alert_if",
    "parse_recipients",
    "save",
]
