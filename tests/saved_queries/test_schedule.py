"""Schedules: the expressions that cron accepts, and the instants at which cron would start."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from custdyn_widgets.errors import SavedQueryError
from custdyn_widgets.saved_queries.schedule.schedule import Schedule

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def all_between(schedule: Schedule, start: datetime, end: datetime) -> list[datetime]:
    """Return every instant of a schedule after a start and up to an end, one by one."""
    found = []
    at = schedule.next(start)
    while at <= end:
        found.append(at)
        at = schedule.next(at)
    return found


# On ordinary days


@pytest.mark.parametrize(
    ("cron", "at", "last", "following"),
    [
        ("0 6 1 * *", "2026-07-15T12:00Z", "2026-07-01T06:00Z", "2026-08-01T06:00Z"),
        ("0 6 1 * *", "2026-07-01T06:00Z", "2026-07-01T06:00Z", "2026-08-01T06:00Z"),
        ("0 6 1 * *", "2026-07-01T05:59:59Z", "2026-06-01T06:00Z", "2026-07-01T06:00Z"),
        ("*/15 * * * *", "2026-07-01T00:07:30Z", "2026-07-01T00:00Z", "2026-07-01T00:15Z"),
        ("0 0 * * 0", "2026-07-15T12:00Z", "2026-07-12T00:00Z", "2026-07-19T00:00Z"),
        ("0 0 * * 7", "2026-07-15T12:00Z", "2026-07-12T00:00Z", "2026-07-19T00:00Z"),
        ("0 0 * * Mon-Fri", "2026-07-18T12:00Z", "2026-07-17T00:00Z", "2026-07-20T00:00Z"),
        ("0 0 1 jan,JUL *", "2026-07-15T12:00Z", "2026-07-01T00:00Z", "2027-01-01T00:00Z"),
        ("0 0 13 * 5", "2026-07-15T12:00Z", "2026-07-13T00:00Z", "2026-07-17T00:00Z"),
        ("0 0 */2 * 5", "2026-07-15T12:00Z", "2026-07-03T00:00Z", "2026-07-17T00:00Z"),
        ("0 0 29 2 *", "2026-07-15T12:00Z", "2024-02-29T00:00Z", "2028-02-29T00:00Z"),
        ("0 0 29 2 */7", "2099-07-15T12:00Z", "2088-02-29T00:00Z", "2128-02-29T00:00Z"),
        ("5-59/20 8-10/2 * * *", "2026-07-15T09:00Z", "2026-07-15T08:45Z", "2026-07-15T10:05Z"),
    ],
)
def test_the_instants_around_a_moment(cron: str, at: str, last: str, following: str) -> None:
    schedule = Schedule(cron, "UTC")
    assert schedule.last(instant(at)) == instant(last)
    assert schedule.next(instant(at)) == instant(following)


def test_times_follow_the_clock_of_the_time_zone() -> None:
    schedule = Schedule("0 6 1 * *", "Europe/Paris")
    assert schedule.last(instant("2026-07-15T12:00Z")) == instant("2026-07-01T06:00+02:00")
    assert schedule.last(instant("2026-12-15T12:00Z")) == instant("2026-12-01T06:00+01:00")


# On the nights of change

SPRING, AUTUMN = instant("2026-03-28T12:00Z"), instant("2026-10-24T12:00Z")


def test_a_job_at_half_past_two_runs_once_on_the_night_that_skips_it() -> None:
    schedule = Schedule("30 2 * * *", "Europe/Paris")
    ran = all_between(schedule, SPRING, SPRING + 2 * DAY)
    assert ran == [instant("2026-03-29T03:00+02:00"), instant("2026-03-30T02:30+02:00")]
    assert schedule.last(instant("2026-03-29T02:59+02:00")) == instant("2026-03-28T02:30+01:00")


def test_whichever_skipped_minute_a_job_has_it_runs_when_the_gap_ends() -> None:
    for minute in (1, 31, 58, 59):
        schedule = Schedule(f"{minute} 2 * * *", "Europe/Paris")
        assert schedule.next(SPRING) == instant("2026-03-29T03:00+02:00")


def test_a_job_at_half_past_two_runs_once_on_the_night_that_has_it_twice() -> None:
    schedule = Schedule("30 2 * * *", "Europe/Paris")
    once = instant("2026-10-25T02:30+02:00")
    assert all_between(schedule, AUTUMN, AUTUMN + 2 * DAY) == [once, instant("2026-10-26T02:30+01:00")]
    for during_the_second in ("02:00+01:00", "02:29:59+01:00", "02:30+01:00", "02:45+01:00"):
        assert schedule.last(instant(f"2026-10-25T{during_the_second}")) == once


def test_a_job_with_a_star_follows_the_clock() -> None:
    schedule = Schedule("*/30 2 * * *", "Europe/Paris")
    assert all_between(schedule, SPRING, SPRING + DAY) == []
    ran = all_between(schedule, AUTUMN, AUTUMN + DAY)
    assert ran == [instant(f"2026-10-25T02:{m}") for m in ("00+02:00", "30+02:00", "00+01:00", "30+01:00")]


def test_the_times_between_two_moments_exclude_both() -> None:
    schedule = Schedule("0 */6 * * *", "Europe/Paris")
    ends = instant("2026-07-01T00:00+02:00"), instant("2026-07-01T18:00+02:00")
    assert schedule.between(*ends) == [
        instant("2026-07-01T06:00+02:00"),
        instant("2026-07-01T12:00+02:00"),
    ]
    assert schedule.between(ends[0] - MINUTE, ends[1] + MINUTE) == all_between(
        schedule, ends[0] - MINUTE, ends[1]
    )
    assert schedule.between(ends[1], ends[0]) == []


def test_the_times_between_two_moments_include_those_that_a_clock_shows_under_another_date() -> None:
    """At one minute past midnight of November 7, clocks in St. John's went back to 23:01 of November 6."""
    midnight = instant("2010-11-07T02:30Z")
    half_past_eleven = instant("2010-11-07T03:00Z")
    daily = Schedule("0 0 * * *", "America/St_Johns")
    assert daily.between(midnight - DAY / 2, half_past_eleven) == [midnight]
    often = Schedule("*/30 * * * *", "America/St_Johns")
    assert often.between(midnight, half_past_eleven + MINUTE) == [half_past_eleven]


