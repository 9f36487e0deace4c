"""Notes on what is no fault and rarely meant: local times, floats, positive usage, commas, inverse quotes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custdyn_widgets.mart.checking.notes import Note
from custdyn_widgets.mart.source_check import check_source
from custdyn_widgets.mart.sources import Source
from tests.mart.test_mart import folder, frames, in_form, objects

pytestmark = pytest.mark.usefixtures("own_cache")

UTC_TIMES = {"created_at": "2021-01-01T00:00:00Z"}


def notes(source: Path | Mapping[str, pd.DataFrame], kind: str) -> list[Note]:
    return [note for note in check_source(source).notes if note.kind == kind]


def ledger(count: int, **columns: Any) -> dict[str, pd.DataFrame]:
    """Return the small mart with a ledger of `count` rows: usage of -1 in UTC, some columns replaced."""
    clients = frames()["clients"].assign(**UTC_TIMES)
    rows = {
        "transaction_id": [f"{i:06d}" for i in range(count)],
        "client_id": "a",
        "at": "2021-01-05T00:00:00Z",
        "kind": "usage",
        "amount": "-1",
    }
    return frames(clients=clients, transactions=pd.DataFrame({**rows, **columns}, index=range(count)))


def test_an_ordinary_mart_has_no_notes() -> None:
    assert check_source(ledger(3)).notes == []


def test_rows_in_the_future_are_counted_with_the_first() -> None:
    times = ["2021-01-05T00:00:00Z", "9999-01-01T10:00:00Z", "2021-01-06T00:00:00Z", "9998-01-01T00:00:00Z"]
    [note] = notes(ledger(4, at=times), "future_times")
    assert note == (
        "transactions, at: 2 times are in the future; the first is 9999-01-01T10:00:00Z, in row 2. Reports "
        "ignore a row until its time has passed. Correct any wrong times."
    )
    assert note.figures["count"] == 2
    mart = ledger(4)
    mart["clients"].loc[mart["clients"].index[-1], "created_at"] = "9999-01-01T00:00:00Z"
    [note] = notes(mart, "future_times")
    assert note.startswith("clients, created_at: 1 time is in the future: 9999-01-01T00:00:00Z, in row ")


@pytest.mark.parametrize(("hours", "is_told"), [(-1, False), (23, False), (25, True)])
def test_a_row_is_in_the_future_from_a_day_on(hours: int, is_told: bool) -> None:
    at = datetime.now(UTC) + timedelta(hours=hours)
    assert bool(notes(ledger(1, at=[f"{at:%Y-%m-%dT%H:%M:%SZ}"]), "future_times")) == is_told


# Times without an offset

LOCAL = [
    "%Y-%m-%d",
    "%Y%m%d",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S.%f",
    "%Y-W05-1T%H:%M",
]
OFFSET = ["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z", "%Y-%m-%dT%H:%M%z"]
zoned = st.builds(
    datetime.replace,
    st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)),
    tzinfo=st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)


@given(
    st.lists(
        st.one_of(
            st.tuples(zoned, st.sampled_from(LOCAL), st.just(True)),
            st.tuples(zoned, st.sampled_from(OFFSET), st.just(False)),
        ),
        min_size=1,
        max_size=12,
    ),
    st.lists(st.sampled_from(["", " ", "soon", "2021-02-30", "2021-01-01-10"]), max_size=3),
)
def test_times_without_an_offset_are_counted(
    times: list[tuple[datetime, str, bool]], unreadable: list[str]
) -> None:
    texts = [at.strftime(form) for at, form, _ in times] + unreadable
    local = sum(is_local for _, _, is_local in times)
    mart = check_source(ledger(len(texts), at=texts))
    assert len(mart.faults) == len(unreadable)
    counts = [note.figures["count"] for note in mart.notes if note.kind == "times_without_offset"]
    assert counts == ([local] if local else [])


def test_the_note_on_times_says_how_many_are_where(tmp_path: Path) -> None:
    [note] = notes(folder(tmp_path), "times_without_offset")
    assert note == (
        "2 times without an offset were read as UTC (clients.csv, created_at: 1; clients.csv, closed_at: 1)."
    )
    assert note.figures["columns"] == [
        {"file": "clients.csv", "column": "created_at", "count": 1},
        {"file": "clients.csv", "column": "closed_at", "count": 1},
    ]
    [one] = notes(ledger(2, at=["2021-01-05", "2021-01-05T00:00:00Z"]), "times_without_offset")
    assert one == "1 time without an offset was read as UTC (transactions, at: 1)."


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        (pa.timestamp("us"), 2),
        (pa.timestamp("s"), 2),
        (pa.timestamp("us", "UTC"), 0),
        (pa.timestamp("ns", "Europe/Berlin"), 0),
        (pa.date32(), 2),
        (pa.dictionary(pa.int8(), pa.string()), 2),
    ],
    ids=str,
)
def test_typed_times_without_a_zone_are_counted(tmp_path: Path, kind: pa.DataType, count: int) -> None:
    for name, frame in ledger(3).items():
        frame.to_parquet(tmp_path / f"{name}.parquet")
    table = pq.read_table(tmp_path / "transactions.parquet")
    day = "2021-01-05" if pa.types.is_dictionary(kind) else date(2021, 1, 5)
    plain = pa.array([day, None, day])
    times = plain.dictionary_encode() if pa.types.is_dictionary(kind) else plain.cast(kind)
    pq.write_table(table.set_column(2, "at", times), tmp_path / "transactions.parquet")
    assert [note.figures["count"] for note in notes(tmp_path, "times_without_offset")] == [count] * (
        count > 0
    )


# Binary floats


@pytest.mark.parametrize(
    "amounts",
    [[-1.5, -2.25], pd.array([-1.5, None], "Float64"), objects(-1.5, -2.5), pd.Categorical([-1.5, -2.25])],
)
def test_amounts_that_came_as_floats_are_noted(amounts: Any) -> None:
    [note] = notes(ledger(2, amount=amounts), "binary_floats")
    assert note.startswith("Some numbers are binary floats (transactions, amount); each was read as the ")
    assert "For exact numbers, export decimals or text" in note
    assert "coerce_float=False" in note


@pytest.mark.parametrize("amounts", [[-1, -2], ["-1", "-2"], [Decimal("-1"), Decimal("-2")]])
def test_exact_amounts_are_not_noted(amounts: Any) -> None:
    mart = ledger(2, amount=amounts)
    mart["clients"] = mart["clients"].assign(opening_balance=float("nan"))  # blank, whatever its type
    assert notes(mart, "binary_floats") == []


def test_floats_are_noted_in_every_column_of_numbers_and_form_of_source(tmp_path: Path) -> None:
    mart = ledger(2, amount=[-1.5, -2.25])
    mart["clients"] = mart["clients"].assign(opening_balance=[0.5, None])
    rates = {"currency": ["USD"], "date": ["2021-01-01"], "units_per_base": [1.0], "base": ["USD"]}
    mart["rates"] = pd.DataFrame(rates)
    parquet, database = tmp_path / "parquet", tmp_path / "shop.duckdb"
    parquet.mkdir()
    with duckdb.connect(str(database)) as connection:
        for name, frame in mart.items():
            frame.astype({"amount": "float32"} if name == "transactions" else {}).to_parquet(
                parquet / f"{name}.parquet"
            )
            connection.register("frame", frame)
            connection.execute(f"CREATE TABLE {name} AS FROM frame")
    for source, end in ((mart, ""), (parquet, ".parquet"), (database, "")):
        [note] = notes(source, "binary_floats")
        assert note.figures["columns"] == [
            {"file": f"clients{end}", "column": "opening_balance"},
            {"file": f"transactions{end}", "column": "amount"},
            {"file": f"rates{end}", "column": "units_per_base"},
        ]


# Usage


@given(st.lists(st.tuples(st.sampled_from(["usage", "refill", "other"]), st.integers(-2, 2)), min_size=1))
def test_usage_that_is_mostly_positive_is_noted_with_its_share(rows: list[tuple[str, int]]) -> None:
    mart = ledger(len(rows), kind=[kind for kind, _ in rows], amount=[str(amount) for _, amount in rows])
    usage = [amount for kind, amount in rows if kind == "usage" and amount]
    positive = sum(amount > 0 for amount in usage)
    expected = [(positive, len(usage))] if positive * 2 > len(usage) else []
    found = notes(mart, "positive_usage")
    assert [(note.figures["count"], note.figures["of"]) for note in found] == expected
    for note in found:
        assert note.figures["share"] == round(positive / len(usage), 4)


def test_a_few_reversals_are_not_noted_and_the_share_is_in_the_note() -> None:
    assert notes(ledger(3, amount=["-1", "-1", "1"]), "positive_usage") == []
    [note] = notes(ledger(3, amount=["1", "x", "1"]), "positive_usage")
    assert note.startswith("transactions: most usage is positive (2 of 2 amounts, 100%). ")
    [note] = notes(ledger(300, amount=["1"] * 299 + ["-1"]), "positive_usage")
    assert "(299 of 300 amounts, 99%)" in note


# Tags


@given(st.lists(st.lists(st.text("ab, ", min_size=1, max_size=3), max_size=3), min_size=2, max_size=2))
def test_commas_in_tags_are_counted(tags: list[list[str]]) -> None:
    with_comma = [tag.strip() for of_client in tags for tag in of_client if "," in tag]
    for form in (pd.Series(tags, dtype=object), [";".join(of_client) for of_client in tags]):
        mart = ledger(1)
        mart["clients"] = mart["clients"].assign(tags=form)
        found = notes(mart, "commas_in_tags")
        assert [(n.figures["count"], n.figures["first"]) for n in found] == (
            [(len(with_comma), with_comma[0])] if with_comma else []
        )


def test_the_note_on_tags_shows_the_first() -> None:
    mart = ledger(1)
    mart["clients"] = mart["clients"].assign(tags=["vip,new", "gold; old, red"])
    assert notes(mart, "commas_in_tags") == [
        "clients: 2 tags have a comma; the first is 'vip,new'. Tags are separated by semicolons, not commas."
    ]


# Quotes


def rated(*quotes: tuple[str, str, str]) -> dict[str, pd.DataFrame]:
    """Return the small mart with quotes: currency, date, units for one USD."""
    rows = [("USD", "2021-01-01", "1"), *quotes]
    table = pd.DataFrame(rows, columns=["currency", "date", "units_per_base"]).assign(base="USD")
    return {**ledger(1), "rates": table}


def test_a_quote_about_the_inverse_of_the_next_one_is_noted() -> None:
    mart = rated(
        ("EUR", "2021-03-01", "1.21"),
        ("KES", "2021-01-01", "110"),
        ("EUR", "2021-01-01", "0.82"),
        ("KES", "2021-02-01", "0.0091"),
        ("EUR", "2021-02-01", "0.83"),
    )
    [note] = notes(mart, "inverse_quotes")
    assert note.startswith(
        "rates: 2 quotes are about the inverse of the currency's previous or next quote; the first is 'EUR' "
        "on 2021-03-01. "
    )
    assert note.figures == {"count": 2}


SERIES = {  # quotes for a currency on consecutive days, and which of them stand out: 1 is the first
    "one among others": ("0.9 0.91 1.11 0.905", [3]),
    "the first": ("1.11 0.9 0.91", [1]),
    "the last": ("0.9 0.91 1.11", [3]),
    "the second": ("0.9 1.11 0.9 0.91", [2]),
    "the one before the last": ("0.9 0.9 1.11 0.91", [3]),
    "the first and the last": ("1.11 0.9 0.91 0.9 1.1", [1, 5]),
    "two in a row": ("0.9 0.91 1.11 1.1 0.905 0.9 0.9", [3, 4]),
    "two apart": ("0.9 1.11 0.91 0.9 1.1 0.905 0.9", [2, 5]),
    "every other one": ("0.9 1.11 0.9 1.11 0.9", [2, 4]),
    "a change that stays": ("0.9 0.91 0.9 0.9 1.11 1.1 1.1", [5]),
    "an early change that stays": ("0.9 0.91 1.11 1.1 1.1 1.1", [3]),  # euros were never as cheap
    "the second of two": ("0.9 1.11", [2]),
    "the first of two": ("1.11 0.9", [1]),
    "the first of two pairs": ("1.11 1.1 0.9 0.9", [2]),
    "one near 1": ("0.92 0.921 1.087 0.919", [3]),
    "two near 1": ("0.92 1.087 1.086 0.919 0.92", [2, 3]),
    "from some day on, near 1": ("0.92 0.92 1.087 1.088", [3]),
    "one after a slow rise above 1": ("0.9 0.95 1 1.05 1.1 1.15 0.87 1.16", [7]),
    "none": ("0.9 0.95 1 1.05 1.1 1.15", []),
}


@pytest.mark.parametrize(("quotes", "wrong"), SERIES.values(), ids=SERIES)
@pytest.mark.parametrize("others", [(), ("0.009", "110", "111"), ("110", "111", "0.009")])
def test_a_note_on_inverse_quotes_names_the_one_that_stands_out(
    quotes: str, wrong: list[int], others: tuple[str, ...]
) -> None:
    """Whatever the quotes for other currencies are."""
    mart = rated(*(("EUR", f"2021-01-0{day}", quote) for day, quote in enumerate(quotes.split(), start=1)))
    kes = rated(*(("KES", f"2021-05-0{day}", quote) for day, quote in enumerate(others, start=1)))
    for rates in ([mart["rates"], kes["rates"][1:]], [kes["rates"], mart["rates"][1:]]):
        found = notes({**mart, "rates": pd.concat(rates, ignore_index=True)}, "inverse_quotes")
        count = len(wrong) + bool(others)
        assert [note.figures for note in found] == [{"count": count}] * bool(count)
        if wrong and rates[0] is mart["rates"]:
            assert f"'EUR' on 2021-01-0{wrong[0]}. " in found[0]


@pytest.mark.parametrize(
    ("currency", "quotes", "where"),
    [
        ("UAH", "0.0243 41.2", "1 quote is about the inverse .*: 'UAH' on 2021-01-01[.]"),
        ("UAH", "41.2 0.0243", "1 quote is about the inverse .*: 'UAH' on 2021-01-02[.]"),
        ("UAH", "0.0243 0.0243 0.0243 41.2", "'UAH' on 2021-01-03[.]"),  # though most are wrong
        ("GEL", "0.37 2.7", "'GEL' on 2021-01-02, or else the one on 2021-01-01[.]"),
        ("GEL", "0.37 0.37 2.7 2.7", "'GEL' on 2021-01-03, or else the one on 2021-01-02[.]"),
        ("GEL", "0.37 2.7 2.7", "'GEL' on 2021-01-01[.]"),
        ("BRL", "0.7 1.4", "'BRL' on 2021-01-02, or else the one on 2021-01-01[.]"),  # neither is plausible
    ],
)
def test_the_range_of_a_pair_decides_which_of_inverse_quotes_is_wrong(
    currency: str, quotes: str, where: str
) -> None:
    """If it cannot decide, nor can the number of quotes, the note says so."""
    days = (f"2021-01-0{day}" for day in range(1, 9))
    mart = rated(*((currency, day, quote) for day, quote in zip(days, quotes.split(), strict=False)))
    [note] = notes(mart, "inverse_quotes")
    assert re.search(where, note)


@given(
    currency=st.sampled_from(["GEL", "EUR", "CHF"]),
    first=st.floats(0.9, 1.04),
    moves=st.lists(st.floats(-1, 1), max_size=60),
    most_and_days=st.sampled_from([(1.049, 1), (1.049, 3), (1.08, 4), (1.08, 7)]),
    devaluations=st.dictionaries(st.integers(0, 59), st.floats(1.05, 1.19), max_size=3),
)
def test_quotes_that_move_by_less_than_a_twentieth_a_day_or_are_devalued_are_not_noted(
    currency: str,
    first: float,
    moves: list[float],
    most_and_days: tuple[float, int],
    devaluations: dict[int, float],
) -> None:
    """However often they cross 1; only a move to the inverse and back within days is as rare as an error.

    Weekly quotes may move further.
    """
    most, days_apart = most_and_days
    factors = [most**move for move in moves]
    if currency == "GEL":
        factors = [devaluations.get(n, factor) for n, factor in enumerate(factors)]
    series = [first, *(first * float(product) for product in np.cumprod(factors))]
    assert notes(every(days_apart, currency, [f"{quote:.8f}" for quote in series]), "inverse_quotes") == []


def every(days: int, currency: str, quotes: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Return the small mart with quotes at regular times."""
    dates = (f"{date(2011, 9, 1) + timedelta(days=days * n)}" for n in range(len(quotes)))
    return rated(*((currency, day, quote) for day, quote in zip(dates, quotes, strict=True)))


