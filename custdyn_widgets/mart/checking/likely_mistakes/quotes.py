"""Find quotes that may be wrong: those that are implausible, or far from the quotes before or after them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np

from custdyn_widgets.errors import shown
from custdyn_widgets.mart.checking.checked import CheckedTable
from custdyn_widgets.mart.checking.likely_mistakes.evidence import Evidence, row_number
from custdyn_widgets.mart.checking.notes import Note
from custdyn_widgets.mart.columns import Bools, Codes, Int64s

# A quote is inverted if its inverse is within the first factor of the next quote and the quote itself is not
# within the second factor.
_SAME, _OTHER = 1.1, 1.2
_JUMP = 5.0
# Quotes that are plausible only if inverted: their minimum number, their minimum share, and their minimum
# ratio to the quotes that are plausible as they are.
_FEW, _MOST, _TIMES = 3, 0.2, 10
# The lowest and highest number of units per US dollar since 2003, with a margin.
_PER_DOLLAR = {
    "USD": (1, 1), "EUR": (0.6, 1.06), "GBP": (0.45, 0.96), "CHF": (0.7, 1.45), "CAD": (0.9, 1.7),
    "AUD": (0.88, 2), "NZD": (1.1, 2.2), "JPY": (70, 180), "CNY": (6, 8.5), "INR": (38, 100),
    "RUB": (22, 130), "UAH": (4.5, 60), "PLN": (2, 5.2), "CZK": (14, 31), "HUF": (140, 460),
    "RON": (2.1, 5.5), "BGN": (1.2, 2.1), "SEK": (5.8, 12), "NOK": (4.9, 12), "DKK": (4.6, 8),
    "TRY": (1.1, 60), "ILS": (3, 5), "AED": (3.6, 3.7), "SAR": (3.7, 3.8), "EGP": (5, 65),
    "ZAR": (5.5, 21), "KES": (60, 170), "NGN": (115, 2000), "MXN": (9.5, 26), "BRL": (1.5, 7),
    "ARS": (2.8, 2000), "COP": (1700, 5200), "CLP": (430, 1100), "PEN": (2.5, 4.2), "SGD": (1.2, 1.85),
    "HKD": (7.7, 7.9), "THB": (28, 45), "PHP": (40, 62), "IDR": (8000, 18000), "MYR": (2.9, 4.9),
    "VND": (15000, 28000), "KRW": (880, 1600), "PKR": (56, 320), "BDT": (56, 130), "KZT": (115, 600),
}  # fmt: skip


def odd_quotes(evidence: Evidence) -> Iterator[Note]:
    """Yield notes on quotes that are about the inverse of the previous or next one, and on other jumps."""
    rates = evidence.tables.get("rates")
    if rates is None:
        return
    known = ~(rates.blank["currency"] | rates.blank["date"] | rates.blank["units_per_base"])
    currency = rates.columns["currency"].dictionary_encode().indices.fill_null(-1).to_numpy()
    rows = np.lexsort((rates.columns["date"], currency))
    rows = rows[known[rows]]
    if not len(rows):
        return
    with np.errstate(all="ignore"):  # a quote may be too large or too small for a float
        quotes = np.array([float(rates.columns["units_per_base"][i]) for i in rows], np.float64)
        now, after = quotes[:-1], quotes[1:]
        inverse = (now * after < _SAME) & (now * after > 1 / _SAME)
        inverse &= (after > now * _OTHER) | (now > after * _OTHER)
        jump = ((after >= now * _JUMP) | (now >= after * _JUMP)) & ~inverse
    same = np.diff(currency[rows]) == 0
    yield from _note(
        rates,
        rows[_standing_out(inverse & same, currency[rows])],
        ("is about the inverse", "are about the inverse"),
        "of the currency's previous or next quote",
        "inverse_quotes",
    )
    yield from _note(
        rates,
        rows[_standing_out(jump & same, currency[rows])],
        ("is at least five times", "are at least five times"),
        "the currency's previous or next quote, or at most a fifth of it",
        "jumping_quotes",
    )


def _standing_out(changes: Bools, currency: Codes) -> Bools:
    """Return whether each quote is next to a change and on the side with fewer quotes of its currency.

    Each change switches to the other side. If both sides have the same number of quotes, the side of the
    currency's first quote counts as the one with more.

    Parameters
    ----------
    changes
        Whether there is a change between each quote and the next one for the same currency.
    currency
        The currency of each quote; quotes for the same currency are adjacent.
    """
    _, first, own = np.unique(currency, return_index=True, return_inverse=True)
    side = np.cumsum(np.append(0, changes)) % 2
    is_other = side != side[first][own]  # not on the side of the currency's first quote
    others_are_fewer = 2 * np.bincount(own, is_other) <= np.bincount(own)
    beside = np.append(changes, False) | np.append(False, changes)
    standing_out: Bools = beside & (is_other == others_are_fewer[own])
    return standing_out


def inverse_currencies(evidence: Evidence) -> Iterator[Note]:
    """Yield a note on currencies whose quotes are plausible only if they are inverted."""
    rates = evidence.tables.get("rates")
    if rates is None:
        return
    found: dict[str, tuple[int, int]] = {}
    pairs = rates.columns["currency"].to_pylist(), rates.columns["base"].to_pylist()
    of_pair: dict[tuple[str, str], list[int]] = {}
    for row, pair in enumerate(zip(*pairs, strict=True)):
        if pair[0] != pair[1] and all(code in _PER_DOLLAR for code in pair):
            of_pair.setdefault(pair, []).append(row)
    for (currency, base), rows in of_pair.items():
        low = _PER_DOLLAR[currency][0] / _PER_DOLLAR[base][1]
        high = _PER_DOLLAR[currency][1] / _PER_DOLLAR[base][0]
        quotes = [float(rates.columns["units_per_base"][row]) for row in rows]
        usual = [low <= quote <= high for quote in quotes]
        inverse = [1 / high <= quote <= 1 / low for quote in quotes]
        inverted = [
            row for row, right, wrong in zip(rows, usual, inverse, strict=True) if wrong and not right
        ]
        right = sum(is_usual and not wrong for is_usual, wrong in zip(usual, inverse, strict=True))
        if len(inverted) >= max(_FEW, _MOST * len(rows), _TIMES * right):
            found[currency] = (len(inverted), inverted[0])
    if found:
        currency, (_, first) = next(iter(found.items()))
        base, quote = rates.columns["base"][first].as_py(), rates.columns["units_per_base"][first]
        count = sum(number for number, _ in found.values())
        yield Note(
            f"{rates.stored.origin}, units_per_base: {count:,} quotes for {', '.join(found)} seem to be "
            f"inverted, such as {quote:f} in row {row_number(rates, first)}: that is how many {base} one "
            f"{currency} buys. A quote is the number of units of the currency for one unit of the base.",
            "inverse_currencies",
            count=count,
            currencies=list(found),
        )


def _note(
    rates: CheckedTable, found: Int64s, words: tuple[str, str], other: str, kind: str
) -> Iterator[Note]:
    if not len(found):
        return
    first, count = int(found[0]), len(found)
    day = date(1970, 1, 1) + timedelta(days=int(rates.columns["date"][first]))
    one, many = words
    yield Note(
        f"{rates.stored.origin}: {count:,} {f'quote {one}' if count == 1 else f'quotes {many}'} {other}"
        f"{':' if count == 1 else '; the first is'} {shown(rates.columns['currency'][first].as_py())} on "
        f"{day}. A quote is the number of units of the currency for one unit of the base.",
        kind,
        count=count,
    )
