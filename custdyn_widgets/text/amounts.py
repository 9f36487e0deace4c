"""Amounts of money as plain text, exact: for files and sentences that programs may read.

Amounts as people read them, grouped and rounded to their currency, are `report.format_value`.
"""

from __future__ import annotations

from decimal import Decimal

_MILLION = 10**6


def format_amount(amount: Decimal) -> str:
    """Return an amount with 2 to 6 places, never `-0`; of further places, the sixth is rounded half-even."""
    return _without_zeros(f"{amount:z.6f}")


def format_millionths(millionths: int) -> str:
    """Return an amount that is held in millionths, as `format_amount` does."""
    whole, places = divmod(abs(millionths), _MILLION)
    return _without_zeros(f"{'-' if millionths < 0 else ''}{whole}.{places:06}")


def _without_zeros(text: str) -> str:
    """Return a number of six places without the zeros at its end, of two places at least."""
    whole, _, places = text.partition(".")
    return f"{whole}.{places[:2]}{places[2:].rstrip('0')}"