def test_weekly_quotes_that_cross_1_and_come_back_are_not_noted() -> None:
    """As the Australian dollar did in 2011."""
    assert notes(every(7, "AUD", ["0.9654", "1.0225", "1.0352", "1.0239", "0.9676"]), "inverse_quotes") == []


def test_the_first_quote_of_the_next_currency_is_no_move_back() -> None:
    quotes = [("GEL", "2021-01-01", "0.97"), ("GEL", "2021-01-02", "1.03"), ("SDR", "2021-01-03", "0.97")]
    assert notes(rated(*quotes), "inverse_quotes") == []


@pytest.mark.parametrize(
    ("days", "wrong", "is_noted"),
    [(3, 1, True), (4, 1, False), (1, 31, True), (1, 32, False), (3, 10, True), (3, 11, False)],
)
def test_inverse_quotes_near_1_are_noted_if_they_moved_within_three_days_and_back_within_a_month(
    days: int, wrong: int, is_noted: bool
) -> None:
    quotes = ["0.97"] * 33 + ["1.03"] * wrong + ["0.97"] * 33
    assert len(notes(every(days, "GEL", quotes), "inverse_quotes")) == is_noted


@pytest.mark.parametrize(
    ("currency", "quotes", "is_noted"),
    [
        ("GEL", "0.97 1.03 0.97", True),
        ("GEL", "0.97 1.018 0.97", False),  # less than a twentieth
        ("GEL", "0.95 1.08 0.95", False),  # not close enough to the inverse
        ("GEL", "0.92 1.087 1.087", False),  # it may have been devalued
        ("EUR", "0.92 1.087 1.087", True),  # never by as much
        ("EUR", "0.96 1.042 1.042", False),  # plausible, so it may have moved
    ],
)
def test_inverse_quotes_near_1_are_noted_if_they_moved_back_or_are_implausible(
    currency: str, quotes: str, is_noted: bool
) -> None:
    series = quotes.split()
    mart = rated(*((currency, f"2021-01-0{day}", quote) for day, quote in enumerate(series, start=1)))
    assert len(notes(mart, "inverse_quotes")) == is_noted


