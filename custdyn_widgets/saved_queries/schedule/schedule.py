"""A schedule: a cron expression in a time zone.

Expressions have the same meaning as in Debian's cron, even on nights when the clocks change. A job scheduled
at fixed times runs exactly once for each: at the end of the gap if the time is skipped, and at the first
occurrence if it is repeated. A job whose minute or hour begins with a star follows the clock: it runs
whenever the local time matches its schedule.

The search proceeds day by day and resolves each wall time of a day. Stepping through hours instead, as
cronsim 2.8 does, returns past times on nights that repeat an hour, and misses times where clocks shift by
half an hour (Lord Howe) or repeat the hour before midnight (São Paulo).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from custdyn_widgets.errors import SavedQueryError
from custdyn_widgets.query import is_time_zone, time_zones
from custdyn_widgets.saved_queries.checks import object_fields
from custdyn_widgets.saved_queries.schedule.expression import Times, times

_REQUIRED = {
    "cron": "five fields, such as '0 6 1 * *' for 06:00 on the first of each month",
    "timezone": "a time zone, such as 'Europe/Paris'",
}
_FARTHEST = 41 * 366  # days within which February 29 falls on any given weekday, even across 2100
_DAY, _MINUTE = timedelta(days=1), timedelta(minutes=1)


@dataclass(frozen=True)
class Schedule:
    """A cron expression in a time zone.

    Attributes
    ----------
    cron
        Five fields: minute, hour, day of the month, month, day of the week.
    timezone
        The IANA name of a time zone that queries accept.

    Raises
    ------
    SavedQueryError
        If cron would reject the expression, if it matches no day, or if the time zone is unknown.
    """

    cron: str
    timezone: str

    def __post_init__(self) -> None:
        for field in _REQUIRED:
            if not isinstance(getattr(self, field), str):
                raise SavedQueryError.wrong_type(f"schedule.{field}", getattr(self, field), "text")
        if not is_time_zone(self.timezone):
            raise SavedQueryError.not_allowed("schedule.timezone", self.timezone, time_zones())
        times(self.cron)
        object.__setattr__(self, "cron", " ".join(self.cron.split()))

    @classmethod
    def from_dict(cls, data: object) -> Schedule:
        """Return the schedule described by a JSON object.

        Raises
        ------
        SavedQueryError
            If a key is unknown or missing, or a value is invalid.
        """
        return cls(**object_fields("schedule", data, tuple(_REQUIRED), _REQUIRED))

    def to_dict(self) -> dict[str, str]:
        """Return the schedule as a JSON object for `from_dict`."""
        return {"cron": self.cron, "timezone": self.timezone}

    @property
    def times(self) -> Times:
        """The local times that the expression matches."""
        return times(self.cron)

    def last(self, at: datetime) -> datetime:
        """Return the last scheduled time at or before `at`, in UTC."""
        return max(self._search(at, -_DAY, lambda instant: instant <= at))

    def next(self, at: datetime) -> datetime:
        """Return the first scheduled time after `at`, in UTC."""
        return min(self._search(at, _DAY, lambda instant: instant > at))

    def between(self, after: datetime, before: datetime) -> list[datetime]:
        """Return the scheduled times after one time and before another, as sorted UTC times."""
        zone = ZoneInfo(self.timezone)
        day, last = after.astimezone(zone).date() - _DAY, before.astimezone(zone).date() + _DAY
        found: set[datetime] = set()
        while day <= last:
            found.update(instant for instant in self.on(day) if after < instant < before)
            day += _DAY
        return sorted(found)

    def on(self, day: date) -> list[datetime]:
        """Return the scheduled times on a calendar day in the schedule's time zone, as sorted UTC times."""
        return [*_on_day(self, day)]

    def _search(self, at: datetime, step: timedelta, fits: Callable[[datetime], bool]) -> list[datetime]:
        """Return the matching times of the first day that has any, and of the following day.

        Clocks that are set back across midnight interleave the times of two days, so the search begins a day
        early and ends a day late.
        """
        found: list[datetime] = []
        with contextlib.suppress(OverflowError):  # the end of the calendar
            day = at.astimezone(ZoneInfo(self.timezone)).date() - step
            for _ in range(_FARTHEST):
                enough = bool(found)
                found += filter(fits, self.on(day))
                if enough:
                    break
                day += step
        if not found:
            raise SavedQueryError.invalid(
                "schedule.cron", self.cron, f"has no scheduled time near {at.isoformat()}"
            )
        return found


@lru_cache(64)  # a search from one scheduled time to the next reads the same days again
def _on_day(schedule: Schedule, day: date) -> tuple[datetime, ...]:
    if not schedule.times.fall_on(day):
        return ()
    zone = ZoneInfo(schedule.timezone)
    walls = (
        datetime.combine(day, time(hour, minute), zone)
        for hour in schedule.times.hours
        for minute in schedule.times.minutes
    )
    return tuple(
        sorted({instant for wall in walls for instant in _instants(wall, schedule.times.follows_clock)})
    )


def _instants(wall: datetime, follows_clock: bool) -> set[datetime]:
    """Return the times at which a job with this wall time runs: one, unless the clocks change."""
    first, second = wall.astimezone(UTC), wall.replace(fold=1).astimezone(UTC)
    if first == second:
        return {first}
    if _shown(first, wall):
        return {first, second} if follows_clock else {first}
    if follows_clock:
        return set()
    while not _shown(wall.astimezone(UTC), wall):
        wall += _MINUTE
    return {wall.astimezone(UTC)}


def _shown(instant: datetime, wall: datetime) -> bool:
    return instant.astimezone(wall.tzinfo).replace(tzinfo=None) == wall.replace(tzinfo=None)
