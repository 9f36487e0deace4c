"""Differences between two snapshots, or between a snapshot and the same query on the current data."""

from __future__ import annotations

import json
from dataclasses import replace

from custdyn_widgets import settings
from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.errors import SnapshotError, SourceError, shown
from custdyn_widgets.mart import SourceLike, named_sources
from custdyn_widgets.report import Report, ReportDifference, report_difference
from custdyn_widgets.snapshots import Store, id_in

_REPORT_FILE = "report.json"


def compare_snapshots(
    old: str, new: str | None = None, *, source: SourceLike | None = None, store: Store | None = None
) -> ReportDifference:
    """Return all differences between two snapshots: every cell that differs, and other recorded differences.

    Parameters
    ----------
    old
        The id or link of the earlier snapshot.
    new
        The id or link of the later one. If None, the same query is run on the current data, with the `as_of`
        of the earlier snapshot, so that its interval is the same.
    source
        The source of that run, as for `run_report`. Defaults to the snapshot's own, if `sources.toml` has
        one of that name.
    store
        The store. Defaults to the one in the settings.

    Raises
    ------
    SnapshotError
        If a snapshot does not exist, is revoked or has expired, or is damaged.
    SourceError
        If the source is needed but not known, or given together with `new`.
    QueryError
        If the snapshots do not answer the same query, as for `report_difference`.
    MartError, RateError, SettingsError
        As for `run_report`.
    """
    if new is not None and source is not None:
        raise SourceError(
            f"source {shown(source if isinstance(source, str) else type(source).__name__)} cannot be given "
            "with two snapshots: leave out the source; or leave out the second snapshot to compare with the "
            "current data.",
            field="source",
        )
    store = Store(settings.load().snapshots) if store is None else store
    before = _frozen_report(store, old)
    after = _report_now(before, source) if new is None else _frozen_report(store, new)
    compared = tuple(id_in(given) for given in (old, new) if given is not None)
    return replace(report_difference(before, after), compared=compared)


def _frozen_report(store: Store, given: str) -> Report:
    snapshot_id = id_in(given)
    if store.manifest(snapshot_id).get("kind") is not None:
        raise SnapshotError(
            f"{snapshot_id} is the page of a difference, not a report. Give the id of a report.", field="id"
        )
    return Report.from_dict(json.loads(store.read(snapshot_id, _REPORT_FILE)))


def _report_now(before: Report, source: SourceLike | None) -> Report:
    """Return the report of the same query on the current data."""
    name = before.info.source
    # A report names a source given as a path by its last folder only, and there may be other folders of that
    # name.
    if source is None and name not in named_sources():
        raise SourceError(
            f"The snapshot's source {shown(name)} is not a name in sources.toml. Give the source (--source) "
            "to compare with the current data.",
            field="source",
        )
    return run_report(before.query, name if source is None else source, as_of=before.info.as_of)