@pytest.mark.parametrize(
    ("quotes", "wrong"),
    [
        ("9 9.1 90 9.2", [3]),
        ("90 9 9.1", [1]),
        ("9 9.1 90", [3]),
        ("9 9.1 0.9 9", [3]),
        ("9 9.1 9 90 91", [4]),  # a change that stays
        ("9 90", [1]),  # of as many, those in the range of the pair are right
        ("90 9", [2]),
    ],
)
def test_a_note_on_jumping_quotes_names_the_one_that_stands_out(quotes: str, wrong: list[int]) -> None:
    mart = rated(*(("KES", f"2021-01-0{day}", quote) for day, quote in enumerate(quotes.split(), start=1)))
    [note] = notes(mart, "jumping_quotes")
    assert note.figures == {"count": len(wrong)}
    assert f"'KES' on 2021-01-0{wrong[0]}. " in note


@pytest.mark.parametrize(
    "quotes",
    [
        [("EUR", "2021-01-01", "0.82"), ("GBP", "2021-02-01", "1.21")],  # of different currencies
        [("EUR", "2021-01-01", "0.98"), ("EUR", "2021-02-01", "1.02")],  # parity crossed
        [("EUR", "2021-01-01", "0.82"), ("EUR", "2021-02-01", "0.85")],
        [("EUR", "2021-01-01", "0.82"), ("EUR", "soon", "1.21")],
        [("EUR", "2021-01-01", "0.82"), ("EUR", "2021-02-01", "x")],
        [("EUR", "2021-01-01", "9" * 400), ("EUR", "2021-02-01", "0." + "0" * 400 + "1")],
        [("", "2021-01-01", "0.82"), ("", "2021-02-01", "1.21")],
        [],
    ],
)
def test_other_quotes_are_not_noted(quotes: list[tuple[str, str, str]]) -> None:
    assert notes(rated(*quotes), "inverse_quotes") == []


