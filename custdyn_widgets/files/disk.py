"""File-system calls of the snapshot store: reading without following links, writing durably.

What is made has the modes that the umask leaves. Below a folder with the set-group-id bit, which is how a
group shares one, folders have that folder's own mode and files what of it is reading, whatever the umask is:
else each of the group could put nothing beside what another has made.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LOCK = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_MODE = 0o666  # less the umask; never an exec bit
_SHARED_FILE = 0o644
_LOCK_TRIES, _LOCK_PAUSE_S = 200, 0.05


class NotPlainError(Exception):
    """A name leads to something other than a plain file with one name."""


class TooLargeError(NotPlainError):
    """A file is larger than the limit for reading it."""


class ExchangedError(NotPlainError):
    """A file was replaced between looking at it and opening it; the next look finds the new one."""


def error_words(error: OSError) -> str:
    """Say why a call failed, without a path."""
    return error.strerror or type(error).__name__


def reason(error: Exception) -> str:
    """Say why a file could not be used, without its path."""
    if isinstance(error, FileNotFoundError):
        return "is missing"
    if isinstance(error, OSError):
        return f"cannot be read ({error_words(error)})"
    return str(error)


@contextlib.contextmanager
def folder_below(root: Path, *names: str) -> Iterator[int]:
    """Open the folder root/names…, none of the names being a symbolic link, as a descriptor."""
    folder = os.open(root, _FOLDER)
    try:
        for name in names:
            inner = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)


@contextlib.contextmanager
def plain_file(folder: int, name: str) -> Iterator[BinaryIO]:
    """Open a plain file in an open folder for reading.

    It is looked at before it is opened (opening a pipe or device can block or act), and again once it is
    open. A second hard link counts as not plain: whoever holds it could change the content unseen.

    Raises
    ------
    NotPlainError
        If it is a link, a folder or a device, or has a second name.
    """
    before = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if not stat.S_ISREG(before.st_mode):
        raise NotPlainError("is a link, a folder or a device, not a plain file")
    if before.st_nlink != 1:
        raise NotPlainError("has a second name (a hard link)")
    with os.fdopen(os.open(name, _READ | os.O_NONBLOCK, dir_fd=folder), "rb") as file:
        after = os.fstat(file.fileno())
        if (after.st_dev, after.st_ino) != (before.st_dev, before.st_ino):
            raise ExchangedError("was exchanged while it was opened")
        yield file


def size_of(file: BinaryIO) -> int:
    """Return how many bytes an open file has, without reading it."""
    return os.fstat(file.fileno()).st_size


def plain_bytes(folder: int, name: str, most: int) -> bytes:
    """Return what a plain file holds; errors as `plain_file`, also where that is more than `most`."""
    with plain_file(folder, name) as file:
        size = size_of(file)
        if size > most:  # a sparse file of a terabyte needs little disk but all of it in memory
            raise NotPlainError(f"has {size:,} bytes, of {most:,} at most")
        return file.read(size)


def read_plain(folder: Path, name: str, most: int) -> bytes:
    """Return the content of a plain file in a folder; hard links are allowed.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    NotPlainError
        If it is a link or a device, is larger than `most`, or cannot be read; the error says which.
    """
    try:
        with os.fdopen(os.open(folder / name, _READ | os.O_NONBLOCK), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise NotPlainError("is a device or a pipe, not a plain file")
            data = file.read(most + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        followed = error.errno == errno.ELOOP
        why = "is a link, which is not followed" if followed else f"cannot be read: {error_words(error)}"
        raise NotPlainError(why) from error
    if len(data) > most:
        raise TooLargeError(f"is larger than {most:,} bytes")
    return data


def names_in(folder: int) -> list[str]:
    """Return the names in an open folder, sorted."""
    return sorted(os.listdir(folder))


def names_two_below(root: Path, top: str) -> list[tuple[str, str]]:
    """Return (folder, name) of everything two levels below root/top; for a file there, the name is empty."""
    found: list[tuple[str, str]] = []
    try:
        with folder_below(root, top) as folder:
            outer = names_in(folder)
    except FileNotFoundError:
        return []
    for middle in outer:
        try:
            with folder_below(root, top, middle) as folder:
                found += [(middle, name) for name in names_in(folder)]
        except OSError:
            found.append((middle, ""))
    return found


def may_exist(path: Path) -> bool:
    """Return whether a path exists; true if the disk cannot say."""
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, and sync their names to the disk."""
    try:
        folder.mkdir()
    except FileExistsError:
        with contextlib.suppress(PermissionError):  # made by another process
            _share(folder)
        return
    except FileNotFoundError:
        make_folder(folder.parent)
        make_folder(folder)
        return
    _share(folder)
    sync_folder(folder.parent)


