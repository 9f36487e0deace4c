"""The outcomes of a run's reports: which are settled, which is the worst, and receipts that are added."""

from __future__ import annotations

from typing import Any

import pytest

from custdyn_widgets.scheduling.outcomes import (
    Outcome,
    check_conditions,
    is_true,
    with_receipts,
    worst_result,
)

CONDITION: dict[str, Any] = {
    "condition": {}, "words": "A: is below 1", "key": "k", "state": "became true", "rows": 1, "unknown": 0,
    "lines": ["Total: 0"],
}  # fmt: skip


def receipt(recipient: str, outcome: str, *, tries: int = 1, message_id: str = "<1@x>") -> dict[str, Any]:
    words = {"sent": "", "given up": "Try later.", "refused": "No such person."}[outcome]
    return {
        "recipient": recipient, "outcome": outcome, "words": words, "tries": tries, "message_id": message_id
    }  # fmt: skip


@pytest.mark.parametrize(
    ("result", "run_result", "is_settled"),
    [
        ("sent", "undelivered", True),
        ("not sent", "sent", True),
        ("unchanged", "failed", True),
        ("frozen", "frozen", True),
        ("frozen", "running", False),  # its run did not finish
        ("frozen", "undelivered", False),
        ("undelivered", "undelivered", False),
        ("held back", "held back", False),
        ("failed", "failed", False),
        ("stale", "stale", False),
    ],
)
def test_a_report_is_settled_if_nobody_has_to_get_it_any_more(
    result: str, run_result: str, is_settled: bool
) -> None:
    assert Outcome(result).is_settled(run_result) is is_settled


@pytest.mark.parametrize(
    ("results", "worst"),
    [
        (["sent", "failed", "undelivered"], "failed"),
        (["sent", "undelivered", "stale"], "undelivered"),
        (["empty", "unchanged", "sent"], "sent"),
        (["unchanged", "not sent"], "not sent"),
        (["empty"], "empty"),
    ],
)
def test_the_result_of_a_run_is_the_worst_of_its_reports(results: list[str], worst: str) -> None:
    assert worst_result([Outcome(result) for result in results]) == worst


def test_a_new_receipt_replaces_the_earlier_one_of_the_same_mailbox() -> None:
    before = Outcome(
        "undelivered",
        "Blue",
        "a" * 52,
        "d",
        (receipt("a@x.example", "sent"), receipt("b@x.example", "given up", tries=2)),
    )
    assert with_receipts(before, []) is before
    once_more = with_receipts(before, [receipt("b@X.example", "given up", tries=3)])
    assert [(one["recipient"], one["tries"]) for one in once_more.deliveries] == [
        ("a@x.example", 1),
        ("b@X.example", 5),  # of the same message, attempts are added up
    ]
    assert (once_more.result, once_more.company) == ("undelivered", "Blue")
    assert once_more.problem == (
        "The report was frozen but did not reach everybody:\nb@X.example: given up. Try later."
    )
    sent = with_receipts(once_more, [receipt("b@x.example", "sent", message_id="<2@x>")])
    assert (sent.result, sent.problem) == ("sent", None)
    assert [one["tries"] for one in sent.deliveries] == [1, 1]


def test_receipts_of_new_recipients_are_added() -> None:
    before = Outcome("frozen", deliveries=(receipt("a@x.example", "sent"),))
    after = with_receipts(before, [receipt("b@x.example", "refused"), receipt("c@x.example", "given up")])
    assert [one["recipient"] for one in after.deliveries] == ["a@x.example", "b@x.example", "c@x.example"]
    assert str(after.problem).splitlines()[1:] == [
        "b@x.example: refused. No such person.",
        "c@x.example: given up. Try later.",
    ]


@pytest.mark.parametrize(
    ("state", "expected"),
    [("became true", True), ("still true", True), ("passed", False), ("not true", False)],
)
def test_a_recorded_condition_was_true_in_two_states(state: str, expected: bool) -> None:
    assert is_true({**CONDITION, "state": state}) is expected
    check_conditions([{**CONDITION, "state": state}])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"words": None}, "conditions.words is missing or has the wrong type"),
        ({"key": 1}, "conditions.key is missing"),
        ({"state": None}, "conditions.state is missing"),
        ({"rows": "1"}, "conditions.rows is missing"),
        ({"unknown": None}, "conditions.unknown is missing"),
        ({"lines": "Total"}, "conditions.lines is missing"),
        ({"lines": ["Total", 5]}, "conditions is not valid"),
        ({"state": "true"}, "conditions is not valid"),
    ],
)
def test_a_condition_that_no_run_recorded_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_conditions([CONDITION, {**CONDITION, **change}])
    with pytest.raises(ValueError, match="conditions has the wrong type"):
        check_conditions([CONDITION, "true"])