@pytest.mark.parametrize("quotes", [("110", "600", "112"), ("600", "110"), ("5", "1"), ("1", "1", "5")])
def test_a_quote_five_times_the_last_one_or_a_fifth_is_noted(quotes: tuple[str, ...]) -> None:
    mart = rated(*(("KES", f"2021-01-0{day}", quote) for day, quote in enumerate(quotes, start=1)))
    [note] = notes(mart, "jumping_quotes")
    day = 3 if quotes == ("1", "1", "5") else 1 if quotes == ("600", "110") else 2
    or_else = ", or else the one on 2021-01-01" if quotes == ("5", "1") else ""
    assert note.startswith(
        "rates: 1 quote is at least five times the currency's previous or next quote, or at most a fifth of "
        f"it: 'KES' on 2021-01-0{day}{or_else}. "
    )


@pytest.mark.parametrize(
    "quotes",
    [
        [("KES", "2021-01-01", "110"), ("KES", "2021-01-02", "500")],
        [("KES", "2021-01-01", "110"), ("EUR", "2021-01-02", "0.8")],
        [("KES", "2021-01-01", "110"), ("KES", "2021-01-02", "0.0091")],  # noted as an inverse
        [("KES", "2021-01-01", "110"), ("KES", "soon", "600")],
    ],
)
def test_quotes_without_a_jump_are_not_noted(quotes: list[tuple[str, str, str]]) -> None:
    assert notes(rated(*quotes), "jumping_quotes") == []


