"""How much memory this process may use, and how it reuses freed memory."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np

_LARGEST_KEPT = 31 * 2**20


@cache
def keep_freed_memory() -> None:
    """Make this process reuse the memory of freed arrays.

    By default, glibc returns every freed array of more than 128 KiB to the system, and mapping pages for new
    arrays takes 40% of a report's time. Freeing a larger block raises that threshold, up to 32 MiB, so
    this function allocates and frees an array without writing to it. Other C libraries keep freed memory
    anyway.
    """
    np.empty(_LARGEST_KEPT, np.uint8)


def memory_limit() -> int:
    """Return how many bytes this process may use: the machine's memory, or the lowest limit below it.

    The limits are those of the process (`ulimit`) and of its control group, such as a container's.
    """
    return min(_limits())


def _limits() -> Iterator[int]:
    yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA):
        soft, _ = resource.getrlimit(kind)
        if soft != resource.RLIM_INFINITY:
            yield soft
    for file in _limit_files():
        with contextlib.suppress(OSError, ValueError):  # no such file, or "max"
            yield int(file.read_text(encoding="ascii"))


def _limit_files(control_groups: Path = Path("/proc/self/cgroup")) -> Iterator[Path]:
    """Yield the files that may contain the limits of the process's control group and its ancestors."""
    try:
        lines = control_groups.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        root = Path("/sys/fs/cgroup", controllers)
        name = "memory.limit_in_bytes" if controllers else "memory.max"
        inner = root / group.lstrip("/")
        for folder in (inner, *inner.parents):
            if folder.is_relative_to(root):
                yield folder / name
