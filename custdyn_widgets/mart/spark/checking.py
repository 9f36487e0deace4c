"""Finding all faults in a mart whose ledger stays in Spark, and summarizing them by kind."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from custdyn_widgets import progress
from custdyn_widgets.errors import MartError
from custdyn_widgets.mart.checking import fault_kinds
from custdyn_widgets.mart.checking.checked import LISTED, CheckedMart, CheckedTable, fault_error
from custdyn_widgets.mart.checking.checks import BatchCheck, check_others
from custdyn_widgets.mart.checking.faults import EXAMPLES, Fault, FaultGroup, FaultKind, group_faults
from custdyn_widgets.mart.checking.headings import extra_columns
from custdyn_widgets.mart.checking.notes import Note
from custdyn_widgets.mart.checking.summary import CheckSummary
from custdyn_widgets.mart.reading.stored import StoredTable
from custdyn_widgets.mart.schema import TABLES
from custdyn_widgets.mart.sources import SourceLike
from custdyn_widgets.mart.spark.ledger import repeated_ids, sorted_parts
from custdyn_widgets.mart.spark.parts import RESULT, Batches, references_of, restored
from custdyn_widgets.mart.spark.session import spark_errors
from custdyn_widgets.mart.spark.tables import FILE, ROW, SparkMart, joined, read_on_spark

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_NOT_SEARCHED = Note(
    "The spark engine finds faults but, unlike the local engine, does not search for likely mistakes.",
    "not_searched",
)


def check_on_spark(source: SourceLike) -> CheckSummary:
    """Check a mart of Parquet files with Spark, and return its faults by kind.

    The kinds of fault, their counts and the first examples are the same as those from `check_source`.

    Parameters
    ----------
    source
        As for `open_on_spark`.

    Raises
    ------
    SourceError, SettingsError
        As for `open_on_spark`.
    """
    mart = read_on_spark(source)
    with spark_errors(mart.name):
        others = check_others(mart.stored)
        found = find_faults(mart, others)
        rows = mart.ledger.count()
    sizes = {name: rows if name == "transactions" else len(others.tables[name]) for name in TABLES
             if name == "transactions" or name in others.tables}  # fmt: skip
    headings = mart.headings
    notes = [*others.notes, *extra_columns(headings, [f for g in found.groups for f in g.examples])]
    notes += [Note(sentence, "mapping") for sentence in mart.sentences]
    groups = [replace(group, examples=group.examples[:EXAMPLES]) for group in found.groups]
    return CheckSummary(mart.name, sizes, groups, [*notes, _NOT_SEARCHED])


@dataclass(frozen=True)
class FoundFaults:
    """The faults in a source by kind, with up to `LISTED` examples each, ordered by their first examples."""

    name: str
    groups: Sequence[FaultGroup]

    def error(self) -> MartError:
        """Return an error that lists the first faults."""
        count = sum(group.count for group in self.groups)
        first = sorted((f for g in self.groups for f in g.examples), key=_order)[:LISTED]
        return fault_error(self.name, first, count, "custdyn check --engine spark counts them by kind")


def find_faults(mart: SparkMart, others: CheckedMart) -> FoundFaults:
    """Find all faults in a mart, given its checked tables other than the ledger."""
    progress.step("Looking for faults", 0.3)
    groups = group_faults(others.faults, LISTED)
    in_headings = BatchCheck({}).read(mart.headings)[1]
    groups += _merged(
        [*_repeated(mart), *group_faults(in_headings, LISTED), *_in_rows(mart, others, in_headings)]
    )
    if not groups:  # balances are checked last, because a faulty row may make a balance too large
        facts, parts, summaries = sorted_parts(mart, others)
        parts.unpersist()
        clients = others.tables["clients"]
        ids = clients.columns["client_id"]
        over = {facts.client_ids()[i].as_py() for own in summaries for i in own.overflowing}
        faults = [
            clients.fault(i, "client_id", fault_kinds.BALANCE_TOO_LARGE)
            for i in range(len(clients))
            if over and ids[i].as_py() in over
        ]
        groups = group_faults(faults, LISTED)
    return FoundFaults(mart.name, sorted(groups, key=lambda group: _order(group.examples[0])))


def _order(fault: Fault) -> tuple[int, int]:
    return list(TABLES).index(fault.file.removesuffix(".parquet")), fault.row


def _merged(groups: Iterable[FaultGroup]) -> list[FaultGroup]:
    """Merge groups of the same kind of fault, and keep only the first examples."""
    found: dict[tuple[str, str, FaultKind], FaultGroup] = {}
    for group in groups:
        own = found.setdefault((group.file, group.column, group.kind), replace(group, count=0, examples=[]))
        own.count += group.count
        own.examples = sorted([*own.examples, *group.examples], key=lambda fault: fault.row)[:LISTED]
    return list(found.values())


def _located(mart: SparkMart) -> tuple[DataFrame, dict[str, int]]:
    """Return the ledger with the file and position of each row, and the number of rows before each file."""
    names = [f"`{name}`" for name in mart.headings.data.column_names]
    rows = mart.ledger.selectExpr(*names, f"_metadata.file_path AS {FILE}", f"_metadata.row_index AS {ROW}")
    counted = rows.groupBy(FILE).count().orderBy(FILE).toArrow().to_pydict()
    before = [0, *accumulate(counted["count"])]
    return rows, dict(zip(counted[FILE], before, strict=False))


def _repeated(mart: SparkMart) -> list[FaultGroup]:
    """Return the group of rows whose id occurs more than once, if there are any."""
    if "transaction_id" not in mart.headings.data.column_names:
        return []
    rows, before = _located(mart)
    given = "cast(transaction_id AS string) rlike '(?U)\\\\S'"
    found = rows.join(repeated_ids(rows), "transaction_id", "leftsemi").where(given)
    count = found.count()
    first = found.orderBy(FILE, ROW).limit(LISTED).toArrow()
    table = CheckedTable(mart.headings._replace(data=first))
    faults = [table.fault(i, "transaction_id", fault_kinds.DUPLICATE) for i in range(len(table))]
    places = zip(first.column(FILE).to_pylist(), first.column(ROW).to_pylist(), strict=True)
    numbered = [replace(f, row=before[file] + row + 1) for f, (file, row) in zip(faults, places, strict=True)]
    return [replace(group, count=count) for group in group_faults(numbered, LISTED)]


def _in_rows(mart: SparkMart, others: CheckedMart, in_headings: Sequence[Fault]) -> Iterator[FaultGroup]:
    """Yield the groups of faults in the rows of the ledger."""
    rows, before = _located(mart)
    kinds = frozenset(fault.kind for fault in in_headings)
    task = FindFaults(mart.headings, references_of(others.tables), kinds)
    for value in rows.mapInArrow(task, RESULT).toArrow().column("result"):
        for file, groups in restored(value):
            for group in groups:
                examples = [replace(fault, row=before[file] + fault.row) for fault in group.examples]
                yield replace(group, examples=examples)


@dataclass(frozen=True)
class FindFaults:
    """Finds the faults in batches of the ledger, except duplicate ids and faults in headings.

    Attributes
    ----------
    stored
        The ledger without its rows.
    references
        See `references_of`.
    in_headings
        The kinds of fault in the headings, which would be found again in every batch.
    """

    stored: StoredTable
    references: Mapping[str, CheckedTable]
    in_headings: frozenset[FaultKind]

    def __call__(self, batches: Batches) -> Batches:
        """Yield the pickled groups of faults in each batch, by file."""
        check = BatchCheck(self.references)
        for data in joined(batches, self.stored.spec):
            known = data.drop_columns([FILE, ROW])
            _, faults = check.read(self.stored._replace(data=known, first_row=0))
            found = self._by_file(faults, data)
            result = pa.array([pickle.dumps(found, 5)], pa.binary())
            yield pa.RecordBatch.from_arrays([result], ["result"])

    def _by_file(self, faults: Sequence[Fault], data: pa.Table) -> list[tuple[str, list[FaultGroup]]]:
        files, rows = data.column(FILE).combine_chunks().dictionary_encode(), _numbers(data.column(ROW))
        codes, names = _numbers(files.indices), files.dictionary.to_pylist()
        of_file: dict[str, list[Fault]] = {}
        for fault in (fault for fault in faults if fault.kind not in self.in_headings):
            place = fault.row
            of_file.setdefault(names[codes[place]], []).append(replace(fault, row=int(rows[place]) + 1))
        return [(name, group_faults(own, LISTED)) for name, own in of_file.items()]


def _numbers(column: Any) -> Any:
    return np.asarray(column.to_numpy())
