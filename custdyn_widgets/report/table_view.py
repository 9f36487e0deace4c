"""The table of a report as shown in every output: headings, rows, limits and notes.

Pages, notebooks, browsers, terminals, emails and workbooks each render this table in their own way, but this
module alone decides what they show.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby
from typing import NamedTuple

from custdyn_widgets.report.comparing import Cell, comparison_note, number_cells, value_positions
from custdyn_widgets.report.formatting import format_value
from custdyn_widgets.report.partial_rows import PARTIAL_NOTE, cut_note
from custdyn_widgets.report.report import Column, Report, Row, Value
from custdyn_widgets.text import printable, short_names

MAX_ROWS = 2_000
MAX_LABEL = 300  # characters; only exports contain longer names in full
MAX_QUERY_TEXT = 5_000
LIMIT_NOTE = "Showing {shown:,} of {total:,} rows; the CSV has them all."
_NAMED = ("package", "company", "owner_user")  # groupings whose labels are names from the data
_OVERLAP_NOTE = (
    "Clients and balances overlap between packages and do not add up: a client that used two packages is "
    "counted in both rows, but only once in the Total."
)


class ColumnGroup(NamedTuple):
    """An upper-level heading: its name, the position of its first column, and its columns."""

    name: str
    first: int
    columns: tuple[Column, ...]

    @property
    def span(self) -> int:
        """The number of columns in the group."""
        return len(self.columns)

    @property
    def positions(self) -> range:
        """The positions of the group's columns."""
        return range(self.first, self.first + self.span)


@dataclass(frozen=True)
class TableRow:
    """A row of a `TableView`.

    Attributes
    ----------
    source
        The corresponding row of the report.
    is_partial
        Whether the row is marked as a partial bucket.
    is_total
        Whether the row is the Total.
    """

    source: Row
    is_partial: bool
    is_total: bool
    _columns: tuple[Column, ...] = field(repr=False)
    _currency: str = field(repr=False)
    _names: Mapping[str, str] = field(repr=False)

    @property
    def values(self) -> tuple[Value, ...]:
        """The unformatted values."""
        return self.source.values

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The printable labels, shortened; `source.labels` has them in full."""
        return tuple(self._names[label] for label in self.source.labels)

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The formatted values."""
        values = zip(self.values, self._columns, strict=True)
        return tuple(format_value(value, column, self._currency) for value, column in values)

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """The formatted values of the view's `numbers`, each with its change."""
        return tuple(number_cells(self.texts, self.values, self._columns, self._currency))


@dataclass(frozen=True)
class TableView:
    """The table of a report.

    Attributes
    ----------
    headings
        The headings of the label columns.
    columns
        The number columns, with printable text.
    groups
        The upper-level headings of the number columns, in order.
    rows, total
        The rows to show, and the Total.
    name_label
        The position of the label that is a name, such as a package or company; None if there is none.
    type_note, cut_note, partial_note, overlap_note, limit_note
        Notes below the table: which client types are counted, that the figures end before the interval does,
        the meaning of the mark for partial rows, that packages overlap, and how many rows are left out. Empty
        if they do not apply.
    comparison_note
        The note for outputs that show a number's change below it; empty without a comparison.
    warnings
        The report's warnings, as printable text.
    """

    headings: tuple[str, ...]
    columns: tuple[Column, ...]
    groups: tuple[ColumnGroup, ...]
    rows: tuple[TableRow, ...]
    total: TableRow | None
    name_label: int | None
    type_note: str
    cut_note: str
    partial_note: str
    overlap_note: str
    limit_note: str
    warnings: tuple[str, ...]
    comparison_note: str = ""

    @cached_property
    def group_starts(self) -> frozenset[int]:
        """The position of each group's first column."""
        return frozenset(group.first for group in self.groups)

    @cached_property
    def numbers(self) -> tuple[Column, ...]:
        """The number columns without earlier values and changes; one for each of `TableRow.cells`."""
        return tuple(self.columns[position] for position in value_positions(self.columns))

    @cached_property
    def number_groups(self) -> tuple[ColumnGroup, ...]:
        """The upper-level headings of `numbers`, in order."""
        return tuple(_column_groups(self.numbers))

    @cached_property
    def number_starts(self) -> frozenset[int]:
        """The position in `numbers` of each group's first column."""
        return frozenset(group.first for group in self.number_groups)

    @property
    def notes(self) -> tuple[str, ...]:
        """The notes that apply, in display order."""
        notes = (self.type_note, self.cut_note, self.partial_note, self.overlap_note, self.limit_note)
        return tuple(filter(None, notes))

    def all_rows(self) -> Iterator[TableRow]:
        """Yield the rows to show, then the Total."""
        yield from self.rows
        if self.total is not None:
            yield self.total


