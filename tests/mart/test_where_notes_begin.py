"""At which counts, shares and times each note on a ledger begins, and what exactly it says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from custdyn_widgets.mart.checking.likely_mistakes.cut_off import clients_without_transactions, cut_off
from custdyn_widgets.mart.checking.likely_mistakes.evidence import Evidence
from custdyn_widgets.mart.checking.likely_mistakes.gaps import early_end, missing_days
from custdyn_widgets.mart.checking.likely_mistakes.local_times import why_local
from custdyn_widgets.mart.checking.likely_mistakes.numbers import cents
from custdyn_widgets.mart.checking.likely_mistakes.reconciliation import stored_balances
from custdyn_widgets.mart.checking.likely_mistakes.signs import refills_as_other, reversed_signs
from custdyn_widgets.mart.checking.likely_mistakes.times import future_times, numbers_as_times
from custdyn_widgets.mart.checking.notes import Note
from custdyn_widgets.mart.schema import KINDS
from custdyn_widgets.mart.source_check import check_source
from tests.mart.evidence_of import DAY, HOUR, SECOND, START, evidence, table_of
from tests.mart.test_likely_mistakes import ledger, notes

pytestmark = pytest.mark.usefixtures("own_cache")


def only(found: Iterator[Note]) -> Note:
    [note] = found
    return note


# What the finders look at


def test_counts_by_sign_day_and_hour_leave_out_times_far_from_the_median() -> None:
    days = [START + 7300, START, START - 7301, START, START, START + 1]
    found = evidence(
        [day * DAY + hour * HOUR for day, hour in zip(days, [23, 0, 5, 23, 23, 7], strict=True)],
        ["usage", "usage", "refill", "other", "other", "other"],
        [-0.000001, 0, 0.000001, -3, 4, 5],
    )
    assert found.range_of_days == (START, START + 7300)
    assert len(found.hourly) == 7301 * 24
    filled = {int(hour): int(found.hourly[hour]) for hour in np.flatnonzero(found.hourly)}
    assert filled == {0: 1, 23: 2, 31: 1, 7300 * 24 + 23: 1}
    signs = {name: found.signs[KINDS.index(name)].tolist() for name in KINDS}
    assert signs == {
        "refill": [0, 0, 1], "usage": [1, 1, 0], "package_activation": [0, 0, 0],
        "package_renewal": [0, 0, 0], "other": [1, 0, 2],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("days", "first", "last"),
    [
        ([0, 7300], 0, 7300),
        ([0, 1, 7302], 0, 1),
        ([0, 0, 0, 7300, 7301], 0, 7300),
        ([0, 1, 2, 3, 20_000, 20_001], 0, 3),
        ([16_000, 0, 12_000, 8_000, 4_000], 4_000, 12_000),
        ([14_600, 7_300, 0], 0, 14_600),
        ([-20_000, 3, 5], 3, 5),
    ],
)
def test_the_range_of_days_is_at_most_twenty_years_from_the_median(
    days: list[int], first: int, last: int
) -> None:
    found = evidence([(START + day) * DAY for day in days])
    assert found.range_of_days == (START + first, START + last)
    assert found.hourly.sum() == sum(first <= day <= last for day in days)
    assert len(found.hourly) == 24 * (last - first + 1)


def test_rows_with_a_faulty_value_are_left_out_and_the_others_keep_their_numbers() -> None:
    mart = evidence([START * DAY + i for i in range(8)], ["refill"] * 8, range(8), range(8), 8)
    for name, row in (("client_id", 1), ("kind", 3)):
        mart.ledger.codes[name][row] = -1
    for name, row in (("at", 4), ("amount", 6)):
        mart.ledger.blank[name][row] = True
    assert mart.rows.client.tolist() == [0, 2, 5, 7]
    assert [
        (amount, at % DAY) for amount, at in zip(mart.rows.amount // 10**6, mart.rows.at, strict=True)
    ] == [(i, i) for i in (0, 2, 5, 7)]
    assert [mart.number(i) for i in range(4)] == [1, 3, 6, 8]


def test_a_ledger_without_client_ids_is_searched_as_one_without_rows() -> None:
    mart = ledger(3)
    mart["clients"] = mart["clients"].assign(stored_balance="5")
    mart["transactions"] = mart["transactions"].drop(columns="client_id").assign(amount="1")
    found = check_source(mart)
    assert [fault.kind.code for fault in found.faults] == ["no_column"]
    assert found.notes == []


def test_without_transactions_there_is_nothing_to_note() -> None:
    assert evidence([]).range_of_days == (0, -1)
    assert notes(ledger(0), "missing_days") == []
    assert early_end(evidence([], created_at=[DAY] * 5, clients=5)) is None


# Signs


@pytest.mark.parametrize(("renewals", "is_noted"), [(9, False), (10, True)])
def test_ten_fees_are_enough_for_a_note(renewals: int, is_noted: bool) -> None:
    at = [START * DAY] * renewals
    assert len(list(reversed_signs(evidence(at, "package_renewal", 5)))) == is_noted


def test_a_note_on_signs_names_the_first_wrong_row_and_begins_beyond_a_half() -> None:
    kinds = ["refill", "package_renewal", "package_renewal", *["package_renewal"] * 10]
    amounts = [3, 0, -1, *[-2] * 4, 0.000001, *[4] * 5]
    mart = evidence([START * DAY] * 13, kinds, amounts)
    note = only(reversed_signs(mart))
    assert note.startswith(
        "transactions, amount: most rows of kind package_renewal are positive (6 of 11, 54%); the first is "
        "row 8. A renewal fee lowers a balance"
    )
    assert note.figures == {"count": 6, "of": 11, "share": 0.5455, "first": 8}
    half = evidence([START * DAY] * 12, "package_renewal", [*[-1] * 6, *[1] * 6])
    assert list(reversed_signs(half)) == []
    refills = evidence([START * DAY] * 12, "refill", [*[1] * 5, *[-1] * 7])
    note = only(reversed_signs(refills))
    assert (note.kind, note.figures["first"], note.figures["share"]) == ("negative_refill", 6, 0.5833)


@pytest.mark.parametrize(
    ("others", "refills", "of", "clients", "is_noted"),
    [
        (19, 0, 1, 4, False),
        (20, 0, 1, 4, True),
        (20, 10, 1, 4, False),  # twice the refills
        (21, 10, 1, 4, True),
        (20, 0, 1, 5, False),  # of less than a quarter of the clients
        (20, 0, 3, 12, True),
        (20, 0, 3, 13, False),
    ],
)
def test_incoming_money_is_noted_as_other_from_twenty_amounts_on(
    others: int, refills: int, of: int, clients: int, is_noted: bool
) -> None:
    kinds = [*["usage"] * clients, "other", "other", *["other"] * others, *["refill"] * refills]
    amounts = [*[1] * clients, -1, 0, 0.000001, *[2] * (others - 1), *[3] * refills]
    client = [*range(clients), 0, 1, *(i % of for i in range(others)), *[0] * refills]
    mart = evidence([START * DAY] * len(kinds), kinds, amounts, client, clients)
    found = list(refills_as_other(mart))
    figures = {"count": others, "refills": refills, "first": clients + 3}
    assert [note.figures for note in found] == [figures] * is_noted


# Amounts in cents


def whole_amounts(count: int, uneven: int, currency: str = "USD") -> Evidence:
    """Return usage in 20 prices: so many are not multiples of 5."""
    amounts = [-(100 + 5 * (i % 10) + (i < uneven)) for i in range(count)]
    return evidence([START * DAY] * count, "usage", amounts, currency=[currency])


@pytest.mark.parametrize(
    ("count", "uneven", "currency", "is_noted"),
    [
        (99, 80, "USD", False),
        (100, 80, "USD", True),
        (100, 60, "USD", True),
        (100, 59, "USD", False),
        (100, 80, "JPY", False),  # a currency without cents
        (100, 80, "KES", False),  # whose cents are no longer used
    ],
)
def test_whole_amounts_are_noted_from_a_hundred_on_if_three_fifths_are_uneven(
    count: int, uneven: int, currency: str, is_noted: bool
) -> None:
    found = list(cents(whole_amounts(count, uneven, currency)))
    assert [note.figures for note in found] == [{"kinds": {currency: {"usage": count}}}] * is_noted


def test_amounts_of_zero_and_of_other_currencies_do_not_count_as_cents() -> None:
    amounts = [*[-(100 + i % 20) for i in range(99)], *[0] * 20, *[-5] * 120]
    client = [*[0] * 119, *[1] * 120]
    mart = {"client": client, "clients": 2, "currency": ["USD", "EUR"]}
    assert list(cents(evidence([START * DAY] * 239, "usage", amounts, **mart))) == []
    amounts[99] = -119
    note = only(cents(evidence([START * DAY] * 239, "usage", amounts, **mart)))
    assert note.figures == {"kinds": {"USD": {"usage": 119}}}
    amounts[99] = -119.5
    assert list(cents(evidence([START * DAY] * 239, "usage", amounts, **mart))) == []


def test_refills_in_fractions_do_not_hide_usage_in_cents_nor_do_blank_currencies_count() -> None:
    amounts = [9.5, *[-(100 + i % 30) for i in range(200)], *[-7] * 9]
    client = [0, *[0] * 100, *[1] * 100, *[2] * 9]
    mart = evidence(
        [START * DAY] * 210, ["refill", *["usage"] * 209], amounts, client, 3, currency=["USD", None, "EUR"]
    )
    assert only(cents(mart)).figures == {"kinds": {"USD": {"usage": 100}}}


# Times


@pytest.mark.parametrize("per_second", [10**3, 1, 1 / 10**3])  # milliseconds, seconds … as microseconds
def test_times_that_shrank_are_noted_at_both_ends_of_the_range_of_years(per_second: float) -> None:
    low, high = (int(year * per_second) for year in (946_684_800, 2_208_988_800))
    for times, is_noted in (
        ([low, high, high], True),
        ([high, low, low], True),
        ([low, high], False),  # two are too few
        ([low - 1, high, high], False),
        ([low, low, high + 1], False),
    ):
        found = [n for n in numbers_as_times(shrunk(times)) if n.figures["column"] == "closed_at"]
        assert [note.figures["count"] for note in found] == [3] * is_noted


def shrunk(times: list[int]) -> Evidence:
    return evidence([START * DAY], clients=len(times) + 1, closed_at=[None, *times])


def test_a_note_on_the_future_names_the_first_such_row_and_skips_blanks() -> None:
    later = 32_503_680_000 * SECOND  # the year 3000
    mart = evidence([START * DAY] * 3 + [later, later + DAY], clients=3, created_at=[None, later, None])
    ledger_note, clients_note = future_times(mart)
    first = {"row": 4, "time": "3000-01-01T00:00:00Z"}
    assert ledger_note.figures == {"file": "transactions", "column": "at", "count": 2, "first": first}
    assert "2 times are in the future" in ledger_note
    assert clients_note.figures["first"]["row"] == 2
    assert "1 time is in the future" in clients_note


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        ([-9, 61, 62, 63], "3 transactions are up to 0 h 02 min later"),
        ([60, 61, 62], ""),  # two of them by more than a minute
        ([61, 61.5, 62], ""),  # in two seconds
        ([61, 62, 14 * 3600], "3 transactions are up to 14 h 00 min later"),
        ([61, 62, 14 * 3600 + 1], ""),  # further than any zone is from UTC
        ([-30, -20, -10], ""),
    ],
)
def test_transactions_later_than_their_file_are_noted_from_three_on(seconds: list[float], words: str) -> None:
    written = START * 86_400 + 3600
    mart = evidence([int((written + ahead) * SECOND) for ahead in seconds], written=written)
    assert bool(why_local(mart)) == bool(words)
    assert words in why_local(mart)


@pytest.mark.parametrize(
    ("early", "far", "clients", "is_noted"),
    [
        (9, 0, 20, False),
        (10, 0, 20, True),
        (10, 1, 20, True),
        (19, 2, 30, False),  # days before the creation of many
        (10, 0, 200, True),
        (10, 0, 201, False),  # of less than a twentieth
    ],
)
def test_transactions_before_the_creation_of_ten_clients_are_noted(
    early: int, far: int, clients: int, is_noted: bool
) -> None:
    created = [START * DAY + i * 61 * SECOND for i in range(clients)]
    before = [0, *[2 * HOUR] * early, *[14 * HOUR + SECOND] * far]
    at = [created[i] - ahead for i, ahead in enumerate(before)]
    why = why_local(evidence(at, client=range(len(at)), clients=clients, created_at=created))
    words = (
        f"{early} clients have transactions up to 2 h 00 min before they were created, the first in row 2."
    )
    assert why[why.find(f"{early} clients") :][: len(words)] == (words if is_noted else "")


@pytest.mark.parametrize(("more", "is_noted"), [(0, False), (1, True)])
def test_a_transaction_a_quarter_of_an_hour_before_creation_is_usual(more: int, is_noted: bool) -> None:
    created = [START * DAY + i * 61 * SECOND for i in range(12)]
    at = [moment - 15 * 60 * SECOND - more for moment in created]
    assert bool(why_local(evidence(at, client=range(12), clients=12, created_at=created))) == is_noted
    blank = evidence(at, client=range(12), clients=12, created_at=[None] * 12)
    assert why_local(blank) == ""


def test_clients_created_at_one_time_of_day_after_their_transactions_are_no_sign_of_a_zone() -> None:
    created = [(START + i) * DAY for i in range(12)]
    at = [moment - HOUR for moment in created]
    assert why_local(evidence(at, client=range(12), clients=12, created_at=created)) == ""


# Words and tags


def test_the_first_word_for_null_and_a_single_comma_are_told() -> None:
    mart = ledger(4, package_id=["p1", "None", "NULL", "None"])
    [note] = notes(mart, "words_for_null")
    assert note.figures["columns"] == [
        {"file": "transactions", "column": "package_id", "count": 3, "first": "None"}
    ]
    mart["clients"] = mart["clients"].assign(tags=["vip", "gold,old"])
    [note] = notes(mart, "commas_in_tags")
    assert note.startswith("clients: 1 tag has a comma: 'gold,old'. ")


# Files that are cut off


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (998, ""),
        (999, "it has exactly 1,000 rows including its headings"),
        (1_000, "it has exactly 1,000 rows, a limit"),
        (1_001, ""),
        (20_000, "it has exactly 20,000 rows, a limit"),
        (65_535, "it has exactly 65,536 rows including its headings"),  # a sheet of Excel's old format
        (500_000, "it has exactly 500,000 rows, a limit"),
        (1_048_575, "it has exactly 1,048,576 rows including its headings"),  # a sheet of Excel
        (1_048_574, ""),
    ],
)
def test_a_ledger_with_as_many_rows_as_tools_export_is_noted(rows: int, words: str) -> None:
    mart = evidence([START * DAY])
    full = table_of("transactions", 0)
    full.stored = full.stored._replace(data=pa.table({"at": pa.nulls(rows)}))
    full.columns = {"at": np.zeros(rows, np.int64), "amount": np.zeros(rows, np.int64)}
    full.blank = {"at": np.ones(rows, np.bool_), "amount": np.ones(rows, np.bool_)}
    found = list(cut_off(Evidence({"clients": mart.clients, "transactions": full}, (), 0.0)))
    assert bool(found) == bool(words)
    assert all(words in note for note in found)


@pytest.mark.parametrize(
    ("served", "last", "clients", "tail"),
    [
        (30, 30, 49, 0),
        (30, 30, 50, 20),
        (16, 31, 51, 20),  # just over half of those before the tail
        (15, 31, 51, 0),
        (970, 971, 1000, 0),  # less than three in a hundred
        (970, 970, 1000, 30),
    ],
)
def test_clients_without_rows_at_the_end_are_noted(served: int, last: int, clients: int, tail: int) -> None:
    client = [*range(served - 1), last - 1]
    mart = evidence([START * DAY + i for i in range(served)], client=client, clients=clients)
    found = list(cut_off(mart))
    assert [f"none of the last {tail} clients has a transaction" in note for note in found] == [True] * (
        tail > 0
    )


def test_clients_at_the_end_are_no_sign_of_a_cut_if_they_are_new_or_rows_are_in_no_order() -> None:
    def found(client: list[int], **columns: Any) -> list[Note]:
        at = [START * DAY + i for i in range(len(client))]
        return list(cut_off(evidence(at, client=client, clients=50, **columns)))

    assert found([i // 2 for i in range(60)])[0].figures["file"] == "transactions"
    last = START * DAY + 29
    assert found(list(range(30)), created_at=[0] * 30 + [last] * 20)
    assert not found(list(range(30)), created_at=[0] * 30 + [last] * 19 + [last + 1])
    assert not found([1, 0, *range(2, 30)])
    assert not found([*[0] * 1000, 2, 1, *range(3, 30)])


@pytest.mark.parametrize(("idle", "is_noted"), [(5, False), (6, True)])
def test_a_ledger_without_the_rows_of_most_clients_may_be_incomplete(idle: int, is_noted: bool) -> None:
    mart = evidence([START * DAY] * (10 - idle), client=range(10 - idle), clients=10)
    found = list(clients_without_transactions(mart))
    assert [note.figures for note in found] == [{"count": idle, "of": 10}] * is_noted


# Gaps

LENGTHS = [
    (13, 15, False),  # 195 transactions would be expected, and 200 are enough
    (13, 16, True),
    (10, 20, True),
    (14, 2, False),  # 28, and 30 are enough in two weeks
    (15, 2, True),
    (14, 3, True),
    (13, 3, False),
]


def on_days(*counts: int) -> list[int]:
    """Return times, so many on each day from the first on."""
    return np.repeat((START + np.arange(len(counts))) * DAY, counts).tolist()


@pytest.mark.parametrize(("days", "daily", "is_noted"), LENGTHS)
def test_a_gap_is_noted_if_enough_transactions_are_missing(days: int, daily: int, is_noted: bool) -> None:
    found = list(missing_days(evidence(on_days(*[daily] * 28, *[0] * days, *[daily] * 28))))
    assert [note.figures["of"] for note in found] == ["transactions"] * is_noted
    for note in found:
        assert f", although about {daily} a day would be expected. Part" in note


@pytest.mark.parametrize(("days", "daily", "is_noted"), LENGTHS)
def test_an_early_end_is_noted_if_enough_transactions_are_missing(
    days: int, daily: int, is_noted: bool
) -> None:
    day = START + 28 + days - 1  # of the third client from the end
    created = [day * DAY - 10 * DAY, day * DAY, (day + 1) * DAY, (day + 2) * DAY]
    mart = evidence(on_days(*[daily] * 28), clients=4, created_at=created)
    found = early_end(mart)
    assert found is None or (found[0].begin, found[0].end) == (START + 28, day + 1)
    assert (found is not None) == is_noted
    assert [note.figures["file"] for note in cut_off(mart)] == ["transactions"] * is_noted
    words = (
        f"its last transaction was on 2021-01-31, although {sum(c >= (START + 28) * DAY for c in created)}"
    )
    assert [words in note for note in cut_off(mart)] == [True] * is_noted
    assert early_end(evidence(on_days(*[daily] * 28), clients=2, created_at=created[2:])) is None


@pytest.mark.parametrize(("less", "is_noted"), [(0, True), (1, False)])
def test_clients_created_after_the_file_was_written_are_no_sign_of_an_early_end(
    less: int, is_noted: bool
) -> None:
    day = START + 60
    mart = evidence(on_days(*[20] * 28), clients=3, created_at=[day * DAY] * 3, written=day * 86_400 - less)
    assert (early_end(mart) is not None) == is_noted


def test_what_a_gap_lacks_is_the_lower_median_of_its_weekdays_before_and_after() -> None:
    week = [30, 40, 50, 60, 70, 80, 90]
    gap = [0] * 10  # from a Wednesday to the Friday of the next week: 600 transactions
    before = [*week * 4, *week[:2]]
    after = [*week[5:], *week * 4]
    for scale, other, words in ((1, 1, "about 60 a day"), (2, 1, "about 60 a day"), (1, 2, "about 60 a day")):
        counts = [*(scale * n for n in before), *gap, *(other * n for n in after)]
        assert words in only(missing_days(evidence(on_days(*counts))))


def test_four_weeks_before_and_after_a_gap_are_compared() -> None:
    weeks = [day for count in (90, 90, 30, 30, 10, 10) for day in [count] * 7]
    note = only(missing_days(evidence(on_days(*weeks, *[0] * 10, *reversed(weeks)))))
    assert "from 2021-02-15 to 2021-02-24, although about 20 a day" in note
    assert note.figures["gaps"] == [{"first": "2021-02-15", "last": "2021-02-24"}]


@pytest.mark.parametrize(
    ("before", "after", "is_noted"), [(13, 28, False), (14, 28, True), (28, 13, False), (28, 14, True)]
)
def test_two_weeks_on_both_sides_are_needed_to_call_a_gap_one(
    before: int, after: int, is_noted: bool
) -> None:
    found = list(missing_days(evidence(on_days(*[20] * before, *[0] * 10, *[20] * after))))
    assert len(found) == is_noted


@pytest.mark.parametrize(
    ("gaps", "words"),
    [(1, "expected. Part"), (2, "There is 1 more such gap. "), (3, "There are 2 more such gaps. ")],
)
def test_further_gaps_are_counted(gaps: int, words: str) -> None:
    note = only(missing_days(evidence(on_days(*[20] * 28, *([*[0] * 10, *[20] * 28] * gaps)))))
    assert words in note
    assert len(note.figures["gaps"]) == gaps


def test_a_single_day_is_named_once() -> None:
    note = only(missing_days(evidence(on_days(*[200] * 14, 0, *[200] * 14))))
    assert "no transactions on 2021-01-18, although about 200 a day" in note


def test_a_kind_may_be_missing_while_others_go_on_but_not_in_a_gap_of_all() -> None:
    refills = on_days(*[1] * 42)
    calls = on_days(*[20] * 28)
    note = only(missing_days(evidence([*calls, *refills], ["usage"] * 560 + ["refill"] * 42)))
    assert note.figures == {"of": "usage", "gaps": [{"first": "2021-02-01", "last": "2021-02-14"}]}
    refills = on_days(*[1] * 28, *[0] * 10, *[1] * 30)
    calls = on_days(*[20] * 28, *[0] * 13, *[20] * 27)
    mart = evidence([*calls, *refills], ["usage"] * len(calls) + ["refill"] * 58)
    assert [note.figures["of"] for note in missing_days(mart)] == ["transactions"]


def test_a_gap_of_a_kind_apart_from_a_gap_of_all_is_noted_too() -> None:
    calls = on_days(*[20] * 28, *[0] * 10, *[20] * 28, *[0] * 10, *[20] * 28)
    first, second = "2021-02-01", "2021-03-11"
    for refills, whole, of_kind in (
        (on_days(*[1] * 28, *[0] * 10, *[1] * 66), first, second),
        (on_days(*[1] * 66, *[0] * 10, *[1] * 28), second, first),
    ):
        mart = evidence([*calls, *refills], ["usage"] * len(calls) + ["refill"] * len(refills))
        found = [(note.figures["of"], note.figures["gaps"][0]["first"]) for note in missing_days(mart)]
        assert found == [("transactions", whole), ("usage", of_kind)]


@pytest.mark.parametrize("far", [[-9000], [9000], [-9000, 9000]])
def test_times_decades_away_do_not_hide_a_gap(far: list[int]) -> None:
    at = [*on_days(*[20] * 28, *[0] * 10, *[20] * 28), *((START + day) * DAY for day in far)]
    note = only(missing_days(evidence(at)))
    assert note.figures["gaps"] == [{"first": "2021-02-01", "last": "2021-02-10"}]


GAPS_WITH_STRAYS = [  # usage on the days of a gap between days with 30, and the words on the gap
    ([0] * 6 + [1] + [0] * 6, "to 2021-02-13 (apart from 1), although about 30 a day"),
    ([0] * 6 + [3] + [0] * 6, "to 2021-02-13 (apart from 3), although about 30 a day"),
    ([0] * 3 + [1, 1] + [0] * 3 + [1] + [0] * 3, "to 2021-02-12 (apart from 3), although about 30 a day"),
    ([0] * 8 + [4] + [0] * 6, "to 2021-02-08, although about 30 a day"),  # more than a few
    ([0] * 3 + [2] + [0] * 3 + [2] + [0] * 3, None),  # four in all
    ([0] * 12 + [2, 0, 2, 0], "from 2021-02-01 to 2021-02-12, although about 30 a day"),
    ([1, 1, 1], None),
]


@pytest.mark.parametrize(("gap", "words"), GAPS_WITH_STRAYS)
def test_a_few_stray_transactions_in_a_gap_do_not_hide_it(gap: list[int], words: str | None) -> None:
    usage = on_days(*[30] * 28, *gap, *[30] * 28)
    refills = on_days(*[1] * (56 + len(gap)))
    of_kind = evidence([*usage, *refills], ["usage"] * len(usage) + ["refill"] * len(refills))
    for mart in (evidence(usage), of_kind):
        found = list(missing_days(mart))
        assert [words in note for note in found if words] == [True] * (words is not None)
        assert len(found) == (words is not None)


def test_a_stray_transaction_does_not_hide_that_a_kind_ends_early() -> None:
    usage = on_days(*[30] * 28, *[0] * 6, 1)
    refills = on_days(*[1] * 40)
    note = only(missing_days(evidence([*usage, *refills], ["usage"] * len(usage) + ["refill"] * 40)))
    assert "no transactions of kind usage from 2021-02-01 to 2021-02-12 (apart from 1), although" in note


@pytest.mark.parametrize(
    ("later", "words"),
    [
        ([1], "from 2021-02-01 to 2021-02-12, although about 30 a day"),
        ([3], "from 2021-02-01 to 2021-02-12, although about 30 a day"),
        ([1, 0, 0, 2], "from 2021-02-01 to 2021-02-15 (apart from 1), although about 30 a day"),
        ([4], None),  # more than a few
        ([2, 0, 2], None),  # four in all
        ([30] * 3, None),  # back
        ([1] + [30] * 12, None),  # back for less than two weeks
    ],
)
@pytest.mark.parametrize("of_kind", [False, True])
def test_stray_transactions_after_the_end_show_that_the_ledger_ends_early(
    later: list[int], words: str | None, of_kind: bool
) -> None:
    """They show that there was more to export; without them, the ledger may just end there."""
    usage = on_days(*[30] * 28, *[0] * 12, *later)
    refills = on_days(*[1] * (40 + len(later))) if of_kind else []
    kinds = ["usage"] * len(usage) + ["refill"] * len(refills)
    found = list(missing_days(evidence([*usage, *refills], kinds)))
    assert [words in note for note in found if words] == [True] * (words is not None)
    assert len(found) == (words is not None)
    if not of_kind:
        assert list(missing_days(evidence(on_days(*[30] * 28)))) == []


def test_a_few_stray_transactions_after_the_end_do_not_hide_it() -> None:
    day = START + 28 + 12
    early = evidence(on_days(*[30] * 28, *[0] * 20, 1), clients=4, created_at=[day * DAY] * 4)
    assert "was on 2021-01-31, although 4 clients" in only(cut_off(early)), "they are older than the stray"
    for stray, words in (
        ([], "was on 2021-01-31, although"),
        ([0] * 6 + [1], "was on 2021-01-31 (apart from 1), although"),
        ([0] * 3 + [1, 0, 2], "was on 2021-01-31 (apart from 3), although"),
        ([0] * 3 + [1, 0, 3], "was on 2021-02-06, although"),  # more than a few
        ([1], "was on 2021-02-01, although"),  # of the day on which the export was made
    ):
        mart = evidence(on_days(*[30] * 28, *stray), clients=4, created_at=[day * DAY] * 4)
        assert [words in note for note in cut_off(mart)] == [True]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_transactions_on_the_last_day_are_no_gap(count: int) -> None:
    """The export may have been made shortly after midnight, and a kind may be rare from some day on."""
    for days in ([count], [count] * 4, [count] * 40, [0, count]):
        usage = on_days(*[300] * 28, *days)
        refills = on_days(*[1] * (28 + len(days)))
        kinds = ["usage"] * len(usage) + ["refill"] * len(refills)
        assert list(missing_days(evidence([*usage, *refills], kinds))) == []


WEEKDAYS, WITH_QUIET_WEEKENDS = [300] * 5 + [0, 0], [300] * 5 + [2, 3]
LONG_WEEKEND, TWO_HOLIDAYS, THREE_HOLIDAYS = [0] * 3, [0] * 4, [0] * 5  # from Saturday on


@pytest.mark.parametrize("week", [WEEKDAYS, WITH_QUIET_WEEKENDS])
@pytest.mark.parametrize(
    ("pause", "is_noted"), [(LONG_WEEKEND, False), (TWO_HOLIDAYS, False), (THREE_HOLIDAYS, True)]
)
@pytest.mark.parametrize("later", [[2], [1, 1]])
def test_up_to_two_days_without_transactions_before_the_last_few_may_be_holidays(
    week: list[int], pause: list[int], is_noted: bool, later: list[int]
) -> None:
    usage = on_days(*week * 4, *week[:5], *pause, *later)
    renewals = on_days(*[1] * (33 + len(pause)), 9)
    kinds = ["usage"] * len(usage) + ["package_renewal"] * len(renewals)
    for mart, of in ((evidence(usage), "transactions"), (evidence([*usage, *renewals], kinds), "usage")):
        assert [note.figures["of"] for note in missing_days(mart)] == [of] * is_noted


@pytest.mark.parametrize(("days", "is_noted"), [(1, False), (2, False), (3, True)])
def test_a_kind_that_did_not_occur_on_up_to_two_days_and_the_last_one_is_not_missing(
    days: int, is_noted: bool
) -> None:
    """The file may have been made early on the last day, when there were only renewals."""
    usage = on_days(*[300] * 28)
    for renewals in (on_days(*[100] * (28 + days + 1)), on_days(*[100] * 28, *[0] * days, 100)):
        kinds = ["usage"] * len(usage) + ["package_renewal"] * len(renewals)
        found = list(missing_days(evidence([*usage, *renewals], kinds)))
        assert bool(found) == is_noted


@pytest.mark.parametrize(("less", "is_noted"), [(0, True), (1, False)])
@pytest.mark.parametrize("back", ["usage", "refill"])
def test_a_file_made_less_than_a_day_after_the_first_transactions_after_a_pause_has_no_gap(
    less: int, is_noted: bool, back: str
) -> None:
    """However long the pause was: business may be back."""
    usage = on_days(*[300] * 28)
    refills = on_days(*[20] * 28)
    far = [-9000 * DAY, (START + 9000) * DAY]
    last = (START + 38) * DAY + HOUR
    mart = evidence(
        [*usage, *refills, last, last + HOUR, *far],
        ["usage"] * len(usage) + ["refill"] * len(refills) + [back, back, "usage", "usage"],
        written=(last + DAY) // SECOND - less,
    )
    found = [(note.figures["of"], note.figures["gaps"]) for note in missing_days(mart)]
    assert found == [("transactions", [{"first": "2021-02-01", "last": "2021-02-10"}])] * is_noted


def test_a_kind_that_is_missing_from_before_a_pause_of_all_on_is_noted() -> None:
    usage = on_days(*[300] * 28)
    refills = on_days(*[20] * 35, 0, 0, 2)
    mart = evidence([*usage, *refills], ["usage"] * len(usage) + ["refill"] * len(refills))
    assert [note.figures["of"] for note in missing_days(mart)] == ["usage"]


def test_days_with_few_transactions_each_week_are_no_gap() -> None:
    week = [100, 100, 100, 100, 100, 2, 1]
    assert list(missing_days(evidence(on_days(*week * 12)))) == []


# Balances that the billing system stores


def differing(*stored: float | None, **columns: Any) -> Evidence:
    """Return clients who each used 7 of their 10, with these stored balances."""
    count = len(stored)
    at = [START * DAY] * (2 * count)
    balances = [None if balance is None else round(balance * 10**6) for balance in stored]
    return evidence(
        at, [*["refill"] * count, *["usage"] * count], [*[10] * count, *[-7] * count], [*range(count)] * 2,
        count, **{"stored_balance": balances, **columns},
    )  # fmt: skip


def test_differing_balances_are_counted_among_those_that_are_known() -> None:
    note = only(stored_balances(differing(4, 3, None, 5, -1, None)))
    assert (note.figures["count"], note.figures["of"]) == (3, 4)
    assert (
        "3 of 4 clients ('c0' 3.00, stored 4.00; 'c3' 3.00, stored 5.00; 'c4' 3.00, stored -1.00). " in note
    )
    assert note.figures["sums"] == {"USD": "1.00"}
    assert note.figures["first"][1] == {
        "client_id": "c3", "currency": "USD", "derived": "3.00", "stored": "5.00", "difference": "-2.00",
    }  # fmt: skip
    assert "'c3' 3.00, stored 6.00; …)" in only(stored_balances(differing(3, 4, 5, 6, 7)))


@pytest.mark.parametrize(("explained", "is_named"), [(8, False), (9, True), (10, True)])
def test_a_cause_must_explain_nine_in_ten_differences(explained: int, is_named: bool) -> None:
    stored = [*[28.0] * explained, *(100.0 + i * i for i in range(10 - explained))]
    note = only(stored_balances(differing(*stored, opening_balance=[1] * 10)))
    assert (
        note.figures["cause"] == "The difference is the same for these clients: it may be a credit limit."
    ) == (is_named)


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        (-3, "opposite sign"),
        (6.5, "half the usage"),
        (10, "equal the amounts of kind usage:"),
        (17, "twice the amounts of kind usage:"),
        (-7, "equal the amounts of kind refill:"),
        (5, "credit limit"),
    ],
)
def test_three_balances_with_one_cause_name_it(stored: float, words: str) -> None:
    assert words in only(stored_balances(differing(*[stored] * 3))).figures["cause"]
    assert only(stored_balances(differing(*[stored] * 2))).figures["cause"] == ""


@pytest.mark.parametrize("factor", [10, 100, 1000, 10_000])
def test_balances_in_another_unit_name_the_factor(factor: int) -> None:
    for stored, words in (
        (3000 * factor, f"{factor:,} times as large"),
        (3000 / factor, f"factor of {factor:,}:"),
    ):
        mart = differing(*[stored] * 3, opening_balance=[2997 * 10**6] * 3)
        assert words in only(stored_balances(mart)).figures["cause"]


@pytest.mark.parametrize(("differ", "clients", "is_named"), [(4, 8, False), (5, 9, True)])
def test_missing_opening_balances_are_named_if_most_balances_differ(
    differ: int, clients: int, is_named: bool
) -> None:
    stored = [*(100.0 + i * i for i in range(differ)), *[3.0] * (clients - differ)]
    cause = only(stored_balances(differing(*stored))).figures["cause"]
    assert cause.startswith("None of these clients has an opening_balance") == is_named


@pytest.mark.parametrize("column", ["at", "amount", "kind"])
def test_a_client_with_a_faulty_row_is_not_compared(column: str) -> None:
    mart = differing(4, 4, 4, 4)
    faulty = [0, 6, 3]  # of clients 0 and 2, and nobody's
    mart.ledger.codes["client_id"][3] = -1
    if column == "kind":
        mart.ledger.codes["kind"][faulty] = -1
    else:
        mart.ledger.blank[column][faulty] = True
    note = only(stored_balances(mart))
    assert [row["client_id"] for row in note.figures["first"]] == ["c1", "c3"]
    assert note.figures["of"] == 2
