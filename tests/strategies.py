"""Hypothesis strategies that draw marts and queries where clocks, calendars and ledgers bite.

A case is drawn from the query outward: first a zone and an interval near one of its clock changes, then the
instants at which something can happen: on every edge of a bucket and of a window, a microsecond and a second
around it, and in between. A mart is a dict of lists of dicts of text, as `csv.DictReader` gives it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from tests import oracle

ZONES = (
    "UTC", "America/New_York", "America/St_Johns", "Pacific/Apia", "Australia/Lord_Howe",
    "America/Sao_Paulo", "Asia/Kathmandu", "Africa/Casablanca", "Europe/Dublin", "Asia/Beirut",
    "America/Havana", "Antarctica/Troll", "Atlantic/Azores", "Asia/Tehran",
    "Pacific/Chatham", "America/Caracas",
)  # fmt: skip
MIDNIGHT_ZONES = (
    "America/St_Johns", "America/Goose_Bay", "America/Sao_Paulo", "Asia/Beirut", "America/Havana",
    "America/Asuncion", "Pacific/Apia", "Africa/Cairo",
)  # fmt: skip
PRESETS = (
    "today", "yesterday", "this_week", "last_week", "this_month", "last_month",
    "this_quarter", "last_quarter", "this_year", "last_year", "last_3_days", "last_7_days", "last_30_days",
    "last_90_days", "last_12_months",
)  # fmt: skip
LONG_PRESETS = PRESETS[6:10] + PRESETS[12:]
KINDS = ("usage", "usage", "refill", "package_activation", "package_renewal", "other")
AMOUNTS = ("-1", "-10.5", "-0.000001", "-3.333333", "0", "0.00", "0.000001", "2", "10.5", "100.000000")
OPENINGS = (
    None,
    None,
    "",
    "0",
    "5",
    "-5.25",
    "0.000001",
    "9223372030000.775",
    "-9223372030000.775",
)  # near what int64 millionths hold
CURRENCIES = ("USD", "EUR", "JPY")
RATES = ("0.14", "1.33", "0.82", "110.25", "3", "0.000007", "1.2345678901234567890123456789012345")
COMPANIES = {"Root": None, "North": "Root", "North-East": "North", "South": "Root", "Alone": None}
TAGS = ("vip", "retail", "trial")
OWNERS = ("ann", "bob")
PACKAGES = {
    "P1": "Basic",
    "P2": "=SUM(A1)",
    "P3": "Basic",
    "Basic+": "P1",
}  # a name twice, and a name that is an id
DURATIONS = (1, 1, 2, 3, 3, 6, 12, 13, 120)  # months
SECOND = timedelta(seconds=1)
AROUND = tuple(timedelta(microseconds=m) for m in (0, 0, 0, -1, 1, -500_000, 500_000, -1_000_000, 1_000_000))


Mart = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Case:
    """A mart, a query and the instant that it is asked at."""

    mart: Mart
    query: dict[str, Any]
    as_of: str


@functools.cache
def clock_changes(zone: str, first_year: int = 1994, last_year: int = 2040) -> tuple[datetime, ...]:
    """Return the instants at which a zone's offset changes, found by looking every day and halving."""
    clock, found, day = ZoneInfo(zone), [], timedelta(days=1)

    def offset(at: datetime) -> timedelta | None:
        return at.astimezone(clock).utcoffset()

    low, last = datetime(first_year, 1, 1, tzinfo=UTC), datetime(last_year + 1, 1, 1, tzinfo=UTC)
    while low < last:
        before, after = low, low + day
        if offset(before) != offset(after):
            while after - before > SECOND:
                middle = before + (after - before) // 2 // SECOND * SECOND
                before, after = (middle, after) if offset(middle) == offset(before) else (before, middle)
            found.append(after)
        low += day
    return tuple(found)


ORDINARY = tuple(
    datetime(*moment, tzinfo=UTC)  # a leap day, the ends of months and years, before 1970, the far ends
    for moment in (
        (2020, 2, 29), (2021, 1, 1), (2021, 5, 31, 12, 34, 56), (2021, 12, 31, 23, 59, 59), (2024, 3, 31),
        (1970, 1, 1), (1905, 6, 30), (2095, 1, 31),
    )
)  # fmt: skip


