"""Writing a file whole or not at all: beside its place first, then into it in one step."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from pathlib import Path

from custdyn_widgets.files.writing import create_file, sync_folder

_NO_HARD_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


def write_whole(
    target: Path,
    data: bytes,
    *,
    new: bool = False,
    follow: bool = False,
    private: bool = False,
    lasting: bool = True,
) -> None:
    """Put a whole file in its place.

    Parameters
    ----------
    target
        Its place, in a folder that is there.
    data
        Its content.
    new
        Whether nothing may be there yet, not even a file by a writer who takes no lock. Where the disk knows
        no hard links, only a lock (`lock_folder`) keeps that.
    follow
        Whether what a link leads to is written and the link stays, and a pipe or a device takes the bytes as
        it is; else the file takes the place of either.
    private
        Whether only its owner may read it, whatever the umask is.
    lasting
        Whether it is on the disk when this returns.

    Raises
    ------
    OSError
        If the disk does not take it, or (FileExistsError) there is a file. Nothing is left behind.
    """
    if follow:
        if target.exists() and not (target.is_file() or target.is_dir()):
            target.write_bytes(data)
            return
        target = target.resolve()
    aside = target.parent / f".{target.name}.{secrets.token_urlsafe(6)}"
    try:
        create_file(aside, data, mode=0o600 if private else 0o666, lasting=lasting)
        if new:
            _link(aside, target)
        else:
            aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)
    if lasting:
        with contextlib.suppress(OSError):  # the file is in its place; some disks sync no folders
            sync_folder(target.parent)


def _link(aside: Path, target: Path) -> None:
    try:
        os.link(aside, target)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        aside.replace(target)  # the lock is held, and nothing was there
