"""A few stray transactions after the data ends do not hide its end, and business that goes on is not told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.test_stray_transactions import END, LAST, day_range, gaps, ledger_of

Counts = Mapping[date, int]


def times(counts: Counts) -> list[datetime]:
    """Return times spread over each day: a single one is at noon."""
    return [
        datetime(day.year, day.month, day.day) + timedelta(days=1) * (n + 0.5) / count
        for day, count in counts.items()
        for n in range(count)
    ]


def usage(*counts: Counts) -> dict[str, pd.DataFrame]:
    return ledger_of(("usage", [at for some in counts for at in times(some)]))


def each_day(count: int, days: Sequence[date]) -> Counts:
    return dict.fromkeys(days, count)


DAILY = day_range(date(2026, 6, 1), LAST)
SHAPES = {
    "daily": each_day(20, DAILY),
    "on weekdays": each_day(40, [day for day in DAILY if day.weekday() < 5]),
    "with quiet Sundays": {day: 2 if day.weekday() == 6 else 30 for day in DAILY},
    "after a holiday": each_day(
        20, [day for day in DAILY if not date(2026, 8, 1) <= day < date(2026, 8, 10)]
    ),
    "in weekly batches": each_day(200, [LAST - timedelta(14 + 7 * n) for n in range(29)]),
}
STRAYS = {
    "a week later": [date(2026, 10, 26)],
    "on the day before the last": [date(2026, 10, 30)],
    "on two days": [date(2026, 10, 24), date(2026, 10, 31)],
    "on three days in a row": [date(2026, 10, 28), date(2026, 10, 29), date(2026, 10, 30)],
}


@pytest.mark.parametrize("strays", STRAYS.values(), ids=STRAYS)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_few_transactions_after_the_data_ends_do_not_hide_its_end(
    shape: Counts, strays: list[date]
) -> None:
    real = max(times(shape))
    for before in ({}, each_day(1, [date(2025, 1, 7)])):
        found = gaps(usage(before, shape, each_day(1, strays)))
        dates = ", ".join(map(str, strays))
        what = "a stray transaction (UTC date" if len(strays) == 1 else "stray transactions (UTC dates"
        assert [gap.startswith(f"Apart from {what}: {dates}), the last tran") for gap in found] == [True]
        assert f"the last transaction in the data is from {real:%Y-%m-%d %H:%M:%S} UTC" in found[0]


@pytest.mark.parametrize("strays", STRAYS.values(), ids=STRAYS)
@pytest.mark.parametrize("kind", ["usage", "package_activation", "package_renewal"])
def test_a_few_uses_after_a_kind_of_use_ends_do_not_hide_its_end(kind: str, strays: list[date]) -> None:
    uses = times({**SHAPES["daily"], **each_day(1, strays)})
    refills = times(each_day(20, day_range(DAILY[0], END - timedelta(1))))
    [gap] = gaps(ledger_of((kind, uses), ("refill", refills)))
    assert f"), the last transaction of kind {kind} is from 2026-10-19 23:" in gap
    assert ", ".join(map(str, strays)) in gap


def test_the_warning_names_the_strays_and_says_what_the_end_is() -> None:
    [gap] = gaps(usage(SHAPES["daily"], each_day(1, [date(2026, 10, 29)])))
    assert gap == (
        "Apart from a stray transaction (UTC date: 2026-10-29), the last transaction in the data is from "
        "2026-10-19 23:24:00 UTC, 12 days before the report's end at 2026-11-01 00:00:00 UTC, and no earlier "
        "gap was this long. Check that the data is complete."
    )


def test_a_few_transactions_after_the_report_ends_do_not_hide_that_the_data_ends_before() -> None:
    data = usage(SHAPES["daily"], each_day(1, [date(2026, 11, 5)]))
    [gap] = gaps(data, as_of="2026-11-10T00:00:00Z")
    assert gap.startswith(
        "Apart from a stray transaction (UTC date: 2026-11-05), the last transaction in the d"
    )
    data = usage(SHAPES["daily"], each_day(20, [date(2026, 11, 5)]))
    assert gaps(data, as_of="2026-11-10T00:00:00Z") == ()


@pytest.mark.parametrize(("count", "is_told"), [(1, True), (3, True), (4, False), (20, False)])
def test_up_to_three_transactions_may_be_strays(count: int, is_told: bool) -> None:
    hundreds = each_day(100, DAILY)
    assert bool(gaps(usage(hundreds, each_day(count, [date(2026, 10, 30)])))) == is_told


@pytest.mark.parametrize(
    ("daily", "strays", "hours"),
    [
        (100, 1, 24),  # a day
        (100, 3, 24),
        (10, 1, 24),
        (9, 1, 24 * 10 / 9),  # as long as ten usually take
        (5, 1, 48),
        (5, 2, 96),
    ],
)
@pytest.mark.parametrize("less", [0, 1])
def test_strays_are_told_after_a_day_if_they_are_at_most_a_tenth_of_what_is_usual(
    daily: int, strays: int, hours: float, less: int
) -> None:
    """A business that is back only now has few transactions yet, whatever its hours are."""
    now = datetime(2026, 11, 1)
    back = [
        now - timedelta(hours=hours) + timedelta(seconds=less),
        *[now - timedelta(hours=1)] * (strays - 1),
    ]
    assert bool(gaps(ledger_of(("usage", [*times(each_day(daily, DAILY)), *back])))) == (not less)


PAUSED = day_range(date(2026, 6, 1), date(2026, 10, 10))


@pytest.mark.parametrize("back", [1, 2, 3, 10])
def test_a_business_that_is_back_after_its_first_pause_is_not_told(back: int) -> None:
    days = PAUSED + day_range(END - timedelta(back), END - timedelta(1))
    assert gaps(usage(each_day(20, days))) == ()


@pytest.mark.parametrize("hour", [1, 3, 8])
def test_a_ledger_that_is_running_now_is_not_told(hour: int) -> None:
    """Neither on an ordinary day nor on the first one after a pause."""
    now = datetime(2026, 10, 28, hour)
    for days in (day_range(date(2026, 6, 1), date(2026, 10, 28)), [*PAUSED, date(2026, 10, 28)]):
        rows = [at for at in times(each_day(24, days)) if at < now]
        for interval in ("this_month", "today", "last_7_days"):
            found = gaps(ledger_of(("usage", rows)), as_of=f"{now:%Y-%m-%dT%H:%M:%SZ}", interval=interval)
            assert found == ()


@pytest.mark.parametrize("hour", [2, 6, 9, 12, 23])
@pytest.mark.parametrize("interval", ["yesterday", "today", "this_month"])
def test_a_business_with_a_daily_rhythm_is_not_told_on_the_first_day_after_a_pause(
    interval: str, hour: int
) -> None:
    """Its uses come from 09:00 on, except for one shortly after midnight."""
    now = datetime(2026, 10, 22, hour)
    days = [*PAUSED, now.date()]
    rows = [
        datetime(day.year, day.month, day.day, *at)
        for day in days
        for at in [(0, 30), *((9 + n // 5, n % 5 * 12) for n in range(60))]
    ]
    rows = [at for at in rows if at < now]
    assert gaps(ledger_of(("usage", rows)), as_of=f"{now:%Y-%m-%dT%H:%M:%SZ}", interval=interval) == ()


@given(
    week=st.lists(st.sampled_from([0, 0, 1, 2, 3, 10, 40]), min_size=7, max_size=7).filter(any),
    every=st.sampled_from([1, 4]),
    cut=st.integers(0, 27),
)
def test_what_repeats_each_week_or_month_is_not_told_on_any_day(
    week: list[int], every: int, cut: int
) -> None:
    """However few transactions some days have: as many came in as long a time before."""
    days = day_range(date(2025, 11, 3), END - timedelta(1 + cut))
    counts = {day: week[n % 7] if n // 7 % every == 0 else 0 for n, day in enumerate(days)}
    assert gaps(usage(counts), END - timedelta(cut)) == ()
