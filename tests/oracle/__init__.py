"""The slow, obvious computation of a report, to hold the product to: it shares no code with it.

It reads like sections 2 to 4 of the specification and takes no shortcut: for each client, each bucket and
each transaction, it asks the definition. Money is `Fraction` throughout; a value is rounded once, when it
is shown. It expects a mart without faults and a query of the right shape.

    answer(mart, query, as_of) -> Answer          raises NoAnswer where the specification asks for an error

`mart` maps a table's name to a list of rows, each a dict of text as `csv.DictReader` gives it.
"""

from __future__ import annotations

import calendar
import csv
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

Row = Mapping[str, Any]  # texts, or None where blank
Mart = Mapping[str, Sequence[Row]]
Value = int | Fraction | None

LEVELS = ("Active", "Overall Active", "All")
COLUMNS = (
    *(
        f"Clients - {level}: {label}"
        for level in LEVELS
        for label in ("Qty", "Balance Pos", "Balance Neg", "Balance")
    ),
    "Balance Refill: Qty",
    "Balance Refill: Total",
    "Balance Refill: Avg",
    "Pay As You Go: Total",
    "Pay As You Go: Active Avg",
    "Packages: Activation Qty",
    "Packages: Activation Total",
    "Packages: Renew Qty",
    "Packages: Renew Total",
)
TIME_HEADINGS = {"year": "Year", "month": "Month", "date": "Date"}
PAID = ("usage", "package_activation", "package_renewal")
FEES = ("package_activation", "package_renewal")


class NoAnswer(Exception):  # noqa: N818  (it names what happened)
    """The specification asks for an error: `kind` is `query` (of these fields) or `rate` (currency, date)."""

    def __init__(self, kind: str, details: Iterable[Any]) -> None:
        super().__init__(kind, sorted(details))
        self.kind = kind
        self.details = set(details)


@dataclass
class Transaction:
    at: datetime
    kind: str
    amount: Fraction
    package: str | None


@dataclass
class Client:
    id: str
    type: str
    company: str | None
    owner: str | None
    tags: set[str]
    currency: str
    created: datetime
    closed: datetime | None
    opening: Fraction
    transactions: list[Transaction] = field(default_factory=list)

    def exists_from(self) -> datetime:
        return min([self.created, *(t.at for t in self.transactions)])

    def alive(self, e: datetime) -> bool:
        return self.exists_from() < e and not (self.closed is not None and self.closed < e)

    def balance(self, e: datetime) -> Fraction:
        return self.opening + sum((t.amount for t in self.transactions if t.at < e), Fraction(0))


@dataclass(frozen=True)
class Bucket:
    """A stretch [begin, end), the wall time that ends it, and the whole unit that it was cut from."""

    label: str
    begin: datetime
    end: datetime
    end_wall: datetime
    calendar: tuple[datetime, datetime]

    @property
    def partial(self) -> bool:
        return (self.begin, self.end) != self.calendar


@dataclass(frozen=True)
class Line:
    """A row: its labels, its exact values, its bucket and its package (None: the rest, or not by package)."""

    labels: tuple[str, ...]
    exact: tuple[Value, ...]
    bucket: Bucket
    package: str | None = None

    @property
    def values(self) -> tuple[int | Decimal | None, ...]:
        return tuple(shown(v) for v in self.exact)


@dataclass(frozen=True)
class Answer:
    headings: tuple[str, ...]
    rows: tuple[Line, ...]
    total: Line | None
    currency: str
    quotes: frozenset[tuple[str, str]] = frozenset()
    whole: Bucket | None = None
    movements: tuple[Transaction, ...] = ()


# Section 1: reading the mart


