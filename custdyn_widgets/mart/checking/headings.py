"""Headings that nearly name a column: ignoring one would give wrong numbers without a word."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from custdyn_widgets.mart.checking.fault_kinds import NEAR_HEADING
from custdyn_widgets.mart.checking.faults import Fault
from custdyn_widgets.mart.reading.stored import StoredTable
from custdyn_widgets.text import printable


def near_misses(table: StoredTable) -> Iterator[Fault]:
    """Yield a fault for each extra column whose name is a column's but for case, blanks and punctuation."""
    known = {_letters(name): name for name in table.spec.column_names}
    for name in table.extra:
        if meant := known.get(_letters(name)):
            why = f"is nearly the name of the column {meant}, so it is not read: rename it, or remove it"
            yield Fault(table.origin, 1, printable(name), name, why, NEAR_HEADING)


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", name).casefold()))
