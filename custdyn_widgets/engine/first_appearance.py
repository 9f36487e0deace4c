"""Distinct integers in the order in which they first appear."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from custdyn_widgets.mart import Int64s

_Positions = npt.NDArray[np.int32]


def distinct_values(values: Int64s) -> tuple[_Positions, Int64s]:
    """Return the position of each value among the distinct values, and the distinct values as they appear.

    NumPy would sort the values, which takes much longer than Arrow's hash table if there are millions.
    """
    import pyarrow as pa  # imported late, like everywhere in this room; `pa.array` would import pandas

    if not len(values):
        return np.zeros(0, np.int32), np.zeros(0, np.int64)
    buffer = pa.py_buffer(np.ascontiguousarray(values))
    encoded = pa.Array.from_buffers(pa.int64(), len(values), [None, buffer]).dictionary_encode()
    return _numbers(encoded.indices, np.int32), _numbers(encoded.dictionary, np.int64)


def _numbers(array: Any, dtype: type[np.integer]) -> npt.NDArray[Any]:
    return np.frombuffer(array.buffers()[1], dtype)[array.offset : array.offset + len(array)]
