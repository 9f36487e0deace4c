"""Sections 7 to 10 of the specification, computed as slowly and as obviously as the rest of the oracle.

dynamics(mart, query, as_of) -> Dynamics      the table: columns, groups by attributes, comparison
cohort_triangle(mart, query, as_of)           the retention triangle, as a table of texts
clients_behind(mart, query, as_of, row)       the clients of a row, as a table of texts
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from tests import oracle
from tests.oracle import PAID, Client, Mart, NoAnswer, Transaction, Value, resolve

MOVEMENT = ("Opening", "New", "Reactivated", "Lapsed", "Closed", "Closing", "First Use", "Churn Rate")
BALANCES = ("Opening", "Joined", "Refills", "Usage", "Packages", "Other", "Left", "Exchange", "Closing")
GROUPS = {
    "active": oracle.COLUMNS[0:4],
    "overall_active": oracle.COLUMNS[4:8],
    "all": oracle.COLUMNS[8:12],
    "refill": oracle.COLUMNS[12:15],
    "payg": oracle.COLUMNS[15:17],
    "packages": oracle.COLUMNS[17:21],
    "movement": tuple(f"Clients - Movement: {name}" for name in MOVEMENT),
    "balances": tuple(f"Balance Movement: {name}" for name in BALANCES),
}
ATTRIBUTES = {
    "company": "Company",
    "owner_user": "Owner User",
    "client_type": "Client Type",
    "currency": "Currency",
    "cohort": "Cohort",
}
MONTHS_BACK = {"previous_month": 1, "previous_quarter": 3, "previous_year": 12}
DAYS_BACK = {"previous_day": 1, "previous_week": 7}
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Stretch:
    """A row's [a, e) with the wall times that begin and end it, and the one that ends the window at a."""

    label: str
    a: datetime
    e: datetime
    begin_wall: datetime
    end_wall: datetime
    opening_wall: datetime


@dataclass(frozen=True)
class Part:
    """What a row is of: its label, its clients, its transactions, and whether it is the rest of packages."""

    labels: tuple[str, ...]
    clients: tuple[Client, ...]
    mine: Callable[[Transaction], bool]
    rest: bool


@dataclass(frozen=True)
class Entry:
    """A row of the table, exact."""

    labels: tuple[str, ...]
    values: dict[str, Value]
    stretch: Stretch
    part: Part


@dataclass(frozen=True)
class Dynamics:
    headings: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[Entry, ...]
    total: Entry | None


def paid_uses(client: Client, mine: Callable[[Transaction], bool], e: datetime) -> list[datetime]:
    found = [t for t in client.transactions if mine(t) and t.kind in PAID and t.amount < 0]
    return sorted(t.at for t in found if t.at < e)


def closed(client: Client, x: datetime) -> bool:
    return client.closed is not None and client.closed < x


def months_before(wall: datetime, months: int) -> datetime:
    """Return the wall time months earlier; a day that month lacks becomes 00:00 of the next month."""
    first = oracle.months_later(wall.date().replace(day=1), -months)
    try:
        return datetime.combine(first.replace(day=wall.day), wall.time())
    except ValueError:
        return datetime.combine(oracle.months_later(first, 1), time())


