"""Saved queries: queries with a title, a schedule and recipients."""

from custdyn_widgets.saved_queries.automation import (
    MAX_RECIPIENTS,
    ONLY_IF,
    ForEach,
    Retention,
    parse_recipients,
)
from custdyn_widgets.saved_queries.content import SavedQuery, is_name, name_for
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
from custdyn_widgets.saved_queries.schedule.conversion import convert_schedule
from custdyn_widgets.saved_queries.schedule.schedule import Schedule

__all__ = [
    "MAX_RECIPIENTS",
    "ONLY_IF",
    "ForEach",
    "ListedQuery",
    "Place",
    "Retention",
    "SavedQuery",
    "Schedule",
    "Stored",
    "convert_schedule",
    "delete",
    "failure_recipients",
    "find",
    "folder_of",
    "is_name",
    "listing",
    "load",
    "name_for",
    "parse_recipients",
    "save",
]
