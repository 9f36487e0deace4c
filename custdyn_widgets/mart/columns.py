"""Converting Arrow columns, and finding blanks in them."""

from __future__ import annotations

import contextlib
import functools
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from custdyn_widgets.mart.arrow_arrays import from_numpy, scalar, to_bools, to_numpy
from custdyn_widgets.mart.nested_views import widened
from custdyn_widgets.mart.text_lookup import text_bytes

Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]

_LARGE = 2**31  # bytes: the maximum size of a string array
_MOST_REMOVED = 20  # decimal places: with more, doubles would not be precise enough to check a quotient
_NIL_UUID = pa.Array.from_buffers(pa.binary(16), 1, [None, pa.py_buffer(bytes(16))])[0]
_UUID_STARTS = (0, 4, 9, 14, 19, 24, 28, 32)  # of groups of four digits in 8-4-4-4-12
_UUID_GROUPS = np.dtype(
    {"names": [f"at_{start}" for start in _UUID_STARTS], "formats": ["<u4"] * 8, "offsets": _UUID_STARTS}
)


def plain(column: pa.ChunkedArray, *, uuids: bool = False) -> pa.Array:
    """Return a column as one array, decoded unless it is a dictionary of text.

    UUIDs become text unless `uuids` is set.

    Types that Arrow can store but not compute with are converted to wider ones: views, half floats, short
    decimals and dictionaries of lists or structs.
    """
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        if is_uuid(kind):
            return _one_chunk(column) if uuids else _uuids_as_text(_one_chunk(_storage(column)))
        return plain(_storage(column))
    if pa.types.is_dictionary(kind):
        if pa.types.is_string_view(kind.value_type):  # from Polars; Arrow cannot cast them
            return plain(_without_views(column))
        if pa.types.is_nested(kind.value_type):  # Arrow cannot cast them
            return plain(_taken(column))
        if not is_text(kind.value_type) or any(chunk.dictionary.null_count for chunk in column.chunks):
            return plain(column.cast(kind.value_type))  # Arrow cannot unify dictionaries with nulls
        return _one_chunk(column.unify_dictionaries())
    if pa.types.is_run_end_encoded(kind):
        return plain(pc.run_end_decode(column))
    if pa.types.is_binary_view(kind):
        column = column.cast(pa.large_binary())
    elif pa.types.is_decimal(kind) and kind.bit_width < 128:
        column = column.cast(pa.decimal128(kind.precision, kind.scale))
    elif pa.types.is_float16(kind):
        column = column.cast(pa.float32())
    elif pa.types.is_nested(kind):
        column = widened(column)
    elif pa.types.is_string_view(kind) or (pa.types.is_string(kind) and column.nbytes >= _LARGE):
        column = column.cast(pa.large_string())
    return _one_chunk(column)


