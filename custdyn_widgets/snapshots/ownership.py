"""Who may change a snapshot: the account that published it, which owns its folder, and root.

Commands enforce this in every store. In a protected store (see `protection`), readers enforce it too: they
ignore states, notes, addresses and signatures written by anyone else.
"""

from __future__ import annotations

import contextlib
import os
import pwd
from pathlib import Path

from custdyn_widgets.errors import SnapshotError
from custdyn_widgets.files import error_text

MARKER = "protected"


def is_protected(store: Path) -> bool:
    """Return whether root has protected the store; only root can create or remove the marker."""
    try:
        return (store / MARKER).lstat().st_uid == 0
    except FileNotFoundError:
        return False


def owner_of(store: Path, snapshot_id: str) -> int | None:
    """Return the user id of the account that published a snapshot; None if there is no such snapshot."""
    try:
        return (store / "v1" / snapshot_id[:2] / snapshot_id).lstat().st_uid
    except OSError:
        return None


def counts(store: Path, snapshot_id: str, writer: int) -> bool:
    """Return whether readers accept what the account with this user id has written about a snapshot."""
    return writer == 0 or not is_protected(store) or writer == owner_of(store, snapshot_id)


def is_own(store: Path, snapshot_id: str) -> bool:
    """Return whether the current account may change a snapshot."""
    return os.geteuid() in (0, owner_of(store, snapshot_id))


def refuse_strangers(store: Path, snapshot_id: str, done: str) -> None:
    """Raise an error unless the current account may change a snapshot.

    Parameters
    ----------
    store, snapshot_id
        The snapshot.
    done
        The past participle that completes the message, such as `revoked`.
    """
    owner = owner_of(store, snapshot_id)
    if owner is not None and not is_own(store, snapshot_id):
        whose = account(owner)
        raise SnapshotError(
            f"{snapshot_id} was not {done}: it belongs to {whose}. Ask {whose}, or do it as root.", field="id"
        )


def describe_obstacle(store: Path, error: OSError) -> str:
    """Return why a file in the store could not be written: the reason and the path.

    If permission was denied because of another account's file, the text also names that account.
    """
    why = error_text(error)
    if not isinstance(error.filename, str):
        return why
    path = store / error.filename
    for place in (path, path.parent):  # if the file does not exist, its folder is the obstacle
        with contextlib.suppress(OSError):
            owner = place.lstat().st_uid
            is_denied = isinstance(error, PermissionError) and owner != os.geteuid()
            whose = f", which belongs to {account(owner)}" if is_denied else ""
            return f"{why} ({place}{whose})"
    return f"{why} ({path})"


def account(user_id: int | None = None) -> str:
    """Return an account's name, or `uid 1234` if it has none; the default is the current account."""
    number = os.geteuid() if user_id is None else user_id
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"uid {number}"
