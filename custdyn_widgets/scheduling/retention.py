"""Deleting the old snapshots of a saved query.

Two users may have saved queries with the same name, so only the current user's snapshots are deleted.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from custdyn_widgets.errors import SnapshotDamagedError, SnapshotNotFoundError
from custdyn_widgets.files import canonical_json
from custdyn_widgets.report import Report
from custdyn_widgets.saved_queries import Retention
from custdyn_widgets.snapshots import Store, listing, pruning


def prune(
    store: Store,
    retention: Retention,
    made: Mapping[str, Report],
    saved_query: str,
    recorded: Callable[[], Container[str]],
    unsent: Container[str] = (),
) -> int:
    """Delete old snapshots with the same query and source as a report in `made`; return the number deleted.

    Parameters
    ----------
    store
        The store.
    retention
        The rule that decides which snapshots to keep.
    made
        The reports just frozen, by snapshot id; these snapshots are kept.
    saved_query
        The name of the saved query, as in its snapshots' manifests.
    recorded
        A function that returns the snapshots recorded by earlier runs, needed because manifests written by
        earlier versions do not name the saved query.
    unsent
        The snapshots that are still to be sent, which are kept.

    Raises
    ------
    SnapshotError
        If a snapshot cannot be deleted.
    """
    series = {canonical_json([report.query.to_dict(), report.info.source]) for report in made.values()}
    rule = retention.rule(datetime.now(UTC))
    if rule.keep_last is not None:
        rule = replace(rule, keep_last=rule.keep_last - 1)  # the new snapshot counts too
    if rule.max_bytes is not None:
        sizes = (entry.size for entry in listing.entries(store, made))
        rule = replace(rule, max_bytes=max(0, rule.max_bytes - sum(sizes)))
    own = (id_ for id_ in _own(store, series, saved_query, recorded) if id_ not in made and id_ not in unsent)
    to_delete = pruning.plan(store, rule, own).to_delete
    for entry in to_delete:
        pruning.delete(store, entry.id, f"the retention of saved query {saved_query}")
    return len(to_delete)


def _own(
    store: Store, series: set[bytes], saved_query: str, recorded: Callable[[], Container[str]]
) -> Iterator[str]:
    """Yield the snapshots in these series that this user's runs of the saved query made."""
    by_runs: Container[str] | None = None
    for snapshot_id in store.ids():
        with contextlib.suppress(SnapshotDamagedError, SnapshotNotFoundError, FileNotFoundError):
            if store.place(snapshot_id).lstat().st_uid != os.getuid():
                continue
            manifest = store.kept_manifest(snapshot_id)
            if canonical_json([manifest.get("query"), manifest.get("source")]) not in series:
                continue
            if "saved_query" not in manifest:
                by_runs = recorded() if by_runs is None else by_runs
            if manifest.get("saved_query") == saved_query or (by_runs is not None and snapshot_id in by_runs):
                yield snapshot_id
