"""Draw an operator's mart of any size from a seed, as Parquet.

Integer arithmetic on mixed 64-bit words throughout, so a seed means the same mart wherever it is drawn.
Three years of ledger end at `LAST_DAY`; rows come in the order of time, as a ledger's do, unless shuffled.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

FIRST_DAY, LAST_DAY = date(2022, 1, 1), date(2024, 12, 31)
CURRENCIES = ("USD", "EUR", "INR")
UNITS_PER_USD = (1_000_000, 920_000, 83_000_000)  # in millionths, around which the quotes move
PACKAGES = tuple(f"P{i}" for i in range(1, 9))
CLIENT_TYPES = (
    "client",
    "client",
    "client",
    "client",
    "client",
    "client",
    "reseller",
    "calling_card",
    "call_shop",
)
KINDS = ("usage", "refill", "package_renewal", "package_activation", "other")
ROWS_PER_CLIENT = 200
CHUNK = 1 << 20

_SECOND = 1_000_000
_DAY = 86_400 * _SECOND
_BEGIN = int(datetime(2022, 1, 1, tzinfo=UTC).timestamp()) * _SECOND
_SPAN = ((LAST_DAY - FIRST_DAY).days + 1) * _DAY
_TIME = pa.timestamp("us", tz="UTC")
_MONEY = pa.decimal128(18, 6)

Ints = np.ndarray[tuple[int], np.dtype[np.int64]]


class Draw:
    """Independent streams of raw words, each a function of seed, stream and position alone."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def below(self, stream: int, index: Ints, limit: int | Ints) -> Ints:
        """Return for each position a whole number from 0 to below `limit` (at most 2**31)."""
        word = index.astype(np.uint64) + np.uint64((self.seed * 1_000_003 + stream) * 0x9E3779B9 % 2**64)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            word = (word ^ (word >> np.uint64(shift))) * np.uint64(factor)
        high = (word ^ (word >> np.uint64(31))) >> np.uint64(32)
        return (high * np.asarray(limit, np.uint64) >> np.uint64(32)).astype(np.int64)

    def order(self, stream: int, count: int) -> Ints:
        """Return a permutation of 0 to `count` - 1."""
        index = np.arange(count)
        return np.lexsort((index, self.below(stream, index, 2**31)))


