"""The clients whose contribution to a report changed, found by comparing data with evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from custdyn_widgets.engine.evidence import Labels, digests, from_parquet, row_tags
from custdyn_widgets.engine.plan import Plan
from custdyn_widgets.engine.rows import row_labels
from custdyn_widgets.report import ClientChange, ClientChanges
from custdyn_widgets.snapshots import Evidence

_KEYS = ["client", "row"]
_Contributions = set[tuple[int, Labels]]


def changed_clients(
    plan: Plan, headings: tuple[str, ...], labels: Sequence[Labels], old: Evidence, new: Evidence | None
) -> ClientChanges | None:
    """Return the clients whose contribution changed; None if there are too many to compare.

    Parameters
    ----------
    plan
        The plan of the report computed from the current data.
    headings, labels
        The label headings of the report, and the row labels of the old and new reports.
    old
        The evidence of the old report.
    new
        The evidence of the new report; None if that report is computed from the current data.
    """
    changed = _differing(plan, labels, old)
    if changed is None:
        return None
    found, gone = changed
    undecided: _Contributions = set()
    if new is not None:
        since = _differing(plan, labels, new)
        if since is None:
            return None
        # Data that now differs from both snapshots may or may not have changed between them.
        found, undecided, gone = found ^ since[0], found & since[0], gone ^ since[1]
    clients = {at for at, _ in found}
    return ClientChanges(
        headings=headings,
        lines=tuple(_lines(plan, labels, found)),
        count=len(clients),
        gone=len(gone),
        undecided=len({at for at, _ in undecided} - clients),
    )


def _differing(
    plan: Plan, labels: Sequence[Labels], evidence: Evidence
) -> tuple[_Contributions, set[int]] | None:
    """Return the contributions that differ from the evidence, and the tags of clients no longer selected."""
    now = digests(plan, evidence.nonce)
    if now is None:
        return None
    then = from_parquet(evidence.data)
    both = now.merge(then, how="outer", on=_KEYS, suffixes=("", "_then"))
    both = both[~(both["digest"] == both["digest_then"])]
    position: Mapping[int, int] = dict(zip(now["client"].tolist(), now["at"].tolist(), strict=True))
    names = row_tags([*row_labels(plan), *_only_old(plan, labels)], evidence.nonce)
    found: _Contributions = set()
    gone: set[int] = set()
    for client, row in zip(both["client"].tolist(), both["row"].tolist(), strict=True):
        if client in position:
            found.add((position[client], names.get(row, ("",) * len(plan.query.group_by))))
        else:
            gone.add(client)
    return found, gone


def _only_old(plan: Plan, labels: Sequence[Labels]) -> list[Labels]:
    now = set(row_labels(plan))
    return [own for own in labels if own not in now]


def _lines(plan: Plan, labels: Sequence[Labels], found: _Contributions) -> list[ClientChange]:
    """Return the changes ordered by row and client id, with client names."""
    import pyarrow as pa

    facts = plan.facts
    order = {own: i for i, own in reversed([*enumerate([*row_labels(plan), *_only_old(plan, labels)])])}
    clients = sorted({at for at, _ in found})
    ids, names = (
        dict(zip(clients, texts.take(pa.array(clients, pa.int64())).to_pylist(), strict=True))
        for texts in (facts.client_ids(), facts.client_names())
    )
    companies, owners = (("", *texts) for texts in (facts.names.companies, facts.names.owners))
    return [
        ClientChange(
            own, ids[at], names[at], companies[int(facts.company[at]) + 1], owners[int(facts.owner[at]) + 1]
        )
        for at, own in sorted(found, key=lambda one: (order.get(one[1], len(order)), ids[one[0]]))
    ]