def read_mart(folder: Path) -> dict[str, list[dict[str, Any]]]:
    tables = {}
    for path in sorted(folder.glob("*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            tables[path.stem] = list(csv.DictReader(file))
    return tables


def instant(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def clients_of(mart: Mart) -> list[Client]:
    clients = {}
    for row in mart["clients"]:
        closed, tags = row.get("closed_at"), (row.get("tags") or "").split(";")
        clients[row["client_id"]] = Client(
            id=row["client_id"],
            type=row["client_type"],
            company=row.get("company") or None,
            owner=row.get("owner_user") or None,
            tags={tag.strip() for tag in tags if tag.strip()},
            currency=row["currency"],
            created=instant(row["created_at"]),
            closed=instant(closed) if closed else None,
            opening=Fraction(row.get("opening_balance") or 0),
        )
    for row in mart["transactions"]:
        clients[row["client_id"]].transactions.append(
            Transaction(
                instant(row["at"]), row["kind"], Fraction(row["amount"]), row.get("package_id") or None
            )
        )
    return list(clients.values())


def packages_of(mart: Mart) -> dict[str, str]:
    """Return id -> name; without the table a package's id is its name."""
    if "packages" in mart:
        return {row["package_id"]: row["name"] for row in mart["packages"]}
    return {row["package_id"]: row["package_id"] for row in mart["transactions"] if row.get("package_id")}


# Section 2: the query


def choose_clients(
    mart: Mart, clients: list[Client], query: Mapping[str, Any], packages: set[str], end: datetime
) -> list[Client]:
    chosen = clients
    client_type = query.get("client_type", "client")
    if client_type != "all":
        chosen = [c for c in chosen if c.type == client_type]
    if query.get("client_tags"):
        asked = set(query["client_tags"])
        every = query.get("tags_match", "any") == "all"
        chosen = [c for c in chosen if (asked <= c.tags if every else asked & c.tags)]
    if query.get("company"):
        asked = set(query["company"])
        if query.get("include_descendants", True):
            asked = companies_below(mart, asked)
        chosen = [c for c in chosen if c.company in asked]
    if query.get("owner_user"):
        chosen = [c for c in chosen if c.owner in query["owner_user"]]
    if packages:
        chosen = [
            c
            for c in chosen
            if any(t.package in packages and t.kind in FEES and t.at < end for t in c.transactions)
        ]
    return chosen


def companies_below(mart: Mart, asked: set[str]) -> set[str]:
    found = set(asked)
    for _ in mart.get("companies", ()):  # a tree is no deeper than it has companies
        found |= {row["company"] for row in mart["companies"] if row.get("parent") in found}
    return found


def check_names(mart: Mart, clients: list[Client], query: Mapping[str, Any]) -> None:
    known: dict[str, set[Any]] = {
        "client_tags": {tag for c in clients for tag in c.tags},
        "company": {c.company for c in clients} | {row["company"] for row in mart.get("companies", ())},
        "owner_user": {c.owner for c in clients},
    }
    unknown = {name for name, names in known.items() for value in query.get(name) or () if value not in names}
    if unknown:
        raise NoAnswer("query", unknown)


def package_ids(mart: Mart, asked: Iterable[str]) -> set[str]:
    names = packages_of(mart)
    ids = set()
    for value in asked:
        found = [value] if value in names else [i for i, name in names.items() if name == value]
        if len(found) != 1:
            raise NoAnswer("query", {"package"})
        ids.add(found[0])
    return ids


def currency_of(mart: Mart, clients: list[Client], query: Mapping[str, Any]) -> str:
    if query.get("currency"):
        return str(query["currency"])
    base = next((row["base"] for row in mart.get("rates", ())), None)
    quoted, own = {row["currency"] for row in mart.get("rates", ())}, {c.currency for c in clients}
    if base == "USD" or "USD" in quoted or own == {"USD"}:
        return "USD"
    if base:
        return str(base)
    if len(own) == 1:
        return own.pop()
    raise NoAnswer("query", {"currency"})


def preset_days(name: str, today: date) -> tuple[date, date]:
    """Return the first and the last day of a preset."""
    day, week = timedelta(days=1), timedelta(days=7)
    monday = today - today.weekday() * day
    first, year = today.replace(day=1), today.replace(month=1, day=1)
    quarter = (
        first if today.month in (1, 4, 7, 10) else months_later(first, -1 if today.month % 3 == 2 else -2)
    )
    return {
        "today": (today, today),
        "yesterday": (today - day, today - day),
        "this_week": (monday, monday + week - day),
        "last_week": (monday - week, monday - day),
        "this_month": (first, months_later(first, 1) - day),
        "last_month": (months_later(first, -1), first - day),
        "this_quarter": (quarter, months_later(quarter, 3) - day),
        "last_quarter": (months_later(quarter, -3), quarter - day),
        "this_year": (year, months_later(year, 12) - day),
        "last_year": (months_later(year, -12), year - day),
        "last_3_days": (today - 2 * day, today),
        "last_7_days": (today - 6 * day, today),
        "last_30_days": (today - 29 * day, today),
        "last_90_days": (today - 89 * day, today),
        "last_12_months": (months_later(first, -11), months_later(first, 1) - day),
    }[name]


def months_later(day: date, months: int) -> date:
    """Return the day so many months later, or the last day of that month where it has no such day."""
    year, month = day.year, day.month + months
    while month > 12:
        year, month = year + 1, month - 12
    while month < 1:
        year, month = year - 1, month + 12
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


def period(query: Mapping[str, Any], zone: ZoneInfo, now: datetime) -> tuple[datetime, datetime]:
    """Return the wall times of the start and of the end, exclusive."""
    asked = query["interval"]
    if isinstance(asked, str):
        first, last = preset_days(asked, now.astimezone(zone).date())
        return datetime.combine(first, time()), datetime.combine(last, time()) + timedelta(days=1)
    start = datetime.fromisoformat(asked["start"])
    end = datetime.fromisoformat(asked["end"] + ("" if ":" in asked["end"] else " 23:59:59"))
    if start > end:
        raise NoAnswer("query", {"interval.start"})
    return start, end + timedelta(seconds=1)


# Section 3: the rows


def resolve(wall: datetime, zone: ZoneInfo) -> datetime:
    return wall.replace(tzinfo=zone, fold=0).astimezone(UTC)


def calendar_units(unit: str, around: datetime) -> Iterator[tuple[str, datetime, datetime]]:
    """Yield label, first and ending wall time of each unit, for ever, from a little before a wall time on."""
    day = around.date() - timedelta(days=3)
    day = {"year": day.replace(month=1, day=1), "month": day.replace(day=1), "date": day}[unit]
    while True:
        after = day + timedelta(days=1) if unit == "date" else months_later(day, 12 if unit == "year" else 1)
        label = day.isoformat()[: {"year": 4, "month": 7, "date": 10}[unit]]
        yield label, datetime.combine(day, time()), datetime.combine(after, time())
        day = after


def buckets(
    start_wall: datetime, end_wall: datetime, zone: ZoneInfo, now: datetime, unit: str | None
) -> list[Bucket]:
    start, end = resolve(start_wall, zone), resolve(end_wall, zone)
    whole = (start, end)
    if now < end:
        end, end_wall = now, now.astimezone(zone).replace(tzinfo=None)
    if end <= start:
        return []
    if unit is None:
        return [Bucket("", start, end, end_wall, whole)]
    found: list[Bucket] = []
    for label, first_wall, last_wall in calendar_units(unit, start_wall):
        first, last = resolve(first_wall, zone), resolve(last_wall, zone)
        if first >= end:
            return found
        begin, finish, finish_wall = max(first, start), last, last_wall
        if end < last:
            finish, finish_wall = end, end_wall
        if begin < finish:
            found.append(Bucket(label, begin, finish, finish_wall, (first, last)))
    raise AssertionError("the calendar does not end")


def window_start(bucket: Bucket, months: int, zone: ZoneInfo) -> datetime:
    wall = bucket.end_wall
    return resolve(datetime.combine(months_later(wall.date(), -months), wall.time()), zone)


# Section 4: the columns


class Converter:
    """Converts to one currency and keeps which quotes it used and which it missed."""

    def __init__(self, mart: Mart, target: str) -> None:
        self.target = target
        self.base = next((row["base"] for row in mart.get("rates", ())), None)
        self.quotes = [
            (row["currency"], row["date"], Fraction(row["units_per_base"])) for row in mart.get("rates", ())
        ]
        self.used: set[tuple[str, str]] = set()
        self.missing: set[tuple[str, str]] = set()

    def units_per_base(self, currency: str, day: str) -> Fraction:
        if currency == self.base:
            return Fraction(1)
        known = [(date_, units) for name, date_, units in self.quotes if name == currency and date_ <= day]
        if not known:
            self.missing.add((currency, day))
            return Fraction(1)
        self.used.add((currency, max(known)[0]))
        return max(known)[1]

    def __call__(self, amount: Fraction, own: str, moment: datetime) -> Fraction:
        if own == self.target or amount == 0:
            return amount
        day = moment.date().isoformat()
        return amount * self.units_per_base(self.target, day) / self.units_per_base(own, day)


def shown(value: Value) -> int | Decimal | None:
    """Round half-even to 6 places (Python's own `round` of a Fraction), without a negative zero."""
    return Decimal(f"{round(value * 10**6)}E-6") if isinstance(value, Fraction) else value


def average(total: Fraction, count: int) -> Fraction | None:
    return total / count if count else None


def is_of(package: str, t: Transaction) -> bool:
    return t.package == package


class Computation:
    """The rows of one query over the clients that it chose."""

    def __init__(
        self, mart: Mart, query: Mapping[str, Any], chosen: list[Client], filtered: set[str], currency: str
    ) -> None:
        self.chosen = chosen
        self.names = packages_of(mart)
        self.filtered = filtered
        self.zone = ZoneInfo(query.get("timezone", "UTC"))
        self.months = query.get("active_duration", 3)
        self.convert = Converter(mart, currency)

    def whole(self, bucket: Bucket, labels: tuple[str, ...]) -> Line:
        return Line(labels, self.values(bucket, lambda _: True, rest=True), bucket)

    def is_ambiguous(self, name: str) -> bool:
        """Whether several packages have the name, or a row that stands for no package."""
        return list(self.names.values()).count(name) > 1 or name in ("(other)", "(no package)", "Total")

    def by_package(self, bucket: Bucket, labels: tuple[str, ...]) -> Iterator[Line]:
        for package, name in sorted(self.names.items(), key=lambda item: (item[1], item[0])):
            if not self.filtered or package in self.filtered:
                mine = functools.partial(is_of, package)
                label = f"{name} ({package})" if self.is_ambiguous(name) else name
                yield Line((*labels, label), self.values(bucket, mine), bucket, package)
        named = self.filtered or set(self.names)
        values = self.values(bucket, lambda t: t.package not in named, rest=True)
        yield Line((*labels, "(other)" if self.filtered else "(no package)"), values, bucket)

    def values(
        self, bucket: Bucket, mine: Callable[[Transaction], bool], rest: bool = False
    ) -> tuple[Value, ...]:
        """Return the 21 values of a row.

        `mine` says which transactions are the row's; `rest`, that it also has the clients without any so far.
        """
        e, window = bucket.end, window_start(bucket, self.months, self.zone)
        levels: dict[str, list[Client]] = {level: [] for level in LEVELS}
        for client in self.chosen:
            own = [t for t in client.transactions if mine(t)]
            paid = [t for t in own if t.kind in PAID and t.amount < 0 and t.at < e]
            if not client.alive(e):
                continue
            if any(t.at < e for t in own) or (rest and not any(t.at < e for t in client.transactions)):
                levels["All"].append(client)
            if paid:
                levels["Overall Active"].append(client)
            if any(window <= t.at for t in paid):
                levels["Active"].append(client)
        stocks = [value for level in LEVELS for value in self.stocks(levels[level], e)]
        return (*stocks, *self.flows(bucket, mine, len(levels["Active"])))

    def stocks(self, clients: Iterable[Client], e: datetime) -> list[Value]:
        balances = [self.convert(c.balance(e), c.currency, e - timedelta(microseconds=1)) for c in clients]
        positive = sum((b for b in balances if b > 0), Fraction(0))
        negative = sum((b for b in balances if b < 0), Fraction(0))
        return [len(balances), positive, negative, sum(balances, Fraction(0))]

    def flows(self, bucket: Bucket, mine: Callable[[Transaction], bool], active: int) -> list[Value]:
        def of(kind: str) -> list[tuple[Client, Transaction]]:
            found = [(c, t) for c in self.chosen for t in c.transactions if mine(t) and t.kind == kind]
            return [(c, t) for c, t in found if bucket.begin <= t.at < bucket.end]

        def total(found: list[tuple[Client, Transaction]]) -> Fraction:
            return sum((self.convert(t.amount, c.currency, t.at) for c, t in found), Fraction(0))

        refills = [(c, t) for c, t in of("refill") if t.amount > 0]
        spent = -total(of("usage"))
        values: list[Value] = [
            len(refills),
            total(refills),
            average(total(refills), len(refills)),
            spent,
            average(spent, active),
        ]
        for kind in FEES:
            fees = [(c, t) for c, t in of(kind) if not self.filtered or t.package in self.filtered]
            values += [sum(t.amount <= 0 for _, t in fees), -total(fees)]
        return values


def answer(mart: Mart, query: Mapping[str, Any], as_of: str) -> Answer:
    """Return what the specification says that a report on this mart shows."""
    query = {name: value for name, value in query.items() if value is not None}
    group_by = query.get("group_by", ["month"])
    unit = next((g for g in group_by if g in TIME_HEADINGS), None)
    by_package = "package" in group_by
    headings = (*((TIME_HEADINGS[unit],) if unit else ()), *(("Package Name",) if by_package else ()))
    zone, now = ZoneInfo(query.get("timezone", "UTC")), instant(as_of).replace(microsecond=0)

    clients = clients_of(mart)
    check_names(mart, clients, query)
    filtered = package_ids(mart, query.get("package") or ())
    start_wall, end_wall = period(query, zone, now)
    currency = currency_of(mart, clients, query)
    one = buckets(start_wall, end_wall, zone, now, None)
    if not one:
        return Answer(headings, (), None, currency)
    whole = one[0]
    chosen = choose_clients(mart, clients, query, filtered, whole.end)
    born = min((c.exists_from() for c in chosen), default=whole.end)
    if born >= whole.end:
        return Answer(headings, (), None, currency)

    computation, rows = Computation(mart, query, chosen, filtered, currency), []
    for bucket in buckets(start_wall, end_wall, zone, now, unit):
        labels = (bucket.label,) if unit else ()
        if bucket.end <= born:
            continue
        if by_package:
            rows += [line for line in computation.by_package(bucket, labels) if any(line.exact)]
        else:
            rows.append(computation.whole(bucket, labels))
    total = computation.whole(whole, ("Total", "")[: len(headings)]) if headings else None
    if computation.convert.missing:
        raise NoAnswer("rate", computation.convert.missing)
    return Answer(
        headings,
        tuple(rows),
        total,
        currency,
        frozenset(computation.convert.used),
        whole,
        movements(chosen, whole),
    )


def movements(chosen: list[Client], whole: Bucket) -> tuple[Transaction, ...]:
    """Return the transactions of the chosen clients in the interval, the earliest first."""
    found = [t for c in chosen for t in c.transactions if whole.begin <= t.at < whole.end]
    return tuple(sorted(found, key=lambda t: t.at))
