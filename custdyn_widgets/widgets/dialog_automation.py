"""The dialog's fields for automatic runs: schedule, recipients, retention and conditions.

Fields are strings, keyed by name. A name is the key in the saved query's file, with dots for nested keys.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from custdyn_widgets.errors import SavedQueryError, shown
from custdyn_widgets.mart import Source, SourceLike, absolute_source
from custdyn_widgets.report import Column
from custdyn_widgets.saved_queries import (
    ONLY_IF,
    WITHOUT_TOTAL,
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
from custdyn_widgets.widgets.dialog_alerts import ALERT_IF, lost_words, text_of, typed_conditions

CRON, ZONE = "schedule.cron", "schedule.timezone"
RECIPIENTS, ON_FAILURE = "recipients", "failure_recipients"
KEEP_LAST, OLDER_THAN = "retention.keep_last", "retention.older_than"
EACH, TOTAL = "for_each", "total"
TICKED = "yes"
_CONDITIONS = {f"only_if.{condition}": condition for condition in ONLY_IF}
_SENDABLE = ("csv", "csv-excel", "xlsx", "pdf")
_MAX_TEXT_LENGTH = 200
_NUMBER = re.compile("-?[0-9]{1,100}")


def empty_fields(timezone: str) -> dict[str, str]:
    """Return the fields of an empty dialog."""
    nothing = (RECIPIENTS, CRON, ON_FAILURE, *_CONDITIONS, ALERT_IF, KEEP_LAST, OLDER_THAN, EACH, TOTAL)
    return {**dict.fromkeys(nothing, ""), ZONE: timezone}


def fields_of(saved: SavedQuery) -> dict[str, str]:
    """Return the fields of a saved query."""
    fields = {RECIPIENTS: "\n".join(saved.recipients), ON_FAILURE: "\n".join(saved.failure_recipients)}
    fields |= {name: TICKED for name, condition in _CONDITIONS.items() if condition in saved.only_if}
    fields[ALERT_IF] = text_of(saved.alert_if)
    if saved.schedule:
        fields |= {CRON: saved.schedule.cron, ZONE: saved.schedule.timezone}
    if saved.retention:
        kept = {KEEP_LAST: saved.retention.keep_last, OLDER_THAN: saved.retention.older_than}
        fields |= {name: str(value) for name, value in kept.items() if value is not None}
    fields |= {name: TICKED for name in (EACH, TOTAL) if getattr(saved, name)}
    return fields


def describe_for_each(division: ForEach | None) -> str:
    """Describe the reports for each company; "" if there is a single report."""
    if division is None:
        return ""
    file = printable(cut_short(division.addresses, _MAX_TEXT_LENGTH))
    return f"One report for each {division.by}, with addresses from {file}"


def arguments_in(
    fields: Mapping[str, str], source: SourceLike, columns: Callable[[], Sequence[Column]]
) -> dict[str, Any]:
    """Return the arguments for `SavedQuery` from the fields, with recipients only if the report can be sent.

    `columns` returns the columns of the query's report.

    Raises
    ------
    SavedQueryError
        If a field is invalid, or a schedule could not read the data. If there are several errors,
        the one that comes first on screen is raised.
    """
    about: dict[str, Any] = {}
    if fields["output"] in _SENDABLE and fields[EACH] != TICKED:
        about[RECIPIENTS] = _addresses(RECIPIENTS, fields)
    if fields[CRON].strip():
        about["schedule"] = Schedule(fields[CRON], fields[ZONE].strip())
        about["source"] = _scheduled_source(source)
    about[TOTAL] = fields[TOTAL] == TICKED and fields["output"] in WITHOUT_TOTAL
    about[ON_FAILURE] = _addresses(ON_FAILURE, fields)
    about["only_if"] = tuple(condition for name, condition in _CONDITIONS.items() if fields[name] == TICKED)
    about[ALERT_IF] = typed_conditions(fields[ALERT_IF], columns)
    about["retention"] = _retention(fields[KEEP_LAST].strip(), fields[OLDER_THAN].strip())
    return about


def for_each_in(fields: Mapping[str, str], loaded: Stored | None, place: Place) -> ForEach | None:
    """Return the loaded query's `for_each`, or None if its box is not ticked.

    A copy in the other folder gets the full path of the address file.
    """
    division = loaded.saved.for_each if loaded and fields[EACH] == TICKED else None
    if loaded is None or division is None or place == loaded.place:
        return division
    return replace(division, addresses=str(folder_of(loaded.place).absolute() / division.addresses))


def hidden_values(replaced: SavedQuery | None, by: SavedQuery, *, division_asked: bool) -> dict[str, Any]:
    """Return the values not shown in the dialog, taken from the saved query being replaced."""
    if replaced is None:
        return {}
    division = by.for_each if division_asked else replaced.for_each
    kept = {"source": by.source or replaced.source, EACH: division, "sync": replaced.sync}
    kept |= {"subject": replaced.subject, "opening": replaced.opening}
    return {**kept, "catch_up": replaced.catch_up and by.schedule is not None}


def describe_kept(replaced: SavedQuery, *, division_asked: bool) -> str:
    """Describe the settings that are kept but not shown in the dialog; "" if none."""
    if division_asked or replaced.for_each is None:
        return ""
    words = describe_for_each(replaced.for_each)
    return f" It would keep {words[0].lower()}{words[1:]}."


def describe_lost(replaced: SavedQuery, by: SavedQuery) -> str:
    """Describe the settings for automatic runs that a replacement would lose or change; "" if none."""
    gone = [words for key, words in _words(replaced).items() if not getattr(by, key)]
    listed = " and ".join(", ".join(part) for part in (gone[:-1], gone[-1:]) if part)
    text = f" It would lose {listed}." if gone else ""
    if replaced.source and by.source and replaced.source != by.source:
        text += f" It would read {shown(by.source)} instead of {shown(replaced.source)}."
    if replaced.for_each and by.for_each and replaced.for_each != by.for_each:
        files = (shown(by.for_each.addresses), shown(replaced.for_each.addresses))
        text += f" Its addresses would come from {files[0]} instead of {files[1]}."
    return text


def _words(saved: SavedQuery) -> dict[str, str]:
    """Describe a saved query's settings for automatic runs, by key."""
    words = {}
    if saved.schedule:
        words["schedule"] = f"its schedule ({saved.schedule.cron} in {saved.schedule.timezone})"
    if saved.recipients:
        words[RECIPIENTS] = f"its {_counted(saved.recipients, 'recipient')}"
    if saved.failure_recipients:
        words[ON_FAILURE] = (
            f"the {_counted(saved.failure_recipients, 'address', 'addresses')} to notify on failure"
        )
    if saved.only_if:
        words["only_if"] = f"its {_counted(saved.only_if, 'condition')} for sending"
    if saved.alert_if:
        words[ALERT_IF] = lost_words(saved)
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
        raise SavedQueryError.invalid(KEEP_LAST, keep_last, "is not a whole number such as 12")
    return Retention(int(keep_last) if keep_last else None, older_than or None)


def _scheduled_source(source: SourceLike) -> str:
    if source == "demo":
        return "demo"  # not the demo's folder, whose data is generated for the current day
    if isinstance(source, str | Path):
        return absolute_source(str(source))
    if isinstance(source, Source) and not isinstance(source.data, Mapping):
        raise SavedQueryError(
            "The form was opened with a Source, and a schedule can store only its name or path. Define "
            "this source in sources.toml, with its path and options, and open the form with its name; or "
            "leave the schedule empty.",
            field=CRON,
        )
    raise SavedQueryError(
        "The form's data exists only in this notebook, so a schedule cannot read it. "
        "Open the form with a folder or the name of a source, or leave the schedule empty.",
        field=CRON,
    )
