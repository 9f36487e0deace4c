"""Arrow columns: conversion, blanks, and lookup of strings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]

_LARGE = 2**31  # bytes: the maximum size of a string array


def plain(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array, decoded unless it is a dictionary of text."""
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        if kind.extension_name == "arrow.uuid":
            return pa.array([v and str(v) for v in column.to_pylist()], pa.large_string())
        return plain(pa.chunked_array([chunk.storage for chunk in column.chunks], kind.storage_type))
    if pa.types.is_dictionary(kind):
        if pa.types.is_string_view(kind.value_type):  # from Polars; Arrow cannot cast them
            return plain(_without_views(column))
        if not is_text(kind.value_type) or any(chunk.dictionary.null_count for chunk in column.chunks):
            return plain(column.cast(kind.value_type))  # Arrow cannot unify dictionaries with nulls
        return _one_chunk(column.unify_dictionaries())
    if pa.types.is_run_end_encoded(kind):
        return plain(pc.run_end_decode(column))
    if pa.types.is_string_view(kind) or (pa.types.is_string(kind) and column.nbytes >= _LARGE):
        column = column.cast(pa.large_string())
    return _one_chunk(column)


def _without_views(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Convert a dictionary of string views to one of large strings."""
    chunks = [
        pa.DictionaryArray.from_arrays(chunk.indices, chunk.dictionary.cast(pa.large_string()))
        for chunk in column.chunks
    ]
    return pa.chunked_array(chunks, pa.dictionary(column.type.index_type, pa.large_string()))


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    if column.num_chunks == 0:  # older versions of Arrow cannot combine zero chunks of a dictionary
        return pa.nulls(0, column.type)
    if column.num_chunks == 1:
        return column.chunk(0)
    chunks = [chunk for chunk in column.chunks if len(chunk)]  # Arrow fails to join some empty ones
    return pa.chunked_array(chunks or column.chunks[:1], column.type).combine_chunks()


def decoded(column: pa.Array) -> pa.Array:
    """Return a dictionary column as plain values; return any other column unchanged."""
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def as_text(column: pa.Array) -> pa.Array:
    """Return a column as text; whole numbers have no decimal point, and blanks are null or empty."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return column
    if pa.types.is_floating(kind):
        # pandas stores an integer column with gaps as floats: 10.0 is the id 10.
        column = pc.if_else(pc.is_nan(column), None, column)
        if _all_whole(column):
            column = column.cast(pa.int64())
    elif pa.types.is_decimal(kind) and kind.scale > 0 and _all_whole(column):
        column = column.cast(pa.decimal256(76, 0))
    return column if is_text(column.type) else column.cast(pa.large_string())


def _all_whole(column: pa.Array) -> bool:
    return pc.all(pc.equal(pc.floor(column), column), min_count=0).as_py() is not False


def blanks(column: pa.Array, *, of_numbers: bool = False) -> Bools:
    """Return a mask of the values that are null, empty or white space.

    A NaN is blank unless `of_numbers` is set, because a column of ids with gaps may be stored as floats.
    (Values that pandas treats as missing are already null.)
    """
    kind = column.type
    if pa.types.is_dictionary(kind) and (of_values := blanks(column.dictionary)).any():
        return _of_rows(column, of_values, True)
    nan_is_null = pa.types.is_floating(kind) and not of_numbers
    if column.null_count or nan_is_null:
        missing = to_bools(pc.is_null(column, nan_is_null=nan_is_null))
    else:
        missing = np.zeros(len(column), np.bool_)
    if is_text(kind) and len(column):
        starts, content = _bytes(column)
        missing |= starts[1:] == starts[:-1]
        if content.min(initial=0xFF) <= ord(" ") or content.max(initial=0) >= 0x80:
            # Only text that starts with white space or a non-ASCII byte can be blank: few rows, if any.
            begins = content.take(starts[:-1] - starts[0], mode="clip")
            doubtful = np.flatnonzero(((begins <= ord(" ")) | (begins >= 0x80)) & ~missing)
            inked = pc.match_substring_regex(column.take(pa.array(doubtful)), r"\S")
            missing[doubtful] = ~to_bools(inked)
    return missing


def to_bools(column: pa.Array) -> Bools:
    """Return a boolean array without nulls as a writable NumPy array."""
    return np.array(column.to_numpy(zero_copy_only=False), dtype=np.bool_)


def _bytes(column: pa.Array) -> tuple[npt.NDArray[Any], npt.NDArray[np.uint8]]:
    """Return the offsets of the strings and of their end, and the bytes from the first string on."""
    width = np.int64 if pa.types.is_large_string(column.type) else np.int32
    _, offsets, data = column.buffers()
    starts = np.frombuffer(offsets, width)[column.offset : column.offset + len(column) + 1]
    content = np.frombuffer(data if data else b"", np.uint8)
    return starts, content[starts[0] : starts[-1]]


def positions(text: pa.Array, known: pa.Array | Sequence[str]) -> Codes:
    """Return the position of each string among the known ones, or -1."""
    if pa.types.is_dictionary(text.type):
        return _of_rows(text, positions(text.dictionary, known), -1)
    known = decoded(known) if isinstance(known, pa.Array) else pa.array(known, pa.large_string())
    found = pc.index_in(text, value_set=known.cast(text.type))
    return np.asarray(pc.fill_null(found, -1).to_numpy(zero_copy_only=False), np.int32)


class PositionLookup:
    """Looks up strings among known ones, batch by batch.

    The result for the last dictionary is kept, because the batches of a row group share one dictionary.
    """

    def __init__(self, known: pa.Array | Sequence[str]) -> None:
        self._known = known
        self._last: pa.Array | None = None
        self._codes: Codes = np.empty(0, np.int32)

    def positions(self, text: pa.Array) -> Codes:
        """Return the position of each string among the known ones, or -1."""
        if not pa.types.is_dictionary(text.type):
            return positions(text, self._known)
        if self._last is None or not text.dictionary.equals(self._last):
            self._last, self._codes = text.dictionary, positions(text.dictionary, self._known)
        return _of_rows(text, self._codes, -1)


def _of_rows(column: pa.DictionaryArray, of_values: npt.NDArray[Any], of_null: object) -> npt.NDArray[Any]:
    """Return one value per row, given the values for the dictionary and the value for null."""
    rows = column.indices
    if rows.null_count:
        of_values = np.append(of_values, np.asarray([of_null], of_values.dtype))
        if rows.type.bit_width < 32:  # all codes of this type may be in use
            rows = rows.cast(pa.int32())
        rows = pc.fill_null(rows, len(of_values) - 1)
    # Other modes check each index first, which takes twice as long.
    found: npt.NDArray[Any] = of_values.take(rows.to_numpy(zero_copy_only=False), mode="clip")
    return found


def is_text(kind: pa.DataType) -> bool:
    """Return whether a type is plain text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
