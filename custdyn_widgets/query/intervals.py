"""The exact instants of a query: presets, edges of buckets, and starts of windows.

Every edge is a whole second in UTC, computed here and nowhere else; nothing downstream does calendar
arithmetic. A wall time that the clocks skip or repeat resolves as `datetime(…, fold=0)` does. Instants
are ints: seconds since 1970-01-01T00:00:00Z.
"""

from __future__ import annotations

import zoneinfo
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from custdyn_widgets.errors import QueryError
from custdyn_widgets.query.checks import YEARS, Period
from custdyn_widgets.query.query import ReportQuery

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Bucket:
    """A time bucket [start, end), and the start of the window in which a paid use makes a client active."""

    label: str
    start: int
    end: int
    window_start: int
    partial: bool


@dataclass(frozen=True)
class ResolvedInterval:
    """A query's interval, resolved to instants.

    Attributes
    ----------
    period
        The interval as wall times; its end is the last second included.
    zone
        The time zone of the wall times.
    start, end
        The interval as instants; the end is exclusive.
    as_of
        Nothing at or after this instant counts.
    active_duration
        The length of the window in months.
    """

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
        """Whether the interval is entirely at or after `as_of`, or in a gap that the clocks skipped."""
        return self.effective_end <= self.start

    def whole(self) -> Bucket:
        """Return the single bucket of a query without a time grouping; its label is empty."""
        return Bucket(
            "",
            self.start,
            self.effective_end,
            self._window_start(self._end_wall()),
            self.effective_end < self.end,
        )

    def buckets(self, time_group: str | None, since: int) -> list[Bucket]:
        """Return the time buckets, in order and without gaps.

        Parameters
        ----------
        time_group
            `year`, `month`, `date`, or None for the whole interval.
        since
            When the first selected client was created. The first bucket contains this time or the interval's
            start, whichever is later.
        """
        if time_group is None:
            return [self.whole()]
        found = []
        for label, first, after in _calendar(time_group, self.period):
            low, high = to_instant(first, self.zone), to_instant(after, self.zone)
            start, end = max(low, self.start), min(high, self.effective_end)
            if start >= end or end <= since:
                continue
            ends_at = after if high <= self.effective_end else self._end_wall()
            found.append(Bucket(label, start, end, self._window_start(ends_at), start > low or end < high))
        return found

    def _end_wall(self) -> datetime:
        """Return the wall time of the effective end: the interval's own end, or `as_of` in the time zone."""
        if self.end <= self.as_of:
            return self.period.end + SECOND
        return (EPOCH + timedelta(seconds=self.as_of)).astimezone(self.zone).replace(tzinfo=None)

    def _window_start(self, ends_at: datetime) -> int:
        return to_instant(months_before(ends_at, self.active_duration), self.zone)


def resolve(query: ReportQuery, as_of: datetime) -> ResolvedInterval:
    """Resolve a query's interval to instants.

    Parameters
    ----------
    query
        Only its `interval`, `timezone` and `active_duration` are used.
    as_of
        An aware datetime on a whole second, as `query.parse_as_of` returns.

    Raises
    ------
    QueryError
        If a preset resolves to dates outside the years 1900 to 2100.
    """
    zone = zoneinfo.ZoneInfo(query.timezone)
    asked = query.interval
    period = asked if isinstance(asked, Period) else preset_period(asked, query.timezone, as_of)
    return ResolvedInterval(
        period=period,
        zone=zone,
        start=to_instant(period.start, zone),
        end=to_instant(period.end + SECOND, zone),
        as_of=(as_of - EPOCH) // SECOND,
        active_duration=query.active_duration,
    )


def to_instant(wall: datetime, zone: zoneinfo.ZoneInfo) -> int:
    """Return the instant of a wall time in a time zone; the first one if the clock shows it twice."""
    return (wall.replace(tzinfo=zone, fold=0) - EPOCH) // SECOND


def months_before(wall: datetime, months: int) -> datetime:
    """Return the wall time a number of months earlier, with the day clamped to the month's length."""
    year, month0 = divmod(wall.year * 12 + wall.month - 1 - months, 12)
    return wall.replace(year=year, month=month0 + 1, day=min(wall.day, monthrange(year, month0 + 1)[1]))


def preset_period(name: str, timezone: str, as_of: datetime) -> Period:
    """Return the period of a preset at a given time, on the calendar of a time zone.

    Raises
    ------
    QueryError
        If it is outside the years 1900 to 2100.
    """
    try:
        first, last = _preset_dates(name, as_of.astimezone(zoneinfo.ZoneInfo(timezone)).date())
    except (OverflowError, ValueError):
        raise QueryError.invalid("as_of", as_of.isoformat(), "is outside the years 1900 to 2100") from None
    if first.year not in YEARS or last.year not in YEARS:
        raise QueryError.invalid("as_of", as_of.isoformat(), "is outside the years 1900 to 2100")
    return Period(datetime.combine(first, time()), datetime.combine(last, time(23, 59, 59)))


def _preset_dates(name: str, today: date) -> tuple[date, date]:
    """Return the first and last date of a preset."""
    this_or_last, _, unit = name.partition("_")
    if name == "today":
        return today, today
    if name == "yesterday":
        return today - timedelta(days=1), today - timedelta(days=1)
    if unit.endswith("_days"):
        return today - timedelta(days=int(unit.removesuffix("_days")) - 1), today
    if name == "last_12_months":
        return _first_of_month(today, -11), _first_of_month(today, 1) - timedelta(days=1)
    if unit == "week":
        monday = today - timedelta(days=today.weekday() + (7 if this_or_last == "last" else 0))
        return monday, monday + timedelta(days=6)
    length = {"month": 1, "quarter": 3, "year": 12}[unit]
    into_period = (today.month - 1) % length
    first = _first_of_month(today, -into_period - (length if this_or_last == "last" else 0))
    return first, _first_of_month(first, length) - timedelta(days=1)


def _first_of_month(day: date, months: int) -> date:
    year, month0 = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month0 + 1, 1)


def _calendar(time_group: str, period: Period) -> Iterator[tuple[str, datetime, datetime]]:
    """Yield the label, the start and the end of each calendar period, with one more on either side.

    The extra periods are needed when clocks skip an hour: the wall time of an instant and the edge of its
    calendar period may then resolve in the opposite order.
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
    at = _first_of_month(first if length == 1 else first.replace(month=1, day=1), -length)
    while at <= _first_of_month(last, length):
        after = _first_of_month(at, length)
        yield at.strftime(pattern), datetime.combine(at, time()), datetime.combine(after, time())
        at = after


def time_zone_data() -> str:
    """Return the version and the origin of the time zone data in use.

    `zoneinfo` prefers the system's database to the package `tzdata`.
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