class Question:
    """A query on a mart: who is chosen, and the stretches that it asks about."""

    def __init__(self, mart: Mart, query: Mapping[str, Any], as_of: str) -> None:
        self.query = query = {name: value for name, value in query.items() if value is not None}
        self.group_by = query.get("group_by", ["month"])
        self.unit = next((g for g in self.group_by if g in oracle.TIME_HEADINGS), None)
        others = [g for g in self.group_by if g not in oracle.TIME_HEADINGS]
        if len(others) > 1:
            raise NoAnswer("query", {"group_by"})
        self.other = others[0] if others else None
        asked = query.get("columns") or list(GROUPS)[:6]
        self.columns = tuple(name for group in GROUPS if group in asked for name in GROUPS[group])
        if "balances" in asked and self.other == "package":
            raise NoAnswer("query", {"columns", "group_by"})
        self.zone = ZoneInfo(query.get("timezone", "UTC"))
        self.now = oracle.instant(as_of).replace(microsecond=0)
        clients = oracle.clients_of(mart)
        oracle.check_names(mart, clients, query)
        self.filtered = oracle.package_ids(mart, query.get("package") or ())
        self.start_wall, self.end_wall = oracle.period(query, self.zone, self.now)
        self.end = min(resolve(self.end_wall, self.zone), self.now)
        self.chosen = oracle.choose_clients(mart, clients, query, self.filtered, self.end)
        self.born = min((c.exists_from() for c in self.chosen), default=self.end)
        currency = oracle.currency_of(mart, clients, query)
        self.old = oracle.Computation(mart, query, self.chosen, self.filtered, currency)
        self.convert = self.old.convert

    @property
    def headings(self) -> tuple[str, ...]:
        names = {**oracle.TIME_HEADINGS, "package": "Package Name", **ATTRIBUTES}
        return tuple(names[g] for g in (self.unit, self.other) if g)

    def stretches(self, unit: str | None) -> list[Stretch]:
        found: list[Stretch] = []
        for b in oracle.buckets(self.start_wall, self.end_wall, self.zone, self.now, unit):
            begin_wall = self.start_wall
            if unit and b.begin == b.calendar[0]:
                length = {"year": "-01-01", "month": "-01", "date": ""}[unit]
                begin_wall = datetime.fromisoformat(b.label + length)
            opening_wall = found[-1].end_wall if found else begin_wall
            found.append(Stretch(b.label, b.begin, b.end, begin_wall, b.end_wall, opening_wall))
        return [s for s in found if self.born < s.e] if self.born < self.end else []

    def back(self, wall: datetime) -> datetime:
        compare = self.query["compare"]
        if compare in DAYS_BACK:
            return wall - timedelta(days=DAYS_BACK[compare])
        if compare in MONTHS_BACK:
            return months_before(wall, MONTHS_BACK[compare])
        start, end, interval = self.start_wall, self.end_wall, self.query["interval"]
        runs = isinstance(interval, str) and interval.startswith("last_") and interval.endswith("_days")
        if not runs and all(w.day == 1 and w.time() == time() for w in (start, end)):
            return months_before(wall, (end.year - start.year) * 12 + end.month - start.month)
        return wall - (end - start)

    def before(self, s: Stretch) -> Stretch | None:
        walls = [self.back(wall) for wall in (s.begin_wall, s.end_wall, s.opening_wall)]
        a, e = resolve(walls[0], self.zone), resolve(walls[1], self.zone)
        return Stretch(s.label, a, e, *walls) if a < e else None

    def month_of(self, at: datetime) -> str:
        around = at.astimezone(self.zone).replace(tzinfo=None)
        for label, first, last in oracle.calendar_units("month", around):
            if resolve(first, self.zone) <= at < resolve(last, self.zone):
                return label
        raise AssertionError("every instant is in a month")

    def attribute(self, client: Client) -> str | None:
        if self.other == "cohort":
            uses = paid_uses(client, lambda _: True, self.end)
            return self.month_of(uses[0]) if uses else None
        own = {"company": client.company, "owner_user": client.owner}
        return {**own, "client_type": client.type, "currency": client.currency}[self.other or ""]

    def parts(self) -> Iterator[Part]:
        """Yield what the rows of a stretch are of, in their order."""
        everyone = tuple(self.chosen)
        if self.other is None:
            yield Part((), everyone, lambda _: True, True)
        elif self.other == "package":
            yield from self.packages(everyone)
        else:
            values = {c.id: self.attribute(c) for c in everyone}
            for value in sorted({v for v in values.values() if v is not None}):
                yield Part(
                    (value,), tuple(c for c in everyone if values[c.id] == value), lambda _: True, True
                )
            none = tuple(c for c in everyone if values[c.id] is None)
            yield Part(("(none)",), none, lambda _: True, True)

    def packages(self, everyone: tuple[Client, ...]) -> Iterator[Part]:
        names = self.old.names
        for package, name in sorted(names.items(), key=lambda item: (item[1], item[0])):
            if not self.filtered or package in self.filtered:
                label = f"{name} ({package})" if self.old.is_ambiguous(name) else name
                yield Part((label,), everyone, functools.partial(oracle.is_of, package), False)
        named = self.filtered or set(names)
        label = "(other)" if self.filtered else "(no package)"
        yield Part((label,), everyone, lambda t: t.package not in named, True)

    def active(self, client: Client, part: Part, x: datetime, wall: datetime) -> bool:
        """Whether the client is Active at x, where the wall time ends the window."""
        first = datetime.combine(oracle.months_later(wall.date(), -self.old.months), wall.time())
        window = resolve(first, self.zone)
        return client.alive(x) and any(at >= window for at in paid_uses(client, part.mine, x))

    def movement_of(self, client: Client, part: Part, s: Stretch) -> str:
        was = self.active(client, part, s.a, s.opening_wall)
        now = self.active(client, part, s.e, s.end_wall)
        if was and now:
            return "retained"
        if now:
            return "reactivated" if paid_uses(client, part.mine, s.a) else "new"
        if was:
            return "lapsed" if client.alive(s.e) else "closed"
        return ""

    def movement(self, part: Part, s: Stretch) -> list[Value]:
        moved = [self.movement_of(c, part, s) for c in part.clients]
        new, reactivated, lapsed, gone = (moved.count(m) for m in ("new", "reactivated", "lapsed", "closed"))
        opening = sum(self.active(c, part, s.a, s.opening_wall) for c in part.clients)
        closing = sum(self.active(c, part, s.e, s.end_wall) for c in part.clients)
        firsts = [paid_uses(c, part.mine, s.e)[:1] for c in part.clients]
        first_use = sum(bool(first) and s.a <= first[0] for first in firsts)
        churn = oracle.average(Fraction(lapsed + gone), opening)
        return [opening, new, reactivated, lapsed, gone, closing, first_use, churn]

    def balances(self, part: Part, s: Stretch) -> list[Value]:
        def alive_at(x: datetime) -> Fraction:
            alive = [c for c in part.clients if c.alive(x)]
            return total(self.convert(c.balance(x), c.currency, x - MICROSECOND) for c in alive)

        def of(*kinds: str) -> Fraction:
            rows = [(c, t) for c in part.clients for t in c.transactions if t.kind in kinds]
            inside = [(c, t) for c, t in rows if s.a <= t.at < s.e]
            return total(self.convert(t.amount, c.currency, t.at) for c, t in inside)

        joined = total(
            self.convert(c.opening, c.currency, c.exists_from())
            for c in part.clients
            if s.a <= c.exists_from() < s.e
        )
        left = -total(
            self.convert(
                c.balance(s.e) - (c.balance(s.a) if closed(c, s.a) else 0), c.currency, s.e - MICROSECOND
            )
            for c in part.clients
            if closed(c, s.e)
        )
        kinds = [of("refill"), of("usage"), of(*oracle.FEES), of("other")]
        opening, closing = alive_at(s.a), alive_at(s.e)
        exchange = closing - opening - joined - sum(kinds) - left
        return [opening, joined, *kinds, left, exchange, closing]

    def side(self, part: Part, s: Stretch) -> dict[str, Value]:
        """Return the values of the chosen columns on one stretch."""
        bucket = oracle.Bucket(s.label, s.a, s.e, s.end_wall, (s.a, s.e))
        self.old.chosen = list(part.clients)
        values = dict(zip(oracle.COLUMNS, self.old.values(bucket, part.mine, part.rest), strict=True))
        if GROUPS["movement"][0] in self.columns:
            values |= zip(GROUPS["movement"], self.movement(part, s), strict=True)
        if GROUPS["balances"][0] in self.columns:
            values |= zip(GROUPS["balances"], self.balances(part, s), strict=True)
        return {name: values[name] for name in self.columns}

    def entry(self, labels: tuple[str, ...], part: Part, s: Stretch) -> Entry:
        now = self.side(part, s)
        if "compare" not in self.query:
            return Entry(labels, now, s, part)
        other = self.before(s)
        before: dict[str, Value] = self.side(part, other) if other else dict.fromkeys(now)
        values: dict[str, Value] = {}
        for name, x in now.items():
            y = before[name]
            change = None if x is None or y is None else x - y
            percent = None if change is None or not y else 100 * Fraction(change) / abs(Fraction(y))
            values |= {name: x, f"{name} Before": y, f"{name} Change": change, f"{name} Change %": percent}
        return Entry(labels, values, s, part)

    def rows(self) -> Iterator[Entry]:
        for s in self.stretches(self.unit):
            for part in self.parts():
                found = self.entry(((s.label,) if self.unit else ()) + part.labels, part, s)
                if self.other is None or any(found.values.values()):
                    yield found

    def total(self) -> Entry | None:
        part = Part((), tuple(self.chosen), lambda _: True, True)
        whole = self.stretches(None)
        labels = ("Total", "")[: len(self.headings)]
        return self.entry(labels, part, whole[0]) if whole else None


