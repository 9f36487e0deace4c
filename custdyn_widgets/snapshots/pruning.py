"""Choosing snapshots to delete, by age, number or size, and deleting them.

States are kept (see `visibility`), and so are the two-letter folders, because a publisher may be about to
put a snapshot into one of them.
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
from custdyn_widgets.snapshots.actions import record
from custdyn_widgets.snapshots.listing import Entry, described
from custdyn_widgets.snapshots.ownership import refuse_strangers
from custdyn_widgets.snapshots.store import Store
from custdyn_widgets.snapshots.trash import move_to_trash, remove
from custdyn_widgets.snapshots.visibility import read_state
from custdyn_widgets.text import parse_instant

_SIZE = re.compile(r"([1-9][0-9]{0,5})(MB|GB|TB)", re.ASCII)
_UNITS = {"MB": 10**6, "GB": 10**9, "TB": 10**12}
_AGE = re.compile(r"([1-9][0-9]{0,4})([dwmy])", re.ASCII)


@dataclass(frozen=True)
class Rule:
    """The conditions for deletion.

    A condition that is None does not apply; a snapshot is deleted if it meets all the others.

    Attributes
    ----------
    before
        Met by snapshots generated before this time.
    keep_last
        Met by all snapshots except the newest visible ones of each query, up to this many. Revoked and
        expired snapshots always meet it.
    max_bytes
        Met by just enough of the oldest snapshots for the others to take up at most this many bytes.
    """

    before: datetime | None = None
    keep_last: int | None = None
    max_bytes: int | None = None


@dataclass(frozen=True)
class Plan:
    """The snapshots a rule deletes (newest first), how many it keeps, and how many of those are damaged."""

    to_delete: Sequence[Entry]
    kept: int
    damaged: int


@dataclass(frozen=True)
class _Dated:
    entry: Entry
    at: datetime
    series: bytes


def ago(age: str, now: datetime) -> datetime:
    """Return the time `90d`, `12w`, `6m` or `1y` ago, counting calendar months and years.

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


def parse_size(size: str) -> int:
    """Return the number of bytes in a size such as `500MB`, `5GB` or `1TB`, in powers of 1000.

    Raises
    ------
    SnapshotError
        If the size does not have this form.
    """
    match = _SIZE.fullmatch(size)
    if match is None:
        raise SnapshotError(
            f"{shown(size)} is not a size: give a whole number of MB, GB or TB, such as 500MB or 5GB.",
            field="max_size",
        )
    return int(match[1]) * _UNITS[match[2]]


def plan(store: Store, rule: Rule, ids: Iterable[str]) -> Plan:
    """Return what a rule would prune from these snapshots; damaged ones are kept for inspection."""
    dated: list[_Dated] = []
    damaged = 0
    for snapshot_id in ids:
        with contextlib.suppress(SnapshotNotFoundError):  # it has since been deleted
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
    if rule.max_bytes is not None:
        too_much = sum(one.entry.size for one in dated) - rule.max_bytes
        to_delete = _oldest(to_delete, too_much)
    return Plan(to_delete, len(dated) + damaged - len(to_delete), damaged)


def delete(store: Store, snapshot_id: str, why: str = "") -> None:
    """Delete a snapshot if it still exists; readers never see a partial file.

    `why` names the rule and is recorded.

    Raises
    ------
    SnapshotError
        If the snapshot belongs to another account or cannot be deleted; the error says what is left to do.
    """
    refuse_strangers(store.folder, snapshot_id, "deleted")
    try:
        thrown = move_to_trash(store.folder, ("v1", snapshot_id[:2]), snapshot_id)
    except OSError as error:
        if not store.holds(snapshot_id) and isinstance(error, FileNotFoundError):
            return
        raise SnapshotError(
            f"{snapshot_id} may not have been deleted: {error.strerror or error}.", field="id"
        ) from error
    recorded = _recorded(store, snapshot_id, why)
    try:
        remove(store.folder, *thrown)
    except OSError as error:
        raise SnapshotError(
            f"{snapshot_id} was deleted but still takes up space: a file in the store's {thrown[0]}/ cannot "
            f"be removed ({error.strerror or error}). The next prune will try again.",
            field="id",
        ) from error
    if not (recorded or _recorded(store, snapshot_id, why)):  # a full disk may have space now
        raise SnapshotError(
            f"{snapshot_id} was deleted, but this was not recorded: the store's acts/ cannot be written to. "
            "Make acts/ writable by this account.",
            field="id",
        )


def _recorded(store: Store, snapshot_id: str, why: str) -> bool:
    try:
        record(store.folder, snapshot_id, "deleted", text=why)
    except OSError:
        return False
    return True


def _oldest(newest_first: Sequence[Entry], size: int) -> list[Entry]:
    """Return the fewest of the oldest entries whose sizes add up to at least this size, newest first."""
    chosen: list[Entry] = []
    for entry in reversed(newest_first):
        if size <= 0:
            break
        chosen.insert(0, entry)
        size -= entry.size
    return chosen


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
    """Return a key shared by snapshots with the same query, source and saved query."""
    return canonical_json([manifest.get("query"), manifest.get("source"), manifest.get("saved_query")])
