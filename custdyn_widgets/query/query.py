"""What is asked: one frozen value that holds everything that changes the numbers, and nothing else.

A query is a JSON object; the same object drives form, notebook parameters, command line, saved queries
and manifests. Each field carries its label, help and choices as metadata, so that form, help texts,
validation and the words on a page cannot disagree. What is done with a report (output, recipients,
chart, schedule) is not part of it.

`ReportQuery.from_dict` checks all that can be checked without the data; names that must exist in the
data (tags, companies, users, packages) are checked when the report is run.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from custdyn_widgets.errors import QueryError, shown
from custdyn_widgets.query.checks import (
    CHECKS,
    CLIENT_TYPES,
    GROUPS,
    PRESETS,
    TIME_GROUPS,
    YEARS,
    Period,
    is_time_zone,
    time_zones,
    wall_time,
)

__all__ = [
    "CLIENT_TYPES",
    "GROUPS",
    "PRESETS",
    "TIME_GROUPS",
    "YEARS",
    "Period",
    "ReportQuery",
    "is_time_zone",
    "parse_as_of",
    "read_json",
    "strict_json",
    "time_zones",
    "wall_time",
]


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
        return cls(**{name: CHECKS[name](name, value) for name, value in given.items()})

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


def read_json(path: Path) -> object:
    """Return the value of a strict JSON file: no key twice, no NaN.

    Raises
    ------
    QueryError
        If it cannot be read or is not that.
    """
    try:
        return strict_json(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise QueryError.invalid("query", str(path), f"cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise QueryError.invalid("query", path.name, f"is not valid JSON: {error}") from error


def strict_json(text: str) -> object:
    """Return the value of a strict JSON text: no key twice, no NaN.

    Raises
    ------
    ValueError, RecursionError
        If it is not that, or nested too deeply.
    """

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
            raise ValueError(f"the key {shown(twice)} is there twice")
        return found

    def refuse(number: str) -> object:
        raise ValueError(f"{number} is not a JSON number")

    return json.loads(text, object_pairs_hook=once, parse_constant=refuse)


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
    if not isinstance(value, datetime) or value != value:  # pandas' NaT is a datetime, and never itself
        raise QueryError.wrong_type("as_of", value, "an ISO 8601 text or a datetime")
    instant = value.replace(tzinfo=UTC) if value.tzinfo is None else value
    try:
        return instant.astimezone(UTC).replace(microsecond=0)
    except OverflowError:
        raise QueryError.invalid("as_of", str(value), "is outside the calendar") from None
