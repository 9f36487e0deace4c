"""Choosing snapshots to delete, by age or number, and deleting them.

States are kept (see `state`), and so are the two-letter folders: a publisher may be about to put its snapshot
into one of them.
"""

from __future__ import annotations

import calendar
import contextlib
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from custdyn_widgets.errors import SnapshotDamagedError, SnapshotError, SnapshotNotFoundError, shown
from custdyn_widgets.files import canonical_json
from custdyn_widgets.snapshots.listing import Entry, described
from custdyn_widgets.snapshots.state import read_state
from custdyn_widgets.snapshots.store import Store
from custdyn_widgets.snapshots.trash import move_to_trash, remove
from custdyn_widgets.text import parse_instant

_AGE = re.compile(r"([1-9][0-9]{0,4})([dwmy])", re.ASCII)


@dataclass(frozen=True)
class Rule:
    """The conditions for deletion: generated before a time, and not among the newest of the same query.

    A condition that is None does not apply. Only visible snapshots count among the newest; revoked and
    expired ones do not.
    """

    before: datetime | None = None
    keep_last: int | None = None


@dataclass(frozen=True)
class Plan:
    """The snapshots a rule deletes, newest first, the number it keeps, and how many of those are damaged."""

    to_delete: Sequence[Entry]
    kept: int
    damaged: int


@dataclass(frozen=True)
class _Dated:
    entry: Entry
    at: datetime
    series: bytes


def ago(age: str, now: datetime) -> datetime:
    """Return the time `90d`, `12w`, `6m` or `1y` ago, in calendar months and years.

    Raises
    ------
    SnapshotError
        If the age does not have this form.
    """
    match = _AGE.fullmatch(age)
    if match is None:
        raise SnapshotError(
            f"{shown(age)} is not an age: give a whole number of days, weeks, months or years, such as 90d, "
            "12w, 6m or 1y.",
            field="older_than",
        )
    number, unit = int(match[1]), match[2]
    try:
        if unit in "dw":
            return now - timedelta(days=number * (7 if unit == "w" else 1))
        months = now.year * 12 + now.month - 1 - number * (12 if unit == "y" else 1)
        year, month = months // 12, months % 12 + 1
        return now.replace(year=year, month=month, day=min(now.day, calendar.monthrange(year, month)[1]))
    except (OverflowError, ValueError):  # before the year 1: no snapshot is that old
        return datetime.min.replace(tzinfo=UTC)


def plan(store: Store, rule: Rule, ids: Iterable[str]) -> Plan:
    """Return what a rule would prune from these snapshots; damaged ones are kept for inspection."""
    dated: list[_Dated] = []
    damaged = 0
    for snapshot_id in ids:
        with contextlib.suppress(SnapshotNotFoundError):  # it was just deleted
            try:
                dated.append(_dated(store, snapshot_id))
            except (SnapshotDamagedError, ValueError, KeyError):
                damaged += 1
    dated.sort(key=lambda one: (one.at, one.entry.id), reverse=True)
    newest = _newest(dated, rule.keep_last or 0)
    to_delete = [
        one.entry
        for one in dated
        if (rule.before is None or one.at < rule.before) and one.entry.id not in newest
    ]
    return Plan(to_delete, len(dated) + damaged - len(to_delete), damaged)


def delete(store: Store, snapshot_id: str) -> None:
    """Delete a snapshot, if it still exists; readers never get part of a file.

    Raises
    ------
    SnapshotError
        If this failed; the error says what remains to be done.
    """
    try:
        thrown = move_to_trash(store.folder, ("v1", snapshot_id[:2]), snapshot_id)
    except OSError as error:
        if not store.holds(snapshot_id) and isinstance(error, FileNotFoundError):
            return
        raise SnapshotError(
            f"{snapshot_id} may not have been deleted: {error.strerror or error}.", field="id"
        ) from error
    try:
        remove(store.folder, *thrown)
    except OSError as error:
        raise SnapshotError(
            f"{snapshot_id} was deleted but still takes up space: a file in the store's {thrown[0]}/ cannot "
            f"be removed ({error.strerror or error}). The next prune will try again.",
            field="id",
        ) from error


def _newest(dated: Iterable[_Dated], keep_last: int) -> set[str]:
    """Return the ids of the newest visible snapshots of each query; `dated` is sorted, newest first."""
    series: dict[bytes, list[str]] = defaultdict(list)
    for one in dated:
        if not one.entry.state and len(series[one.series]) < keep_last:
            series[one.series].append(one.entry.id)
    return {snapshot_id for ids in series.values() for snapshot_id in ids}


def _dated(store: Store, snapshot_id: str) -> _Dated:
    manifest = store.kept_manifest(snapshot_id)
    at = parse_instant(str(manifest["generated_at"]))
    entry = described(snapshot_id, manifest, read_state(store.folder, snapshot_id))
    return _Dated(entry, at, _series(manifest))


def _series(manifest: dict[str, Any]) -> bytes:
    """Return a key shared by snapshots of the same query and source that the same saved query made."""
    return canonical_json([manifest.get("query"), manifest.get("source"), manifest.get("saved_query")])
