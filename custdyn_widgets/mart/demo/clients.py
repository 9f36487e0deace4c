"""The demo operator and its clients, generated from a seed.

All random numbers come from integer arithmetic on the raw 64-bit words of the generator. NumPy guarantees
that this stream does not change, unlike the results of its distributions, so a seed produces the same clients
on every machine. Money is in units of 1/`UNIT` of the currency unit. Days, and times in seconds, are counted
from 1970-01-01.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]

UNIT = 10_000
DAY = 86_400
NEVER = 1_000_000  # a day later than the end of any demo
MONTHS = 36
CLIENTS, BASE = 3000, 620
CLIENT, RESELLER, CARD, SHOP = range(4)  # positions in query.CLIENT_TYPES
CURRENCIES = ("USD", "EUR", "GBP")
DIRECT = -1

# The companies and the positions of their parents (-1 for none), in three levels, with parents first.
COMPANIES = (
    ("Aldermoor Voice", -1), ("Castellan Networks", -1), ("Northlight Carrier Services", -1),
    ("Pontevale Telecom", -1), ("Saltmarsh Communications", -1),
    ("Aldermoor Retail", 0), ("Brackenfield Phones", 0), ("Castellan Business Lines", 1),
    ("Castellan Hosted PBX", 1), ("Fjordlinje Telefoni", 2), ("Hafenblick Voice", 2), ("Iberavoz", 3),
    ("Lagoa Telefonia", 3), ("Quillhaven Calls", 4), ("Tidewater Call Shops", 4),
    ("Brackenfield East", 6), ("Brackenfield West", 6), ("Castellan PBX Nord", 8), ("Castellan PBX Süd", 8),
    ("Hafenblick Altona", 10), ("Iberavoz Levante", 11), ("Iberavoz Norte", 11), ("Quillhaven Campus", 13),
    ("Tidewater Harbour", 14), ("Tidewater Station", 14), ("Aldermoor Online", 5),
)  # fmt: skip
LOST = (4, 13, 14, 22, 23, 24)  # the reseller that leaves: Saltmarsh Communications and its subsidiaries

# The packages: name, set-up fee, and fee per period before and after the price rise.
PACKAGES = (
    ("Starter 100", 0, 49_900, 59_900), ("Evening & Weekend", 0, 79_900, 94_900),
    ("World 300", 49_900, 129_900, 149_900), ("Europe Flat", 99_900, 199_900, 239_900),
    ("Office 5 Seats", 250_000, 490_000, 570_000), ("Office 25 Seats", 750_000, 1_790_000, 2_090_000),
    ("Call Centre Trunk", 1_200_000, 2_990_000, 3_490_000), ("Number Rental", 10_000, 25_000, 32_500),
)  # fmt: skip
_HOME_PACKAGES = np.array([0, 0, 0, 1, 1, 2, 2, 2, 3, 7], np.int64)
_OFFICE_PACKAGES = np.array([4, 4, 4, 4, 4, 5, 5, 6, 7, 7], np.int64)

OWNERS = (
    "a.keller", "b.osei", "c.lindqvist", "d.marchetti", "e.nowák", "f.haddad", "g.brandt", "h.ferreira",
    "i.sørensen", "j.whitlock",
)  # fmt: skip

# The relative number of sign-ups in each month from January; 1,000 is normal.
_JOINS = (1040, 1010, 1050, 1000, 960, 820, 640, 520, 1180, 1260, 1200, 1020)
# Average costs of usage rows, and daily probabilities of a usage row, in millionths.
_SPEND = np.array([9_000, 14_000, 18_000, 24_000, 30_000, 38_000, 50_000, 70_000], np.int64)
_CHANCE = np.array([35_000, 60_000, 80_000, 100_000, 115_000, 130_000, 160_000, 210_000], np.int64)
_REFILLS = np.array([5, 10, 10, 10, 20, 20, 25, 50], np.int64) * UNIT


class RandomStream:
    """A seeded stream of random integers."""

    def __init__(self, seed: int) -> None:
        self._source = np.random.PCG64(seed)

    def below(self, limit: int | Ints, count: int) -> Ints:
        """Return `count` integers in [0, limit), where the limit is at most 2³¹, each from one raw word."""
        raw = np.asarray(self._source.random_raw(count), np.uint64)
        return ((raw >> np.uint64(33)).astype(np.int64) * limit) >> 31

    def once_in(self, odds: int, count: int) -> Flags:
        """Return `count` flags, each true with a probability of 1 in `odds`."""
        flags: Flags = self.below(odds, count) == 0
        return flags

    def pick(self, table: Ints, count: int) -> Ints:
        """Return `count` entries of the table, drawn uniformly."""
        return table[self.below(len(table), count)]


@dataclass(frozen=True)
class Timeline:
    """The days of the ledger and its main events.

    Attributes
    ----------
    as_of
        The end of the ledger: every transaction is before this time.
    first, last
        The first and last days of the ledger, which starts on the first day of a month three years earlier.
    loss, rise
        The day on which the reseller leaves, 12 to 17 months before the end, and the day on which package
        prices rise, 3 to 6 months before the end.
    """

    as_of: int
    first: int
    last: int
    loss: int
    rise: int

    @classmethod
    def ending_at(cls, as_of: datetime) -> Timeline:
        """Return a timeline of three years and part of a month that ends at a datetime with an offset."""
        now = np.datetime64(as_of.replace(tzinfo=None), "s").astype(np.int64)
        month = np.datetime64(int(now), "s").astype("datetime64[M]").astype(np.int64)
        return cls(
            as_of=int(now),
            first=_first_day(int(month) - MONTHS),
            last=(int(now) - 1) // DAY,
            loss=_first_day(_month_outside(int(month) - 17, range(4, 9))),
            rise=_first_day(_month_outside(int(month) - 6, range(6, 9))),
        )

    @property
    def days(self) -> Ints:
        """The days of the ledger in order."""
        return np.arange(self.first, self.last + 1, dtype=np.int64)


def _month_outside(month: int, summer: range) -> int:
    """Return the month, or the first month after summer if the month is in summer.

    The summer dip in usage would hide an event.
    """
    while month % 12 in summer:
        month += 1
    return month


def _first_day(month: int) -> int:
    return int(np.datetime64(month, "M").astype("datetime64[D]").astype(np.int64))


def month_and_day(days: Ints) -> tuple[Ints, Ints]:
    """Return the month (0 to 11) and the day of the month (1 to 31) of each day."""
    dates = days.astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    return months.astype(np.int64) % 12, days - months.astype("datetime64[D]").astype(np.int64) + 1


@dataclass(frozen=True)
class Clients:
    """The attributes of the clients: arrays of equal length, in order of creation.

    `stops` is the last active day of a client, and `closes` is the day on which its account is closed; either
    may be `NEVER`. `refill` is the size of a top-up, or 0 if the client never tops up. `chance` is the daily
    probability of a usage row, in millionths. Campus clients are away between `rest_from` and `rest_to`,
    which are days of the year (31 × month + day, with months from 0). `package` is the position of the
    client's package, or -1.
    """

    kind: Ints
    company: Ints
    owner: Ints
    currency: Ints
    created: Ints
    stops: Ints
    closes: Ints
    opening: Ints
    spend: Ints
    chance: Ints
    refill: Ints
    office: Flags
    campus: Flags
    postpaid: Flags
    rest_from: Ints
    rest_to: Ints
    package: Ints
    package_from: Ints
    package_until: Ints
    bill_day: Ints

    @property
    def joined(self) -> Ints:
        """The day on which each client was created."""
        return self.created // DAY


def draw_clients(line: Timeline, rng: RandomStream) -> Clients:
    """Return the clients: first those who joined before the ledger starts, then those who joined later."""
    created = _created(line, rng)
    joined = created // DAY
    kind = _kinds(rng)
    company = _companies(joined, line, rng)
    home = kind == CLIENT
    office = (home & rng.once_in(6, CLIENTS)) | (kind == RESELLER)
    campus = home & ~office & rng.once_in(5, CLIENTS)
    stops, closes = _lifetimes(kind, company, joined, line, rng)
    postpaid = (kind == RESELLER) | (office & rng.once_in(3, CLIENTS))
    spend, chance = _habits(kind, office, rng)
    refill = _refills(kind, office, rng)
    started = np.maximum(joined, line.first)
    package_from = np.where(joined < line.first, joined, started + rng.below(75, CLIENTS))
    package, package_until = _subscriptions(kind, office, package_from, rng)
    idle = rng.once_in(33, CLIENTS) & (kind != RESELLER)
    return Clients(
        kind=kind,
        company=company,
        owner=np.where(company == DIRECT, rng.below(len(OWNERS), CLIENTS), company % len(OWNERS)),
        currency=np.searchsorted(np.array([68, 91], np.int64), rng.below(100, CLIENTS), side="right"),
        created=created,
        stops=stops,
        closes=closes,
        opening=_openings(kind, joined < line.first, postpaid, refill, rng) * ~idle,
        spend=spend,
        chance=chance * ~idle,
        refill=refill,
        office=office,
        campus=campus,
        postpaid=postpaid,
        rest_from=4 * 31 + 5 + rng.below(35, CLIENTS),
        rest_to=8 * 31 + 1 + rng.below(25, CLIENTS),
        package=np.where(idle, -1, package),
        package_from=package_from,
        package_until=package_until,
        bill_day=1 + rng.below(28, CLIENTS),
    )


def _created(line: Timeline, rng: RandomStream) -> Ints:
    """Return the sorted creation times; the rate of sign-ups doubles over the years and varies by season."""
    days = np.arange(line.first, line.last, dtype=np.int64)
    month, _ = month_and_day(days)
    rate = np.array(_JOINS, np.int64)[month]
    growth = np.cumsum(rate * (1000 + 1100 * (days - line.first) // len(days)) // 1000)
    before = line.first - 1 - rng.below(360, BASE)
    since = days[np.searchsorted(growth, rng.below(int(growth[-1]), CLIENTS - BASE), side="right")]
    joined = np.sort(np.concatenate([before, since]))
    return joined * DAY + 7 * 3600 + rng.below(14 * 3600, CLIENTS)


def _kinds(rng: RandomStream) -> Ints:
    kind = np.searchsorted(np.array([840, 865, 955], np.int64), rng.below(1000, CLIENTS), side="right")
    kind = kind.astype(np.int64)
    kind[: len(COMPANIES)] = RESELLER  # the oldest accounts belong to the companies themselves
    return kind


def _companies(joined: Ints, line: Timeline, rng: RandomStream) -> Ints:
    """Return each client's company; a company's own account belongs to its parent."""
    ours = np.setdiff1d(np.arange(len(COMPANIES), dtype=np.int64), LOST)
    roll = rng.below(100, CLIENTS)
    lost = rng.pick(np.array(LOST, np.int64), CLIENTS)
    company = np.where(roll < 30, DIRECT, np.where(roll < 62, lost, rng.pick(ours, CLIENTS)))
    company[: len(COMPANIES)] = [parent for _, parent in COMPANIES]
    return np.where(np.isin(company, LOST) & (joined >= line.loss - 30), DIRECT, company)


def _lifetimes(
    kind: Ints, company: Ints, joined: Ints, line: Timeline, rng: RandomStream
) -> tuple[Ints, Ints]:
    """Return the days on which clients stop and accounts close, individually or with their reseller."""
    started = np.maximum(joined, line.first)
    life = np.where(kind == CARD, 45 + rng.below(300, CLIENTS), 60 + rng.below(1100, CLIENTS))
    loyal = (rng.below(100, CLIENTS) < 46) & (kind != CARD)
    loyal[: len(COMPANIES)] = True
    stops = np.where(loyal, NEVER, started + life)
    leaves = np.isin(company, LOST)
    leaves[list(LOST)] = True
    stops = np.where(leaves, np.minimum(stops, line.loss - 3 + rng.below(6, CLIENTS)), stops)
    closing = np.where(leaves, rng.below(100, CLIENTS) < 60, rng.below(100, CLIENTS) < 40)
    return stops, np.where(closing & (stops < NEVER), stops + 1 + rng.below(45, CLIENTS), NEVER)


def _habits(kind: Ints, office: Flags, rng: RandomStream) -> tuple[Ints, Ints]:
    """Return each client's average cost per usage row and daily probability of a usage row."""
    factor = np.select([kind == RESELLER, kind == SHOP, office], [24, 9, 5], 1)
    often = np.select([kind == RESELLER, kind == SHOP, kind == CARD], [250, 180, 70], 100)
    return rng.pick(_SPEND, CLIENTS) * factor, rng.pick(_CHANCE, CLIENTS) * often // 100


