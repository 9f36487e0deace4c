"""Pieces of the ledger, each with a limited number of rows of clients that share a currency."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from custdyn_widgets.engine.cells.grid import Grid
from custdyn_widgets.mart import NEVER, Facts, Int64s, Packages, Times

PIECE_ROWS = 2**18


class Span(NamedTuple):
    """Ranges of the ledger rows that a report reads: `begin:end` for each selected client.

    The rows within the report are `inside:end`. Earlier rows are usually not read, because the row before
    `inside` has their running sum. Only package rows need them, to find all packages in which a client has
    had transactions.
    """

    clients: Int64s
    begin: Int64s
    inside: Int64s
    end: Int64s

    @classmethod
    def of(cls, facts: Facts, clients: Int64s, grid: Grid) -> Span:
        """Find the ledger rows that a report needs from the selected clients."""
        inside = first_row_at(facts, clients, int(grid.edges[0]))
        end = first_row_at(facts, clients, int(grid.edges[-1]))
        return cls(clients, facts.offset[clients] if grid.by_package else inside, inside, end)

    def part(self, low: int, high: int) -> Span:
        """Return the span of some of the clients."""
        return Span(*(of_clients[low:high] for of_clients in self))


@dataclass(frozen=True, eq=False)
class Piece:
    """A set of clients that share a currency, with their rows.

    Attributes
    ----------
    currency
        The code of the clients' currency.
    count
        The number of rows of each client in the piece.
    time, running, flow, package
        Values of each row, as in the facts. `package` is None if no sum depends on it.
    exists, closed, opening
        Values of each client, as in the facts.
    client_group
        The group of each client; None for a single group.
    running_before, paid_before
        The running sum and last paid use of each client before its first row in the piece.
    base
        The amount to add to each client's running sum to get its balance.
    first_paid
        Each client's first paid use (see `first_paid_use`); None if no sum depends on it.
    """

    currency: int
    count: Int64s
    time: Times
    running: Int64s
    flow: npt.NDArray[np.uint8]
    package: Packages | None
    exists: Int64s
    closed: Int64s
    opening: Int64s
    client_group: Int64s | None
    running_before: Int64s
    paid_before: Times
    base: Int64s
    first_paid: Int64s | None
    _paid_at: Times
    _rows: slice | Int64s

    @classmethod
    def of(cls, facts: Facts, span: Span, grid: Grid) -> Piece:
        """Return the piece for a span of clients that share a currency."""
        count = span.end - span.begin
        rows = rows_of(span.begin, count)
        first = facts.offset[span.clients]
        never = np.iinfo(facts.paid_at.dtype).min
        history = span.begin > first
        return cls(
            currency=int(facts.currency[span.clients[0]]),
            count=count,
            time=_of_rows(facts.time, rows),
            running=_of_rows(facts.running, rows),
            flow=_of_rows(facts.flow, rows),
            package=_of_rows(facts.package, rows) if grid.needs_packages else None,
            exists=facts.exists[span.clients],
            closed=facts.closed[span.clients],
            opening=facts.opening[span.clients],
            client_group=None if grid.client_group is None else grid.client_group[span.clients],
            running_before=values_before(facts.running, span.begin, 0),
            paid_before=values_before(facts.paid_at, np.where(history, span.begin, 0), never),
            base=facts.opening[span.clients]
            - values_before(facts.running, first, 0),  # may overflow, like the running sums
            first_paid=first_paid_use(facts, span.clients) if grid.movement else None,
            _paid_at=facts.paid_at,
            _rows=rows,
        )

    @property
    def end(self) -> Int64s:
        """The position in the piece where each client's rows end."""
        return np.cumsum(self.count)

    def amount(self) -> Int64s:
        """Return the amount of each row."""
        amount = np.empty_like(self.running)
        np.subtract(self.running[1:], self.running[:-1], out=amount[1:])
        some = self.count > 0
        first = (self.end - self.count)[some]
        amount[first] = self.running[first] - self.running_before[some]
        return amount

    def paid_at(self, at: Int64s) -> Times:
        """Return the client's last paid use as of each of the given rows of the piece."""
        rows = self._rows
        if isinstance(rows, slice):
            return self._paid_at[rows].take(at, mode="clip")
        return self._paid_at.take(rows.take(at, mode="clip"), mode="clip")


