"""Putting a ledger's rows together by client, by time within: a counting scatter in blocks.

Where each client's rows will stand is known from their counts, so no row is ever compared with all
others. A block of rows is sorted by one integer that holds client and position, small enough for a
processor's cache, and each client's rows of the block go behind those of the blocks before.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from custdyn_widgets.mart.values import Codes, Int64s

_BITS = 16
_BLOCK = 1 << _BITS


class ByClient:
    """The order of rows by client and time.

    Parameters
    ----------
    client
        int32: the client of each row, as a position.
    time
        int64: the time of each row. A ledger mostly comes in order of time; one that does not is put in
        that order first.
    client_count
        How many clients there are; one may have no row.

    Attributes
    ----------
    offset
        int64[client_count + 1]: where each client's rows begin, and where the last one's end.
    """

    def __init__(self, client: Codes, time: Int64s, client_count: int) -> None:
        counts = np.bincount(client, minlength=client_count)
        self.offset: Int64s = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
        risen = bool((time[1:] >= time[:-1]).all())
        self._by_time = None if risen else np.argsort(time, kind="stable")
        self._client = client

    def arrange(self, *columns: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        """Return columns of the ledger with their rows in the new order."""
        arranged = [np.empty(len(column), column.dtype) for column in columns]
        free = self.offset[:-1].copy()
        for low in range(0, len(self._client), _BLOCK):
            rows: slice | Int64s = slice(low, low + _BLOCK)
            if self._by_time is not None:
                rows = self._by_time[rows]
            within, places = _place(self._client[rows], free)
            for column, out in zip(columns, arranged, strict=True):
                out[places] = column[rows][within]
        return arranged


def _place(client: Codes, free: Int64s) -> tuple[Int64s, Int64s]:
    """Return a block's rows in order of client, and the places where they go; takes up those places."""
    keys = (client.astype(np.int64) << _BITS) | np.arange(len(client))
    keys.sort()
    within, owner = keys & (_BLOCK - 1), keys >> _BITS
    begins = np.flatnonzero(np.append(True, owner[1:] != owner[:-1]))
    owners = owner[begins]
    lengths = np.diff(np.append(begins, len(owner)))
    places = np.arange(len(owner)) + np.repeat(free[owners] - begins, lengths)
    free[owners] += lengths
    return within, places
