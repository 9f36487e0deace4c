"""From a peer's exact sums to the table: conversion in exact fractions, rounded once, half-even, to 6 places.

The peers share this last step (a few thousand sums); the product has its own.
"""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from .question import CURRENCY, LEVELS, Question

EPOCH = date(1970, 1, 1)
Fraction = tuple[int, int]  # numerator, denominator > 0; not reduced
Cell = int | Fraction | None  # before it is rounded; None: an average over nothing
Table = list[list[str]]  # a label and 21 values a row, the Total last; an average over nothing is ""
ZERO: Fraction = (0, 1)

HEADINGS = (
    *(
        f"Clients - {level}: {label}"
        for level in LEVELS
        for label in ("Qty", "Balance Pos", "Balance Neg", "Balance")
    ),
    "Balance Refill: Qty", "Balance Refill: Total", "Balance Refill: Avg",
    "Pay As You Go: Total", "Pay As You Go: Active Avg",
    "Packages: Activation Qty", "Packages: Activation Total", "Packages: Renew Qty", "Packages: Renew Total",
)  # fmt: skip


@dataclass(frozen=True)
class Flow:
    """What happened in a bucket in one currency on one UTC date; millionths, signs as in the ledger."""

    bucket: int
    currency: str
    day: date
    refills: int
    refilled: int
    used: int
    activations: int
    activated: int
    renewals: int
    renewed: int


@dataclass(frozen=True)
class Stock:
    """The clients of one currency and level (a position in `LEVELS`) at a bucket's end; millionths."""

    bucket: int
    currency: str
    level: int
    clients: int
    positive: int
    negative: int


def day_number(day: date) -> int:
    """Return how many days after the epoch this is."""
    return (day - EPOCH).days


def flows(question: Question, rows: Iterable[tuple[str, int, str, bool, int, int]]) -> Iterator[Flow]:
    """Yield the flows of sums by currency, day, kind and whether the amounts are above 0.

    A row has these four, how many there are and their sum.
    """
    edges = [day_number(edge) for edge in question.edges]
    for currency, day, kind, rising, count, amount in rows:
        refill, activation, renewal = (kind == k for k in ("refill", "package_activation", "package_renewal"))
        yield Flow(
            bucket=bisect.bisect_right(edges, day) - 1,
            currency=currency,
            day=EPOCH + timedelta(day),
            refills=count * (refill and rising),
            refilled=amount * (refill and rising),
            used=amount * (kind == "usage"),
            activations=count * (activation and not rising),
            activated=amount * activation,
            renewals=count * (renewal and not rising),
            renewed=amount * renewal,
        )


Sums = tuple[int, int, int]  # clients, positive and negative balances


def stocks(
    question: Question, currencies: Sequence[str], moves: Mapping[tuple[int, str, int], Sums]
) -> Iterator[Stock]:
    """Yield the stocks of how they change, by level, currency and bucket; a change that is not there is 0."""
    for level in range(len(LEVELS)):
        for currency in currencies:
            held = (0, 0, 0)
            for bucket in range(len(question.labels)):
                count, positive, negative = moves.get((level, currency, bucket), (0, 0, 0))
                held = (held[0] + count, held[1] + positive, held[2] + negative)
                yield Stock(bucket, currency, level, *held)


class Quotes:
    """The quotes of a mart: for a currency and day, the latest dated on or before that day."""

    def __init__(self, rows: Iterable[tuple[str, date, Decimal]]) -> None:
        self._dates: dict[str, list[date]] = defaultdict(list)
        self._units: dict[str, list[int]] = defaultdict(list)
        for currency, day, units in sorted(rows):
            self._dates[currency].append(day)
            self._units[currency].append(int(units.scaleb(6)))

    def units(self, currency: str, day: date) -> int:
        """Return the quote in millionths; an IndexError says that there is none."""
        position = bisect.bisect_right(self._dates[currency], day)
        if not position:
            raise IndexError(f"no quote of {currency} on {day}")
        return self._units[currency][position - 1]

    def convert(self, millionths: int, currency: str, day: date) -> Fraction:
        """Return an amount in the report's currency."""
        if currency == CURRENCY or not millionths:
            return (millionths, 10**6)
        return (millionths * self.units(CURRENCY, day), 10**6 * self.units(currency, day))


