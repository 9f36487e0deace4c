"""The outcomes of a run's reports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from custdyn_widgets.text import mailbox

_LISTED = 20
# From worst to best.
_RESULTS = (
    "failed", "undelivered", "stale", "sent", "held back", "frozen", "not sent", "unchanged", "empty",
)  # fmt: skip
_SETTLED = ("sent", "not sent", "unchanged")
BECAME_TRUE, STILL_TRUE, PASSED, NOT_TRUE = _STATES = "became true", "still true", "passed", "not true"
_CONDITION_FIELDS = {"words": str, "key": str, "state": str, "rows": int, "unknown": int, "lines": list}


@dataclass(frozen=True)
class Outcome:
    """The outcome of one of a run's reports.

    Attributes
    ----------
    result
        `sent`; `frozen`: it has no recipients; `held back`: sending was turned off; `not sent`: it was
        frozen, but no condition became true or stopped being true; `unchanged`, `empty`: it was neither
        frozen nor sent; `stale`: it was neither frozen nor sent, because the data ends too early;
        `undelivered`: it was frozen but did not reach everybody; `failed`.
    company
        The company the report is for; None if it is the run's only report.
    snapshot, digest
        The snapshot's id and the digest of its content; None if there is no snapshot or report.
    deliveries
        The receipts: the delivery to each recipient, from `Delivery.to_dict`.
    problem
        A message about the problem.
    conditions
        The result of each condition in the saved query's `alert_if`, from `alerts.describe`.
    """

    result: str
    company: str | None = None
    snapshot: str | None = None
    digest: str | None = None
    deliveries: tuple[dict[str, Any], ...] = ()
    problem: str | None = None
    conditions: tuple[dict[str, Any], ...] = ()

    def is_settled(self, run_result: str) -> bool:
        """Return whether the report is settled, meaning that it need not be sent again.

        A report frozen by an unfinished run is not settled.
        """
        return self.result in _SETTLED or self.result == run_result == "frozen"


def worst_result(outcomes: Sequence[Outcome]) -> str:
    """Return the worst result of a run's reports."""
    results = {outcome.result for outcome in outcomes}
    return next(result for result in _RESULTS if result in results)


def list_problems(outcomes: Sequence[Outcome]) -> str:
    """Return the first problems with a run's reports, one per line, with the companies' names."""
    problems = [
        f"{one.company}: {one.problem}" if one.company else one.problem for one in outcomes if one.problem
    ]
    more = len(problems) - _LISTED
    rest = [f"… and {more:,} more: see `custdyn runs list --json`."] if more > 0 else []
    return "\n".join([*problems[:_LISTED], *rest])


def with_receipts(before: Outcome, receipts: Iterable[dict[str, Any]]) -> Outcome:
    """Return an outcome with new receipts, each replacing the earlier receipt for the same recipient."""
    new = {mailbox(one["recipient"]): one for one in receipts}
    if not new:
        return before
    old = {mailbox(one["recipient"]): one for one in before.deliveries}
    for address, one in old.items():
        if address in new and new[address]["message_id"] == one["message_id"]:
            new[address] = {**new[address], "tries": one["tries"] + new[address]["tries"]}
    deliveries = tuple({**old, **new}.values())
    lines = [
        f"{one['recipient']}: {one['outcome']}. {one['words']}"
        for one in deliveries
        if one["outcome"] != "sent"
    ]
    problem = "\n".join(["The report was frozen but did not reach everybody:", *lines]) if lines else None
    return replace(before, result="undelivered" if lines else "sent", deliveries=deliveries, problem=problem)


def is_true(condition: Mapping[str, Any]) -> bool:
    """Return whether a recorded condition was true."""
    return condition["state"] in (BECAME_TRUE, STILL_TRUE)


def check_conditions(conditions: Iterable[object]) -> None:
    """Check the conditions in a record.

    Raises
    ------
    ValueError
        If one is not an object with the fields of a condition.
    """
    for one in conditions:
        if not isinstance(one, Mapping):
            raise ValueError("conditions has the wrong type")
        for name, kind in _CONDITION_FIELDS.items():
            if not isinstance(one.get(name), kind):
                raise ValueError(f"conditions.{name} is missing or has the wrong type")
        if not all(isinstance(line, str) for line in one["lines"]) or one["state"] not in _STATES:
            raise ValueError("conditions is not valid")
