"""A report as text for a terminal: the query, the aligned table and its notes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from custdyn_widgets.report.partial_rows import ASTERISK_NOTE
from custdyn_widgets.report.report import Report
from custdyn_widgets.report.table_view import LIMIT_NOTE, ColumnGroup, TableRow, TableView, table_view
from custdyn_widgets.text import GAP, align_cells, cut_short, printable, text_width

_MAX_LABEL = 60  # characters; longer names would push the numbers off the screen
_MAX_QUERY_TEXT = 2_000


def report_text(
    report: Report,
    columns: int | None = None,
    *,
    max_rows: int | None = None,
    limit_note: str = LIMIT_NOTE,
) -> str:
    """Return a report as aligned text with two-level headings, the rows, and the Total below a rule.

    Parameters
    ----------
    report
        The report.
    columns
        The width of the terminal. Groups of columns that do not fit side by side are placed one below
        the other, and row labels are repeated. If None, all groups are side by side.
    max_rows, limit_note
        The maximum number of rows, not counting the Total, and the note on omitted rows, as for `table_view`.
    """
    head = report_heading(report)
    if report.message:
        return f"{head}\n\n{printable(report.message)}\n"
    view = table_view(
        report,
        max_rows=max_rows,
        max_label=_MAX_LABEL,
        partial_note=ASTERISK_NOTE,
        limit_note=limit_note,
    )
    table = TextTable(view)
    lines = [head]
    for block in table.blocks(columns):
        lines += ["", *table.block_lines(block)]
    notes = [note for note in view.notes if note != view.type_note]  # already on the first line
    if notes:
        lines += ["", *notes]
    return "\n".join(lines) + "\n"


def report_heading(report: Report) -> str:
    """Return the line above a report: its title, currency and query."""
    query = cut_short(printable(report.query.describe()), _MAX_QUERY_TEXT)
    return f"{report.title} in {report.currency}: {query}"


class TextTable:
    """The cells of a table as text, labels before numbers, and the width of each column."""

    def __init__(self, view: TableView) -> None:
        self._view = view
        self._labels = len(view.headings)
        self._headings = [*view.headings, *(column.label for column in view.columns)]
        self._body = [text_cells(row) for row in view.rows]
        self._total = text_cells(view.total) if view.total else None
        lines = [self._headings, *self._body, *([self._total] if self._total else [])]
        self._widths = [max(map(text_width, column)) for column in zip(*lines, strict=True)]

    def blocks(self, columns: int | None) -> list[list[ColumnGroup]]:
        """Split the groups of columns into blocks that fit the width.

        A group that does not fit by itself is also split, but a number and its comparison stay together.
        """
        label_room = sum(self._widths[: self._labels]) + len(GAP) * self._labels
        blocks: list[list[ColumnGroup]] = []
        used = 0
        for group in self._fitting_groups(None if columns is None else columns - label_room + len(GAP)):
            room = self._room(group)
            if not blocks or (columns is not None and label_room + used + room - len(GAP) > columns):
                blocks.append([])
                used = 0
            blocks[-1].append(group)
            used += room
        return blocks

    def block_lines(self, block: Sequence[ColumnGroup]) -> list[str]:
        """Return the lines of a block: its two-level headings, the rows, and the Total below a rule."""
        shown = [*range(self._labels), *(i for group in block for i in self._positions(group))]
        widths = [self._widths[i] for i in shown]

        def line(cells: Sequence[str]) -> str:
            return align_cells([cells[i] for i in shown], widths, right=range(self._labels, len(shown)))

        rule = "-" * len(line(self._headings))
        lines = [self._group_line(block), line(self._headings), rule, *map(line, self._body)]
        return [*lines, rule, line(self._total)] if self._total else lines

    def _group_line(self, block: Sequence[ColumnGroup]) -> str:
        """Return the line of upper-level headings, each above its columns."""
        labels = self._widths[: self._labels]
        parts = [" " * (sum(labels) + len(GAP) * (len(labels) - 1))] if labels else []
        for group in block:
            room = sum(self._widths[i] for i in self._positions(group)) + len(GAP) * (group.span - 1)
            parts.append(group.name[:room].ljust(room, "." if len(group.name) < room - 1 else " "))
        return GAP.join(parts).rstrip()

    def _fitting_groups(self, most: int | None) -> Iterator[ColumnGroup]:
        """Yield the groups of columns, splitting those that are wider than `most`."""
        for group in self._view.groups:
            if most is None or self._room(group) <= most:
                yield group
                continue
            part: list[ColumnGroup] = []
            for number in _numbers(group):
                if part and sum(map(self._room, part)) + self._room(number) > most:
                    yield _joined(part)
                    part = []
                part.append(number)
            yield _joined(part)

    def _room(self, group: ColumnGroup) -> int:
        """Return the width of a group of columns, including the gap before each column."""
        return sum(self._widths[i] + len(GAP) for i in self._positions(group))

    def _positions(self, group: ColumnGroup) -> list[int]:
        return [self._labels + i for i in group.positions]


def _numbers(group: ColumnGroup) -> list[ColumnGroup]:
    """Split a group into one group per number, each with the columns of its comparison."""
    starts = [i for i, column in enumerate(group.columns) if column.part == "value"]
    ends = [*starts[1:], group.span]
    return [
        ColumnGroup(group.name, group.first + start, group.columns[start:end])
        for start, end in zip(starts, ends, strict=True)
    ]


def _joined(parts: Sequence[ColumnGroup]) -> ColumnGroup:
    return ColumnGroup(parts[0].name, parts[0].first, tuple(c for part in parts for c in part.columns))


def text_cells(row: TableRow) -> list[str]:
    """Return the labels and numbers of a row, with an asterisk if it is partial."""
    labels = list(row.labels)
    if row.is_partial:
        labels[0] += "*"
    return [*labels, *row.texts]
