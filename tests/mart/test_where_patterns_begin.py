"""At which counts and shares notes on patterns across rows begin: shifted ids, repeats, summaries, quotes."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from custdyn_widgets.mart.checking.likely_mistakes import clock_changes, duplicates, summaries
from custdyn_widgets.mart.checking.likely_mistakes.duplicates import repeated_rows
from custdyn_widgets.mart.checking.likely_mistakes.evidence import Evidence
from custdyn_widgets.mart.checking.likely_mistakes.quotes import inverse_currencies, odd_quotes
from custdyn_widgets.mart.checking.likely_mistakes.shifted_clients import shifted_clients, shifted_lifetimes
from tests.mart.evidence_of import DAY, HOUR, SECOND, START, evidence, table_of

# Ids that are shifted by a row


def spent(clients: int, rows: int, shift: int, **columns: Any) -> Evidence:
    """Return clients who spend all that they refill, by turns much and little, with shifted ids.

    The last client has as many rows more as are needed for `rows` in all.
    """
    each = rows // clients
    sizes = np.array([each] * (clients - 1) + [rows - each * (clients - 1)])
    client = np.repeat(np.arange(clients), sizes)
    amount = np.concatenate([
        np.r_[(size - 1) * (100 if i % 2 else 1), np.full(size - 1, -100 if i % 2 else -1)]
        for i, size in enumerate(sizes)
    ])  # fmt: skip
    kinds = ["refill" if value > 0 else "usage" for value in amount]
    at = START * DAY + np.arange(rows) * SECOND
    return evidence(at, kinds, amount, np.roll(client, shift), clients, **columns)


@pytest.mark.parametrize(
    ("clients", "rows", "is_noted"), [(40, 499, False), (40, 500, True), (30, 600, True), (29, 600, False)]
)
@pytest.mark.parametrize("shift", [1, -1])
def test_ids_are_called_shifted_if_thirty_balances_are_nearer_to_zero(
    clients: int, rows: int, is_noted: bool, shift: int
) -> None:
    [*found] = shifted_clients(spent(clients, rows, shift))
    assert [note.figures for note in found] == [{"rows": shift}] * is_noted
    for note in found:
        where, other = ("below", "up") if shift == 1 else ("above", "down")
        assert f"the id of the row {where}, balances" in note
        assert note.endswith(f"Move the ids {other} by one row.")


def test_ids_are_not_called_shifted_if_balances_are_hardly_nearer_to_zero() -> None:
    assert list(shifted_clients(spent(40, 500, 0))) == []
    assert len(list(shifted_clients(spent(40, 500, 1)))) == 1
    without_refills = spent(40, 500, 1)
    without_refills.ledger.codes["kind"][:] = 1
    assert list(shifted_clients(without_refills)) == []
    mart = spent(40, 500, 1)
    own = np.bincount(mart.rows.client, mart.rows.amount, 40)
    far = [int(10 * np.abs(own).max() * (1 if i < 17 else 0)) for i in range(40)]
    assert (
        list(shifted_clients(spent(40, 500, 1, opening_balance=far))) == []
    )  # balances are far from 0 anyhow


def walks(clients: int, shift: int, swapped: int = 0) -> Evidence:
    """Return clients, one after another, each with calls in order of time, and their ids shifted.

    In the last few clients, two calls in the middle are swapped.
    """
    at = np.array([START * DAY + HOUR * (i % 30) - (i // 30) for i in range(clients * 30)])
    for i in range(clients - swapped, clients):
        at[30 * i + 15 : 30 * i + 17] = at[30 * i + 15 : 30 * i + 17][::-1]
    return evidence(at, client=np.roll(np.repeat(np.arange(clients), 30), shift), clients=clients)


@pytest.mark.parametrize(
    ("clients", "swapped", "is_noted"), [(20, 0, False), (21, 0, True), (19, 2, False), (20, 2, True)]
)
@pytest.mark.parametrize("shift", [1, -1])
def test_ids_are_called_shifted_if_only_others_keep_the_order_of_time(
    clients: int, swapped: int, is_noted: bool, shift: int
) -> None:
    """Each client but one begins before the last one ended; of 20 such times, under a tenth may be left."""
    found = list(shifted_clients(walks(clients, shift, swapped)))
    assert [note.figures for note in found] == [{"rows": shift}] * is_noted
    assert list(shifted_clients(walks(clients, 0, swapped))) == []


Life = tuple[int | None, int | None]


def misplaced(calls: Sequence[int], lives: Sequence[Life], shift: int) -> int:
    """Return how many clients have a call outside of the lifetime `shift` rows below."""
    found = 0
    for i, call in enumerate(calls):
        born, died = lives[i + shift] if 0 <= i + shift < len(lives) else (None, None)
        found += (born is not None and call < born) or (died is not None and call > died)
    return found


@pytest.mark.parametrize("moved", [1, -1])
@pytest.mark.parametrize(
    ("clients", "with_life", "never_fit", "is_noted"),
    [
        (60, 19, 0, False),
        (60, 20, 0, True),
        (200, 20, 0, True),  # a tenth
        (201, 20, 0, False),
        (60, 20, 2, False),  # of 20, a tenth are left
        (60, 21, 2, True),
    ],
)
def test_lifetimes_are_called_shifted_if_those_of_the_next_row_fit_far_better(
    clients: int, with_life: int, never_fit: int, is_noted: bool, moved: int
) -> None:
    first = 20
    calls = [(START + 10 * i) * DAY for i in range(clients)]
    lives: list[Life] = [(None, None)] * clients
    for i in range(first, first + with_life):
        lives[i] = (calls[i], calls[i])
    for i in range(first + 3, first + 3 + never_fit):
        calls[i] -= 1000 * DAY
    lives = lives[-moved:] + lives[:-moved]
    born, died = zip(*lives, strict=True)
    mart = evidence(calls, client=range(clients), clients=clients, created_at=born, closed_at=died)
    found = list(shifted_lifetimes(mart))
    assert [note.figures for note in found] == [{"rows": moved}] * is_noted
    now, then = misplaced(calls, lives, 0), misplaced(calls, lives, moved)
    for note in found:
        where, other = ("below", "down") if moved == 1 else ("above", "up")
        assert (
            f"{now} of {clients} clients have transactions before created_at or after closed_at, but only "
            f"{then} would if they had the times from the row {where}. Move the ids {other} by one row."
        ) in note


# Repeated rows


def copies(times: int, calls: int = 20, **columns: Any) -> Evidence:
    """Return calls of one day, each so often, between single calls on the days around it."""
    day = [(START + 1) * DAY + i * 7 * SECOND for i in range(calls)]
    at = [START * DAY, *day * times, (START + 2) * DAY, (START + 2) * DAY]
    amounts = [-9, *[-(i + 1) for i in range(calls)] * times, -9, -8]
    return evidence(at, amount=amounts, **columns)


@pytest.mark.parametrize(("times", "extra"), [(1, 0), (2, 20), (3, 40), (4, 60), (5, 0)])
def test_rows_that_are_there_two_three_or_four_times_are_noted(times: int, extra: int) -> None:
    found = list(repeated_rows(copies(times)))
    assert [note.figures for note in found] == [{"count": extra, "first": 2}] * bool(extra)
    for note in found:
        assert "all those of kind usage on 1 of the days from 2021-01-05 to 2021-01-05, the first in" in note
        assert "the first in row 2." in note
    assert list(repeated_rows(copies(times, 19))) == []


def test_rows_that_differ_in_anything_are_no_repeats() -> None:
    assert list(repeated_rows(copies(2)))
    half = [0, *[0] * 20, *[1] * 20, 0, 0]
    assert not list(repeated_rows(copies(2, client=half, clients=2)))
    assert not list(repeated_rows(copies(2, kind=["other" if of else "usage" for of in half])))
    other = copies(2)
    other.ledger.columns["at"][21:41] += 1
    assert not list(repeated_rows(other))
    other = copies(2)
    other.ledger.columns["amount"][21:41] += 1
    assert not list(repeated_rows(other))


def test_a_day_with_one_call_that_is_not_repeated_is_no_repeated_day() -> None:
    mart = copies(2)
    at = np.r_[mart.rows.at, (START + 1) * DAY + HOUR]
    amount = np.r_[mart.rows.amount // 10**6, -77]
    assert not list(repeated_rows(evidence(at, amount=amount)))
    assert list(repeated_rows(evidence(at, ["usage"] * (len(at) - 1) + ["other"], amount=amount)))


def test_repeats_on_days_in_a_row_are_one_run_and_twenty_are_enough() -> None:
    two_days = [(START + day) * DAY + i * SECOND for day in (1, 2) for i in range(10)]
    assert "on 2 of the days from 2021-01-05 to 2021-01-06" in next(repeated_rows(evidence(two_days * 2)))
    apart = [*two_days * 2, (START + 1) * DAY + HOUR]  # the first day has a single call
    assert not list(repeated_rows(evidence(apart)))


def test_a_first_look_at_some_rows_finds_repeats_in_large_ledgers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "_LARGE", 40)
    assert len(list(repeated_rows(copies(2)))) == 1
    assert list(repeated_rows(copies(1, 60))) == []


# Summaries


def calls_and_sums(days: int, others: int = 0, clock: int = DAY - SECOND) -> Evidence:
    """Return days with two calls and their sum at a time of the day, and days with three calls."""
    at, amounts = [], []
    for i in range(days + others):
        day = (START + i) * DAY
        at += [day + 9 * HOUR + i * SECOND, day + 10 * HOUR, day + 11 * HOUR + 7 * i * SECOND, day + clock]
        amounts += [-1 - i, 50, -2, -3 - i if i < days else -9 - i]
    return evidence(at, ["usage", "refill", "usage", "usage"] * (days + others), amounts)


@pytest.mark.parametrize(
    ("days", "others", "is_noted"), [(9, 1, False), (10, 0, True), (10, 10, True), (10, 11, False)]
)
def test_ten_summaries_are_noted_if_half_of_the_days_have_one(days: int, others: int, is_noted: bool) -> None:
    found = list(summaries.summaries(calls_and_sums(days, others)))
    assert [note.figures for note in found] == [{"count": days, "period": "day", "first": 4}] * is_noted


@pytest.mark.parametrize("clock", [DAY, DAY + 3 * HOUR, 0, 20 * HOUR])
def test_summaries_are_found_at_the_time_when_their_day_ends(clock: int) -> None:
    [note] = summaries.summaries(calls_and_sums(30, clock=clock))
    assert note.figures == {"count": 30, "period": "day", "first": 4}


def pairs(equal: int, unequal: int = 0, single: int = 0, prices: int = 20, apart: int = SECOND) -> Evidence:
    """Return days with a call and its sum, days with two other calls, and days with a call."""
    at, amounts = [], []
    for i in range(equal + unequal + single):
        day, price = (START + i) * DAY + 9 * HOUR, -(100 + i % prices)
        at += [day] if i >= equal + unequal else [day, day + apart]
        amounts += [price] if i >= equal + unequal else [price, price if i < equal else price - 50]
    return evidence(at, amount=amounts)


@pytest.mark.parametrize(
    ("days", "is_noted"),
    [
        ({"equal": 49}, False),
        ({"equal": 50}, True),
        ({"equal": 50, "prices": 19}, False),
        ({"equal": 50, "unequal": 5}, True),  # nine in ten
        ({"equal": 50, "unequal": 6}, False),
        ({"equal": 54, "single": 6}, True),  # a tenth
        ({"equal": 53, "single": 6}, False),
        ({"equal": 50, "apart": 0}, False),  # rather repeats
    ],
)
def test_fifty_calls_with_their_sums_are_noted(days: dict[str, int], is_noted: bool) -> None:
    found = list(summaries.summaries(pairs(**days)))
    assert [note.figures["count"] for note in found] == [days["equal"]] * is_noted


def test_a_sample_of_clients_is_enough_to_find_summaries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summaries, "_SAMPLE", 90)
    one = calls_and_sums(30).rows
    at, amount = np.tile(one.at, 5), np.tile(one.amount, 5) / 10**6
    kinds = ["usage", "refill", "usage", "usage"] * 150
    mart = evidence(at, kinds, amount, client=np.repeat(np.arange(5), len(one)), clients=5)
    [note] = summaries.summaries(mart)
    assert note.figures["count"] == 150


# Quotes


def quoted(*quotes: str, currency: str = "KES", base: str = "USD", days: Sequence[int] = ()) -> Evidence:
    count = len(quotes)
    rates = table_of(
        "rates",
        count,
        currency=[currency] * count,
        base=[base] * count,
        date=list(days) or list(range(count)),
    )
    rates.columns["units_per_base"] = [Decimal(quote) for quote in quotes]
    rates.blank["units_per_base"] = np.zeros(count, np.bool_)
    return Evidence({**evidence([]).tables, "rates": rates}, (), 0.0)


@pytest.mark.parametrize(
    ("now", "after", "kinds"),
    [
        ("2", "0.54", ["inverse_quotes"]),  # their product is 1.08
        ("2", "0.56", []),  # 1.12
        ("2", "0.46", ["inverse_quotes"]),  # 0.92
        ("2", "0.45", []),  # 0.9
        ("1.15", "0.95", ["inverse_quotes"]),  # 1.21 apart
        ("0.95", "1.15", ["inverse_quotes"]),
        ("1.1", "0.95", []),  # 1.16 apart
        ("0.95", "1.1", []),
        ("1", "5", ["jumping_quotes"]),
        ("1", "4.9", []),
        ("5", "1", ["jumping_quotes"]),
        ("4.9", "1", []),
    ],
)
def test_a_quote_is_odd_from_five_times_the_last_or_near_the_inverse_of_the_next(
    now: str, after: str, kinds: list[str]
) -> None:
    assert [note.kind for note in odd_quotes(quoted(now, after))] == kinds


@pytest.mark.parametrize(
    ("currency", "base", "usual"),
    [("EUR", "GBP", "1.15"), ("KES", "EUR", "140"), ("USD", "KES", "0.0077"), ("UAH", "USD", "41")],
)
def test_quotes_for_any_base_are_plausible_or_inverted(currency: str, base: str, usual: str) -> None:
    inverted = f"{1 / float(usual):.6f}"
    assert list(inverse_currencies(quoted(*[usual] * 9, currency=currency, base=base))) == []
    found = list(inverse_currencies(quoted(usual, *[inverted] * 12, currency=currency, base=base)))
    if currency != "EUR":  # a euro has been worth about a pound
        [note] = found
        assert note.figures == {"count": 12, "currencies": [currency]}
        assert f"such as {inverted} in row 2: that is how many {base} one {currency} buys" in note


def test_quotes_against_the_same_or_an_unknown_currency_are_not_judged() -> None:
    assert list(inverse_currencies(quoted(*["0.001"] * 9, currency="KES", base="KES"))) == []
    assert list(inverse_currencies(quoted(*["0.001"] * 9, currency="KES", base="XAU"))) == []
    assert list(inverse_currencies(quoted(*["0.001"] * 9, currency="XAU", base="USD"))) == []


# Clock changes


@pytest.mark.parametrize(
    ("day", "count", "is_compared"),
    [(15, 300, False), (16, 300, True), (16, 299, False), (29, 300, True), (30, 300, False)],
)
def test_the_two_weeks_after_the_day_of_a_clock_change_are_compared(
    day: int, count: int, is_compared: bool
) -> None:
    daily = np.zeros((40, 24), np.int64)
    daily[1:15, 9] = 30
    daily[day, 8] = count
    assert (clock_changes._distances(daily, 15, -1) is not None) is is_compared
