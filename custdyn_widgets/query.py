"""What is asked: one frozen value that holds everything that changes the numbers, and nothing else.

A query is a JSON object; the same object drives form, notebook parameters, command line, saved queries
and manifests. Each field carries its label, help and choices as metadata, so that form, help texts,
validation and the words on a page cannot disagree. What is done with a report (output, recipients,
chart, schedule) is not part of it.

`ReportQuery.from_dict` checks all that can be checked without the data; names that must exist in the
data (tags, companies, users, packages) are checked when the report is run.
"""

from __future__ import annotations

import functools
import json
import re
import zoneinfo
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from custdyn_widgets.errors import QueryError

CLIENT_TYPES = ("client", "reseller", "calling_card", "call_shop")
TIME_GROUPS = ("year", "month", "date")
GROUPS = (*TIME_GROUPS, "package")
PRESETS = (
    "today", "yesterday", "this_week", "last_week", "this_month", "last_month", "this_quarter",
    "last_quarter", "this_year", "last_year", "last_3_days", "last_7_days", "last_30_days", "last_90_days",
    "last_12_months",
)  # fmt: skip
YEARS = range(1900, 2101)
ACTIVE_DURATIONS = range(1, 121)

_WALL_TIME = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[ T](\d{2}:\d{2}:\d{2}))?", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
_NOT_ZONES = ("posix/", "right/")


@dataclass(frozen=True)
class Period:
    """A fixed interval, as wall times in the query's time zone; `end` is the last second that counts."""

    start: datetime
    end: datetime

    def to_dict(self) -> dict[str, str]:
        """Return the two wall times as text."""
        return {"start": self.start.isoformat(sep=" "), "end": self.end.isoformat(sep=" ")}


def _meta(label: str, help_text: str, choices: Sequence[str] | None = None) -> dict[str, Any]:
    return {"label": label, "help": help_text, "choices": choices}


@dataclass(frozen=True)
class ReportQuery:
    """One question to the data.

    Build it with keyword arguments of these types, or from JSON with `from_dict`. Equal queries are
    equal values; `dataclasses.replace` gives a changed one.
    """

    interval: str | Period = field(
        metadata=_meta(
            "Interval",
            "The period to report: a preset, or a first and a last second on the clock of the time zone.",
            PRESETS,
        )
    )  # fmt: skip
    timezone: str = field(
        default="UTC",
        metadata=_meta("Time zone", "Whose clock and calendar the dates and buckets follow (an IANA name)."),
    )
    client_type: str = field(
        default="client",
        metadata=_meta(
            "Client type", "Count clients of this type only, or all types.", (*CLIENT_TYPES, "all")
        ),
    )
    client_tags: tuple[str, ...] = field(
        default=(), metadata=_meta("Client tags", "Only clients with these tags.")
    )
    tags_match: str = field(
        default="any",
        metadata=_meta(
            "Tags match", "Whether any one of the tags is enough, or all are needed.", ("any", "all")
        ),
    )
    company: tuple[str, ...] = field(
        default=(), metadata=_meta("Company", "Only clients of these resellers.")
    )
    include_descendants: bool = field(
        default=True,
        metadata=_meta("Include descendants", "Also clients of the resellers below the chosen ones."),
    )
    owner_user: tuple[str, ...] = field(
        default=(), metadata=_meta("Owner user", "Only clients of these users.")
    )
    package: tuple[str, ...] = field(
        default=(),
        metadata=_meta(
            "Package",
            "Only clients that ever had one of these packages (by id or name); the Packages columns then "
            "count only these.",
        ),
    )
    group_by: tuple[str, ...] = field(
        default=("month",),
        metadata=_meta(
            "Group by", "One row for each year, month or date, and for each package; none: one row.", GROUPS
        ),
    )
    currency: str | None = field(
        default=None,
        metadata=_meta(
            "Currency", "Every amount is converted to it (ISO 4217); empty: the data's own choice."
        ),
    )
    active_duration: int = field(
        default=3,
        metadata=_meta(
            "Active duration",
            "A client is active if it paid for a use in this many months before the end of a row (1 to 120).",
        ),
    )

    @classmethod
    def from_dict(cls, data: object) -> ReportQuery:
        """Check a JSON object and return the query that it means.

        Parameters
        ----------
        data
            A mapping with field names as keys. A missing key, null, or an empty list where a list filters
            means that the field was left out; an empty `group_by` means one row.

        Raises
        ------
        QueryError
            If a key is unknown, a value has a wrong type, or means nothing; the error names field and value
            and offers the nearest valid ones.
        """
        if not isinstance(data, Mapping):
            raise QueryError.wrong_type("query", data, "an object with field names as keys")
        names = [f.name for f in fields(cls)]
        for key in data:
            if key not in names:
                raise QueryError.unknown_field(str(key), names)
        given = {name: data[name] for name in names if data.get(name) is not None}
        if "interval" not in given:
            raise QueryError.missing("interval", 'a preset such as "last_month", or {"start": …, "end": …}')
        return cls(**{name: _CHECKS[name](name, value) for name, value in given.items()})

    def to_dict(self) -> dict[str, Any]:
        """Return the query as the JSON object that gives it again; fields left at their defaults included."""
        out: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            out[f.name] = (
                value.to_dict()
                if isinstance(value, Period)
                else list(value)
                if isinstance(value, tuple)
                else value
            )
        return out

    @property
    def time_group(self) -> str | None:
        """The time grouping, if there is one: `year`, `month` or `date`."""
        return next((g for g in self.group_by if g in TIME_GROUPS), None)

    @property
    def by_package(self) -> bool:
        """Whether each package has a row of its own."""
        return "package" in self.group_by

    def describe(self) -> str:
        """Return the query in words, for people: what is counted, when, and how it is grouped."""
        parts = [_interval_words(self.interval) + f" ({self.timezone})", _who_words(self)]
        if self.package:
            parts.append("packages " + ", ".join(self.package))
        parts.append("by " + " and ".join(self.group_by) if self.group_by else "in one row")
        if self.currency:
            parts.append("in " + self.currency)
        months = "month" if self.active_duration == 1 else "months"
        parts.append(f"active within {self.active_duration} {months}")
        return ", ".join(parts)


