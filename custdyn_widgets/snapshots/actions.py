"""The history of a snapshot: who revoked it, set its expiry, added a note or deleted it.

    acts/<first two>/<id>.<time>.<random digits>.json

Each action is a separate file that is never changed, so that users who share a store can record actions but
cannot alter each other's. The account that acted owns the file. Actions outlive their snapshot. Stores and
`--json` keep the names `acts` and `act`, which earlier versions used.
"""

from __future__ import annotations

import os
import re
import secrets
from dataclasses import dataclass
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
)
from custdyn_widgets.snapshots.ownership import account
from custdyn_widgets.text import format_instant_utc, parse_instant

_ACTS = "acts"
_MAX_BYTES = 16_384
_KEYS = {"act", "at", "by", "role", "text"}
_NAME = re.compile(r"[a-z2-7]{52}\.[0-9]{20}\.[0-9a-f]{8}\.json", re.ASCII)


@dataclass(frozen=True)
class Action:
    """An action on a snapshot.

    Attributes
    ----------
    act
        `revoked`, `expiry`, `note`, `note withdrawn` or `deleted`.
    at
        When it took place, as a UTC timestamp.
    by
        The name of the account as recorded; `writer` is the user id of the file's owner.
    role
        The account's role from the settings, which readers of the link may see.
    text
        Further details, such as the text of a note.
    key
        The part of the file name that distinguishes this action from the snapshot's others.
    """

    act: str
    at: str
    by: str
    role: str
    text: str
    key: str
    writer: int

    @property
    def who(self) -> str:
        """The account, followed by the file's owner if that is a different account."""
        owner = account(self.writer)
        return self.by if self.by.split(" ")[0] == owner else f"{self.by} (file owned by {owner})"


def record(store: Path, snapshot_id: str, act: str, *, text: str = "", role: str = "") -> None:
    """Record an action by the current account on a snapshot, and sync it to disk.

    Raises
    ------
    OSError
        If the action cannot be written.
    """
    now = datetime.now(UTC)
    content = {"act": act, "at": format_instant_utc(now), "by": _current(), "role": role, "text": text}
    name = f"{snapshot_id}.{now:%Y%m%d%H%M%S%f}.{secrets.token_hex(4)}.json"
    put_file(store, "tmp", (_ACTS, snapshot_id[:2]), name, canonical_json(content))


def actions_on(store: Path, snapshot_id: str) -> tuple[list[Action], int]:
    """Return the actions recorded for a snapshot, oldest first, and the number that cannot be read.

    Raises
    ------
    OSError
        If the folder cannot be read.
    """
    actions: list[Action] = []
    unreadable = 0
    try:
        with folder_below(store, _ACTS, snapshot_id[:2]) as folder:
            for name in names_in(folder):
                if name.startswith(f"{snapshot_id}.") and _NAME.fullmatch(name):
                    try:
                        actions.append(_read(folder, name))
                    except (OSError, NotPlainError, SnapshotError, ValueError):
                        unreadable += 1
    except FileNotFoundError:
        return [], 0
    return actions, unreadable


def _read(folder: int, name: str) -> Action:
    data, writer = owned_bytes(folder, name, _MAX_BYTES)
    content = parse_canonical(data)
    if not isinstance(content, dict) or set(content) != _KEYS:
        raise ValueError("not an action")
    if not all(isinstance(value, str) for value in content.values()):
        raise ValueError("not an action")
    if content["at"] != format_instant_utc(parse_instant(content["at"])):
        raise ValueError("not a time")  # lists show it, so it must not contain control characters
    return Action(**content, key=name.split(".", 1)[1].removesuffix(".json"), writer=writer)


def _current() -> str:
    """Return the current account; for root, also the account that called sudo."""
    caller = os.environ.get("SUDO_USER") if os.geteuid() == 0 else None
    return f"{account()} (sudo by {caller})" if caller and caller != "root" else account()
