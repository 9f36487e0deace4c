"""Opening a mart whose ledger stays in Spark."""

from __future__ import annotations

import numpy as np

from custdyn_widgets import progress
from custdyn_widgets.mart.checking.checked import CheckedMart
from custdyn_widgets.mart.checking.checks import BatchCheck, check_others
from custdyn_widgets.mart.opening import OpenedMart
from custdyn_widgets.mart.sources import SourceLike
from custdyn_widgets.mart.spark.checking import find_faults
from custdyn_widgets.mart.spark.facts import SparkFacts
from custdyn_widgets.mart.spark.ledger import ids_differ, sorted_parts
from custdyn_widgets.mart.spark.session import spark_errors
from custdyn_widgets.mart.spark.tables import SparkMart, read_on_spark


def open_on_spark(source: SourceLike) -> OpenedMart:
    """Open a mart of Parquet files whose ledger stays in Spark.

    Parameters
    ----------
    source
        As for `open_mart`, or the URL of a folder on a file system that Spark can read.

    Raises
    ------
    SourceError
        If the source cannot be read, or is not a mart of Parquet files.
    MartError
        If the data has faults.
    SettingsError
        If Spark cannot be started, or `sources.toml` cannot be used.
    """
    mart = read_on_spark(source)
    others = check_others(mart.stored)
    with spark_errors(mart.name):
        faulty = others.faults or BatchCheck({}).read(mart.headings)[1]
        facts = None if faulty else _facts(mart, others)
        if facts is None:
            raise find_faults(mart, others).error()
    return OpenedMart(facts, mart.name, mart.data_as_of)


def _facts(mart: SparkMart, others: CheckedMart) -> SparkFacts | None:
    """Return the facts of a mart, or None if its ledger has faults."""
    progress.step("Reading, checking and grouping the transactions", 0.2)
    facts, parts, summaries = sorted_parts(mart, others)
    if any(own.has_faults or own.overflowing for own in summaries) or not ids_differ(mart):
        parts.unpersist()
        return None
    has_rows = np.zeros(facts.client_count, np.bool_)
    for own in summaries:
        has_rows[own.clients] = True
        facts.exists[own.clients] = np.minimum(facts.exists[own.clients], own.first)
    return SparkFacts.of(facts, parts, has_rows, mart.name)
