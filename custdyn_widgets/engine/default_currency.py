"""The currency of a report, and the default currency of the data."""

from __future__ import annotations

from custdyn_widgets.errors import QueryError, nearest
from custdyn_widgets.mart import Names


def target_currency(names: Names, asked: str | None) -> str:
    """Return the currency of a report: the query's, or else a default from the data.

    Raises
    ------
    QueryError
        If the query's currency is neither in the data nor in ISO 4217, or if there is no default.
    """
    if asked is not None:
        present = sorted({*names.currencies, *names.quotes, *([names.base] if names.base else [])})
        if asked not in present and asked not in _iso_currencies():
            raise QueryError.not_allowed("currency", asked, nearest(asked, present) or present)
        return asked
    if "USD" in (names.base, *names.quotes) or names.currencies == ("USD",):
        return "USD"
    if names.base:
        return names.base
    if len(names.currencies) == 1:
        return names.currencies[0]
    raise QueryError.missing(
        "currency", f"the data has no rates, and its currencies are {', '.join(names.currencies) or '(none)'}"
    )


def _iso_currencies() -> frozenset[str]:
    from babel.core import get_global  # imported late because it reads a 700 kB file

    return frozenset(get_global("all_currencies"))
