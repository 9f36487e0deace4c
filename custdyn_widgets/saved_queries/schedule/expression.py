"""Cron expressions: parsing the five fields into wall times, as Debian's cron does."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from datetime import date, timedelta

from custdyn_widgets.errors import SavedQueryError

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")

_FIELDS = "minute, hour, day of the month, month, day of the week"
_EXAMPLE = "such as '0 6 1 * *' for 06:00 on the first of each month"
_MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_MAX_LENGTH = 200
_TERM = re.compile(r"(\*|(?P<first>\w+)(?P<range>-(?P<last>\w+))?)(/(?P<step>[0-9]{1,2}))?", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,2}", re.ASCII)
_ALL_LEAPS = 28 * 366  # days from 2000 until February 29 has fallen on every day of the week


@dataclass(frozen=True)
class _Part:
    label: str
    values: range
    names: tuple[str, ...] = ()

    def number(self, text: str) -> int | None:
        """Return the value of a number or a name; None if it is out of range."""
        if text.lower() in self.names:
            return self.values[self.names.index(text.lower())]
        number = int(text) if _NUMBER.fullmatch(text) else -1
        return number if number in self.values else None


_PARTS = (
    _Part("minute", range(60)),
    _Part("hour", range(24)),
    _Part("day of the month", range(1, 32)),
    _Part("month", range(1, 13), MONTHS),
    _Part("day of the week", range(8), WEEKDAYS),
)


@dataclass(frozen=True)
class Times:
    """The wall times that an expression matches, as numbers; Sunday is 0.

    Attributes
    ----------
    minutes, hours, days, months, weekdays
        The numbers that each field matches.
    follows_clock
        Whether the minute or hour begins with a star: the job then runs whenever the local time matches.
        Otherwise it runs exactly once for each time, even if the clocks skip or repeat it.
    both_days
        Whether a day must match both day fields, as it must if either begins with a star. Otherwise, one
        match is enough.
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    follows_clock: bool
    both_days: bool

    def fall_on(self, day: date) -> bool:
        """Return whether a calendar day matches."""
        if day.month not in self.months:
            return False
        matches = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return all(matches) if self.both_days else any(matches)


@functools.lru_cache(maxsize=256)
def times(cron: str) -> Times:
    """Return the wall times that an expression matches.

    Raises
    ------
    SavedQueryError
        If cron would reject the expression, or if it matches no day.
    """
    texts = _split(cron)
    minutes, hours, days, months, weekdays = (
        frozenset(_numbers(cron, part, text)) for part, text in zip(_PARTS, texts, strict=True)
    )
    starred = [text.startswith("*") for text in texts]
    found = Times(
        minutes,
        hours,
        days,
        months,
        frozenset(number % 7 for number in weekdays),
        follows_clock=starred[0] or starred[1],
        both_days=starred[2] or starred[4],
    )
    first = date(2000, 1, 1)
    if not any(found.fall_on(first + timedelta(days=later)) for later in range(_ALL_LEAPS)):
        raise _invalid(cron, "never matches any day")
    return found


def _split(cron: str) -> list[str]:
    if cron.strip().lower() in _MACROS:
        raise _invalid(cron, f"is short for {_MACROS[cron.strip().lower()]!r}: write that instead")
    texts = cron.split()
    if len(cron) > _MAX_LENGTH:
        raise _invalid(cron, f"is longer than {_MAX_LENGTH} characters")
    if len(texts) != len(_PARTS):
        known = " (cron has no seconds)" if len(texts) == len(_PARTS) + 1 else ""
        fields = f"{len(texts)} field{'' if len(texts) == 1 else 's'}{known}"
        raise _invalid(cron, f"has {fields}, but cron needs five: {_FIELDS}, {_EXAMPLE}")
    return texts


def _numbers(cron: str, part: _Part, text: str) -> set[int]:
    """Return the numbers that match a field's comma-separated terms."""
    return {number for term in text.split(",") for number in _term(cron, part, term)}


def _term(cron: str, part: _Part, text: str) -> range:
    match = _TERM.fullmatch(text)
    lowest, highest = part.values[0], part.values[-1]
    if not match:
        raise _invalid_part(cron, part, text, "is not a number, a range or *, optionally with a step")
    step = 1 if match["step"] is None else int(match["step"])
    if not step:
        raise _invalid_part(cron, part, text, "has a step of 0")
    if match["first"] is None:
        return range(lowest, highest + 1, step)
    first = part.number(match["first"])
    last = part.number(match["last"]) if match["range"] else first
    if first is None or last is None:
        names = f" or {part.names[0]} to {part.names[-1]}" if part.names else ""
        raise _invalid_part(cron, part, text, f"is not in the range {lowest} to {highest}{names}")
    if match["step"] and not match["range"]:
        raise _invalid_part(cron, part, text, f"has a step without a range: write {first}-{highest}/{step}")
    if first > last:
        raise _invalid_part(cron, part, text, "ends before it begins")
    return range(first, last + 1, step)


def _invalid_part(cron: str, part: _Part, text: str, why: str) -> SavedQueryError:
    return _invalid(cron, f"has {text[:20]!a} as its {part.label}, which {why}")


def _invalid(cron: str, why: str) -> SavedQueryError:
    return SavedQueryError.invalid("schedule.cron", cron, why)