def parts(facts: Facts, span: Span) -> list[Span]:
    """Split a span into parts that each have one currency and a limited number of rows."""
    ends = np.cumsum(span.end - span.begin)
    currency = facts.currency[span.clients]
    of_currency = np.searchsorted(currency, np.unique(currency), "right")  # clients are sorted by currency
    found, low = [], 0
    while low < len(span.clients):
        before = int(ends[low - 1]) if low else 0
        high = int(np.searchsorted(ends, before + PIECE_ROWS, "right"))
        high = min(high, low + PIECE_ROWS, int(of_currency[np.searchsorted(of_currency, low, "right")]))
        high = max(high, low + 1)
        found.append(span.part(low, high))
        low = high
    return found


def _of_rows(values: Any, rows: slice | Int64s) -> Any:
    """Return the values at the given positions without bounds checks, which would double the time."""
    return values[rows] if isinstance(rows, slice) else values.take(rows, mode="clip")


def values_before(values: npt.NDArray[Any], rows: Int64s, nothing: int) -> npt.NDArray[Any]:
    """Return the value before each row, or `nothing` for the first row."""
    found = np.full(len(rows), nothing, values.dtype)
    some = rows > 0
    found[some] = values[rows[some] - 1]
    return found


def rows_of(begin: Int64s, count: Int64s) -> slice | Int64s:
    """Return the positions of the clients' rows, as a slice if they are adjacent, to avoid copies."""
    total = int(count.sum())
    some = np.flatnonzero(count)
    if not len(some) or int(begin[some[-1]] + count[some[-1]] - begin[some[0]]) == total:
        start = int(begin[some[0]]) if len(some) else 0
        return slice(start, start + total)
    rows: Int64s = np.arange(total) + np.repeat(begin - np.cumsum(count) + count, count)
    return rows


def first_row_at(facts: Facts, clients: Int64s, instant: int) -> Int64s:
    """Return each client's first row at or after a time, or the end of its rows."""
    return _first_row(facts, clients, facts.time, instant)


def transactions_within(
    facts: Facts, clients: Int64s, start: int, end: int
) -> tuple[int, int | None, int | None]:
    """Return how many transactions are before `end`, and the times of the first and last since `start`."""
    found = [own for _, own in facts.each(partial(_transactions_within, start=start, end=end), clients)]
    return (
        sum(count for count, _, _ in found),
        min((first for _, first, _ in found if first is not None), default=None),
        max((last for _, _, last in found if last is not None), default=None),
    )


def _transactions_within(
    facts: Facts, clients: Int64s, *, start: int, end: int
) -> tuple[int, int | None, int | None]:
    first, after = first_row_at(facts, clients, start), first_row_at(facts, clients, end)
    some = np.flatnonzero(first < after)
    count = int((after - facts.offset[clients]).sum())
    if not len(some):
        return count, None, None
    return count, int(facts.time[first[some]].min()), int(facts.time[after[some] - 1].max())


def first_paid_use(facts: Facts, clients: Int64s) -> Int64s:
    """Return the time of each client's first paid use, or `NEVER`."""
    row = _first_row(facts, clients, facts.paid_at, int(np.iinfo(facts.paid_at.dtype).min) + 1)
    first = np.full(len(clients), NEVER)
    some = row < facts.offset[clients + 1]
    first[some] = facts.time[row[some]]
    return first


def _first_row(facts: Facts, clients: Int64s, values: Times, least: int) -> Int64s:
    """Return each client's first row with at least this value, or the end of its rows.

    `values` are ascending within each client's rows, so one bisection covers all clients.
    """
    low, high = facts.offset[clients], facts.offset[clients + 1]
    some = np.flatnonzero(low < high)
    low[some] = np.where(values[high[some] - 1] < least, high[some], low[some])
    some = some[low[some] < high[some]]
    some = some[values[low[some]] < least]
    left, right = low[some] + 1, high[some] - 1  # the last row's value is at least `least`
    while (left < right).any():
        middle = (left + right) >> 1
        below = values[middle] < least  # false where a client's bisection has ended
        left, right = np.where(below, middle + 1, left), np.where(below, right, middle)
    low[some] = left
    return low
