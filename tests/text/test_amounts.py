"""Amounts as text are exact and plain."""

from __future__ import annotations

from decimal import Context, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custdyn_widgets.text import format_amount, format_millionths


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0.000000", "0.00"),
        ("-0.000000", "0.00"),
        ("1.500000", "1.50"),
        ("-0.000001", "-0.000001"),
        ("1.234500", "1.2345"),
        ("100.000000", "100.00"),
        ("123456789012345678901234567890.123456", "123456789012345678901234567890.123456"),
    ],
)
def test_an_amount_has_two_to_six_places(amount: str, text: str) -> None:
    assert format_amount(Decimal(amount)) == text


@given(st.integers(min_value=-(10**40), max_value=10**40))
def test_millionths_are_written_as_the_same_decimal(millionths: int) -> None:
    exact = Decimal(millionths).scaleb(-6, Context(prec=60))
    assert format_millionths(millionths) == format_amount(exact)
    assert Decimal(format_millionths(millionths)) == exact
