"""A report as text for a terminal: Info's first facts, the table aligned, definitions left to the page."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from custdyn_widgets.report import ASTERISK_NOTE, ColumnGroup, Report, TableRow, TableView, table_view
from custdyn_widgets.text import cut_short, printable

_GAP = "  "
_MAX_LABEL = 60  # characters: a longer name would push every number off the screen
_MAX_QUERY_TEXT = 2_000


def report_text(report: Report, columns: int | None = None) -> str:
    """Return a report as aligned text: two-level headings, the rows, and the Total below a rule.

    Parameters
    ----------
    report
        The report.
    columns
        How wide the terminal is: groups of columns that do not fit beside each other stand one below the
        other, each with the labels of its rows. None: all beside each other.
    """
    query = cut_short(printable(report.query.describe()), _MAX_QUERY_TEXT)
    head = f"{report.title} in {report.currency}: {query}"
    if report.message:
        return f"{head}\n\n{printable(report.message)}\n"
    view = table_view(report, max_label=_MAX_LABEL, partial_note=ASTERISK_NOTE, marks_total=True)
    table = _Table(view)
    lines = [head]
    for block in table.blocks(columns):
        lines += ["", *table.block_lines(block)]
    if view.notes:
        lines += ["", *view.notes]
    return "\n".join(lines) + "\n"


class _Table:
    """The cells of a table as text, with the width of each column: labels first, then numbers."""

    def __init__(self, view: TableView) -> None:
        self._view = view
        self._labels = len(view.headings)
        self._headings = [*view.headings, *(column.label for column in view.columns)]
        self._body = [_cells(row) for row in view.rows]
        self._total = _cells(view.total) if view.total else None
        lines = [self._headings, *self._body, *([self._total] if self._total else [])]
        self._widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]

    def blocks(self, columns: int | None) -> list[list[ColumnGroup]]:
        """Return the groups of columns, in blocks of those that stand beside each other."""
        label_room = sum(self._widths[: self._labels]) + len(_GAP) * self._labels
        blocks: list[list[ColumnGroup]] = []
        used = 0
        for group in self._view.groups:
            room = sum(self._widths[i] + len(_GAP) for i in self._positions(group))
            if not blocks or (columns is not None and label_room + used + room - len(_GAP) > columns):
                blocks.append([])
                used = 0
            blocks[-1].append(group)
            used += room
        return blocks

    def block_lines(self, block: Sequence[ColumnGroup]) -> list[str]:
        """Return the lines of a block: both levels of headings, the rows, and the Total below a rule."""
        shown = [*range(self._labels), *(i for group in block for i in self._positions(group))]
        widths = [self._widths[i] for i in shown]

        def line(cells: Sequence[str]) -> str:
            return _line([cells[i] for i in shown], widths, self._labels)

        rule = "-" * len(line(self._headings))
        lines = [self._group_line(block), line(self._headings), rule, *map(line, self._body)]
        return [*lines, rule, line(self._total)] if self._total else lines

    def _group_line(self, block: Sequence[ColumnGroup]) -> str:
        """Return the upper level of the headings, each group over its own columns."""
        labels = self._widths[: self._labels]
        parts = [" " * (sum(labels) + len(_GAP) * (len(labels) - 1))] if labels else []
        for group in block:
            room = sum(self._widths[i] for i in self._positions(group)) + len(_GAP) * (group.span - 1)
            parts.append(group.name[:room].ljust(room, "." if len(group.name) < room - 1 else " "))
        return _GAP.join(parts).rstrip()

    def _positions(self, group: ColumnGroup) -> list[int]:
        return [self._labels + i for i in group.positions]


def _cells(row: TableRow) -> list[str]:
    labels = list(row.labels)
    if row.is_partial:
        labels[0] += "*"
    return [*labels, *row.texts]


def _line(cells: Sequence[str], widths: Sequence[int], label_count: int) -> str:
    padded = []
    for i, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        room = " " * (width - _width(cell))
        padded.append(cell + room if i < label_count else room + cell)
    return _GAP.join(padded).rstrip()


def _width(text: str) -> int:
    """Return how many columns of a terminal a text takes: wide characters two, combining ones none."""
    return sum(map(_columns_of, text))


def _columns_of(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf") and character != "\N{SOFT HYPHEN}":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
