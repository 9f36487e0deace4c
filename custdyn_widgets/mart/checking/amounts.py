"""Read amounts and quotes as exact numbers, as `values.py` reads times and dates."""

from __future__ import annotations

import re
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from custdyn_widgets.mart.arrow_arrays import from_numpy, to_numpy
from custdyn_widgets.mart.checking.fault_kinds import (
    EXPONENT,
    NOT_A_NUMBER,
    NOT_AN_AMOUNT,
    NOT_POSITIVE,
    TOO_LARGE,
    TOO_PRECISE,
)
from custdyn_widgets.mart.checking.faults import FaultKind
from custdyn_widgets.mart.checking.values import MICROS, Faults, by_slices, wrong_type
from custdyn_widgets.mart.columns import Bools, Int64s, is_text, scaled
from custdyn_widgets.mart.text_lookup import text_bytes

_PLACES = 6
_PLAIN_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)", re.ASCII)
_INT64 = range(-(2**63), 2**63)
_LONGEST = 64  # the longest amount to read with Arrow, which returns wrong numbers for more than 127 digits
_HUGE = 1e13  # more millionths than fit in an int64
_EXACT_FLOAT = 2.0**32  # below this, doubles are closer together than decimals with 6 places


def amounts(column: pa.Array, blank: Bools) -> tuple[Int64s, Faults]:
    """Return amounts as int64 millionths; accept decimals, integers, text and floats."""
    kind = column.type
    if pa.types.is_floating(kind):
        return _float_amounts(column, blank)
    if pa.types.is_integer(kind):
        if (found := scaled(column, _PLACES)) is not None:
            return found, {}
        column = column.cast(pa.decimal128(20, 0))
    elif not (is_text(kind) or pa.types.is_decimal(kind)):
        return wrong_type(column, blank, NOT_AN_AMOUNT)
    return by_slices(column, blank, _amounts_by_arrow, _read_amount)


def positives(column: pa.Array, blank: Bools) -> tuple[list[Decimal], Faults]:
    """Return quotes as exact decimals; values that are not plain decimals above 0 are faults."""
    quotes: list[Decimal] = []
    faults: Faults = {}
    kind = column.type
    if pa.types.is_temporal(kind) or pa.types.is_nested(kind):  # Python cannot represent every date
        return [Decimal(1)] * len(column), wrong_type(column, blank, NOT_AN_AMOUNT)[1]
    for i, value in enumerate(column.to_pylist()):
        quote = Decimal(1) if blank[i] else _exact(value)
        if quote is None:
            faults[i] = NOT_AN_AMOUNT
        elif quote <= 0:
            faults[i] = NOT_POSITIVE
        quotes.append(quote or Decimal(1))
    return quotes, faults


def _exact(value: object) -> Decimal | None:
    """Return a value as an exact number; a float becomes the shortest decimal that converts back to it."""
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        number = Decimal(value)
    elif isinstance(value, float):
        number = Decimal(repr(value))
    elif isinstance(value, str) and _PLAIN_DECIMAL.fullmatch(value):
        number = Decimal(value)
    else:
        return None
    return number if number.is_finite() else None


def _amounts_by_arrow(column: pa.Array) -> Int64s:
    if is_text(column.type) and (
        _have_exponents(column) or (pc.max(pc.binary_length(column)).as_py() or 0) > _LONGEST
    ):
        raise pa.ArrowInvalid("an exponent, or a number that is too long for Arrow")
    return _millionths(column)


def _have_exponents(text: pa.Array) -> bool:
    if text_bytes(text)[1].max(initial=0) <= ord("9"):  # no letters, so no slow search
        return False
    return bool(pc.any(pc.match_substring(text, "e", ignore_case=True)).as_py())


def _millionths(column: pa.Array) -> Int64s:
    found = scaled(column, _PLACES)
    if found is None:
        found = scaled(column.cast(pa.decimal128(38, _PLACES)), _PLACES)
    if found is None:
        raise OverflowError
    return found


def _read_amount(value: str | Decimal) -> int | FaultKind:
    if isinstance(value, str):
        if not _PLAIN_DECIMAL.fullmatch(value):
            return _why_not_an_amount(value)
        value = Decimal(value)
    numerator, denominator = value.as_integer_ratio()
    millionths, rest = divmod(numerator * MICROS, denominator)
    if rest:
        return TOO_PRECISE
    return millionths if millionths in _INT64 else TOO_LARGE


def _why_not_an_amount(value: str) -> FaultKind:
    text = value.strip().lstrip("+-").casefold()
    if text in ("nan", "inf", "infinity"):
        return NOT_A_NUMBER
    return EXPONENT if re.fullmatch(r"[\d.]+e[+-]?\d+", text) else NOT_AN_AMOUNT


def _float_amounts(column: pa.Array, blank: Bools) -> tuple[Int64s, Faults]:
    """Read each float as the nearest decimal with up to 6 places.

    Below 2**32, at most one such decimal converts to a given double: the nearest multiple of 10**-6, which
    IEEE division reproduces exactly. From 2**32 on, use the shortest decimal that converts back to the
    double.
    """
    floats = np.where(blank, 0.0, to_numpy(column.cast(pa.float64())))
    small = np.abs(floats) < _EXACT_FLOAT
    out = np.rint(np.where(small, floats, 0.0) * MICROS).astype(np.int64)
    faults: Faults = {int(i): TOO_PRECISE for i in np.flatnonzero(small & (out / MICROS != floats))}
    faults |= dict.fromkeys(np.flatnonzero(~np.isfinite(floats)).tolist(), NOT_A_NUMBER)
    huge = np.flatnonzero(np.isfinite(floats) & (np.abs(floats) > _HUGE))
    faults |= dict.fromkeys(huge.tolist(), TOO_LARGE)
    large = np.flatnonzero(~small & (np.abs(floats) <= _HUGE))
    if len(large):
        shortest = from_numpy(floats[large]).cast(pa.large_string())
        none = np.zeros(len(large), np.bool_)
        out[large], found = by_slices(shortest, none, _millionths, lambda text: _read_amount(Decimal(text)))
        faults |= {int(large[i]): kind for i, kind in found.items()}
    return out, faults
