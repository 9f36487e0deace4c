"""The five tables of a mart: their columns and the values allowed in each.

This schema is used by the code that reads and checks marts, and by the documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from custdyn_widgets.query import CLIENT_TYPES

Kind = Literal["text", "id", "choice", "currency", "time", "date", "amount", "positive", "tags"]

# What to call one row of each table.
_ONE_ROW = {
    "clients": "client",
    "transactions": "transaction",
    "packages": "package",
    "companies": "company",
    "rates": "rate",
}
KINDS = ("refill", "usage", "package_activation", "package_renewal", "other")


class MartColumn(NamedTuple):
    """A column: the kind of its values, whether they are required or unique, and the allowed choices.

    An optional column may be absent. If `repeats` is True, the column has few distinct values and is read as
    a dictionary, which contains each string once and a code for each row.
    """

    name: str
    kind: Kind
    required: bool = True
    unique: bool = False
    choices: tuple[str, ...] = ()
    repeats: bool = False


class MartTable(NamedTuple):
    """A table: its columns, and whether it is required."""

    name: str
    columns: tuple[MartColumn, ...]
    required: bool = True

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(c.name for c in self.columns)

    @property
    def repeating(self) -> tuple[str, ...]:
        """The columns that are read as dictionaries."""
        return tuple(c.name for c in self.columns if c.repeats)


TABLES = {
    table.name: table
    for table in (
        MartTable(
            "clients",
            (
                MartColumn("client_id", "id", unique=True),
                MartColumn("name", "text", required=False),
                MartColumn("client_type", "choice", choices=CLIENT_TYPES),
                MartColumn("company", "text", required=False),
                MartColumn("owner_user", "text", required=False),
                MartColumn("tags", "tags", required=False),
                MartColumn("currency", "currency"),
                MartColumn("created_at", "time"),
                MartColumn("closed_at", "time", required=False),
                MartColumn("opening_balance", "amount", required=False),
                MartColumn("stored_balance", "amount", required=False),
            ),
        ),
        MartTable(
            "transactions",
            (
                MartColumn("transaction_id", "id", unique=True),
                MartColumn("client_id", "id", repeats=True),
                MartColumn("at", "time"),
                MartColumn("kind", "choice", choices=KINDS, repeats=True),
                MartColumn("amount", "amount"),
                MartColumn("package_id", "id", required=False, repeats=True),
            ),
        ),
        MartTable(
            "packages",
            (MartColumn("package_id", "id", unique=True), MartColumn("name", "text", required=False)),
            required=False,
        ),
        MartTable(
            "companies",
            (MartColumn("company", "text", unique=True), MartColumn("parent", "text", required=False)),
            required=False,
        ),
        MartTable(
            "rates",
            (
                MartColumn("currency", "currency"),
                MartColumn("date", "date"),
                MartColumn("units_per_base", "positive"),
                MartColumn("base", "currency"),
            ),
            required=False,
        ),
    )
}


def size_words(sizes: Mapping[str, int]) -> str:
    """Return the row counts of tables as a phrase, such as "2 clients, 1 company"."""
    return ", ".join(f"{size:,} {_ONE_ROW[name] if size == 1 else name}" for name, size in sizes.items())
