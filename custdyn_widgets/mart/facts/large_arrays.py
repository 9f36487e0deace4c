"""Arrays that may be larger than memory, in files that have no name until they are saved."""

from __future__ import annotations

import math
import mmap
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from custdyn_widgets import settings
from custdyn_widgets.mart.facts.memory import memory_limit

_IN_MEMORY = 2**28  # bytes: larger arrays are stored in files
_SHARE = 32  # arrays larger than 1/_SHARE of the memory limit are also stored in files


class LargeArrays:
    """Allocates arrays; large ones are backed by files, so the system can evict them from memory.

    The files are in the cache folder, which needs room for the finished facts anyway. They have no names,
    so that nothing is left behind if the process is killed. If there is no room, arrays stay in memory.
    """

    def __init__(self) -> None:
        self._maps: list[_NamelessFile] = []
        self._in_memory = min(_IN_MEMORY, memory_limit() // _SHARE)

    def empty(self, shape: int | tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Return an uninitialized array."""
        kind = np.dtype(dtype)
        size = math.prod(np.atleast_1d(shape).tolist()) * kind.itemsize
        mapped = _mapped(size) if size > self._in_memory else None
        if mapped is None:
            return np.empty(shape, kind)
        self._maps.append(mapped)
        return np.ndarray(shape, kind, mapped)

    def leave_memory(self) -> None:
        """Let the system evict the file-backed arrays from memory; they are read again when used."""
        for mapped in self._maps:
            mapped.madvise(mmap.MADV_DONTNEED)


class _NamelessFile(mmap.mmap):
    """A new file without a name, mapped into memory; it is closed with the mapping."""

    def __init__(self, descriptor: int, _size: int) -> None:
        self.descriptor = descriptor

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        close(self.descriptor)


def save_array(path: Path, array: npt.NDArray[Any]) -> None:
    """Write an array to a new file that ends with the array's values.

    If the array is already in a file on the same disk, that file gets the name, and nothing is written.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    kept = array.base
    if not isinstance(kept, _NamelessFile) or array.nbytes != len(kept) or not _named(kept.descriptor, path):
        np.save(path, array)


def _named(descriptor: int, path: Path) -> bool:
    """Try to give a nameless file this path, and return whether it worked."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        # With a folder descriptor, Python calls linkat, which can follow the link in /proc.
        os.link(f"/proc/self/fd/{descriptor}", path.name, dst_dir_fd=folder, follow_symlinks=True)
    except OSError:
        return False
    finally:
        os.close(folder)
    return True


def _mapped(size: int) -> _NamelessFile | None:
    """Map a new file of this size; return None if there is no room for it."""
    folder = settings.load().cache
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDWR | os.O_TMPFILE, 0o666)
    except OSError:
        return None
    try:
        os.posix_fallocate(descriptor, 0, size)  # otherwise, a full disk would kill the process later
        return _NamelessFile(descriptor, size)
    except OSError:
        os.close(descriptor)
        return None
