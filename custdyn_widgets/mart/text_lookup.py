"""Looking up batches of values among known values, in a hash table that is built only once."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from custdyn_widgets.mart.arrow_arrays import scalar, to_bools, to_numpy

_Positions = npt.NDArray[np.int32]
_Octets = npt.NDArray[np.uint8]
_Words = npt.NDArray[np.uint64]

_WORD = np.dtype("<u8")  # the first byte of a string is the lowest byte of its first word
_LONGEST = 40  # bytes: enough for a UUID
_MOST_PROBES = 32  # far more than ever needed, unless strings were chosen to collide
_MASKS = np.array([2 ** (8 * count) - 1 for count in range(9)], _WORD)  # by the number of bytes to keep


class TextLookup:
    """A faster `pyarrow.compute.index_in`, which does not hash all known strings again on each call.

    Parameters
    ----------
    known
        The known strings, of type `string` or `large_string`. If several are equal, the first is found.
    """

    def __init__(self, known: pa.Array) -> None:
        self._known = known
        self._table: _HashTable | None = None
        longest = int(np.diff(text_bytes(known)[0]).max(initial=0))
        if 0 < longest <= _LONGEST and not known.null_count:
            self._table = _HashTable.of(_Strings.of(known, -(-longest // 8)))

    def positions(self, values: pa.Array) -> _Positions:
        """Return the position of each value (a `string` or `large_string`), or -1 if it is not found."""
        if self._table is None or not len(values):
            found = pc.index_in(values, value_set=self._known.cast(values.type))
            return np.asarray(to_numpy(pc.fill_null(found, scalar(-1, found.type))), np.int32)
        result = self._table.positions(_Strings.of(values, len(self._table.known.words)))
        if values.null_count:
            result[to_bools(values.is_null())] = -1
        return result


class NumberLookup:
    """Looks up whole numbers among known int64s.

    Parameters
    ----------
    known
        The known numbers, at least one. If several are equal, the first is found.
    """

    def __init__(self, known: npt.NDArray[np.int64]) -> None:
        self._table = _HashTable.of(_Strings.of_numbers(known))
        if self._table is None:
            self._order = np.argsort(known, kind="stable").astype(np.int32)
            self._sorted = known[self._order]

    def positions(self, values: npt.NDArray[np.int64]) -> _Positions:
        """Return the position of each value among the known numbers, or -1 if it is not found."""
        if self._table is not None:
            return self._table.positions(_Strings.of_numbers(values))
        at = np.minimum(np.searchsorted(self._sorted, values), len(self._sorted) - 1)
        return np.where(self._sorted[at] == values, self._order[at], np.int32(-1))


class UuidLookup:
    """Looks up UUIDs, each of which has two words.

    Parameters
    ----------
    known
        The known UUIDs, at least one. If several are equal, the first is found.
    """

    def __init__(self, known: _Words) -> None:
        self._table = _HashTable.of(_Strings.of_uuids(known))
        self._places = {} if self._table else {uuid: i for i, uuid in _numbered(known)[::-1]}

    def positions(self, values: _Words) -> _Positions:
        """Return the position of each UUID among the known ones, or -1 if it is not found."""
        if self._table is not None:
            return self._table.positions(_Strings.of_uuids(values))
        return np.array([self._places.get(uuid, -1) for _, uuid in _numbered(values)], np.int32)


def _numbered(uuids: _Words) -> list[tuple[int, tuple[int, ...]]]:
    return list(enumerate(map(tuple, uuids.tolist())))


class _HashTable(NamedTuple):
    """A hash table of known strings, with the position of one string in each slot (-1 if it is empty)."""

    known: _Strings
    slots: _Positions

    @classmethod
    def of(cls, known: _Strings) -> _HashTable | None:
        """Return the table of some strings; None if too many collide."""
        count = len(known.words[0])
        bits = (4 * count).bit_length()
        table = np.full(1 << bits, -1, np.int32)
        left, strings = np.arange(count, dtype=np.int32), known
        slots = strings.slots(bits)
        for _ in range(_MOST_PROBES):
            free = table.take(slots) < 0
            table[slots[free][::-1]] = left[free][::-1]  # if several want a slot, the first gets it
            others = np.flatnonzero(~known.equal(table.take(slots), strings))
            if not len(others):
                return cls(known, table)
            left, strings = left.take(others), strings.rows(others)
            slots = (slots.take(others) + 1) & (len(table) - 1)
        return None

    def positions(self, strings: _Strings) -> _Positions:
        """Return the position of each string among the known ones, or -1 if it is not found."""
        slots = strings.slots(len(self.slots).bit_length() - 1)
        result = self.slots.take(slots)
        rows = np.flatnonzero(~self.known.equal(result, strings))
        rows = rows[result.take(rows) >= 0]  # an empty slot ends the search
        strings, slots = strings.rows(rows), slots.take(rows)
        for _ in range(_MOST_PROBES):  # no known string is farther from the start of its search
            if not len(rows):
                break
            slots = (slots + 1) & (len(self.slots) - 1)
            result[rows] = found = self.slots.take(slots)
            left = np.flatnonzero((found >= 0) & ~self.known.equal(found, strings))
            rows, strings, slots = rows.take(left), strings.rows(left), slots.take(left)
        result[rows] = -1
        return result


class _Strings(NamedTuple):
    """Strings as numbers.

    Attributes
    ----------
    lengths
        Their lengths in bytes, or one length if all are the same.
    words
        Their first 8 bytes, the next 8 bytes, and so on; bytes after the end of a string are 0.
    """

    lengths: npt.NDArray[Any] | int
    words: tuple[_Words, ...]

    @classmethod
    def of(cls, column: pa.Array, count: int) -> _Strings:
        """Return the strings of a non-empty column, with `count` words each."""
        starts, content = text_bytes(column)
        lengths = np.diff(starts)
        width, firsts = int(lengths[0]), range(0, 8 * count, 8)
        if width >= 8 and (lengths == width).all():
            table = content.reshape(-1, width)
            return cls(width, tuple(_words_of_equal_length(table, first) for first in firsts))
        # One word for each byte, beginning at that byte.
        padded = np.concatenate([content, np.zeros(8, np.uint8)])
        words = np.ndarray(len(content) + 1, _WORD, padded.data, strides=(1,))
        begins = (starts[:-1] - starts[0]).astype(np.int64)
        return cls(lengths, tuple(_words_at(words, begins, lengths, first) for first in firsts))

    @classmethod
    def of_numbers(cls, numbers: npt.NDArray[np.int64]) -> _Strings:
        """Return int64s as strings of 8 bytes."""
        return cls(8, (numbers.view(np.uint64),))

    @classmethod
    def of_uuids(cls, uuids: _Words) -> _Strings:
        """Return UUIDs, with two words each, as strings of 16 bytes."""
        return cls(16, (np.ascontiguousarray(uuids[:, 0]), np.ascontiguousarray(uuids[:, 1])))

    def rows(self, rows: npt.NDArray[np.int64]) -> _Strings:
        """Return the strings of some rows."""
        lengths = self.lengths if isinstance(self.lengths, int) else self.lengths.take(rows)
        return _Strings(lengths, tuple(words.take(rows) for words in self.words))

    def slots(self, bits: int) -> npt.NDArray[np.int64]:
        """Return where the search for each string begins in a table with 2**bits slots."""
        mixed = np.zeros(len(self.words[0]), np.uint64)
        for words in self.words:
            mixed ^= words
            mixed ^= mixed >> np.uint64(32)
            mixed *= np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
        return (mixed >> np.uint64(64 - bits)).view(np.int64)

    def equal(self, positions: _Positions, others: _Strings) -> npt.NDArray[np.bool_]:
        """Compare the strings at some positions with others, one by one; the result for -1 is arbitrary."""
        if isinstance(self.lengths, int):
            result = np.broadcast_to(others.lengths == self.lengths, len(positions)).copy()
        else:
            result = np.asarray(self.lengths.take(positions, mode="clip") == others.lengths)
        for own, other in zip(self.words, others.words, strict=True):
            result &= own.take(positions, mode="clip") == other
        return result


def text_bytes(column: pa.Array) -> tuple[npt.NDArray[Any], _Octets]:
    """Return the offsets of the strings and of the end of the last string, and the bytes that they span."""
    width = np.int64 if pa.types.is_large_string(column.type) else np.int32
    _, offsets, data = column.buffers()
    if not len(column):  # may have no offsets
        return np.zeros(1, width), np.empty(0, np.uint8)
    starts = np.frombuffer(offsets, width)[column.offset : column.offset + len(column) + 1]
    content = np.frombuffer(data if data else b"", np.uint8)
    return starts, content[starts[0] : starts[-1]]


def _words_at(words: _Words, begins: npt.NDArray[Any], lengths: npt.NDArray[Any], first: int) -> _Words:
    """Return 8 bytes of each string, starting at byte `first`, given the word that begins at each byte."""
    found: _Words = words[np.minimum(begins + first, len(words) - 1)]
    found &= _MASKS.take(lengths - first, mode="clip")
    return found


def _words_of_equal_length(strings: _Octets, first: int) -> _Words:
    """Return 8 bytes of each string, starting at byte `first`; all have the same length, at least 8 bytes."""
    count, width = strings.shape
    if first >= width:
        return np.zeros(count, _WORD)
    begin = min(first, width - 8)
    words = np.ascontiguousarray(strings[:, begin : begin + 8]).view(_WORD).ravel()
    return words >> np.uint64(8 * (first - begin)) if begin < first else words
