"""With `on_fault = "quarantine"` a mart is read as if its faulty rows had been deleted, and says so."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import time
from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custdyn_widgets import Source
from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.errors import CustDynError, MartError, SourceError
from custdyn_widgets.mart.opening import open_mart
from custdyn_widgets.mart.source_check import check_source
from custdyn_widgets.progress import listener as progress
from custdyn_widgets.report.report import Report
from tests.faulty_rows import Mart, number, without_faulty_rows
from tests.mart.test_mart import CSV, EVERYONE, FAULTS, folder
from tests.mart.test_mart import frames as small_frames
from tests.mart_forms import COLUMNS, frames, write_csv
from tests.strategies import Case, cases

pytestmark = pytest.mark.usefixtures("own_cache")


class Heard:
    """A listener that keeps the notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def step(self, words: str, done: float) -> None:
        assert words
        assert 0 <= done <= 1

    def note(self, words: str) -> None:
        self.notes.append(words)


def quarantined(data: Any, query: Any = EVERYONE, as_of: str = "2021-04-01") -> Report:
    return run_report(query, Source(data, on_fault="quarantine"), as_of=as_of)


def listed(data: Any) -> list[dict[str, str]]:
    """Return the lines of the listing."""
    heard = Heard()
    with progress.report_to(heard):
        open_mart(Source(data, on_fault="quarantine"))
    if not heard.notes:
        return []
    [place] = heard.notes
    content = Path(place.removeprefix("The rows left out are listed in ")).read_bytes().decode()
    return list(csv.DictReader(io.StringIO(content, newline="")))


def numbers(report: Report) -> Any:
    info = report.info
    return (
        report.headings,
        report.rows,
        report.total,
        report.message,
        (info.clients, info.transactions, info.currency, info.quotes, info.actual_start, info.actual_end),
    )


def outcome(source: Any, query: Any, as_of: str) -> Any:
    """Return the numbers of a report, or the message of its error."""
    try:
        return numbers(run_report(query, source, as_of=as_of))
    except CustDynError as error:
        return type(error), error.message


def read(place: Path) -> Mart:
    found = {}
    for path in place.glob("*.csv"):
        with path.open(newline="", encoding="utf-8") as file:
            found[path.stem] = list(csv.DictReader(file))
    return found


# Each kind of fault that the specification lists

OF_ROWS = [
    (tables, words)
    for tables, words in FAULTS
    if " cell" not in words[0] and "no such column" not in words[0]
]


@pytest.mark.parametrize(("tables", "words"), OF_ROWS, ids=[words[0][:60] for _, words in OF_ROWS])
@pytest.mark.parametrize("group_by", [["month"], ["package"]], ids="".join)
def test_a_mart_with_a_fault_is_read_as_without_the_faulty_rows(
    tmp_path: Path, tables: dict[str, str], words: list[str], group_by: list[str]
) -> None:
    source = folder(tmp_path / "faulty", **tables)
    left, gone = without_faulty_rows(read(source))
    (tmp_path / "mended").mkdir()
    query = {**EVERYONE.to_dict(), "group_by": group_by, "currency": "USD"}
    expected = outcome(write_csv(left, tmp_path / "mended"), query, "2021-04-01")
    assert outcome(Source(source, on_fault="quarantine"), query, "2021-04-01") == expected
    assert {(line["file"], int(line["row"]) - 2) for line in listed(source)} == {
        (f"{table}.csv", row) for table, row in gone
    }


def test_a_row_of_another_length_is_left_out(tmp_path: Path) -> None:
    source = folder(tmp_path, packages=CSV["packages"] + "p3\np4,a,b\n")
    assert numbers(quarantined(source)) == numbers(quarantined(folder(tmp_path / "mended")))
    assert [(line["row"], line["value"]) for line in listed(source)] == [("4", "p3"), ("5", "p4,a,b")]


def test_a_missing_column_is_refused(tmp_path: Path) -> None:
    source = folder(tmp_path, clients=CSV["clients"].replace("created_at", "created"))
    with pytest.raises(MartError, match="created_at: '' is missing: the table has no such column"):
        quarantined(source)


def test_all_rows_of_a_client_with_too_large_a_balance_are_left_out(tmp_path: Path) -> None:
    rows = "t6,c1,2021-02-01,refill,9223372036854.775807,\n"
    source = folder(tmp_path, transactions=CSV["transactions"] + rows)
    assert [(line["file"], line["row"]) for line in listed(source)] == [
        ("clients.csv", "2"), ("transactions.csv", "2"), ("transactions.csv", "3"), ("transactions.csv", "7"),
    ]  # fmt: skip
    assert quarantined(source).info.clients == 2


