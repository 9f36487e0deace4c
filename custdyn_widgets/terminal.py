"""A report as text for a terminal: Info's first facts, the table aligned, definitions left to the page."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from custdyn_widgets.display import cut_short, format_value, heading_groups, printable
from custdyn_widgets.report import Report, Row

_GAP = "  "
_PARTIAL = "*"
_LONGEST_NAME = 60  # characters: a longer name would push every number off the screen
_LONGEST_WORDS = 2_000


def report_text(report: Report) -> str:
    """Return a report as aligned text: two-level headings, the rows, and the Total below a rule."""
    words = cut_short(printable(report.query.describe()), _LONGEST_WORDS)
    head = f"{report.title} in {report.currency}: {words}"
    if report.message:
        return f"{head}\n\n{printable(report.message)}\n"
    body = [_cells(report, row) for row in report.rows]
    total = [_cells(report, report.total)] if report.total else []
    headings = [printable(h) for h in report.headings] + [printable(c.label) for c in report.columns]
    widths = [max(map(_width, column)) for column in zip(headings, *body, *total, strict=True)]
    label_count = len(report.headings)
    lines = [head, "", _group_line(report, widths), _line(headings, widths, label_count)]
    rule = "-" * len(_line(headings, widths, label_count))
    lines += [rule, *(_line(cells, widths, label_count) for cells in body)]
    if total:
        lines += [rule, _line(total[0], widths, label_count)]
    if any(row.partial for row in report.shown_rows()):
        lines += ["", f"{_PARTIAL} cut short by the interval or by as_of"]
    return "\n".join(lines) + "\n"


def _cells(report: Report, row: Row) -> list[str]:
    labels = [cut_short(printable(label), _LONGEST_NAME) for label in row.labels]
    if labels and row.partial:
        labels[0] += _PARTIAL
    values = zip(row.values, report.columns, strict=True)
    return labels + [format_value(value, column, report.currency) for value, column in values]


def _group_line(report: Report, widths: Sequence[int]) -> str:
    """Return the upper level of the headings, each group over its own columns."""
    at = len(report.headings)
    parts = [" " * (sum(widths[:at]) + len(_GAP) * max(at - 1, 0))] if at else []
    for group, span in heading_groups(report):
        room = sum(widths[at : at + span]) + len(_GAP) * (span - 1)
        parts.append(printable(group)[:room].ljust(room, "." if len(group) < room - 1 else " "))
        at += span
    return _GAP.join(parts).rstrip()


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
