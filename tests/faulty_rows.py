"""Find faulty rows of a mart row by row (specification, section 1), as a reference for quarantine.

A mart is a dict of lists of dicts of text, as in the oracle; no code is shared with the product.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any

Mart = dict[str, list[dict[str, Any]]]
Row = tuple[str, int]

KEYS = {
    "clients": "client_id",
    "transactions": "transaction_id",
    "packages": "package_id",
    "companies": "company",
}
REQUIRED = {
    "clients": ("client_id", "client_type", "currency", "created_at"),
    "transactions": ("transaction_id", "client_id", "at", "kind", "amount"),
    "packages": ("package_id",),
    "companies": ("company",),
    "rates": ("currency", "date", "units_per_base", "base"),
}
CHOICES = {
    ("clients", "client_type"): ("client", "reseller", "calling_card", "call_shop"),
    ("transactions", "kind"): ("refill", "usage", "package_activation", "package_renewal", "other"),
}
REFERENCES = (
    ("transactions", "client_id", "clients"),
    ("transactions", "package_id", "packages"),
    ("clients", "company", "companies"),
    ("companies", "parent", "companies"),
)  # fmt: skip
LIMITS = Fraction(-(2**63), 10**6), Fraction(2**63 - 1, 10**6)


def without_faulty_rows(mart: Mart) -> tuple[Mart, set[Row]]:
    """Delete faulty rows until none remain; return the mart and the deleted rows of the original."""
    places = {name: list(range(len(rows))) for name, rows in mart.items()}
    while True:
        left = {name: [mart[name][i] for i in kept] for name, kept in places.items()}
        faulty = set(own_faults(left)) | set(between_faults(left)) or set(balance_faults(left))
        if not faulty:
            gone = {(name, i) for name in mart for i in set(range(len(mart[name]))) - set(places[name])}
            return left, gone
        places = {n: [p for i, p in enumerate(kept) if (n, i) not in faulty] for n, kept in places.items()}


def own_faults(mart: Mart) -> Iterator[Row]:
    for name, rows in mart.items():
        seen = Counter(row.get(KEYS.get(name, "")) for row in rows)
        for i, row in enumerate(rows):
            if (
                any(blank(row.get(column)) for column in REQUIRED[name])
                or (name in KEYS and seen[row[KEYS[name]]] > 1)
                or any(row[column] not in allowed for (t, column), allowed in CHOICES.items() if t == name)
                or any(unreadable(column, text) for column, text in row.items())
            ):
                yield name, i


def between_faults(mart: Mart) -> Iterator[Row]:
    for name, column, other in REFERENCES:
        if other in mart:
            known = {row[KEYS[other]] for row in mart[other]}
            for i, row in enumerate(mart.get(name, ())):
                if not blank(row.get(column)) and row[column] not in known:
                    yield name, i
    for i, row in enumerate(mart["clients"]):
        if instant(row["created_at"]) and instant(row.get("closed_at")) and closed_early(row):
            yield "clients", i
    companies = {row["company"]: row.get("parent") for row in mart.get("companies", ())}
    for i, row in enumerate(mart.get("companies", ())):
        above, seen = row.get("parent"), set()
        while above and above not in seen:
            seen.add(above)
            above = companies.get(above)
        if row["company"] in seen:
            yield "companies", i
    yield from rate_faults(mart.get("rates", []))


def rate_faults(rates: list[dict[str, Any]]) -> Iterator[Row]:
    bases = Counter(row["base"] for row in rates if not blank(row["base"]))
    itself = {r["base"] for r in rates if r["currency"] == r["base"] and number(r["units_per_base"]) == 1}
    base = min(bases, key=lambda b: (-bases[b], b not in itself, b), default=None)
    seen = Counter((row["currency"], day(row["date"])) for row in rates)
    for i, row in enumerate(rates):
        units = number(row["units_per_base"])
        if (
            (day(row["date"]) and seen[row["currency"], day(row["date"])] > 1)
            or (units is not None and units <= 0)
            or row["base"] != base
            or (row["currency"] == base and units != 1)
        ):
            yield "rates", i


def balance_faults(mart: Mart) -> Iterator[Row]:
    for i, client in enumerate(mart["clients"]):
        rows = [t for t in mart["transactions"] if t["client_id"] == client["client_id"]]
        for end in {second(t["at"]) for t in rows}:
            amounts = [number(t["amount"]) or Fraction(0) for t in rows if second(t["at"]) <= end]
            balance = sum(amounts, number(client.get("opening_balance")) or Fraction(0))
            if not LIMITS[0] <= balance <= LIMITS[1]:
                yield "clients", i


def blank(text: Any) -> bool:
    return text is None or not text.strip()


def unreadable(column: str, text: Any) -> bool:
    if blank(text):
        return False
    if column in ("at", "created_at", "closed_at"):
        return instant(text) is None
    if column == "date":
        return day(text) is None
    if column in ("amount", "opening_balance", "stored_balance"):
        amount = number(text)
        return amount is None or (amount * 10**6).denominator > 1 or not LIMITS[0] <= amount <= LIMITS[1]
    if column == "units_per_base":
        return number(text) is None
    return column in ("currency", "base") and not re.fullmatch("[A-Z]{3}", text)


def number(text: Any) -> Fraction | None:
    plain = not blank(text) and re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)", text)
    return Fraction(text) if plain else None


def instant(text: Any) -> datetime | None:
    try:
        at = datetime.fromisoformat(text or "")
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def second(text: str) -> datetime:
    at = instant(text)
    assert at is not None
    return at.replace(microsecond=0)


def day(text: Any) -> date | None:
    at = instant(text)
    return at.date() if at else None


def closed_early(row: dict[str, Any]) -> bool:
    created, closed = instant(row["created_at"]), instant(row["closed_at"])
    return bool(created and closed and closed < created)
