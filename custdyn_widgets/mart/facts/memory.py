"""Keeping memory that is used again and again."""

from __future__ import annotations

from functools import cache

import numpy as np

_LARGEST_KEPT = 31 * 2**20


@cache
def keep_freed_memory() -> None:
    """Let this process keep the memory of arrays that it frees, for the next ones.

    The C library of Linux returns every array of more than 128 KiB to the system at once, and the next one
    is paid for again, page by page: 40 % of the time of a report. It learns from what is freed, up to
    32 MiB, how large the arrays of a process are; so one that is never written to is made and freed here.
    Other systems' libraries keep memory anyway.
    """
    np.empty(_LARGEST_KEPT, np.uint8)
