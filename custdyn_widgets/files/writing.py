"""Writing files and folders so that they survive a crash, and locking folders.

New files and folders follow the umask, except below a folder with the setgid bit: such a folder is shared by
a group. There, new folders inherit the mode of their parent, so that every member can add files. New files
inherit the folder's read bits, so that every member can read them, but only their owner can write to them.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import stat
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from custdyn_widgets.files.reading import OPEN_FOLDER, folder_below

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL  # O_EXCL does not follow links
_LOCK = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
_FILE_MODE = 0o666  # minus the umask; never executable
_SHARED_FILE = 0o644
_PRIVATE_FILE, _SHARED_PRIVATE_FILE = 0o600, 0o640
_LOCK_TRIES, _LOCK_PAUSE_S = 200, 0.05


def make_folder(folder: Path) -> None:
    """Create a folder and its parents, and sync their names to disk."""
    try:
        folder.mkdir()
    except FileExistsError:
        with contextlib.suppress(PermissionError):  # owned by another user
            _share(folder)
        return
    except FileNotFoundError:
        make_folder(folder.parent)
        make_folder(folder)
        return
    _share(folder)
    sync_folder(folder.parent)


def _share(folder: Path) -> None:
    """Give a folder its parent's mode if the parent is shared.

    An existing folder may have a different mode if the process that created it was killed.
    """
    shared, own = _shared_mode(folder.parent.stat()), folder.lstat().st_mode
    if shared and stat.S_ISDIR(own) and stat.S_IMODE(own) != shared:
        folder.chmod(shared)


def _shared_mode(folder: os.stat_result) -> int:
    """Return the mode of a folder that is shared by a group, or 0 for any other folder."""
    mode = stat.S_IMODE(folder.st_mode)
    return mode if mode & stat.S_ISGID else 0


@contextlib.contextmanager
def new_folder(folder: Path, files: Mapping[str, bytes], private: Collection[str] = ()) -> Iterator[None]:
    """Create a folder with the given files, all synced to disk before the block begins.

    Files named in `private` can be read only by their owner and, in a shared folder, by its group.

    The folder stays locked until the block ends, so that `is_unlocked` is False while its writer is active.
    """
    folder.mkdir()
    own = os.open(folder, OPEN_FOLDER)
    try:
        shared = _shared_mode(folder.parent.stat())
        if shared & stat.S_ISVTX:  # a new folder in a sticky folder is writable only by its owner
            shared &= ~(stat.S_ISVTX | stat.S_IWGRP)
        if shared:
            os.fchmod(own, shared)
        with contextlib.suppress(OSError):  # without a lock, only the folder's age protects it from removal
            fcntl.flock(own, fcntl.LOCK_SH | fcntl.LOCK_NB)
        for name, data in files.items():
            create_file(name, data, folder=own, mode=_PRIVATE_FILE if name in private else _FILE_MODE)
        os.fsync(own)
        yield
    finally:
        with contextlib.suppress(OSError):  # all data has been written
            os.close(own)


def remove_folder(folder: Path) -> None:
    """Remove as much of an unfinished folder as possible; whatever remains is never read."""
    with contextlib.suppress(OSError):  # ignore_errors does not cover closing a folder
        shutil.rmtree(folder, ignore_errors=True)


def put_file(root: Path, aside: str, shelf: tuple[str, ...], name: str, data: bytes) -> None:
    """Write a file in root/aside, move it atomically to root/shelf/…, and sync it to disk.

    Raises
    ------
    OSError
        If that fails; the error's `filename` is the full path of the file or folder that caused it.
    """
    own = os.urandom(16).hex()
    try:
        make_folder(root / aside)
        make_folder(root.joinpath(*shelf))
        with folder_below(root, aside) as source, folder_below(root, *shelf) as target:
            try:
                create_file(own, data, folder=source)
                os.rename(own, name, src_dir_fd=source, dst_dir_fd=target)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(own, dir_fd=source)
                raise
            os.fsync(target)
    except OSError as error:
        if error.filename2 == name:
            error.filename = str(root.joinpath(*shelf, name))
            del error.filename2
        elif error.filename in (own, aside):
            error.filename = str(root / aside)
        elif error.filename in shelf:  # opened relative to the folder above
            error.filename = str(root.joinpath(*shelf[: shelf.index(error.filename) + 1]))
        raise


def create_file(
    name: str | Path,
    data: bytes,
    *,
    folder: int | None = None,
    mode: int = _FILE_MODE,
    lasting: bool = True,
) -> None:
    """Create a file, without overwriting a file or following a link.

    Parameters
    ----------
    name, data
        The path and the content of the file.
    folder
        An open folder that the name is relative to. If it is shared, the file inherits its read bits.
    mode
        The mode of the file, before the umask is applied. In a shared folder, it only determines whether the
        file is private.
    lasting
        Whether to sync the file to disk before returning.
    """
    file = os.open(name, _CREATE, mode, dir_fd=folder)
    try:
        shared = 0 if folder is None else _shared_mode(os.fstat(folder))
        if shared:
            os.fchmod(file, shared & (_SHARED_PRIVATE_FILE if mode == _PRIVATE_FILE else _SHARED_FILE))
        left = memoryview(data)
        while left:
            left = left[os.write(file, left) :]
        if lasting:
            os.fsync(file)
    finally:
        os.close(file)


def sync_folder(folder: Path) -> None:
    """Sync a folder's directory entries to disk."""
    descriptor = os.open(folder, OPEN_FOLDER)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Lock a folder against all other writers, including other threads and other users.

    Raises
    ------
    OSError
        If the folder cannot be locked, or another writer holds the lock for ten seconds.
    """
    lock = os.open(folder / ".lock", _LOCK, _FILE_MODE)
    try:
        with contextlib.suppress(PermissionError):  # anyone who can write to the folder may lock it
            os.fchmod(lock, stat.S_IMODE(folder.stat().st_mode) & _FILE_MODE)
        for _ in range(_LOCK_TRIES):
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            time.sleep(_LOCK_PAUSE_S)
        else:
            raise OSError(errno.EAGAIN, "another process has been writing to the folder for ten seconds")
        yield
    finally:
        os.close(lock)


def is_unlocked(folder: int, name: str) -> bool:
    """Return whether a folder inside an open folder is unlocked, or True if that cannot be determined."""
    try:
        inner = os.open(name, OPEN_FOLDER | os.O_NOFOLLOW, dir_fd=folder)
    except OSError:
        return True
    try:
        fcntl.flock(inner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        os.close(inner)
    return True
