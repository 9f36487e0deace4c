"""What a pass over a ledger needs to know, and what stops it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import NamedTuple

import numpy as np

from custdyn_widgets.mart.checking.checked import CheckedTable
from custdyn_widgets.mart.checking.distinct_ids import Keys
from custdyn_widgets.mart.columns import Bools, Codes, Int64s


class Doubt(Enum):
    """A doubt that stopped a pass over a ledger."""

    FORMAT = "its numbers or times may be in a format other than the mart's own"
    ROWS = "some of its rows were not read, or their numbers are wrong"
    TIMES = "some of its times do not fit in 32 bits"


class Known(NamedTuple):
    """What earlier passes found out about a ledger.

    Attributes
    ----------
    is_guessed
        Whether its format was guessed.
    ids_as_text
        Whether ids that are whole numbers are compared as text.
    repeated
        The keys of ids that may occur more than once (at least one); None if none have been found.
    kept
        The row numbers, ascending, of rows that were in doubt but have no faults.
    has_early_or_late_times
        Whether any rows without faults of their own have times that do not fit in 32 bits.
    """

    is_guessed: bool = False
    ids_as_text: bool = False
    repeated: Keys | None = None
    kept: Int64s = np.empty(0, np.int64)
    has_early_or_late_times: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether nothing is known that would matter when rows are added."""
        found_out = (self.is_guessed, self.ids_as_text, self.has_early_or_late_times, len(self.kept))
        return self.repeated is None and not any(found_out)


class OtherTables(NamedTuple):
    """The tables other than the ledger.

    Attributes
    ----------
    tables
        The tables as stored.
    left_out
        By table, a mask of the rows that are left out; empty if no row is left out.
    place
        For each row of the clients table, its place in the order of clients, or -1 if it is left out; None if
        the ledger need not be sorted.
    client_count
        The number of clients that are not left out.
    packages
        The package ids by code; None without a packages table.
    """

    tables: Mapping[str, CheckedTable]
    left_out: Mapping[str, Bools]
    place: Codes | None
    client_count: int
    packages: Sequence[str] | None
