"""The exact instants of a query: edges of buckets, and starts of windows.

Every edge is a whole second in UTC and is computed only here; code that uses the edges does no calendar
arithmetic. Wall times that the clocks skip or repeat are resolved as in `datetime(…, fold=0)`. Instants are
ints: seconds since 1970-01-01T00:00:00Z.
"""

from __future__ import annotations

import itertools
import zoneinfo
from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import NamedTuple

from custdyn_widgets.errors import QueryError
from custdyn_widgets.query.checks import YEARS, Period
from custdyn_widgets.query.presets import first_of_month, preset_period
from custdyn_widgets.query.query import ReportQuery

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
_YEAR_ONE = -62_130_000_000  # early in the first year that datetime can represent
_DAY_PRESETS = (
    "last_3_days",
    "last_7_days",
    "last_30_days",
    "last_90_days",
)  # their lengths are in days, not in months
_COMPARED_DAYS = {"previous_day": 1, "previous_week": 7}
_COMPARED_MONTHS = {"previous_month": 1, "previous_quarter": 3, "previous_year": 12}


class Bucket(NamedTuple):
    """A time bucket [start, end) and the windows in which a paid use makes a client active.

    Attributes
    ----------
    label
        The label of the bucket's row.
    start, end
        The edges of the bucket as instants.
    starts_at, ends_at
        The wall times that resolve to `start` and `end`.
    opens_at
        The wall time that ends the opening window: the previous row's `ends_at`. It differs from
        `starts_at` only if the clocks skipped a period between them.
    opening_window, window_start
        The starts of the windows that end at the bucket's start and at its end.
    partial
        Whether the interval or `as_of` cuts off part of the calendar period.
    """

    label: str
    start: int
    end: int
    starts_at: datetime
    ends_at: datetime
    opens_at: datetime
    opening_window: int
    window_start: int
    partial: bool


class ResolvedInterval(NamedTuple):
    """A query's interval, resolved to instants.

    Attributes
    ----------
    preset
        The name of the preset, if the query has one.
    period
        The interval as wall times; its end is the last second included.
    zone
        The time zone of the wall times.
    start, end
        The interval as instants; the end is exclusive.
    as_of
        Nothing at or after this instant is counted.
    active_duration
        The length of the window in months.
    """

    preset: str | None
    period: Period
    zone: zoneinfo.ZoneInfo
    start: int
    end: int
    as_of: int
    active_duration: int

    @property
    def effective_end(self) -> int:
        """The earlier of the interval's end and `as_of`."""
        return min(self.end, self.as_of)

    @property
    def is_empty(self) -> bool:
        """Whether the interval is entirely at or after `as_of`, or in a period that the clocks skipped."""
        return self.effective_end <= self.start

    def whole(self) -> Bucket:
        """Return the single bucket of a query without a time grouping; its label is empty."""
        return self._bucket(
            "",
            self.start,
            self.effective_end,
            (self.period.start, self._end_wall(), self.period.start),
            self.effective_end < self.end,
        )

    def buckets(self, time_group: str | None, since: int) -> list[Bucket]:
        """Return the time buckets, in order and without gaps.

        Parameters
        ----------
        time_group
            `year`, `month`, `date`, or None for the whole interval.
        since
            The time when the first selected client was created. The first bucket contains this time or the
            interval's start, whichever is later.
        """
        if time_group is None:
            return [self.whole()]
        found: list[Bucket] = []
        for label, first, after in _calendar(time_group, self.period):
            low, high = to_instant(first, self.zone), to_instant(after, self.zone)
            start, end = max(low, self.start), min(high, self.effective_end)
            if start >= end or end <= since:
                continue
            starts_at = first if low >= self.start else self.period.start
            ends_at = after if high <= self.effective_end else self._end_wall()
            opens_at = found[-1].ends_at if found else starts_at
            is_partial = start > low or end < high
            found.append(self._bucket(label, start, end, (starts_at, ends_at, opens_at), is_partial))
        return found

    def before(self, bucket: Bucket, comparison: str) -> Bucket | None:
        """Return the earlier period that a bucket is compared with, or None if that period is empty.

        The bucket's wall times are moved back and then resolved. A day that does not exist in the
        earlier month becomes the first day of the following month.

        Raises
        ------
        QueryError
            If the earlier period starts before the year 1900.
        """
        starts_at, ends_at, opens_at = (
            self._moved_back(wall, comparison) for wall in (bucket.starts_at, bucket.ends_at, bucket.opens_at)
        )
        if starts_at.year not in YEARS:
            raise QueryError.invalid("compare", comparison, f"starts before the year {YEARS[0]}")
        start, end = to_instant(starts_at, self.zone), to_instant(ends_at, self.zone)
        if start >= end:
            return None
        return self._bucket(bucket.label, start, end, (starts_at, ends_at, opens_at), bucket.partial)

    def months(self, since: int) -> list[tuple[str, int]]:
        """Return the label and start of each calendar month, from the month of `since` to the effective end.

        The calendar begins with year 1, so earlier instants count toward January of that year.
        """
        first = (EPOCH + timedelta(seconds=max(since, _YEAR_ONE))).astimezone(self.zone).date()
        first = date.min if first.year == 1 else first_of_month(first, -1)
        months = (first_of_month(first, n) for n in itertools.count())
        starts = ((m, to_instant(datetime.combine(m, time()), self.zone)) for m in months)
        before_end = itertools.takewhile(lambda month: month[1] < self.effective_end, starts)
        found = [(month.isoformat()[:7], start) for month, start in before_end]
        return found[max(sum(start <= since for _, start in found) - 1, 0) :]

    def _moved_back(self, wall: datetime, comparison: str) -> datetime:
        if comparison in _COMPARED_DAYS:
            return wall - timedelta(days=_COMPARED_DAYS[comparison])
        months = _COMPARED_MONTHS.get(comparison) or self._whole_months
        if not months:
            return wall - (self.period.end + SECOND - self.period.start)
        moved = months_before(wall, months)
        return moved if moved.day == wall.day else datetime.combine(first_of_month(moved, 1), time())

    @property
    def _whole_months(self) -> int:
        """The number of calendar months in the interval; 0 if it is counted in days or has partial months."""
        start, after = self.period.start, self.period.end + SECOND
        on_firsts = all(wall == datetime.combine(first_of_month(wall), time()) for wall in (start, after))
        if self.preset in _DAY_PRESETS or not on_firsts:
            return 0
        return (after.year - start.year) * 12 + after.month - start.month

    def _end_wall(self) -> datetime:
        """Return the wall time of the effective end: the interval's own end, or `as_of` in the time zone."""
        if self.end <= self.as_of:
            return self.period.end + SECOND
        return (EPOCH + timedelta(seconds=self.as_of)).astimezone(self.zone).replace(tzinfo=None)

    def _bucket(
        self, label: str, start: int, end: int, walls: tuple[datetime, datetime, datetime], partial: bool
    ) -> Bucket:
        _, ends_at, opens_at = walls
        windows = (self._window_start(opens_at), self._window_start(ends_at))
        return Bucket(label, start, end, *walls, *windows, partial)

    def _window_start(self, ends_at: datetime) -> int:
        return to_instant(months_before(ends_at, self.active_duration), self.zone)


