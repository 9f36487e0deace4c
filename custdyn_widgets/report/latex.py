"""A report as LaTeX, for nbconvert's PDF export.

Only the packages `longtable` and `booktabs` are needed; nbconvert's templates load both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from custdyn_widgets.report.formatting import MINUS
from custdyn_widgets.report.partial_rows import ASTERISK_NOTE
from custdyn_widgets.report.report import Report
from custdyn_widgets.report.table_view import LIMIT_NOTE, ColumnGroup, TableRow, TableView, table_view
from custdyn_widgets.report.terminal import TextTable, report_heading, text_cells
from custdyn_widgets.text import printable

_PAGE_WIDTH = 84  # the number of footnote-size characters that fit across a page with narrow margins
_MAX_LABEL = 32
_END = r" \tabularnewline"  # after "\\", a name that starts with "*" or "[" would be read as an argument
_ESCAPED = {
    **{character: f"\\{character}" for character in "#$%&_{}"},
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    MINUS: "$-$",
    # These form ligatures with their neighbours, or are quotes in some encodings.
    **{character: f"{{{character}}}" for character in "-<>`',\"!?[]*"},
}
_SPECIAL = re.compile("[" + re.escape("".join(_ESCAPED)) + "]")


def report_latex(report: Report, *, max_rows: int | None = None, limit_note: str = LIMIT_NOTE) -> str:
    """Return a report as LaTeX, with groups of columns stacked if they do not fit side by side.

    `max_rows` and `limit_note` are as for `table_view`.
    """
    view = table_view(
        report,
        max_rows=max_rows,
        max_label=_MAX_LABEL,
        partial_note=ASTERISK_NOTE,
        limit_note=limit_note,
    )
    parts = [latex_text(report_heading(report))]
    if report.message:
        parts.append(latex_text(printable(report.message)))
    else:
        parts += ["\n".join(_table(view, block)) for block in TextTable(view).blocks(_PAGE_WIDTH)]
        parts += map(latex_text, view.notes)
    parts += map(latex_text, view.warnings)
    return "{\\footnotesize\\setlength{\\tabcolsep}{4pt}\n" + "\n\n".join(parts) + "\n\n}"


def latex_text(text: str) -> str:
    """Escape text so that LaTeX prints every character literally."""
    return _SPECIAL.sub(lambda found: _ESCAPED[found[0]], text)


def _table(view: TableView, block: Sequence[ColumnGroup]) -> Iterator[str]:
    """Yield the lines of a table for some groups of columns, with its headings repeated on each page."""
    labels = len(view.headings)
    shown = [*range(labels), *(labels + i for group in block for i in group.positions)]
    headings = [*view.headings, *(column.label for column in view.columns)]

    def line(cells: Sequence[str]) -> str:
        return " & ".join(latex_text(cells[i]) for i in shown) + _END

    def row_line(row: TableRow) -> str:
        cells = text_cells(row)
        return line([*cells[:labels], *(cell.replace("-", MINUS) for cell in cells[labels:])])

    yield rf"\begin{{longtable}}{{{'l' * labels}{'r' * (len(shown) - labels)}}}"
    yield r"\toprule"
    upper = [rf"\multicolumn{{{group.span}}}{{c}}{{{latex_text(group.name)}}}" for group in block]
    yield " & ".join([*([""] * labels), *upper]) + _END
    yield line(headings)
    yield r"\midrule"
    yield r"\endhead"
    for row in view.rows:
        yield row_line(row)
    if view.total:
        yield r"\midrule"
        yield row_line(view.total)
    yield r"\bottomrule"
    yield r"\end{longtable}"
