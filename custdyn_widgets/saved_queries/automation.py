"""A saved query's settings for unattended runs: retention, conditions, recipients and companies.

Each parser accepts a key's JSON value or an already parsed value, and names the key in its
`SavedQueryError`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from custdyn_widgets.errors import SavedQueryError, SnapshotError
from custdyn_widgets.saved_queries.checks import check_path, object_fields
from custdyn_widgets.snapshots import Rule, ago, parse_size
from custdyn_widgets.text import ascii_address, mailbox

ONLY_IF = ("changed", "not_empty", "fresh")
MAX_RECIPIENTS = 100
_DIVISIONS = ("company",)
_FOR_EACH = {"by": "'company'", "addresses": "a CSV file with the columns company and address"}


@dataclass(frozen=True)
class Retention:
    """Limits on the snapshots that a saved query keeps, as in `custdyn snapshots prune`.

    Attributes
    ----------
    keep_last
        How many of the newest snapshots to keep; None means no limit.
    older_than
        The age at which snapshots are deleted (`90d`, `12w`, `6m`, `1y`); None means no limit.
    max_size
        The total size (`500MB`, `5GB`) beyond which the oldest snapshots are deleted; None means no limit.

    Raises
    ------
    SavedQueryError
        If no limit is given, or if one is invalid.
    """

    keep_last: int | None = None
    older_than: str | None = None
    max_size: str | None = None

    def __post_init__(self) -> None:
        if not self.to_dict():
            what = 'an object with one or more of "keep_last", "older_than" and "max_size"'
            raise SavedQueryError.missing("retention", what)
        if self.keep_last is not None:
            if type(self.keep_last) is not int:
                raise SavedQueryError.wrong_type("retention.keep_last", self.keep_last, "a whole number")
            if self.keep_last < 1:
                raise SavedQueryError.invalid("retention.keep_last", self.keep_last, "is less than 1")
        for key in ("older_than", "max_size"):
            value = getattr(self, key)
            if value is not None and not isinstance(value, str):
                raise SavedQueryError.wrong_type(f"retention.{key}", value, "text")
        self.rule(datetime(2000, 1, 1, tzinfo=UTC))

    def rule(self, now: datetime) -> Rule:
        """Return the pruning rule that applies at a given time."""
        try:
            before = None if self.older_than is None else ago(self.older_than, now)
            max_bytes = None if self.max_size is None else parse_size(self.max_size)
        except SnapshotError as error:
            key = f"retention.{error.field}"
            raise SavedQueryError(f"{key}: {error.message}", field=key) from error
        return Rule(before, self.keep_last, max_bytes)

    def to_dict(self) -> dict[str, Any]:
        """Return the value as a JSON object."""
        whole = {"keep_last": self.keep_last, "older_than": self.older_than, "max_size": self.max_size}
        return {key: value for key, value in whole.items() if value is not None}


@dataclass(frozen=True)
class ForEach:
    """The setting for separate reports on groups of clients.

    Attributes
    ----------
    by
        `company`: each company in the file gets a report on its clients and those of the companies below it.
    addresses
        The CSV file with each company's addresses, relative to the saved query's folder.

    Raises
    ------
    SavedQueryError
        If either is invalid.
    """

    by: str
    addresses: str

    def __post_init__(self) -> None:
        if not isinstance(self.by, str) or self.by not in _DIVISIONS:
            raise SavedQueryError.not_allowed("for_each.by", self.by, _DIVISIONS)
        check_path("for_each.addresses", self.addresses)

    def to_dict(self) -> dict[str, Any]:
        """Return the value as a JSON object."""
        return {"by": self.by, "addresses": self.addresses}


def parse_retention(value: object) -> Retention | None:
    """Return the value of the `retention` key."""
    if value is None or isinstance(value, Retention):
        return value
    return Retention(**object_fields("retention", value, ("keep_last", "older_than", "max_size")))


def parse_for_each(value: object) -> ForEach | None:
    """Return the value of the `for_each` key."""
    if value is None or isinstance(value, ForEach):
        return value
    return ForEach(**object_fields("for_each", value, tuple(_FOR_EACH), _FOR_EACH))


def parse_only_if(value: object) -> tuple[str, ...]:
    """Return the conditions under the `only_if` key without duplicates, in the order of `ONLY_IF`."""
    given = _strings("only_if", value)
    for text in given:
        if text not in ONLY_IF:
            raise SavedQueryError.not_allowed("only_if", text, ONLY_IF)
    return tuple(condition for condition in ONLY_IF if condition in given)


def parse_recipients(key: str, value: object) -> tuple[str, ...]:
    """Return the given email addresses; reject two addresses for the same mailbox."""
    given = _strings(key, value)
    if len(given) > MAX_RECIPIENTS:
        why = f"has {len(given):,} addresses, but at most {MAX_RECIPIENTS} are allowed: use a mailing list"
        raise SavedQueryError.invalid(key, [*given[:2], "…"], why)
    seen = set()
    for address in given:
        if ascii_address(address) is None:
            why = "is not a plain email address such as anna@example.com (without a name)"
            raise SavedQueryError.invalid(key, address, why)
        if mailbox(address) in seen:
            raise SavedQueryError.invalid(key, address, "is listed twice")
        seen.add(mailbox(address))
    return given


def _strings(key: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(text, str) for text in value):
        raise SavedQueryError.wrong_type(key, value, "a list of strings")
    return tuple(value)
