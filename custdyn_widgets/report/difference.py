"""Differences between two reports of the same query: every cell that differs, and the recorded reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any

from custdyn_widgets.query import ReportQuery
from custdyn_widgets.report.client_changes import ClientChanges, few
from custdyn_widgets.report.difference_reasons import Reason, reasons_for
from custdyn_widgets.report.formatting import NULL, format_value
from custdyn_widgets.report.report import Column, Info, Report, Row, Value
from custdyn_widgets.report.same_query import refuse_other_query

if TYPE_CHECKING:
    import pandas as pd

NOT_KNOWN = "The clients that changed cannot be determined"
_EXACT = Context(prec=1_000)
_FEW = 5
_Key = tuple[tuple[str, ...], int]


@dataclass(frozen=True)
class CellDifference:
    """A cell that differs between two reports.

    Attributes
    ----------
    labels
        The row's label for each heading. The first label of the Total is `Total`.
    is_total
        Whether the row is the Total.
    column
        The column.
    old, new
        The values; None for an undefined average, or if the report lacks the row.
    change
        `new` - `old`; None if either is None.
    """

    labels: tuple[str, ...]
    is_total: bool
    column: Column
    old: Value
    new: Value
    change: Value

    def texts(self, currency: str) -> tuple[str, str, str]:
        """Return old, new and change as text, with all digits if old and new would otherwise look equal."""
        column = self.column
        old, new = (format_value(value, column, currency) for value in (self.old, self.new))
        change_column, change = column, self.change
        if column.unit in ("rate", "percent"):
            change_column = replace(column, unit="points")
            if column.unit == "percent" and change is not None:
                change = Decimal(change).scaleb(-2, _EXACT)
        if old == new:
            return _plain(self.old), _plain(self.new), _plain(self.change)
        return old, new, format_value(change, change_column, currency)


@dataclass(frozen=True)
class ReportDifference:
    """The differences between two reports of the same query.

    Attributes
    ----------
    headings
        The label headings of the reports.
    currency
        The currency of every amount.
    cells
        The cells that differ, in the order of the new report's rows, then those in rows that only the old
        report has, then those in the Total. A row that is in only one report contributes a cell for each
        value other than 0 and None.
    rows_only_in_old, rows_only_in_new
        The labels of rows that only one report has.
    columns_only_in_old, columns_only_in_new
        The names of columns that only one report has.
    reasons
        Other recorded differences between the reports.
    old, new
        The reports' Info.
    query
        The query of the new report.
    clients
        The clients whose contribution changed; None if they are unknown.
    clients_unknown
        A sentence that says why the clients that changed cannot be determined.
    compared
        The ids of the snapshots that were compared, if any.
    """

    headings: tuple[str, ...]
    currency: str
    cells: tuple[CellDifference, ...]
    rows_only_in_old: tuple[tuple[str, ...], ...]
    rows_only_in_new: tuple[tuple[str, ...], ...]
    columns_only_in_old: tuple[str, ...]
    columns_only_in_new: tuple[str, ...]
    reasons: tuple[Reason, ...]
    old: Info
    new: Info
    query: ReportQuery
    clients: ClientChanges | None = None
    clients_unknown: str = f"{NOT_KNOWN}: reports do not contain the contributions of individual clients."
    compared: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether both reports have the same rows, columns and values."""
        only_in_one = (self.rows_only_in_old, self.rows_only_in_new)
        return not (self.cells or any(only_in_one) or self.columns_only_in_old or self.columns_only_in_new)

    @property
    def line_headings(self) -> tuple[str, ...]:
        """The headings of `lines`."""
        return (*self.headings, "Column", "Old", "New", "Change")

    def lines(self) -> list[tuple[str | Value, ...]]:
        """Return each cell as its row's labels, its column's name, the old and new values, and the change."""
        return [(*self._names(cell), cell.old, cell.new, cell.change) for cell in self.cells]

    def texts(self) -> list[tuple[str, ...]]:
        """Return the headings, followed by the lines as text for display."""
        lines = [(*self._names(cell), *cell.texts(self.currency)) for cell in self.cells]
        return [self.line_headings, *lines]

    def notes(self) -> Iterator[str]:
        """Yield notes on what the cells do not show: rows and columns in only one report, and reasons."""
        for where, rows, columns in (
            ("old", self.rows_only_in_old, self.columns_only_in_old),
            ("new", self.rows_only_in_new, self.columns_only_in_new),
        ):
            if rows:
                yield f"Rows only in the {where} report: {few([', '.join(r) for r in rows], _FEW, '; ')}."
            if columns:
                yield f"Columns only in the {where} report: {few(columns, _FEW, '; ')}."
        if self.cells:
            yield from (reason.text for reason in self.reasons)
        if self.clients is not None:
            yield self.clients.text
        elif self.cells:
            yield self.clients_unknown

    def to_pandas(self) -> pd.DataFrame:
        """Return the lines as a DataFrame."""
        import pandas as pd

        return pd.DataFrame(self.lines(), columns=list(self.line_headings), dtype=object)

    def to_dict(self) -> dict[str, Any]:
        """Return the difference as JSON values, with Decimals as strings and without any floats."""
        return {
            "headings": list(self.headings),
            "currency": self.currency,
            "cells": [_cell_to_dict(cell) for cell in self.cells],
            "rows_only_in_old": [list(labels) for labels in self.rows_only_in_old],
            "rows_only_in_new": [list(labels) for labels in self.rows_only_in_new],
            "columns_only_in_old": list(self.columns_only_in_old),
            "columns_only_in_new": list(self.columns_only_in_new),
            "reasons": [{"kind": reason.kind, "text": reason.text} for reason in self.reasons],
            "clients": self.clients.to_dict() if self.clients else None,
            "old": _times(self.old),
            "new": _times(self.new),
        }

    def _names(self, cell: CellDifference) -> tuple[str, ...]:
        return (*(cell.labels if self.headings else ()), cell.column.name)


