"""Rounding of a report's numbers, which are exact until they are rounded once, half-even, to 6 places."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal, localcontext
from fractions import Fraction

from custdyn_widgets.report import Column, Value

_INT64 = Context(prec=19)  # the digits of an int64
_MILLIONTH = Decimal("0.000001")
_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)  # the default context rounds to 28 digits
_ZERO = Decimal("0.000000")


def round_value(value: int | Fraction | None, column: Column) -> Value:
    """Return a value for a report: a count as an int, any other number rounded half-even to 6 places."""
    if value is None or column.unit == "count":
        return value if value is None else int(value)
    return round_to_six_places(value)


def round_to_six_places(amount: int | Fraction) -> Decimal:
    """Round an amount half-even to 6 places."""
    numerator, denominator = amount.numerator, amount.denominator
    if not numerator:
        return _ZERO
    millionths, rest = divmod(numerator * 10**6, denominator)
    if 2 * rest > denominator or (2 * rest == denominator and millionths % 2):
        millionths += 1
    return Decimal(millionths).scaleb(-6, _EXACT)


def decimals_of(millionths: Iterable[int]) -> list[Decimal]:
    """Return int64 amounts in millionths as Decimals with 6 places."""
    with localcontext(_INT64):  # the operator takes half as long as the context's methods
        return [amount * _MILLIONTH if amount else _ZERO for amount in millionths]
