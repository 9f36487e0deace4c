"""Presets, bucket edges and window starts beside every clock change, against a computation by brute force.

The brute force never asks which instant a wall time is: it only reads clocks (UTC to local) and looks for an
instant at which the clock shows it. A preset is the days that a sentence is true of; months are counted one
by one. By default a sample of zones and changes; `--examples` sweeps every change of every zone.
"""

from __future__ import annotations

import functools
import zoneinfo
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from custdyn_widgets.query import checks, intervals
from custdyn_widgets.query.checks import is_time_zone, time_zones
from custdyn_widgets.query.intervals import time_zone_data
from custdyn_widgets.query.query import ReportQuery
from tests.strategies import ZONES, clock_changes

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
NOT_PLACES = {"localtime", "Factory", "posixrules"}
PLACES = sorted(
    z for z in zoneinfo.available_timezones() - NOT_PLACES if not z.startswith(("posix/", "right/"))
)
DURATIONS = (1, 3, 12, 120)


@pytest.fixture
def some_changes(thorough: bool) -> Callable[[str], tuple[datetime, ...]]:
    """Return which clock changes of a zone from 2000 to 2040 to look at: all, or three."""

    def changes(zone: str) -> tuple[datetime, ...]:
        found = clock_changes(zone, 2000, 2040)
        return found if thorough else found[len(found) % 2 :: max(1, len(found) // 3)][:3]

    return changes


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "place" in metafunc.fixturenames:
        every = metafunc.config.getoption("--examples") is not None
        metafunc.parametrize("place", PLACES if every else sorted({*ZONES, *PLACES[::75]}))


# The computation by brute force


def clock(at: datetime, zone: ZoneInfo) -> datetime:
    return at.astimezone(zone).replace(tzinfo=None)


@functools.cache
def instant_of(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the first instant at which the clock shows a wall time; if it skips it, by the clock before."""
    near = [wall.replace(tzinfo=UTC) + timedelta(hours=hours) for hours in range(-27, 28, 3)]
    readings = {at.replace(tzinfo=None) - clock(at, zone) for at in near}
    showing = [
        at for at in (wall.replace(tzinfo=UTC) + reading for reading in readings) if clock(at, zone) == wall
    ]
    if showing:
        return min(showing)
    low, high = near[0] - DAY, near[-1] + DAY
    while high - low > SECOND:
        middle = low + (high - low) // 2 // SECOND * SECOND
        low, high = (middle, high) if clock(middle, zone) < wall else (low, middle)
    return low + (wall - clock(low, zone))


def week(day: date) -> tuple[int, int]:
    return day.isocalendar()[:2]


def month(day: date) -> int:
    return day.year * 12 + day.month - 1


SENTENCES: dict[str, Callable[[date, date], bool]] = {
    "today": lambda day, today: day == today,
    "yesterday": lambda day, today: day + DAY == today,
    "this_week": lambda day, today: week(day) == week(today),
    "last_week": lambda day, today: week(day + 7 * DAY) == week(today),
    "this_month": lambda day, today: month(day) == month(today),
    "last_month": lambda day, today: month(day) == month(today) - 1,
    "this_quarter": lambda day, today: month(day) // 3 == month(today) // 3,
    "last_quarter": lambda day, today: month(day) // 3 == month(today) // 3 - 1,
    "this_year": lambda day, today: day.year == today.year,
    "last_year": lambda day, today: day.year == today.year - 1,
    "last_3_days": lambda day, today: timedelta(0) <= today - day < 3 * DAY,
    "last_7_days": lambda day, today: timedelta(0) <= today - day < 7 * DAY,
    "last_30_days": lambda day, today: timedelta(0) <= today - day < 30 * DAY,
    "last_90_days": lambda day, today: timedelta(0) <= today - day < 90 * DAY,
    "last_12_months": lambda day, today: 0 <= month(today) - month(day) < 12,
}


@functools.cache
def preset_walls(preset: str, today: date) -> tuple[datetime, datetime]:
    """Return the first wall time of a preset and the one after its last."""
    days = [today + n * DAY for n in range(-735, 370) if SENTENCES[preset](today + n * DAY, today)]
    return datetime.combine(days[0], time()), datetime.combine(days[-1] + DAY, time())


def months_earlier(wall: datetime, months: int) -> datetime:
    first = wall.replace(day=1)
    for _ in range(months):
        first = (first - DAY).replace(day=1, hour=wall.hour, minute=wall.minute, second=wall.second)
    day = first + (wall.day - 1) * DAY
    while day.month != first.month:
        day -= DAY
    return day


def units(unit: str, first: datetime, after: datetime) -> Iterator[tuple[str, datetime, datetime]]:
    """Yield label, first wall time and the one after of each calendar unit that may touch the interval."""
    length = {"year": 4, "month": 7, "date": 10}[unit]
    margin = {"year": 370, "month": 35, "date": 3}[unit] * DAY
    begun, day = None, first.date() - margin
    while day <= after.date() + margin:
        if str(day)[:length] != str(day - DAY)[:length]:
            if begun:
                yield str(begun)[:length], datetime.combine(begun, time()), datetime.combine(day, time())
            begun = day
        day += DAY


def expected_rows(
    walls: tuple[datetime, datetime], zone: ZoneInfo, as_of: datetime, unit: str | None, months: int
) -> list[tuple[str, datetime, datetime, datetime]]:
    """Return label, start, end and window start of each bucket."""
    start, end = (instant_of(wall, zone) for wall in walls)
    last_wall = walls[1] if end <= as_of else clock(as_of, zone)
    end = min(end, as_of)
    rows = []
    for label, first, after in units(unit, *walls) if unit else [("", walls[0], last_wall)]:
        low = max(start, instant_of(first, zone))
        high, wall = (instant_of(after, zone), after) if unit else (end, last_wall)
        if high > end:
            high, wall = end, last_wall
        if low < high:
            rows.append((label, low, high, instant_of(months_earlier(wall, months), zone)))
    return rows


# What the product says


def product_rows(
    query: dict[str, object], as_of: datetime, unit: str | None
) -> list[tuple[str, datetime, datetime, datetime]]:
    resolved = intervals.resolve(ReportQuery.from_dict(query), as_of)
    if resolved.is_empty:
        return []
    found = resolved.buckets(unit, since=resolved.start)
    at = functools.partial(datetime.fromtimestamp, tz=UTC)
    return [(bucket.label, at(bucket.start), at(bucket.end), at(bucket.window_start)) for bucket in found]


def test_the_zones_are_those_of_the_specification() -> None:
    assert list(time_zones()) == PLACES


def test_a_time_zone_is_known_if_it_is_listed() -> None:
    others = [*NOT_PLACES, "", "Mars/Base", "europe/berlin", "Europe", "posix/UTC", "right/UTC", "Etc/../UTC"]
    assert all(map(is_time_zone, PLACES))
    assert not any(map(is_time_zone, others))


def test_a_time_zone_that_only_the_machine_knows_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_usual_time_zones", frozenset)
    assert is_time_zone("Europe/Berlin")
    assert not is_time_zone("Mars/Base")


def test_every_preset_and_its_windows_are_right_a_second_either_side_of_a_clock_change(
    place: str, some_changes: Callable[[str], tuple[datetime, ...]]
) -> None:
    zone = ZoneInfo(place)
    for n, change in enumerate(some_changes(place)):
        for as_of in (change - SECOND, change, change + SECOND):
            for preset in SENTENCES:
                walls = preset_walls(preset, clock(as_of, zone).date())
                unit = "date" if (walls[1] - walls[0]).days < 8 else "month"
                months = DURATIONS[n % len(DURATIONS)]
                query = {"interval": preset, "timezone": place, "active_duration": months}
                assert product_rows(query, as_of, unit) == expected_rows(walls, zone, as_of, unit, months), (
                    preset,
                    as_of,
                )


def test_intervals_that_begin_or_end_beside_a_clock_change_have_the_right_edges(
    place: str, some_changes: Callable[[str], tuple[datetime, ...]]
) -> None:
    zone = ZoneInfo(place)
    for n, change in enumerate(some_changes(place)):
        before, after = clock(change - SECOND, zone) + SECOND, clock(change, zone)
        beside = {edge + shift * SECOND for edge in (before, after) for shift in (-1, 0, 1)}
        beside.add(before + (after - before) / 2)
        months, unit = DURATIONS[n % len(DURATIONS)], ("date", "month", "year", None)[n // 3 % 4]
        for wall in sorted(beside):
            for first, last in ((wall, wall + 2 * DAY), (wall - 2 * DAY, wall - SECOND), (wall, wall)):
                query = {
                    "interval": {"start": str(first), "end": str(last)},
                    "timezone": place,
                    "active_duration": months,
                }
                for as_of in (change, change + 3 * DAY):
                    rows = expected_rows((first, last + SECOND), zone, as_of, unit, months)
                    assert product_rows(query, as_of, unit) == rows, (first, last, as_of, unit)


def test_windows_that_start_beside_a_clock_change_start_at_the_right_instant(
    place: str, some_changes: Callable[[str], tuple[datetime, ...]]
) -> None:
    zone = ZoneInfo(place)
    for n, change in enumerate(some_changes(place)):
        months = DURATIONS[n % len(DURATIONS)]
        before, after = clock(change - SECOND, zone) + SECOND, clock(change, zone)
        for wall in sorted({edge + shift * SECOND for edge in (before, after) for shift in (-1, 0, 1)}):
            later = wall
            while months_earlier(later, months) < wall:
                later += 28 * DAY if (wall - months_earlier(later, months)).days > 31 else DAY
            query = {"interval": {"start": str(later - DAY), "end": str(later - SECOND)}, "timezone": place,
                     "active_duration": months}  # fmt: skip
            rows = expected_rows(
                (later - DAY, later), zone, later.replace(tzinfo=UTC) + 9 * DAY, None, months
            )
            assert product_rows(query, later.replace(tzinfo=UTC) + 9 * DAY, None) == rows, (wall, later)


def test_the_time_zone_data_is_named_with_its_origin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoneinfo, "TZPATH", ())
    assert time_zone_data().endswith(" (package tzdata)")
    monkeypatch.setattr(zoneinfo, "TZPATH", (str(tmp_path / "none"), str(tmp_path)))
    (tmp_path / "UTC").touch()
    assert time_zone_data() == "unknown version (system)"
    (tmp_path / "tzdata.zi").write_text("# version 2025b\n# more\n")
    assert time_zone_data() == "2025b (system)"


@pytest.mark.parametrize(
    ("start", "end", "before"),
    [
        ("2021-11-01", "2022-01-31", ("2021-08-01", "2021-11-01")),  # three months
        ("2021-02-01", "2022-01-31", ("2020-02-01", "2021-02-01")),  # twelve
        ("2021-11-15", "2022-01-31", ("2021-08-29", "2021-11-15")),  # as many days
    ],
)
def test_the_period_before_is_as_many_months_or_as_long(
    start: str, end: str, before: tuple[str, str]
) -> None:
    query = ReportQuery.from_dict({"interval": {"start": start, "end": end}, "timezone": "UTC"})
    interval = intervals.resolve(query, datetime(2023, 1, 1, tzinfo=UTC))
    found = interval.before(interval.whole(), "previous_period")
    assert found
    assert (found.start, found.end) == tuple(
        datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() for day in before
    )