def total(values: Iterator[Fraction]) -> Fraction:
    return sum(values, Fraction(0))


def dynamics(mart: Mart, query: Mapping[str, Any], as_of: str) -> Dynamics:
    asked = Question(mart, query, as_of)
    rows = tuple(asked.rows())
    whole = asked.total() if asked.headings else None
    if asked.convert.missing:
        raise NoAnswer("rate", asked.convert.missing)
    more = ("", " Before", " Change", " Change %") if "compare" in asked.query else ("",)
    columns = tuple(name + end for name, end in itertools.product(asked.columns, more))
    return Dynamics(asked.headings, columns, rows, whole)


def text(value: Value | str) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else str(oracle.shown(value))


def table(answer: Dynamics, *, with_total: bool = False) -> list[list[str]]:
    lines = [*answer.rows, *([answer.total] if with_total and answer.total else [])]
    cells = [[*line.labels, *(text(line.values[name]) for name in answer.columns)] for line in lines]
    return [[*answer.headings, *answer.columns], *cells]


def cohort_triangle(mart: Mart, query: Mapping[str, Any], as_of: str) -> list[list[str]]:
    asked = Question(mart, query, as_of)
    uses = [paid_uses(c, lambda _: True, asked.end) for c in asked.chosen]
    months = [sorted({asked.month_of(at) for at in ats}) for ats in uses if ats]
    first = asked.start_wall.strftime("%Y-%m")
    rows = []
    for cohort in sorted({m[0] for m in months if m[0] >= first}):
        members = [m for m in months if m[0] == cohort]
        row = [cohort, str(len(members))]
        wall = datetime.fromisoformat(cohort + "-01")
        while resolve(wall, asked.zone) < asked.end:
            row.append(str(sum(wall.strftime("%Y-%m") in m for m in members)))
            wall = datetime.combine(oracle.months_later(wall.date(), 1), time())
        rows.append(row)
    width = max((len(row) for row in rows), default=2)
    heading = ["Cohort", "Size", *(str(n) for n in range(width - 2))]
    return [heading, *([*row, *[""] * (width - len(row))] for row in rows)]


