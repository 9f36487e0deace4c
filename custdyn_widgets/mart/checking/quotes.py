"""Check that rates have one quote per currency and date, and a single base, quoted at 1."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from custdyn_widgets.mart.checking.checked import CheckedTable
from custdyn_widgets.mart.checking.fault_kinds import BASE_NOT_ONE, SECOND_BASE, SECOND_QUOTE
from custdyn_widgets.mart.checking.faults import Fault
from custdyn_widgets.text import cut_short, printable

_LONGEST_CODE = 20


def wrong_quotes(tables: Mapping[str, CheckedTable]) -> Iterator[Fault]:
    """Yield faults for duplicate quotes, second bases, and bases that are not quoted at 1."""
    if "rates" not in tables:
        return
    table = tables["rates"]
    currencies, bases = table.columns["currency"].to_pylist(), table.columns["base"].to_pylist()
    days: list[int] = table.columns["date"].tolist()
    seen: dict[tuple[str, int], list[int]] = {}
    for i, key in enumerate(zip(currencies, days, strict=True)):
        seen.setdefault(key, []).append(i)
    given = ~table.blank["date"] & ~table.blank["currency"]
    twice = [i for rows in seen.values() if len(rows) > 1 for i in rows if given[i]]
    for i in sorted(twice):
        yield table.fault(
            i, "date", SECOND_QUOTE, f"is a second quote for {_code(currencies[i])} on this date"
        )
    the_base = _main_base(currencies, bases, table.columns["units_per_base"])
    for i, base in enumerate(bases):
        if base and base != the_base:
            why = f"is a second base; the table's base is {_code(the_base)}"
            yield table.fault(i, "base", SECOND_BASE, why)
        if base and currencies[i] == the_base and table.columns["units_per_base"][i] != 1:
            why = f"is the quote for the base {_code(the_base)}, which must be 1"
            yield table.fault(i, "units_per_base", BASE_NOT_ONE, why)


def _code(currency: str | None) -> str:
    """Return a currency, which may be any string, as text that is safe to print in a message."""
    return printable(cut_short(currency or "", _LONGEST_CODE))


def _main_base(
    currencies: Sequence[str | None], bases: Sequence[str | None], quotes: Sequence[Decimal]
) -> str:
    """Return the most frequent base, or an empty string if there is none.

    Break ties in favour of a base that is quoted at 1, then of the first one in code point order.
    """
    counts = Counter(base for base in bases if base)
    ones = {c for c, base, quote in zip(currencies, bases, quotes, strict=True) if c == base and quote == 1}
    return min(counts, key=lambda base: (-counts[base], base not in ones, base), default="")
