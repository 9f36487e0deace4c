"""Reusing freed memory."""

from __future__ import annotations

from functools import cache

import numpy as np

_LARGEST_KEPT = 31 * 2**20


@cache
def keep_freed_memory() -> None:
    """Make this process reuse the memory of freed arrays.

    By default, glibc returns every freed array of more than 128 KiB to the system, and mapping pages for new
    arrays takes 40% of the time of a report. Freeing a larger block raises that threshold, up to 32 MiB, so
    this function allocates and frees an array without writing to it. Other C libraries keep freed memory
    anyway.
    """
    np.empty(_LARGEST_KEPT, np.uint8)
