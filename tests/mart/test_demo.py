"""The demo mart: valid under every rule of a mart, the same bytes for a seed, and a story in numbers.

All is read back with the standard library too, so that the mart's own reader cannot hide a fault.
"""

from __future__ import annotations

import csv
import functools
import hashlib
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from custdyn_widgets.errors import QueryError, SourceError
from custdyn_widgets.mart.checking.checks import check
from custdyn_widgets.mart.demo.mart import demo_query, write_demo
from custdyn_widgets.mart.reading.files import read_folder
from custdyn_widgets.query.fields import CLIENT_TYPES

AS_OF = datetime(2026, 11, 22, 15, 30, tzinfo=UTC)
TABLES = ("clients", "transactions", "packages", "companies", "rates")
PAID_USES = ("usage", "package_activation", "package_renewal")
LOST = "Saltmarsh Communications"
DIGESTS = {
    "clients.csv": "f45663392cb949567b06391a548972ee538ee6a8349576391b82d3469d721bee",
    "companies.csv": "1928e77fe98169cdf9bec10a6006d3a862be3bd1d4169ce8a3d1a93898e91fa2",
    "packages.csv": "d3820e4345f4ae816420e66a847e8955205efbda7269ec9a8e104bbd16020a15",
    "rates.csv": "787435bc3de3d408fa2d2f7ce12fa06d2b18d9622ad4fb76411f440ddb5bbf02",
    "transactions.csv": "123e97d66272c2f25ca84c23dc505b788a903e2c9a58ed8e5aed593c3944e119",
}
_AMOUNT = re.compile(r"-?\d+\.\d{2}(\d{2})?", re.ASCII)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


@dataclass(frozen=True, eq=False)
class Demo:
    """A demo mart as text, and the instant at which it ends."""

    folder: Path
    as_of: datetime
    tables: dict[str, list[dict[str, str]]]

    def __getattr__(self, table: str) -> list[dict[str, str]]:
        return self.tables[table]

    def of_type(self, client_type: str) -> set[str]:
        return {c["client_id"] for c in self.clients if c["client_type"] == client_type}

    def full_months(self) -> list[str]:
        """The calendar months that the ledger covers completely."""
        return sorted({t["at"][:7] for t in self.transactions})[:-1]


def read(folder: Path, as_of: datetime) -> Demo:
    tables = {}
    for name in TABLES:
        with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
            tables[name] = list(csv.DictReader(lines, strict=True))
    return Demo(folder, as_of, tables)