def _refills(kind: Ints, office: Flags, rng: RandomStream) -> Ints:
    size = rng.pick(_REFILLS, CLIENTS)
    size = np.where(kind == SHOP, size * 10, np.where(office, size * 3, size))
    return np.where((kind == CARD) & ~rng.once_in(5, CLIENTS), 0, size)


def _subscriptions(kind: Ints, office: Flags, begins: Ints, rng: RandomStream) -> tuple[Ints, Ints]:
    """Return each client's package, or -1, and the last day of the subscription."""
    buys = (kind == CLIENT) & (rng.below(100, CLIENTS) < np.where(office, 70, 42))
    package = np.where(office, rng.pick(_OFFICE_PACKAGES, CLIENTS), rng.pick(_HOME_PACKAGES, CLIENTS))
    cancels = rng.once_in(4, CLIENTS)
    until = np.where(cancels, begins + 60 + rng.below(700, CLIENTS), NEVER)
    return np.where(buys, package, -1), until


def _openings(kind: Ints, old: Flags, postpaid: Flags, refill: Ints, rng: RandomStream) -> Ints:
    """Return the opening balances, which are 0 except for calling cards and clients older than the ledger."""
    card = rng.pick(np.array([5, 10, 10, 20], np.int64) * UNIT, CLIENTS)
    brought = refill * rng.below(100, CLIENTS) // 100 // 100 * 100
    owed = -(rng.below(60, CLIENTS) * UNIT)
    return np.where(kind == CARD, card, np.where(old, np.where(postpaid, owed, brought), 0))
