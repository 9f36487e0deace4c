"""Checked marts: exact columns and the faults found in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from custdyn_widgets.errors import MartError, shown
from custdyn_widgets.mart.arrow_arrays import from_bools
from custdyn_widgets.mart.checking.fault_kinds import NULL_OF_MYSQL, null_of_mysql
from custdyn_widgets.mart.checking.faults import EXAMPLES, Fault, FaultKind, group_faults
from custdyn_widgets.mart.checking.notes import Note
from custdyn_widgets.mart.columns import Bools, Codes
from custdyn_widgets.mart.reading.stored import StoredTable

if TYPE_CHECKING:
    from custdyn_widgets.mart.checking.summary import CheckSummary

# Arrow writes the years -32767 to 32767 correctly.
_ARROW_YEARS = 30_000
_SECONDS = 31_556_952  # in an average year
_PER_YEAR = {"days": 365, "s": _SECONDS, "ms": _SECONDS * 10**3, "us": _SECONDS * 10**6}

LISTED = 20  # the maximum number of faults in an error message


@dataclass
class CheckedTable:
    """A table whose values have been read exactly.

    Attributes
    ----------
    stored
        The table as stored.
    columns
        The values of each column: a large-string array for text, an int64 array for times (µs), dates
        (days) and amounts (millionths), a list of Decimal for quotes, and a list array of strings for tags.
        In a batch of the ledger, ids may also be int64 or UUIDs, and transaction ids uint64. An absent column
        is filled with blanks.
    blank
        For each column, a mask of the values that are missing because they are blank or faulty.
    codes
        For each column of choices or references, the position of each row's choice or of the row that it
        refers to; -1 if there is none.
    """

    stored: StoredTable
    columns: dict[str, Any] = field(default_factory=dict)
    blank: dict[str, Bools] = field(default_factory=dict)
    codes: dict[str, Codes] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.stored.data.num_rows)

    def fault(self, row: int, column: str, kind: FaultKind, why: str = "") -> Fault:
        """Return a fault for the value at a row position; `why` defaults to the kind's reason.

        If the value is MySQL's NULL, the fault says so, whatever `kind` and `why` say.
        """
        known = column in self.stored.data.column_names
        text = stored_text(self.stored.data.column(column)[row]) if known else ""
        if text == NULL_OF_MYSQL:
            spec = next(spec for spec in self.stored.spec.columns if spec.name == column)
            kind, why = null_of_mysql(spec), ""
        return Fault(self.stored.origin, self.stored.number(row), column, text, why or kind.reason, kind)

    def position(self, fault: Fault) -> int:
        """Return the position of a fault's row."""
        return self.stored.position(fault.row)

    def rows(self, kept: Bools) -> CheckedTable:
        """Return the rows selected by a mask; codes still refer to positions in the full tables."""
        mask = from_bools(kept)

        def of(column: Any) -> Any:
            if isinstance(column, list):
                return list(compress(column, kept))
            return column.filter(mask) if isinstance(column, pa.Array) else column[kept]

        return CheckedTable(
            self.stored.rows(kept),
            {name: of(column) for name, column in self.columns.items()},
            {name: blank[kept] for name, blank in self.blank.items()},
            {name: codes[kept] for name, codes in self.codes.items()},
        )


@dataclass(repr=False)
class CheckedMart:
    """The checked tables of a mart, with their faults and notes.

    `str()` returns the output of `custdyn check`, which lists kinds of fault; `faults` contains every fault.
    """

    name: str
    tables: dict[str, CheckedTable]
    faults: list[Fault]
    notes: list[Note]

    def __str__(self) -> str:
        return self.summary().text()

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        from custdyn_widgets.mart.checking.html import summary_html  # imported late: only needed for display

        return summary_html(self.summary())

    def summary(self, examples: int | None = EXAMPLES) -> CheckSummary:
        """Return a summary of the check, with up to `examples` faults of each kind; None means all."""
        from custdyn_widgets.mart.checking.summary import CheckSummary  # imported late: a report needs none

        sizes = {name: len(table) for name, table in self.tables.items()}
        return CheckSummary(self.name, sizes, group_faults(self.faults, examples), self.notes)

    def reject_faults(self) -> None:
        """Raise an error if there are faults.

        Raises
        ------
        MartError
            If there are faults; the message says how many and lists the first ones.
        """
        if self.faults:
            raise fault_error(
                self.name, self.faults[:LISTED], len(self.faults), "custdyn check --all lists them"
            )


def fault_error(name: str, first: Sequence[Fault], count: int, more: str) -> MartError:
    """Return the error for faulty data: the number of faults, the first ones, and how to list them all."""
    lines = [f"Source {shown(name)} has {count:,} fault{'s' if count > 1 else ''}:"]
    lines += [f"  {fault}" for fault in first]
    if count > len(first):
        lines.append(f"  … and {count - len(first):,} more: {more}.")
    return MartError("\n".join(lines))


def stored_text(value: pa.Scalar) -> str:
    """Return a stored value as text for display in a fault."""
    try:
        plain = value.as_py()
    except (ValueError, OverflowError):  # a time that Python cannot represent
        plain = _far_time(value)
    return "" if plain is None else str(plain)


def _far_time(value: pa.Scalar) -> str:
    """Return a time outside the years 1 to 9999 as text, or as a number if Arrow cannot write its year."""
    kind = value.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        unit = kind.unit if pa.types.is_timestamp(kind) else "days" if pa.types.is_date32(kind) else "ms"
        if unit != "ns" and abs(value.value) >= _ARROW_YEARS * _PER_YEAR[unit]:  # ns times end in 2262
            return f"{value.value} {unit} since 1970"
    text: str = value.cast(pa.large_string()).as_py()
    return text