def digests(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("demo") / "mart"
    write_demo(folder, AS_OF)
    return read(folder, AS_OF)


LEAP_DAY = datetime(2024, 2, 29, tzinfo=UTC)
LEDGERS = {
    AS_OF: DIGESTS["transactions.csv"],
    LEAP_DAY: "94d4abb4e98753f0fe0b71e1c4e7ec8f6ea8e468d1090f73ad53441f78d096f2",
}


@pytest.fixture(scope="module", params=[AS_OF, LEAP_DAY], ids=lambda at: f"{at:%Y-%m-%d}")
def any_demo(request: pytest.FixtureRequest, demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """The demo at two instants and seeds, so that no test depends on one calendar."""
    if request.param == AS_OF:
        return demo
    folder = tmp_path_factory.mktemp("other") / "mart"
    write_demo(folder, request.param, seed=7)
    return read(folder, request.param)


def test_the_bytes_are_the_same_on_every_machine(demo: Demo) -> None:
    assert digests(demo.folder) == DIGESTS


def test_the_ledgers_of_two_seeds_are_the_same_on_every_machine(any_demo: Demo) -> None:
    assert digests(any_demo.folder)["transactions.csv"] == LEDGERS[any_demo.as_of]


def test_the_same_seed_and_instant_give_the_same_bytes_whatever_its_offset(
    demo: Demo, tmp_path: Path
) -> None:
    east = AS_OF.astimezone(timezone(timedelta(hours=5, minutes=30))).replace(microsecond=999_999)
    write_demo(tmp_path / "east", east)
    assert digests(tmp_path / "east") == digests(demo.folder)


def test_another_seed_gives_another_ledger_and_replaces_an_earlier_demo(demo: Demo, tmp_path: Path) -> None:
    shutil.copytree(demo.folder, tmp_path / "mart")
    write_demo(tmp_path / "mart", AS_OF, seed=2)
    ours, theirs = digests(demo.folder), digests(tmp_path / "mart")
    assert {name for name in ours if ours[name] == theirs[name]} == {"packages.csv", "companies.csv"}
    assert [p.name for p in tmp_path.iterdir()] == ["mart"]


def test_required_values_exist_and_ids_are_unique(any_demo: Demo) -> None:
    required = {
        "clients": ("client_id", "client_type", "currency", "created_at"),
        "transactions": ("transaction_id", "client_id", "at", "kind", "amount"),
        "packages": ("package_id", "name"),
        "companies": ("company",),
        "rates": ("currency", "date", "units_per_base", "base"),
    }
    for table, columns in required.items():
        for column in columns:
            assert all(row[column] and row[column] == row[column].strip() for row in any_demo.tables[table])
        key = columns[0] if table != "rates" else None
        ids = [row[key] if key else (row["currency"], row["date"]) for row in any_demo.tables[table]]
        assert len(ids) == len(set(ids))


def test_every_reference_exists(any_demo: Demo) -> None:
    companies = {c["company"] for c in any_demo.companies}
    packages = {p["package_id"] for p in any_demo.packages}
    clients = {c["client_id"] for c in any_demo.clients}
    assert {c["company"] for c in any_demo.clients} <= companies | {""}
    assert {c["parent"] for c in any_demo.companies} <= companies | {""}
    assert {c["client_type"] for c in any_demo.clients} == set(CLIENT_TYPES)
    assert {t["client_id"] for t in any_demo.transactions} <= clients
    assert {t["kind"] for t in any_demo.transactions} == {"refill", "other", *PAID_USES}
    for row in any_demo.transactions:
        assert row["package_id"] in (packages if row["kind"].startswith("package") else {""})


def test_the_demo_has_no_faults(any_demo: Demo) -> None:
    mart = check(read_folder(any_demo.folder))
    assert set(mart.tables) == set(TABLES)
    assert mart.faults == []
    assert mart.notes == []


def test_companies_are_a_tree_of_three_levels(demo: Demo) -> None:
    parents = {c["company"]: c["parent"] for c in demo.companies}
    depths = Counter()
    for company in parents:
        depth = 1
        while parents[company]:
            company, depth = parents[company], depth + 1
            assert depth <= 3
        depths[depth] += 1
    assert set(depths) == {1, 2, 3}


def test_every_time_parses_and_nothing_is_at_or_after_as_of(any_demo: Demo) -> None:
    end = any_demo.as_of.strftime("%Y-%m-%dT%H:%M:%SZ")
    times = [t["at"] for t in any_demo.transactions]
    assert times == sorted(times)
    times += [c["created_at"] for c in any_demo.clients]
    times += [c["closed_at"] for c in any_demo.clients if c["closed_at"]]
    for text in times:
        assert _INSTANT.fullmatch(text)
        assert text < end
        datetime.fromisoformat(text)


def test_the_ledger_covers_three_years_and_ends_shortly_before_as_of(any_demo: Demo) -> None:
    first, last = (datetime.fromisoformat(any_demo.transactions[i]["at"]) for i in (0, -1))
    assert timedelta(days=3 * 365 - 1) <= any_demo.as_of - first <= timedelta(days=3 * 366 + 31)
    assert any_demo.as_of - last < timedelta(hours=8)  # nights are quiet
    assert 150_000 <= len(any_demo.transactions) <= 250_000


def test_clients_act_only_between_their_creation_and_their_closing(any_demo: Demo) -> None:
    clients = {c["client_id"]: c for c in any_demo.clients}
    for c in clients.values():
        assert not c["closed_at"] or c["created_at"] <= c["closed_at"]
    for t in any_demo.transactions:
        client = clients[t["client_id"]]
        assert client["created_at"] < t["at"]
        assert not client["closed_at"] or t["at"] < client["closed_at"]


def test_amounts_are_plain_decimals_with_the_sign_of_their_kind(any_demo: Demo) -> None:
    for client in any_demo.clients:
        assert _AMOUNT.fullmatch(client["opening_balance"])
    signs = Counter()
    for t in any_demo.transactions:
        assert _AMOUNT.fullmatch(t["amount"])
        value = Decimal(t["amount"])
        assert not (value.is_signed() and not value)
        signs[t["kind"], (value > 0) - (value < 0)] += 1
    assert {sign for kind, sign in signs if kind == "refill"} == {1}
    assert {sign for kind, sign in signs if kind == "package_activation"} == {0, -1}
    for kind in ("usage", "package_renewal"):  # a few are reversed
        assert 0 < signs[kind, 1] < signs[kind, -1] / 50
    assert {sign for kind, sign in signs if kind == "other"} == {1, -1}


def test_rates_have_one_base_and_a_positive_quote_for_every_date(any_demo: Demo) -> None:
    assert {r["base"] for r in any_demo.rates} == {"USD"}
    by_currency = defaultdict(dict)
    for r in any_demo.rates:
        assert re.fullmatch(r"\d+\.\d{6}", r["units_per_base"], re.ASCII)
        by_currency[r["currency"]][date.fromisoformat(r["date"])] = Decimal(r["units_per_base"])
    assert {"USD", *by_currency} == {c["currency"] for c in any_demo.clients} == {"USD", "EUR", "GBP"}
    first = min(date.fromisoformat(c["created_at"][:10]) for c in any_demo.clients)
    last = (any_demo.as_of - timedelta(microseconds=1)).date()
    for quotes in by_currency.values():
        dates = sorted(quotes)
        assert dates[0] <= first
        assert dates[-1] == last
        assert all(b - a == timedelta(days=1) for a, b in pairwise(dates))
        assert all(Decimal("0.5") < quote < Decimal("1.5") for quote in quotes.values())
        assert all(abs(quotes[b] / quotes[a] - 1) < Decimal("0.01") for a, b in pairwise(dates))
        assert len(set(quotes.values())) > 500


def test_the_operator_is_believable(demo: Demo) -> None:
    types = Counter(c["client_type"] for c in demo.clients)
    assert len(demo.clients) == 3000
    assert types["client"] > 2 * sum(n for kind, n in types.items() if kind != "client")
    assert len(demo.packages) == 8
    for kind in ("package_activation", "package_renewal"):
        assert {t["package_id"] for t in demo.transactions if t["kind"] == kind} == {
            p["package_id"] for p in demo.packages
        }
    assert len({c["owner_user"] for c in demo.clients}) == 10
    assert len({tag for c in demo.clients for tag in c["tags"].split(";") if tag}) >= 6
    assert any(not c["name"].isascii() for c in demo.clients)
    assert all(c["name"].isprintable() for c in demo.clients)


def test_balances_are_mostly_positive_and_some_are_negative(any_demo: Demo) -> None:
    balances = {c["client_id"]: Decimal(c["opening_balance"]) for c in any_demo.clients}
    assert any(balances.values())
    for t in any_demo.transactions:
        balances[t["client_id"]] += Decimal(t["amount"])
    clients = any_demo.of_type("client")
    held = [b for client, b in balances.items() if client in clients]
    assert 0.04 < sum(b < 0 for b in held) / len(held) < 0.2
    assert sum(b > 0 for b in held) / len(held) > 0.6
    assert sum(held) > 0


def test_some_clients_are_closed_some_dormant_and_some_never_called(any_demo: Demo) -> None:
    last_use = {t["client_id"]: t["at"] for t in any_demo.transactions if t["kind"] in PAID_USES}
    quarter_ago = (any_demo.as_of - timedelta(days=92)).strftime("%Y-%m-%dT%H:%M:%SZ")
    open_ones = [c["client_id"] for c in any_demo.clients if not c["closed_at"]]
    assert 300 < len(any_demo.clients) - len(open_ones) < 1000
    assert sum(last_use.get(c, "9") < quarter_ago for c in open_ones) > 200
    assert sum(c not in last_use for c in open_ones) > 50


@functools.cache
def monthly(demo: Demo) -> tuple[dict[str, set[str]], Counter[str], Counter[str]]:
    """Return by month, for the type `client`: who paid for a use; refills and usage in ten-thousandths."""
    clients = demo.of_type("client")
    payers, refills, usage = defaultdict(set), Counter(), Counter()
    for t in demo.transactions:
        if t["client_id"] in clients:
            month, value = t["at"][:7], int(Decimal(t["amount"]).scaleb(4))
            if t["kind"] in PAID_USES and value < 0:
                payers[month].add(t["client_id"])
            if t["kind"] == "usage":
                usage[month] -= value
            if t["kind"] == "refill":
                refills[month] += value
    return payers, refills, usage


def test_the_operator_grows_from_year_to_year(any_demo: Demo) -> None:
    payers, refills, usage = monthly(any_demo)
    counts = {month: len(who) for month, who in payers.items()}
    months = any_demo.full_months()
    for measure in (counts, refills, usage):
        first, second, third = (sum(measure[m] for m in months[-36:][k : k + 12]) for k in (0, 12, 24))
        assert first * 1.2 < second
        assert second * 1.05 < third


def test_every_august_dips(any_demo: Demo) -> None:
    payers, refills, usage = monthly(any_demo)
    months = any_demo.full_months()
    years = [m[:4] for m in months if m.endswith("-10") and f"{m[:4]}-05" in months]
    assert len(years) >= 2
    for year in years:
        august, around = f"{year}-08", (f"{year}-05", f"{year}-10")
        for measure, share in (
            ({m: len(who) for m, who in payers.items()}, 0.93),
            (refills, 0.9),
            (usage, 0.7),
        ):
            assert measure[august] < min(measure[m] for m in around)
            assert measure[august] < share * sum(measure[m] for m in around) / 2


def below(demo: Demo, company: str) -> set[str]:
    """Return a company and its descendants."""
    return {company}.union(*(below(demo, c["company"]) for c in demo.companies if c["parent"] == company))


def test_a_reseller_leaves_at_one_point_with_all_its_clients(any_demo: Demo) -> None:
    lost = below(any_demo, LOST)
    theirs = {
        c["client_id"] for c in any_demo.clients if c["company"] in lost and c["client_type"] == "client"
    }
    payers, _, _ = monthly(any_demo)
    months = [m for m in any_demo.full_months() if payers[m] & theirs]
    gone = months[-1]
    assert any_demo.full_months()[11] < gone < any_demo.full_months()[-9]
    before = months[-3]
    assert len(payers[before] & theirs) > 0.15 * len(payers[before])
    closed = Counter(
        c["closed_at"][:4] for c in any_demo.clients if c["client_id"] in theirs and c["closed_at"]
    )
    assert sum(closed.values()) > 0.4 * len(theirs)
    owner = {c["client_id"]: c["company"] for c in any_demo.clients}
    last_seen = {owner[t["client_id"]]: t["at"][:7] for t in any_demo.transactions}
    assert all(last > gone for company, last in last_seen.items() if company not in lost)


def test_every_package_price_rises_once_and_on_the_same_day(any_demo: Demo) -> None:
    fees = defaultdict(dict)
    for t in any_demo.transactions:
        if t["kind"] == "package_renewal" and t["amount"].startswith("-"):
            days = fees[t["package_id"]].setdefault(-Decimal(t["amount"]), [])
            days.append(t["at"][:10])
    rise = {min(days[max(days)]) for days in fees.values()}
    assert len(fees) == 8
    assert all(len(by_fee) == 2 for by_fee in fees.values())
    for by_fee in fees.values():
        low, high = sorted(by_fee)
        assert max(by_fee[low]) < min(by_fee[high])
        assert Decimal("1.1") * low < high < Decimal("1.5") * low
    assert {day[:7] for day in rise} == {min(rise)[:7]}
    assert any_demo.full_months()[24] <= min(rise)[:7] <= any_demo.full_months()[-2]


@pytest.mark.parametrize("name", ["notes.txt", "clients.csv", "companies.csv"])
def test_a_folder_with_other_contents_is_not_replaced(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / name).write_text("my own work")
    with pytest.raises(SourceError, match="is not a demo mart") as caught:
        write_demo(folder, AS_OF)
    assert caught.value.field == "folder"
    assert [(p.name, p.read_text()) for p in folder.iterdir()] == [(name, "my own work")]


def test_another_mart_with_the_same_tables_is_not_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    for table in TABLES:
        (folder / f"{table}.csv").write_text("my own work")
    with pytest.raises(SourceError, match="is not a demo mart"):
        write_demo(folder, AS_OF)
    assert {p.read_text() for p in folder.iterdir()} == {"my own work"}


_KILLED = """
import os, signal, sys
from datetime import datetime
from pathlib import Path
from custdyn_widgets.mart.demo.mart import demo_query, write_demo
write = Path.write_bytes
def write_bytes(path, content):
    if path.name == "rates.csv":
        write(path, content[:100])
        os.kill(os.getpid(), signal.SIGKILL)
    return write(path, content)
Path.write_bytes = write_bytes
write_demo(Path(sys.argv[1]), datetime(2026, 11, 22))
"""


def test_a_run_that_is_killed_leaves_no_mart(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path / "mart")], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "mart").exists()


