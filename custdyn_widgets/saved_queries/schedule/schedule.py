"""When a saved query runs unattended: a cron expression on the clock of a time zone.

The expression means what it means to Debian's cron, also on the nights on which clocks change: a job at
fixed times runs exactly once, at the end of the gap if its time is skipped, and the first time if its time
comes twice. A job whose minute or hour begins with a star runs whenever the clock shows its time.

The code goes through the days and resolves each wall time of a day. Stepping through the hours instead, as
cronsim 2.8 does, gave past instants on the night that repeats an hour, and lost some where clocks shift by
half an hour (Lord Howe) or repeat the hour before midnight (São Paulo).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from custdyn_widgets.errors import SavedQueryError
from custdyn_widgets.query import is_time_zone, time_zones
from custdyn_widgets.saved_queries.schedule.expression import Times, times

__all__ = ["Schedule"]

_REQUIRED = {
    "cron": "five parts, such as '0 6 1 * *' for 06:00 on the first of each month",
    "timezone": "the time zone of the clock, such as 'Europe/Paris'",
}
_FARTHEST = 41 * 366  # days from a February 29 to the next on its day of the week, past a year 2100
_DAY, _MINUTE = timedelta(days=1), timedelta(minutes=1)


@dataclass(frozen=True)
class Schedule:
    """A cron expression on the clock of a time zone.

    Attributes
    ----------
    cron
        Five parts: minute, hour, day of the month, month, day of the week.
    timezone
        An IANA name, as in a query.

    Raises
    ------
    SavedQueryError
        If cron would refuse the expression, if its time never comes, or if there is no such zone.
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
        """Parse a JSON object.

        Raises
        ------
        SavedQueryError
            If a key is unknown or missing, or a value is not valid.
        """
        if not isinstance(data, Mapping):
            raise SavedQueryError.wrong_type("schedule", data, "an object, or null for none")
        for key in data:
            if key not in _REQUIRED:
                raise SavedQueryError.unknown_key(f"schedule.{key}", [f"schedule.{k}" for k in _REQUIRED])
        for key, what in _REQUIRED.items():
            if data.get(key) is None:
                raise SavedQueryError.missing(f"schedule.{key}", what)
        return cls(data["cron"], data["timezone"])

    def to_dict(self) -> dict[str, str]:
        """Return it as a JSON object."""
        return {"cron": self.cron, "timezone": self.timezone}

    @property
    def times(self) -> Times:
        """The wall times that the expression names."""
        return times(self.cron)

    def last(self, at: datetime) -> datetime:
        """Return the last instant at or before an instant, in UTC."""
        return max(self._about(at, -_DAY, lambda instant: instant <= at))

    def next(self, at: datetime) -> datetime:
        """Return the first instant after an instant, in UTC."""
        return min(self._about(at, _DAY, lambda instant: instant > at))

    def on(self, day: date) -> list[datetime]:
        """Return the instants that a day of the zone's calendar has, in UTC and in order."""
        if not self.times.fall_on(day):
            return []
        zone = ZoneInfo(self.timezone)
        walls = (
            datetime.combine(day, time(hour, minute), zone)
            for hour in self.times.hours
            for minute in self.times.minutes
        )
        return sorted({instant for wall in walls for instant in _instants(wall, self.times.follows_clock)})

    def _about(self, at: datetime, step: timedelta, fits: Callable[[datetime], bool]) -> list[datetime]:
        """Return the fitting instants of the first day that has any, and of the day after it.

        Clocks that are set back across midnight mix the instants of two days, so the walk begins a day
        early and ends a day late.
        """
        found: list[datetime] = []
        try:
            day = at.astimezone(ZoneInfo(self.timezone)).date() - step
            for _ in range(_FARTHEST):
                enough = bool(found)
                found += filter(fits, self.on(day))
                if enough:
                    return found
                day += step
        except OverflowError:
            pass
        if not found:
            raise SavedQueryError.invalid("schedule.cron", self.cron, f"has no time near {at.isoformat()}")
        return found


def _instants(wall: datetime, follows_clock: bool) -> set[datetime]:
    """Return the instants at which a job of this wall time runs: one, but on a night of change."""
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