def clients_behind(
    mart: Mart, query: Mapping[str, Any], as_of: str, row: tuple[str, ...] | None
) -> list[dict[str, Value | str]]:
    """Return the clients of the row with these labels (None: the Total), exact, ordered by id."""
    asked = Question(mart, query, as_of)
    lines = [e for e in asked.rows() if e.labels == row] if row is not None else [asked.total()]
    if len(lines) != 1 or lines[0] is None:
        raise NoAnswer("query", {"row"})
    s, part = lines[0].stretch, lines[0].part
    found = (client_of(asked, c, part, s) for c in sorted(part.clients, key=lambda c: c.id))
    return [line for line in found if line]


def client_of(asked: Question, client: Client, part: Part, s: Stretch) -> dict[str, Value | str]:
    """Return the line of a client, or nothing where it is not behind the row."""
    own = [t for t in client.transactions if part.mine(t)]
    alone = Part((), (client,), part.mine, part.rest)
    asked.columns = tuple(name for group in list(GROUPS)[:6] for name in GROUPS[group])
    side, moved = asked.side(alone, s), asked.movement_of(client, part, s)
    alive = side["Clients - All: Qty"]
    if not (alive or moved or any(s.a <= t.at < s.e for t in own)):
        return {}
    uses, balance = paid_uses(client, part.mine, s.e), client.balance(s.e)
    line: dict[str, Value | str] = {
        "Client Id": client.id,
        "Active": side["Clients - Active: Qty"],
        "Overall Active": side["Clients - Overall Active: Qty"],
        "Alive": alive,
        "Movement": moved,
        "First Use": uses[0].astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if uses else "",
        "Last Use": uses[-1].astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if uses else "",
        "Balance": balance,
        "Balance Converted": asked.convert(balance, client.currency, s.e - MICROSECOND),
        "Pay As You Go Total": side["Pay As You Go: Total"],
    }
    for name in ("Refill Qty", "Refill Total"):
        line[name] = side[f"Balance {name.replace(' ', ': ')}"]
    for name in ("Activation Qty", "Activation Total", "Renew Qty", "Renew Total"):
        line[name] = side[f"Packages: {name}"]
    return line