def fraction_sum(terms: list[Fraction]) -> Fraction:
    """Return the exact sum, added pairwise so that the long denominators are few."""
    while len(terms) > 1:
        pairs = zip(terms[::2], terms[1::2], strict=False)
        odd = terms[-1:] if len(terms) % 2 else []
        terms = [(a + c, b) if b == d else (a * d + c * b, b * d) for (a, b), (c, d) in pairs] + odd
    return terms[0] if terms else ZERO


def money(value: Fraction) -> str:
    """Return the value with 6 places, rounded half-even."""
    numerator, denominator = value
    whole, rest = divmod(abs(numerator) * 10**6, denominator)
    whole += (2 * rest, whole % 2) > (denominator, 0)
    sign = "-" if numerator < 0 and whole else ""
    return f"{sign}{whole // 10**6}.{whole % 10**6:06}"


def table(question: Question, quotes: Quotes, flows: Iterable[Flow], stocks: Iterable[Stock]) -> Table:
    """Return the rows of the report and its Total."""
    return [[label, *map(shown, cells)] for label, cells in exact_rows(question, quotes, flows, stocks)]


def shown(cell: Cell) -> str:
    """Return a cell's text: a count, money, or nothing."""
    return "" if cell is None else money(cell) if isinstance(cell, tuple) else str(cell)


def exact_rows(
    question: Question, quotes: Quotes, flows: Iterable[Flow], stocks: Iterable[Stock]
) -> list[tuple[str, list[Cell]]]:
    """Return the labels and cells of the report's rows and its Total.

    The Total is the ungrouped query's row: its stocks are those of the last bucket, whose end and
    window it shares.
    """
    flow_terms: dict[int, list[list[Fraction]]] = defaultdict(lambda: [[] for _ in range(4)])
    counts: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0])
    for f in flows:
        for terms, amount in zip(
            flow_terms[f.bucket], (f.refilled, f.used, f.activated, f.renewed), strict=True
        ):
            terms.append(quotes.convert(amount, f.currency, f.day))
        counts[f.bucket] = [
            a + b for a, b in zip(counts[f.bucket], (f.refills, f.activations, f.renewals), strict=True)
        ]
    stock_terms: dict[tuple[int, int], list[Stock]] = defaultdict(list)
    for s in stocks:
        stock_terms[s.bucket, s.level].append(s)
    rows: list[tuple[str, list[Cell]]] = []
    totals, every = [], range(len(question.labels))
    for bucket, label in enumerate(question.labels):
        sums = [fraction_sum(terms) for terms in flow_terms[bucket]]
        totals.append(sums)
        held = stock_cells(
            quotes, question.edges[bucket + 1] - timedelta(1), [stock_terms[bucket, k] for k in range(3)]
        )
        rows.append((label, [*held, *flow_cells(held[0], sums, counts[bucket])]))
    sums = [fraction_sum([t[k] for t in totals]) for k in range(4)]
    together = [sum(counts[b][k] for b in every) for k in range(3)]
    held = rows[-1][1][:12]
    return [*rows, ("Total", [*held, *flow_cells(held[0], sums, together)])]


def stock_cells(quotes: Quotes, day: date, levels: list[list[Stock]]) -> list[Cell]:
    """Return clients and balances of each level, converted at a day's quotes."""
    cells: list[Cell] = []
    for level in levels:
        positive = fraction_sum([quotes.convert(s.positive, s.currency, day) for s in level])
        negative = fraction_sum([quotes.convert(s.negative, s.currency, day) for s in level])
        both = fraction_sum([positive, negative])
        cells += [sum(s.clients for s in level), positive, negative, both]
    return cells


def flow_cells(active: Cell, sums: list[Fraction], counts: list[int]) -> list[Cell]:
    """Return refills, usage and packages of their sums and counts, and of how many clients are active."""
    (refilled, used, activated, renewed), (refills, activations, renewals) = sums, counts
    return [
        refills, refilled, quotient(refilled, refills),
        minus(used), quotient(minus(used), active if isinstance(active, int) else 0),
        activations, minus(activated), renewals, minus(renewed),
    ]  # fmt: skip


def minus(value: Fraction) -> Fraction:
    """Return the value with the other sign."""
    return (-value[0], value[1])


def quotient(value: Fraction, count: int) -> Cell:
    """Return the value over a count; None over nothing."""
    return (value[0], value[1] * count) if count else None
