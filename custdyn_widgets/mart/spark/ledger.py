"""Encoding the ledger of a mart in Spark, distributing it by client and sorting it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import uuid4

import numpy as np

from custdyn_widgets.mart import columns
from custdyn_widgets.mart.checking.checked import CheckedMart, CheckedTable
from custdyn_widgets.mart.facts.facts import Facts
from custdyn_widgets.mart.facts.from_tables import build_without_ledger
from custdyn_widgets.mart.facts.ledger import package_ids
from custdyn_widgets.mart.spark.parts import (
    CODED,
    PART,
    CodeRows,
    PartSummary,
    SortPart,
    references_of,
    restored,
)
from custdyn_widgets.mart.spark.tables import SparkMart, utc

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

PART_ROWS = 2**20  # average number of rows in a part


def sorted_parts(mart: SparkMart, others: CheckedMart) -> tuple[Facts, DataFrame, list[PartSummary]]:
    """Check, encode and sort the ledger.

    Parameters
    ----------
    mart
        The mart.
    others
        The other tables of the mart, which must have no faults.

    Returns
    -------
    The facts without rows, the sorted parts (cached by Spark until `unpersist` is called), and their
    summaries.
    """
    packages = () if "packages" in others.tables else _package_ids(mart)
    facts, order = build_without_ledger(others.tables, packages)
    place = np.empty(len(order), np.int32)
    place[order] = np.arange(len(order))
    ids = [package_id for package_id, _ in facts.names.packages]
    code = CodeRows(mart.headings, references_of(others.tables), place, ids)
    count = max(1, -(-mart.ledger.count() // PART_ROWS))
    coded = mart.ledger.mapInArrow(code, CODED).repartition(count, "client")
    parts = coded.mapInArrow(SortPart(facts.opening, ids), PART)
    # Spark reuses cached data for identical plans, even if the files have changed. Make each plan unique.
    parts = parts.selectExpr("rows", "summary", f"'{uuid4().hex}' AS opened").persist()
    summaries = parts.select("summary").toArrow().column("summary")
    return facts, parts, [restored(value) for value in summaries]


def _package_ids(mart: SparkMart) -> Sequence[str]:
    if "package_id" not in mart.headings.data.column_names:
        return ()
    found = utc(mart.ledger.select("package_id").distinct().toArrow())
    return package_ids(CheckedTable(mart.headings, {"package_id": columns.plain(found.column(0))}))


def ids_differ(mart: SparkMart) -> bool:
    """Return whether every transaction has a unique id."""
    return repeated_ids(mart.ledger).isEmpty()


def repeated_ids(ledger: DataFrame) -> DataFrame:
    """Return the ids that occur in more than one row."""
    return ledger.groupBy("transaction_id").count().where("count > 1").select("transaction_id")