def resolve(query: ReportQuery, as_of: datetime) -> ResolvedInterval:
    """Resolve a query's interval to instants.

    Parameters
    ----------
    query
        Only its `interval`, `timezone` and `active_duration` are used.
    as_of
        An aware datetime on a whole second, as returned by `query.parse_as_of`.

    Raises
    ------
    QueryError
        If a preset resolves to dates outside the years 1900 to 2100.
    """
    zone = zoneinfo.ZoneInfo(query.timezone)
    asked = query.interval
    period = asked if isinstance(asked, Period) else preset_period(asked, query.timezone, as_of)
    return ResolvedInterval(
        preset=asked if isinstance(asked, str) else None,
        period=period,
        zone=zone,
        start=to_instant(period.start, zone),
        end=to_instant(period.end + SECOND, zone),
        as_of=(as_of - EPOCH) // SECOND,
        active_duration=query.active_duration,
    )


def to_instant(wall: datetime, zone: zoneinfo.ZoneInfo) -> int:
    """Return the instant of a wall time in a time zone, or the earlier of the two if the clocks repeat it."""
    return (wall.replace(tzinfo=zone, fold=0) - EPOCH) // SECOND


def months_before(wall: datetime, months: int) -> datetime:
    """Return the wall time a given number of months earlier, with the day clamped to that month's length."""
    year, month0 = divmod(wall.year * 12 + wall.month - 1 - months, 12)
    return wall.replace(year=year, month=month0 + 1, day=min(wall.day, monthrange(year, month0 + 1)[1]))


def _calendar(time_group: str, period: Period) -> Iterator[tuple[str, datetime, datetime]]:
    """Yield the label, start and end of each calendar period, plus one extra period on each side.

    The extra periods are needed when clocks skip an hour, because a wall time and the edge of its calendar
    period may then resolve to instants in reverse order.
    """
    first = period.start.date()
    last = period.end.date()
    if time_group == "date":
        day, step_days = first - timedelta(days=1), timedelta(days=1)
        while day <= last + step_days:
            yield day.isoformat(), datetime.combine(day, time()), datetime.combine(day + step_days, time())
            day += step_days
        return
    length, pattern = (1, "%Y-%m") if time_group == "month" else (12, "%Y")
    at = first_of_month(first if length == 1 else first.replace(month=1, day=1), -length)
    while at <= first_of_month(last, length):
        after = first_of_month(at, length)
        yield at.strftime(pattern), datetime.combine(at, time()), datetime.combine(after, time())
        at = after


def time_zone_data() -> str:
    """Return the version and origin of the time zone data in use.

    `zoneinfo` prefers the system's database to the `tzdata` package.
    """
    for folder in zoneinfo.TZPATH:
        listing = Path(folder) / "tzdata.zi"
        if listing.is_file():
            with listing.open(encoding="utf-8") as lines:
                return f"{next(lines).removeprefix('# version').strip()} (system)"
        if (Path(folder) / "UTC").exists():
            return "unknown version (system)"
    import tzdata

    return f"{tzdata.IANA_VERSION} (package tzdata)"
