"""Which snapshots a run deletes: old ones of its own query and source, and no others."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from custdyn_widgets.errors import SnapshotDamagedError, SnapshotNotFoundError
from custdyn_widgets.report import Report
from custdyn_widgets.saved_queries.automation import Retention
from custdyn_widgets.snapshots import pruning
from custdyn_widgets.snapshots.canonical import canonical_json
from custdyn_widgets.snapshots.store import Store


def prune(store: Store, retention: Retention, made: Mapping[str, Report]) -> int:
    """Delete old snapshots of these reports' queries and sources; return how many.

    Parameters
    ----------
    store
        The store.
    retention
        What is kept.
    made
        The reports that were frozen just now, by their snapshots' ids; these snapshots stay.

    Raises
    ------
    SnapshotError
        If one cannot be deleted.
    """
    series = {canonical_json([report.query.to_dict(), report.info.source]) for report in made.values()}
    rule = retention.rule(datetime.now(UTC))
    going = [
        entry.id for entry in pruning.plan(store, rule, _of(store, series)).going if entry.id not in made
    ]
    for snapshot_id in going:
        pruning.delete(store, snapshot_id)
    return len(going)


def _of(store: Store, series: set[bytes]) -> Iterator[str]:
    for snapshot_id in store.ids():
        with contextlib.suppress(SnapshotDamagedError, SnapshotNotFoundError):
            manifest = store.kept_manifest(snapshot_id)
            if canonical_json([manifest.get("query"), manifest.get("source")]) in series:
                yield snapshot_id