def _storage(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pa.chunked_array([chunk.storage for chunk in column.chunks], column.type.storage_type)


def _uuids_as_text(column: pa.Array) -> pa.Array:
    """Return UUIDs, stored as 16 bytes each, as text."""
    count = len(column)
    filled = pc.fill_null(column, _NIL_UUID)
    pairs = np.frombuffer(filled.buffers()[1], "<u2", 8 * count, 16 * filled.offset).reshape(-1, 8)
    text = np.full(36 * count, ord("-"), np.uint8)
    groups, digits = text.view(_UUID_GROUPS), _digits_of_pairs()
    for number, name in enumerate(_UUID_GROUPS.names or ()):
        groups[name] = digits.take(pairs[:, number])
    ends = pa.py_buffer(np.arange(0, 36 * (count + 1), 36))
    found = pa.LargeStringArray.from_buffers(count, ends, pa.py_buffer(text))
    return pc.if_else(column.is_valid(), found, scalar(None, found.type)) if column.null_count else found


@functools.cache
def _digits_of_pairs() -> npt.NDArray[np.uint32]:
    """Return the four hexadecimal digits of each pair of bytes."""
    return np.frombuffer("".join(f"{pair & 255:02x}{pair >> 8:02x}" for pair in range(2**16)).encode(), "<u4")


def _without_views(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Convert a dictionary column from string views to large strings."""
    chunks = [
        pa.DictionaryArray.from_arrays(chunk.indices, chunk.dictionary.cast(pa.large_string()))
        for chunk in column.chunks
    ]
    return pa.chunked_array(chunks, pa.dictionary(column.type.index_type, pa.large_string()))


def _taken(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the values of a dictionary column of any type."""
    chunks = [chunk.dictionary.take(chunk.indices) for chunk in column.chunks]
    return pa.chunked_array(chunks, column.type.value_type)


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    if column.num_chunks == 0:  # older versions of Arrow cannot combine zero chunks of a dictionary
        return pa.nulls(0, column.type)
    if column.num_chunks == 1:
        return column.chunk(0)
    chunks = [chunk for chunk in column.chunks if len(chunk)]  # Arrow cannot combine some empty chunks
    return pa.chunked_array(chunks or column.chunks[:1], column.type).combine_chunks()


def decoded(column: pa.Array) -> pa.Array:
    """Return a dictionary column as plain values; return any other column unchanged."""
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def as_text(column: pa.Array) -> pa.Array:
    """Return a column as text; whole numbers have no decimal point, and blanks are null or empty."""
    kind = column.type
    if is_uuid(kind):
        return _uuids_as_text(column.storage)
    if pa.types.is_dictionary(kind):
        return column
    if pa.types.is_floating(kind):
        # pandas stores an integer column with missing values as floats: 10.0 is the id 10.
        column = pc.if_else(pc.is_nan(column), scalar(None, kind), column)
        if all_whole(column):
            column = column.cast(pa.int64())
    elif pa.types.is_decimal(kind) and kind.scale > 0 and all_whole(column):
        column = column.cast(pa.decimal256(76, 0))
    return column if is_text(column.type) else column.cast(pa.large_string())


def all_whole(column: pa.Array) -> bool:
    """Return whether all values in a numeric column are whole."""
    return pc.all(pc.equal(pc.floor(column), column), min_count=0).as_py() is not False


def blanks(column: pa.Array, *, of_numbers: bool = False) -> Bools:
    """Return a mask of the values that are null, empty or only white space.

    Unless `of_numbers` is set, NaN is blank, because ids with missing values may be stored as floats.
    (Values that pandas treats as missing are already null.)
    """
    kind = column.type
    if pa.types.is_dictionary(kind) and (of_values := blanks(column.dictionary)).any():
        return of_rows(column, of_values, True)
    nan_is_null = pa.types.is_floating(kind) and not of_numbers
    if column.null_count or nan_is_null:
        missing = to_bools(pc.is_null(column, nan_is_null=nan_is_null))
    else:
        missing = np.zeros(len(column), np.bool_)
    if is_text(kind) and len(column):
        starts, content = text_bytes(column)
        missing |= starts[1:] == starts[:-1]
        if content.min(initial=0xFF) <= ord(" ") or content.max(initial=0) >= 0x80:
            # Only text starting with white space or a non-ASCII byte can be blank; few rows start that way.
            begins = content.take(starts[:-1] - starts[0], mode="clip")
            doubtful = np.flatnonzero(((begins <= ord(" ")) | (begins >= 0x80)) & ~missing)
            has_text = pc.match_substring_regex(column.take(from_numpy(doubtful)), r"\S")
            missing[doubtful] = ~to_bools(has_text)
    return missing


def as_numbers(column: pa.Array, *, unsigned: bool = False) -> pa.Array | None:
    """Return integers or decimals as int64, or None if a value is not whole or does not fit.

    With `unsigned`, the result is uint64 if the values fit in that type but not in int64. UUIDs, which are
    128-bit numbers, are returned unchanged. For other types, the result is None.
    """
    kind = column.type
    if is_uuid(kind):
        return column
    if not (pa.types.is_integer(kind) or (pa.types.is_decimal(kind) and kind.scale >= 0)):
        return None
    if pa.types.is_decimal(kind) and (found := scaled(column, 0)) is not None:
        return from_numpy(found, to_bools(column.is_valid()) if column.null_count else None)
    for numbers in (pa.int64(), pa.uint64()) if unsigned else (pa.int64(),):
        with contextlib.suppress(pa.ArrowInvalid):
            return column.cast(numbers)
    return None


def scaled(column: pa.Array, places: int) -> Int64s | None:
    """Return integers or decimals multiplied by 10**`places` as int64, with 0 for nulls.

    The result is None if a product is not whole or does not fit, or if more than 20 decimal places have to be
    removed. Arrow's casts are also exact, but take more than ten times as long.
    """
    kind = column.type
    if pa.types.is_decimal128(kind):
        return _scaled_decimals(column, places - kind.scale)
    if not pa.types.is_integer(kind) or kind == pa.uint64():
        return None
    column = pc.fill_null(column, scalar(0, kind)) if column.null_count else column
    return _multiplied(np.asarray(to_numpy(column), np.int64), places)


def _scaled_decimals(column: pa.Array, exponent: int) -> Int64s | None:
    """Return the unscaled values of decimals multiplied by 10**`exponent`, as in `scaled`."""
    # Each value is a 128-bit integer, lower half first.
    halves = np.frombuffer(column.buffers()[1], np.int64, 2 * len(column), 16 * column.offset)
    low, high = halves[0::2], halves[1::2]
    if column.null_count:
        valid = to_bools(column.is_valid())
        low, high = np.where(valid, low, 0), np.where(valid, high, 0)
    if exponent >= 0:
        fits = np.array_equal(high, low >> 63)  # the upper half repeats the sign
        return _multiplied(np.ascontiguousarray(low), exponent) if fits else None
    places = -exponent
    if places > _MOST_REMOVED or (low & ((1 << places) - 1)).any():  # a value is not divisible by 2**places
        return None
    shifted = low.view(np.uint64) >> np.uint64(places) | (high << (64 - places)).view(np.uint64)
    # Then divide by 5**places: modulo 2**64, that is multiplication by its inverse.
    found = (shifted * np.uint64(pow(5**places, -1, 2**64))).view(np.int64)
    # If the quotient is not whole or does not fit, the product differs from the value by a nonzero multiple
    # of 2**(64 + places), which exceeds the rounding errors of doubles.
    difference = high * 2.0**64 + low.view(np.uint64) - found * 10.0**places
    return found if (np.abs(difference) < 2.0 ** (63 + places)).all() else None


def _multiplied(numbers: Int64s, places: int) -> Int64s | None:
    """Return numbers multiplied by 10**`places`, or None if a product does not fit in an int64."""
    if not places:
        return numbers
    most = (2**63 - 1) // 10**places
    if not most or numbers.min(initial=0) < -most or numbers.max(initial=0) > most:
        return None
    found: Int64s = numbers * 10**places
    return found


def of_rows(column: pa.DictionaryArray, of_values: npt.NDArray[Any], of_null: object) -> npt.NDArray[Any]:
    """Return one value per row, given a value for each dictionary entry and one for nulls."""
    rows = column.indices
    if rows.null_count:
        of_values = np.append(of_values, np.asarray([of_null], of_values.dtype))
        if rows.type.bit_width < 32:  # all codes of this type may be in use
            rows = rows.cast(pa.int32())
        rows = pc.fill_null(rows, scalar(len(of_values) - 1, rows.type))
    # Other modes check each index first, which takes twice as long.
    found: npt.NDArray[Any] = of_values.take(to_numpy(rows), mode="clip")
    return found


def is_uuid(kind: pa.DataType) -> bool:
    """Return whether a type is Arrow's `uuid`."""
    return isinstance(kind, pa.BaseExtensionType) and kind.extension_name == "arrow.uuid"


def is_text(kind: pa.DataType) -> bool:
    """Return whether a type is `string` or `large_string`."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
