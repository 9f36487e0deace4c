"""Conversion in fixed point rounds as exact fractions do, or says that it is not sure."""

from __future__ import annotations

import itertools
from decimal import localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custdyn_widgets.engine.fixed_point import Amounts, Factors, add_up, to_int64
from custdyn_widgets.engine.rounding import decimals_of, round_to_six_places

Lines = list[tuple[int, tuple[int, int]]]
RATIOS = st.tuples(st.integers(0, 10**12), st.integers(1, 10**12))
LINES = st.lists(st.tuples(st.integers(-(10**13), 10**13), RATIOS), max_size=6)


def _add_up(lines: Lines) -> Amounts:
    amounts = np.array([amount for amount, _ in lines], np.int64)
    factors = Factors.of([ratio for _, ratio in lines])
    return add_up(amounts, np.array([0, len(lines)]), factors, np.arange(len(lines)))


def _exact(lines: Lines) -> Fraction:
    return sum((amount * Fraction(*ratio) for amount, ratio in lines), Fraction(0))


@given(now=LINES, before=LINES)
def test_a_sum_that_is_sure_is_rounded_like_the_exact_one(now: Lines, before: Lines) -> None:
    for found, exact in (
        (_add_up(now), _exact(now)),
        (_add_up(now) - _add_up(before), _exact(now) - _exact(before)),
    ):
        (millionths,), (sure,) = found.rounded()
        assert not sure or millionths == round(exact)


@pytest.mark.parametrize("ratio", [(1, 1), (1, 2), (3, 4)])
@pytest.mark.parametrize("amount", [-6, -3, -2, -1, 0, 1, 2, 3, 6, 10**12 + 2])
def test_a_factor_that_needs_no_cut_is_always_sure(amount: int, ratio: tuple[int, int]) -> None:
    (millionths,), (sure,) = _add_up([(amount, ratio)]).rounded()
    assert sure
    assert millionths == round(amount * Fraction(*ratio))


@pytest.mark.parametrize("lines", [[(3, (1, 6))], [(-9, (1, 6))], [(2**62, (1, 3))], [(1, (2**31, 1))]])
def test_a_half_that_was_cut_and_amounts_that_are_too_large_are_not_sure(lines: Lines) -> None:
    _, (sure,) = _add_up(lines).rounded()
    assert not sure


@pytest.mark.parametrize(
    ("amount", "factor", "count"),
    [
        (2**56 - 2**25, 2**32 - 2, 1),
        (2**57 - 2**25, 2**31 - 2, 1),
        (2**50, 2**20, 1),
        (2**54, Fraction(1, 2), 1024),
        (2**60, 1, 1),
        (2**70, Fraction(1, 2**30), 1),
        (-(2**70), Fraction(1, 2**30), 1),
    ],
)
def test_a_sum_that_may_pass_its_64_bits_on_the_way_is_not_sure(
    amount: int, factor: int | Fraction, count: int
) -> None:
    amounts = to_int64(np.array([amount] * count, object))
    factors = Factors.of([factor.as_integer_ratio()])
    found = add_up(amounts, np.array([0, count]), factors, np.zeros(count, np.int64))
    assert not found.rounded()[1].any()
    assert not found.nonzero()[1].any()


@pytest.mark.parametrize(
    ("places", "part", "missing"), [(48, 1, 0), (47, 2, 0), (49, 0, 1), (60, 0, 1), (64, 0, 1)]
)
def test_what_lies_beyond_the_last_binary_place_of_a_product_is_missing(
    places: int, part: int, missing: int
) -> None:
    found = _add_up([(1, (1, 2**places))])
    assert [found.whole.item(), found.part.item(), found.missing.item()] == [0, part, missing]


ONE = 2**48


def test_an_amount_is_sure_where_no_half_and_no_zero_is_within_its_error() -> None:
    errors = (0, 1, 2, 5, ONE - 1)
    near = [edge + d for edge in (-ONE, 0, ONE // 2, ONE) for d in range(-6, 7)]
    values, missing = (np.array(own) for own in zip(*itertools.product(near, errors), strict=True))
    amounts = Amounts(values >> 48, values & (ONE - 1), missing)
    rounded, sure = amounts.rounded()
    from_half = np.abs((values & (ONE - 1)) - ONE // 2)
    assert (sure == ((missing == 0) | (from_half > missing))).all()
    exact = [round(Fraction(value, ONE)) for value in values.tolist()]
    assert (rounded[sure] == np.array(exact)[sure]).all()
    nonzero, known = amounts.nonzero()
    assert (nonzero == (np.abs(values) > missing)).all()
    assert (known == (nonzero | (missing == 0))).all()


def test_a_quotient_misses_its_part_of_the_error_and_what_was_cut() -> None:
    cases = itertools.product(range(-2, 3), (0, 1, 5, ONE // 2), range(7), range(1, 6))
    whole, part, missing, by = (np.array(own) for own in zip(*cases, strict=True))
    found = Amounts(whole, part, missing).divided_by(by)
    exact = (whole << 48) + part
    assert ((found.whole << 48) + found.part == exact // by).all()
    assert (found.missing == -(-missing // by) + (exact % by != 0)).all()


def test_what_is_unknown_stays_unknown() -> None:
    none, one = Amounts.unknown(1), Amounts.exactly(np.array([3]))
    for found in (none, -none, none + one, one - none, none - none, none.divided_by(np.array([1000]))):
        assert not found.rounded()[1].any()
        assert not found.nonzero()[1].any()


def test_ordinary_amounts_are_sure() -> None:
    _, (sure,) = _add_up([(amount, (10**6, 920_000 + amount)) for amount in range(-500, 500)]).rounded()
    assert sure


@pytest.mark.parametrize("amount", [0, 1, -1, -5_000_000, 2**63 - 1, -(2**63)])
def test_decimals_do_not_depend_on_the_decimal_context_of_the_thread(amount: int) -> None:
    with localcontext(prec=3):
        (found,) = decimals_of([amount])
    assert str(found) == str(round_to_six_places(Fraction(amount, 10**6)))


def test_no_parts_are_joined_to_no_amounts() -> None:
    none = Amounts.joined([])
    assert [len(none.whole), len(none.part), len(none.missing)] == [0, 0, 0]
    one = _add_up([(7, (1, 2))])
    assert Amounts.joined([one, one]).whole.tolist() == [*one.whole, *one.whole]
