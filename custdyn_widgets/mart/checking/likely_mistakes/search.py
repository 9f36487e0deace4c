"""Search a checked mart for likely mistakes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from custdyn_widgets.mart.checking.checked import CheckedTable
from custdyn_widgets.mart.checking.likely_mistakes.cut_off import clients_without_transactions, cut_off
from custdyn_widgets.mart.checking.likely_mistakes.duplicates import repeated_rows, same_files
from custdyn_widgets.mart.checking.likely_mistakes.evidence import Evidence
from custdyn_widgets.mart.checking.likely_mistakes.gaps import missing_days
from custdyn_widgets.mart.checking.likely_mistakes.numbers import binary_floats, cents
from custdyn_widgets.mart.checking.likely_mistakes.quotes import inverse_currencies, odd_quotes
from custdyn_widgets.mart.checking.likely_mistakes.reconciliation import stored_balances
from custdyn_widgets.mart.checking.likely_mistakes.shifted_clients import shifted_clients, shifted_lifetimes
from custdyn_widgets.mart.checking.likely_mistakes.signs import (
    positive_usage,
    refills_as_other,
    reversed_signs,
)
from custdyn_widgets.mart.checking.likely_mistakes.summaries import summaries
from custdyn_widgets.mart.checking.likely_mistakes.times import (
    future_times,
    midnights_elsewhere,
    numbers_as_times,
    time_zones,
)
from custdyn_widgets.mart.checking.likely_mistakes.words import commas_in_tags, words_for_null
from custdyn_widgets.mart.checking.notes import Note

FINDERS: tuple[Callable[[Evidence], Iterator[Note]], ...] = (
    time_zones,
    midnights_elsewhere,
    numbers_as_times,
    future_times,
    binary_floats,
    cents,
    positive_usage,
    reversed_signs,
    refills_as_other,
    same_files,
    repeated_rows,
    summaries,
    shifted_clients,
    shifted_lifetimes,
    cut_off,
    missing_days,
    clients_without_transactions,
    stored_balances,
    words_for_null,
    commas_in_tags,
    odd_quotes,
    inverse_currencies,
)


def likely_mistakes(
    tables: Mapping[str, CheckedTable], files: Sequence[Path] = (), written: float | None = None
) -> list[Note]:
    """Return notes on the likely mistakes in the tables of a mart.

    Parameters
    ----------
    tables
        The checked tables.
    files
        The files that they were read from.
    written
        The Unix time of the last change to the files; the current time by default.
    """
    evidence = Evidence(tables, files, time.time() if written is None else written)
    return [note for find in FINDERS for note in find(evidence)]
