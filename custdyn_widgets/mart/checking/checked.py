"""Checked marts: exact columns and the faults found in them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import compress
from typing import Any

import pyarrow as pa

from custdyn_widgets.errors import MartError, shown
from custdyn_widgets.mart.columns import Bools, Codes
from custdyn_widgets.mart.reading.stored import StoredTable

_LISTED = 20


@dataclass(frozen=True, order=True)
class Fault:
    """A faulty value or row: its location, the value as stored, and the reason."""

    file: str
    row: int
    column: str
    value: str
    why: str

    def __str__(self) -> str:
        place = f"{self.file}, row {self.row}" + (f", {self.column}" if self.column else "")
        return f"{place}: {shown(self.value)} {self.why}"


@dataclass
class CheckedTable:
    """A table whose values were read exactly.

    Attributes
    ----------
    stored
        The table as stored.
    columns
        Per column: large-string arrays for text, int64 arrays for times (µs), dates (days) and amounts
        (millionths), lists of Decimal for quotes, list arrays of text for tags. An absent column is
        filled with blanks.
    blank
        Per column: which values are missing, because they are blank or faulty.
    codes
        Per column of choices or references: the position of the choice or of the row referred to, or -1.
    """

    stored: StoredTable
    columns: dict[str, Any] = field(default_factory=dict)
    blank: dict[str, Bools] = field(default_factory=dict)
    codes: dict[str, Codes] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.stored.data.num_rows)

    def fault(self, row: int, column: str, why: str) -> Fault:
        """Return a fault for the value at a row position."""
        known = column in self.stored.data.column_names
        text = stored_text(self.stored.data.column(column)[row]) if known else ""
        return Fault(self.stored.origin, row + self.stored.first_row, column, text, why)

    def position(self, fault: Fault) -> int:
        """Return the row position of a fault."""
        return fault.row - self.stored.first_row

    def rows(self, kept: Bools) -> CheckedTable:
        """Return the table with only some of its rows; codes still refer to positions in the full mart."""
        mask = pa.array(kept)

        def of(column: Any) -> Any:
            if isinstance(column, list):
                return list(compress(column, kept))
            return column.filter(mask) if isinstance(column, pa.Array) else column[kept]

        return CheckedTable(
            replace(self.stored, data=self.stored.data.filter(mask)),
            {name: of(column) for name, column in self.columns.items()},
            {name: blank[kept] for name, blank in self.blank.items()},
            {name: codes[kept] for name, codes in self.codes.items()},
        )


@dataclass(repr=False)
class CheckedMart:
    """The checked tables of a mart, their faults, and notes on what was ignored or left out.

    `str()` gives the output of `custdyn check`.
    """

    name: str
    tables: dict[str, CheckedTable]
    faults: list[Fault]
    notes: list[str]

    def __str__(self) -> str:
        return "\n".join([*map(str, self.faults), *(f"Note: {note}" for note in self.notes), self.summary()])

    def summary(self) -> str:
        """Return a sentence with the sizes of the tables and the number of faults."""
        sizes = ", ".join(f"{len(table):,} {name}" for name, table in self.tables.items())
        count = len(self.faults)
        return f"{self.name}: {sizes}. {f'{count:,}' if count else 'No'} fault{'' if count == 1 else 's'}."

    def refuse_faults(self) -> None:
        """Raise an error if there are faults.

        Raises
        ------
        MartError
            With the number of faults and the first of them.
        """
        if not self.faults:
            return
        count = len(self.faults)
        lines = [f"The data of {shown(self.name)} has {count:,} fault{'s' if count > 1 else ''}:"]
        lines += [f"  {fault}" for fault in self.faults[:_LISTED]]
        if count > _LISTED:
            lines.append(f"  … and {count - _LISTED:,} more: custdyn check lists them all.")
        raise MartError("\n".join(lines))


def stored_text(value: pa.Scalar) -> str:
    """Return a stored value as text for display in a fault."""
    try:
        plain = value.as_py()
    except (ValueError, OverflowError):  # a time that Python cannot hold
        plain = value.cast(pa.large_string()).as_py()
    return "" if plain is None else str(plain)
