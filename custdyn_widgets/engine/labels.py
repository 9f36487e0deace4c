"""Row labels, such as `2026-01` and `(no package)`, and the headings of label columns."""

from __future__ import annotations

from collections import Counter

from custdyn_widgets.engine.plan import Plan
from custdyn_widgets.query import ReportQuery

_TIME_HEADINGS = {"year": "Year", "month": "Month", "date": "Date"}
_PACKAGE_HEADING = "Package Name"
_NO_PACKAGE, _OTHER_PACKAGES = "(no package)", "(other)"


def label_headings(query: ReportQuery) -> tuple[str, ...]:
    """Return the headings of the label columns."""
    time_heading = [_TIME_HEADINGS[query.time_group]] if query.time_group else []
    return (*time_heading, *([_PACKAGE_HEADING] if query.by_package else []))


def package_labels(plan: Plan) -> list[str]:
    """Return the labels of a bucket's package rows; one empty label if not grouped by package."""
    if not plan.query.by_package:
        return [""]
    rest = _OTHER_PACKAGES if plan.selection.packages else _NO_PACKAGE
    names = Counter(name for _, name in plan.facts.names.packages)
    names.update([_NO_PACKAGE, _OTHER_PACKAGES, "Total"])
    labels = []
    for package_id, name in (plan.facts.names.packages[p] for p in plan.packages):
        # The id is added to a name that several packages share, or that is the same as a built-in label.
        labels.append(name if names[name] == 1 else f"{name} ({package_id})")
    return [*labels, rest]
