"""Deleting from the store: renaming an item hides it immediately, and then its files are removed.

Leftovers from killed processes are removed later: all of trash/, and unlocked items that have been in tmp/
for a day. The latter go through trash/ too, so that a publisher that resumes finds its folder either complete
or gone.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
import time
from pathlib import Path

from custdyn_widgets.files import folder_below, is_unlocked, make_folder, names_in

TMP, TRASH = "tmp", "trash"
_DAY_S = 24 * 60 * 60
_TRIES = 3


def move_to_trash(root: Path, shelf: tuple[str, ...], name: str) -> tuple[str, str]:
    """Move root/shelf…/name into the trash and return its location there, for `remove`.

    Raises
    ------
    FileNotFoundError
        If it does not exist.
    OSError
        If it could not be moved, or the move could not be synced.
    """
    place, token = _trash(root), secrets.token_hex(16)
    with folder_below(root, *shelf) as source, folder_below(root, place) as trash:
        os.rename(name, token, src_dir_fd=source, dst_dir_fd=trash)
        os.fsync(trash)
        os.fsync(source)
    return place, token


def remove(root: Path, place: str, name: str) -> None:
    """Remove an item from the trash, even if another process is removing it too."""
    with folder_below(root, place) as trash:
        for _ in range(_TRIES):
            with contextlib.suppress(FileNotFoundError):
                if stat.S_ISDIR(os.stat(name, dir_fd=trash, follow_symlinks=False).st_mode):
                    shutil.rmtree(name, dir_fd=trash)
                else:
                    os.unlink(name, dir_fd=trash)
                return


def sweep(root: Path) -> tuple[int, list[str]]:
    """Remove leftovers from killed processes; return how many were removed and a message for each failure."""
    swept, failed = 0, []
    for place, leftovers in ((TRASH, _in_trash), (TMP, _in_tmp)):
        try:
            names = leftovers(root)
        except OSError as error:
            failed.append(f"{place}/ in the store cannot be read: {error.strerror or error}.")
            continue
        for name in names:
            try:
                _remove_leftover(root, place, name)
                swept += 1
            except OSError as error:
                if isinstance(error, PermissionError) and not _is_own(root, place, name):
                    continue  # its owner's next prune removes it
                failed.append(f"{place}/{name} in the store cannot be removed: {error.strerror or error}.")
    return swept, failed


def _in_trash(root: Path) -> list[str]:
    try:
        with folder_below(root, TRASH) as trash:
            return names_in(trash)
    except FileNotFoundError:
        return []


def _in_tmp(root: Path) -> list[str]:
    try:
        with folder_below(root, TMP) as tmp:
            return [name for name in names_in(tmp) if _is_leftover(tmp, name)]
    except FileNotFoundError:
        return []


def _remove_leftover(root: Path, place: str, name: str) -> None:
    with contextlib.suppress(FileNotFoundError):  # another process removed it
        remove(root, *((place, name) if place == TRASH else move_to_trash(root, (place,), name)))


def _is_own(root: Path, place: str, name: str) -> bool:
    try:
        return (root / place / name).lstat().st_uid == os.geteuid()
    except OSError:
        return False


def _trash(root: Path) -> str:
    """Return the folder to use as trash: trash/, or tmp/ if the disk is too full to create it."""
    try:
        make_folder(root / TRASH)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        return TMP
    return TRASH


def _is_leftover(tmp: int, name: str) -> bool:
    """Return whether an item in tmp/ is a day old and unlocked."""
    try:
        modified = os.stat(name, dir_fd=tmp, follow_symlinks=False).st_mtime
    except FileNotFoundError:
        return False
    return modified < time.time() - _DAY_S and is_unlocked(tmp, name)
