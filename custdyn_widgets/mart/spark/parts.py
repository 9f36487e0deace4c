"""The tasks that Spark runs: encoding the ledger in batches, sorting it in parts, and computing on the parts.

As with the local engine, the ledger is read and checked in batches. Each row is encoded as five numbers,
which Spark distributes by client, so that all rows of a client are in one part. Parts are sorted by the same
code as whole ledgers. A sorted part is stored as one value, from which each computation restores facts.
"""

from __future__ import annotations

import gc
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from custdyn_widgets.mart.checking.balances import overflowing
from custdyn_widgets.mart.checking.checked import CheckedTable
from custdyn_widgets.mart.checking.checks import BatchCheck
from custdyn_widgets.mart.checking.references import REFERENCES
from custdyn_widgets.mart.checking.values import MICROS
from custdyn_widgets.mart.columns import Codes, Int64s
from custdyn_widgets.mart.facts.by_client import Merged, Packages, Rows, Times, fit_uint32
from custdyn_widgets.mart.facts.facts import Facts
from custdyn_widgets.mart.facts.flow_class import Flows
from custdyn_widgets.mart.facts.from_tables import with_rows
from custdyn_widgets.mart.facts.ledger import coded_rows, sort_rows, type_of_codes
from custdyn_widgets.mart.positions import positions
from custdyn_widgets.mart.reading.stored import StoredTable
from custdyn_widgets.mart.spark.tables import joined

Batches = Iterator[pa.RecordBatch]

CODED = "client int, at long, amount long, flow tinyint, package int"
PART = "rows binary, summary binary"
RESULT = "result binary"
_CODED = pa.schema(
    [
        *(("client", pa.int32()), ("at", pa.int64()), ("amount", pa.int64())),
        *(("flow", pa.int8()), ("package", pa.int32())),
    ]
)
_FAULTY = pa.RecordBatch.from_pylist(
    [{"client": -1, "at": 0, "amount": 0, "flow": 0, "package": 0}], schema=_CODED
)


def references_of(tables: Mapping[str, CheckedTable]) -> dict[str, CheckedTable]:
    """Return the tables that the ledger refers to, reduced to their keys, for use by workers."""
    keys = {other: key for table, _, other, key in REFERENCES if table == "transactions"}
    return {
        name: CheckedTable(
            table.stored._replace(data=table.stored.data.select([key])), {key: table.columns[key]}
        )
        for name, key in keys.items()
        if (table := tables.get(name)) and key in table.stored.data.column_names
    }


