"""Reading plain files and listing folders without following links."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

# Child processes do not inherit what Python opens, so O_CLOEXEC is not needed.
OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY
_READ = os.O_RDONLY | os.O_NOFOLLOW


class NotPlainError(Exception):
    """A name does not refer to a plain file, or the file has more than one hard link."""


class TooLargeError(NotPlainError):
    """A file is larger than the caller accepts."""


class ReplacedError(NotPlainError):
    """A file was replaced after it was inspected but before it was opened; try again to read the new file."""


def error_text(error: OSError) -> str:
    """Return why a system call failed, without naming a path."""
    return error.strerror or type(error).__name__


def reason(error: Exception) -> str:
    """Return the reason a file could not be used, without naming its path."""
    if isinstance(error, FileNotFoundError):
        return "is missing"
    if isinstance(error, OSError):
        return f"cannot be read ({error_text(error)})"
    return str(error)


def why_no_text(error: OSError | UnicodeDecodeError | RuntimeError) -> str:
    """Return why text could not be read from a path that may begin with `~name`, without naming the path."""
    if isinstance(error, OSError):
        return error_text(error)
    if isinstance(error, RuntimeError):
        return "the home folder that ~ stands for is unknown"
    return "it is not UTF-8 text"


@contextlib.contextmanager
def folder_below(root: Path, *names: str) -> Iterator[int]:
    """Open the folder root/names… without following symbolic links below root; yield its descriptor."""
    folder = os.open(root, OPEN_FOLDER)
    try:
        for name in names:
            inner = os.open(name, OPEN_FOLDER | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)


@contextlib.contextmanager
def open_plain_file(folder: int, name: str) -> Iterator[BinaryIO]:
    """Open a plain file in an open folder for reading.

    The file is checked before it is opened, because opening a pipe or device can block or have side effects,
    and again once it is open. A file with a second hard link is rejected, because its content could be
    changed through the other name.

    Raises
    ------
    NotPlainError
        If the file is a link, a folder or a device, or has a second hard link.
    """
    before = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if not stat.S_ISREG(before.st_mode):
        raise NotPlainError("is a link, a folder or a device, not a plain file")
    if before.st_nlink != 1:
        raise NotPlainError("has a second name (hard link)")
    with os.fdopen(os.open(name, _READ | os.O_NONBLOCK, dir_fd=folder), "rb") as file:
        after = os.fstat(file.fileno())
        if (after.st_dev, after.st_ino) != (before.st_dev, before.st_ino):
            raise ReplacedError("was replaced while it was being opened")
        yield file


def file_size(file: BinaryIO) -> int:
    """Return the size of an open file in bytes."""
    return os.fstat(file.fileno()).st_size


def plain_bytes(folder: int, name: str, most: int) -> bytes:
    """Return the content of a plain file.

    Raises
    ------
    NotPlainError
        As in `open_plain_file`, or if the file is larger than `most` bytes.
    """
    return owned_bytes(folder, name, most)[0]


def owned_bytes(folder: int, name: str, most: int) -> tuple[bytes, int]:
    """Return the content of a plain file, read as in `plain_bytes`, and the user id of its owner."""
    with open_plain_file(folder, name) as file:
        size = file_size(file)
        if size > most:  # a sparse file takes up little disk space, but its full size in memory
            raise NotPlainError(f"is {size:,} bytes long; at most {most:,} are allowed")
        return file.read(size), os.fstat(file.fileno()).st_uid


def read_plain(folder: Path, name: str, most: int) -> bytes:
    """Return the content of a plain file in a folder; unlike `open_plain_file`, allow hard links.

    Raises
    ------
    FileNotFoundError
        If it does not exist.
    NotPlainError
        If it is a symbolic link or a device, is larger than `most` bytes, or cannot be read.
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
        why = "is a link, which is not followed" if followed else f"cannot be read: {error_text(error)}"
        raise NotPlainError(why) from error
    if len(data) > most:
        raise TooLargeError(f"is larger than {most:,} bytes")
    return data


def names_in(folder: int) -> list[str]:
    """Return the names of the entries of an open folder, sorted."""
    return sorted(os.listdir(folder))


def names_two_levels_below(root: Path, top: str) -> list[tuple[str, str]]:
    """Return a pair (folder, name) for each entry two levels below root/top.

    If an entry of root/top cannot be opened as a folder, its pair has an empty name.
    """
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
    """Return whether a path exists, or True if that cannot be determined."""
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True
