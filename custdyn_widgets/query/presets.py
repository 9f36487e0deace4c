"""Presets: named intervals relative to a time, such as `last_month`."""

from __future__ import annotations

import zoneinfo
from datetime import date, datetime, time, timedelta

from custdyn_widgets.errors import QueryError
from custdyn_widgets.query.checks import YEARS, Period


def preset_period(name: str, timezone: str, as_of: datetime) -> Period:
    """Return the period of a preset relative to a time, in a time zone's calendar.

    Raises
    ------
    QueryError
        If the period is outside the years 1900 to 2100.
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
        return first_of_month(today, -11), first_of_month(today, 1) - timedelta(days=1)
    if unit == "week":
        monday = today - timedelta(days=today.weekday() + (7 if this_or_last == "last" else 0))
        return monday, monday + timedelta(days=6)
    length = {"month": 1, "quarter": 3, "year": 12}[unit]
    into_period = (today.month - 1) % length
    first = first_of_month(today, -into_period - (length if this_or_last == "last" else 0))
    return first, first_of_month(first, length) - timedelta(days=1)


def first_of_month(day: date, months: int = 0) -> date:
    """Return the first day of a date's month, or of the month that is `months` later."""
    year, month0 = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month0 + 1, 1)