def test_balances_are_checked_after_other_faults_are_left_out(tmp_path: Path) -> None:
    rows = "t6,c1,2021-02-01,refill,9223372036854.775807,\nt7,c3,2021-02-01,usage,x,\n"
    source = folder(tmp_path, transactions=CSV["transactions"] + rows)
    assert [line["row"] for line in listed(source) if line["file"] == "transactions.csv"] == [
        "2",
        "3",
        "7",
        "8",
    ]
    assert quarantined(source).info.clients == 2


def test_amounts_of_a_client_with_two_currencies_have_no_currency(tmp_path: Path) -> None:
    clients = CSV["clients"].replace("c2,,client,south,,,EUR", "c1,,client,south,,,EUR")
    [warning] = quarantined(folder(tmp_path, clients=clients)).info.warnings
    assert warning == (
        "6 faulty rows are left out (2 in clients, 4 in transactions). The sum of their amounts: "
        "4 amounts in a currency that is not known. Opening balances left out: 1.50 USD."
    )


def test_an_unreadable_float_is_not_in_the_sum() -> None:
    source = small_frames()
    source["transactions"]["amount"] = [0.1 + 0.2, 2.0]
    warning, floats = open_mart(Source(source, on_fault="quarantine")).warnings
    assert warning.endswith("The sum of their amounts: 1 amount that cannot be read.")
    assert floats.startswith("Some numbers are binary floats (transactions, amount)")


def test_rows_that_refer_to_a_faulty_row_are_left_out_at_every_level() -> None:
    depth = 50
    chain = [{"company": f"c{i}", "parent": f"c{i - 1}" if i else "nobody"} for i in reversed(range(depth))]
    client = {"client_id": "a", "client_type": "client", "currency": "USD", "created_at": "2021-01-01"}
    used = {"transaction_id": "t", "client_id": "a", "at": "2021-01-05", "kind": "usage", "amount": "-1"}
    found = listed(
        frames({"clients": [{**client, "company": "c49"}], "transactions": [used], "companies": chain})
    )
    assert [(line["file"], line["row"], line["why"]) for line in found] == [
        ("clients", "1", "refers to a row of companies that is left out"),
        ("transactions", "1", "refers to a row of clients that is left out"),
        *(("companies", str(i), "refers to a row of companies that is left out") for i in range(1, depth)),
        ("companies", str(depth), "is not in companies"),
    ]


def test_the_base_does_not_depend_on_the_order_of_quotes() -> None:
    found = frames({"clients": [], "transactions": []})
    rows = [
        ("EUR", "2021-01-01", "1", "EUR"),
        ("JPY", "2021-01-01", "110", "USD"),
        ("INR", "2021-01-01", "75", "USD"),
    ]
    for order in ([0, 1, 2], [2, 0, 1], [1, 2, 0]):
        rates = pd.DataFrame([rows[i] for i in order], columns=list(COLUMNS["rates"]))
        assert open_mart(Source({**found, "rates": rates}, on_fault="quarantine")).facts.names.base == "USD"


# Drawn marts with drawn faults

BAD = {
    ("transactions", "transaction_id"): ("", "t0", "t1"),
    ("transactions", "client_id"): ("", "C0", "C9"),
    ("transactions", "at"): ("", "soon", "2021-02-30"),
    ("transactions", "kind"): ("", "Usage"),
    ("transactions", "amount"): ("", "x", "1e3", "NaN", "0.0000001", "9223372036854", "-9223372036854.7758"),
    ("transactions", "package_id"): ("nope",),
    ("clients", "client_id"): ("", "C0", "C1"),
    ("clients", "client_type"): (" ", "Client"),
    ("clients", "currency"): ("", "usd", "EUR"),
    ("clients", "created_at"): ("", "0000-00-00 00:00:00"),
    ("clients", "closed_at"): ("never", "0001-01-01"),
    ("clients", "opening_balance"): ("x", "9223372036854.775807"),
    ("clients", "stored_balance"): ("x", "1.0000001", "9223372036854.7758"),
    ("clients", "company"): ("nope", "Root"),
    ("companies", "company"): ("", "Root", "South"),
    ("companies", "parent"): ("nope", "North-East", "Alone"),
    ("packages", "package_id"): ("", "P1"),
    ("rates", "currency"): ("", "x", "EUR"),
    ("rates", "date"): ("", "1st", "2021-01-01"),
    ("rates", "units_per_base"): ("", "0", "-1", "x"),
    ("rates", "base"): ("", "JPY"),
}  # fmt: skip


