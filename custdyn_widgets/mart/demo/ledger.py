"""The ledger of the demo operator, generated day by day.

Each day starts with the billing run, in which postpaid clients pay, and packages are activated and renewed.
Then clients make calls, and some accounts are closed. Balances are tracked: prepaid clients top up when their
credit runs low, and they cannot make calls without credit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from custdyn_widgets.mart.demo.clients import (
    DAY,
    PACKAGES,
    UNIT,
    Clients,
    Flags,
    Ints,
    RandomStream,
    Timeline,
    month_and_day,
)
from custdyn_widgets.mart.schema import KINDS

REFILL, USAGE, ACTIVATION, RENEWAL, OTHER = range(len(KINDS))

# Relative usage in each month from January and on each weekday from Monday; 100 is normal.
_SEASON = (101, 100, 102, 101, 99, 92, 77, 58, 98, 105, 108, 114)
_WEEK = (107, 109, 109, 108, 110, 84, 73)
# The hours in which calls are made; hours listed twice are twice as likely.
_HOURS = np.array(
    [7, 8, 9, 9, 10, 10, 11, 11, 12, 13, 14, 14, 15, 15, 16, 16, 17, 17, 18, 18, 19, 19, 20, 20, 21, 22],
    np.int64,
)
_SETUP = np.array([setup for _, setup, _, _ in PACKAGES], np.int64)
_FEES = np.array([[before, after] for _, _, before, after in PACKAGES], np.int64)


@dataclass(frozen=True)
class DemoLedger:
    """The ledger as arrays of equal length, sorted by time; `package` is -1 if there is none."""

    client: Ints
    at: Ints
    kind: Ints
    amount: Ints
    package: Ints


def draw_ledger(clients: Clients, line: Timeline, rng: RandomStream) -> DemoLedger:
    """Return all transactions from the first day of the timeline up to its end."""
    book = _Book(clients, line, rng)
    days = line.days
    for day, month, date in zip(days.tolist(), *(a.tolist() for a in month_and_day(days)), strict=True):
        present = book.present(day, month, date)
        book.run_bills(day, np.nonzero(present & (clients.bill_day == date))[0])
        book.take_calls(day, present, _SEASON[month] * _WEEK[(day + 3) % 7])
        book.close_accounts(day)
    return book.rows()


class _Book:
    """The current balances and the rows posted so far."""

    def __init__(self, clients: Clients, line: Timeline, rng: RandomStream) -> None:
        self._clients, self._line, self._rng = clients, line, rng
        self._balance = clients.opening.copy()
        self._subscribed = (clients.package >= 0) & (clients.joined < line.first)
        self._posted: list[tuple[Ints, Ints, Ints, Ints, Ints]] = []

    def present(self, day: int, month: int, date: int) -> Flags:
        """Return a mask of the clients who have joined, have not stopped, and are not away for the summer."""
        who = self._clients
        turn = month * 31 + date
        away = who.campus & (who.rest_from <= turn) & (turn < who.rest_to)
        return (who.joined < day) & (day <= who.stops) & ~away

    def run_bills(self, day: int, due: Ints) -> None:
        """Post a day's payments from postpaid clients, then activate and renew packages."""
        who, rng = self._clients, self._rng
        owing = due[who.postpaid[due] & (self._balance[due] < -5 * UNIT)]
        owing = owing[~rng.once_in(14, len(owing))]
        cents = -self._balance[owing] // 100 * 100
        self._post(owing, day * DAY + 600 + rng.below(9000, len(owing)), REFILL, cents)
        holds = (who.package[due] >= 0) & (who.package_from[due] <= day) & (day <= who.package_until[due])
        self._renew(day, due[holds])

    def _renew(self, day: int, due: Ints) -> None:
        who, rng = self._clients, self._rng
        package = who.package[due]
        fee = _FEES[package, int(day >= self._line.rise)]
        setup = np.where(self._subscribed[due], 0, _SETUP[package])
        at = day * DAY + 3 * 3600 + rng.below(7000, len(due))
        self._top_up(due, at - 1200, fee + setup, self._balance[due] < fee + setup)
        new = ~self._subscribed[due]
        self._subscribed[due] = True
        self._post(due[new], at[new], ACTIVATION, -setup[new], package[new])
        self._post(due, at + 1, RENEWAL, -fee, package)
        taxed = who.postpaid[due] & (who.currency[due] > 0)
        self._post(due[taxed], at[taxed] + 2, OTHER, -fee[taxed] // 5)
        back = rng.once_in(90, len(due))
        self._post(due[back], at[back] + 1800, RENEWAL, fee[back], package[back])

    def take_calls(self, day: int, present: Flags, level: int) -> None:
        """Post a day's usage and the top-ups that it requires."""
        who, rng = self._clients, self._rng
        calls = rng.below(1_000_000, len(present)) < who.chance * level // 10_000
        idx = np.nonzero(present & calls)[0]
        cost = who.spend[idx] * (60 + rng.below(200, len(idx)) + rng.below(200, len(idx))) // 260
        at = day * DAY + rng.pick(_HOURS, len(idx)) * 3600 + rng.below(3600, len(idx))
        low = self._balance[idx] < cost + who.refill[idx] // 10
        self._top_up(idx, at - 60 - rng.below(900, len(idx)), cost, low & ~rng.once_in(8, len(idx)))
        able = who.postpaid[idx] | (self._balance[idx] > 0)
        idx, cost, at = idx[able], cost[able], at[able]
        self._post(idx, at, USAGE, -cost)
        back = rng.once_in(400, len(idx))
        self._post(idx[back], at[back] + 900, USAGE, cost[back])

    def _top_up(self, idx: Ints, at: Ints, need: Ints, wanted: Flags) -> None:
        """Refill prepaid accounts by multiples of their usual top-up, with some bonuses and reversals."""
        who, rng = self._clients, self._rng
        wanted = wanted & ~who.postpaid[idx] & (who.refill[idx] > 0)
        idx, at, need = idx[wanted], at[wanted], need[wanted]
        size = who.refill[idx]
        short = np.maximum(need - self._balance[idx], 1)
        paid = size * (-(-short // size) + rng.once_in(5, len(idx)))
        self._post(idx, at, REFILL, paid)
        bonus = rng.once_in(25, len(idx))
        self._post(idx[bonus], at[bonus] + 1, OTHER, paid[bonus] // 10)
        bounced = rng.once_in(700, len(idx))
        self._post(idx[bounced], at[bounced] + 40, OTHER, -paid[bounced])

    def close_accounts(self, day: int) -> None:
        """Pay out the balances of half of the clients whose accounts close on a given day."""
        idx = np.nonzero(self._clients.closes == day)[0]
        idx = idx[(self._balance[idx] > 0) & self._rng.once_in(2, len(idx))]
        self._post(idx, closing_instant(self._clients.closes[idx]) - 60, OTHER, -self._balance[idx])

    def _post(self, idx: Ints, at: Ints, kind: int, amount: Ints, package: Ints | None = None) -> None:
        """Post one row for each of the given distinct clients, and update their balances."""
        self._balance[idx] += amount
        none = np.full(len(idx), -1, np.int64)
        self._posted.append(
            (idx, at, np.full(len(idx), kind, np.int64), amount, none if package is None else package)
        )

    def rows(self) -> DemoLedger:
        """Return the posted rows with times before the end of the timeline, sorted by time."""
        client, at, kind, amount, package = (
            np.concatenate(column) for column in zip(*self._posted, strict=True)
        )
        order = np.argsort(at, kind="stable")
        order = order[at[order] < self._line.as_of]
        return DemoLedger(client[order], at[order], kind[order], amount[order], package[order])


def closing_instant(day: Ints) -> Ints:
    """Return the time at which accounts are closed on a day: the start of its last minute."""
    return day * DAY + 23 * 3600 + 59 * 60