@st.composite
def wall_times(draw: st.DrawFn, zone: str, anchor: datetime, unit: str | None) -> datetime:
    """Draw a wall time near an instant: on its own second, at a midnight, or just beside one."""
    wall = anchor.astimezone(ZoneInfo(zone)).replace(tzinfo=None, microsecond=0)
    days = {"date": 4, "month": 150, "year": 800, None: 40}[unit]
    wall += timedelta(days=draw(st.integers(-days, days)))
    return draw(
        st.sampled_from((
            wall,
            wall,
            datetime.combine(wall, time()),
            datetime.combine(wall.replace(day=1), time()),
            datetime.combine(wall, time(23, 59, 59)),
            datetime.combine(wall, time(0, 30)),
            datetime.combine(wall, time(2, 30)),
        ))
    ) + draw(st.sampled_from((0, 0, 0, 1, -1, 1800, -1800))) * SECOND  # fmt: skip


@st.composite
def questions(draw: st.DrawFn) -> tuple[dict[str, Any], datetime]:
    """Draw the part of a query that says when, and an `as_of`."""
    zone = draw(st.sampled_from(ZONES))
    anchor = draw(st.sampled_from((*clock_changes(zone), *ORDINARY)))
    unit = draw(st.sampled_from(("date", "date", "month", "month", "year", None)))
    close = draw(
        st.sampled_from((0, 0, 1, -1, 600, -600, 1800, 3599, 3600, 3601, 5400, 7200, -3600, 86400, -86400))
    )
    if draw(st.integers(0, 2)) == 0:
        interval: Any = draw(st.sampled_from([p for p in PRESETS if unit != "date" or p not in LONG_PRESETS]))
        as_of = anchor
    else:
        start, end = sorted((draw(wall_times(zone, anchor, unit)), draw(wall_times(zone, anchor, unit))))
        interval = {"start": str(start), "end": str(end)}
        ends = oracle.resolve(end + SECOND, ZoneInfo(zone))
        as_of = draw(
            st.sampled_from((ends + timedelta(days=400), ends + timedelta(days=400), ends, ends, anchor))
        )
    query = {"timezone": zone, "interval": interval, "active_duration": draw(st.sampled_from(DURATIONS))}
    groups = [*([unit] if unit else []), *(["package"] if draw(st.booleans()) else [])]
    if groups != ["month"] or draw(st.booleans()):
        query["group_by"] = draw(st.permutations(groups))
    return query, as_of + close * SECOND + draw(st.sampled_from((0, 0, 1, 999_999))) * timedelta(
        microseconds=1
    )


@st.composite
def midnight_questions(draw: st.DrawFn) -> tuple[dict[str, Any], datetime]:
    """Draw a question whose end or `as_of` is at a clock change that skips or repeats a midnight."""
    zone = draw(st.sampled_from(MIDNIGHT_ZONES))
    clock = ZoneInfo(zone)
    changes = [
        at
        for at in clock_changes(zone)
        if {at.astimezone(clock).hour, (at - SECOND).astimezone(clock).hour} & {0, 23}
    ]
    change = draw(st.sampled_from(changes))
    before = (change - SECOND).astimezone(clock).replace(tzinfo=None) + SECOND
    start = datetime.combine(before - timedelta(days=draw(st.integers(1, 3))), time())
    after = change.astimezone(clock).replace(tzinfo=None)
    end = draw(st.sampled_from((before, after, after, before + timedelta(days=2)))) - SECOND
    unit = draw(st.sampled_from(("date", "date", "month", None)))
    package = ["package"] if draw(st.integers(0, 3)) == 0 else []
    query = {
        "timezone": zone,
        "interval": {"start": str(start), "end": str(end)},
        "active_duration": draw(st.sampled_from(DURATIONS)),
        "group_by": [*([unit] if unit else []), *package],
    }
    return query, change + draw(st.sampled_from((0, 0, 1, 60, 1800, 3540, 3599, 86400 * 9))) * SECOND


def edges(query: dict[str, Any], as_of: datetime) -> list[datetime]:
    """Return the instants of a query at which something changes: edges, window starts, quotes' midnights.

    The last edge stands there more than once: it decides the Total and who is chosen.
    """
    zone, now = ZoneInfo(query["timezone"]), as_of.replace(microsecond=0)
    start, end = oracle.period(query, zone, now)
    unit = next((g for g in query.get("group_by", ["month"]) if g != "package"), None)
    found = {now, as_of, oracle.resolve(start, zone), oracle.resolve(end, zone)}
    for one in (unit, None):
        for bucket in oracle.buckets(start, end, zone, now, one):
            found |= {bucket.begin, bucket.end, oracle.window_start(bucket, query["active_duration"], zone)}
            found.add(datetime.combine(bucket.end, time(), UTC))
    return sorted([*found, *2 * [min(now, oracle.resolve(end, zone))]])


@st.composite
def moments(draw: st.DrawFn, pool: Sequence[datetime]) -> datetime:
    """Draw an instant on or around one of the pool, or anywhere between two of them."""
    edge = draw(st.sampled_from(pool))
    if draw(st.integers(0, 3)) == 0:
        return edge + (draw(st.sampled_from(pool)) - edge) * draw(st.integers(0, 16)) // 16
    return edge + draw(st.sampled_from(AROUND))


