"""What the dialog asks of a saved query's runs without a person, and what it leaves as it is.

Its fields are texts by name, as people type them; a name is the key of the file, with a point inside.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from custdyn_widgets.errors import SavedQueryError, shown
from custdyn_widgets.mart import SourceLike, lasting
from custdyn_widgets.saved_queries import (
    ONLY_IF,
    ForEach,
    Place,
    Retention,
    SavedQuery,
    Schedule,
    Stored,
    folder_of,
    parse_recipients,
)
from custdyn_widgets.text import cut_short, printable

CRON, ZONE = "schedule.cron", "schedule.timezone"
RECIPIENTS, TOLD = "recipients", "failure_recipients"
KEEP_LAST, OLDER_THAN = "retention.keep_last", "retention.older_than"
EACH = "for_each"
TICKED = "yes"
_CONDITIONS = {f"only_if.{condition}": condition for condition in ONLY_IF}
_SENDABLE = ("csv", "xlsx")
_LONGEST_WORDS = 200
_NUMBER = re.compile("-?[0-9]{1,100}")


def empty(timezone: str) -> dict[str, str]:
    """Return the fields before anything was typed."""
    nothing = (RECIPIENTS, CRON, TOLD, *_CONDITIONS, KEEP_LAST, OLDER_THAN, EACH)
    return {**dict.fromkeys(nothing, ""), ZONE: timezone}


def shown_of(saved: SavedQuery) -> dict[str, str]:
    """Return the fields as a saved query fills them."""
    fields = {RECIPIENTS: "\n".join(saved.recipients), TOLD: "\n".join(saved.failure_recipients)}
    fields |= {name: TICKED for name, condition in _CONDITIONS.items() if condition in saved.only_if}
    if saved.schedule:
        fields |= {CRON: saved.schedule.cron, ZONE: saved.schedule.timezone}
    if saved.retention:
        kept = {KEEP_LAST: saved.retention.keep_last, OLDER_THAN: saved.retention.older_than}
        fields |= {name: str(value) for name, value in kept.items() if value is not None}
    if saved.for_each:
        fields[EACH] = TICKED
    return fields


def division_words(division: ForEach | None) -> str:
    """Return in words that there is a report for each company; empty if there is not."""
    if division is None:
        return ""
    file = printable(cut_short(division.addresses, _LONGEST_WORDS))
    return f"One report for each {division.by}, addresses from {file}"


def typed_in(fields: Mapping[str, str], source: SourceLike) -> dict[str, Any]:
    """Return what was typed, as a saved query takes it; who it is sent to, only where it can be.

    Raises
    ------
    SavedQueryError
        If a field means nothing, the first on screen, or the data will not be there when it runs.
    """
    about: dict[str, Any] = {}
    if fields["output"] in _SENDABLE and fields[EACH] != TICKED:
        about[RECIPIENTS] = _addresses(RECIPIENTS, fields)
    if fields[CRON].strip():
        about["schedule"] = Schedule(fields[CRON], fields[ZONE].strip())
        about["source"] = _lasting(source)
    about[TOLD] = _addresses(TOLD, fields)
    about["only_if"] = tuple(condition for name, condition in _CONDITIONS.items() if fields[name] == TICKED)
    about["retention"] = _retention(fields[KEEP_LAST].strip(), fields[OLDER_THAN].strip())
    return about


def division_in(fields: Mapping[str, str], loaded: Stored | None, place: Place) -> ForEach | None:
    """Return the division of what was loaded, unless it was taken off; in the other place, it means the same.

    Its file of addresses is beside the saved query's own, which a copy in another folder is not.
    """
    division = loaded.saved.for_each if loaded and fields[EACH] == TICKED else None
    if loaded is None or division is None or place == loaded.place:
        return division
    return replace(division, addresses=str(folder_of(loaded.place).absolute() / division.addresses))


def left_as_it_is(replaced: SavedQuery | None, by: SavedQuery, *, division_asked: bool) -> dict[str, Any]:
    """Return what the dialog did not ask for, from the saved query that is replaced."""
    if replaced is None:
        return {}
    division = by.for_each if division_asked else replaced.for_each
    return {"source": by.source or replaced.source, EACH: division}


def kept(replaced: SavedQuery, *, division_asked: bool) -> str:
    """Return in words what stays although the dialog does not show it; or nothing."""
    if division_asked or replaced.for_each is None:
        return ""
    words = division_words(replaced.for_each)
    return f" Its {words[0].lower()}{words[1:]}, stays."


def lost(replaced: SavedQuery, by: SavedQuery) -> str:
    """Return in words what a saved query does on its own and its successor would not; or nothing."""
    gone = [words for key, words in _words(replaced).items() if not getattr(by, key)]
    listed = " and ".join(", ".join(part) for part in (gone[:-1], gone[-1:]) if part)
    told = f" That takes away {listed}." if gone else ""
    if replaced.source and by.source and replaced.source != by.source:
        told += f" It would ask {shown(by.source)}, and no longer {shown(replaced.source)}."
    if replaced.for_each and by.for_each and replaced.for_each != by.for_each:
        files = (shown(by.for_each.addresses), shown(replaced.for_each.addresses))
        told += f" Its addresses would come from {files[0]}, and no longer from {files[1]}."
    return told


def _words(saved: SavedQuery) -> dict[str, str]:
    """Return by key what a saved query does on its own."""
    words = {}
    if saved.schedule:
        words["schedule"] = f"its schedule ({saved.schedule.cron} in {saved.schedule.timezone})"
    if saved.recipients:
        words[RECIPIENTS] = f"its {_counted(saved.recipients, 'recipient')}"
    if saved.failure_recipients:
        words[TOLD] = f"the {_counted(saved.failure_recipients, 'address', 'addresses')} told when it fails"
    if saved.only_if:
        words["only_if"] = f"its {_counted(saved.only_if, 'condition')} for sending"
    if saved.retention:
        words["retention"] = "its rule for old snapshots"
    if saved.for_each:
        words[EACH] = f"its report for each {saved.for_each.by}"
    return words


def _counted(things: tuple[str, ...], one: str, many: str = "") -> str:
    return f"{len(things)} {one if len(things) == 1 else many or one + 's'}"


def _addresses(name: str, fields: Mapping[str, str]) -> tuple[str, ...]:
    return parse_recipients(name, re.findall(r"[^\s,;]+", fields[name]))


def _retention(keep_last: str, older_than: str) -> Retention | None:
    if not keep_last and not older_than:
        return None
    if keep_last and not _NUMBER.fullmatch(keep_last):
        raise SavedQueryError.invalid(KEEP_LAST, keep_last, "is no whole number such as 12")
    return Retention(int(keep_last) if keep_last else None, older_than or None)


def _lasting(source: SourceLike) -> str:
    if source == "demo":
        return "demo"  # always that of the last midnight, where its folder is that of one
    if isinstance(source, str | Path):
        return lasting(str(source))
    raise SavedQueryError(
        "The data of this form lives in its notebook alone, and is gone when the schedule runs. "
        "Open the form with a folder or the name of a source, or leave the schedule empty.",
        field=CRON,
    )
