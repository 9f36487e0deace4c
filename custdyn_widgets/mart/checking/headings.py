"""Headings that name no column.

One that nearly names a column is a fault: ignoring it would give wrong numbers without a word.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterator

from custdyn_widgets.errors import shown
from custdyn_widgets.mart.checking.fault_kinds import NEAR_HEADING
from custdyn_widgets.mart.checking.faults import Fault
from custdyn_widgets.mart.checking.notes import Note
from custdyn_widgets.mart.reading.stored import StoredTable
from custdyn_widgets.text import printable

_LISTED = 20


def near_misses(table: StoredTable) -> Iterator[Fault]:
    """Yield a fault for each extra column whose name is a column's but for case, blanks and punctuation."""
    known = {_letters(name): name for name in table.spec.column_names}
    for name in table.extra:
        if meant := known.get(_letters(name)):
            why = f"is nearly the name of the column {meant}, so it is not read: rename it, or remove it"
            yield Fault(table.origin, 1, printable(name), name, why, NEAR_HEADING)


def extra_columns(table: StoredTable, near: Collection[Fault]) -> Iterator[Note]:
    """Note the columns of a table that are ignored: the extra ones without a near miss."""
    missed = {fault.value for fault in near}
    if ignored := [name for name in table.extra if name not in missed]:
        names = ", ".join(map(shown, ignored[:_LISTED]))
        more = f" and {len(ignored) - _LISTED:,} more" if len(ignored) > _LISTED else ""
        words = f"{table.origin}: extra columns are ignored: {names}{more}."
        yield Note(words, "extra_columns", file=table.origin, columns=ignored)


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", name).casefold()))