def report_difference(old: Report, new: Report) -> ReportDifference:
    """Return every cell that differs between two reports of the same query, and all other differences.

    Rows are matched by their labels and columns by their names. The queries' `columns` may differ. A preset
    such as `last_month` may be compared with the same interval given as dates. The retention triangle is not
    compared.

    Parameters
    ----------
    old, new
        The reports.

    Raises
    ------
    QueryError
        If the reports do not answer the same query; the error names the first field that differs, and both
        values.
    """
    refuse_other_query(old, new)
    old_columns, new_columns = (_by_name(report) for report in (old, new))
    shared = [
        (old_columns[column.name], i, column)
        for i, column in enumerate(new.columns)
        if column.name in old_columns
    ]
    old_rows, new_rows = (_by_labels(report.rows) for report in (old, new))
    cells = [
        cell
        for key in [*new_rows, *(key for key in old_rows if key not in new_rows)]
        for cell in _row_cells(shared, old_rows.get(key), new_rows.get(key))
    ]
    totals = (replace(cell, is_total=True) for cell in _row_cells(shared, old.total, new.total))
    found = (*cells, *totals)
    return ReportDifference(
        headings=new.headings,
        currency=new.currency,
        cells=found,
        rows_only_in_old=tuple(key[0] for key in old_rows if key not in new_rows),
        rows_only_in_new=tuple(key[0] for key in new_rows if key not in old_rows),
        columns_only_in_old=tuple(name for name in old_columns if name not in new_columns),
        columns_only_in_new=tuple(name for name in new_columns if name not in old_columns),
        reasons=reasons_for(old, new, cells_differ=bool(found)),
        old=old.info,
        new=new.info,
        query=new.query,
    )


def _by_name(report: Report) -> dict[str, int]:
    return {column.name: i for i, column in enumerate(report.columns)}


def _by_labels(rows: Iterable[Row]) -> dict[_Key, Row]:
    """Return rows by their labels; rows with the same labels are numbered to tell them apart."""
    seen: Counter[tuple[str, ...]] = Counter()
    found = {}
    for row in rows:
        found[row.labels, seen[row.labels]] = row
        seen[row.labels] += 1
    return found


def _row_cells(
    shared: Iterable[tuple[int, int, Column]], old: Row | None, new: Row | None
) -> Iterator[CellDifference]:
    """Yield the cells that differ between two rows, one of which may be missing."""
    row = new or old
    if row is None:
        return
    for old_position, new_position, column in shared:
        before = old.values[old_position] if old else None
        after = new.values[new_position] if new else None
        only_zero = (old is None or new is None) and not (before or after)
        if before != after and not only_zero:
            yield CellDifference(row.labels, False, column, before, after, _change(before, after))


def _change(old: Value, new: Value) -> Value:
    if old is None or new is None:
        return None
    if isinstance(old, int) and isinstance(new, int):
        return new - old
    return _EXACT.subtract(Decimal(new), Decimal(old))


def _plain(value: Value) -> str:
    return NULL if value is None else f"{value:z,f}" if isinstance(value, Decimal) else f"{value:,d}"


def _cell_to_dict(cell: CellDifference) -> dict[str, Any]:
    values = {"old": cell.old, "new": cell.new, "change": cell.change}
    return {
        "row": list(cell.labels),
        "total": cell.is_total,
        "column": cell.column.name,
        **{name: f"{v:f}" if isinstance(v, Decimal) else v for name, v in values.items()},
    }


def _times(info: Info) -> dict[str, Any]:
    names = ("source", "generated_at", "as_of", "data_as_of", "clients", "transactions")
    return {name: getattr(info, name) for name in names}
