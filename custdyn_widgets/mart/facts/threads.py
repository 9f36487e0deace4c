"""Processing the pieces or batches of a ledger in several threads; results come in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from custdyn_widgets.mart.reading.stored import Piece, StoredTable

T = TypeVar("T")


def threads() -> int:
    """Return the number of worker threads: one per core, but at most 4, because each uses memory."""
    return min(len(os.sched_getaffinity(0)), 4)


def in_threads(work: Callable[[Piece], T], pieces: Sequence[Piece]) -> Generator[T]:
    """Yield the result for each piece in order; when closed, cancel the pieces not yet started."""
    pool = ThreadPoolExecutor(threads())
    try:
        for future in [pool.submit(work, piece) for piece in pieces]:
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def map_in_threads(work: Callable[[StoredTable], T], batches: Iterable[StoredTable]) -> Generator[T]:
    """Yield the result for each batch in order; at most `threads() + 2` batches are in memory.

    An error while reading is raised at once, before the results of batches that are still being processed.
    """
    pool = ThreadPoolExecutor(threads())
    begun: deque[Future[T]] = deque()
    try:
        for batch in batches:
            if len(begun) > threads():
                yield begun.popleft().result()
            begun.append(pool.submit(work, batch))
        while begun:
            yield begun.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
