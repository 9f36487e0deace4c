"""Reasons why two reports of the same query differ, as far as the reports record them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from custdyn_widgets.report.client_changes import few
from custdyn_widgets.report.report import Info, Quote, Report

Kind = Literal["quotes", "definitions", "versions", "source", "clients", "transactions", "data_as_of", "data"]

_FEW = 3
# Each of these shows that the data or its meaning differs.
_EXPLAIN = frozenset(("quotes", "definitions", "clients", "transactions"))


@dataclass(frozen=True)
class Reason:
    """A possible reason why two reports differ, as a sentence.

    `kind` is `data` if cells differ and nothing recorded in the reports explains why.
    """

    kind: Kind
    text: str


def reasons_for(old: Report, new: Report, *, cells_differ: bool) -> tuple[Reason, ...]:
    """Return the recorded differences, with a note if none of them explains the cells that differ."""
    found = [*_recorded(old, new)]
    kinds = {reason.kind for reason in found}
    if cells_differ and not kinds & _EXPLAIN:
        unless = ", unless the version change explains the difference" if "versions" in kinds else ""
        found.append(
            Reason(
                "data",
                "Quotes, definitions and the numbers of clients and transactions are the same, so the "
                f"clients or transactions themselves differ{unless}.",
            )
        )
    return tuple(found)


def _recorded(old: Report, new: Report) -> Iterator[Reason]:
    before, after = old.info, new.info
    if text := _quotes(before.quotes, after.quotes):
        yield Reason("quotes", f"Quotes differ: {text}.")
    if names := _redefined(old, new):
        yield Reason("definitions", f"Definitions differ: {few(names, _FEW)}.")
    if text := "; ".join(_versions(before, after)):
        yield Reason("versions", f"Versions differ: {text}.")
    if before.source != after.source:
        yield Reason("source", f"Sources differ: {before.source}, now {after.source}.")
    if before.clients != after.clients:
        yield Reason("clients", f"Chosen clients: {before.clients:,}, now {after.clients:,}.")
    if before.transactions != after.transactions:
        yield Reason("transactions", f"Transactions: {before.transactions:,}, now {after.transactions:,}.")
    if before.data_as_of != after.data_as_of:
        was, now = (info.data_as_of or "unknown" for info in (before, after))
        yield Reason("data_as_of", f"Data as of {was}, now {now}.")


def _quotes(before: Sequence[Quote], after: Sequence[Quote]) -> str:
    """Describe the quotes that changed and those that only one report used; empty if there are none."""
    old, new = (
        {(q.currency, q.date, q.base): Decimal(q.units_per_base) for q in quotes}
        for quotes in (before, after)
    )
    changed, gone, added = [], [], []
    for key in sorted({*old, *new}):
        currency, date, base = key
        name = f"{currency} as of {date}"
        if key not in new:
            gone.append(name)
        elif key not in old:
            added.append(name)
        elif old[key] != new[key]:
            changed.append(f"{name} was {old[key]}, now {new[key]} per {base}")
    parts = [
        *([few(changed, _FEW)] if changed else []),
        *([f"only the old report uses {few(gone, _FEW)}"] if gone else []),
        *([f"only the new report uses {few(added, _FEW)}"] if added else []),
    ]
    return "; ".join(parts)


def _redefined(old: Report, new: Report) -> list[str]:
    before = {column.name: column for column in old.columns}
    return [column.name for column in new.columns if column.name in before and before[column.name] != column]


def _versions(before: Info, after: Info) -> Iterator[str]:
    old, new = dict(before.versions), dict(after.versions)
    old["time-zone data"], new["time-zone data"] = before.time_zone_data, after.time_zone_data
    for name in sorted({*old, *new}):
        was, now = (versions.get(name, "not recorded") for versions in (old, new))
        if was != now:
            yield f"{name} {was}, now {now}"