def _share(folder: Path) -> None:
    """Give a folder the mode of the shared one around it: its maker may have been killed before doing so."""
    shared, own = _shared_mode(folder.parent.stat()), folder.lstat().st_mode
    if shared and stat.S_ISDIR(own) and stat.S_IMODE(own) != shared:
        folder.chmod(shared)


def _shared_mode(folder: os.stat_result) -> int:
    """Return the mode of a folder that a group shares; 0 for any other."""
    mode = stat.S_IMODE(folder.st_mode)
    return mode if mode & stat.S_ISGID else 0


@contextlib.contextmanager
def written_folder(folder: Path, files: Mapping[str, bytes]) -> Iterator[None]:
    """Make a new folder with these files; inside the block, everything is on the disk.

    Until the block ends the folder is locked, so that `is_free` knows that its writer is at work.
    """
    folder.mkdir()
    own = os.open(folder, _FOLDER)
    try:
        shared = _shared_mode(folder.parent.stat())
        if shared:
            os.fchmod(own, shared)
        with contextlib.suppress(OSError):  # where it cannot be locked, its age alone protects it
            fcntl.flock(own, fcntl.LOCK_SH | fcntl.LOCK_NB)
        for name, data in files.items():
            create_file(name, data, folder=own)
        os.fsync(own)
        yield
    finally:
        with contextlib.suppress(OSError):  # nothing is left to be written through it
            os.close(own)


def clear_away(folder: Path) -> None:
    """Remove an unfinished folder as far as the disk allows; nobody reads the rest."""
    with contextlib.suppress(OSError):  # ignore_errors lets those of closing a folder through
        shutil.rmtree(folder, ignore_errors=True)


def is_free(folder: int, name: str) -> bool:
    """Return whether no writer is known to be at work in an entry of an open folder."""
    try:
        inner = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
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


def put_file(root: Path, aside: str, shelf: tuple[str, ...], name: str, data: bytes) -> None:
    """Put a whole file into root/shelf…, in one step from root/aside; return when it is on the disk."""
    make_folder(root / aside)
    make_folder(root.joinpath(*shelf))
    own = secrets.token_hex(16)
    with folder_below(root, aside) as source, folder_below(root, *shelf) as target:
        try:
            create_file(own, data, folder=source)
            os.rename(own, name, src_dir_fd=source, dst_dir_fd=target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(own, dir_fd=source)
            raise
        os.fsync(target)


def create_file(
    name: str | Path,
    data: bytes,
    *,
    folder: int | None = None,
    mode: int = _FILE_MODE,
    lasting: bool = True,
) -> None:
    """Write a file that is not there yet, and nothing through a link.

    Parameters
    ----------
    name, data
        Its place and its content.
    folder
        An open folder that the name is in; then the file has the mode that a shared folder gives it.
    mode
        The file's mode otherwise, less the umask.
    lasting
        Whether it is on the disk when this returns.
    """
    file = os.open(name, _CREATE, mode, dir_fd=folder)
    try:
        shared = 0 if folder is None else _shared_mode(os.fstat(folder))
        if shared:
            os.fchmod(file, shared & _SHARED_FILE)
        left = memoryview(data)
        while left:
            left = left[os.write(file, left) :]
        if lasting:
            os.fsync(file)
    finally:
        os.close(file)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    descriptor = os.open(folder, _FOLDER)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep every other writer of a folder waiting: threads, processes, other people's.

    Raises
    ------
    OSError
        If the folder cannot be locked, or another process holds the lock for ten seconds.
    """
    lock = os.open(folder / ".lock", _LOCK, _FILE_MODE)
    try:
        with contextlib.suppress(PermissionError):  # whoever may write in the folder may take its lock
            os.fchmod(lock, stat.S_IMODE(folder.stat().st_mode) & _FILE_MODE)
        for _ in range(_LOCK_TRIES):
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            time.sleep(_LOCK_PAUSE_S)
        else:
            raise OSError(errno.EAGAIN, "another process has been writing there for ten seconds")
        yield
    finally:
        os.close(lock)
