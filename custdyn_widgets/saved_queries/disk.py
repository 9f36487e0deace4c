"""Files of saved queries: plain ones are read, whole ones are written."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path

from custdyn_widgets.errors import SavedQueryError
from custdyn_widgets.files import sync_folder

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_MODE = 0o666  # less the umask
_NO_HARD_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


def reason(error: OSError) -> str:
    """Return in words why a call failed, without a path."""
    return error.strerror or type(error).__name__


def read_plain(folder: Path, file: str, most: int) -> bytes:
    """Return a file's bytes, if it is a plain file of the folder itself and not too large.

    Raises
    ------
    FileNotFoundError
        If there is none.
    SavedQueryError
        If it is a link, a device or larger than `most`, or cannot be read.
    """
    try:
        with os.fdopen(os.open(folder / file, _READ), "rb") as opened:
            if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
                raise SavedQueryError.unreadable(file, "is a device or a pipe, not a plain file")
            data = opened.read(most + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        followed = error.errno == errno.ELOOP
        why = "is a link, which is not followed" if followed else f"cannot be read: {reason(error)}"
        raise SavedQueryError.unreadable(file, why) from error
    if len(data) > most:
        raise SavedQueryError.unreadable(file, f"is larger than {most:,} bytes, so it is no saved query")
    return data


def put(target: Path, data: bytes, *, new: bool) -> None:
    """Put a whole file in its place.

    Parameters
    ----------
    target
        Its place, in a folder that is held by `alone`.
    data
        Its content.
    new
        Whether nothing may be there yet, not even a file by a writer who takes no lock.

    Raises
    ------
    OSError
        If the disk does not take it, or (FileExistsError) there is a file. Nothing is left behind.
    """
    aside = target.with_name(f".{target.name}.{os.urandom(8).hex()}")
    try:
        _write(aside, data)
        if new:
            _link(aside, target)
        else:
            aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # the file is in its place; some disks sync no folders
        sync_folder(target.parent)


def _write(file: Path, data: bytes) -> None:
    descriptor = os.open(file, _CREATE, _FILE_MODE)
    try:
        left = memoryview(data)
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _link(aside: Path, target: Path) -> None:
    try:
        os.link(aside, target)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        aside.replace(target)  # the lock is held, and nothing was there
