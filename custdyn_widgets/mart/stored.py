"""A mart's tables as they are stored, before anything in them is judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from custdyn_widgets.errors import SourceError
from custdyn_widgets.mart.schema import MartTable


@dataclass(frozen=True)
class StoredTable:
    """A table as stored.

    Attributes
    ----------
    spec
        What the table should be.
    origin
        Its file's name, or the table's name for a DataFrame.
    data
        The known columns, one chunk each, as the file types them.
    extra
        Names of columns that the mart does not know; they are ignored.
    first_row
        The number of its first row as a person counts it: a CSV's headings are row 1.
    misshapen
        Rows of a CSV with too many or too few cells: (row, text, why).
    """

    spec: MartTable
    origin: str
    data: pa.Table
    extra: tuple[str, ...] = ()
    first_row: int = 1
    misshapen: tuple[tuple[int, str, str], ...] = ()


@dataclass(frozen=True)
class StoredMart:
    """The tables of a source, and its name."""

    name: str
    tables: Mapping[str, StoredTable]


def refuse_doubled(names: Sequence[object], spec: MartTable, whose: str) -> None:
    """Raise a SourceError if a column that the mart knows is there twice."""
    for name in spec.column_names:
        if names.count(name) > 1:
            raise SourceError(f"{whose} has the column {name!r} twice.", field=name)
