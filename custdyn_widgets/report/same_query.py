"""Whether two reports answer the same query."""

from __future__ import annotations

from collections.abc import Iterator

from custdyn_widgets.errors import QueryError, shown
from custdyn_widgets.query import FIELDS
from custdyn_widgets.report.report import Report

_RESOLVED = ("interval_start", "interval_end", "timezone", "start", "effective_end", "currency")
# The first three are compared after they are resolved; the reports may have different columns.
_NOT_COMPARED = ("interval", "timezone", "currency", "columns")
_ORDERED = ("group_by",)


def refuse_other_query(old: Report, new: Report) -> None:
    """Raise an error if the reports do not answer the same query."""
    for name, before, after in _fields_that_differ(old, new):
        raise QueryError(
            f"Only reports of the same query can be compared: {name} is {shown(before)} in the old report, "
            f"but {shown(after)} in the new one.",
            field=name,
        )


def _fields_that_differ(old: Report, new: Report) -> Iterator[tuple[str, object, object]]:
    before, after = old.query, new.query
    if before.compare == "previous_period" and before.interval != after.interval:
        # A preset and the same interval given as dates may have different previous periods.
        yield "interval", before.to_dict()["interval"], after.to_dict()["interval"]
    for name in (name for name in FIELDS if name not in _NOT_COMPARED):
        ours, theirs = getattr(before, name), getattr(after, name)
        same = ours == theirs
        if isinstance(ours, tuple) and name not in _ORDERED:
            same = set(ours) == set(theirs)
        if not same:
            yield name, _listed(ours), _listed(theirs)
    for name in _RESOLVED:
        if getattr(old.info, name) != getattr(new.info, name):
            yield name, getattr(old.info, name), getattr(new.info, name)


def _listed(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
