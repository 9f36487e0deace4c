"""The demo mart: three years of data for a fictional VoIP operator, generated from a seed.

Its charts tell a story: the operator grows; usage dips every summer, when campus clients are away; a reseller
leaves with all its clients in the second year; and package prices rise in the third. The same seed and
`as_of` produce the same bytes on every machine.
"""

from __future__ import annotations

import csv
import io
import secrets
import shutil
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from custdyn_widgets.errors import QueryError, SourceError, shown
from custdyn_widgets.mart.demo.clients import (
    CARD,
    CLIENTS,
    COMPANIES,
    CURRENCIES,
    DIRECT,
    OWNERS,
    PACKAGES,
    RESELLER,
    SHOP,
    UNIT,
    Clients,
    Ints,
    RandomStream,
    Timeline,
    draw_clients,
)
from custdyn_widgets.mart.demo.ledger import DemoLedger, closing_instant, draw_ledger
from custdyn_widgets.mart.schema import KINDS, TABLES
from custdyn_widgets.query import CLIENT_TYPES, YEARS, Period, ReportQuery, parse_as_of

_FIRST = (
    "Ada", "Amir", "Anna", "Beatriz", "Ben", "Carla", "Chidi", "Clara", "Daniel", "Diana", "Elif", "Emma",
    "Felix", "Femi", "Grace", "Hana", "Hugo", "Ines", "Ivan", "Jonas", "José", "Julia", "Kofi", "Lara",
    "Leo", "Lina", "Luca", "Łukasz", "Maya", "Marek", "Mia", "Nadia", "Nils", "Noah", "Olga", "Omar",
    "Paula", "Pedro", "Priya", "Rosa", "Sam", "Sara", "Tariq", "Tomás", "Vera", "Yusuf", "Zara", "Zoë",
)  # fmt: skip
_LAST = (
    "Abara", "Almeida", "Andersen", "Baker", "Barros", "Becker", "Bianchi", "Costa", "Cruz", "Dahl", "Demir",
    "Dubois", "Eriksen", "Farouk", "Fischer", "Fontaine", "García", "Haas", "Hansen", "Holm", "Ibrahim",
    "Jansen", "Kaya", "Keita", "Kovács", "Kowalski", "Lang", "Lopes", "Marsh", "Mensah", "Meyer", "Moreau",
    "Müller", "Nkosi", "Novak", "O'Brien", "Okoro", "Olsen", "Patel", "Pereira", "Petrov", "Quinn", "Ricci",
    "Rossi", "Santos", "Schmidt", "Silva", "Singh", "Svensson", "Tanaka", "Torres", "Weber", "Wójcik",
    "Young",
)  # fmt: skip
_TRADES = (
    "Logistics",
    "Dental Care",
    "Legal",
    "Bakery",
    "Travel",
    "Interiors",
    "Motors",
    "Consulting",
    "Couriers",
)
_SHOPS = ("Call Shop", "Internet Café", "Phone Corner", "Call & Copy")
_ELSEWHERE = (
    "Σοφία Παππά",
    "田中 陽子",
    "Олена Шевченко",
    "ליאור כהן",
    "محمد الحسن",
    "김민준",
    "Nguyễn Thị Lan",
    "Þóra Jónsdóttir",
)

_CENTRES = {"EUR": 921_000, "GBP": 788_000}  # millionths of a unit per dollar


def write_demo(folder: Path, as_of: datetime, seed: int = 1) -> None:
    """Write the demo mart as a folder of CSV files, atomically.

    Parameters
    ----------
    folder
        The folder to write. An existing demo mart is replaced; any other content is an error.
    as_of
        The end of the three years, truncated to whole seconds; in UTC if it has no offset. The last
        transaction is shortly before it.
    seed
        A non-negative integer; a different seed produces a different operator with the same story.

    Raises
    ------
    SourceError
        If `folder` exists and is not a demo mart.
    QueryError
        If the seed is negative or `as_of` is outside the years 1900 to 2100.
    """
    now = parse_as_of(as_of)
    if now.year not in YEARS:
        raise QueryError.invalid("as_of", str(as_of), f"is outside the years {YEARS[0]} to {YEARS[-1]}")
    if seed < 0:
        raise QueryError.invalid("seed", seed, "is negative")
    place = Path(folder).resolve()
    _reject_other_folder(place)
    files = {f"{table}.csv": _csv(table, rows) for table, rows in _tables(now, seed)}
    _write_folder(place, files)