@cache
def _clock(zone: str, start: datetime, minutes: int) -> list[tuple[datetime, datetime]]:
    """Return the instants of all minutes with what a clock of the zone shows."""
    instants = [start + later * MINUTE for later in range(minutes)]
    return [(at, at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)) for at in instants]


def _brute(cron: str, zone: str, start: datetime, minutes: int) -> list[datetime]:
    """Return the instants at which a clock that is read every minute would start the job.

    A job that follows the clock starts when the clock shows its time. A job at set times starts when the
    clock first shows its time or a later one.
    """
    times = Schedule(cron, zone).times
    found = []

    def names(wall: datetime) -> bool:
        return wall.minute in times.minutes and wall.hour in times.hours and times.fall_on(wall.date())

    latest = None
    for at, wall in _clock(zone, start, minutes):
        if times.follows_clock:
            due = names(wall)
        else:
            past = latest or wall - MINUTE
            due = any(names(past + (n + 1) * MINUTE) for n in range((wall - past) // MINUTE))
        if due:
            found.append(at)
        latest = max(latest or wall, wall)
    return found


def _list(values: range) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=4).map(lambda n: ",".join(map(str, n)))


crons = st.tuples(
    _list(range(60)) | st.sampled_from(("*", "*/7", "0", "30", "3-50/9")),
    _list(range(24)) | st.sampled_from(("*", "*/3", "0", "2", "23", "1-3")),
    st.sampled_from(("*", "*", "*/2", "1", "25,29", "1-31")),
    st.just("*"),
    st.sampled_from(("*", "*", "*/3", "0", "6,7", "0-7")),
).map(" ".join)
CHANGES = {
    "Europe/Paris": ("2026-03-29", "2026-10-25"),
    "America/Sao_Paulo": ("2018-11-04", "2018-02-18"),
    "Asia/Beirut": ("2023-03-26", "2026-10-25"),
    "Australia/Lord_Howe": ("2026-10-04", "2026-04-05"),
    "America/St_Johns": ("2010-03-14", "2010-11-07"),  # at one minute past midnight
    "Africa/Casablanca": ("2026-02-15", "2026-03-22"),
    "Pacific/Apia": ("2011-12-30",),  # a day that never was
    "Pacific/Kwajalein": ("1969-09-30",),  # a day that came twice
    "UTC": ("2026-03-29",),
}
nights = st.sampled_from([(zone, day) for zone, days in CHANGES.items() for day in days])


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(crons, nights)
@example("*/10 3 * * *", ("Australia/Lord_Howe", "2026-10-04"))
@example("*/30 * 17 2 *", ("America/Sao_Paulo", "2018-02-18"))
@example("0 0,23 * * *", ("America/St_Johns", "2010-11-07"))
@example("30 2 * * *", ("Europe/Paris", "2026-10-25"))
def test_the_instants_equal_those_of_a_clock_read_every_minute(cron: str, night: tuple[str, str]) -> None:
    zone, day = night
    start = datetime.fromisoformat(day).replace(tzinfo=UTC) - 2 * DAY
    minutes = 4 * 24 * 60
    ran = _brute(cron, zone, start, minutes)
    schedule = Schedule(cron, zone)
    assert all_between(schedule, start - timedelta(seconds=1), start + (minutes - 1) * MINUTE) == ran
    for before, after in itertools.pairwise(ran):
        assert schedule.last(after - timedelta(seconds=1)) == before
        assert schedule.last(after) == after


@given(crons, st.datetimes(datetime(1980, 1, 1), datetime(2090, 1, 1)), st.sampled_from(sorted(CHANGES)))
def test_last_and_next_enclose_a_moment(cron: str, at: datetime, zone: str) -> None:
    schedule, moment = Schedule(cron, zone), at.replace(tzinfo=UTC)
    last, following = schedule.last(moment), schedule.next(moment)
    assert last <= moment < following
    assert schedule.next(last) == following
    assert schedule.last(following) == following


# What is refused


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("", "has 0 fields, but cron needs five"),
        ("0 6 1 *", "has 4 fields"),
        ("6", "has 1 field, but"),
        ("0 0 6 1 * *", "has 6 fields (cron has no seconds)"),
        ("@monthly", "is short for '0 0 1 * *': write that"),
        ("@Hourly", "is short for '0 * * * *': write that"),
        ("@reboot", "has 1 field"),
        ("60 6 1 * *", "has '60' as its minute, which is not in the range 0 to 59"),
        ("0 24 1 * *", "has '24' as its hour, which is not in the range 0 to 23"),
        ("0 6 1-32 * *", "has '1-32' as its day of the month, which is not in the range 1 to 31"),
        ("0 6 0 * *", "has '0' as its day of the month, which is not in the range 1 to 31"),
        ("0 6 1 13 *", "has '13' as its month, which is not in the range 1 to 12 or jan to dec"),
        ("0 6 1 * 8", "has '8' as its day of the week, which is not in the range 0 to 7 or sun to sat"),
        ("0 6 1 mon *", "'mon' as its month, which is not in"),
        ("mon 6 1 * *", "'mon' as its minute, which is not in"),
        ("0 6 1 * fri-sun", "ends before it begins"),
        ("0 6 1 * 5-1", "ends before it begins"),
        ("*/0 * * * *", "has a step of 0"),
        ("5/15 * * * *", "has a step without a range: write 5-59/15"),
        ("0 6 L * *", "is not in the range 1 to 31"),
        ("0 6 LW * *", "is not in the range 1 to 31"),
        ("0 6 * * 1#2", "is not a number, a range"),
        ("0 6 * * 5L", "is not in the range 0 to 7"),
        ("0 6 15W * *", "is not in the range 1 to 31"),
        ("0 6 ? * *", "is not a number, a range"),
        ("0 6 1,, * *", "is not a number, a range"),
        ("-1 6 1 * *", "is not a number, a range"),
        ("1- 6 1 * *", "is not a number, a range"),
        ("1-2-3 6 1 * *", "is not a number, a range"),
        ("1.5 6 1 * *", "is not a number, a range"),
        ("٣ 6 1 * *", "is not a number, a range"),
        ("0 6 1 * *\n* * * * * rm", "has 11 fields"),
        ("0 6 1 * $(id)", "is not a number, a range"),
        ("0 0 30 2 *", "never matches any day"),
        ("0 0 31 4,6 */2", "never matches any day"),
        ("0," * 101 + "0 6 1 * *", "is longer than 200 characters"),
    ],
)
def test_an_expression_that_cron_would_reject_is_refused(cron: str, words: str) -> None:
    with pytest.raises(SavedQueryError) as caught:
        Schedule(cron, "UTC")
    assert words in caught.value.message
    assert caught.value.field == "schedule.cron"
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 400


def test_an_expression_of_200_characters_is_accepted() -> None:
    cron = "00" + ",0" * 95 + " 6 1 * *"
    assert len(cron) == 200
    assert Schedule(cron, "UTC").times == Schedule("0 6 1 * *", "UTC").times


def test_an_unknown_time_zone_is_refused_with_the_nearest() -> None:
    with pytest.raises(SavedQueryError, match=r"schedule\.timezone: 'Europe/Pari' .*'Europe/Paris'"):
        Schedule("0 6 1 * *", "Europe/Pari")


def test_blanks_between_the_parts_do_not_matter() -> None:
    assert Schedule("  0\t6  1 * * ", "UTC") == Schedule("0 6 1 * *", "UTC")


def test_the_ends_of_the_calendar_raise_an_error() -> None:
    schedule = Schedule("0 6 1 * *", "Asia/Tokyo")
    with pytest.raises(SavedQueryError, match="has no scheduled time near 0001-01-01"):
        schedule.last(datetime.min.replace(tzinfo=UTC))
    with pytest.raises(SavedQueryError, match="has no scheduled time near 9999-12-31"):
        schedule.next(datetime.max.replace(tzinfo=UTC))
