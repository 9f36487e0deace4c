"""What a saved query says of its runs without a person: when, of what, for whom, and what is kept.

Each check takes what a file says, or a value that it gave before, and returns the value; a `SavedQueryError`
names the key.
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
    """Which of its snapshots a saved query keeps, as `custdyn snapshots prune` says it.

    Attributes
    ----------
    keep_last
        The newest so many stay; None: none for that.
    older_than
        What is older goes (`90d`, `12w`, `6m`, `1y`); None: whatever its age.

    Raises
    ------
    SavedQueryError
        If neither is given, or one means nothing.
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
        """Return what pruning deletes at an instant."""
        try:
            before = None if self.older_than is None else ago(self.older_than, now)
        except SnapshotError as error:
            raise SavedQueryError(
                f"retention.older_than: {error.message}", field="retention.older_than"
            ) from error
        return Rule(before, self.keep_last)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object that gives it again."""
        whole = {"keep_last": self.keep_last, "older_than": self.older_than}
        return {key: value for key, value in whole.items() if value is not None}


@dataclass(frozen=True)
class ForEach:
    """One report for each part of the clients.

    Attributes
    ----------
    by
        `company`: each reseller that the file names gets a report of its own clients, and of those below it.
    addresses
        The CSV file that gives each its addresses; relative to the folder of the saved query's own file.

    Raises
    ------
    SavedQueryError
        If one of them means nothing.
    """

    by: str
    addresses: str

    def __post_init__(self) -> None:
        if not isinstance(self.by, str) or self.by not in _DIVISIONS:
            raise SavedQueryError.not_allowed("for_each.by", self.by, _DIVISIONS)
        checked_path("for_each.addresses", self.addresses)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object that gives it again."""
        return {"by": self.by, "addresses": self.addresses}


def retention_of(value: object) -> Retention | None:
    """Return the retention that a file says."""
    if value is None or isinstance(value, Retention):
        return value
    return Retention(**_object("retention", value, ("keep_last", "older_than")))


def for_each_of(value: object) -> ForEach | None:
    """Return the division that a file says."""
    if value is None or isinstance(value, ForEach):
        return value
    given = _object("for_each", value, ("by", "addresses"))
    for key, what in (("by", "'company'"), ("addresses", "a CSV file with the columns company and address")):
        if key not in given:
            raise SavedQueryError.missing(f"for_each.{key}", what)
    return ForEach(**given)


def conditions_of(value: object) -> tuple[str, ...]:
    """Return the conditions that a file says, each once, in the order of `ONLY_IF`."""
    given = _texts("only_if", value)
    for text in given:
        if text not in ONLY_IF:
            raise SavedQueryError.not_allowed("only_if", text, ONLY_IF)
    return tuple(condition for condition in ONLY_IF if condition in given)


def recipients_of(key: str, value: object) -> tuple[str, ...]:
    """Return the addresses that a file says, as it writes them; one mailbox twice is refused."""
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
    """Return the name or path that a file says."""
    if not isinstance(value, str):
        raise SavedQueryError.wrong_type(key, value, "text")
    if not value.strip():
        raise SavedQueryError.invalid(key, value, "is blank")
    if len(value) > _LONGEST_PATH:
        raise SavedQueryError.invalid(key, value, f"is longer than {_LONGEST_PATH:,} characters")
    if has_control_character(value):
        raise SavedQueryError.invalid(key, value, "holds a control character: leave it out")
    if "://" in value:  # it may hold a password, which is nothing to be repeated
        raise SavedQueryError(
            f"{key} must be a name or a path, not the address of a database: give it a name in sources.toml.",
            field=key,
        )
    return value


def _object(key: str, value: object, known: Sequence[str]) -> dict[str, Any]:
    """Return what is given of an object's keys; null means left out."""
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
