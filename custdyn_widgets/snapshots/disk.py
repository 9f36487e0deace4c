"""File-system calls of the snapshot store: reading without following links, writing so that it lasts."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_MODE = 0o666  # less the umask; never an exec bit


class NotPlainError(Exception):
    """A name leads to something else than a plain file of one name."""


def reason(error: Exception) -> str:
    """Return in words why a file could not be used, without its path."""
    if isinstance(error, FileNotFoundError):
        return "is missing"
    if isinstance(error, OSError):
        return f"cannot be read ({error.strerror or type(error).__name__})"
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
            raise NotPlainError("was exchanged while it was opened")
        yield file


def names_in(folder: int) -> list[str]:
    """Return the names in an open folder, sorted."""
    return sorted(os.listdir(folder))


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, and make their names last."""
    try:
        folder.mkdir()
    except FileExistsError:
        return
    except FileNotFoundError:
        make_folder(folder.parent)
        make_folder(folder)
        return
    sync_folder(folder.parent)


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make a new folder with these files; return when all of it is on the disk."""
    folder.mkdir()
    for name, data in files.items():
        with os.fdopen(os.open(folder / name, _CREATE, _FILE_MODE), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    descriptor = os.open(folder, _FOLDER)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
