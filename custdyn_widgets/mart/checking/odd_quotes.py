"""Notes on quotes that differ so much from the next one for the same currency that they may be wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta

import numpy as np

from custdyn_widgets.errors import shown
from custdyn_widgets.mart.checking.checked import CheckedTable
from custdyn_widgets.mart.checking.notes import Note
from custdyn_widgets.mart.columns import Int64s

# Factors: an inverse is at most this far from the next quote, and the quote itself at least so far from it.
_SAME, _OTHER = 1.1, 1.2
_JUMP = 5.0


def odd_quotes(tables: Mapping[str, CheckedTable]) -> Iterator[Note]:
    """Note quotes that are about the inverse of the next quote for the currency, and other large jumps."""
    if "rates" not in tables:
        return
    rates = tables["rates"]
    known = ~(rates.blank["currency"] | rates.blank["date"] | rates.blank["units_per_base"])
    currency = rates.columns["currency"].dictionary_encode().indices.fill_null(-1).to_numpy()
    rows = np.lexsort((rates.columns["date"], currency))
    rows = rows[known[rows]]
    with np.errstate(all="ignore"):  # a quote may be too large or too small for a float
        quotes = np.array([float(rates.columns["units_per_base"][i]) for i in rows], np.float64)
        now, after = quotes[:-1], quotes[1:]
        inverse = (now * after < _SAME) & (now * after > 1 / _SAME)
        inverse &= (after > now * _OTHER) | (now > after * _OTHER)
        jump = ((after >= now * _JUMP) | (now >= after * _JUMP)) & ~inverse
    same = np.diff(currency[rows]) == 0
    yield from _note(
        rates,
        rows[:-1][inverse & same],
        ("is about the inverse", "are about the inverse"),
        "of the next quote for the currency",
        "inverse_quotes",
    )
    yield from _note(
        rates,
        rows[1:][jump & same],
        ("is at least five times", "are at least five times"),
        "the quote before it, or at most a fifth of it",
        "jumping_quotes",
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
        f"{rates.stored.origin}: {count:,} {f'quote {one}' if count == 1 else f'quotes {many}'} {other}, the "
        f"first {shown(rates.columns['currency'][first].as_py())} on {day}. A quote is the number of units "
        "of the currency for one unit of the base.",
        kind,
        count=count,
    )