@pytest.mark.parametrize(
    ("inverted", "usual", "neither", "noted"),
    [
        (2, 0, 0, False),
        (3, 0, 0, True),
        (3, 0, 12, True),  # a fifth
        (3, 0, 13, False),
        (9, 1, 0, False),
        (10, 1, 0, True),  # ten to one
    ],
)
def test_a_currency_whose_quotes_are_mostly_inverted_is_noted(
    inverted: int, usual: int, neither: int, noted: bool
) -> None:
    values = ["0.009"] * inverted + ["110"] * usual + ["1"] * neither
    days = (str(date(2021, 1, 1) + timedelta(days=day)) for day in range(len(values)))
    found = notes(
        rated(*(("KES", day, value) for day, value in zip(days, values, strict=True))), "inverse_currencies"
    )
    assert [note.figures for note in found] == ([{"count": inverted, "currencies": ["KES"]}] if noted else [])


# Midnights of another zone


def days_at(*clocks: str, days: int = 20) -> list[str]:
    """Return times on consecutive days, at these times of day in turn."""
    first = date(2021, 1, 1)
    return [f"{first + timedelta(days=i)}T{clocks[i % len(clocks)]}" for i in range(days)]


@pytest.mark.parametrize(
    ("clocks", "named"),
    [
        (["22:00:00Z"], "22:00"),
        (["00:00:00+05:45"], "18:15"),
        (["22:00:00Z", "23:00:00Z"], "22:00 or 23:00"),
        (["00:00:00Z", "23:00:00Z"], "00:00 or 23:00"),
        (["00:00:00-05:00"], "05:00"),
    ],
)
def test_times_all_at_midnight_of_another_zone_are_noted(clocks: list[str], named: str) -> None:
    [note] = notes(ledger(20, at=days_at(*clocks)), "midnights_elsewhere")
    assert note == (
        f"transactions: all times are at {named} UTC, which seems to be midnight in another time zone. "
        "Reports assign them to the right day only in that time zone."
    )


