"""Selection of clients by a query's filters, whose values must be in the data.

A package filter selects one set of clients for the entire report: those with an activation or renewal of
one of the packages, whatever the sign of its amount, at any time before the effective end.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from custdyn_widgets.errors import QueryError, shown
from custdyn_widgets.mart import PACKAGE_FEE, Bools, Facts, Int64s
from custdyn_widgets.query import CLIENT_TYPES, NO_VALUE, ReportQuery


class Selection(NamedTuple):
    """The selected clients (positions in the facts, ascending) and the codes of the packages to filter by."""

    clients: npt.NDArray[np.int64]
    packages: tuple[int, ...]


def select(facts: Facts, query: ReportQuery, effective_end: int) -> Selection:
    """Select the clients that match a query's filters.

    Parameters
    ----------
    facts
        The facts of the source.
    query
        The query with the filters.
    effective_end
        Seconds since 1970; a package filter ignores fees at or after this time.

    Raises
    ------
    QueryError
        If a tag, company, user or package is not in the data, or several packages share a given name.
    """
    chosen = np.ones(facts.client_count, np.bool_)
    if query.client_type != "all":
        chosen &= facts.client_type == CLIENT_TYPES.index(query.client_type)
    if query.client_tags:
        chosen &= _with_tags(
            facts, _known("client_tags", "tag", query.client_tags, facts.names.tags), query.tags_match
        )
    if query.company:
        companies = _known("company", "company", query.company, facts.names.companies)
        if query.include_descendants:
            companies += _with_descendants(facts, [code for code in companies if code >= 0])
        chosen &= np.isin(facts.company, companies)
    if query.owner_user:
        chosen &= np.isin(
            facts.owner, _known("owner_user", "owner user", query.owner_user, facts.names.owners)
        )
    packages = package_codes(facts, query.package)
    if packages:
        had = partial(_ever_had, packages=packages, effective_end=effective_end)
        chosen &= facts.value_of_each(had, np.arange(facts.client_count))
    return Selection(np.flatnonzero(chosen), packages)


def package_codes(facts: Facts, wanted: Sequence[str]) -> tuple[int, ...]:
    """Return the codes of packages given by id or name; ids take precedence.

    Raises
    ------
    QueryError
        If a value is neither an id nor a name, or is the name of several packages.
    """
    by_id = {package_id: code for code, (package_id, _) in enumerate(facts.names.packages)}
    by_name: dict[str, list[str]] = {}
    for package_id, name in facts.names.packages:
        by_name.setdefault(name, []).append(package_id)
    codes = []
    for given in wanted:
        ids = [given] if given in by_id else by_name.get(given, [])
        if not ids:
            raise QueryError.not_in_mart("package", given, "package", list(by_id | by_name))
        if len(ids) > 1:
            raise QueryError.invalid(
                "package", given, f"is the name of several packages; give an id: {', '.join(map(shown, ids))}"
            )
        codes.append(by_id[ids[0]])
    return tuple(dict.fromkeys(codes))


def _known(field: str, what: str, wanted: Sequence[str], names: Sequence[str]) -> list[int]:
    codes = {name: code for code, name in enumerate(names)}
    if field in ("company", "owner_user"):
        codes.setdefault(NO_VALUE, -1)
    for name in wanted:
        if name not in codes:
            raise QueryError.not_in_mart(field, name, what, names)
    return [codes[name] for name in wanted]


def _with_tags(facts: Facts, tags: Sequence[int], match: str) -> Bools:
    """Return a mask of the clients with any or all of the tags; repeated tags of a client count once."""
    owner = np.repeat(np.arange(facts.client_count), np.diff(facts.tag_offset))
    has = [np.bincount(owner[facts.tag == tag], minlength=facts.client_count) > 0 for tag in tags]
    combined: Bools = np.logical_or.reduce(has) if match == "any" else np.logical_and.reduce(has)
    return combined


def _with_descendants(facts: Facts, companies: Sequence[int]) -> list[int]:
    """Return the companies and all their descendants."""
    names = facts.names.companies
    below: dict[str, list[str]] = {}
    for company, parent in facts.names.parents.items():
        below.setdefault(parent, []).append(company)
    found: set[str] = set()
    waiting = [names[c] for c in companies]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += below.get(name, [])
    return [code for code, name in enumerate(names) if name in found]


def _ever_had(facts: Facts, clients: Int64s, *, packages: Sequence[int], effective_end: int) -> Bools:
    wanted = np.zeros(len(facts.names.packages) + 1, np.bool_)
    wanted[list(packages)] = True
    rows = np.flatnonzero(wanted[facts.package] & PACKAGE_FEE[facts.flow])
    rows = rows[facts.time[rows] < effective_end]
    had = np.zeros(facts.client_count, np.bool_)
    had[np.searchsorted(facts.offset, rows, "right") - 1] = True
    return had[clients]
