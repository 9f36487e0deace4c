"""The parts that cells are made of, each against the slow and obvious way."""

from __future__ import annotations

import pickle
from unittest.mock import Mock

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from custdyn_widgets import run_report
from custdyn_widgets.engine.cells import compute, pieces, sums
from custdyn_widgets.engine.cells.grid import EdgeCounter
from custdyn_widgets.engine.cells.pieces import first_row_at
from custdyn_widgets.engine.cells.sums import KeyedSums, join
from custdyn_widgets.mart.opening import open_mart

SECONDS = st.integers(0, 2**32 - 1)
AMOUNTS = st.integers(-(2**63), 2**63 - 1)


@given(edges=st.lists(st.integers(-(2**33), 2**33), min_size=1, max_size=9), at=st.lists(SECONDS, max_size=9))
@example(edges=[0, 2**11, 2**11 + 1], at=[0, 2**11 - 1, 2**11, 2**11 + 1])
@example(edges=[0, 2**12 - 1], at=[2**12 - 2])
@pytest.mark.parametrize("dtype", [np.uint32, np.int64])
def test_counts_the_edges_at_or_before_an_instant(
    dtype: npt.DTypeLike, edges: list[int], at: list[int]
) -> None:
    near = [e + d for e in edges for d in (-1, 0, 1, 2**11) if 0 <= e + d < 2**32]
    instants = np.array(at + near, dtype)
    found = EdgeCounter(np.sort(np.array(edges, np.int64)))(instants)
    assert found.tolist() == [sum(e <= t for e in edges) for t in instants.tolist()]


@given(
    signs=st.lists(st.sampled_from((1, -1)), max_size=12),
    keys=st.lists(st.integers(0, 2**21), min_size=12, max_size=12),
    amounts=st.lists(AMOUNTS, min_size=12, max_size=12),
    size=st.sampled_from((8, 2**15, 2**22)),
)
def test_sums_are_exact_whatever_their_size(
    signs: list[int], keys: list[int], amounts: list[int], size: int
) -> None:
    sums, expected = KeyedSums(size), dict[int, list[int]]()
    for sign, key, amount in zip(signs, keys, amounts, strict=False):
        place = np.array([key % size, 0])
        sums.add(place, np.array([amount, 1]), sign)
        sums.count(place, sign)
        for k, value in ((key % size, amount), (0, 1)):
            count, total = expected.get(k, [0, 0])
            expected[k] = [count + sign, total + sign * value]
    found, counts, high, low = sums.totals()
    given_back = {
        int(k): [int(c), s] for k, c, s in zip(found, counts, join(high, low), strict=True) if c or s
    }
    assert given_back == {k: v for k, v in expected.items() if v != [0, 0]}


def test_keys_have_slots_in_memory_only_if_there_are_few() -> None:
    assert len(KeyedSums(8).dense().counts) == 8
    assert len(KeyedSums(2**31).dense().counts) == 0


@pytest.mark.parametrize("sign", [1, -1])
def test_sums_are_exact_beyond_the_integers_of_a_double(sign: int) -> None:
    sums, amount = KeyedSums(8), 2**52 + 1  # three of these are odd, and more than 2**53
    sums.add(np.zeros(3, np.int64), np.full(3, sign * amount))
    _, _, high, low = sums.totals()
    assert list(join(high, low)) == [3 * sign * amount]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    "amounts", [[2**61, 2**62 - 1, 2**62 - 1], [2**32 - 1, 2**63 - 1], [2**32 - 1, 2**62 - 1]]
)
def test_sums_in_place_do_not_overflow_and_neither_does_their_merger(amounts: list[int], sign: int) -> None:
    one, two = KeyedSums(2**15), KeyedSums(2**15)
    for own in (one, two):
        for amount in amounts:
            own.add(np.array([5]), np.array([sign * amount]))
    one.merge(two)
    _, _, high, low = one.totals()
    assert list(join(high, low)) == [2 * sign * sum(amounts)]