@st.composite
def instant_texts(draw: st.DrawFn, at: datetime) -> str:
    """Draw one of the ways to write an instant; the digits after the microsecond mean nothing."""
    text = at.replace(tzinfo=None).isoformat(sep=draw(st.sampled_from("T ")))
    form = draw(st.sampled_from(("Z", "", "+00:00", "digits", "offset")))
    if form == "offset":
        from datetime import timezone

        return at.astimezone(timezone(timedelta(hours=5, minutes=45))).isoformat()
    if form == "digits":
        return text + ("999Z" if "." in text else ".000000999Z")
    return text + form


@st.composite
def clients(
    draw: st.DrawFn, pool: Sequence[datetime], with_company: bool, currencies: Sequence[str]
) -> list[dict[str, Any]]:
    """Draw the rows of one to six clients; some opened or closed on an edge."""
    rows = []
    for i in range(draw(st.integers(1, 6))):
        created = draw(moments(pool)) - timedelta(days=draw(st.sampled_from((900, 500, 0, 0))))
        closed = draw(moments(pool)) if draw(st.integers(0, 2)) == 0 else None
        row = {
            "client_id": f"C{i}",
            "client_type": draw(
                st.sampled_from(("client", "client", "client", "reseller", "calling_card", "call_shop"))
            ),
            "currency": draw(st.sampled_from(currencies)),
            "created_at": draw(instant_texts(created)),
            "closed_at": draw(instant_texts(max(closed, created))) if closed else "",
            "opening_balance": draw(st.sampled_from(OPENINGS)),
            "company": draw(st.sampled_from((None, *COMPANIES))) if with_company else "",
            "owner_user": draw(st.sampled_from((None, *OWNERS))),
            "tags": draw(st.sampled_from((";", "; ", ";;"))).join(
                draw(st.lists(st.sampled_from(TAGS), max_size=3))
            ),
        }
        rows.append(row)
    return rows


