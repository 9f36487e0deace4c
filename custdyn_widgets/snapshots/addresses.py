"""Permanent addresses: `/latest?q=<token>` leads to the newest snapshot that a saved query made.

    latest/<token>.json    the saved query's names and the earliest time of its snapshots
    revoked/<token>        when the address was revoked; restoring a backup does not remove it

An address leads only to snapshots published by the account that created it and owns its file, because two
users may have saved queries with the same name. A token has 200 random bits.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from custdyn_widgets.errors import SnapshotError
from custdyn_widgets.files import (
    NotPlainError,
    canonical_json,
    folder_below,
    names_in,
    owned_bytes,
    parse_canonical,
    put_file,
    reason,
)
from custdyn_widgets.snapshots.ownership import describe_obstacle, is_protected
from custdyn_widgets.text import format_instant_utc, parse_instant

_LATEST, _REVOKED = "latest", "revoked"
_MAX_BYTES = 16_384
_TOKEN = re.compile(r"[a-z2-7]{40}", re.ASCII)
_KEYS = {"made", "saved_queries", "since"}
_RENAMED = "renamed"  # missing if the saved query was never renamed


@dataclass(frozen=True)
class Address:
    """An address.

    Attributes
    ----------
    token
        The unguessable part of the address.
    saved_queries
        The saved query's names: the current one, followed by earlier ones.
    since
        Snapshots generated before this time are never shown.
    made
        When the address was created.
    owner
        The user id of the account that created the address and publishes the snapshots.
    renamed
        When each earlier name was given up; another saved query may now have that name.
    """

    token: str
    saved_queries: tuple[str, ...]
    since: datetime
    made: datetime
    owner: int
    renamed: tuple[datetime, ...] = ()

    def is_made_by(self, saved_query: str, generated_at: datetime) -> bool:
        """Return whether the saved query could have made a snapshot under this name at this time."""
        if saved_query == self.name:
            return True
        earlier = dict(zip(self.saved_queries[1:], self.renamed, strict=True))
        return saved_query in earlier and generated_at <= earlier[saved_query]

    @property
    def name(self) -> str:
        """The current name of the saved query."""
        return self.saved_queries[0]


def is_token(text: object) -> bool:
    """Return whether a value has the form of a token."""
    return isinstance(text, str) and _TOKEN.fullmatch(text) is not None


def make_address(store: Path, saved_query: str, since: datetime) -> Address:
    """Create an address for one of the current account's saved queries.

    Raises
    ------
    SnapshotError
        If the address cannot be stored.
    """
    token = base64.b32encode(secrets.token_bytes(25)).decode("ascii").lower()
    now = datetime.now(UTC).replace(microsecond=0)
    return _stored(store, Address(token, (saved_query,), since, now, os.geteuid()), "created")


def rename_address(store: Path, address: Address, saved_query: str) -> Address:
    """Let an address also lead to the snapshots that its saved query makes under a new name.

    Raises
    ------
    SnapshotError
        If the address cannot be stored.
    """
    now = datetime.now(UTC).replace(microsecond=0)
    earlier = zip(address.saved_queries, (now, *address.renamed), strict=True)
    kept = [(name, until) for name, until in earlier if name != saved_query]
    names, renamed = (saved_query, *(name for name, _ in kept)), tuple(until for _, until in kept)
    return _stored(store, replace(address, saved_queries=names, renamed=renamed), "changed")


def revoke_address(store: Path, address: Address) -> None:
    """Revoke an address permanently; it stops working on the next request.

    Raises
    ------
    SnapshotError
        If the revocation cannot be stored.
    """
    try:
        now = format_instant_utc(datetime.now(UTC))
        put_file(store, "tmp", (_REVOKED,), address.token, now.encode())
    except OSError as error:
        raise _not_changed(store, "revoked", error) from error


def find_address(store: Path, token: str) -> Address | None:
    """Return the address with this token; None if it is missing, revoked or damaged."""
    if not is_token(token):
        return None
    try:
        with folder_below(store, _LATEST) as folder:
            data, owner = owned_bytes(folder, f"{token}.json", _MAX_BYTES)
        address = _parsed(token, data, owner)
    except (OSError, NotPlainError, SnapshotError, ValueError, TypeError, AttributeError):
        return None
    return None if _is_revoked(store, address) else address


def own_addresses(store: Path, saved_query: str | None = None) -> list[Address]:
    """Return the current account's unrevoked addresses, sorted by saved query and creation time.

    With `saved_query`, return only the addresses of the saved query that currently has this name.

    Raises
    ------
    SnapshotError
        If the addresses cannot be listed.
    """
    try:
        with folder_below(store, _LATEST) as folder:
            names = names_in(folder)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise SnapshotError(f"The store's {_LATEST}/ {reason(error)}.", field="snapshots") from error
    found = (find_address(store, name.removesuffix(".json")) for name in names if name.endswith(".json"))
    own = [one for one in found if one and one.owner == os.geteuid() and saved_query in (None, one.name)]
    return sorted(own, key=lambda one: (one.saved_queries, one.made, one.token))


def _stored(store: Path, address: Address, done: str) -> Address:
    content = {
        "made": format_instant_utc(address.made),
        "saved_queries": list(address.saved_queries),
        "since": format_instant_utc(address.since),
        **({_RENAMED: [format_instant_utc(at) for at in address.renamed]} if address.renamed else {}),
    }
    try:
        put_file(store, "tmp", (_LATEST,), f"{address.token}.json", canonical_json(content))
    except OSError as error:
        raise _not_changed(store, done, error) from error
    return address


def _is_revoked(store: Path, address: Address) -> bool:
    """Return whether an address was revoked by its owner or root; if this is unknown, return True."""
    try:
        with folder_below(store, _REVOKED) as folder:
            writer = os.stat(address.token, dir_fd=folder, follow_symlinks=False).st_uid
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return writer in (0, address.owner) or not is_protected(store)


def _parsed(token: str, data: bytes, owner: int) -> Address:
    stored = parse_canonical(data)
    names = (
        stored["saved_queries"] if isinstance(stored, dict) and set(stored) - {_RENAMED} == _KEYS else None
    )
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise ValueError("not an address")
    since, made = parse_instant(stored["since"]), parse_instant(stored["made"])
    renamed = tuple(map(parse_instant, stored.get(_RENAMED, ())))
    if len(renamed) != len(names) - 1:
        raise ValueError("not an address")
    return Address(token, tuple(names), since, made, owner, renamed)


def _not_changed(store: Path, done: str, error: OSError) -> SnapshotError:
    why = f"the snapshot store (CUSTDYN_SNAPSHOTS) cannot be written to: {describe_obstacle(store, error)}"
    return SnapshotError(f"The address was not {done}: {why}. Fix that and try again.", field="snapshots")