@st.composite
def faulty_cases(draw: st.DrawFn) -> Case:
    """Draw a case with some faulty values."""
    case = draw(cases(known_names=True))
    places = [place for place in BAD if case.mart.get(place[0])]
    mart = {name: [dict(row) for row in rows] for name, rows in case.mart.items()}
    for table, column in draw(st.lists(st.sampled_from(places), min_size=1, max_size=5)):
        row = draw(st.sampled_from(mart[table]))
        row[column] = draw(st.sampled_from(BAD[table, column]))
    return replace(case, mart=mart)


@pytest.mark.slow
@settings(max_examples=max(1, settings.default.max_examples // 3))
@given(case=faulty_cases())
def test_a_mart_is_read_as_if_its_faulty_rows_had_been_deleted_by_hand(case: Case) -> None:
    left, gone = without_faulty_rows(case.mart)
    assert check_source(frames(left)).faults == []
    expected = outcome(frames(left), case.query, case.as_of)
    assert outcome(Source(frames(case.mart), on_fault="quarantine"), case.query, case.as_of) == expected
    warnings = open_mart(Source(frames(case.mart), on_fault="quarantine")).warnings
    assert bool(warnings) == bool(gone)
    for warning in warnings:
        assert int(re.findall(r"^([\d,]+) faulty row", warning)[0].replace(",", "")) == len(gone)
        for words in sums(case.mart, gone):
            assert words in warning


def sums(mart: Mart, gone: set[tuple[str, int]]) -> list[str]:
    """Return the sums of transaction amounts in the warning, one per known currency."""
    given: dict[str, set[str]] = defaultdict(set)
    for row in mart["clients"]:
        given[row["client_id"]].add(row["currency"])
    found: dict[str, Fraction] = defaultdict(Fraction)
    for table, i in gone:
        row = mart[table][i]
        amount = number(row["amount"]) if table == "transactions" else None
        currencies = given.get(row["client_id"], set()) if table == "transactions" else set()
        if amount is None or (amount * 10**6).denominator > 1 or len(currencies) != 1:
            continue
        [currency] = currencies
        if re.fullmatch("[A-Z]{3}", currency) and row["client_id"]:
            found[currency] += amount
    return [f"{places(amount)} {currency}" for currency, amount in found.items()]


def places(amount: Fraction) -> str:
    whole, rest = f"{Decimal(int(amount * 10**6)).scaleb(-6):.6f}".split(".")
    return f"{whole}.{rest[:2]}{rest[2:].rstrip('0')}"


# Warnings


def test_a_report_warns_of_the_rows_left_out_and_of_their_sums(tmp_path: Path) -> None:
    clients = CSV["clients"].replace("2021-03-01", "soon").replace("USD,2021-01-01T", "Usd,2021-01-01T")
    rows = "t6,c2,2021-02-01,usage,x,\nt7,c9,2021-02-01,usage,-1,\n"
    source = folder(tmp_path / "bad", clients=clients, transactions=CSV["transactions"] + rows)
    report = quarantined(source)
    assert report.info.warnings[0] == (
        "8 faulty rows are left out (2 in clients, 6 in transactions). The sum of their amounts: "
        "-3.000001 EUR, 1 amount that cannot be read, 3 amounts in a currency that is not known. "
        "Opening balances left out: 1 amount in a currency that is not known."
    )
    assert run_report(EVERYONE, folder(tmp_path / "good"), as_of="2021-04-01").info.warnings == ()


def test_cached_facts_keep_their_warning(tmp_path: Path) -> None:
    source = folder(tmp_path, transactions=CSV["transactions"].replace("-2.25", "two"))
    built, opened = quarantined(source), quarantined(source)
    assert built.info.warnings == opened.info.warnings
    assert numbers(built) == numbers(opened)


def test_the_fault_rule_is_part_of_the_cache_key(tmp_path: Path) -> None:
    source = folder(tmp_path, transactions=CSV["transactions"].replace("-2.25", "two"))
    assert quarantined(source).info.warnings
    with pytest.raises(MartError, match="1 fault"):
        run_report(EVERYONE, source, as_of="2021-04-01")


def test_a_listing_that_was_removed_is_written_again(tmp_path: Path) -> None:
    source = folder(tmp_path, transactions=CSV["transactions"].replace("-2.25", "two"))
    before = listed(source)
    place = Path(os.environ["CUSTDYN_CACHE"]) / "quarantine"
    [mine] = [path for path in place.iterdir() if path.name.startswith(tmp_path.name[:20])]
    mine.unlink()
    assert listed(source) == before
    assert mine.is_file()


def test_the_listing_has_location_value_reason_and_row_but_no_formula(tmp_path: Path) -> None:
    bad = "=cmd|'/C calc'!A0"
    source = folder(
        tmp_path, transactions=CSV["transactions"].replace("-2.25", bad).replace("-3.000001", "-3e1")
    )
    one, two = listed(source)
    assert one == {
        "file": "transactions.csv", "row": "3", "column": "amount", "value": "'" + bad,
        "why": "is not a plain decimal number", "whole row": one["whole row"],
    }  # fmt: skip
    assert json.loads(one["whole row"]) == {
        "transaction_id": "t2", "client_id": "c1", "at": "2021-01-06T10:00:00.5Z", "kind": "usage",
        "amount": bad,
    }  # fmt: skip
    assert two["value"] == "-3e1"


@pytest.mark.parametrize("invisible", ["\ufeff", "\u200b", "\u2060", "\x7f", "\u00ad"])
def test_the_listing_guards_a_formula_after_an_invisible_character(tmp_path: Path, invisible: str) -> None:
    bad = f"{invisible}=cmd|'/C calc'!A0"
    [line] = listed(folder(tmp_path, transactions=CSV["transactions"].replace("-2.25", bad)))
    assert line["value"] == "'" + bad


def test_a_cache_that_cannot_be_written_is_part_of_the_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken").write_text("a file stands where the cache should be")
    monkeypatch.setenv("CUSTDYN_CACHE", str(tmp_path / "taken"))
    source = folder(tmp_path / "shop", transactions=CSV["transactions"].replace("-2.25", "two"))
    [warning] = quarantined(source).info.warnings
    assert warning.endswith("The rows could not be listed in a file because the cache is not writable.")


def test_check_says_what_would_be_left_out_and_where_it_is_listed(tmp_path: Path) -> None:
    source = folder(tmp_path, transactions=CSV["transactions"].replace("t5,c3", "t5,c9"))
    heard = Heard()
    with progress.report_to(heard):
        mart = check_source(Source(source, on_fault="quarantine"))
    assert [fault.why for fault in mart.faults] == ["is not in clients.csv"]
    assert mart.notes[-1].startswith("1 faulty row is left out (1 in transactions).")
    assert heard.notes[0].startswith("The rows left out are listed in ")


def test_an_unknown_rule_is_an_error() -> None:
    with pytest.raises(SourceError, match="on_fault must be 'refuse' or 'quarantine', not 'ignore'"):
        Source("x", on_fault="ignore")  # type: ignore[arg-type]


# Size


@pytest.mark.slow
def test_a_million_rows_with_a_thousand_faults_are_checked_in_seconds() -> None:
    rows, clients = 1_000_000, 5_000
    index = np.arange(rows)
    amounts = np.char.mod("%d.50", index % 1000 - 800)
    amounts[::1000] = "x"
    tables = {
        "clients": pd.DataFrame(
            {
                "client_id": [f"C{i}" for i in range(clients)],
                "client_type": "client",
                "currency": "USD",
                "created_at": "2021-01-01",
            }
        ),
        "transactions": pd.DataFrame(
            {
                "transaction_id": np.char.mod("t%d", index),
                "client_id": np.char.mod("C%d", index % clients),
                "at": "2021-02-01T00:00:00Z",
                "kind": "usage",
                "amount": amounts,
            }
        ),
    }
    began = time.process_time()
    with pytest.raises(MartError) as caught:
        open_mart(tables)
    assert time.process_time() - began < 30  # seconds of the processor; it takes some three
    lines = caught.value.message.splitlines()
    assert lines[0] == "Source 'DataFrames' has 1,000 faults:"
    assert (len(lines), max(map(len, lines)) < 120) == (22, True)
    [warning] = open_mart(Source(tables, on_fault="quarantine")).warnings
    assert warning == (
        "1,000 faulty rows are left out (1,000 in transactions). The sum of their amounts: "
        "1,000 amounts that cannot be read."
    )
