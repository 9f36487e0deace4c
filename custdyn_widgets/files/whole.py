"""Writing a file atomically: under a temporary name in the same folder, then renamed."""

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
    """Write a file atomically.

    Parameters
    ----------
    target
        Its path, in an existing folder.
    data
        Its content.
    new
        Whether to fail if the target exists, even if its writer took no lock. On a disk without hard links,
        only a lock (`lock_folder`) guarantees this.
    follow
        Whether to write through a link and into a pipe or a device; otherwise the file replaces them.
    private
        Whether only its owner may read it, regardless of the umask.
    lasting
        Whether to sync it to disk before returning.

    Raises
    ------
    OSError
        If it cannot be written, or (as FileExistsError) if the target exists. Nothing is left behind.
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
        with contextlib.suppress(OSError):  # the file is in place; some disks cannot sync folders
            sync_folder(target.parent)


def _link(aside: Path, target: Path) -> None:
    try:
        os.link(aside, target)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        aside.replace(target)  # the caller holds the lock, and the target did not exist
