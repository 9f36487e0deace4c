"""What is said of the clients whose contribution changed."""

from __future__ import annotations

import pytest

from custdyn_widgets.report.client_changes import ClientChange, ClientChanges, few


@pytest.mark.parametrize(
    ("count", "gone", "undecided", "text"),
    [
        (0, 0, 0, "No client's contribution changed."),
        (1, 0, 0, "The contribution of 1 client changed."),
        (1200, 0, 0, "The contributions of 1,200 clients changed."),
        (
            0,
            1,
            0,
            "No client's contribution changed; 1 client in the old report is no longer in the data or "
            "no longer selected.",
        ),
        (
            2,
            3,
            1,
            "The contributions of 2 clients changed; 3 clients in the old report are no longer in the data "
            "or no longer selected; 1 client may have changed, too; this cannot be determined, because their "
            "data changed again after the second snapshot.",
        ),
        (
            0,
            0,
            2,
            "No client's contribution changed; 2 clients may have changed, too; this cannot be determined, "
            "because their data changed again after the second snapshot.",
        ),
    ],
)
def test_the_sentence_counts_the_clients(count: int, gone: int, undecided: int, text: str) -> None:
    assert ClientChanges(("Month",), (), count, gone, undecided).text == text


def test_a_few_items_are_all_named_and_others_counted() -> None:
    assert few(["a", "b", "c"], 3) == "a, b, c"
    assert few(["a", "b", "c", "d"], 3, "; ") == "a; b; c and 1 more"
    assert few(["x"] * 1_203, 3) == "x, x, x and 1,200 more"


def test_the_lines_are_a_table_and_a_frozen_difference_has_none() -> None:
    line = ClientChange(("2021-01", "a"), "c1", "Ann", "R1", "me")
    changes = ClientChanges(("Month", "Package Name"), (line,), 1, 2, 3)
    headings = ["Month", "Package Name", "Client Id", "Name", "Company", "Owner User"]
    assert changes.texts() == [("2021-01", "a", "c1", "Ann", "R1", "me")]
    frame = changes.to_pandas()
    assert list(frame) == headings
    assert [*frame.itertuples(index=False, name=None)] == changes.texts()
    assert changes.without_names() == ClientChanges(("Month", "Package Name"), (), 1, 2, 3)
    assert changes.to_dict() == {
        "count": 1,
        "gone": 2,
        "undecided": 3,
        "lines": [
            {"row": ["2021-01", "a"], "client_id": "c1", "name": "Ann", "company": "R1", "owner_user": "me"}
        ],
    }
