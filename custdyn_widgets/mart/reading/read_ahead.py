"""Read the first batches of a ledger in the background, while the other tables are checked.

Nothing here may import a module: if an import that two threads wait for is interrupted, Python may never
release its lock.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

from custdyn_widgets.mart.reading.stored import Piece, StoredLedger, StoredTable

_ROWS = 2**21  # more than are read while small tables are checked, and few enough to fit in memory


@contextmanager
def read_ahead(ledger: StoredLedger, threads: int) -> Iterator[StoredLedger]:
    """Yield a ledger while the first batches of its first pieces, one for each thread, are read.

    One thread fewer reads them, but at least one, so that the calling thread has a core of its own.
    """
    with ThreadPoolExecutor(max(threads - 1, 1)) as pool:
        first = ledger.pieces[:threads]
        ahead = [_ReadAhead(piece, pool, _ROWS // len(first)) for piece in first]
        try:
            yield replace(ledger, pieces=(*ahead, *ledger.pieces[threads:]))
        finally:
            for piece in reversed(ahead):  # so that no thread begins another one
                piece.close()


class _ReadAhead:
    """A piece that is read ahead, unless a reader comes first.

    Only its first reader gets the batches read so far.
    """

    def __init__(self, piece: Piece, pool: ThreadPoolExecutor, rows: int) -> None:
        self._piece, self._is_wanted = piece, True
        self._begun: Future[_Begun] | None = pool.submit(_Begun, piece, rows, lambda: self._is_wanted)
        self._lock = threading.Lock()

    def __call__(self) -> Iterator[StoredTable]:
        begun = self._taken()
        return self._piece() if begun is None or begun.cancel() else begun.result().batches()

    def close(self) -> None:
        """Free what was read if nobody wanted it."""
        self._is_wanted = False
        begun = self._taken()
        if begun and not begun.cancel():
            begun.result().close()

    def _taken(self) -> Future[_Begun] | None:
        with self._lock:
            begun, self._begun = self._begun, None
        return begun


class _Begun:
    """The first batches of a piece, or the error that ended them, and an iterator over the others."""

    def __init__(self, piece: Piece, most: int, is_wanted: Callable[[], bool]) -> None:
        self._first: deque[StoredTable] = deque()
        self._error: Exception | None = None
        self._others = iter(piece())
        try:
            rows = 0
            while rows < most and is_wanted() and (batch := next(self._others, None)) is not None:
                self._first.append(batch)
                rows += batch.data.num_rows
        except Exception as error:
            self._error = error

    def batches(self) -> Iterator[StoredTable]:
        """Yield all batches, and then raise the error, if any."""
        while self._first:
            yield self._first.popleft()
        if self._error:
            raise self._error
        yield from self._others

    def close(self) -> None:
        """Free the batches, and close the file."""
        self._first.clear()
        self._others = iter(())
