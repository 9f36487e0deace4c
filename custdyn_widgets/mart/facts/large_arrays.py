"""Arrays that may be larger than memory: each is then kept in a file without a name."""

from __future__ import annotations

import math
import mmap
import os
import tempfile
from typing import Any

import numpy as np
import numpy.typing as npt

from custdyn_widgets import settings
from custdyn_widgets.mart.facts.memory import memory_limit

_IN_MEMORY = 2**28  # bytes: larger arrays are kept in files
_SHARE = 32  # and those larger than this part of the memory that the process may use


class LargeArrays:
    """Allocates arrays; large ones are in files, which the system can drop from memory.

    The files are in the folder of the cache, which needs room for the finished facts anyway. They have no
    name, so that nothing is left behind if the process is killed. If there is no room, arrays stay in memory.
    """

    def __init__(self) -> None:
        self._maps: list[mmap.mmap] = []
        self._in_memory = min(_IN_MEMORY, memory_limit() // _SHARE)

    def empty(self, shape: int | tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Return an array whose values are not set."""
        kind = np.dtype(dtype)
        size = math.prod(np.atleast_1d(shape).tolist()) * kind.itemsize
        mapped = _mapped(size) if size > self._in_memory else None
        if mapped is None:
            return np.empty(shape, kind)
        self._maps.append(mapped)
        return np.ndarray(shape, kind, mapped)

    def leave_memory(self) -> None:
        """Let the system drop the arrays in files from memory; they are read again when they are used."""
        for mapped in self._maps:
            mapped.madvise(mmap.MADV_DONTNEED)


def _mapped(size: int) -> mmap.mmap | None:
    """Map a new file of this size, or return None if there is no room for it."""
    folder = settings.load().cache
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            os.posix_fallocate(file.fileno(), 0, size)  # a full disk would end the process at a later write
            return mmap.mmap(file.fileno(), size)
    except OSError:
        return None
