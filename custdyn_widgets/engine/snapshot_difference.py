"""Differences between two snapshots, or between a snapshot and the same query on the current data."""

from __future__ import annotations

import json
from dataclasses import replace

from custdyn_widgets import settings
from custdyn_widgets.engine.changed_clients import changed_clients
from custdyn_widgets.engine.plan import plan_report
from custdyn_widgets.engine.report import report_on
from custdyn_widgets.errors import SnapshotError, SourceError, shown
from custdyn_widgets.mart import OpenedMart, SourceLike, named_sources, open_mart
from custdyn_widgets.query import parse_as_of
from custdyn_widgets.report import NOT_KNOWN, Report, ReportDifference, report_difference
from custdyn_widgets.snapshots import Store, id_in

_REPORT_FILE = "report.json"


def compare_snapshots(
    old: str, new: str | None = None, *, source: SourceLike | None = None, store: Store | None = None
) -> ReportDifference:
    """Return every cell that differs between two snapshots, other differences, and the changed clients.

    Parameters
    ----------
    old
        The id or link of the earlier snapshot.
    new
        The id or link of the later one. If None, the same query is run on the current data, with the
        earlier snapshot's `as_of`, so that the interval is the same.
    source
        The source, as for `run_report`: the current data, which is compared with the evidence of the
        snapshots to name the clients whose contribution changed. If `new` is None, it defaults to the source
        in `sources.toml` with the same name as the snapshot's source.
    store
        The store. Defaults to the one in the settings.

    Raises
    ------
    SnapshotError
        If a snapshot does not exist, has been revoked, has expired or is damaged.
    SourceError
        If the source is needed but cannot be determined.
    QueryError
        If the snapshots do not answer the same query, as for `report_difference`.
    MartError, RateError, SettingsError
        As for `run_report`.
    """
    store = Store(settings.load().snapshots) if store is None else store
    old = id_in(old)
    before = frozen_report(store, old)
    if new is not None:
        new = id_in(new)
        after = frozen_report(store, new)
        difference = report_difference(before, after)
        mart = None if source is None else open_mart(source)
    else:
        mart = _mart_now(before, source)
        after = report_on(before.query, mart, before.info.as_of)
        difference = report_difference(before, after)
    difference = replace(difference, compared=(old,) if new is None else (old, new))
    return _with_clients(difference, before, after, mart, store)


def _with_clients(
    difference: ReportDifference, before: Report, after: Report, mart: OpenedMart | None, store: Store
) -> ReportDifference:
    """Return the difference with the clients that changed, or with the reason why they are unknown."""
    if mart is None:
        why = "specify the data with --source (source=…) to compare it with the evidence in both snapshots"
        return replace(difference, clients_unknown=f"{NOT_KNOWN}: {why}.")
    kept = [store.evidence(snapshot_id) for snapshot_id in difference.compared]
    for which, evidence in zip(("old", "new"), kept, strict=False):
        if evidence is None:
            why = (
                f"the {which} snapshot has no evidence (it is from an earlier version of custdyn, the "
                "setting `evidence` was off, or the report was too large)"
            )
            return replace(difference, clients_unknown=f"{NOT_KNOWN}: {why}.")
    old, new = (*kept, None)[:2]
    assert old is not None
    plan = plan_report(after.query, mart.facts, parse_as_of(after.info.as_of))
    labels = [row.labels for report in (before, after) for row in report.rows]
    found = changed_clients(plan, difference.headings, labels, old, new)
    why = "the current data has too many clients and rows to compare"
    return replace(difference, clients=found, clients_unknown=f"{NOT_KNOWN}: {why}.")


def frozen_report(store: Store, snapshot_id: str) -> Report:
    """Return the report of a snapshot after verifying its bytes.

    Raises
    ------
    SnapshotError
        If the snapshot does not exist, has been revoked, has expired, is damaged or compares two reports.
    """
    if store.manifest(snapshot_id).get("kind") is not None:
        raise SnapshotError(
            f"{snapshot_id} is a frozen comparison, not a report. Give the id of a report.", field="id"
        )
    return Report.from_dict(json.loads(store.read(snapshot_id, _REPORT_FILE)))


def _mart_now(before: Report, source: SourceLike | None) -> OpenedMart:
    """Open the source of a report with its current data."""
    name = before.info.source
    # If the source was given as a path, the report contains only the name of its last folder, and other
    # folders may have the same name.
    if source is None and name not in named_sources():
        raise SourceError(
            f"The snapshot's source {shown(name)} is not in sources.toml. To compare with the current "
            "data, specify the source (--source).",
            field="source",
        )
    return open_mart(name if source is None else source)
