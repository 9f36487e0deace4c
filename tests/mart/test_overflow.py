"""Which balances exceed an int64 at the end of a second."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from custdyn_widgets.mart.checking import balances
from custdyn_widgets.mart.checking.balances import any_overflow, largest_amount, might_overflow, overflowing

LARGE, LARGEST = 2**62, 2**63 - 1
rows_of_three = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 3), st.sampled_from([-LARGE, -1, 0, 1, LARGE])), max_size=12
)
openings = st.lists(st.sampled_from([-LARGEST, -LARGE, 0, 1, LARGE, LARGEST]), min_size=3, max_size=3)


@given(rows=rows_of_three, opening=openings)
@example(rows=[(0, 0, LARGE), (0, 0, LARGE), (0, 1, -LARGE)], opening=[0, 0, 0])
@example(rows=[(0, 0, LARGE), (0, 0, LARGE), (0, 0, -LARGE)], opening=[0, 0, 0])
@example(rows=[(0, 0, -LARGE), (0, 1, -LARGE), (0, 2, -1)], opening=[0, 0, 0])
@example(rows=[], opening=[LARGE, -LARGE, 0])
@example(rows=[(0, 0, 1)], opening=[LARGEST, 0, 0])
@example(rows=[(i, 0, 1) for i in range(3)], opening=[LARGEST] * 3)
@example(  # as doubles, these amounts add up to less than 2**63
    rows=[(0, 0, LARGE), *[(0, 0, 511)] * 3], opening=[LARGE - 1533, 0, 0]
)
def test_clients_whose_balance_overflows_at_the_end_of_a_second(
    rows: list[tuple[int, int, int]], opening: list[int]
) -> None:
    expected = []
    for client, first in enumerate(opening):
        own = [(second, amount) for each, second, amount in rows if each == client]
        ends = [first + sum(a for s, a in own if s <= second) for second, _ in own]
        if not all(-(2**63) <= balance < 2**63 for balance in ends):
            expected.append(client)
    columns = [np.array([row[n] for row in rows], np.int64) for n in range(3)]
    found = overflowing(columns[0].astype(np.int32), columns[1], columns[2], np.array(opening))
    assert list(found) == expected


@given(rows=rows_of_three, opening=openings, at_once=st.sampled_from([1, 2, 5, 100]))
@example(rows=[(0, 0, LARGE), (0, 0, LARGE), (2, 0, 1)], opening=[0, 0, 0], at_once=1)
@example(rows=[(0, 0, LARGE), *[(i, 0, -1) for i in (0, 1, 2)]], opening=[0, 0, LARGEST], at_once=2)
def test_any_balance_overflows_if_one_does_and_few_rows_are_looked_at_at_once(
    rows: list[tuple[int, int, int]], opening: list[int], at_once: int
) -> None:
    rows = sorted(rows, key=lambda row: row[:2])
    client, second, amount = (np.array([row[n] for row in rows], np.int64) for n in range(3))
    offset = np.searchsorted(client, np.arange(4))
    expected = bool(list(overflowing(client.astype(np.int32), second, amount, np.array(opening))))
    looked_at: list[tuple[int, int]] = []

    def watched(client: Any, *columns: Any) -> Any:
        looked_at.append((len(client), len(columns[-1])))
        return overflowing(client, *columns)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(balances, "overflowing", watched)
        patch.setattr(balances, "_AT_ONCE", at_once)
        found = any_overflow(offset, second, amount, np.array(opening), largest_amount(amount))
    assert found is expected
    assert all(count < at_once or clients == 1 for count, clients in looked_at)
    assert not any(one[0] + two[0] < at_once for one, two in itertools.pairwise(looked_at))


def test_the_largest_amount_is_the_one_furthest_from_zero() -> None:
    for amounts, largest in (([], 0), ([0], 0), ([-(2**63), 5], 2**63), ([7, -3], 7)):
        assert largest_amount(np.array(amounts, np.int64)) == largest
    assert might_overflow(np.array([2]), 2**61, np.array([0])) is True
    assert might_overflow(np.array([2]), 2**60, np.array([0])) is False
