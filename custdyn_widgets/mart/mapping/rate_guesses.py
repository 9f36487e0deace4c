"""Guess exchange rates from quotes for pairs such as EURUSD, or for currencies against a base."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from custdyn_widgets.errors import shown
from custdyn_widgets.mart.mapping.choices import Choice, TableGuess, by_heading, pick, time_by_heading
from custdyn_widgets.mart.mapping.profiles import Column
from custdyn_widgets.mart.mapping.words import TABLES, meaning

_PAIR = re.compile(r"([A-Z]{3})[ /_:-]?([A-Z]{3})", re.ASCII)


def guess_rates(tables: Mapping[str, Sequence[Column]]) -> list[TableGuess]:
    """Return the SELECTs for exchange rates against the most common base."""
    found = [guess for name, columns in tables.items() for guess in _rates(name, columns)]
    bases = Counter(choice.sql for guess in found for choice in guess.choices if choice.column == "base")
    base = bases.most_common(1)[0][0] if bases else ""
    return [guess for guess in found if any(choice.sql == base for choice in guess.choices)]


def _rates(name: str, columns: Sequence[Column]) -> list[TableGuess]:
    date = pick([c for c in columns if c.is_time], "date", lambda c: c.is_time)
    if date is None:
        return []
    numbers = [c for c in columns if c.is_number]
    wide = [(c, pair) for c in numbers if (pair := _pair(c.name))]
    if wide:  # a column for each pair
        return [_of_pair(name, date, c, pair, f"the heading {shown(c.name)}") for c, pair in wide]
    rate = pick(numbers, "units_per_base", lambda c: c.is_number)
    if rate is None:
        return []
    pairs = pick(columns, "pair", lambda c: all(map(_pair, c.values)) and bool(c.values))
    if pairs:
        return _of_pairs(name, date, rate, pairs)
    if pair := _pair(name.upper()):
        return [_of_pair(name, date, rate, pair, f"the name {shown(name)}")]
    return _of_currencies(name, columns, date, rate)


def _pair(text: str) -> tuple[str, str] | None:
    """Return the two currencies of a pair such as EURUSD (the price of one euro in dollars), or None."""
    from babel.numbers import list_currencies  # imported late: rarely needed

    match = _PAIR.fullmatch(text)
    known = match and {match[1], match[2]} <= list_currencies()
    return (match[1], match[2]) if match and known else None


def _date(column: Column) -> Choice:
    choice = time_by_heading("date", column)
    return replace(choice, sql=column.syntax.date(choice.sql, has_clock=column.has_clock))


def _of_pair(name: str, date: Column, rate: Column, pair: tuple[str, str], why: str) -> TableGuess:
    base, currency = pair
    return TableGuess(
        "rates",
        name,
        (
            Choice("currency", f"'{currency}'", "sure", why),
            _date(date),
            Choice("units_per_base", rate.as_number, "likely", f"{currency} for 1 {base}"),
            Choice("base", f"'{base}'", "sure", why),
        ),
    )


def _of_pairs(name: str, date: Column, rate: Column, pairs: Column) -> list[TableGuess]:
    """Return the SELECT for the pairs that share the most common first currency."""
    found = [pair for value in pairs.values if (pair := _pair(value))]
    base = Counter(first for first, _ in found).most_common(1)[0][0]
    values = sorted({v for v in pairs.values if (pair := _pair(v)) and pair[0] == base})
    others = sorted({v for v in pairs.values if v not in values})
    why = f"the values of {shown(pairs.name)}"
    if others:
        why += f"; left out because their base differs: {', '.join(map(shown, others))}"
    named = ", ".join(map(pairs.syntax.literal, values))
    return [
        TableGuess(
            "rates",
            name,
            (
                Choice("currency", f"right({pairs.sql}, 3)", "please check" if others else "sure", why),
                _date(date),
                Choice("units_per_base", rate.as_number, "likely", f"units for 1 {base}"),
                Choice("base", f"'{base}'", "sure", why),
            ),
            f"{pairs.sql} IN ({named})",
        )
    ]


def _of_currencies(name: str, columns: Sequence[Column], date: Column, rate: Column) -> list[TableGuess]:
    """Return the SELECT for currency quotes, if the base is known."""
    currency = pick(columns, "currency", lambda c: all(len(v) == 3 and v.isupper() for v in c.values))
    if currency is None or meaning(name, {"rates": TABLES["rates"]}) is None:
        return []
    base = pick((c for c in columns if c is not currency), "base", lambda c: all(map(str.isupper, c.values)))
    ones = {c for c, r in zip(currency.cells, rate.cells, strict=True) if r and r.strip("0.,") == "1"}
    if base:
        chosen = by_heading("base", base)
    elif len(ones) == 1:
        one = ones.pop()
        chosen = Choice("base", f"'{one}'", "likely", f"its quotes in {shown(rate.name)} are 1")
    else:
        return []
    number = Choice(
        "units_per_base", rate.as_number, "please check", "units of the currency for 1 unit of the base"
    )
    return [TableGuess("rates", name, (by_heading("currency", currency), _date(date), number, chosen))]
