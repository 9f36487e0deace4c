"""A few stray transactions do not hide that the data ends early, and regular pauses are not told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.engine.strays import Daily, without_strays
from custdyn_widgets.query.query import ReportQuery


def main_days(days: np.ndarray) -> np.ndarray:
    """Return the days without strays."""
    return without_strays(Daily(days, np.ones(len(days), np.int64))).days


LAST = date(2026, 10, 19)  # a Monday
END = date(2026, 11, 1)


def day_range(first: date, last: date) -> list[date]:
    return [first + timedelta(n) for n in range((last - first).days + 1)]


def ledger_of(*rows: tuple[str, Sequence[datetime]]) -> dict[str, pd.DataFrame]:
    """Return a mart with transactions of some kinds at some times."""
    every = [(kind, at) for kind, some in rows for at in some]
    clients = {"client_id": ["a"], "client_type": "client", "currency": "USD"}
    return {
        "clients": pd.DataFrame({**clients, "created_at": "1990-01-01T00:00:00Z"}),
        "transactions": pd.DataFrame(
            {
                "transaction_id": [f"t{n}" for n in range(len(every))],
                "client_id": "a",
                "at": [f"{at:%Y-%m-%dT%H:%M:%SZ}" for _, at in every],
                "kind": [kind for kind, _ in every],
                "amount": ["1.00" if kind == "refill" else "-1.00" for kind, _ in every],
            }
        ),
    }


def ledger(
    days: Sequence[date], kind: str = "usage", refills: Sequence[date] = ()
) -> dict[str, pd.DataFrame]:
    """Return a mart with a transaction at noon on each day."""
    return ledger_of((kind, noons(days)), ("refill", noons(refills)))


def noons(days: Sequence[date]) -> list[datetime]:
    return [datetime(day.year, day.month, day.day, 12) for day in days]


def gaps(
    data: dict[str, pd.DataFrame], end: date = END, as_of: str = "", interval: str | None = None
) -> tuple[str, ...]:
    query = ReportQuery(interval or {"start": str(end - timedelta(31)), "end": str(end - timedelta(1))})
    return run_report(query, data, as_of=as_of or f"{end}T00:00:00Z").info.data_gaps


DAILY = day_range(date(2026, 6, 1), LAST)
WEEKDAYS = [day for day in DAILY if day.weekday() < 5]
NINE_IN_TEN = [day for n, day in enumerate(DAILY) if n % 11 != 5]
STRAYS = {
    "a test call": [date(2026, 5, 20)],
    "months before": [date(2026, 3, 1)],
    "in another century": [date(1999, 12, 31)],
    "two apart": [date(2026, 3, 1), date(2026, 4, 15)],
    "three in a row": [date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 3)],
    "in the pause": [date(2026, 10, 26)],
    "on two days of the pause": [date(2026, 10, 26), date(2026, 10, 27)],
    "before and in the pause": [date(2026, 1, 7), date(2026, 10, 27)],
}
SHAPES = {"daily": DAILY, "on weekdays": WEEKDAYS, "on nine in ten days": NINE_IN_TEN}


@pytest.mark.parametrize("strays", STRAYS.values(), ids=STRAYS)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_few_stray_transactions_do_not_hide_that_the_data_ends_early(
    shape: list[date], strays: list[date]
) -> None:
    assert len(gaps(ledger(shape))) == 1
    [gap] = gaps(ledger([*strays, *shape]))
    last = max([LAST, *strays])
    assert gap.startswith(f"The last transaction in the data is from {last} 12:00:00 UTC")


@pytest.mark.parametrize("strays", STRAYS.values(), ids=STRAYS)
@pytest.mark.parametrize("kind", ["usage", "package_activation", "package_renewal"])
def test_a_few_stray_uses_do_not_hide_that_a_kind_of_use_ends_early(kind: str, strays: list[date]) -> None:
    refills = day_range(date(2026, 1, 1), END - timedelta(1))
    [gap] = gaps(ledger([*strays, *DAILY], kind, refills))
    assert gap.startswith(f"The last transaction of kind {kind} is from {max([LAST, *strays])} 12:00:00 UTC")


def test_the_warning_names_the_strays_without_which_it_would_not_be_told() -> None:
    [gap] = gaps(ledger([date(2026, 3, 1), date(2026, 5, 20), *DAILY]))
    assert gap == (
        "The last transaction in the data is from 2026-10-19 12:00:00 UTC, 12 days before the report's end "
        "at 2026-11-01 00:00:00 UTC, and no earlier gap was this long, except next to stray transactions "
        "(UTC dates: 2026-03-01, 2026-05-20). Check that the data is complete."
    )
    [gap] = gaps(ledger([date(2026, 5, 27), *DAILY]))
    assert "this long. Check" in gap, "the pause after it was shorter"


MONTHLY = [date(year, month, 1) for year in (2023, 2024, 2025) for month in range(1, 13)]
THREE_A_YEAR = [
    date(year, month, day)
    for year in range(2019, 2026)
    for month, day in ((2, 10), (5, 3 + year % 7), (11, 20))
]
SEASONS = [day for year in (2023, 2024, 2025) for day in day_range(date(year, 5, 1), date(year, 9, 30))]
CHRISTMAS_SHOP = [
    day for year in range(2022, 2026) for day in day_range(date(year, 12, 1), date(year, 12, 24))
]
THE_FIRST_WINTER = [
    day for year in (2024, 2025) for day in day_range(date(year, 5, 1), date(year, 9, 30))
]  # a pause that occurred only once


@pytest.mark.parametrize(
    ("days", "end"),
    [
        (WEEKDAYS[: WEEKDAYS.index(date(2026, 10, 16)) + 1], date(2026, 10, 19)),  # a weekend
        (MONTHLY, date(2026, 1, 1)),
        (MONTHLY[:12], date(2024, 1, 1)),
        (THREE_A_YEAR, date(2026, 2, 1)),
        (THREE_A_YEAR[:10], date(2022, 5, 1)),
        (SEASONS, date(2026, 3, 1)),
        (SEASONS, date(2026, 5, 1)),
        (THE_FIRST_WINTER, date(2026, 4, 1)),
        (CHRISTMAS_SHOP, date(2026, 6, 1)),
        (DAILY[:20] + DAILY[24:], date(2026, 10, 23)),  # as long as a pause before
    ],
)
def test_pauses_as_there_always_were_are_not_told(days: list[date], end: date) -> None:
    assert gaps(ledger(days), end) == ()
    assert gaps(ledger([days[0] - timedelta(500), *days]), end) == ()


@pytest.mark.parametrize(("back", "is_told"), [(1, True), (3, True), (4, False)])
def test_a_pause_counts_once_the_business_is_back_for_more_than_three_days(back: int, is_told: bool) -> None:
    days = day_range(date(2026, 1, 1), date(2026, 9, 1)) + day_range(
        LAST - timedelta(back - 1), LAST
    )  # a first pause of more than a month
    assert bool(gaps(ledger(days))) == is_told


def test_business_that_is_back_to_the_end_is_not_told() -> None:
    """However few the days since the pause: the time since the last transaction is what counts."""
    days = day_range(date(2026, 1, 1), date(2026, 9, 1))
    for back in range(1, 8):
        assert gaps(ledger(days + day_range(END - timedelta(back), END - timedelta(1)))) == ()


def numbers(days: st.SearchStrategy[list[int]]) -> st.SearchStrategy[np.ndarray]:
    return days.map(lambda pauses: np.cumsum([20_000, *pauses]))


@given(numbers(st.lists(st.integers(4, 8), min_size=9, max_size=60)))
def test_days_at_similar_distances_are_no_strays(days: np.ndarray) -> None:
    assert main_days(days).tolist() == days.tolist()


@given(
    numbers(st.lists(st.integers(2, 4), min_size=30, max_size=60)),
    st.lists(st.integers(9, 10_000), max_size=3),
    st.lists(st.integers(9, 10_000), max_size=3),
)
def test_up_to_three_days_that_are_set_apart_at_either_end_are_strays(
    days: np.ndarray, before: list[int], after: list[int]
) -> None:
    strays_before = days[0] - np.cumsum(before, dtype=np.int64)[::-1]
    strays_after = days[-1] + np.cumsum(after, dtype=np.int64)
    every = np.concatenate([strays_before, days, strays_after])
    assert main_days(every).tolist() == days.tolist()


@given(numbers(st.lists(st.integers(1, 400), max_size=60)))
def test_what_is_left_is_nearly_all_and_without_longer_pauses(days: np.ndarray) -> None:
    left = main_days(days)
    at = int(np.searchsorted(days, left[0]))
    assert left.tolist() == days[at : at + len(left)].tolist()
    most = min(3, len(days) // 10)
    assert at <= most
    assert len(days) - at - len(left) <= most
    if len(left) < len(days):
        assert 2 * np.diff(left).max() < np.diff(days).max()


@pytest.mark.parametrize(("count", "are_left_out"), [(8, False), (9, True), (18, True)])
def test_strays_are_at_most_a_tenth_of_the_days(count: int, are_left_out: bool) -> None:
    every = [20_000 - 50, *range(20_000, 20_000 + count)]
    assert (len(main_days(np.array(every))) == count) == are_left_out


@pytest.mark.parametrize(("pause", "are_left_out"), [(6, False), (7, True)])
def test_strays_are_set_apart_by_more_than_twice_the_longest_pause(pause: int, are_left_out: bool) -> None:
    main = [20_000 + 3 * n for n in range(20)]
    assert (len(main_days(np.array([20_000 - pause, *main]))) == 20) == are_left_out


def test_a_kind_of_use_that_is_not_daily_is_not_told_with_a_stray_either() -> None:
    refills = day_range(date(2026, 1, 1), END - timedelta(1))
    sparse = [day for day in DAILY if day.day % 5]
    assert gaps(ledger([date(2026, 3, 1), *sparse], "usage", refills)) == ()