@dataclass(frozen=True)
class CodeRows:
    """Checks batches of the ledger and encodes their rows; a batch with faults yields one row with client -1.

    Attributes
    ----------
    stored
        The ledger without its rows.
    references
        See `references_of`.
    place, packages
        As in `ledger.whole_ledger`.
    """

    stored: StoredTable
    references: Mapping[str, CheckedTable]
    place: Codes
    packages: Sequence[str]

    def __call__(self, batches: Batches) -> Batches:
        """Yield the encoded rows of batches."""
        _freeze_imports(CodeRows)
        check = BatchCheck(self.references)
        for data in joined(batches, self.stored.spec):
            table, faults = check.read(self.stored._replace(data=data))
            yield _FAULTY if faults else self._coded(table)

    def _coded(self, table: CheckedTable) -> pa.RecordBatch:
        package = positions(table.columns["package_id"], self.packages)
        rows = coded_rows(table, table.columns["at"] // MICROS, self.place, package)
        values = (rows.client, rows.time, rows.amount, rows.flow.view(np.int8), rows.package)
        return pa.RecordBatch.from_arrays([pa.array(column) for column in values], schema=_CODED)


@dataclass(frozen=True)
class PartRows:
    """The sorted rows of a part's clients, as in `Merged`; each client has at least one row."""

    clients: Int64s
    count: Int64s
    time: Times
    amount: Int64s
    flow: Flows
    package: Packages
    paid_at: Times

    @classmethod
    def of(cls, rows: Merged) -> PartRows:
        """Return the rows of a part, given sorted rows with an offset for each client in the mart."""
        count = np.diff(rows.offset)
        clients = np.flatnonzero(count)
        return cls(clients, count[clients], rows.time, rows.amount, rows.flow, rows.package, rows.paid_at)

    def merged(self, client_count: int) -> Merged:
        """Return the rows with an offset for each client in the mart."""
        offset = np.zeros(client_count + 1, np.int64)
        offset[self.clients + 1] = self.count
        # Amounts are later replaced by running sums in place, but this array may be read-only.
        amount = self.amount.copy()
        return Merged(np.cumsum(offset), self.time, amount, self.flow, self.package, self.paid_at)

    @property
    def first(self) -> Int64s:
        """The time of each client's first transaction."""
        first: Int64s = self.time[np.cumsum(self.count) - self.count].astype(np.int64)
        return first


@dataclass(frozen=True)
class PartSummary:
    """The information that the driver needs about a part.

    Attributes
    ----------
    clients, first
        The clients with transactions, and the time of each client's first transaction.
    has_faults
        Whether a batch had faults, in which case there are no rows.
    overflowing
        The clients whose balance exceeds the range of an int64.
    """

    clients: Int64s
    first: Int64s
    has_faults: bool
    overflowing: Sequence[int]


@dataclass(frozen=True)
class SortPart:
    """Sorts the encoded rows of a part.

    `opening` contains the opening balances of all clients in the mart; `packages` is as in `CodeRows`.
    """

    opening: Int64s
    packages: Sequence[str]

    def __call__(self, batches: Batches) -> Batches:
        """Yield the pickled `PartRows` and `PartSummary` of a part, or nothing if it is empty."""
        _freeze_imports(SortPart)
        found = list(batches)
        columns = pa.Table.from_batches(found, _CODED)
        if not len(columns):
            return
        client, at, amount, flow, package = (_numbers(columns.column(name)) for name in _CODED.names)
        if client.min() < 0:
            none = np.zeros(0, np.int64)
            yield _pickled(PART, None, PartSummary(none, none, True, ()))
            return
        over = tuple(overflowing(client, at, amount, self.opening))
        time = at.astype(np.uint32) if fit_uint32(at) else at
        codes = package.astype(type_of_codes(self.packages))
        rows = PartRows.of(
            sort_rows(Rows(client, time, amount, flow.view(np.uint8), codes), len(self.opening))
        )
        yield _pickled(PART, rows, PartSummary(rows.clients, rows.first, False, over))


@dataclass(frozen=True)
class ComputeOnPart:
    """Calls a function on the facts of each part, as `Facts.each` does.

    `facts` contains the facts of the mart without rows, and `clients` the clients to select from each part.
    """

    facts: Facts
    work: Callable[[Facts, Int64s], Any]
    clients: Int64s

    def __call__(self, batches: Batches) -> Batches:
        """Yield a pickled pair for each part: the clients and the result."""
        _freeze_imports(ComputeOnPart)
        for batch in batches:
            for value in batch.column("rows"):
                rows = restored(value)
                own = np.intersect1d(self.clients, rows.clients, assume_unique=True)
                facts = with_rows(self.facts, rows.merged(self.facts.client_count))
                yield _pickled(RESULT, (own, self.work(facts, own)))


@cache
def _freeze_imports(_task: type) -> None:
    """Exempt everything loaded for the first task of each kind from garbage collection.

    Spark's workers collect garbage after each task; with all modules loaded, that takes longer than most
    tasks.
    """
    gc.freeze()


def restored(value: pa.Scalar) -> Any:
    """Unpickle a value that was pickled by a task."""
    return pickle.loads(value.as_buffer())  # noqa: S301  # written by the tasks above


def _pickled(schema: str, *values: object) -> pa.RecordBatch:
    names = [column.split()[0] for column in schema.split(", ")]
    data = [pa.array([pickle.dumps(value, 5)], pa.binary()) for value in values]
    return pa.RecordBatch.from_arrays(data, names)


def _numbers(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    return np.asarray(column.to_numpy())
