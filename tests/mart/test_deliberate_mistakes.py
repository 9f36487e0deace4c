"""A check names each classic mistake in one line, and says nothing like it about marts without mistakes."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given

from custdyn_widgets.cli import main
from custdyn_widgets.mart import source_check
from custdyn_widgets.mart.checking.checked import CheckedMart
from custdyn_widgets.mart.checking.likely_mistakes import search
from custdyn_widgets.mart.demo.folder import demo_folder, last_midnight
from custdyn_widgets.mart.opening import open_mart
from custdyn_widgets.mart.source_check import check_source
from custdyn_widgets.mart.sources import Source
from tests.mart.ordinary_mart import END, Frames, ordinary_mart, write_as
from tests.mart_forms import frames
from tests.strategies import Case, cases

pytestmark = pytest.mark.usefixtures("own_cache")

GOLDEN = Path(__file__).parents[1] / "golden"
USUAL_NOTES = {"extra_columns", "times_without_offset"}  # true of some marts of tests, and no mistake


@pytest.fixture(scope="module")
def mart() -> Frames:
    return ordinary_mart()


def checked(mart: Frames, folder: Path, form: str) -> CheckedMart:
    write_as(mart, folder, form)
    for path in folder.iterdir():
        os.utime(path, (END.timestamp(), END.timestamp()))
    return check_source(folder)


def with_ledger(mart: Frames, **columns: Any) -> Frames:
    ledger = mart["transactions"]
    return {**mart, "transactions": ledger.assign(**columns)}


def of_kind(mart: Frames, *kinds: str) -> pd.Series:
    found: pd.Series = mart["transactions"]["kind"].isin(kinds)
    return found


def with_turned_sign(mart: Frames, *kinds: str) -> Frames:
    amount = mart["transactions"]["amount"]
    turned = amount.map(lambda text: f"{-Decimal(text)}")
    return with_ledger(mart, amount=amount.where(~of_kind(mart, *kinds), turned))


def with_rows(mart: Frames, *more: pd.DataFrame) -> Frames:
    """Return a mart with more transactions, in the order of time and with new ids."""
    ledger = pd.concat([mart["transactions"], *more]).sort_values("at", kind="stable", ignore_index=True)
    return {**mart, "transactions": ledger.assign(transaction_id=[f"n{i}" for i in range(len(ledger))])}


def inverted_quotes(mart: Frames) -> Frames:
    quotes = mart["rates"]["units_per_base"]
    return {**mart, "rates": mart["rates"].assign(units_per_base=quotes.map(lambda q: f"{1 / float(q):.4f}"))}


def quotes_inverted_later(mart: Frames) -> Frames:
    return {**mart, "rates": pd.concat([mart["rates"].iloc[:5], inverted_quotes(mart)["rates"].iloc[5:]])}


def commas_in_tags(mart: Frames) -> Frames:
    return {**mart, "clients": mart["clients"].assign(tags=mart["clients"]["tags"].str.replace(";", ", "))}


def local_times(mart: Frames) -> Frames:
    at = pd.to_datetime(mart["transactions"]["at"]).dt.tz_convert("Europe/Kyiv")
    return with_ledger(mart, at=at.dt.strftime("%Y-%m-%dT%H:%M:%SZ"))


def local_times_without_offset(mart: Frames) -> Frames:
    return with_ledger(local_times(mart), at=local_times(mart)["transactions"]["at"].str.rstrip("Z"))


def with_summaries(mart: Frames, length: int, clock: str) -> Frames:
    """Return a mart with sums of usage by day (the first 10 characters of times) or month (the first 7)."""
    usage = mart["transactions"][of_kind(mart, "usage")]
    period = usage["at"].str[:length]
    sums = usage["amount"].map(Decimal).groupby([usage["client_id"], period]).sum().reset_index()
    sums["at"] = sums["at"].str.cat([clock] * len(sums))
    sums["amount"] = sums["amount"].map(str)
    return with_rows(mart, sums.assign(kind="usage", package_id=""))


def daily_summaries(mart: Frames) -> Frames:
    return with_summaries(mart, 10, "T23:59:59Z")


def summaries_at_the_beginning_of_the_day(mart: Frames) -> Frames:
    return with_summaries(mart, 10, "T00:00:00Z")


def summaries_by_the_day_of_another_zone(mart: Frames) -> Frames:
    """Return a mart with sums of the days that end at 22:00 UTC, dated at that time."""
    usage = mart["transactions"][of_kind(mart, "usage")]
    day = (pd.to_datetime(usage["at"]) + pd.Timedelta(hours=2)).dt.strftime("%Y-%m-%d")
    sums = usage["amount"].map(Decimal).groupby([usage["client_id"], day]).sum().reset_index()
    sums = sums[sums["at"] < "2025-11-28"]
    sums["at"] = sums["at"] + "T22:00:00Z"
    sums["amount"] = sums["amount"].map(str)
    return with_rows(mart, sums.assign(kind="usage", package_id=""))


def monthly_summaries(mart: Frames) -> Frames:
    return with_summaries(mart, 7, "-28T23:00:00Z")


def a_month_twice(mart: Frames) -> Frames:
    return with_rows(mart, mart["transactions"][mart["transactions"]["at"].str.startswith("2025-09")])


def a_file_of_usage_twice(mart: Frames) -> Frames:
    ledger = mart["transactions"]
    twice = ledger[of_kind(mart, "usage") & ledger["at"].str.startswith("2025-09-1")]
    again = pd.concat([ledger, twice], ignore_index=True)  # at the end, as if appended
    return {**mart, "transactions": again.assign(transaction_id=[f"n{i}" for i in range(len(again))])}


def amounts_in_cents(mart: Frames) -> Frames:
    return with_ledger(
        mart, amount=mart["transactions"]["amount"].map(lambda text: f"{round(Decimal(text) * 100)}")
    )


def shifted_down(mart: Frames) -> Frames:
    return with_ledger(mart, client_id=np.roll(mart["transactions"]["client_id"], 1))


def shifted_up_client_by_client(mart: Frames) -> Frames:
    ledger = mart["transactions"].sort_values(["client_id", "at"], kind="stable", ignore_index=True)
    return {**mart, "transactions": ledger.assign(client_id=np.roll(ledger["client_id"], -1))}


def shifted_in_clients(mart: Frames, by: int) -> Frames:
    clients = mart["clients"].sort_values("created_at", ignore_index=True)
    return {**mart, "clients": clients.assign(client_id=np.roll(clients["client_id"], by))}


def without_last_month(mart: Frames) -> Frames:
    return {**mart, "transactions": mart["transactions"][mart["transactions"]["at"] < "2025-10-28"]}


def without_a_month(mart: Frames) -> Frames:
    gone = mart["transactions"]["at"].str.startswith("2025-08")
    return {**mart, "transactions": mart["transactions"][~gone]}


def without_usage_of_a_month(mart: Frames) -> Frames:
    gone = mart["transactions"]["at"].str.startswith("2025-08") & of_kind(mart, "usage")
    return {**mart, "transactions": mart["transactions"][~gone]}


def cut_after_ten_thousand(mart: Frames) -> Frames:
    return {**mart, "transactions": mart["transactions"].iloc[:10_000]}


def cut_client_by_client(mart: Frames) -> Frames:
    ledger = mart["transactions"].sort_values(["client_id", "at"], kind="stable", ignore_index=True)
    return {**mart, "transactions": ledger[ledger["client_id"] < "c040"]}


def cut_client_by_client_at_the_beginning(mart: Frames) -> Frames:
    ledger = mart["transactions"].sort_values(["client_id", "at"], kind="stable", ignore_index=True)
    return {**mart, "transactions": ledger[ledger["client_id"] < "c020"]}


def vouchers_as_other(mart: Frames) -> Frames:
    kind = mart["transactions"]["kind"]
    voucher = of_kind(mart, "refill") & (np.arange(len(kind)) % 10 != 0)
    return with_ledger(mart, kind=kind.where(~voucher, "other"))


def milliseconds_read_as_microseconds(mart: Frames) -> Frames:
    at = pd.to_datetime(mart["transactions"]["at"]).dt.tz_localize(None)
    shrunk = pd.to_datetime((at - pd.Timestamp(0)) // 1000 + pd.Timestamp(0))
    return with_ledger(mart, at=shrunk.dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))


MISTAKES: dict[str, tuple[Callable[[Frames], Frames], str, str]] = {
    "all usage positive": (
        lambda m: with_turned_sign(m, "usage"),
        "positive_usage",
        "most usage is positive",
    ),
    "refills turned": (
        lambda m: with_turned_sign(m, "refill"),
        "negative_refill",
        "most rows of kind refill",
    ),
    "renewals turned": (
        lambda m: with_turned_sign(m, "package_renewal"),
        "positive_package_renewal",
        "most rows of kind package_renewal are positive",
    ),
    "all quotes inverted": (inverted_quotes, "inverse_currencies", "seem to be inverted"),
    "quotes inverted from some day on": (
        quotes_inverted_later,
        "inverse_quotes",
        "1 quote is about the inverse of the currency's previous or next quote",
    ),
    "commas in tags": (commas_in_tags, "commas_in_tags", "tags have a comma"),
    "local times as UTC": (local_times, "local_times", "may be local times rather than UTC"),
    "local times without offset": (local_times_without_offset, "times_without_offset", "read as UTC"),
    "calls and daily summaries": (daily_summaries, "summaries", "other usage for the same day"),
    "calls and morning summaries": (summaries_at_the_beginning_of_the_day, "summaries", "the same day"),
    "calls and summaries by local days": (
        summaries_by_the_day_of_another_zone,
        "summaries",
        "other usage for the same day",
    ),
    "calls and monthly summaries": (monthly_summaries, "summaries", "other usage for the same month"),
    "cut at a limit": (cut_after_ten_thousand, "cut_off", "exactly 10,000 rows, a limit"),
    "cut client by client": (cut_client_by_client, "cut_off", "none of the last 30 clients has a"),
    "cut client by client near the beginning": (
        cut_client_by_client_at_the_beginning,
        "cut_off",
        "its rows are sorted by client, but none of the last 50 clients has a transaction",
    ),
    "a month twice": (a_month_twice, "repeated_rows", "as if a file had been read twice"),
    "a file of usage twice": (
        a_file_of_usage_twice,
        "repeated_rows",
        "all those of kind usage on 10 of the days",
    ),
    "milliseconds in a smaller unit": (milliseconds_read_as_microseconds, "numbers_as_times", "January 1970"),
    "cents as units": (amounts_in_cents, "cents", "They may be in cents"),
    "client ids shifted down": (shifted_down, "shifted_clients", "If each row had the id of the row below"),
    "client ids shifted up": (shifted_up_client_by_client, "shifted_clients", "of the row above"),
    "ids of clients shifted down": (
        lambda m: shifted_in_clients(m, 1),
        "shifted_clients",
        "Move the ids up by one row",
    ),
    "last month missing": (without_last_month, "cut_off", "last transaction was on 2025-10-27"),
    "a month missing": (without_a_month, "missing_days", "no transactions from 2025-08-01 to 2025-08-31"),
    "usage of a month missing": (without_usage_of_a_month, "missing_days", "of kind usage from 2025-08-01"),
    "vouchers as other": (vouchers_as_other, "refills_as_other", "redeemed vouchers are refills"),
}
ONLY_CSV = {"local times without offset"}  # the Parquet files here have times in UTC


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_mart_without_mistakes_has_no_notes(tmp_path: Path, mart: Frames, form: str) -> None:
    found = checked(mart, tmp_path, form)
    assert (found.faults, found.notes) == ([], [])


@pytest.mark.parametrize(
    ("name", "form"),
    [(name, form) for name in MISTAKES for form in (("csv",) if name in ONLY_CSV else ("csv", "parquet"))],
)
def test_a_mistake_is_told_in_one_line(tmp_path: Path, mart: Frames, form: str, name: str) -> None:
    make, kind, words = MISTAKES[name]
    found = checked(make(mart), tmp_path, form)
    assert found.faults == []
    assert [note.kind for note in found.notes] == [kind], str(found)
    assert words in found.notes[0]
    assert json.loads(json.dumps(found.summary().to_dict()))["notes"][0]["kind"] == kind
    assert "\n" not in found.notes[0]


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("unit", "code"),
    [
        (10**9, "epoch_seconds"),
        (10**6, "epoch_milliseconds"),
        (10**3, "epoch_microseconds"),
        (1, "epoch_nanoseconds"),
    ],
)
def test_numbers_as_times_are_faults_that_name_the_unit(
    tmp_path: Path, mart: Frames, form: str, unit: int, code: str
) -> None:
    at = pd.to_datetime(mart["transactions"]["at"]).dt.as_unit("ns").astype("int64") // unit
    found = checked(with_ledger(mart, at=at.tolist()), tmp_path, form)
    [group] = found.summary().kinds
    assert (group.kind.code, group.column, group.count) == (code, "at", len(at))
    assert f"looks like {code.removeprefix('epoch_')} since 1970" in str(found).splitlines()[0]
    assert found.notes == []


def test_a_file_cut_in_the_middle_of_a_row_is_named(tmp_path: Path, mart: Frames) -> None:
    write_as(mart, tmp_path, "csv")
    path = tmp_path / "transactions.csv"
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"\n", len(data) * 9 // 10) + 20])
    [note] = check_source(tmp_path).notes
    assert note.kind == "cut_off"
    assert note.startswith("transactions.csv seems to be cut off: its last row has only 3 of 6 cells")


def test_the_cells_of_a_row_that_is_cut_are_counted_whatever_separates_them(
    tmp_path: Path, mart: Frames
) -> None:
    write_as(mart, tmp_path, "csv")
    path = tmp_path / "transactions.csv"
    text = path.read_text()
    for last in ("t9;c000", '"t,9,9,9,9,9";c000'):
        path.write_text(text.replace(",", ";") + last)
        [note] = [note for note in check_source(tmp_path).notes if note.kind == "cut_off"]
        assert note.startswith("transactions.csv seems to be cut off: its last row has only 2 of 6 cells")


def test_a_last_row_with_too_many_cells_is_no_cut(tmp_path: Path, mart: Frames) -> None:
    """The part that it ends has fewer columns than all parts together."""
    write_as(mart, tmp_path, "csv")
    path = tmp_path / "transactions.csv"
    headings, *lines = path.read_text().splitlines()
    path.unlink()
    path.mkdir()
    first = [f"{headings},terminal,shift", *(f"{line},1,2" for line in lines[:-9])]
    second = [f"{headings},agent", *(f"{line},1" for line in lines[-9:]), "t,c000,,,,,,"]
    (path / "1.csv").write_text("\n".join(first))
    (path / "2.csv").write_text("\n".join(second))
    found = check_source(tmp_path)
    assert [fault.why for fault in found.faults if fault.kind.code == "cell_count"] == [
        "has 8 cells, but there are 7 columns"
    ]
    assert "cut_off" not in {note.kind for note in found.notes}


def test_short_rows_elsewhere_are_no_cut(tmp_path: Path, mart: Frames) -> None:
    write_as(mart, tmp_path, "csv")
    path = tmp_path / "transactions.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:9], "t\n", *lines[9:]]))
    assert check_source(tmp_path).notes == []
    path.write_text("".join([*lines, "t\n", "u\n"]))
    assert check_source(tmp_path).notes == []


@pytest.mark.parametrize(("count", "is_noted"), [(19, False), (20, True)])
def test_twenty_repeated_transactions_of_a_kind_are_noted(mart: Frames, count: int, is_noted: bool) -> None:
    ledger = mart["transactions"]
    calls = ledger.iloc[[0] * count].assign(
        at=[f"2025-11-27T12:{minute:02}:00Z" for minute in range(count)], kind="other", package_id=""
    )
    others = {**mart, "transactions": ledger[~of_kind(mart, "other")]}
    elsewhere = ledger[of_kind(mart, "usage") & (ledger["at"].str[:13] == "2025-11-20T12")]
    kinds = [note.kind for note in check_source(with_rows(others, calls, calls, elsewhere)).notes]
    assert kinds == ["repeated_rows"] * is_noted


@pytest.mark.parametrize(
    ("prices", "is_noted"),
    [
        (range(101, 120), False),  # 19 prices
        (range(101, 121), True),
        (range(5, 205, 5), False),  # all multiples of 5
    ],
)
def test_whole_amounts_are_taken_for_cents_only_if_they_vary_and_are_uneven(
    mart: Frames, prices: range, is_noted: bool
) -> None:
    amount = mart["transactions"]["amount"].copy()
    usage = np.flatnonzero(of_kind(mart, "usage"))
    amount.iloc[usage] = [f"-{prices[i % len(prices)]}" for i in range(len(usage))]
    notes = check_source(with_ledger(mart, amount=amount)).notes
    assert [note.kind for note in notes] == ["cents"] * is_noted


def test_marts_of_other_seeds_have_no_notes() -> None:
    for seed in range(2, 8):
        assert check_source(ordinary_mart(seed)).notes == []


def test_the_demo_and_the_goldens_have_no_notes(tmp_path: Path) -> None:
    assert check_source(demo_folder(last_midnight())).notes == []
    for folder in GOLDEN.glob("*/mart"):
        assert {note.kind for note in check_source(folder).notes} <= USUAL_NOTES


@given(case=cases())
def test_drawn_marts_have_no_notes(case: Case) -> None:
    assert {note.kind for note in check_source(frames(case.mart)).notes} <= {
        *USUAL_NOTES,
        "positive_usage",
        "clients_without_transactions",
        "future_times",
        "inverse_quotes",
        "jumping_quotes",
    }


def test_a_copy_of_a_file_is_named(tmp_path: Path, mart: Frames) -> None:
    from custdyn_widgets.mart.checking.likely_mistakes.search import likely_mistakes

    write_as(mart, tmp_path, "csv")
    tables = check_source(tmp_path).tables
    copy = shutil.copy(tmp_path / "transactions.csv", tmp_path / "transactions (1).csv")
    files = [tmp_path / "clients.csv", tmp_path / "transactions.csv", Path(copy)]
    [note] = likely_mistakes(tables, files)
    assert note == (
        "transactions.csv and transactions (1).csv are identical, byte for byte. If both are read, their "
        "rows count twice. Remove one of them."
    )
    assert likely_mistakes(tables, files[:2]) == []


# Local times


def calls_in(zone: str, hours: pd.DatetimeIndex) -> Frames:
    """Return a mart with calls at these times, written as the clocks of a zone show them, but as UTC."""
    local = hours.tz_convert(zone).strftime("%Y-%m-%dT%H:%M:%SZ")
    rows = {"transaction_id": [f"{i:06}" for i in range(len(local))], "client_id": "a", "at": local}
    created = {"client_id": ["a"], "client_type": "client", "currency": "USD"}
    return {
        "clients": pd.DataFrame({**created, "created_at": "2019-01-01T00:00:00Z"}),
        "transactions": pd.DataFrame({**rows, "kind": "usage", "amount": "-1.25"}),
    }


TWELVE_AN_HOUR = pd.date_range("2021-01-04", "2024-01-08", freq="5min", tz="UTC", inclusive="left")


@pytest.mark.parametrize(
    ("zone", "named"),
    [
        ("Europe/Kyiv", "Europe/Kyiv"),
        ("Europe/Paris", "Europe/Berlin"),
        ("America/Chicago", "America/New_York"),
        ("Australia/Melbourne", "Australia/Sydney"),
    ],
)
def test_times_that_keep_off_the_hours_that_clocks_skip_are_noted(zone: str, named: str) -> None:
    [note] = check_source(calls_in(zone, TWELVE_AN_HOUR[::2])).notes
    assert note.kind == "local_times"
    assert f"local times in {named} or a zone with the same clock changes, not UTC" in note


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
def test_times_at_all_hours_are_not_noted(zone: str) -> None:
    assert check_source(calls_in(zone, TWELVE_AN_HOUR[::2])).notes == []


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Sydney"])
def test_the_clocks_of_a_zone_move_what_is_done_at_fixed_times_in_utc(zone: str) -> None:
    at_work = TWELVE_AN_HOUR[::4][TWELVE_AN_HOUR[::4].hour % 12 >= 8]
    [note] = check_source(calls_in(zone, at_work)).notes
    assert note.kind == "local_times"
    assert f"local times in {zone} or a zone whose clocks change at the same time, not UTC" in note


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Sydney", "Asia/Tokyo"])
def test_people_who_live_by_their_clocks_are_not_noted(zone: str) -> None:
    hours = TWELVE_AN_HOUR[::4]
    awake = hours[hours.tz_convert(zone).hour % 12 >= 8]
    assert check_source(calls_in("UTC", awake)).notes == []
    assert check_source(calls_in(zone, awake)).notes == []  # local times, but nothing shows it


def test_an_outage_around_a_clock_change_is_no_zone() -> None:
    outages = [("2021-03-27T22", "2021-03-28T09"), ("2022-03-26T22", "2022-03-27T09")]
    hours = TWELVE_AN_HOUR[(TWELVE_AN_HOUR < "2023") | (TWELVE_AN_HOUR > "2023-04")]
    for begin, end in outages:
        hours = hours[(hours < begin) | (hours > end)]
    assert "local_times" not in {note.kind for note in check_source(calls_in("UTC", hours)).notes}


def test_a_note_on_times_without_an_offset_names_their_zone(tmp_path: Path) -> None:
    mart = calls_in("Europe/Kyiv", TWELVE_AN_HOUR[::3])
    mart["transactions"]["at"] = mart["transactions"]["at"].str.rstrip("Z")
    [note] = check_source(mart).notes
    assert note.kind == "times_without_offset"
    assert "local times in Europe/Kyiv" in note


def test_clients_with_transactions_hours_before_their_creation_are_noted(mart: Frames) -> None:
    clients = mart["clients"]
    created = pd.to_datetime(clients["created_at"])
    first = pd.to_datetime(mart["transactions"].groupby("client_id")["at"].min()).reindex(
        clients["client_id"]
    )
    later = (first.reset_index(drop=True) + pd.Timedelta(hours=3, minutes=59)).dt.strftime(
        "%Y-%m-%dT%H:%M:%SZ"
    )
    recent = created > "2025-08-01"
    shown = {**mart, "clients": clients.assign(created_at=clients["created_at"].where(~recent, later))}
    [note] = check_source(shown).notes
    assert note.kind == "local_times"
    assert "up to 3 h 59 min before they were created" in note
    far = clients.assign(created_at=later.where(recent, "2025-11-25T00:00:00Z"))
    assert check_source({**mart, "clients": far}).notes == []


# Reconciliation


def reconciled(mart: Frames, change: Callable[[pd.Series, pd.DataFrame], Any] = lambda b, _: b) -> Frames:
    """Return a mart with the balances that its ledger gives, after a change, as stored balances."""
    clients = mart["clients"]
    sums = mart["transactions"]["amount"].map(Decimal).groupby(mart["transactions"]["client_id"]).sum()
    opening = clients["opening_balance"].map(Decimal)
    balance = opening + sums.reindex(clients["client_id"], fill_value=Decimal(0)).reset_index(drop=True)
    return {**mart, "clients": clients.assign(stored_balance=change(balance, clients).map(str))}


def sums_of(mart: Frames, kind: str) -> pd.Series:
    rows = mart["transactions"][of_kind(mart, kind)]
    sums = rows["amount"].map(Decimal).groupby(rows["client_id"]).sum()
    return sums.reindex(mart["clients"]["client_id"], fill_value=Decimal(0)).reset_index(drop=True)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_stored_balances_that_agree_to_a_hundredth_are_not_noted(
    tmp_path: Path, mart: Frames, form: str
) -> None:
    near = reconciled(mart, lambda balance, _: balance + Decimal("0.01"))
    assert checked(near, tmp_path, form).notes == []


def test_balances_that_differ_are_counted_summed_and_listed(mart: Frames) -> None:
    def change(balance: pd.Series, clients: pd.DataFrame) -> pd.Series:
        amount = clients["client_id"].map({"c002": "0.010001", "c010": "-5", "c020": "7.5", "c030": "1"})
        return balance + amount.fillna("0").map(Decimal)

    changed = reconciled(mart, change)
    [note] = check_source(changed).notes
    currencies = mart["clients"].set_index("client_id")["currency"]
    assert note.kind == "stored_balances"
    assert (note.figures["count"], note.figures["of"]) == (4, len(mart["clients"]))
    assert [row["client_id"] for row in note.figures["first"]] == ["c002", "c010", "c020"]
    assert [row["difference"] for row in note.figures["first"]] == ["-0.010001", "5.00", "-7.50"]
    total = sum(map(Decimal, note.figures["sums"].values()))
    assert total == Decimal("-3.510001")
    assert set(note.figures["sums"]) == {currencies[i] for i in ("c002", "c010", "c020", "c030")}
    assert f"a different balance for 4 of {len(currencies)} clients" in note
    assert "'c002'" in note
    assert note.figures["cause"] == ""  # none explains these
    assert note.endswith(f"add up to {', '.join(f'{v} {k}' for k, v in note.figures['sums'].items())}.")


CAUSES: dict[str, Callable[[pd.Series, pd.DataFrame, Frames], pd.Series]] = {
    "opposite sign": lambda balance, _, __: -balance,
    "100 times as large": lambda balance, _, __: balance * 100,
    "smaller by a factor of 100:": lambda balance, _, __: (balance / 100).map(
        lambda b: b.quantize(Decimal("1e-6"))
    ),
    "equal the opening balances": lambda balance, clients, _: (
        balance - clients["opening_balance"].map(Decimal)
    ),
    "half the usage": lambda balance, _, mart: balance - sums_of(mart, "usage") / 2,
    "the amounts of kind package_renewal": lambda balance, _, mart: (
        balance - sums_of(mart, "package_renewal")
    ),
    "twice the amounts of kind other": lambda balance, _, mart: balance - 2 * sums_of(mart, "other"),
    "the same for these clients": lambda balance, _, __: balance + 25,
}


@pytest.mark.parametrize("words", CAUSES)
def test_a_cause_that_explains_most_differences_is_named(mart: Frames, words: str) -> None:
    changed = reconciled(mart, lambda balance, clients: CAUSES[words](balance, clients, mart))
    [note] = check_source(changed).notes
    assert words in note.figures["cause"]
    assert note.endswith(note.figures["cause"])


def test_no_cause_of_two_differences_is_sought(mart: Frames) -> None:
    two = mart["clients"]["client_id"].isin(["c002", "c010"])
    [note] = check_source(reconciled(mart, lambda balance, _: balance.mask(two, balance + 25))).notes
    assert (note.figures["count"], note.figures["cause"]) == (2, "")


def test_missing_opening_balances_are_named(mart: Frames) -> None:
    changed = reconciled(mart, lambda b, _: b + pd.Series([Decimal(i * i + 1) for i in range(len(b))]))
    changed["clients"] = changed["clients"].drop(columns="opening_balance")
    [note] = check_source(changed).notes
    assert "None of these clients has an opening_balance" in note


def test_clients_with_faulty_amounts_are_not_compared(mart: Frames) -> None:
    changed = reconciled(mart)
    changed["transactions"] = mart["transactions"].assign(
        amount=mart["transactions"]["amount"].where(mart["transactions"]["client_id"] != "c010", "x")
    )
    assert check_source(changed).notes == []


def test_differences_are_exact_however_large_the_balances(mart: Frames) -> None:
    large = mart["clients"].assign(opening_balance="9000000000000.000001")
    for stored, count in (("0.009999", 0), ("0.010002", 1)):
        change = Decimal(stored)
        found = reconciled({**mart, "clients": large}, lambda balance, _, by=change: balance - by)
        notes = check_source(found).notes
        assert [note.kind for note in notes] == ["stored_balances"] * count


def test_a_stored_balance_that_is_no_amount_is_a_fault_and_no_report_uses_it(mart: Frames) -> None:
    clients = mart["clients"].assign(stored_balance=["ten", *[""] * (len(mart["clients"]) - 1)])
    [fault] = check_source({**mart, "clients": clients}).faults
    assert (fault.column, fault.kind.code) == ("stored_balance", "not_an_amount")


def test_a_notebook_shows_the_balances_that_differ_as_a_table(mart: Frames) -> None:
    hostile = reconciled(mart, lambda balance, _: balance + 5)
    hostile["clients"] = hostile["clients"].replace({"client_id": {"c000": "<b>c000</b>"}})
    hostile["transactions"] = hostile["transactions"].replace({"client_id": {"c000": "<b>c000</b>"}})
    html = check_source(hostile)._repr_html_()
    assert html.count("<tr>") == 4  # the headings and three clients
    assert "&lt;b&gt;c000&lt;/b&gt;" in html
    assert "<b>c000" not in html


def test_a_copy_among_mapped_exports_is_named(tmp_path: Path, mart: Frames) -> None:
    export = tmp_path / "export"
    export.mkdir()
    write_as(mart, export, "csv")
    ledger = (export / "transactions.csv").rename(export / "ledger-1.csv")
    shutil.copy(ledger, export / "ledger-2.csv")
    mapping = tmp_path / "mine.sql"
    mapping.write_text(
        "-- :name clients\nSELECT * FROM clients;\n-- :name transactions\nSELECT transaction_id || '-' || "
        "row_number() OVER () AS transaction_id, * EXCLUDE (transaction_id) FROM ledger;\n"
        "-- :name packages\nSELECT * FROM packages\n"
    )
    kinds = [note.kind for note in check_source(Source(export, mapping=mapping)).notes]
    assert kinds == ["same_files", "repeated_rows"]


def test_reports_do_not_search_for_mistakes(
    tmp_path: Path, mart: Frames, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_as(mart, tmp_path, "csv")
    for module in (search, source_check):
        monkeypatch.setattr(module, "likely_mistakes", None)  # a call would fail
    assert open_mart(tmp_path).warnings == ()
    with pytest.raises(TypeError):
        check_source(tmp_path)


def test_the_command_prints_notes_and_the_verdict_to_stdout_and_exits_with_0(
    tmp_path: Path, mart: Frames
) -> None:
    write_as(commas_in_tags(mart), tmp_path, "csv")
    result = CliRunner().invoke(main, ["check", str(tmp_path)])
    assert result.exit_code == 0
    note, verdict = result.stdout.splitlines()
    assert note.startswith("Note: clients.csv: ")
    assert verdict.endswith("No faults.")
    as_json = json.loads(CliRunner().invoke(main, ["check", str(tmp_path), "--json"]).stdout)
    assert [found["kind"] for found in as_json["notes"]] == ["commas_in_tags"]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("1700000000", "epoch_seconds"),
        ("1.70000E+12", "epoch_milliseconds"),
        ("45292", "spreadsheet_days"),
        ("45292.5", "spreadsheet_days"),
        ("12345", "not_a_time"),
        ("99999999999999", "not_a_time"),
        ("2024", "not_a_time"),
        ("soon", "not_a_time"),
    ],
)
def test_a_number_as_a_time_is_named_only_if_it_is_of_these_years(
    mart: Frames, value: str, code: str
) -> None:
    at = mart["transactions"]["at"].where(mart["transactions"].index > 0, value)
    [fault] = check_source(with_ledger(mart, at=at)).faults
    assert (fault.kind.code, fault.value) == (code, value)


def test_milliseconds_in_a_column_of_seconds_are_named(tmp_path: Path, mart: Frames) -> None:
    write_as(mart, tmp_path, "parquet")
    table = pq.read_table(tmp_path / "transactions.parquet")
    millis = pa.array([1_700_000_000_000] * len(table)).cast(pa.timestamp("s", "UTC"))
    pq.write_table(table.set_column(2, "at", millis), tmp_path / "transactions.parquet")
    [group] = check_source(tmp_path).summary().kinds
    assert group.kind.code == "larger_unit"


def test_clients_with_transactions_days_before_their_creation_are_not_counted_with_those() -> None:
    created = pd.date_range("2021-05-01", periods=20, freq="97min", tz="UTC")
    at = created + pd.to_timedelta([*[1] * 9, *[-2] * 10, -72], unit="h")
    ids = [f"c{i:02}" for i in range(20)]
    form = "%Y-%m-%dT%H:%M:%SZ"
    clients = {"client_id": ids, "client_type": "client", "currency": "USD"}
    rows = {"transaction_id": ids, "client_id": ids, "at": at.strftime(form), "kind": "usage", "amount": "-1"}
    mart = {
        "clients": pd.DataFrame({**clients, "created_at": created.strftime(form)}),
        "transactions": pd.DataFrame(rows),
    }
    [note] = [note for note in check_source(mart).notes if note.kind == "local_times"]
    assert "10 clients have transactions up to 2 h 00 min before they were created" in note