def _tables(now: datetime, seed: int) -> Iterator[tuple[str, Iterable[Sequence[object]]]]:
    """Yield the name and the rows of each table."""
    rng = RandomStream(seed)
    line = Timeline.ending_at(now)
    clients = draw_clients(line, rng)
    ledger = draw_ledger(clients, line, rng)
    yield "clients", _client_rows(clients, line, rng)
    yield "transactions", _transaction_rows(ledger)
    yield "packages", ((_package_id(i), name) for i, (name, *_) in enumerate(PACKAGES))
    yield "companies", _company_rows()
    yield "rates", _rate_rows(line, rng)


def _client_rows(clients: Clients, line: Timeline, rng: RandomStream) -> Iterator[Sequence[object]]:
    names, tags = _names(clients, rng), _tags(clients, rng)
    created = _instants(clients.created)
    ends = closing_instant(np.minimum(clients.closes, line.last + 1))
    closed = np.where(ends < line.as_of, _instants(ends), "").tolist()
    opening = clients.opening.tolist()
    for i in range(CLIENTS):
        company = int(clients.company[i])
        yield (
            _client_id(i), names[i], CLIENT_TYPES[clients.kind[i]],
            "" if company == DIRECT else COMPANIES[company][0], OWNERS[clients.owner[i]], tags[i],
            CURRENCIES[clients.currency[i]], created[i], closed[i], _decimal(opening[i]),
        )  # fmt: skip


def _names(clients: Clients, rng: RandomStream) -> list[str]:
    """Return a name for each client; the first clients are the companies' own accounts."""
    draws = (rng.below(len(pool), CLIENTS).tolist() for pool in (_FIRST, _LAST, _TRADES, _SHOPS))
    odd = rng.below(500, CLIENTS).tolist()
    names = []
    for i, (first, last, trade, shop) in enumerate(zip(*draws, strict=True)):
        kind = clients.kind[i]
        if i < len(COMPANIES):
            names.append(COMPANIES[i][0])
        elif kind == RESELLER:
            names.append(f"{_LAST[last]} Telecom")
        elif kind == CARD:
            names.append(f"Card {7_000_000 + 137 * i}")
        elif kind == SHOP:
            names.append(f"{_LAST[last]} {_SHOPS[shop]}")
        elif clients.office[i]:
            names.append(f"{_LAST[last]} {_TRADES[trade]}")
        else:
            names.append(_ELSEWHERE[odd[i]] if odd[i] < len(_ELSEWHERE) else f"{_FIRST[first]} {_LAST[last]}")
    return names


def _tags(clients: Clients, rng: RandomStream) -> list[str]:
    home = (clients.kind == 0) & ~clients.office
    marks = {
        "residential": home & ~clients.campus,
        "campus": clients.campus,
        "business": clients.office & (clients.kind == 0),
        "wholesale": clients.kind == RESELLER,
        "postpaid": clients.postpaid,
        "vip": (clients.chance >= 160_000) & (clients.spend >= 4 * UNIT),
        "referral": rng.once_in(9, CLIENTS) & home,
        "number-ported": rng.once_in(14, CLIENTS) & (clients.kind == 0),
    }
    return [";".join(tag for tag, has in marks.items() if has[i]) for i in range(CLIENTS)]


def _transaction_rows(ledger: DemoLedger) -> Iterator[Sequence[object]]:
    packages = ["", *map(_package_id, range(len(PACKAGES)))]
    clients = [_client_id(i) for i in range(CLIENTS)]
    columns = (ledger.client.tolist(), _instants(ledger.at), ledger.kind.tolist(), ledger.amount.tolist())
    for i, (client, at, kind, amount, package) in enumerate(
        zip(*columns, ledger.package.tolist(), strict=True), 1
    ):
        yield f"T{i:07}", clients[client], at, KINDS[kind], _decimal(amount), packages[package + 1]


