"""Sampling the tables, columns and rows of a database, in order to guess a mapping."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pyarrow as pa

from custdyn_widgets import progress
from custdyn_widgets.mart.dialect import DecimalMark
from custdyn_widgets.mart.mapping.choices import FEW, ROWS_OF_KIND, has_kinds
from custdyn_widgets.mart.mapping.profiles import Column, stripped
from custdyn_widgets.mart.mapping.sql_text import Syntax
from custdyn_widgets.mart.syncing.session import Session
from custdyn_widgets.mart.syncing.typed import ResultColumn

ROWS = 2_000
_TABLES = 300
_LONGEST = 200  # characters; longer values are truncated
_COMPARED = 200  # values


class Sample:
    """The first rows of each table in a database.

    Parameters
    ----------
    session
        The session.
    syntax
        The SQL dialect of the server.
    decimal
        The decimal separator of numbers in text, if it is known.
    """

    def __init__(self, session: Session, syntax: Syntax, decimal: DecimalMark | None = None) -> None:
        self._session, self._syntax, self._decimal = session, syntax, decimal
        tables = session.readable_tables()
        names = [t.name for t in tables if not t.is_view] or [t.name for t in tables]
        self.ignored = [t.name for t in tables if t.name not in names] + names[_TABLES:]
        known = [name for name in names[:_TABLES] if name.isprintable()]
        by_table = session.table_columns(known) if known else {}
        self.tables: dict[str, list[Column]] = {}
        for place, name in enumerate(known):
            progress.step(f"Sampling the table {name}", place / len(known))
            self.tables[name] = self._columns(name, by_table.get(name, []))

    def _columns(self, table: str, names: Iterable[str]) -> list[Column]:
        quoted = self._syntax.identifier
        known = ", ".join(quoted(name) for name in names if name.isprintable())
        if not known:
            return []
        source = f"SELECT {known} FROM {quoted(table)}"  # noqa: S608 (quoted names)
        found = [column for column in self._session.columns(source) if column.family != "bytes"]
        if not found:
            return []
        wanted = ", ".join(
            f"LEFT({self._syntax.text(quoted(c.name))}, {_LONGEST}) AS {quoted(c.name)}"
            if c.family in ("text", "json")
            else quoted(c.name)
            for c in found
        )
        every = f"SELECT {wanted} FROM {quoted(table)}"  # noqa: S608 (quoted names)
        cells: dict[str, list[str | None]] = {column.name: [] for column in found}
        self._read(f"{every} LIMIT {ROWS}", cells)
        columns = self._as_columns(table, found, cells)
        if len(columns[0].cells) < ROWS:
            return columns
        for column in filter(has_kinds, columns):
            for value in self._rare_kinds(column):
                where = f"{column.text} = {self._syntax.literal(value)}"
                self._read(f"{every} WHERE {where} LIMIT {ROWS_OF_KIND}", cells)
        rows = list(zip(*cells.values(), strict=True))
        rows = [*rows[:ROWS], *dict.fromkeys(rows[ROWS:])]  # a row may contain two rare kinds
        cells = {name: list(of) for name, of in zip(cells, zip(*rows, strict=True), strict=True)}
        return self._as_columns(table, found, cells)

    def _read(self, select: str, cells: Mapping[str, list[str | None]]) -> None:
        """Append the rows of a SELECT to the cells."""
        for chunk in self._session.rows(select, self._session.columns(select)):
            for name, values in chunk.items():
                cells[name] += map(_cell, values)

    def _as_columns(
        self, table: str, found: Iterable[ResultColumn], cells: Mapping[str, list[str | None]]
    ) -> list[Column]:
        columns = []
        for c in found:
            plain, padding = stripped(cells[c.name])
            typed = c.family not in ("text", "json")
            columns.append(
                Column(
                    table,
                    c.name,
                    plain,
                    typed=typed,
                    syntax=self._syntax,
                    family=c.family,
                    decimal=self._decimal,
                    padding=padding,
                )
            )
        return columns

    def _rare_kinds(self, column: Column) -> list[str]:
        """Return the kinds that are missing from the sample, or an empty list if there are too many."""
        text, known = column.text, sorted(set(column.values))
        named = ", ".join(map(self._syntax.literal, known))
        select = (
            f"SELECT DISTINCT {text} AS kind FROM {self._syntax.identifier(column.table)} "  # noqa: S608
            f"WHERE TRIM({text}) NOT IN ({named}) LIMIT {FEW + 1}"
        )
        cells: dict[str, list[str | None]] = {"kind": []}
        self._read(select, cells)
        rare = [value for value in cells["kind"] if value and value.strip()]
        return rare if len(known) + len(rare) <= FEW else []

    def overlap(self, column: Column, other: Column) -> float:
        """Return the share of a column's values that occur in another column, based on at most 200 values."""
        values = sorted(set(column.values))[:_COMPARED]
        if not values:
            return 0.0
        known = set(other.values)
        found = sum(value in known for value in values)
        if found < len(values) and len(other.cells) >= ROWS:  # the rest of the table may contain more
            text, quoted = self._syntax.text(other.sql), self._syntax.identifier
            named = ", ".join(map(self._syntax.literal, values))
            found = self._session.number(
                f"SELECT count(DISTINCT {text}) FROM {quoted(other.table)} WHERE {text} IN ({named})"  # noqa: S608
            )
        return min(found / len(values), 1.0)


def _cell(value: pa.Scalar) -> str | None:
    raw = value.as_py()
    if raw is None:
        return None
    return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
