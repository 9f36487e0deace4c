"""Saved queries: a query under a title, with its schedule and recipients."""

from custdyn_widgets.saved_queries.automation import (
    MOST_RECIPIENTS,
    ONLY_IF,
    ForEach,
    Retention,
    recipients_of,
)
from custdyn_widgets.saved_queries.content import SavedQuery, is_name, name_for
from custdyn_widgets.saved_queries.folders import (
    Entry,
    Place,
    Stored,
    delete,
    find,
    folder_of,
    listing,
    load,
    save,
)
from custdyn_widgets.saved_queries.schedule.other_clock import on_clock_of
from custdyn_widgets.saved_queries.schedule.schedule import Schedule

__all__ = [
    "MOST_RECIPIENTS",
    "ONLY_IF",
    "Entry",
    "ForEach",
    "Place",
    "Retention",
    "SavedQuery",
    "Schedule",
    "Stored",
    "delete",
    "find",
    "folder_of",
    "is_name",
    "listing",
    "load",
    "name_for",
    "on_clock_of",
    "recipients_of",
    "save",
]
