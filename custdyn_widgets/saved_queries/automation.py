"""How a saved query runs unattended: its recipients, its conditions, and the snapshots that it keeps.

Each `…_of` function takes the value in a file, or the parsed value, and returns the parsed value; a
`SavedQueryError` names the key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from custdyn_widgets.errors import SavedQueryError, SnapshotError
from custdyn_widgets.snapshots import Rule, ago
from custdyn_widgets.text import ascii_address, has_control_character, mailbox

ONLY_IF = ("changed", "not_empty")
MOST_RECIPIENTS = 100
_DIVISIONS = ("company",)
_LONGEST_PATH = 1_000


@dataclass(frozen=True)
class Retention:
    """Which of its snapshots a saved query keeps, by the rules of `custdyn snapshots prune`.

    Attributes
    ----------
    keep_last
        How many of the newest stay; None: no limit by number.
    older_than
        The age after which one is deleted (`90d`, `12w`, `6m`, `1y`); None: no limit by age.

    Raises
    ------
    SavedQueryError
        If neither is given, or one is not valid.
    """

    keep_last: int | None = None
    older_than: str | None = None

    def __post_init__(self) -> None:
        if self.keep_last is None and self.older_than is None:
            raise SavedQueryError.missing("retention", 'an object with "keep_last", "older_than" or both')
        if self.keep_last is not None:
            if type(self.keep_last) is not int:
                raise SavedQueryError.wrong_type("retention.keep_last", self.keep_last, "a whole number")
            if self.keep_last < 1:
                raise SavedQueryError.invalid("retention.keep_last", self.keep_last, "is less than 1")
        if self.older_than is not None:
            if not isinstance(self.older_than, str):
                raise SavedQueryError.wrong_type("retention.older_than", self.older_than, "text")
            self.rule(datetime(2000, 1, 1, tzinfo=UTC))

    def rule(self, now: datetime) -> Rule:
        """Return the rule for pruning at an instant."""
        try:
            before = None if self.older_than is None else ago(self.older_than, now)
        except SnapshotError as error:
            raise SavedQueryError(
                f"retention.older_than: {error.message}", field="retention.older_than"
            ) from error
        return Rule(before, self.keep_last)

    def to_dict(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        whole = {"keep_last": self.keep_last, "older_than": self.older_than}
        return {key: value for key, value in whole.items() if value is not None}


@dataclass(frozen=True)
class ForEach:
    """One report for each part of the clients.

    Attributes
    ----------
    by
        `company`: each reseller in the file gets a report on its own clients and those of resellers below.
    addresses
        The CSV file of their addresses; a relative path starts at the folder of the saved query's file.

    Raises
    ------
    SavedQueryError
        If one of them is not valid.
    """

    by: str
    addresses: str

    def __post_init__(self) -> None:
        if not isinstance(self.by, str) or self.by not in _DIVISIONS:
            raise SavedQueryError.not_allowed("for_each.by", self.by, _DIVISIONS)
        checked_path("for_each.addresses", self.addresses)

    def to_dict(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {"by": self.by, "addresses": self.addresses}


def retention_of(value: object) -> Retention | None:
    """Parse the value of `retention`."""
    if value is None or isinstance(value, Retention):
        return value
    return Retention(**_object("retention", value, ("keep_last", "older_than")))


def for_each_of(value: object) -> ForEach | None:
    """Parse the value of `for_each`."""
    if value is None or isinstance(value, ForEach):
        return value
    given = _object("for_each", value, ("by", "addresses"))
    for key, what in (("by", "'company'"), ("addresses", "a CSV file with the columns company and address")):
        if key not in given:
            raise SavedQueryError.missing(f"for_each.{key}", what)
    return ForEach(**given)


def conditions_of(value: object) -> tuple[str, ...]:
    """Parse the value of `only_if`: each condition once, in the order of `ONLY_IF`."""
    given = _texts("only_if", value)
    for text in given:
        if text not in ONLY_IF:
            raise SavedQueryError.not_allowed("only_if", text, ONLY_IF)
    return tuple(condition for condition in ONLY_IF if condition in given)


def recipients_of(key: str, value: object) -> tuple[str, ...]:
    """Parse a list of e-mail addresses; refuse a mailbox that is listed twice."""
    given = _texts(key, value)
    if len(given) > MOST_RECIPIENTS:
        why = f"are {len(given):,} addresses, of at most {MOST_RECIPIENTS}: use a mailing list"
        raise SavedQueryError.invalid(key, [*given[:2], "…"], why)
    seen = set()
    for address in given:
        if ascii_address(address) is None:
            why = "is not a plain e-mail address such as anna@example.com (without a name around it)"
            raise SavedQueryError.invalid(key, address, why)
        if mailbox(address) in seen:
            raise SavedQueryError.invalid(key, address, "is there twice")
        seen.add(mailbox(address))
    return given


def checked_path(key: str, value: object) -> str:
    """Check a name or path and return it."""
    if not isinstance(value, str):
        raise SavedQueryError.wrong_type(key, value, "text")
    if not value.strip():
        raise SavedQueryError.invalid(key, value, "is blank")
    if len(value) > _LONGEST_PATH:
        raise SavedQueryError.invalid(key, value, f"is longer than {_LONGEST_PATH:,} characters")
    if has_control_character(value):
        raise SavedQueryError.invalid(key, value, "has a control character: leave it out")
    if "://" in value:  # it may hold a password, so it is not repeated
        raise SavedQueryError(
            f"{key} must be a name or a path, not the address of a database: give it a name in sources.toml.",
            field=key,
        )
    return value


def _object(key: str, value: object, known: Sequence[str]) -> dict[str, Any]:
    """Return the keys of an object that have a value; null counts as left out."""
    if not isinstance(value, Mapping):
        raise SavedQueryError.wrong_type(key, value, "an object, or null for none")
    for name in value:
        if name not in known:
            raise SavedQueryError.unknown_key(f"{key}.{name}", [f"{key}.{k}" for k in known])
    return {str(name): given for name, given in value.items() if given is not None}


def _texts(key: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(text, str) for text in value):
        raise SavedQueryError.wrong_type(key, value, "a list of texts")
    return tuple(value)
