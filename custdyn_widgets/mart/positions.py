"""Finding values among known strings: the position of each, or -1."""

from __future__ import annotations

import functools
import threading
from binascii import unhexlify
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from custdyn_widgets.mart.arrow_arrays import from_bools, from_texts, scalar, to_bools, to_numpy
from custdyn_widgets.mart.columns import Bools, Codes, as_text, decoded, is_uuid, of_rows
from custdyn_widgets.mart.text_lookup import NumberLookup, TextLookup, UuidLookup, text_bytes

_WHOLE_NUMBER = r"^(0|-?[1-9][0-9]{0,17})$"  # as written by `as_text`, with up to 18 digits
_LONG_NUMBER = r"^-?[1-9][0-9]{18}$"  # 19 digits: may fit in an int64
_UUID = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
_MANY = 100_000  # known strings; with fewer, Arrow is faster in a large batch, although it hashes them again
_FALSE = scalar(False, pa.bool_())
_DENSE, _SMALL = 16, 2**16  # a lookup table may have this many entries per number, or in total


def positions(values: pa.Array, known: pa.Array | Sequence[str]) -> Codes:
    """Return the position of each value (text, int64 or UUID) among known strings, or -1 if not found."""
    kind = values.type
    if is_uuid(kind):
        return positions(as_text(values), known)
    if pa.types.is_dictionary(kind):
        return of_rows(values, positions(values.dictionary, known), -1)
    known = decoded(known) if isinstance(known, pa.Array) else from_texts(known)
    if pa.types.is_integer(kind):
        return _NumberPositions(known).positions(values)
    found = pc.index_in(values, value_set=known.cast(kind))
    return np.asarray(to_numpy(pc.fill_null(found, scalar(-1, found.type))), np.int32)


class _NumberPositions:
    """Looks up whole numbers among known strings: 7 matches "7", but not "07" or "+7"."""

    def __init__(self, known: pa.Array) -> None:
        written = _match(known, _WHOLE_NUMBER)
        written |= _match(known, _LONG_NUMBER) & _at_most(known, str(-(2**63)), str(2**63 - 1))
        places = np.flatnonzero(written).astype(np.int32)
        numbers = to_numpy(known.filter(from_bools(written)).cast(pa.int64()))
        self._low, high = int(numbers.min(initial=0)), int(numbers.max(initial=0))
        self._table: Codes | None = None
        if high - self._low < max(_DENSE * len(numbers), _SMALL):
            self._table = np.full(high - self._low + 2, -1, np.int32)  # the last entry is for other numbers
            self._table[numbers - self._low] = places
        else:
            self._lookup, self._places = NumberLookup(numbers), np.append(places, np.int32(-1))

    def positions(self, values: pa.Array) -> Codes:
        """Return the position of each int64 among the known strings, or -1 if not found."""
        assert values.type != pa.uint64(), "large numbers would become negative"
        valid = to_bools(values.is_valid()) if values.null_count else None
        numbers = np.asarray(to_numpy(pc.fill_null(values, scalar(0, values.type))), np.int64)
        if self._table is not None:
            # Numbers below the lowest one have a negative difference, which is large as an unsigned integer.
            places = (numbers - self._low).view(np.uint64)
            found = self._table.take(np.minimum(places, np.uint64(len(self._table) - 1)).view(np.int64))
        else:
            found = self._places.take(self._lookup.positions(numbers), mode="wrap")  # -1 selects the last one
        return found if valid is None else np.where(valid, found, np.int32(-1))


class _UuidPositions:
    """Looks up UUIDs among known strings: only those that are written with lowercase letters match."""

    def __init__(self, known: pa.Array) -> None:
        written = _match(known, _UUID)
        digits = text_bytes(known.filter(from_bools(written)))[1].tobytes().replace(b"-", b"")
        self._lookup = UuidLookup(_octets(unhexlify(digits))) if digits else None
        self._places = np.append(np.flatnonzero(written), -1).astype(np.int32)

    def positions(self, values: pa.Array) -> Codes:
        """Return the position of each UUID among the known strings, or -1 if not found."""
        if self._lookup is None:
            return np.full(len(values), -1, np.int32)
        stored = values.storage
        octets = _octets(stored.buffers()[1])[stored.offset : stored.offset + len(stored)]
        found = self._places.take(self._lookup.positions(octets), mode="wrap")  # -1 selects the last one
        if stored.null_count:
            found[to_bools(stored.is_null())] = -1
        return found


def _octets(stored: bytes | pa.Buffer) -> npt.NDArray[np.uint64]:
    """Return UUIDs, stored as 16 bytes each, as two words each."""
    return np.frombuffer(stored, "<u8").reshape(-1, 2)


class PositionLookup:
    """Looks up batches of values among known strings; safe to use from several threads.

    The result for the last dictionary is cached, because the batches of a row group share one dictionary.
    """

    def __init__(self, known: pa.Array) -> None:
        self._known = decoded(known)
        self._last = threading.local()

    @functools.cached_property
    def _numbers(self) -> _NumberPositions:
        return _NumberPositions(self._known)

    @functools.cached_property
    def _uuids(self) -> _UuidPositions:
        return _UuidPositions(self._known)

    @functools.cached_property
    def _texts(self) -> TextLookup:
        return TextLookup(self._known)

    def positions(self, values: pa.Array) -> Codes:
        """Return the position of each value (text, int64 or UUID) among known strings, or -1 if not found."""
        if pa.types.is_integer(values.type):
            return self._numbers.positions(values)
        if is_uuid(values.type):
            return self._uuids.positions(values)
        if not pa.types.is_dictionary(values.type):
            return self._of_texts(values)
        last = getattr(self._last, "found", None)
        if last is None or not values.dictionary.equals(last[0]):
            last = self._last.found = values.dictionary, self._of_texts(values.dictionary)
        return of_rows(values, last[1], -1)

    def _of_texts(self, values: pa.Array) -> Codes:
        """Look up strings, with Arrow if they far outnumber the known ones, which it hashes again."""
        if len(self._known) < min(len(values), _MANY):
            return positions(values, self._known)
        return self._texts.positions(values)


def _match(texts: pa.Array, pattern: str) -> Bools:
    """Return a mask of the strings that match a regular expression."""
    return to_bools(pc.fill_null(pc.match_substring_regex(texts, pattern), _FALSE))


def _at_most(numbers: pa.Array, negative: str, positive: str) -> Bools:
    """Return a mask of the numbers that are within the limit for their sign.

    All numbers are strings with the same number of digits.
    """
    limits = [scalar(limit, numbers.type) for limit in (negative, positive)]
    found = pc.less_equal(numbers, pc.if_else(pc.starts_with(numbers, "-"), *limits))
    return to_bools(pc.fill_null(found, _FALSE))