def test_a_run_that_fails_keeps_the_earlier_demo(
    demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(demo.folder, tmp_path / "mart")
    rename = Path.rename

    def fail_at_the_last_step(path: Path, target: Path) -> Path:
        if path.name.endswith(".new"):
            raise OSError("no")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail_at_the_last_step)
    with pytest.raises(OSError, match="no"):
        write_demo(tmp_path / "mart", AS_OF, seed=2)
    assert digests(tmp_path / "mart") == digests(demo.folder)
    assert [p.name for p in tmp_path.iterdir()] == ["mart"]


def test_two_runs_at_once_leave_one_mart(demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def be_second(path: Path, target: Path) -> Path:
        shutil.copytree(demo.folder, target)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", be_second)
    write_demo(tmp_path / "mart", AS_OF)
    assert digests(tmp_path / "mart") == digests(demo.folder)
    assert [p.name for p in tmp_path.iterdir()] == ["mart"]


def test_an_identical_mart_is_not_rewritten(demo: Demo) -> None:
    before = {p.name: p.stat().st_mtime_ns for p in demo.folder.iterdir()}
    write_demo(demo.folder, AS_OF)
    assert {p.name: p.stat().st_mtime_ns for p in demo.folder.iterdir()} == before


def test_a_negative_seed_and_a_year_out_of_range_are_refused(tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="seed: -1 is negative"):
        write_demo(tmp_path / "mart", AS_OF, seed=-1)
    with pytest.raises(QueryError, match=r"as_of: .* is outside the years 1900 to 2100"):
        write_demo(tmp_path / "mart", datetime(3, 1, 1))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("as_of", "start", "end"),
    [
        (datetime(2026, 11, 15, tzinfo=UTC), "2023-12-01 00:00:00", "2026-11-30 23:59:59"),
        (datetime(2026, 12, 1, tzinfo=UTC), "2024-01-01 00:00:00", "2026-12-31 23:59:59"),
    ],
)
def test_the_demo_report_covers_36_months(as_of: datetime, start: str, end: str) -> None:
    assert demo_query(as_of).to_dict()["interval"] == {"start": start, "end": end}
