"""Conversions between Arrow, NumPy and Python that do not import pandas.

pyarrow imports pandas in `pa.array`, in `pa.scalar`, in an array's `to_numpy`, and wherever a function gets a
Python or NumPy value instead of an Arrow array or scalar. That takes longer than reading a million rows, and
most reports do not need pandas.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_Bools = npt.NDArray[np.bool_]


def to_numpy(column: pa.Array) -> npt.NDArray[Any]:
    """Return integers or floats as a NumPy array, which is read-only; what it has for nulls is undefined."""
    dtype = np.dtype(column.type.to_pandas_dtype())
    assert column.type.bit_width == 8 * dtype.itemsize, "booleans have one bit each: see `to_bools`"
    data = column.buffers()[1]
    if data is None or not len(column):
        return np.zeros(len(column), dtype)
    return np.frombuffer(data, dtype, len(column), column.offset * dtype.itemsize)


def to_bools(column: pa.Array) -> _Bools:
    """Return a boolean array without nulls as a writable NumPy array."""
    if not len(column):
        return np.zeros(0, np.bool_)
    start, end = column.offset, column.offset + len(column)
    packed = np.frombuffer(column.buffers()[1], np.uint8)[start // 8 : -(-end // 8)]
    # Arrow's own conversion takes ten times as long.
    return np.unpackbits(packed, count=end - start // 8 * 8, bitorder="little")[start % 8 :].view(np.bool_)


def codes_of(column: pa.DictionaryArray) -> npt.NDArray[Any]:
    """Return the position of each value in the dictionary, or -1 for nulls."""
    codes = column.indices
    return to_numpy(pc.fill_null(codes, scalar(-1, codes.type)))


def from_numpy(values: npt.NDArray[Any], valid: _Bools | None = None) -> pa.Array:
    """Return integers or floats as an Arrow array that shares their memory.

    Parameters
    ----------
    values
        The numbers.
    valid
        Which of them are not null; all if left out.
    """
    kind, buffers = pa.from_numpy_dtype(values.dtype), [None, pa.py_buffer(np.ascontiguousarray(values))]
    if valid is not None:
        buffers[0] = _packed(valid)
    return pa.Array.from_buffers(kind, len(values), buffers)


def from_bools(values: _Bools) -> pa.BooleanArray:
    """Return a mask as an Arrow array."""
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, _packed(values)])


def from_texts(texts: Sequence[str | None]) -> pa.LargeStringArray:
    """Return strings as an Arrow array."""
    encoded = [b"" if text is None else text.encode() for text in texts]
    ends = np.fromiter(accumulate(map(len, encoded), initial=0), np.int64, len(encoded) + 1)
    valid = _packed(np.array([text is not None for text in texts], np.bool_)) if None in texts else None
    data = pa.py_buffer(b"".join(encoded))
    return pa.Array.from_buffers(pa.large_string(), len(encoded), [valid, pa.py_buffer(ends), data])


def scalar(value: str | bool | int | float | None, kind: pa.DataType) -> pa.Scalar:
    """Return a value as an Arrow scalar."""
    if value is None:
        return pa.nulls(1, kind)[0]
    if isinstance(value, bool):
        return from_bools(np.array([value]))[0]
    return (from_texts([value]) if isinstance(value, str) else from_numpy(np.array([value]))).cast(kind)[0]


def distinct_values(values: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Return the position of each value among the distinct values, and these as they first appear.

    NumPy would sort the values, which takes much longer than Arrow's hash table if there are millions.
    """
    encoded = from_numpy(values).dictionary_encode()
    return to_numpy(encoded.indices), to_numpy(encoded.dictionary)


def _packed(values: _Bools) -> pa.Buffer:
    """Return a mask with one bit for each value."""
    return pa.py_buffer(np.packbits(values, bitorder="little"))
