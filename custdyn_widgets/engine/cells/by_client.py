"""A report's cells before they are summed over clients: each client's contribution to each row.

Converted amounts are exact fractions, and there may be millions of them. Each is therefore stored as its
remainders modulo two primes, which NumPy can add and multiply. Equal amounts have equal remainders; different
amounts have equal remainders with a probability of only 1 in 2**62.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import NamedTuple

import numpy as np

from custdyn_widgets.engine.cells.flows import FlowSums
from custdyn_widgets.engine.cells.grid import Grid, utc_dates
from custdyn_widgets.engine.cells.pieces import Piece, Span, parts
from custdyn_widgets.engine.cells.stocks import StockSums
from custdyn_widgets.mart import Facts, Int64s

_PRIMES = (2**31 - 1, 2**31 - 19)
_ROWS = 2**18  # the number of client rows in memory at a time
Factor = Callable[[int, date], tuple[int, int]]


class Contributions(NamedTuple):
    """The contributions of some clients to some rows; all-zero contributions are left out.

    Attributes
    ----------
    client, bucket, package_group
        int64[contributions]: the position of the client in the facts, and the row.
    values
        int64[contributions, values]: what the client adds to the row's cells.
    """

    client: Int64s
    bucket: Int64s
    package_group: Int64s
    values: Int64s


def client_contributions(
    facts: Facts, clients: Int64s, grid: Grid, factor: Factor
) -> Iterator[Contributions]:
    """Yield what each client adds to the cells of a report.

    Parameters
    ----------
    facts
        The facts of the source.
    clients
        Positions of the selected clients, int64, ascending.
    grid
        The rows of the report.
    factor
        A function that takes a currency code and a date and returns the value of one unit, as a numerator and
        denominator.
    """
    windows = np.maximum.accumulate(np.append(np.int64(grid.opening_window), grid.windows))
    grid = grid._replace(windows=windows[1:]).with_opening()
    own_group = np.zeros(facts.client_count, np.int64)
    most = max(1, _ROWS // (grid.bucket_count * grid.package_groups))
    for some in _of_one_currency(facts, clients, most):
        own_group[some] = np.arange(len(some))
        yield _contributions(
            facts, some, grid._replace(client_groups=len(some), client_group=own_group), factor
        )


def _of_one_currency(facts: Facts, clients: Int64s, most: int) -> Iterator[Int64s]:
    """Split the clients, which are sorted by currency, into pieces of one currency each."""
    starts = np.flatnonzero(np.diff(facts.currency[clients])) + 1
    for own in np.split(clients, starts):
        for low in range(0, len(own), most):
            yield own[low : low + most]


def _contributions(facts: Facts, clients: Int64s, grid: Grid, factor: Factor) -> Contributions:
    currency = int(facts.currency[clients[0]])
    flows, stocks = FlowSums(grid, currency), StockSums(grid)
    for span in parts(facts, Span.of(facts, clients, grid)):
        piece = Piece.of(facts, span, grid)
        stocks.add(piece, flows.add(piece))
    values = np.stack(
        [
            *_stock_values(stocks, grid, lambda on: factor(currency, on)),
            *_flow_values(flows, grid, lambda on: factor(currency, on)),
        ],
        axis=1,
    )
    has = np.flatnonzero(values.any(axis=1))
    bucket, group = np.divmod(has + grid.groups, grid.groups)
    client, package_group = np.divmod(group, grid.package_groups)
    return Contributions(clients[client], bucket - 1, package_group, values[has])


def _stock_values(
    stocks: StockSums, grid: Grid, factor: Callable[[date], tuple[int, int]]
) -> Iterator[Int64s]:
    """Yield the values of stocks and movement by row, for all buckets except the opening one."""
    counts, high, low = (both.sum(axis=1) for both in stocks.levels())  # level, group, bucket
    states = (counts * np.array([1, 2, 4])[:, None, None]).sum(axis=0).T  # alive, overall active, active
    balances = np.zeros((2, *states.shape), np.int64)
    for bucket, on in enumerate(utc_dates(grid.edges[1:] - 1)):
        balance = (high[0, :, bucket] << 32) + low[0, :, bucket]  # a single client's balance fits in an int64
        if balance.any():
            by = np.array(_remainders_of(factor(on)), np.int64)
            balances[:, bucket] = _remainders(balance >> 32, balance & (2**32 - 1), by)
    yield states[1:].ravel()
    yield from balances[:, 1:].reshape(2, -1)
    if stocks.movement:
        yield (states[:-1] & 4).ravel()
        yield from stocks.movement.counts().T
    if grid.balances:
        yield from balances[:, :-1].reshape(2, -1)


def _flow_values(flows: FlowSums, grid: Grid, factor: Callable[[date], tuple[int, int]]) -> Iterator[Int64s]:
    """Yield the values of flows by row, for all buckets except the opening one."""
    found, rows = flows.entries(), grid.bucket_count * grid.groups
    at = {c: np.flatnonzero(found.flow == c) for c in np.unique(found.flow).tolist()}
    of = {
        name: np.concatenate([at[c] for c in classes if c in at] or [np.zeros(0, np.int64)])
        for name, classes in {**found.counts, **found.sums}.items()
    }
    for name in found.counts:
        yield _sums(found.row[of[name]], found.count[of[name]], rows)[grid.groups :]
    valued = np.zeros(len(found.value_date), np.bool_)
    for name in found.sums:
        valued[found.segment[of[name]][(found.high[of[name]] != 0) | (found.low[of[name]] != 0)]] = True
    factors = np.zeros((len(_PRIMES), len(valued)), np.int64)
    for segment in np.flatnonzero(valued).tolist():
        factors[:, segment] = _remainders_of(factor(found.value_date[segment]))
    for name in found.sums:
        own = of[name]
        amounts = _remainders(found.high[own], found.low[own], factors[:, found.segment[own]])
        for prime, values in zip(_PRIMES, amounts, strict=True):
            yield _sums(found.row[own], values, rows)[grid.groups :] % prime


def _sums(rows: Int64s, values: Int64s, row_count: int) -> Int64s:
    sums = np.zeros(row_count, np.int64)
    np.add.at(sums, rows, values)
    return sums


def _remainders_of(factor: tuple[int, int]) -> list[int]:
    return [factor[0] * pow(factor[1] % prime or 1, -1, prime) % prime for prime in _PRIMES]


def _remainders(high: Int64s, low: Int64s, factors: Int64s) -> Int64s:
    """Return int64[primes, amounts]: the remainders of amounts (given as two halves) times factors."""
    found = [
        ((high % prime) * (2**32 % prime) + low) % prime * by % prime
        for prime, by in zip(_PRIMES, factors, strict=True)
    ]
    return np.stack(found)