def _interval_words(interval: str | Period) -> str:
    if isinstance(interval, str):
        return interval.replace("_", " ").capitalize()
    return f"{interval.start:%Y-%m-%d %H:%M:%S} to {interval.end:%Y-%m-%d %H:%M:%S}"


def _who_words(query: ReportQuery) -> str:
    kind = {"all": "clients of all types", "client": "clients"}.get(
        query.client_type, query.client_type.replace("_", " ") + "s"
    )
    if query.client_tags:
        kind += f" with {query.tags_match} of the tags {', '.join(query.client_tags)}"
    if query.company:
        below = " and resellers below" if query.include_descendants else ""
        kind += f" of {', '.join(query.company)}{below}"
    if query.owner_user:
        kind += f" owned by {', '.join(query.owner_user)}"
    return kind


def wall_time(name: str, value: object, *, end: bool) -> datetime:
    """Read a wall time `YYYY-MM-DD[ HH:MM:SS]`; a date alone is its first or, at an end, last second."""
    expected = "a wall time YYYY-MM-DD HH:MM:SS"
    if not isinstance(value, str):
        raise QueryError.wrong_type(name, value, expected)
    match = _WALL_TIME.fullmatch(value)
    if not match:
        raise QueryError.wrong_type(name, value, expected)
    try:
        wall = datetime.fromisoformat(f"{match[1]} {match[2] or ('23:59:59' if end else '00:00:00')}")
    except ValueError:
        raise QueryError.invalid(name, value, "is not a date and time of the calendar") from None
    if wall.year not in YEARS:
        raise QueryError.invalid(name, value, f"is not in the years {YEARS[0]} to {YEARS[-1]}")
    return wall


@functools.cache
def time_zones() -> tuple[str, ...]:
    """Return the IANA names that a query may use, sorted."""
    names = zoneinfo.available_timezones() - {"localtime", "Factory", "posixrules"}
    return tuple(sorted(n for n in names if not n.startswith(_NOT_ZONES)))


def _interval(name: str, value: object) -> str | Period:
    if isinstance(value, str):
        return _choice(name, value, PRESETS)
    if not isinstance(value, Mapping):
        raise QueryError.wrong_type(name, value, 'a preset\'s name or {"start": …, "end": …}')
    for key in value:
        if key not in ("start", "end"):
            raise QueryError.unknown_field(f"{name}.{key}", ["interval.start", "interval.end"])
    for key in ("start", "end"):
        if value.get(key) is None:
            raise QueryError.missing(f"{name}.{key}", "a wall time YYYY-MM-DD HH:MM:SS")
    period = Period(
        wall_time(f"{name}.start", value["start"], end=False),
        wall_time(f"{name}.end", value["end"], end=True),
    )
    if period.start > period.end:
        raise QueryError.invalid(f"{name}.start", value["start"], f"is after the end {value['end']!r}")
    return period


