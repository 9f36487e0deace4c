"""Misspelled headings, which would silently give wrong numbers if they were ignored."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from custdyn_widgets.mart.checking.checked import Fault
from custdyn_widgets.mart.reading.stored import StoredTable
from custdyn_widgets.text import printable


def near_misses(table: StoredTable) -> Iterator[Fault]:
    """Yield a fault for each extra column that matches a known one but for case, spaces and punctuation."""
    known = {_normalized(name): name for name in table.spec.column_names}
    for name in table.extra:
        if meant := known.get(_normalized(name)):
            why = f"is almost the name of the column {meant}, so it is not read: rename or remove it"
            yield Fault(table.origin, 1, printable(name), name, why)


def _normalized(name: str) -> str:
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", name).casefold()))
