"""Find quotes that may be wrong: those that are implausible, or far from the quotes before or after them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from custdyn_widgets.errors import shown
from custdyn_widgets.mart.arrow_arrays import codes_of, from_numpy
from custdyn_widgets.mart.checking.checked import CheckedTable
from custdyn_widgets.mart.checking.likely_mistakes.evidence import Evidence, day_text, row_number
from custdyn_widgets.mart.checking.notes import Note
from custdyn_widgets.mart.columns import Bools, Codes, Int64s

Floats = npt.NDArray[np.float64]

# A quote is inverted if its inverse is within the first factor of the next quote and the quote itself is not
# within the second factor.
_SAME, _OTHER = 1.1, 1.2
# Near 1, every quote is close to its inverse. There, a quote is inverted only if the inverse is within
# `_NEARLY_SAME` of the next quote, and if the rate moved by `_RARE_MOVE` within `_DAYS` days (a weekend) and
# back again at most `_DAYS_UNTIL_BACK` days later, or by `_IMPLAUSIBLE_MOVE` to or from a quote that is
# plausible only if inverted.
_NEARLY_SAME, _RARE_MOVE, _DAYS, _DAYS_UNTIL_BACK, _IMPLAUSIBLE_MOVE = 1.02, 1.05, 3, 31, 1.1
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
    currency = codes_of(rates.columns["currency"].dictionary_encode())
    rows = np.lexsort((rates.columns["date"], currency))
    rows = rows[known[rows]]
    if not len(rows):
        return
    with np.errstate(all="ignore"):  # a quote may be too large or too small for a float
        quotes = np.array([float(rates.columns["units_per_base"][i]) for i in rows], np.float64)
        ranges = _ranges(rates, rows)
        same = np.diff(currency[rows]) == 0
        inverse = same & _are_inverse(quotes[:-1], quotes[1:])
        days = rates.columns["date"][rows]
        inverse |= same & _inverse_near_1(quotes, ranges, currency[rows], days, inverse)
        neither = _plausible(1 / quotes, ranges) < 0  # not plausible even if inverted
        jump = same & ~inverse & (_ratios(quotes) >= _JUMP)
    for changes, words, other, kind in (
        (
            inverse,
            ("is about the inverse", "are about the inverse"),
            "of the currency's previous or next quote",
            "inverse_quotes",
        ),
        (
            jump,
            ("is at least five times", "are at least five times"),
            "the currency's previous or next quote, or at most a fifth of it",
            "jumping_quotes",
        ),
    ):
        plausible = _plausible(quotes, ranges)
        if changes is inverse:
            plausible[(plausible < 0) & neither] = 0
        standing_out, undecided = _standing_out(changes, currency[rows], plausible, changes is inverse)
        yield from _note(rates, rows, standing_out, undecided, words, other, kind)


def _ratios(quotes: Floats) -> Floats:
    """Return the factor, at least 1, between each quote and the next one."""
    ratios: Floats = np.maximum(quotes[1:] / quotes[:-1], quotes[:-1] / quotes[1:])
    return ratios


def _are_inverse(now: Floats, after: Floats) -> Bools:
    inverse: Bools = (now * after < _SAME) & (now * after > 1 / _SAME)
    return inverse & ((after > now * _OTHER) | (now > after * _OTHER))


def _inverse_near_1(quotes: Floats, ranges: Floats, currency: Codes, days: Int64s, inverse: Bools) -> Bools:
    """Return, for each quote and the next one, whether they are inverses even though both are near 1.

    A quick move to the inverse must be followed or preceded by a move back, because a currency may be
    devalued from one side of 1 to the other. It need not be if the range of the pair shows which quote is
    wrong.
    """
    now, after = quotes[:-1], quotes[1:]
    product, ratios = now * after, _ratios(quotes)
    near = (product < _NEARLY_SAME) & (product > 1 / _NEARLY_SAME)
    rare = (np.diff(currency) == 0) & (np.diff(days) <= _DAYS) & (ratios >= _RARE_MOVE)
    moves = near & rare | inverse
    usual, wrong = _plausible(quotes, ranges) == 1, _plausible(1 / quotes, ranges) == 1
    wrong &= ~usual
    implausible = (usual[:-1] & wrong[1:]) | (wrong[:-1] & usual[1:])
    found: Bools = near & implausible & (ratios >= _IMPLAUSIBLE_MOVE)
    found[_and_back(np.flatnonzero(moves), after > now, currency, days)] = True
    return found


def _and_back(moves: Int64s, up: Bools, currency: Codes, days: Int64s) -> Int64s:
    """Return the moves that come shortly before or after a move in the opposite direction."""
    first, second = moves[:-1], moves[1:]
    is_back = (currency[first] == currency[second]) & (up[first] != up[second])
    is_back &= days[second] - days[first] <= _DAYS_UNTIL_BACK
    return np.concatenate([first[is_back], second[is_back]])


def _ranges(rates: CheckedTable, rows: Int64s) -> Floats:
    """Return the lowest and highest plausible quotes for the pairs in these rows; NaN if not known."""
    pairs = zip(
        *(rates.columns[name].take(from_numpy(rows)).to_pylist() for name in ("currency", "base")),
        strict=True,
    )
    return np.array([_range(*pair) or (np.nan, np.nan) for pair in pairs], np.float64).T


def _range(currency: str | None, base: str | None) -> tuple[float, float] | None:
    """Return the lowest and highest plausible quotes for a pair of currencies, or None if not known."""
    if currency is None or base is None or currency == base or not {currency, base} <= _PER_DOLLAR.keys():
        return None
    (low, high), (base_low, base_high) = _PER_DOLLAR[currency], _PER_DOLLAR[base]
    return low / base_high, high / base_low


def _plausible(quotes: Floats, ranges: Floats) -> Codes:
    """Return 1 for a quote within its range, -1 for one outside, and 0 if the range is not known."""
    low, high = ranges
    plausible: Codes = np.where((quotes >= low) & (quotes <= high), 1, -1).astype(np.int32)
    plausible[np.isnan(low)] = 0
    return plausible


def _standing_out(changes: Bools, currency: Codes, plausible: Codes, is_certain: bool) -> tuple[Bools, Bools]:
    """Return, for each quote in order, whether it is next to a change and on the wrong side.

    Each change switches to the other side. The side with fewer quotes is the wrong one. But if both sides
    have the same number, or `is_certain`, and only the quotes on one side are plausible, the other side is
    wrong. If neither decides it, the quotes after the first change are returned, and the second mask is set,
    because the wrong ones may be those before it.

    Parameters
    ----------
    changes
        Whether there is a change between each quote and the next one for the same currency.
    currency
        The currency of each quote; quotes for the same currency are adjacent.
    plausible
        For each quote, 1 if it is plausible, -1 if not, and 0 if unknown.
    is_certain
        Whether `plausible` outweighs the number of quotes.
    """
    _, first, own = np.unique(currency, return_index=True, return_inverse=True)
    side = np.cumsum(np.append(0, changes)) % 2
    is_other = side != side[first][own]  # not on the side of the currency's first quote
    count, others = np.bincount(own), np.bincount(own, is_other)
    order = np.bincount(own, np.where(is_other, -plausible, plausible))
    is_tie = 2 * others == count
    is_known = (np.abs(order) == count) & (is_tie | is_certain)  # all on one side are plausible, no others
    others_are_wrong = np.where(is_known, order > 0, 2 * others <= count)
    undecided = is_tie & ~is_known
    beside = np.append(changes, False) | np.append(False, changes)
    standing_out: Bools = beside & (is_other == others_are_wrong[own])
    return standing_out, undecided[own]


def inverse_currencies(evidence: Evidence) -> Iterator[Note]:
    """Yield a note on currencies whose quotes are plausible only if they are inverted."""
    rates = evidence.tables.get("rates")
    if rates is None:
        return
    found: dict[str, tuple[int, int]] = {}
    pairs = rates.columns["currency"].to_pylist(), rates.columns["base"].to_pylist()
    of_pair: dict[tuple[str, str], list[int]] = {}
    for row, pair in enumerate(zip(*pairs, strict=True)):
        of_pair.setdefault(pair, []).append(row)
    for (currency, base), rows in of_pair.items():
        known = _range(currency, base)
        if not known:
            continue
        low, high = known
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
            f"{currency} buys. A quote is the number of units of the currency per unit of the base.",
            "inverse_currencies",
            count=count,
            currencies=list(found),
        )


def _note(
    rates: CheckedTable,
    rows: Int64s,
    standing_out: Bools,
    undecided: Bools,
    words: tuple[str, str],
    other: str,
    kind: str,
) -> Iterator[Note]:
    found = np.flatnonzero(standing_out)
    if not len(found):
        return
    first, count = int(found[0]), len(found)
    before, day = (day_text(rates.columns["date"][rows[i]]) for i in (first - 1, first))
    or_else = f", or else the one on {before}" if undecided[first] else ""
    one, many = words
    yield Note(
        f"{rates.stored.origin}: {count:,} {f'quote {one}' if count == 1 else f'quotes {many}'} {other}"
        f"{':' if count == 1 else '; the first is'} "
        f"{shown(rates.columns['currency'][int(rows[first])].as_py())} on {day}{or_else}. A quote is the "
        "number of units of the currency per unit of the base.",
        kind,
        count=count,
    )