def write_mart(
    folder: Path, rows: int, *, seed: int = 1, shuffled: bool = False, clients: int | None = None
) -> None:
    """Write the five tables as Parquet files into `folder`, which is made.

    Parameters
    ----------
    folder
        Where they go.
    rows
        Rows of the ledger.
    seed
        Which mart; the same seed and size give the same tables.
    shuffled
        Whether the ledger's rows come in any order instead of the order of time.
    clients
        How many clients; by default one for each 200 rows, at least 20.
    """
    folder.mkdir(parents=True, exist_ok=True)
    draw = Draw(seed)
    drawn = Clients(draw, clients or max(20, rows // ROWS_PER_CLIENT))
    companies = _companies()
    pq.write_table(drawn.table(companies["company"].to_pylist()), folder / "clients.parquet")
    pq.write_table(companies, folder / "companies.parquet")
    names = [f"Bundle {i}" for i in range(1, len(PACKAGES) + 1)]
    pq.write_table(pa.table({"package_id": PACKAGES, "name": names}), folder / "packages.parquet")
    pq.write_table(_rates(draw), folder / "rates.parquet")
    order = draw.order(90, rows) if shuffled else None
    writer = None
    for start in range(0, rows, CHUNK):
        index = np.arange(start, min(start + CHUNK, rows))
        table = _transactions(draw, drawn, index if order is None else order[index], rows)
        # Decimals as 64-bit integers: what DuckDB and Spark write, and the quickest for every reader.
        writer = writer or pq.ParquetWriter(
            folder / "transactions.parquet", table.schema, store_decimal_as_integer=True
        )
        writer.write_table(table)
    if writer:
        writer.close()


class Clients:
    """The clients, in the order in which they were created."""

    def __init__(self, draw: Draw, count: int) -> None:
        index = np.arange(count)
        year = 365 * _DAY
        # From a year before the ledger to half a year before its end, a third of them before it.
        step = (_SPAN + year // 2) // count
        self.created = _BEGIN - year + index * step + draw.below(1, index, step // _SECOND) * _SECOND
        self.created[: count // 3] -= year // 2
        self.created.sort()
        closes = draw.below(2, index, 10) == 0
        lived = (90 + draw.below(3, index, 900)) * _DAY
        self.closed = np.where(closes, self.created + lived, np.iinfo(np.int64).max)
        self.currency = np.array([0, 0, 0, 1, 2])[draw.below(4, index, 5)]
        self.scale = np.array([1, 1, 80])[self.currency]
        self.opening = (draw.below(5, index, 40_000_000) - 5_000_000) * self.scale
        self.ids = pa.array([f"C{i:07}" for i in draw.order(6, count)])
        self.draw, self.count = draw, count

    def table(self, companies: list[str]) -> pa.Table:
        """Return the table `clients`."""
        index, draw = np.arange(self.count), self.draw
        tags = [["prepaid"], ["vip", "wholesale"], [], ["prepaid", "student"], ["legacy"], []]
        return pa.table(
            {
                "client_id": self.ids,
                "name": [f"Client {i}" for i in index],
                "client_type": pa.array(CLIENT_TYPES).take(draw.below(10, index, len(CLIENT_TYPES))),
                "company": pa.array(companies).take(draw.below(11, index, len(companies))),
                "owner_user": pa.array([f"owner{i:02}" for i in range(25)]).take(draw.below(12, index, 25)),
                "tags": pa.array([tags[i] for i in draw.below(13, index, len(tags))], pa.list_(pa.string())),
                "currency": pa.array(CURRENCIES).take(self.currency),
                "created_at": pa.array(self.created, _TIME),
                "closed_at": pa.array(self.closed, _TIME, mask=self.closed == np.iinfo(np.int64).max),
                "opening_balance": _money(self.opening),
            }
        )

    def pick(self, index: Ints, at: Ints) -> Ints:
        """Return which client each row belongs to: open at that time if it can be, old ones more often."""
        draw = self.draw
        known = np.searchsorted(self.created, at, side="right")
        early = draw.below(20, index, 200) == 0  # a few rows come before their client was created
        known = np.where(early, self.count, np.maximum(known, 1))
        chosen = np.minimum(draw.below(21, index, known), draw.below(22, index, known))
        return np.where(self.closed[chosen] <= at, chosen // 2, chosen)


def _transactions(draw: Draw, clients: Clients, index: Ints, rows: int) -> pa.Table:
    """Return the ledger's rows at these positions in time."""
    step = _SPAN // rows
    at = _BEGIN + index * step + (draw.below(30, index, 2**31) * step >> 31)
    client = clients.pick(index, at)
    kind = np.searchsorted([780, 890, 950, 962], draw.below(31, index, 1000), side="right")
    package = draw.below(32, index, len(PACKAGES))
    fee = (package + 1) * 2_500_000 - 10_000
    other = draw.below(34, index, 4_000_000) - 2_000_000
    refill = (draw.below(35, index, 15) + 1) * 5_000_000
    amount = np.choose(
        kind, [-draw.below(33, index, 9_000_000) - 1, refill, -fee, -(fee // 5) * (package % 3), other]
    )
    reversal = (draw.below(36, index, 100) == 0) & (kind != 4)
    amount = np.where(reversal, -amount, amount) * clients.scale[client]
    no_package = (kind != 2) & (kind != 3) & (draw.below(37, index, 20) > 0)
    return pa.table(
        {
            "transaction_id": pa.array([f"T{i:010}" for i in index]),
            "client_id": clients.ids.take(client),
            "at": pa.array(at, _TIME),
            "kind": pa.array(KINDS).take(kind),
            "amount": _money(amount),
            "package_id": pa.array(PACKAGES).take(pa.array(package, mask=no_package)),
        }
    )


def _companies() -> pa.Table:
    """Return a tree: 4 resellers on top, 4 below each, 2 below each of these."""
    parents: dict[str, str | None] = {}
    for i in range(4):
        parents[f"R{i}"] = None
        for j in range(4):
            parents[f"R{i}.{j}"] = f"R{i}"
            parents.update({f"R{i}.{j}.{k}": f"R{i}.{j}" for k in range(2)})
    return pa.table({"company": list(parents), "parent": pa.array(parents.values(), pa.string())})


def _rates(draw: Draw) -> pa.Table:
    """Return daily quotes, none on Sundays, from a month before the ledger on."""
    days = [FIRST_DAY + timedelta(i) for i in range(-31, (LAST_DAY - FIRST_DAY).days + 1)]
    kept = [d for d in days if d.weekday() != 6]
    columns: dict[str, list[object]] = {"currency": [], "date": [], "units_per_base": []}
    for number, (code, middle) in enumerate(zip(CURRENCIES, UNITS_PER_USD, strict=True)):
        moves = (
            draw.below(40 + number, np.arange(len(kept)), middle // 10)
            if number
            else np.zeros(len(kept), np.int64)
        )
        columns["currency"] += [code] * len(kept)
        columns["date"] += kept
        columns["units_per_base"] += [middle - middle // 20 * (number > 0) + int(m) for m in moves]
    units = _money(np.array(columns["units_per_base"]))
    return pa.table({**columns, "units_per_base": units, "base": [CURRENCIES[0]] * len(units)})


def _money(millionths: Ints) -> pa.Array:
    """Return int64 millionths as decimal(18, 6), sharing no arithmetic with any of the peers."""
    words = np.empty((len(millionths), 2), np.int64)
    words[:, 0] = millionths
    words[:, 1] = millionths >> 63
    return pa.Array.from_buffers(_MONEY, len(millionths), [None, pa.py_buffer(words)])