@pytest.mark.parametrize("size", [8, 2**15, 2**22])
def test_sums_that_were_sent_to_another_process_are_the_same(size: int) -> None:
    sums = KeyedSums(size)
    sums.add(np.array([5, 5, 7]), np.array([2**62, 2**62, -1]))
    sums.count(np.array([5, 6]))
    sent = pickle.loads(pickle.dumps(sums))
    assert sent.size == size
    assert [part.tolist() for part in sent.totals()] == [part.tolist() for part in sums.totals()]


@pytest.mark.parametrize("high", [2**27 - 1, 2**27, 2**28 - 1, -(2**27), -(2**27) - 1, -(2**28)])
def test_several_joined_sums_can_be_added_without_overflow(high: int) -> None:
    halves = np.array([high] * 16 + [0]), np.array([2**32 - 1] * 16 + [5])
    joined = join(*halves)
    assert int(joined[:16].sum()) == 16 * ((high << 32) + 2**32 - 1)
    assert joined[16] == 5
    assert (joined.dtype == np.int64) == (-(2**27) <= high < 2**27)
    assert join(np.zeros(0, np.int64), np.zeros(0, np.int64)).dtype == np.int64


@pytest.mark.parametrize("size", [8, 2**22])
def test_no_sums_are_no_keys(size: int) -> None:
    assert [part.tolist() for part in KeyedSums(size).totals()] == [[], [], [], []]


def test_sums_of_more_rows_than_a_double_can_hold_are_exact() -> None:
    count, amount = 2**22, 2**32 - 1  # together more than 2**53, in odd steps
    sums = KeyedSums(8)
    sums.add(np.zeros(count, np.int64), np.full(count, amount))
    sums.add(np.zeros(1, np.int64), np.array([-(2**62)]))
    _, _, high, low = sums.totals()
    assert list(join(high, low)) == [count * amount - 2**62]


@pytest.mark.parametrize("size", [8, 2**15])
@pytest.mark.parametrize(
    ("amount", "high", "low"), [(2**32, 1, 0), (2**32 - 1, 0, 2**32 - 1), (-1, -1, 2**32 - 1)]
)
def test_the_lower_half_of_a_sum_has_32_bits(size: int, amount: int, high: int, low: int) -> None:
    sums = KeyedSums(size)
    sums.add(np.array([5]), np.array([amount]))
    halves = sums.dense()
    assert (int(halves.high[5]), int(halves.low[5])) == (high, low)
    sums.add(np.array([5]), np.array([amount]), -1)
    assert [part.tolist() for part in sums.totals()] == [[], [], [], []]


@pytest.mark.parametrize("size", [8, 2**15, 2**22])
def test_the_lower_half_of_a_total_has_32_bits(size: int) -> None:
    sums = KeyedSums(size)
    sums.add(np.array([5]), np.array([2**40 + 3]))
    assert [part.tolist() for part in sums.totals()] == [[5], [0], [2**8], [3]]


@pytest.mark.parametrize("dense", [0, 2**21])
@pytest.mark.parametrize("limit", [2**33, 2**50, 2**62])
def test_sums_in_place_and_joined_parts_are_exact(dense: int, limit: int) -> None:
    size, amounts = 2**15, [2**62, -(2**62) - 5, 7, -(2**31), 2**40, -(2**63), 1]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("_DENSE", dense), ("_SUM_LIMIT", limit), ("_MOST_PARTS", 3)):
            patch.setattr(sums, name, value)
        one, two = KeyedSums(size), KeyedSums(size)
        for i, amount in enumerate(amounts):
            own = one if i % 2 else two
            own.add(np.array([5, 5, i + 100]), np.array([amount, amount, amount]), -1 if i == 2 else 1)
            own.count(np.array([5, i + 100]))
        if not dense:
            assert len(one._parts) < 3  # joined
        one.merge(two)
        if not dense:
            assert len(one._parts) < 3
        keys, counts, high, low = one.totals()
        found = {int(k): (int(c), int(s)) for k, c, s in zip(keys, counts, join(high, low), strict=True)}
    signed = [-amount if i == 2 else amount for i, amount in enumerate(amounts)]
    assert found == {5: (7, 2 * sum(signed)), **{i + 100: (1, own) for i, own in enumerate(signed)}}


