"""Exact amounts of money as plain text, for files and messages that programs may read.

For display, `report.format_value` groups the digits and rounds amounts to the currency's usual number of
decimal places.
"""

from __future__ import annotations

from decimal import Decimal

_MILLION = 10**6


def format_amount(amount: Decimal) -> str:
    """Return an amount with 2 to 6 decimal places, rounded half to even and never `-0`."""
    return _without_zeros(f"{amount:z.6f}")


def format_millionths(millionths: int) -> str:
    """Format an amount given in millionths the way `format_amount` does."""
    whole, places = divmod(abs(millionths), _MILLION)
    return _without_zeros(f"{'-' if millionths < 0 else ''}{whole}.{places:06}")


def _without_zeros(text: str) -> str:
    """Strip trailing zeros from a number with six places, but keep at least two places."""
    whole, _, places = text.partition(".")
    return f"{whole}.{places[:2]}{places[2:].rstrip('0')}"
