"""Files as a billing system on the continent exports them: `;`, decimal commas, DD/MM/YYYY, local times.

The same facts as a mart are written by `write_mart`.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

KYIV = ZoneInfo("Europe/Kyiv")
FEE = 1250
Row = tuple[object, ...]


def _customers() -> Iterable[tuple[int, bool, list[str], str, datetime, datetime | None]]:
    """Yield number, whether a reseller, tags, currency, registration and closing."""
    for i in range(60):
        tags = ["Kyiv", "VIP"] if i % 3 else ["Lviv"]
        currency = "USD" if i % 5 == 0 else "UAH"
        closed = None if i % 9 else datetime(2024, 10, 5)
        yield 1000 + i, i % 7 == 0, tags, currency, datetime(2023, 1, 5) + timedelta(days=3 * i), closed


def _payments() -> Iterable[tuple[int, int, datetime, str, int]]:
    """Yield number, customer, local time, type and cents."""
    draw = random.Random(1)
    for i in range(700):
        at = datetime(2024, 1, 1) + timedelta(hours=9 * i)
        yield i, 1000 + i % 60, at, draw.choice(["Top-up", "Voucher", "Refund"]), draw.randint(500, 900_000)


def _calls(month: int) -> Iterable[tuple[datetime, int, int, int]]:
    """Yield local time, customer, seconds and thousandths."""
    draw = random.Random(month)
    for i in range(1300):
        at = datetime(2024, month, 1) + timedelta(minutes=30 * i)
        yield at, 1000 + draw.randint(0, 59), draw.randint(1, 600), draw.randint(1, 900)


def _fees() -> Iterable[tuple[int, int, str, datetime]]:
    """Yield number, customer, plan and local time."""
    draw = random.Random(2)
    for i in range(100):
        at = datetime(2024, 1, 1, 12) + timedelta(days=i)
        yield i, 1000 + i % 60, draw.choice(["Gold", "Basic"]), at


DAYS = [datetime(2023, 1, 1) + timedelta(days=i) for i in range(800)]
QUOTES = {"USD": 10850, "UAH": 412500}


def write_export(folder: Path) -> Path:
    """Write customers, payments, calls of three months, fees of plans, and quotes."""
    folder.mkdir()
    customers = [
        (n, f"Client {n}", "Reseller" if reseller else "Retail", ",".join(tags), currency, _day(at),
         _day(closed) if closed else "")
        for n, reseller, tags, currency, at, closed in _customers()
    ]  # fmt: skip
    _write(folder / "customers.csv", "Customer No;Full Name;Type;Tags;Currency;Registered;Closed", customers)
    payments = [(f"P{i}", n, _time(at), kind, _amount(c, 2)) for i, n, at, kind, c in _payments()]
    _write(folder / "payments.csv", "Payment ID;Customer No;Paid At;Type;Amount", payments)
    for month in (1, 2, 3):
        calls = [(_day(at), f"{at:%H:%M:%S}", n, s, _amount(c, 3)) for at, n, s, c in _calls(month)]
        _write(folder / f"calls-2024-0{month}.csv", "Call Date;Call Time;Customer No;Duration;Cost", calls)
    fees = [(i, n, plan, _time(at), _amount(FEE, 2)) for i, n, plan, at in _fees()]
    _write(folder / "fees.csv", "ID;Customer;Plan;Charged;Fee", fees)
    _write(folder / "plans.csv", "Code;Title", [("G", "Gold"), ("B", "Basic")])
    quotes = [(_day(day), f"EUR{c}", _amount(rate, 4)) for day in DAYS for c, rate in QUOTES.items()]
    _write(folder / "fx.csv", "Date;Pair;Rate", quotes)
    return folder


def write_mart(folder: Path) -> None:
    """Write the same facts in the form of a mart."""
    clients = [
        (n, f"Client {n}", "reseller" if reseller else "client", ";".join(tags), currency, _utc(at),
         _utc(closed) if closed else "")
        for n, reseller, tags, currency, at, closed in _customers()
    ]  # fmt: skip
    headings = "client_id;name;client_type;tags;currency;created_at;closed_at"
    _write(folder / "clients.csv", headings, clients, ",")
    rows: list[Row] = [
        (f"p{i}", n, _utc(at), "other" if kind == "Refund" else "refill", f"{c / 100:.2f}", "")
        for i, n, at, kind, c in _payments()
    ]
    calls = [call for month in (1, 2, 3) for call in _calls(month)]
    rows += [(f"c{i}", n, _utc(at), "usage", f"{-c / 1000:.3f}", "") for i, (at, n, _, c) in enumerate(calls)]
    rows += [
        (f"f{i}", n, _utc(at), "package_renewal", f"{-FEE / 100:.2f}", plan[0]) for i, n, plan, at in _fees()
    ]
    _write(folder / "transactions.csv", "transaction_id;client_id;at;kind;amount;package_id", rows, ",")
    _write(folder / "packages.csv", "package_id;name", [("G", "Gold"), ("B", "Basic")], ",")
    quotes = [(f"{d:%Y-%m-%d}", c, f"{rate / 10000:.4f}", "EUR") for d in DAYS for c, rate in QUOTES.items()]
    _write(folder / "rates.csv", "date;currency;units_per_base;base", quotes, ",")


def _write(path: Path, headings: str, rows: Iterable[Sequence[object]], delimiter: str = ";") -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([headings.split(";"), *rows])


def _day(at: datetime) -> str:
    return f"{at:%d/%m/%Y}"


def _time(at: datetime) -> str:
    return f"{at:%d/%m/%Y %H:%M:%S}"


def _utc(at: datetime) -> str:
    return at.replace(tzinfo=KYIV).astimezone(UTC).isoformat()


def _amount(units: int, places: int) -> str:
    return f"{units / 10**places:,.{places}f}".replace(",", " ").replace(".", ",")
