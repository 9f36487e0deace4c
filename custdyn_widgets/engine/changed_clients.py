"""The clients whose part of a report changed, found by comparing the data with the evidence of snapshots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from custdyn_widgets.engine.evidence import Labels, digests, from_parquet, row_tags
from custdyn_widgets.engine.plan import Plan
from custdyn_widgets.engine.rows import row_labels
from custdyn_widgets.report import ClientChange, ClientChanges
from custdyn_widgets.snapshots import Evidence

_PART = ["client", "row"]
_Parts = set[tuple[int, Labels]]


def changed_clients(
    plan: Plan, headings: tuple[str, ...], labels: Sequence[Labels], old: Evidence, new: Evidence | None
) -> ClientChanges | None:
    """Return the clients whose part changed; None if there are too many parts to compare.

    Parameters
    ----------
    plan
        The report on the current data.
    headings, labels
        Its label headings, and the labels of the rows of the old report and of the new one.
    old
        The evidence of the old report.
    new
        That of the new report if it is a snapshot too; None if it is the report on the current data.
    """
    changed = _differing(plan, labels, old)
    if changed is None:
        return None
    parts, gone = changed
    undecided: _Parts = set()
    if new is not None:
        since = _differing(plan, labels, new)
        if since is None:
            return None
        # Data that now differs from both snapshots may or may not have changed between them.
        parts, undecided, gone = parts ^ since[0], parts & since[0], gone ^ since[1]
    clients = {at for at, _ in parts}
    return ClientChanges(
        headings=headings,
        lines=tuple(_lines(plan, labels, parts)),
        count=len(clients),
        gone=len(gone),
        undecided=len({at for at, _ in undecided} - clients),
    )


def _differing(plan: Plan, labels: Sequence[Labels], evidence: Evidence) -> tuple[_Parts, set[int]] | None:
    """Return the parts that differ from the evidence, and the tags of clients that are not selected now."""
    now = digests(plan, evidence.nonce)
    if now is None:
        return None
    then = from_parquet(evidence.data)
    both = now.merge(then, how="outer", on=_PART, suffixes=("", "_then"))
    both = both[~(both["digest"] == both["digest_then"])]
    position: Mapping[int, int] = dict(zip(now["client"].tolist(), now["at"].tolist(), strict=True))
    names = row_tags([*row_labels(plan), *_only_old(plan, labels)], evidence.nonce)
    parts: _Parts = set()
    gone: set[int] = set()
    for client, row in zip(both["client"].tolist(), both["row"].tolist(), strict=True):
        if client in position:
            parts.add((position[client], names.get(row, ("",) * len(plan.query.group_by))))
        else:
            gone.add(client)
    return parts, gone


def _only_old(plan: Plan, labels: Sequence[Labels]) -> list[Labels]:
    now = set(row_labels(plan))
    return [own for own in labels if own not in now]


def _lines(plan: Plan, labels: Sequence[Labels], parts: _Parts) -> list[ClientChange]:
    """Return the changes in the order of the rows and by id, with the names of clients."""
    import pyarrow as pa

    facts = plan.facts
    order = {own: i for i, own in reversed([*enumerate([*row_labels(plan), *_only_old(plan, labels)])])}
    clients = sorted({at for at, _ in parts})
    ids, names = (
        dict(zip(clients, texts.take(pa.array(clients, pa.int64())).to_pylist(), strict=True))
        for texts in (facts.client_ids(), facts.client_names())
    )
    companies, owners = (("", *texts) for texts in (facts.names.companies, facts.names.owners))
    return [
        ClientChange(
            own, ids[at], names[at], companies[int(facts.company[at]) + 1], owners[int(facts.owner[at]) + 1]
        )
        for at, own in sorted(parts, key=lambda part: (order.get(part[1], len(order)), ids[part[0]]))
    ]
