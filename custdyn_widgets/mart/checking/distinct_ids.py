"""Find duplicate ids in a column, or in a ledger that is read in batches.

Ids usually rise from row to row, which proves that they are distinct. Text ids may rise in either of two
orders: alphabetically, or shorter ones first, so that T10 follows T9. If ids do not rise, each is converted
to a 64-bit key, and the keys are sorted: the key of a numeric id is its 64 bits, and that of a text id is its
hash. Ids with distinct keys are distinct. UUIDs are in the same order as their text, whose hash is their key.

Rows can be added to a ledger later without reading its ids again, because the greatest id or the keys are
stored.
"""

from __future__ import annotations

import threading
from bisect import bisect
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import pairwise
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from custdyn_widgets.mart.arrow_arrays import from_bools, scalar, to_bools, to_numpy
from custdyn_widgets.mart.columns import Bools, as_numbers, as_text, decoded, is_uuid, plain
from custdyn_widgets.mart.facts.threads import threads
from custdyn_widgets.mart.reading.stored import Piece
from custdyn_widgets.mart.text_lookup import text_bytes

if TYPE_CHECKING:
    import duckdb

Keys = npt.NDArray[np.uint64]
_PART = 2**20  # keys: sorting fewer is not worth a thread


class EarlierIds(NamedTuple):
    """The distinct ids of rows that were read earlier.

    Attributes
    ----------
    is_numeric
        Whether the ids are numbers rather than text; None if there are no ids.
    last, orders
        The greatest id, if the ids rise from row to row, and the orders in which they do.
    keys
        The keys of the ids, ascending, if the ids do not rise.
    hashed_by
        The version of the function that computed the keys; empty if the ids are numbers.
    """

    is_numeric: bool | None = None
    last: int | str | None = None
    orders: Collection[str] = ()
    keys: Keys | None = None
    hashed_by: str = ""

    @property
    def are_comparable(self) -> bool:
        """Whether the keys of other ids can be compared with these keys."""
        return not self.hashed_by or self.hashed_by == _hash_version()


class DistinctIds:
    """The ids of a ledger; several threads may add batches, in any order.

    Parameters
    ----------
    count, first_row
        How many rows the ledger has, and the row number of its first row.
    empty
        A function that returns an uninitialized array of a given length and type.
    as_text
        Whether whole numbers are compared as text.
    earlier
        The ids of rows read earlier, which the ids added here must not repeat.
    """

    def __init__(
        self,
        count: int,
        first_row: int,
        empty: Callable[..., Keys] = np.empty,
        *,
        as_text: bool = False,
        earlier: EarlierIds | None = None,
    ) -> None:
        self._count, self._first_row, self._empty, self._as_text = count, first_row, empty, as_text
        self._earlier = earlier or EarlierIds()
        self._rising: list[tuple[int, Any, Any]] = []  # batches: first row, first id, last id
        self._orders = frozenset(_ORDERS if self._earlier.last is None else self._earlier.orders)
        self._keys: Keys | None = None  # once the ids stop increasing: keys by row, then earlier keys
        self._numeric = set() if self._earlier.is_numeric is None else {self._earlier.is_numeric}
        if self._earlier.keys is not None:
            self._keys = self._new_keys()
        elif self._earlier.last is not None:
            self._rising.append((first_row - 1, self._earlier.last, self._earlier.last))
        self._lock = threading.Lock()
        self._hashes = _Hashes()

    def add(self, first_row: int, ids: pa.Array) -> None:
        """Add a batch of ids, as text, int64, uint64 or UUIDs."""
        ids = self._comparable(ids)
        if not len(ids):
            return
        first, last = _id_at(ids, 0), _id_at(ids, -1)
        orders = _orders(ids) if self._keys is None and first not in (None, "") else frozenset()
        rises = bool(orders)
        with self._lock:
            self._numeric.add(pa.types.is_integer(ids.type))
            if rises:
                place = self._insert(first_row, first, last)
                orders &= self._orders if len(self._numeric) == 1 else frozenset()
                self._orders = frozenset(order for order in orders if self._rises_at(place, order))
                rises = bool(self._orders)
            if not rises and self._keys is None:
                self._keys = self._new_keys()
            keys = self._keys
        if keys is not None and not rises:
            self._add_keys(keys, first_row, ids)

    def differ(self, pieces: Iterable[Piece]) -> bool:
        """Return whether all ids are known to be distinct; see `repeated`."""
        repeated = self.repeated(pieces)
        return repeated is not None and not len(repeated)

    def repeated(self, pieces: Iterable[Piece]) -> Keys | None:
        """Return the sorted keys that occur more than once; different ids may share a key.

        Batches that were added before the ids stopped increasing are read again from `pieces`. The result is
        None if some ids are numbers and others are text: 1 and "1" have different keys. It is also None if
        the keys of earlier ids are needed but unknown.
        """
        if self._keys is None:
            return np.empty(0, np.uint64)
        if len(self._numeric) > 1 or self._earlier.last is not None:
            return None
        if self._rising:
            with ThreadPoolExecutor(threads()) as pool:
                for _ in pool.map(self._add_again, pieces):
                    pass
            if self._rising:  # some batches were not found again
                return None
        _sort(self._keys[: self._count])
        if self._earlier.keys is not None:
            self._keys.sort(kind="stable")  # merges two sorted parts in linear time
        return np.unique(self._keys[1:][self._keys[1:] == self._keys[:-1]])

    def found(self) -> EarlierIds:
        """Return all ids, which must be distinct, for comparison with the ids of rows added later."""
        is_numeric = next(iter(self._numeric), None)
        if self._keys is None:
            last = self._rising[-1][2] if self._rising else None
            return EarlierIds(is_numeric, last, sorted(self._orders))
        return EarlierIds(is_numeric, keys=self._keys, hashed_by="" if is_numeric else _hash_version())

    def keys(self, ids: pa.Array) -> Keys:
        """Return the keys of a batch of ids; those of missing ids are meaningless."""
        return self._keys_of(self._comparable(ids))

    def _new_keys(self) -> Keys:
        earlier = self._earlier.keys if self._earlier.keys is not None else np.empty(0, np.uint64)
        keys = self._empty(self._count + len(earlier), np.uint64)
        keys[self._count :] = earlier
        return keys

    def _comparable(self, ids: pa.Array) -> pa.Array:
        ids = decoded(ids)
        return ids.cast(pa.large_string()) if self._as_text and pa.types.is_integer(ids.type) else ids

    def _insert(self, first_row: int, first: Any, last: Any) -> int:
        """Insert a batch, in which the ids rise, and return its place among the others."""
        place = bisect(self._rising, first_row, key=itemgetter(0))
        self._rising.insert(place, (first_row, first, last))
        return place

    def _rises_at(self, place: int, order: str) -> bool:
        """Return whether the ids rise, in this order, from the batch before a place to the batch after it."""
        near, rank = self._rising[max(place - 1, 0) : place + 2], _ORDERS[order]
        return all(rank(last) < rank(first) for (_, _, last), (_, first, _) in pairwise(near))

    def _add_again(self, piece: Piece) -> None:
        """Add the keys of a piece's batches that are still in `_rising`."""
        assert self._keys is not None
        for batch in piece() if self._rising else ():
            if not self._rising:
                return
            if not batch.data.num_rows:  # the next batch has the same first row
                continue
            if any(first_row == batch.first_row for first_row, _, _ in self._rising):
                column = plain(batch.data.column("transaction_id"))
                numbers = as_numbers(column, unsigned=True)
                ids = as_text(decoded(column)) if numbers is None else numbers
                self._add_keys(self._keys, batch.first_row, self._comparable(ids))

    def _add_keys(self, keys: Keys, first_row: int, ids: pa.Array) -> None:
        begin = first_row - self._first_row
        keys[begin : begin + len(ids)] = self._keys_of(ids)
        with self._lock:
            self._rising = [batch for batch in self._rising if batch[0] != first_row]

    def _keys_of(self, ids: pa.Array) -> Keys:
        if pa.types.is_integer(ids.type):
            filled = pc.fill_null(ids, scalar(0, ids.type)) if ids.null_count else ids
            return to_numpy(filled).view(np.uint64)
        return self._hashes.of(as_text(ids))


