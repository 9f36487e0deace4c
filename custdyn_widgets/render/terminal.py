"""A report as text for a terminal: Info's first facts, the table aligned, definitions left to the page."""

from __future__ import annotations

from collections.abc import Sequence

from custdyn_widgets.report import CUT_SHORT, Report, Row, format_value, heading_groups
from custdyn_widgets.text import GAP, align_cells, cut_short, printable, text_width

_PARTIAL = "*"
_LONGEST_NAME = 60  # characters: a longer name would push every number off the screen
_LONGEST_WORDS = 2_000


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
    words = cut_short(printable(report.query.describe()), _LONGEST_WORDS)
    head = f"{report.title} in {report.currency}: {words}"
    if report.message:
        return f"{head}\n\n{printable(report.message)}\n"
    body = [_cells(report, row) for row in report.rows]
    total = [_cells(report, report.total)] if report.total else []
    headings = [printable(h) for h in report.headings] + [printable(c.label) for c in report.columns]
    widths = [max(map(text_width, column)) for column in zip(headings, *body, *total, strict=True)]
    lines = [head]
    for block in _blocks(report, widths, columns):
        lines += ["", *_block_lines(report, block, headings, body, total, widths)]
    if any(row.partial for row in report.shown_rows()):
        lines += ["", f"{_PARTIAL} {CUT_SHORT}"]
    return "\n".join(lines) + "\n"


def _blocks(report: Report, widths: Sequence[int], columns: int | None) -> list[list[tuple[str, list[int]]]]:
    """Return the groups of columns, with the places of their columns, that stand beside each other."""
    label_room = sum(widths[: len(report.headings)]) + len(GAP) * len(report.headings)
    blocks: list[list[tuple[str, list[int]]]] = []
    at, used = len(report.headings), 0
    for group, span in heading_groups(report):
        places = list(range(at, at + span))
        room = sum(widths[i] + len(GAP) for i in places)
        if not blocks or (columns is not None and label_room + used + room - len(GAP) > columns):
            blocks.append([])
            used = 0
        blocks[-1].append((group, places))
        used += room
        at += span
    return blocks


def _block_lines(
    report: Report,
    block: Sequence[tuple[str, list[int]]],
    headings: Sequence[str],
    body: Sequence[Sequence[str]],
    total: Sequence[Sequence[str]],
    widths: Sequence[int],
) -> list[str]:
    labels = range(len(report.headings))
    shown = [*labels, *(i for _, places in block for i in places)]
    numbers = range(len(labels), len(shown))

    def line(cells: Sequence[str]) -> str:
        return align_cells([cells[i] for i in shown], [widths[i] for i in shown], right=numbers)

    rule = "-" * len(line(headings))
    lines = [_group_line(block, widths, len(labels)), line(headings), rule, *map(line, body)]
    return [*lines, rule, line(total[0])] if total else lines


def _cells(report: Report, row: Row) -> list[str]:
    labels = [cut_short(printable(label), _LONGEST_NAME) for label in row.labels]
    if labels and row.partial:
        labels[0] += _PARTIAL
    values = zip(row.values, report.columns, strict=True)
    return labels + [format_value(value, column, report.currency) for value, column in values]


def _group_line(block: Sequence[tuple[str, list[int]]], widths: Sequence[int], labels: int) -> str:
    """Return the upper level of the headings, each group over its own columns."""
    parts = [" " * (sum(widths[:labels]) + len(GAP) * (labels - 1))] if labels else []
    for group, places in block:
        room = sum(widths[i] for i in places) + len(GAP) * (len(places) - 1)
        parts.append(printable(group)[:room].ljust(room, "." if len(group) < room - 1 else " "))
    return GAP.join(parts).rstrip()
