"""The query: one frozen value with everything that affects the numbers, and nothing else.

A query is a JSON object; the same object is used by the form, notebook parameters, the command line, saved
queries and manifests. It does not cover how a report is used (output, recipients, chart, schedule).

A query is validated when it is created, as far as possible without the data. Names that must exist in the
data (tags, companies, users, packages) are checked when the report is run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import UTC, date, datetime
from typing import Any

from custdyn_widgets.errors import QueryError
from custdyn_widgets.query.checks import ROW_GROUPS, TIME_GROUPS, Period
from custdyn_widgets.query.fields import FIELDS


@dataclass(frozen=True)
class ReportQuery:
    """A query for a report.

    Every field accepts a Python or JSON value (a list for a tuple, `{"start": …, "end": …}` for a `Period`);
    None means the default. Queries are compared by value. `dataclasses.replace` returns a modified copy,
    which is validated again.

    Parameters
    ----------
    interval
        The name of a preset, or a `Period`.
    timezone
        The time zone of all dates and times, as an IANA name.
    client_type
        One of the four types, or `all`.
    client_tags, tags_match
        Only clients with `any` or `all` of these tags.
    company, include_descendants
        Only clients of these resellers, and of those below them; `(none)` for clients without a reseller.
    owner_user
        Only clients of these users; `(none)` for clients without a user.
    package
        Only clients that have ever had one of these packages, by id or name.
    group_by
        At most one of `year`, `month` and `date`, and at most one of `package`, `company`, `owner_user`,
        `client_type`, `currency` and `cohort`; empty for a single row.
    currency
        The currency of all amounts; if None, it depends on the data.
    active_duration
        A client is active if it had a paid use within this many months before the end of a row.
    columns
        The groups of columns to show: ids such as `active` and `movement`, or the groups of custom metrics.
        Empty for the first six and every custom metric.
    compare
        The earlier period that each row is compared with, such as `previous_month`; None for no comparison.

    Raises
    ------
    QueryError
        If a value has the wrong type or is not allowed; the error names the field and the value, and suggests
        the nearest allowed values.
    """

    interval: str | Period
    timezone: str = "UTC"
    client_type: str = "client"
    client_tags: tuple[str, ...] = ()
    tags_match: str = "any"
    company: tuple[str, ...] = ()
    include_descendants: bool = True
    owner_user: tuple[str, ...] = ()
    package: tuple[str, ...] = ()
    group_by: tuple[str, ...] = ("month",)
    currency: str | None = None
    active_duration: int = 3
    columns: tuple[str, ...] = ()
    compare: str | None = None

    def __post_init__(self) -> None:
        for name, default in _DEFAULTS.items():
            given = getattr(self, name)
            if given is default:
                continue
            value = default if given is None else FIELDS[name].check(given)
            if value is MISSING:
                raise QueryError.missing(name, 'a preset such as "last_month", or {"start": …, "end": …}')
            if value is not given:
                object.__setattr__(self, name, value)
        if self.by_package and "balances" in self.columns:
            raise QueryError.invalid(
                "columns",
                "balances",
                "cannot be shown by package, because a client's balance is not divided among packages; "
                "remove it, or remove package from group_by",
            )

    @classmethod
    def from_dict(cls, data: object) -> ReportQuery:
        """Parse a JSON object.

        Parameters
        ----------
        data
            A mapping with field names as keys. A missing key, null, or an empty list in a filter means the
            default; an empty `group_by` means a single row.

        Raises
        ------
        QueryError
            If a key is unknown, the interval is missing, or a value is not allowed.
        """
        if not isinstance(data, Mapping):
            raise QueryError.wrong_type("query", data, "an object with field names as keys")
        for key in data:
            if key not in FIELDS:
                raise QueryError.unknown_field(str(key), list(FIELDS))
        return cls(**{"interval": None, **data})

    def to_dict(self) -> dict[str, Any]:
        """Return the query as a JSON object, including default values.

        `columns` and `compare` are omitted if unset, so that queries created before these fields existed
        keep their digests.
        """
        return {
            name: _to_json(value)
            for name in FIELDS
            if (value := getattr(self, name)) or name not in ("columns", "compare")
        }

    @property
    def time_group(self) -> str | None:
        """The time grouping, if any: `year`, `month` or `date`."""
        return next((g for g in self.group_by if g in TIME_GROUPS), None)

    @property
    def row_group(self) -> str | None:
        """The grouping within each period, if any: `package` or a client attribute."""
        return next((g for g in self.group_by if g in ROW_GROUPS), None)

    @property
    def by_package(self) -> bool:
        """Whether each package has its own row."""
        return "package" in self.group_by

    def describe(self, name: Callable[[str], str] = str) -> str:
        """Describe the query for users: what is counted, when, and how it is grouped.

        `name` is a function that formats each name from the data, such as `text.isolate`.
        """
        parts = [_describe_interval(self.interval) + f" ({self.timezone})", _describe_clients(self, name)]
        if self.package:
            parts.append("packages " + ", ".join(map(name, self.package)))
        by = " and ".join(group.replace("_", " ") for group in self.group_by)
        parts.append("by " + by if by else "in one row")
        if self.compare:
            parts.append("compared with the " + self.compare.replace("_", " "))
        if self.currency:
            parts.append("in " + self.currency)
        months = "month" if self.active_duration == 1 else "months"
        parts.append(f"active within {self.active_duration} {months}")
        return ", ".join(parts)


# In the order of the fields, so that an error names the first invalid field. Defaults are not checked.
_DEFAULTS: dict[str, Any] = {field.name: field.default for field in fields(ReportQuery)}


def _to_json(value: object) -> object:
    if isinstance(value, Period):
        return value.to_dict()
    return list(value) if isinstance(value, tuple) else value


def _describe_interval(interval: str | Period) -> str:
    if isinstance(interval, str):
        return interval.replace("_", " ").capitalize()
    return f"{interval.start:%Y-%m-%d %H:%M:%S} to {interval.end:%Y-%m-%d %H:%M:%S}"


def _describe_clients(query: ReportQuery, name: Callable[[str], str]) -> str:
    kind = {"all": "clients of all types", "client": "clients"}.get(
        query.client_type, query.client_type.replace("_", " ") + "s"
    )
    if query.client_tags:
        kind += f" with {query.tags_match} of the tags {', '.join(map(name, query.client_tags))}"
    if query.company:
        below = " and resellers below" if query.include_descendants else ""
        kind += f" of {', '.join(map(name, query.company))}{below}"
    if query.owner_user:
        kind += f" owned by {', '.join(map(name, query.owner_user))}"
    return kind


def parse_as_of(value: str | datetime | None) -> datetime:
    """Parse the time that relative intervals are resolved against; return it in UTC, truncated to seconds.

    Parameters
    ----------
    value
        An ISO 8601 string or a datetime, in UTC if it has no offset; None for the current time.

    Raises
    ------
    QueryError
        If the value is not a valid time.
    """
    if value is None:
        return datetime.now(UTC).replace(microsecond=0)
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise QueryError.wrong_type(
                "as_of", value, "an ISO 8601 time such as 2021-12-01T00:00:00Z"
            ) from None
    if isinstance(value, date) and not isinstance(value, datetime):
        raise QueryError.wrong_type("as_of", value, "a date with a time of day")
    if not isinstance(value, datetime) or value != value:  # NaT is a datetime, but NaT != NaT
        raise QueryError.wrong_type("as_of", value, "an ISO 8601 string or a datetime")
    instant = value.replace(tzinfo=UTC) if value.tzinfo is None else value
    try:
        return instant.astimezone(UTC).replace(microsecond=0)
    except OverflowError:
        raise QueryError.invalid("as_of", str(value), "is outside the years 1 to 9999") from None