class _Hashes(threading.local):
    """Computes hashes of text; each thread reuses its own connection, because opening one is slow."""

    @cached_property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        import duckdb  # imported late: slow to load

        return duckdb.connect(config={"threads": 1})

    def of(self, text: pa.Array) -> Keys:
        found = self._connection.from_arrow(pa.table({"id": text})).project("hash(id) AS key").fetchnumpy()
        return np.asarray(found["key"], np.uint64)


def _sort(keys: Keys) -> None:
    """Sort keys in place, on several cores."""
    count = min(threads(), len(keys) // _PART)
    if count < 2:
        keys.sort()
        return
    bounds = [len(keys) * part // count for part in range(1, count)]
    keys.partition(bounds)  # no key is greater than any key in a later part
    with ThreadPoolExecutor(count) as pool:
        for _ in pool.map(np.ndarray.sort, np.split(keys, bounds)):
            pass


def _hash_version() -> str:
    import duckdb  # imported late: slow to load

    return str(duckdb.__version__)


def rising(ids: pa.Array) -> bool:
    """Return whether each id is greater than the previous one, a fast proof that all ids are distinct."""
    return len(ids) == 0 or bool(_orders(ids))


def _orders(ids: pa.Array) -> frozenset[str]:
    """Return the orders in which each id is greater than the previous one; a missing id is not greater."""
    if len(ids) == 1:
        return frozenset(_ORDERS)
    if is_uuid(ids.type):  # as text, they have the same order and equal lengths
        return frozenset(_ORDERS) if _all(pc.greater(ids.storage[1:], ids.storage[:-1])) else frozenset()
    greater = pc.greater(ids[1:], ids[:-1])
    found = {"text"} if _all(greater) else set()
    if pa.types.is_string(ids.type) or pa.types.is_large_string(ids.type):
        lengths = np.diff(text_bytes(ids)[0])
        if not (lengths[1:] < lengths[:-1]).any() and _all(
            pc.or_(greater, from_bools(lengths[1:] > lengths[:-1]))
        ):
            found.add("length")
    return frozenset(found)


def _id_at(ids: pa.Array, position: int) -> Any:
    """Return a numeric or text id as it is, and a UUID as text."""
    found = ids[position].as_py()
    return str(found) if isinstance(found, UUID) else found


def _all(values: pa.BooleanArray) -> bool:
    return bool(pc.all(values, skip_nulls=False).as_py())


def _length_first(value: int | str) -> Any:
    """Return what text ids are compared by if shorter ones come first."""
    return (len(value.encode()), value) if isinstance(value, str) else value


_ORDERS: dict[str, Callable[[Any], Any]] = {"text": lambda value: value, "length": _length_first}


def duplicates(text: pa.Array) -> Bools:
    """Return a mask of the values that occur more than once."""
    if rising(text) or len(pc.unique(text)) == len(text):
        return np.zeros(len(text), np.bool_)
    counts = pc.value_counts(text)
    repeated = counts.field("values").filter(pc.greater(counts.field("counts"), scalar(1, pa.int64())))
    return to_bools(pc.is_in(text, value_set=repeated))
