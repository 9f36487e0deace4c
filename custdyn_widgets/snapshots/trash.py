"""Deleting in the store: one rename takes something out of sight, and then it is removed.

What a killed process left is removed later: all of trash/, and what has been in tmp/ for a day and is
nobody's any more. It goes through trash/ too, so that a publisher that comes back after all finds its folder
whole or not at all.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
import time
from pathlib import Path

from custdyn_widgets.snapshots.disk import folder_below, is_free, make_folder, names_in

TMP, TRASH = "tmp", "trash"
_DAY_S = 24 * 60 * 60
_TRIES = 3


def throw_away(root: Path, shelf: tuple[str, ...], name: str) -> str:
    """Move root/shelf…/name into the trash, for good, and return its name there; `remove` ends it.

    Raises
    ------
    FileNotFoundError
        If it is not there.
    OSError
        If it could not be moved, or the disk does not say that it was.
    """
    make_folder(root / TRASH)
    token = secrets.token_hex(16)
    with folder_below(root, *shelf) as source, folder_below(root, TRASH) as trash:
        os.rename(name, token, src_dir_fd=source, dst_dir_fd=trash)
        os.fsync(trash)
        os.fsync(source)
    return token


def remove(root: Path, name: str) -> None:
    """Remove something from the trash; somebody else may be at it as well."""
    with folder_below(root, TRASH) as trash:
        for _ in range(_TRIES):
            with contextlib.suppress(FileNotFoundError):
                if stat.S_ISDIR(os.stat(name, dir_fd=trash, follow_symlinks=False).st_mode):
                    shutil.rmtree(name, dir_fd=trash)
                else:
                    os.unlink(name, dir_fd=trash)
                return


def leftovers(root: Path) -> list[tuple[str, str]]:
    """Return (tmp or trash, name) of what processes that were killed have left."""
    found: list[tuple[str, str]] = []
    with contextlib.suppress(FileNotFoundError), folder_below(root, TRASH) as trash:
        found += [(TRASH, name) for name in names_in(trash)]
    with contextlib.suppress(FileNotFoundError), folder_below(root, TMP) as tmp:
        found += [(TMP, name) for name in names_in(tmp) if _is_left(tmp, name)]
    return found


def sweep(root: Path, left: tuple[str, str]) -> None:
    """Remove one of the `leftovers`, unless somebody else has removed it.

    Raises
    ------
    OSError
        If it cannot be removed.
    """
    place, name = left
    with contextlib.suppress(FileNotFoundError):
        remove(root, name if place == TRASH else throw_away(root, (TMP,), name))


def _is_left(tmp: int, name: str) -> bool:
    """Return whether something in tmp/ is a day old and nobody holds it."""
    try:
        modified = os.stat(name, dir_fd=tmp, follow_symlinks=False).st_mtime
    except FileNotFoundError:
        return False
    return modified < time.time() - _DAY_S and is_free(tmp, name)
