"""Conversion in fixed point rounds as exact fractions do, or says that it is not sure."""

from __future__ import annotations

from decimal import localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custdyn_widgets.engine.fixed_point import Amounts, Factors, add_up
from custdyn_widgets.engine.numbers import decimals_of, round_to_six_places

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
