"""Systemd units for the saved queries that have a schedule: a service and a timer for each.

Timers support time zones but differ from cron when clocks change: they leave out skipped times and elapse
only at the first occurrence of repeated times. Such times get separate lines in UTC. A line that elapses when
nothing is due does no harm, because each scheduled time gets only one run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from custdyn_widgets.errors import SettingsError, shown
from custdyn_widgets.saved_queries import ListedQuery, Schedule
from custdyn_widgets.scheduling.crontab import Place, comments, one_for_each_name, run_words
from custdyn_widgets.text import printable

_WEEKDAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
_DAY = timedelta(days=1)
_CHECKED_DAYS = 30 * 366
_SERVICE = """\
[Unit]
Description={title}

[Service]
Type=oneshot
WorkingDirectory={folder}
{login}{environment}ExecStart={command}
"""
_TIMER = """\
[Unit]
Description={title}: {schedule}

[Timer]
{lines}
Persistent=true
AccuracySec=1s

[Install]
WantedBy=timers.target
"""


@dataclass(frozen=True)
class Units:
    """The text of each unit by file name, and messages about saved queries without units."""

    files: dict[str, str]
    problems: Sequence[str]


def timer_units(entries: Iterable[ListedQuery], place: Place, now: datetime) -> Units:
    """Return the units for the saved queries that have a schedule.

    Parameters
    ----------
    entries
        The saved queries, from `saved_queries.listing`; if two share a name, the user's own is used.
    place
        Where the commands run; its time zone is not used.
    now
        The time from which the timers must be valid.

    Raises
    ------
    SettingsError
        If a path or a setting cannot be written in a unit.
    """
    files, problems = {}, []
    environment = "".join(
        f"Environment={_quoted(f'{name}={value}')}\n" for name, value in place.environment.items()
    )
    for entry in one_for_each_name(entries):
        if entry.error:
            problems.append(entry.error.message)
        elif entry.saved and entry.saved.schedule:
            saved, schedule = entry.saved, entry.saved.schedule
            title = printable(saved.title).replace("%", "%%").rstrip("\\")
            lines = "\n".join(f"OnCalendar={line}" for line in calendar_lines(schedule, now))
            files[f"custdyn-{entry.name}.service"] = _SERVICE.format(
                title=title,
                folder=_checked(str(place.folder)).replace("%", "%%"),
                login="".join(f"{line}\n" for line in comments(place, mails=saved.sends_mail)),
                environment=environment,
                command=" ".join(_quoted(word).replace("$", "$$") for word in run_words(place, entry.name)),
            )
            about = f"{schedule.cron} in {schedule.timezone}"
            files[f"custdyn-{entry.name}.timer"] = _TIMER.format(title=title, schedule=about, lines=lines)
    return Units(files, problems)


def calendar_lines(schedule: Schedule, now: datetime) -> list[str]:
    """Return the calendar expressions that elapse at each scheduled time, and possibly at others.

    Parameters
    ----------
    schedule
        The schedule.
    now
        The start of the thirty years for which the expressions must be valid.
    """
    times = schedule.times
    at = f"{_numbers(times.hours, 24)}:{_numbers(times.minutes, 60)}:00 {schedule.timezone}"
    month, days = _numbers(times.months, 12, 1), _numbers(times.days, 31, 1)
    weekdays = ",".join(_WEEKDAYS[number] for number in sorted(times.weekdays))
    weekdays = f"{weekdays} " if len(times.weekdays) < len(_WEEKDAYS) else ""
    if times.both_days:
        lines = [f"{weekdays}*-{month}-{days} {at}"]
    else:
        lines = [f"*-{month}-{days} {at}", f"{weekdays}*-{month}-* {at}"]
    by_time: dict[time, set[int]] = defaultdict(set)
    for instant in _left_out(schedule, now):
        by_time[instant.time()].add(instant.month)
    return lines + [
        f"*-{_numbers(months, 12, 1)}-* {at:%H:%M:%S} UTC" for at, months in sorted(by_time.items())
    ]


def _left_out(schedule: Schedule, now: datetime) -> set[datetime]:
    """Return the scheduled times, in UTC, that a timer leaves out on nights when clocks change."""
    zone, times = ZoneInfo(schedule.timezone), schedule.times
    first = now.astimezone(zone).date()
    found = set()
    for day in (first + n * _DAY for n in range(_CHECKED_DAYS)):
        if _offset(day, zone) == _offset(day + _DAY, zone):
            continue
        for instant in (at for near in (-1, 0, 1) for at in schedule.on(day + near * _DAY)):
            wall = instant.astimezone(zone)
            if wall.fold or wall.hour not in times.hours or wall.minute not in times.minutes:
                found.add(instant)
    return found


def _offset(day: date, zone: ZoneInfo) -> timedelta | None:
    return datetime.combine(day, time(), zone).utcoffset()


def _numbers(chosen: Iterable[int], count: int, first: int = 0) -> str:
    """Return numbers as part of a calendar expression, with `*` for all numbers."""
    numbers = sorted(chosen)
    return (
        "*" if numbers == [*range(first, first + count)] else ",".join(f"{number:02}" for number in numbers)
    )


def _quoted(text: str) -> str:
    """Return a word or a setting quoted for a unit, with its specifiers escaped."""
    escaped = _checked(text).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def _checked(text: str) -> str:
    if not text.isprintable():
        raise SettingsError(
            f"A path or setting contains a line break or a control character, which systemd cannot read: "
            f"{shown(text)}."
        )
    return text
