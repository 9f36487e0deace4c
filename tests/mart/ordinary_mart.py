"""An ordinary operator's mart, drawn from a seed: nothing in it is a mistake."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

END = datetime(2025, 11, 28, 16, 30, tzinfo=UTC)  # when it was exported
DAYS, CLIENTS = 150, 70
Frames = dict[str, pd.DataFrame]
# Chances of a call in each hour of the day.
_HOURS = [2, 1, 1, 1, 1, 2, 4, 8, 12, 14, 14, 13, 12, 12, 13, 14, 15, 15, 14, 12, 10, 8, 6, 4]
_FEES = {"p1": "9.99", "p2": "24.50", "p3": "4.25"}


def ordinary_mart(seed: int = 1) -> Frames:
    """Return the tables as text: prepaid clients who call, refill and renew packages."""
    draw = random.Random(seed)
    clients, rows = [], []
    for i in range(CLIENTS):
        created = END - timedelta(days=draw.uniform(0.5, 2 * DAYS))
        currency = draw.choice(["USD", "USD", "EUR"])
        opening = draw.randint(100, 2000) if created < END - timedelta(days=DAYS) else 0
        package = draw.choice(["", "", *_FEES])
        tags = ";".join(draw.sample(["vip", "retail", "trial"], draw.randint(0, 2)))
        closed = created + timedelta(days=draw.uniform(60, 200)) if draw.random() < 0.1 else END
        clients.append({
            "client_id": f"c{i:03}", "client_type": draw.choice(["client", "client", "call_shop"]),
            "tags": tags, "currency": currency, "created_at": _text(created),
            "closed_at": _text(closed) if closed < END else "", "opening_balance": f"{opening / 100:.2f}",
        })  # fmt: skip
        first = max(created, END - timedelta(days=DAYS))
        rows += _events(draw, f"c{i:03}", first, min(closed, END), opening * 100, package)
    rows.sort(key=lambda row: (row[0], row[1]))
    days = [END.date() - timedelta(days=DAYS - i) for i in range(0, DAYS, 7)]
    return {
        "clients": pd.DataFrame(clients),
        "transactions": pd.DataFrame({
            "transaction_id": [f"t{i:06}" for i in range(len(rows))],
            "client_id": [row[1] for row in rows],
            "at": [_text(row[0]) for row in rows],
            "kind": [row[2] for row in rows],
            "amount": [f"{row[3] / 10_000:.4f}" for row in rows],
            "package_id": [row[4] for row in rows],
        }),
        "packages": pd.DataFrame({"package_id": list(_FEES), "name": list(_FEES)}),
        "rates": pd.DataFrame({
            "currency": "EUR", "date": [str(day) for day in days],
            "units_per_base": [f"0.{draw.randint(8500, 8800)}" for _ in days], "base": "USD",
        }),
    }  # fmt: skip


def _events(
    draw: random.Random, client: str, begin: datetime, end: datetime, balance: int, package: str
) -> Iterator[tuple[datetime, str, str, int, str]]:
    """Yield time, client, kind, amount in 1/10,000 and package: calls, and what they need."""
    price, often = draw.randint(300, 3000), draw.uniform(0.5, 3)
    size = draw.choice([5, 10, 20]) * 10_000
    renews = begin + timedelta(minutes=draw.uniform(5, 3000))
    yields_activation = bool(package)
    midnight = begin.replace(hour=0, minute=0, second=0, microsecond=0)
    while midnight < end:
        calls = sorted(
            midnight + timedelta(hours=hour, seconds=draw.randint(0, 3599))
            for hour in draw.choices(range(24), _HOURS, k=int(draw.expovariate(1 / often)))
        )
        for at in calls:
            cost = price * draw.randint(20, 900) // 300
            if not begin < at < end:
                continue
            if balance < cost:
                yield at - timedelta(seconds=draw.randint(30, 300)), client, "refill", size, ""
                balance += size
                if draw.random() < 0.1:
                    yield at - timedelta(seconds=20), client, "other", size // 10, ""
                    balance += size // 10
            yield at, client, "usage", -cost, ""
            balance -= cost
            if draw.random() < 0.003:
                yield at + timedelta(seconds=90), client, "usage", cost, ""
                balance += cost
        midnight += timedelta(days=1)
        if package and renews < min(midnight, end):
            fee = int(float(_FEES[package]) * 10_000)
            yield renews - timedelta(seconds=9), client, "refill", fee, ""
            if yields_activation:
                yield renews, client, "package_activation", 0, package
                yields_activation = False
            yield renews, client, "package_renewal", -fee, package
            renews += timedelta(days=30)


def _text(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def write_as(mart: Frames, folder: Path, form: str) -> Path:
    """Write a mart as CSV or typed Parquet files and return the folder; numbers stay what they are."""
    for name, frame in mart.items():
        if form == "csv":
            frame.to_csv(folder / f"{name}.csv", index=False)
        else:
            pq.write_table(_typed(frame), folder / f"{name}.parquet")
    return folder


def _typed(frame: pd.DataFrame) -> pa.Table:
    columns = {}
    for name in frame.columns:
        texts = pa.array(frame[name].tolist())
        if pa.types.is_string(texts.type) and name in ("at", "created_at", "closed_at"):
            times = pd.to_datetime(frame[name].replace("", None), utc=True)
            columns[name] = pa.array(times).cast(pa.timestamp("us", "UTC"))
        elif name in ("amount", "opening_balance", "stored_balance"):
            columns[name] = texts.cast(pa.decimal128(18, 6))
        else:
            columns[name] = texts
    return pa.table(columns)