def test_currencies_come_in_the_order_of_their_codes_whichever_thread_ends_first() -> None:
    one, other = (Mock(), Mock()), (Mock(), Mock())
    merged = compute._merged([{2: one}, {1: other, 0: other}, {1: one}])
    assert [code for code, _ in merged] == [0, 1, 2]


@given(
    rows=st.lists(st.integers(0, 9), min_size=1, max_size=30),
    currency=st.lists(st.integers(0, 2), min_size=30, max_size=30),
    most=st.integers(1, 12),
)
def test_parts_have_one_currency_and_are_as_large_as_the_limit_allows(
    rows: list[int], currency: list[int], most: int
) -> None:
    currencies = sorted(currency[: len(rows)])
    ends = np.cumsum(rows)
    span = pieces.Span(np.arange(len(rows)), ends - rows, ends - rows, ends)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "PIECE_ROWS", most)
        found = pieces.parts(Mock(currency=np.array(currencies)), span)
    assert [client for part in found for client in part.clients.tolist()] == list(range(len(rows)))
    for part in found:
        last = int(part.clients[-1])
        size = int((part.end - part.begin).sum())
        assert len({currencies[client] for client in part.clients.tolist()}) == 1
        assert len(part.clients) == 1 or (size <= most and len(part.clients) <= most)
        if last + 1 < len(rows) and currencies[last] == currencies[last + 1]:  # the next does not fit
            assert size + rows[last + 1] > most or len(part.clients) == most


def mart(years: list[int]) -> dict[str, pd.DataFrame]:
    """Two clients that pay 1 on the first of each of some months."""
    at = [f"{year}-{month:02}-01T00:00:00Z" for year in years for month in range(1, 13)]
    clients = pd.DataFrame(
        {
            "client_id": ["a", "b"],
            "client_type": "client",
            "currency": ["EUR", "USD"],
            "created_at": "2200-01-01",
            "opening_balance": [0, 5],
        }
    )
    rates = pd.DataFrame(
        {"currency": ["EUR"], "date": [f"{years[0]}-01-01"], "units_per_base": ["0.5"], "base": "USD"}
    )
    ledger = pd.DataFrame({"at": at * 2, "client_id": np.repeat(["a", "b"], len(at))})
    ledger["transaction_id"] = range(len(ledger))
    return {"clients": clients, "transactions": ledger.assign(kind="usage", amount=-1), "rates": rates}


@pytest.mark.slow
@given(instant=st.integers(-(2**31), 2**31))
def test_finds_each_clients_first_row_at_an_instant(instant: int) -> None:
    facts = open_mart(mart([1999, 2003])).facts
    for at in (instant, *(int(facts.time[i]) + d for i in (0, 7, 23) for d in (-1, 0, 1))):
        found = first_row_at(facts, np.arange(2), at)
        assert found.tolist() == [
            low + sum(t < at for t in facts.time[low:high].tolist())
            for low, high in zip(facts.offset[:-1].tolist(), facts.offset[1:].tolist(), strict=True)
        ]


@pytest.mark.parametrize(("years", "size"), [([1999, 2003], 4), ([1969, 2003], 8), ([1999, 2003, 2107], 8)])
def test_times_that_do_not_fit_half_the_memory_count_the_same(years: list[int], size: int) -> None:
    source = mart(years)
    facts = open_mart(source).facts
    assert facts.time.itemsize == facts.paid_at.itemsize == size
    query = {"interval": {"start": f"{years[1]}-02-01", "end": f"{years[1]}-12-31"}, "currency": "USD"}
    report = run_report(query, source, as_of="2110-01-01")
    assert [row.labels[0][5:] for row in report.rows] == [f"{month:02}" for month in range(2, 13)]
    assert list(report.table["Pay As You Go", "Total"]) == [1 + 2] * 11
    assert list(report.table["Clients - Active", "Qty"]) == [2] * 11
    # Before February b had 5 - 13 and a had -13 EUR, which are worth 2 USD each.
    assert list(report.table["Clients - All", "Balance"]) == [-8 - k - 2 * (13 + k) for k in range(1, 12)]
