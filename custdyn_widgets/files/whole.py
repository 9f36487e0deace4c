"""Writing a file atomically, by creating it under a temporary name in the same folder and renaming it."""

from __future__ import annotations

import contextlib
import errno
import os
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
        The path of the file, in an existing folder.
    data
        The content of the file.
    new
        Whether to fail if the target exists, even if another process has just created it. On a file system
        without hard links, only a lock (`lock_folder`) guarantees this.
    follow
        Whether to follow links and to write to pipes and devices; otherwise, the file replaces them.
    private
        Whether only the owner may read the file, regardless of the umask.
    lasting
        Whether to sync the file to disk before returning.

    Raises
    ------
    OSError
        If the file cannot be written, or if `new` is set and the target exists (FileExistsError). No
        temporary file is left behind.
    """
    if follow:
        if target.exists() and not (target.is_file() or target.is_dir()):
            target.write_bytes(data)
            return
        target = target.resolve()
    aside = target.parent / f".{target.name}.{os.urandom(4).hex()}"
    try:
        create_file(aside, data, mode=0o600 if private else 0o666, lasting=lasting)
        if new:
            _link(aside, target)
        else:
            aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)
    if lasting:
        with contextlib.suppress(OSError):  # the file is in place; some file systems cannot sync folders
            sync_folder(target.parent)


def _link(aside: Path, target: Path) -> None:
    try:
        os.link(aside, target)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        aside.replace(target)  # the caller holds the lock, and the target did not exist
