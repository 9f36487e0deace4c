"""A report's table as HTML for a notebook's output, in the colours of JupyterLab's theme."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from custdyn_widgets.report.formatting import CUT_SHORT, format_value, heading_groups
from custdyn_widgets.report.report import Report, Row
from custdyn_widgets.text import cut_short, printable

MOST_ROWS = 400
LONGEST_NAME = 300  # characters; report.table has longer names whole
LONGEST_WORDS = 5_000
_PARTIAL = "◐"  # as on pages

# Lab's own rules for tables in outputs squeeze wide ones, right-align texts and stripe the rows.
_STYLE = """
.custdyn-report .scroll { max-height: 36em; overflow: auto; width: fit-content; max-width: 100%;
  border: 1px solid var(--jp-border-color2, #8884); }
.custdyn-report table.custdyn { table-layout: auto; width: max-content; border-collapse: separate;
  border-spacing: 0; margin: 0; font-variant-numeric: tabular-nums; }
.custdyn-report th, .custdyn-report td { padding: 3px 9px; white-space: nowrap; text-align: right;
  background: var(--jp-layout-color1, Canvas); color: var(--jp-ui-font-color1, CanvasText); }
.custdyn-report thead { position: sticky; top: 0; z-index: 1; }
.custdyn-report thead th { vertical-align: bottom; }
.custdyn-report thead th.group { text-align: center; }
.custdyn-report thead tr:last-child th { border-bottom: 1px solid var(--jp-border-color1, #888); }
.custdyn-report th.label { text-align: left; font-weight: normal; }
.custdyn-report tbody th.label.name { white-space: normal; overflow-wrap: anywhere; min-width: 9em;
  max-width: 20em; overflow: clip; }
.custdyn-report thead th.label { font-weight: bold; border-bottom: 1px solid var(--jp-border-color1, #888); }
.custdyn-report tr > th.label:first-child { position: sticky; left: 0; }
.custdyn-report .first { border-left: 1px solid var(--jp-border-color2, #8884); }
.custdyn-report tbody tr:hover > * { background: var(--jp-layout-color2, Canvas); }
.custdyn-report tr.total > * { font-weight: bold; border-top: 1px solid var(--jp-border-color1, #888); }
.custdyn-report p { margin: 0.4em 0; overflow-wrap: anywhere; overflow: clip; }
.custdyn-report p.note { color: var(--jp-ui-font-color2, GrayText); }
"""


def report_html(report: Report, most_rows: int = MOST_ROWS) -> str:
    """Return a report as HTML for a notebook: what was asked, the table, and what a reader must know.

    Every text is escaped. Of more than `most_rows` rows the first ones are shown, and the Total.
    """
    asked = report.query.describe() + ("" if report.query.currency else f", amounts in {report.currency}")
    parts = [f"<p>{_text(report.title)}: {_text(cut_short(asked, LONGEST_WORDS))}.</p>"]
    if report.message:
        parts.append(f"<p>{_text(report.message)}</p>")
    parts.append(
        f'<div class="scroll"><table class="custdyn">{"".join(_table(report, most_rows))}</table></div>'
    )
    parts += [f'<p class="note">{_text(note)}</p>' for note in _notes(report, most_rows)]
    # A name such as "from $5 to $10" is no formula: without that class Lab typesets it.
    return f'<div class="custdyn-report mathjax_ignore"><style>{_STYLE}</style>{"".join(parts)}</div>'


def _table(report: Report, most_rows: int) -> Iterator[str]:
    firsts = _first_columns(report)
    upper = [
        f'<th class="label" rowspan="2" scope="col">{_text(heading)}</th>' for heading in report.headings
    ]
    for group, span in heading_groups(report):
        upper.append(f'<th class="group first" colspan="{span}" scope="colgroup">{_text(group)}</th>')
    lower = [
        f'<th{_first(i in firsts)} scope="col" title="{_text(column.definition)}">{_text(column.label)}</th>'
        for i, column in enumerate(report.columns)
    ]
    yield f"<thead><tr>{''.join(upper)}</tr><tr>{''.join(lower)}</tr></thead><tbody>"
    for row in report.rows[:most_rows]:
        yield f"<tr>{_cells(row, report, firsts)}</tr>"
    if report.total is not None:
        yield f'<tr class="total">{_cells(report.total, report, firsts)}</tr>'
    yield "</tbody>"


def _cells(row: Row, report: Report, firsts: set[int]) -> str:
    marked = f" {_PARTIAL}" if row.partial and row is not report.total else ""
    kinds = ["label"] * len(row.labels)
    if report.query.by_package and row is not report.total:
        kinds[-1:] = ["label name"]
    texts = [_text(cut_short(label, LONGEST_NAME)) for label in row.labels]
    texts[:1] = [text + marked for text in texts[:1]]
    labels = [f'<th class="{kind}" scope="row">{text}</th>' for kind, text in zip(kinds, texts, strict=True)]
    values = [
        f"<td{_first(i in firsts)}>{format_value(value, column, report.currency)}</td>"
        for i, (value, column) in enumerate(zip(row.values, report.columns, strict=True))
    ]
    return "".join(labels + values)


def _notes(report: Report, most_rows: int) -> Iterator[str]:
    hidden = len(report.rows) - most_rows
    if hidden > 0:
        yield f"The first {most_rows} rows are shown; report.table holds {hidden:,} more."
    if report.headings and any(row.partial for row in report.rows[:most_rows]):
        yield f"{_PARTIAL} marks a bucket {CUT_SHORT}."
    yield from report.info.warnings


def _first_columns(report: Report) -> set[int]:
    """Return the positions at which a group of columns begins."""
    starts, at = set(), 0
    for _, span in heading_groups(report):
        starts.add(at)
        at += span
    return starts


def _first(begins: bool) -> str:
    return ' class="first"' if begins else ""


def _text(text: str) -> str:
    return escape(printable(text))
