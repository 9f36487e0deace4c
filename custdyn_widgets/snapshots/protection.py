"""Protecting a shared store: only a snapshot's owner and root can change or delete it.

Every shared folder belongs to root and is sticky, so that members of the group can add files but cannot
replace or delete others' files. Readers only need to be able to enter the folder above the store, so a
viewer needs no write permission. Others may write to the store while root is protecting it, so no symbolic
links are followed.
"""

from __future__ import annotations

import contextlib
import grp
import itertools
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from custdyn_widgets.errors import SnapshotError, shown
from custdyn_widgets.files import (
    NotPlainError,
    folder_below,
    make_folder,
    names_in,
    open_plain_file,
    reason,
    write_whole,
)
from custdyn_widgets.snapshots.evidence import EVIDENCE
from custdyn_widgets.snapshots.ids import is_id
from custdyn_widgets.snapshots.ownership import MARKER, owner_of

_SHARED = 0o3775  # set-group-ID and sticky; readers may list it
_SNAPSHOT, _FILE, _EVIDENCE, _LOCK = 0o2755, 0o644, 0o640, 0o664
_FLAT = ("tmp", "trash", "revoked", "latest", "keys")
_IN_SHELVES = ("v1", "state", "acts", "signatures")
_DIGITS = "abcdefghijklmnopqrstuvwxyz234567"  # base32, as in ids
_SHELVES = tuple(map("".join, itertools.product(_DIGITS, _DIGITS)))


def protect(store: Path, group: str) -> int:
    """Protect a store, new or existing, and return how many snapshots it contains; run this as root.

    Snapshots keep their owners. States from earlier versions, which any member of the group may have written,
    are given to their snapshots' owners, so that revoked snapshots stay revoked.

    Raises
    ------
    SnapshotError
        If the current account is not root, if the group does not exist, or if something cannot be changed.
    """
    if os.geteuid() != 0:
        raise SnapshotError("Only root can protect a store: run this as root.", field="snapshots")
    try:
        number = int(group) if group.isdecimal() else grp.getgrnam(group).gr_gid
    except KeyError:
        why = f"There is no group {shown(group)}. Create it with groupadd."
        raise SnapshotError(why, field="group") from None
    try:
        return _protect(store, number)
    except (OSError, NotPlainError) as error:
        raise SnapshotError(
            f"The store {store} is only partly protected: {reason(error)}. Fix that and run this again.",
            field="snapshots",
        ) from error


def _protect(store: Path, group: int) -> int:
    make_folder(store)
    _set_folder(store, (), group)
    for name in _FLAT:
        _set_folder(store, (name,), group)
    for name in _IN_SHELVES:
        _set_folder(store, (name,), group)
        for shelf in _SHELVES:
            _set_folder(store, (name, shelf), group)
    with folder_below(store, "state") as folder:
        with contextlib.suppress(FileExistsError):
            os.close(os.open(".lock", os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder))
        _set_file(folder, ".lock", 0, group, _LOCK)
    count = 0
    for shelf in _SHELVES:
        with folder_below(store, "v1", shelf) as folder:
            ids = [name for name in names_in(folder) if is_id(name)]
        for snapshot_id in ids:
            count += 1
            _protect_snapshot(store, snapshot_id, group)
    for places, snapshot_id, name in _states(store):
        owner = owner_of(store, snapshot_id)
        with folder_below(store, *places) as folder:
            _set_file(folder, name, 0 if owner is None else owner, group, _FILE)
    _open_to_readers(store, group)
    write_whole(store / MARKER, b"1\n")
    return count


def _protect_snapshot(store: Path, snapshot_id: str, group: int) -> None:
    """Set the modes of a snapshot; its folder and files keep their owners."""
    with folder_below(store, "v1", snapshot_id[:2], snapshot_id) as folder:
        os.fchown(folder, -1, group)
        os.fchmod(folder, _SNAPSHOT)
        for name in names_in(folder):
            _set_file(folder, name, -1, group, _EVIDENCE if name == EVIDENCE else _FILE)


def _states(store: Path) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Yield the folder, snapshot id and file name of each state and revocation."""
    with folder_below(store, "revoked") as folder:
        names = names_in(folder)
    yield from ((("revoked",), name, name) for name in names if is_id(name))
    for shelf in _SHELVES:
        with folder_below(store, "state", shelf) as folder:
            names = names_in(folder)
        for name in names:
            if is_id(name.removesuffix(".json")):
                yield ("state", shelf), name.removesuffix(".json"), name


def _open_to_readers(store: Path, group: int) -> None:
    """Make actions, addresses, keys and signatures readable by everyone; their owners stay the same."""
    inside = ((name, shelf) for name in ("acts", "signatures") for shelf in _SHELVES)
    for places in (("latest",), ("keys",), *inside):
        with folder_below(store, *places) as folder:
            for name in names_in(folder):
                _set_file(folder, name, -1, group, _FILE)


def _set_folder(store: Path, places: tuple[str, ...], group: int) -> None:
    """Create a shared folder if necessary, and give it to root."""
    with folder_below(store, *places[:-1]) as above:
        if places:
            with contextlib.suppress(FileExistsError):
                os.mkdir(places[-1], 0o700, dir_fd=above)
    with folder_below(store, *places) as folder:
        os.fchown(folder, 0, group)
        os.fchmod(folder, _SHARED)


def _set_file(folder: int, name: str, owner: int, group: int, mode: int) -> None:
    """Set the owner, group and mode of a plain file; raise an error for anything else."""
    with open_plain_file(folder, name) as file:
        os.fchown(file.fileno(), owner, group)
        os.fchmod(file.fileno(), stat.S_IMODE(mode))
