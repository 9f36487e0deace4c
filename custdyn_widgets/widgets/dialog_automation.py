"""What the dialog asks of a saved query's runs without a person, and what it leaves as it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from custdyn_widgets.errors import SavedQueryError
from custdyn_widgets.mart.sources import SourceLike, lasting
from custdyn_widgets.saved_queries import SavedQuery
from custdyn_widgets.schedule import Schedule

CRON, ZONE, RECIPIENTS = "schedule.cron", "schedule.timezone", "recipients"
_SENDABLE = ("csv", "xlsx")
_UNASKED = ("failure_recipients", "retention", "only_if", "for_each")


def empty(timezone: str) -> dict[str, str]:
    """Return the fields before anything was typed."""
    return {RECIPIENTS: "", CRON: "", ZONE: timezone}


def shown_of(saved: SavedQuery) -> dict[str, str]:
    """Return the fields as a saved query fills them."""
    fields = {RECIPIENTS: "\n".join(saved.recipients)}
    if saved.schedule:
        fields |= {CRON: saved.schedule.cron, ZONE: saved.schedule.timezone}
    return fields


def typed_in(fields: Mapping[str, str], source: SourceLike) -> dict[str, Any]:
    """Return what was typed, as a saved query takes it; who it is sent to, only where it can be.

    Raises
    ------
    SavedQueryError
        If a schedule means nothing, or the data will not be there when it runs.
    """
    about: dict[str, Any] = {}
    if fields["output"] in _SENDABLE:
        about["recipients"] = tuple(re.findall(r"[^\s,;]+", fields[RECIPIENTS]))
    if fields[CRON].strip():
        about["schedule"] = Schedule(fields[CRON], fields[ZONE].strip())
        about["source"] = _lasting(source)
    return about


def left_as_it_is(replaced: SavedQuery | None, by: SavedQuery) -> dict[str, Any]:
    """Return what the dialog does not ask for, from the saved query that is replaced."""
    if replaced is None:
        return {}
    return {"source": by.source or replaced.source, **{key: getattr(replaced, key) for key in _UNASKED}}


def lost(replaced: SavedQuery, by: SavedQuery) -> str:
    """Return in words what a saved query does on its own that its successor would not do; or nothing."""
    gone = []
    if replaced.schedule and not by.schedule:
        gone.append(f"its schedule ({replaced.schedule.cron} in {replaced.schedule.timezone})")
    if replaced.recipients and not by.recipients:
        count = len(replaced.recipients)
        gone.append(f"its {count} recipient{'' if count == 1 else 's'}")
    return f" That takes away {' and '.join(gone)}." if gone else ""


def _lasting(source: SourceLike) -> str:
    if source == "demo":
        return "demo"  # always that of the last midnight, where its folder is that of one
    if isinstance(source, str | Path):
        return lasting(str(source))
    raise SavedQueryError(
        "schedule: the data of this form lives in its notebook alone, and is gone when the schedule runs. "
        "Open the form with a folder or the name of a source, or leave the schedule empty.",
        field=CRON,
    )