@st.composite
def ledgers(draw: st.DrawFn, pool: Sequence[datetime], client_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Draw the rows of up to thirty transactions, in any order."""
    entry = st.tuples(
        st.sampled_from(client_ids),
        moments(pool).flatmap(instant_texts),
        st.sampled_from(KINDS),
        st.sampled_from(AMOUNTS),
        st.sampled_from((None, "", *PACKAGES)),
    )
    count = draw(st.integers(0, draw(st.sampled_from((3, 10, 30)))))
    drawn = draw(st.lists(entry, min_size=count, max_size=count))
    return [
        {
            "transaction_id": f"t{i}",
            "client_id": client,
            "at": at,
            "kind": kind,
            "amount": amount,
            "package_id": package,
        }
        for i, (client, at, kind, amount, package) in enumerate(drawn)
    ]


@st.composite
def rates(draw: st.DrawFn, pool: Sequence[datetime], sparse: bool) -> list[dict[str, Any]]:
    """Draw quotes of three currencies; unless sparse, each has one before anything happens."""
    base = draw(st.sampled_from(("USD", "USD", "EUR")))
    quotes = {}
    for currency in CURRENCIES:
        if currency == base:
            continue
        days = {draw(moments(pool)).date() for _ in range(draw(st.integers(0, 6)))}
        if not sparse:
            days.add((pool[0] - timedelta(days=4000)).date())
        quotes.update({(currency, str(day)): draw(st.sampled_from(RATES)) for day in days})
    if draw(st.integers(0, 3)) == 0:
        quotes[base, str(pool[0].date())] = "1.000000000"
    return [
        {"currency": currency, "date": day, "units_per_base": units, "base": base}
        for (currency, day), units in draw(st.permutations(sorted(quotes.items())))
    ]


@st.composite
def filters(draw: st.DrawFn, mart: Mart, known_names: bool) -> dict[str, Any]:
    """Draw filters: mostly names that the mart has, now and then one that it has not."""
    rows = mart["clients"]
    types = ["all", "all", "all", None, *(row["client_type"] for row in rows)]
    query: dict[str, Any] = {"client_type": draw(st.sampled_from(types))}
    fees = [row["package_id"] for row in mart["transactions"] if row["kind"] in oracle.FEES]
    known = {
        "client_tags": [tag.strip() for row in rows for tag in row["tags"].split(";") if tag.strip()],
        "company": list(COMPANIES)
        if "companies" in mart
        else [row["company"] for row in rows if row["company"]],
        "owner_user": [row["owner_user"] for row in rows if row["owner_user"]],
        "package": [package for package in fees if package]
        + (["=SUM(A1)", "P1"] if "packages" in mart else []),
    }
    for name, names in known.items():
        if draw(st.integers(0, 1 if name == "package" else 3)) == 0 and names:
            strange = ["Basic"] if not known_names and draw(st.integers(0, 19)) == 0 else []
            query[name] = draw(st.lists(st.sampled_from(names + strange), min_size=1, max_size=2))
    query["tags_match"] = draw(st.sampled_from(("any", "all", None)))
    query["include_descendants"] = draw(st.sampled_from((True, False, None)))
    return query


@st.composite
def cases(
    draw: st.DrawFn, *, filtered: bool = True, known_names: bool = False, sparse_quotes: bool = True
) -> Case:
    """Draw a mart, a query and an `as_of`.

    Parameters
    ----------
    filtered
        Whether the query may choose among the clients and packages.
    known_names
        Whether it does so only by names that the mart has, and one thing has.
    sparse_quotes
        Whether quotes that the query needs may be missing.
    """
    query, as_of = draw(questions() if draw(st.integers(0, 3)) else midnight_questions())
    pool = edges(query, as_of)
    several = draw(st.integers(0, 2)) > 0
    with_companies, with_packages = draw(st.booleans()), draw(st.integers(0, 3)) > 0
    rows = draw(clients(pool, True, CURRENCIES if several else ("USD",)))
    mart = {"clients": rows, "transactions": draw(ledgers(pool, [row["client_id"] for row in rows]))}
    if with_companies:
        mart["companies"] = [{"company": name, "parent": parent} for name, parent in COMPANIES.items()]
    if with_packages:
        mart["packages"] = [
            {"package_id": i, "name": name} for i, name in draw(st.permutations(sorted(PACKAGES.items())))
        ]
    if several:
        mart["rates"] = draw(rates(pool, sparse_quotes and draw(st.integers(0, 3)) == 0))
        query["currency"] = draw(st.sampled_from((None, *CURRENCIES)))
    if filtered:
        query |= draw(filters(mart, known_names))
    else:
        query["client_type"] = "all"
    return Case(mart, query, draw(instant_texts(as_of)))


def dense_mart(pool: Sequence[datetime]) -> Mart:
    """Return a mart where everything happens at and beside every instant of a pool (or fourteen of them).

    For each instant there is a client that was created then, one that was closed then, and one whose only
    paid use, fee of a package, refill and reversal were then; and a new quote on each of the dates.
    """
    chosen = sorted(set(pool))
    chosen = [*chosen[:: len(chosen) // 11 + 1], *chosen[-3:]]
    moments = sorted({at + shift for at in chosen for shift in AROUND})
    old, first_quote = (min(moments) - timedelta(days=days) for days in (20, 4000))
    mart: Mart = {
        "clients": [],
        "transactions": [],
        "rates": [],
        "packages": [{"package_id": "P1", "name": "P1"}],
    }
    events = {"usage": "-1", "package_renewal": "-2", "refill": "4", "package_activation": "8"}
    for i, at in enumerate(moments):
        for j, currency in enumerate(("USD", "EUR")):
            times = [(at, None), (old, at), *((old, None) for _ in events)]
            for k, (created, closed) in enumerate(times):
                row = {"client_id": f"{i}-{j}-{k}", "client_type": "client", "currency": currency, "tags": ""}
                row |= {
                    "created_at": created.isoformat(),
                    "closed_at": closed.isoformat() if closed else None,
                }
                mart["clients"].append(row | {"opening_balance": "16" if k < 2 else None})
            for k, (kind, amount) in enumerate(events.items(), len(times) - len(events)):
                row = {"transaction_id": f"{i}-{j}-{k}", "client_id": f"{i}-{j}-{k}", "at": at.isoformat()}
                row |= {"kind": kind, "amount": amount, "package_id": "P1" if k % 2 else None}
                mart["transactions"].append(row)
    days = sorted({first_quote.date(), *(at.date() for at in moments)})
    for n, day in enumerate(days):
        mart["rates"].append(
            {"currency": "EUR", "date": str(day), "units_per_base": f"0.{n + 3}", "base": "USD"}
        )
    return mart


@st.composite
def dense_cases(draw: st.DrawFn) -> Case:
    """Draw a question, at a midnight that clocks skip or repeat or anywhere, and ask it of its dense mart."""
    query, as_of = draw(midnight_questions() if draw(st.booleans()) else questions())
    if draw(st.integers(0, 2)) == 0:
        query["package"] = ["P1"]
    query["currency"] = draw(st.sampled_from(("USD", "EUR")))
    return Case(dense_mart(edges(query, as_of)), query, as_of.isoformat())
