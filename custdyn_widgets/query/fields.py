"""The table of a query's fields: their labels, help texts and allowed values.

The form, the command line, notebook parameters, validation and the documentation all read this table, so they
always agree. Defaults are in `ReportQuery`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, NamedTuple

from custdyn_widgets.query.checks import (
    ROW_GROUPS,
    TIME_GROUPS,
    check_choice,
    check_columns,
    check_currency,
    check_flag,
    check_groups,
    check_interval,
    check_number,
    check_strings,
    check_zone,
)

CLIENT_TYPES = ("client", "reseller", "calling_card", "call_shop")
GROUPS = (*TIME_GROUPS, *ROW_GROUPS)
COLUMN_GROUPS = (
    "active", "overall_active", "all", "refill", "payg", "packages", "movement", "balances",
)  # fmt: skip
DEFAULT_COLUMN_GROUPS = COLUMN_GROUPS[:6]
COMPARISONS = (
    "previous_period", "previous_day", "previous_week", "previous_month", "previous_quarter", "previous_year",
)  # fmt: skip
PRESETS = (
    "today", "yesterday", "this_week", "last_week", "this_month", "last_month", "this_quarter",
    "last_quarter", "this_year", "last_year", "last_3_days", "last_7_days", "last_30_days", "last_90_days",
    "last_12_months",
)  # fmt: skip
_MONTHS = range(1, 121)


class Kind(Enum):
    """The kind of a field's values."""

    INTERVAL = auto()
    ZONE = auto()
    CHOICE = auto()
    TEXTS = auto()
    GROUPS = auto()
    COLUMNS = auto()
    FLAG = auto()
    CURRENCY = auto()
    NUMBER = auto()


class Field(NamedTuple):
    """A field of a query.

    Attributes
    ----------
    name
        The key in JSON.
    label
        The name shown to users.
    help
        The effect of the field, in one or two sentences.
    kind
        The kind of its values.
    choices
        The allowed strings; for an interval, the presets. Empty if there are no fixed choices.
    bounds
        The allowed numbers; empty for other kinds.
    unit
        The unit of a number.
    """

    name: str
    label: str
    help: str
    kind: Kind
    choices: tuple[str, ...] = ()
    bounds: range = range(0)
    unit: str = ""

    @property
    def is_list(self) -> bool:
        """Whether the field's value is a list."""
        return self.kind in (Kind.TEXTS, Kind.GROUPS, Kind.COLUMNS)

    def check(self, value: object) -> Any:
        """Check a JSON or Python value, and return it as a query stores it.

        Raises
        ------
        QueryError
            If the value is not allowed.
        """
        name = self.name
        match self.kind:
            case Kind.INTERVAL:
                return check_interval(name, value, self.choices)
            case Kind.ZONE:
                return check_zone(name, value)
            case Kind.CHOICE:
                return check_choice(name, value, self.choices)
            case Kind.TEXTS:
                return check_strings(name, value)
            case Kind.GROUPS:
                return check_groups(name, value, self.choices)
            case Kind.COLUMNS:
                return check_columns(name, value, self.choices)
            case Kind.FLAG:
                return check_flag(name, value)
            case Kind.CURRENCY:
                return check_currency(name, value)
            case Kind.NUMBER:
                return check_number(name, value, self.bounds, self.unit)


_TABLE = (
    Field(
        "interval",
        "Interval",
        "The period of the report: a preset, or its first and last second in the time zone.",
        Kind.INTERVAL,
        choices=PRESETS,
    ),
    Field(
        "timezone",
        "Time zone",
        "The time zone of all dates and times (an IANA name).",
        Kind.ZONE,
    ),
    Field(
        "client_type",
        "Client type",
        "Only clients of this type, or clients of all types.",
        Kind.CHOICE,
        choices=(*CLIENT_TYPES, "all"),
    ),
    Field("client_tags", "Client tags", "Only clients with these tags.", Kind.TEXTS),
    Field(
        "tags_match",
        "Tags match",
        "Whether a client must have any or all of the tags.",
        Kind.CHOICE,
        choices=("any", "all"),
    ),
    Field("company", "Company", "Only clients of these resellers.", Kind.TEXTS),
    Field(
        "include_descendants",
        "Include descendants",
        "Include clients of resellers below the chosen ones.",
        Kind.FLAG,
    ),
    Field("owner_user", "Owner user", "Only clients of these users.", Kind.TEXTS),
    Field(
        "package",
        "Package",
        "Only clients that have ever had one of these packages (by id or name). The Packages columns then "
        "count only these packages.",
        Kind.TEXTS,
    ),
    Field(
        "group_by",
        "Group by",
        "One row for each year, month or date, and for each package, company, owner user, client type, "
        "currency or cohort (the month of a client's first paid use). If empty, a single row.",
        Kind.GROUPS,
        choices=GROUPS,
    ),
    Field(
        "currency",
        "Currency",
        "The currency of all amounts (ISO 4217). If empty, it depends on the data.",
        Kind.CURRENCY,
    ),
    Field(
        "active_duration",
        "Active duration",
        "A client is active if it had a paid use within this many months before the end of a row "
        f"({_MONTHS[0]} to {_MONTHS[-1]}).",
        Kind.NUMBER,
        bounds=_MONTHS,
        unit="months",
    ),
    Field(
        "columns",
        "Columns",
        "The groups of columns to show, in a fixed order. If empty, the first six and every custom metric.",
        Kind.COLUMNS,
        choices=COLUMN_GROUPS,
    ),
    Field(
        "compare",
        "Compare with",
        "An earlier period to compare with. Each number is followed by its earlier value and its change.",
        Kind.CHOICE,
        choices=COMPARISONS,
    ),
)
FIELDS: Mapping[str, Field] = {field.name: field for field in _TABLE}