def table_view(
    report: Report,
    *,
    max_rows: int | None = None,
    max_label: int = MAX_LABEL,
    partial_note: str = PARTIAL_NOTE,
    limit_note: str = LIMIT_NOTE,
) -> TableView:
    """Return the table of a report.

    Parameters
    ----------
    report
        The report.
    max_rows
        The maximum number of rows to show, excluding the Total; None for all.
    max_label
        The maximum number of characters in a label.
    partial_note
        The note on partial rows, with the mark used in the output.
    limit_note
        The note on omitted rows; may contain the row counts `{shown}`, `{total}` and `{hidden}`.
    """
    columns = tuple(_printable_column(column) for column in report.columns)

    def view_row(row: Row, *, is_total: bool = False) -> TableRow:
        is_partial = row.partial and bool(report.headings)
        return TableRow(row, is_partial, is_total, columns, report.currency, names)

    names = _shown_labels([*report.rows[:max_rows], *([report.total] if report.total else [])], max_label)
    rows = tuple(view_row(row) for row in report.rows[:max_rows])
    total = None if report.total is None else view_row(report.total, is_total=True)
    is_partial = any(row.is_partial for row in rows) or (total is not None and total.is_partial)
    by_package = report.query.by_package
    has_names = report.query.row_group in _NAMED and bool(report.headings)
    return TableView(
        headings=tuple(printable(heading) for heading in report.headings),
        columns=columns,
        groups=tuple(_column_groups(columns)),
        rows=rows,
        total=total,
        name_label=len(report.headings) - 1 if has_names else None,
        type_note=_type_note(report.query.client_type),
        cut_note=cut_note(report),
        partial_note=partial_note if is_partial else "",
        limit_note=_format_limit(limit_note, shown=len(rows), total=len(report.rows)),
        overlap_note=_OVERLAP_NOTE if by_package else "",
        warnings=tuple(printable(warning) for warning in report.info.warnings),
        comparison_note=comparison_note(report.query),
    )


def _type_note(client_type: str) -> str:
    """Return the note on which client types are counted; "Clients - All" alone could mean all types."""
    if client_type == "all":
        return "Clients of all types are counted."
    name = client_type.replace("_", " ").capitalize()
    return f"Only clients of type {name} are counted, even in Clients - All."


def _shown_labels(rows: Sequence[Row], most: int) -> dict[str, str]:
    """Return each label as shown in tables: printable, and shortened if too long, but still unique."""
    printed = {label: printable(label) for label in dict.fromkeys(n for row in rows for n in row.labels)}
    names = short_names(printed.values(), most)
    return {label: names[name] for label, name in printed.items()}


def _printable_column(column: Column) -> Column:
    group, label, definition = map(printable, (column.group, column.label, column.definition))
    return replace(column, group=group, label=label, definition=definition)


def _format_limit(note: str, *, shown: int, total: int) -> str:
    return note.format(shown=shown, total=total, hidden=total - shown) if shown < total else ""


def _column_groups(columns: tuple[Column, ...]) -> Iterator[ColumnGroup]:
    first = 0
    for name, members in groupby(columns, key=lambda column: column.group):
        group = ColumnGroup(name, first, tuple(members))
        first += group.span
        yield group
