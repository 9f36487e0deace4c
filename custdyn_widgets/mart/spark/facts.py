"""Facts whose rows are on a Spark cluster."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, ClassVar, TypeVar

import numpy as np

from custdyn_widgets.mart.columns import Bools, Int64s
from custdyn_widgets.mart.facts.facts import Facts
from custdyn_widgets.mart.spark.parts import RESULT, ComputeOnPart, restored
from custdyn_widgets.mart.spark.session import spark_errors

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

T = TypeVar("T")
_NO_TEXT = ("id_text", "name_text", "tag")  # not needed by tasks


@dataclass(frozen=True, eq=False)
class SparkFacts(Facts):
    """Facts whose rows are on a Spark cluster and are accessible only through `each`.

    The arrays of rows and `offset` are empty, so that any attempt to read rows locally fails.

    Attributes
    ----------
    parts
        The sorted parts of the ledger (see `SortPart`), which Spark caches while these facts exist.
    has_rows
        bool[clients]: whether the client has transactions.
    source
        The name of the source, for errors.
    """

    parts: DataFrame
    has_rows: Bools
    source: str
    is_distributed: ClassVar[bool] = True

    @classmethod
    def of(cls, facts: Facts, parts: DataFrame, has_rows: Bools, source: str) -> SparkFacts:
        """Return the facts of a mart, given its facts without rows and the parts of its ledger in Spark."""
        values = {each.name: getattr(facts, each.name) for each in fields(Facts)}
        values["offset"] = facts.offset[:0]
        found = cls(**values, parts=parts, has_rows=has_rows, source=source)
        weakref.finalize(found, _release, parts).atexit = False
        return found

    def each(self, work: Callable[[Facts, Int64s], T], clients: Int64s) -> list[tuple[Int64s, T]]:
        """Call a function in Spark on the rows of some clients, once for each part; see `Facts.each`.

        Clients without transactions are not in any part, so the function is called for them locally.

        Raises
        ------
        SourceError
            If Spark fails.
        """
        values = {each.name: getattr(self, each.name) for each in fields(Facts)}
        local = Facts(**{**values, "offset": np.zeros(self.client_count + 1, np.int64)})
        without_rows = clients[~self.has_rows[clients]]
        found = [(without_rows, work(local, without_rows))]
        on_workers = replace(local, **{name: getattr(local, name)[:0] for name in _NO_TEXT})
        task = ComputeOnPart(on_workers, work, clients)
        with spark_errors(self.source):
            results = self.parts.select("rows").mapInArrow(task, RESULT).toArrow()
        found += [restored(value) for value in results.column("result")]
        return found


def _release(parts: DataFrame) -> None:
    """Release the cached parts of a ledger."""
    with contextlib.suppress(Exception):  # the session may have been stopped, which releases the parts
        parts.unpersist()
