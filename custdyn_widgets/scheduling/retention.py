"""Deleting old snapshots that have the same query and source as the run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from custdyn_widgets.errors import SnapshotDamagedError, SnapshotNotFoundError
from custdyn_widgets.files import canonical_json
from custdyn_widgets.report import Report
from custdyn_widgets.saved_queries import Retention
from custdyn_widgets.snapshots import Store, pruning


def prune(store: Store, retention: Retention, made: Mapping[str, Report]) -> int:
    """Delete old snapshots of the reports' queries and sources, and return their number.

    Parameters
    ----------
    store
        The store.
    retention
        The rule that decides which ones to keep.
    made
        The reports just frozen, by snapshot id; these snapshots are kept.

    Raises
    ------
    SnapshotError
        If a snapshot cannot be deleted.
    """
    series = {canonical_json([report.query.to_dict(), report.info.source]) for report in made.values()}
    rule = retention.rule(datetime.now(UTC))
    if rule.keep_last is not None:
        rule = replace(rule, keep_last=rule.keep_last - 1)  # the new one counts
    going = pruning.plan(store, rule, (id_ for id_ in _ids_of(store, series) if id_ not in made)).going
    for entry in going:
        pruning.delete(store, entry.id)
    return len(going)


def _ids_of(store: Store, series: set[bytes]) -> Iterator[str]:
    for snapshot_id in store.ids():
        with contextlib.suppress(SnapshotDamagedError, SnapshotNotFoundError):
            manifest = store.kept_manifest(snapshot_id)
            if canonical_json([manifest.get("query"), manifest.get("source")]) in series:
                yield snapshot_id
