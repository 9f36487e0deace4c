"""Groups: how the clients or transactions of a period are split into rows, and the labels of these rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from custdyn_widgets.engine.cells.pieces import first_paid_use
from custdyn_widgets.engine.selection import Selection
from custdyn_widgets.mart import Facts, Int64s
from custdyn_widgets.query import (
    CLIENT_TYPES,
    NO_PACKAGE,
    NO_VALUE,
    OTHER_PACKAGES,
    ReportQuery,
    ResolvedInterval,
)

_HEADINGS = {
    "year": "Year", "month": "Month", "date": "Date", "package": "Package Name", "company": "Company",
    "owner_user": "Owner User", "client_type": "Client Type", "currency": "Currency", "cohort": "Cohort",
}  # fmt: skip


def label_headings(query: ReportQuery) -> tuple[str, ...]:
    """Return the headings of the label columns."""
    return tuple(_HEADINGS[group] for group in query.group_by)


class Groups(NamedTuple):
    """The groups of rows within each bucket.

    Attributes
    ----------
    labels
        One label for each group, in order; a single empty label without grouping.
    packages
        The codes of the packages that have their own groups, in order; the last group is for the rest. Empty
        if not grouped by package.
    of_client
        int64[clients]: the group of each client in the facts; None if not grouped by a client attribute.
    """

    labels: tuple[str, ...]
    packages: tuple[int, ...] = ()
    of_client: Int64s | None = None


UNGROUPED = Groups(("",))


def find_groups(query: ReportQuery, facts: Facts, selection: Selection, interval: ResolvedInterval) -> Groups:
    """Return the groups of a query's rows."""
    attribute = query.row_group
    if attribute is None:
        return UNGROUPED
    if attribute == "package":
        return _by_package(facts, selection)
    if attribute == "cohort":
        return _by_cohort(facts, selection, interval)
    codes, names = {
        "company": (facts.company, facts.names.companies),
        "owner_user": (facts.owner, facts.names.owners),
        "client_type": (facts.client_type, CLIENT_TYPES),
        "currency": (facts.currency, facts.names.currencies),
    }[attribute]
    # A value named "(none)" must not have the same label as clients without a value.
    labels = [f"{name} ({_HEADINGS[attribute].lower()})" if name == NO_VALUE else name for name in names]
    return _by_code(facts, selection.clients, codes[selection.clients].astype(np.int64), labels)


def _by_package(facts: Facts, selection: Selection) -> Groups:
    names = facts.names.packages
    shown = selection.packages or tuple(range(len(names)))
    packages = tuple(sorted(shown, key=lambda p: (names[p][1], names[p][0])))
    rest = OTHER_PACKAGES if selection.packages else NO_PACKAGE
    counts = Counter(name for _, name in names)
    counts.update([NO_PACKAGE, OTHER_PACKAGES, "Total"])
    labels = []
    for package_id, name in (names[p] for p in packages):
        # Add the id to a name that several packages share, or that equals one of the report's own labels.
        labels.append(name if counts[name] == 1 else f"{name} ({package_id})")
    return Groups((*labels, rest), packages)


def _by_cohort(facts: Facts, selection: Selection, interval: ResolvedInterval) -> Groups:
    months, cohort = cohorts(facts, selection.clients, interval)
    return _by_code(facts, selection.clients, cohort, [label for label, _ in months])


def cohorts(
    facts: Facts, clients: Int64s, interval: ResolvedInterval
) -> tuple[list[tuple[str, int]], Int64s]:
    """Return the label and start of each month from the first cohort onward, and each client's cohort index.

    A client's cohort is the month of its first paid use before the effective end, or -1.
    """
    first = facts.value_of_each(first_paid_use, clients)
    cohort = np.full(len(clients), -1)
    some = first < interval.effective_end
    if not some.any():
        return [], cohort
    months = interval.months(int(first[some].min()))
    starts = np.array([start for _, start in months], np.int64)
    cohort[some] = np.maximum(np.searchsorted(starts, first[some], "right") - 1, 0)
    return months, cohort


def _by_code(facts: Facts, clients: Int64s, codes: Int64s, names: Sequence[str]) -> Groups:
    """Return a group for each name that occurs, in order, then one for clients without a name."""
    present = sorted((code for code in np.unique(codes).tolist() if code >= 0), key=names.__getitem__)
    group_of_code = np.full(len(names) + 1, len(present), np.int64)  # the last entry is for code -1
    group_of_code[present] = np.arange(len(present))
    of_client = np.zeros(facts.client_count, np.int64)
    of_client[clients] = group_of_code[codes]
    without = [NO_VALUE] if (codes < 0).any() else []
    return Groups((*(names[code] for code in present), *without), of_client=of_client)