@pytest.mark.parametrize(
    "times",
    [
        days_at("00:00:00Z"),
        days_at("22:00:00Z", days=9),
        days_at("22:00:00Z", "20:00:00Z"),
        days_at("22:00:00Z", "23:00:00Z", "21:00:00Z"),
        days_at("22:01:00Z"),
        ["2021-01-05T22:00:00Z"] * 20,
        [*days_at("22:00:00Z"), "2021-01-05T22:00:01Z", "2021-01-05T22:00:02Z"],
        ["soon"],
    ],
)
def test_other_times_are_not_noted(times: list[str]) -> None:
    assert notes(ledger(len(times), at=times), "midnights_elsewhere") == []


# Words for missing values


@pytest.mark.parametrize("word", ["\\N", "NULL", "None", "nan", "<NA>"])
def test_a_word_for_a_missing_value_is_noted_where_text_is_optional(tmp_path: Path, word: str) -> None:
    mart = ledger(3, package_id=["p1", word, word])
    mart["clients"] = mart["clients"].assign(company=["acme", word])
    for source, end in ((mart, ""), (in_form(mart, tmp_path, "csv"), ".csv")):
        [note] = notes(source, "words_for_null")
        assert note == (
            f"Some values are words for missing values but were read as text (clients{end}, company: 1, as "
            f"{word!r}; transactions{end}, package_id: 2, as {word!r}). Leave such cells blank."
        )


