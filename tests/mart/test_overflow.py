"""Which balances exceed an int64 at the end of a second."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from custdyn_widgets.mart.checking.balances import overflowing

LARGE = 2**62


@given(
    rows=st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 3), st.sampled_from([-LARGE, -1, 0, 1, LARGE])),
        max_size=12,
    ),
    opening=st.lists(st.sampled_from([-LARGE, 0, 1, LARGE]), min_size=3, max_size=3),
)
@example(rows=[(0, 0, LARGE), (0, 0, LARGE), (0, 1, -LARGE)], opening=[0, 0, 0])
@example(rows=[(0, 0, LARGE), (0, 0, LARGE), (0, 0, -LARGE)], opening=[0, 0, 0])
@example(rows=[(0, 0, -LARGE), (0, 1, -LARGE), (0, 2, -1)], opening=[0, 0, 0])
@example(rows=[], opening=[LARGE, -LARGE, 0])
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