def _company_rows() -> list[tuple[str, str]]:
    return [(name, "" if parent == DIRECT else COMPANIES[parent][0]) for name, parent in COMPANIES]


def _rate_rows(line: Timeline, rng: RandomStream) -> Iterator[Sequence[object]]:
    """Yield each currency's daily quotes, a mean-reverting random walk that starts before the ledger does."""
    days = np.arange(line.first - 366, line.last + 1, dtype=np.int64)
    dates = np.datetime_as_string(days.astype("datetime64[D]")).tolist()
    for currency, centre in _CENTRES.items():
        quote = centre
        for date, step in zip(dates, rng.below(7001, len(days)).tolist(), strict=True):
            quote += step - 3500 + (centre - quote) // 150
            yield currency, date, f"0.{quote:06}", CURRENCIES[0]


def _client_id(place: int) -> str:
    return f"C{10_001 + place}"


def _package_id(place: int) -> str:
    return f"PK{place + 1:02}"


def _instants(seconds: Ints) -> list[str]:
    texts: list[str] = np.datetime_as_string(seconds.astype("datetime64[s]"), timezone="UTC").tolist()
    return texts


def _decimal(amount: int) -> str:
    """Return an amount in units of 1/`UNIT` as a plain decimal with 2 or 4 places."""
    whole, part = divmod(abs(amount), UNIT)
    sign = "-" if amount < 0 else ""
    return f"{sign}{whole}.{part // 100:02}" if part % 100 == 0 else f"{sign}{whole}.{part:04}"


def _csv(table: str, rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(name for name in TABLES[table].column_names if name != "stored_balance")
    writer.writerows(rows)
    return text.getvalue().encode()


def _reject_other_folder(place: Path) -> None:
    """Raise an error if a folder contains anything other than a demo mart.

    A demo mart is recognized by its companies, which never change.
    """
    if not place.exists() or (place.is_dir() and not any(place.iterdir())):
        return
    known = {f"{table}.csv" for table in TABLES}
    if place.is_dir() and {p.name for p in place.iterdir()} == known:
        companies = _csv("companies", _company_rows())
        if (place / "companies.csv").read_bytes() == companies:
            return
    raise SourceError(
        f"{shown(str(place))} is not a demo mart, so it is left unchanged. "
        "Choose a folder that does not exist yet, or move this one elsewhere.",
        field="folder",
    )


def _write_folder(place: Path, files: dict[str, bytes]) -> None:
    """Write the files to a temporary folder and rename it, so that a killed run leaves no partial mart."""
    if _has_files(place, files):
        return
    mark = secrets.token_hex(6)
    fresh, old = (place.with_name(f".{place.name}.{mark}.{what}") for what in ("new", "old"))
    try:
        fresh.mkdir(parents=True)
        for name, content in files.items():
            (fresh / name).write_bytes(content)
        if place.exists():
            place.rename(old)
        fresh.rename(place)
    except BaseException as error:
        if old.exists() and not place.exists():
            old.rename(place)
        another_was_first = isinstance(error, OSError) and _has_files(place, files)
        if not another_was_first:
            raise
    finally:
        for leftover in (fresh, old):
            shutil.rmtree(leftover, ignore_errors=True)


def _has_files(place: Path, files: dict[str, bytes]) -> bool:
    """Return whether the folder contains exactly these files."""
    if not place.is_dir() or {p.name for p in place.iterdir()} != set(files):
        return False
    return all((place / name).read_bytes() == content for name, content in files.items())


def demo_query(as_of: datetime) -> ReportQuery:
    """Return the query of the demo report: clients by month for the three years before `as_of`."""
    months = as_of.year * 12 + as_of.month - 1
    first = datetime((months - 35) // 12, (months - 35) % 12 + 1, 1)
    after = datetime((months + 1) // 12, (months + 1) % 12 + 1, 1)
    return ReportQuery(interval=Period(first, after - timedelta(seconds=1)))