@pytest.mark.parametrize("word", ["Nullarbor", "none of us", "N", "na", ""])
def test_other_words_are_not_noted(word: str) -> None:
    assert notes(ledger(3, package_id=word), "words_for_null") == []


# Clients without transactions


@pytest.mark.parametrize(("idle", "noted"), [(0, False), (1, False), (2, True), (9, True)])
def test_most_clients_without_a_transaction_are_noted(idle: int, noted: bool) -> None:
    mart = ledger(3)
    one = mart["clients"].iloc[:1]
    mart["clients"] = pd.concat([one, *(one.assign(client_id=f"idle{i}") for i in range(idle))])
    words = (
        f"clients: most clients ({idle} of {idle + 1}) have no transactions. The ledger may be incomplete."
    )
    assert notes(mart, "clients_without_transactions") == ([words] if noted else [])


def test_notes_change_no_verdict_and_stand_beside_what_is_left_out() -> None:
    mart = check_source(Source(ledger(3, amount=["1", "1", "x"], at="2021-01-05"), on_fault="quarantine"))
    assert [note.kind for note in mart.notes] == ["times_without_offset", "positive_usage", "left_out"]
    good = check_source(ledger(2, amount=["1", "1"], at="2021-01-05"))
    assert good.faults == []
    assert str(good).splitlines()[-1].endswith("No faults.")
    assert [line[:6] for line in str(good).splitlines()[:-1]] == ["Note: ", "Note: "]
    assert good._repr_html_().count("<p>Note: ") == 2
