"""A mart whose values were read: exact columns, the faults that were found, and the words for them."""

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
    """A fault: where it is, the value as stored, and what is wrong with it."""

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
    """A table read exactly.

    Attributes
    ----------
    stored
        The table as stored.
    columns
        Per column: large-string arrays for text, int64 arrays for times (µs), dates (days) and amounts
        (millionths), lists of Decimal for quotes, list arrays of text for tags. An absent column is
        filled with blanks.
    blank
        Per column: which values are missing: blank, or a fault of their own.
    codes
        Per column that names a choice or a row of another table: the position of what it names, or -1.
    """

    stored: StoredTable
    columns: dict[str, Any] = field(default_factory=dict)
    blank: dict[str, Bools] = field(default_factory=dict)
    codes: dict[str, Codes] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.stored.data.num_rows)

    def fault(self, row: int, column: str, why: str) -> Fault:
        """Return the fault of a value, by the position of its row."""
        known = column in self.stored.data.column_names
        text = stored_text(self.stored.data.column(column)[row]) if known else ""
        return Fault(self.stored.origin, row + self.stored.first_row, column, text, why)

    def position(self, fault: Fault) -> int:
        """Return the position of a fault's row."""
        return fault.row - self.stored.first_row

    def rows(self, kept: Bools) -> CheckedTable:
        """Return the table with only some of its rows; codes still count the rows of the whole mart."""
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
    """The tables of a mart, read exactly, their faults, and notes on what was ignored or set aside.

    As text it is what `custdyn check` says.
    """

    name: str
    tables: dict[str, CheckedTable]
    faults: list[Fault]
    notes: list[str]

    def __str__(self) -> str:
        return "\n".join([*map(str, self.faults), *(f"Note: {note}" for note in self.notes), self.summary()])

    def summary(self) -> str:
        """Return how large the tables are and how many faults they have, in a sentence."""
        sizes = ", ".join(f"{len(table):,} {name}" for name, table in self.tables.items())
        count = len(self.faults)
        return f"{self.name}: {sizes}. {f'{count:,}' if count else 'No'} fault{'' if count == 1 else 's'}."

    def refuse_faults(self) -> None:
        """Raise if there is a fault.

        Raises
        ------
        MartError
            With the first faults in the words of `custdyn check`, and how many there are.
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
    """Return a stored value as text, as a fault shows it."""
    try:
        plain = value.as_py()
    except (ValueError, OverflowError):  # a time that Python cannot hold
        plain = value.cast(pa.large_string()).as_py()
    return "" if plain is None else str(plain)
