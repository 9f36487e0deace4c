"""Conversion of a schedule to another time zone.

Cron uses the time zone of its machine. The conversion shifts times by today's difference between the two time
zones, and checks every day of the following year, because the next clock change may invalidate the shift.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from custdyn_widgets.errors import SavedQueryError
from custdyn_widgets.saved_queries.schedule.expression import MONTHS, WEEKDAYS, Times
from custdyn_widgets.saved_queries.schedule.schedule import Schedule

_DAY_MINUTES = 24 * 60
_CHECKED_DAYS = 400  # covers all clock changes in a year
_DAY = timedelta(days=1)
_MIN_RUN = 3  # at least this many consecutive numbers are written as a range


def convert_schedule(schedule: Schedule, zone: str, now: datetime) -> list[Schedule]:
    """Return schedules in another time zone that together run at the same times as this schedule.

    Parameters
    ----------
    schedule
        The schedule to convert.
    zone
        The time zone that cron uses.
    now
        The start of the year to check.

    Raises
    ------
    SavedQueryError
        If the schedule cannot be converted; the error says why, for example by showing the first difference.
    """
    plain = Schedule(_in_numbers(schedule.cron), schedule.timezone)
    if zone == schedule.timezone:
        return [plain]
    moved = _minutes_ahead(zone, now) - _minutes_ahead(schedule.timezone, now)
    lines = [plain.cron] if moved == 0 else _shifted(plain, moved)
    if not lines:
        raise _impossible(schedule, zone, "the time difference moves it across the end of a month")
    found = [Schedule(line, zone) for line in lines]
    if at := _first_difference(plain, found, now):
        wall = at.astimezone(ZoneInfo(schedule.timezone))
        what = "miss" if plain.last(at) == at else "run at"
        why = f"with today's time difference, cron would {what} {wall:%Y-%m-%d %H:%M}"
        raise _impossible(schedule, zone, why)
    return found


def _impossible(schedule: Schedule, zone: str, why: str) -> SavedQueryError:
    return SavedQueryError(
        f"schedule: {schedule.cron!r} in {schedule.timezone} cannot be converted for cron in {zone}: {why}. "
        f"Set the schedule's timezone to {zone}, or use a scheduler that supports time zones "
        "(jupyter-scheduler, Airflow).",
        field="schedule",
    )


def _minutes_ahead(zone: str, now: datetime) -> int:
    ahead = now.astimezone(ZoneInfo(zone)).utcoffset()
    assert ahead is not None
    return round(ahead.total_seconds() / 60)


def _in_numbers(cron: str) -> str:
    """Return an expression with numbers instead of names, since every cron accepts numbers."""
    *first, month, weekday = cron.lower().split()
    month = re.sub("[a-z]+", lambda found: str(MONTHS.index(found[0]) + 1), month)
    weekday = re.sub("[a-z]+", lambda found: str(WEEKDAYS.index(found[0])), weekday)
    return " ".join((*first, month, weekday))


def _shifted(schedule: Schedule, minutes: int) -> list[str]:
    """Return expressions for all times shifted by `minutes`; an empty list if that is impossible."""
    times = schedule.times
    minute_text, _, *day_texts = schedule.cron.split()
    on_any_day = all(text == "*" for text in day_texts)
    by_carry: dict[int, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
    for hour in times.hours:
        for minute in times.minutes:
            carry, rest = divmod(hour * 60 + minute + minutes, _DAY_MINUTES)
            by_carry[0 if on_any_day else carry][rest // 60].add(rest % 60)
    lines = []
    for carry, of_hour in sorted(by_carry.items()):
        days = _shifted_days(times, day_texts, carry)
        if days is None:
            return []
        hours_of: dict[frozenset[int], list[int]] = defaultdict(list)
        for hour, found in of_hour.items():
            hours_of[frozenset(found)].append(hour)
        for found_minutes, hours in hours_of.items():
            kept = found_minutes == times.minutes
            text = minute_text if kept else _numbers_text(found_minutes, range(60))
            lines.append(f"{text} {_numbers_text(hours, range(24))} {days}")
    return lines


def _shifted_days(times: Times, texts: Sequence[str], carry: int) -> str | None:
    """Return the three date fields, shifted by a day; None if that crosses the end of a month."""
    day, month, weekday = texts
    if carry == 0:
        return " ".join(texts)
    by_day, by_weekday = len(times.days) < 31, len(times.weekdays) < 7
    crosses = not by_day or (by_weekday and not times.both_days)
    if crosses and len(times.months) < 12:
        return None
    if by_day:
        moved = {number + carry for number in times.days}
        if min(moved) < 1 or max(moved | times.days) > 28:  # the last day that every month has
            return None
        day = _numbers_text(moved, range(1, 32))
    if by_weekday:
        weekday = _numbers_text({(number + carry) % 7 for number in times.weekdays}, range(7))
    return f"{day} {month} {weekday}"


def _numbers_text(numbers: Iterable[int], whole: range) -> str:
    """Return numbers as a field of an expression: `*` for all, ranges for three or more in a row."""
    chosen = sorted(numbers)
    if chosen == list(whole):
        return "*"
    runs: list[list[int]] = []
    for number in chosen:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(
        f"{run[0]}-{run[-1]}" if len(run) >= _MIN_RUN else ",".join(map(str, run)) for run in runs
    )


def _first_difference(wanted: Schedule, found: Sequence[Schedule], now: datetime) -> datetime | None:
    """Return the first time within a year at which the desired schedule differs from the converted ones."""
    first = now.astimezone(UTC).date()
    days = [first + later * _DAY for later in range(-2, _CHECKED_DAYS + 2)]
    expected = {instant for day in days for instant in wanted.on(day)}
    actual = {instant for day in days for one in found for instant in one.on(day)}
    return min((at for at in expected ^ actual if now <= at < now + _CHECKED_DAYS * _DAY), default=None)
