"""Which quote applies on a date, and the conversion rates derived from quotes.

An amount converts to amount × units_per_base(target) / units_per_base(own), with the latest quote of each
currency on or before the valuation date.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache

from custdyn_widgets.errors import RateError
from custdyn_widgets.mart import Names
from custdyn_widgets.report import Quote

Ratio = tuple[int, int]  # numerator and denominator, not reduced
_EPOCH = date(1970, 1, 1)


class Rates:
    """Conversion rates to one target currency, from a mart's quotes, with a record of the quotes used."""

    def __init__(self, names: Names, target: str) -> None:
        self._names = names
        self.target = target
        self._days = {c: [day for day, _ in quotes] for c, quotes in names.quotes.items()}
        self._used: dict[tuple[str, int], str] = {}
        self._factors: dict[tuple[str, date], Ratio] = {}

    def factor(self, currency: str, on: date) -> Ratio:
        """Return the value of one unit of a currency on a date, as a numerator and denominator.

        Raises
        ------
        RateError
            If there is no quote on or before the date.
        """
        if currency == self.target:
            return 1, 1
        known = self._factors.get((currency, on))
        if known is not None:
            return known
        target_units, target_parts = self._units_per_base(self.target, on)
        own_units, own_parts = self._units_per_base(currency, on)
        self._factors[currency, on] = target_units * own_parts, target_parts * own_units
        return self._factors[currency, on]

    def _units_per_base(self, currency: str, on: date) -> Ratio:
        if currency == self._names.base:
            return 1, 1
        day = (on - _EPOCH).days
        place = bisect_right(self._days.get(currency, []), day) - 1
        if place < 0:
            raise RateError.missing(currency, on.isoformat(), self.target)
        quoted_on, quote = self._names.quotes[currency][place]
        self._used[currency, quoted_on] = quote
        return _ratio(quote)

    def changes(self, currencies: Sequence[str], first: int, last: int) -> list[int]:
        """Return the days (since 1970) from `first` to `last` on which a currency's rate may change.

        They include every day before the currency's first quote, so that an error can name the exact date
        for which a quote is missing.
        """
        foreign = [c for c in currencies if c != self.target]
        quoted = [c for c in (*foreign, self.target) if c != self._names.base] if foreign else []
        days: set[int] = set()
        for currency in quoted:
            own = self._days.get(currency, [])
            days.update(own[bisect_left(own, first) : bisect_right(own, last)])
            days.update(range(first, min([*own[:1], last + 1])))
        return sorted(days)

    def used(self) -> tuple[Quote, ...]:
        """Return the quotes used so far, sorted by currency and date."""
        return tuple(
            _quote(currency, day, quote, self._names.base)
            for (currency, day), quote in sorted(self._used.items())
        )


@lru_cache(maxsize=2**16)  # the same quotes are needed repeatedly
def _quote(currency: str, day: int, quote: str, base: str) -> Quote:
    return Quote(currency, (_EPOCH + timedelta(days=day)).isoformat(), quote, base)


@lru_cache(maxsize=2**16)
def _ratio(quote: str) -> Ratio:
    return Decimal(quote).as_integer_ratio()