def _choice(name: str, value: object, allowed: Sequence[str]) -> str:
    if not isinstance(value, str):
        raise QueryError.wrong_type(name, value, "text")
    if value not in allowed:
        raise QueryError.not_allowed(name, value, allowed)
    return value


def _texts(name: str, value: object) -> tuple[str, ...]:
    if (
        isinstance(value, str)
        or not isinstance(value, Sequence)
        or not all(isinstance(v, str) for v in value)
    ):
        raise QueryError.wrong_type(name, value, "a list of texts")
    return tuple(dict.fromkeys(value))


def _group_by(name: str, value: object) -> tuple[str, ...]:
    chosen = _texts(name, value)
    for group in chosen:
        _choice(name, group, GROUPS)
    times = [g for g in chosen if g in TIME_GROUPS]
    if len(times) > 1:
        raise QueryError.invalid(name, value, "has more than one of year, month and date")
    return tuple(g for g in GROUPS if g in chosen)


def _zone(name: str, value: object) -> str:
    return _choice(name, value, time_zones())


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise QueryError.wrong_type(name, value, "true or false")
    return value


def _currency(name: str, value: object) -> str:
    if not isinstance(value, str) or not _CURRENCY.fullmatch(value):
        raise QueryError.wrong_type(name, value, "an ISO 4217 code of three capital letters, such as USD")
    return value


def _months(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise QueryError.wrong_type(name, value, "a whole number of months")
    if value not in ACTIVE_DURATIONS:
        raise QueryError.invalid(name, value, "is not between 1 and 120 months")
    return value


_CHECKS: dict[str, Callable[[str, object], Any]] = {
    "interval": _interval,
    "timezone": _zone,
    "client_type": lambda name, value: _choice(name, value, (*CLIENT_TYPES, "all")),
    "client_tags": _texts,
    "tags_match": lambda name, value: _choice(name, value, ("any", "all")),
    "company": _texts,
    "include_descendants": _flag,
    "owner_user": _texts,
    "package": _texts,
    "group_by": _group_by,
    "currency": _currency,
    "active_duration": _months,
}


def read_json(path: Path) -> object:
    """Return the value of a strict JSON file: no key twice, no NaN.

    Raises
    ------
    QueryError
        If it cannot be read or is not that.
    """

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs):
            keys = [key for key, _ in pairs]
            raise ValueError(f"the key {next(k for k in keys if keys.count(k) > 1)!r} is there twice")
        return found

    def refuse(number: str) -> object:
        raise ValueError(f"{number} is not a JSON number")

    try:
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=once, parse_constant=refuse)
    except OSError as error:
        raise QueryError.invalid("query", str(path), f"cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise QueryError.invalid("query", path.name, f"is not valid JSON: {error}") from error


def parse_as_of(value: str | datetime | None) -> datetime:
    """Return the instant that a report resolves against, in UTC, cut to its whole second.

    Parameters
    ----------
    value
        An ISO 8601 instant or a datetime, without an offset in UTC; None: now.

    Raises
    ------
    QueryError
        If the text is not an instant.
    """
    if value is None:
        return datetime.now(UTC).replace(microsecond=0)
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise QueryError.wrong_type(
                "as_of", value, "an ISO 8601 instant such as 2021-12-01T00:00:00Z"
            ) from None
    if isinstance(value, date) and not isinstance(value, datetime):
        raise QueryError.wrong_type("as_of", value, "an instant with a time of day")
    instant = value.replace(tzinfo=UTC) if value.tzinfo is None else value
    try:
        return instant.astimezone(UTC).replace(microsecond=0)
    except OverflowError:
        raise QueryError.invalid("as_of", str(value), "is outside the calendar") from None


def demo_query(as_of: datetime) -> ReportQuery:
    """Return the query of the demo report: clients by month, over the three years before `as_of`."""
    months = as_of.year * 12 + as_of.month - 1
    first = datetime((months - 35) // 12, (months - 35) % 12 + 1, 1)
    after = datetime((months + 1) // 12, (months + 1) % 12 + 1, 1)
    return ReportQuery(interval=Period(first, after - timedelta(seconds=1)))
