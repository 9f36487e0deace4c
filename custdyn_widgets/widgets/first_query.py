"""A form's initial query, based on the settings and the user's last choices."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from typing import Any

from custdyn_widgets import settings
from custdyn_widgets.engine import column_groups
from custdyn_widgets.errors import CustDynError, QueryError, SettingsError
from custdyn_widgets.files import strict_json, write_whole
from custdyn_widgets.query import FIELDS, ReportQuery

_SETTINGS = ("client_type", "timezone")
REMEMBERED = (*_SETTINGS, "columns")


def first_query(default: ReportQuery) -> ReportQuery:
    """Return a query with the client type and time zone from the settings or the user's last query.

    The columns of the last query are used too, except those of metrics that no longer exist.

    Raises
    ------
    SettingsError
        If a setting has a value that the query does not allow.
    """
    loaded = settings.load()
    values = {name: value for name in _SETTINGS if (value := getattr(loaded, name))}
    for name, value in values.items():
        try:
            FIELDS[name].check(value)
        except QueryError as error:
            raise SettingsError(f"The setting {error.message}", field=name) from error
    return replace(default, **{**values, **_last_choice(loaded)})


def remember(query: ReportQuery) -> None:
    """Store the client type, time zone and columns of a query, for the next form. Failures are ignored."""
    with contextlib.suppress(OSError, CustDynError):
        path = settings.load().last_choice
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            chosen = {name: value for name in REMEMBERED if (value := getattr(query, name))}
            write_whole(path, json.dumps(chosen).encode(), private=True, lasting=False)


def _last_choice(loaded: settings.Settings) -> dict[str, Any]:
    """Return the stored values that a query allows; none if the file is missing or damaged."""
    found = {}
    with contextlib.suppress(OSError, ValueError, RecursionError):
        stored = strict_json(loaded.last_choice.read_text("utf-8")) if loaded.last_choice else None
        values = stored if isinstance(stored, dict) else {}
        for name in values.keys() & set(REMEMBERED):
            with contextlib.suppress(QueryError):
                found[name] = FIELDS[name].check(values[name])
    if "columns" in found:
        found["columns"] = tuple(group for group in found["columns"] if group in column_groups())
    return found
