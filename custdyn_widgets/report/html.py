"""HTML of a report for notebook output, in the colours of the JupyterLab theme."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from custdyn_widgets.report.comparing import Cell
from custdyn_widgets.report.formatting import THOUSANDS_CSS, describe_query, number_html
from custdyn_widgets.report.heat_map import triangle_html
from custdyn_widgets.report.partial_rows import PARTIAL_MARK
from custdyn_widgets.report.report import Report
from custdyn_widgets.report.table_view import MAX_QUERY_TEXT, TableRow, TableView, table_view
from custdyn_widgets.text import cut_short, isolate, printable, split_isolates

MAX_NOTEBOOK_ROWS = 400
THOUSANDS = "thousands"  # the CSS class of digit groups in numbers, also used on pages
TABLE_LIMIT_NOTE = "The first {shown} rows are shown; report.table has {hidden:,} more."

# By default, JupyterLab squeezes wide tables in outputs, aligns text to the right and stripes rows.
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
_STYLE += f".custdyn-report .{THOUSANDS}{THOUSANDS_CSS}\n"
# Changes are excluded from copied text, so that spreadsheets recognize the numbers.
_COMPARISON_STYLE = """
.custdyn-report td small { display: block; font-size: 0.85em; font-weight: normal; user-select: none;
  color: var(--jp-ui-font-color2, GrayText); }
.custdyn-report tbody > tr > * { vertical-align: top; }
"""


def report_html(report: Report, max_rows: int = MAX_NOTEBOOK_ROWS) -> str:
    """Return the HTML of a report for a notebook: the query, the table and any notes.

    All text is escaped. If there are more than `max_rows` rows, only the first `max_rows` and the Total are
    shown.
    """
    view = table_view(report, max_rows=max_rows, limit_note=TABLE_LIMIT_NOTE)
    query = cut_short(describe_query(report), MAX_QUERY_TEXT)
    parts = [f"<p>{html_text(report.title)}: {html_text(query)}.</p>"]
    if report.message:
        parts.append(f"<p>{html_text(report.message)}</p>")
    parts.append(f'<div class="scroll"><table class="custdyn">{"".join(_table(view))}</table></div>')
    parts += [f'<p class="note">{html_text(note)}</p>' for note in _notes(view)]
    # Without mathjax_ignore, JupyterLab typesets a name such as "from $5 to $10" as a formula.
    if report.triangle:
        parts.append(triangle_html(report.triangle))
    style = _STYLE + (_COMPARISON_STYLE if view.comparison_note else "")
    return f'<div class="custdyn-report mathjax_ignore"><style>{style}</style>{"".join(parts)}</div>'


def html_text(text: str) -> str:
    """Return a string as HTML: printable and escaped, with isolated names in `bdi` elements."""
    parts = split_isolates(printable(text, isolates=True))
    return "".join(
        escape(part) if place % 2 == 0 else f"<bdi>{escape(part)}</bdi>" for place, part in enumerate(parts)
    )


def _notes(view: TableView) -> Iterator[str]:
    yield from filter(None, (view.comparison_note, *view.notes))
    yield from view.warnings


def _table(view: TableView) -> Iterator[str]:
    labels = [
        f'<th class="label" rowspan="2" scope="col">{html_text(heading)}</th>' for heading in view.headings
    ]
    groups = [
        f'<th class="group first" colspan="{group.span}" scope="colgroup">{html_text(group.name)}</th>'
        for group in view.number_groups
    ]
    lower = [
        f'<th{_first(view, i)} scope="col" title="{escape(column.definition)}">{html_text(column.label)}</th>'
        for i, column in enumerate(view.numbers)
    ]
    yield f"<thead><tr>{''.join(labels + groups)}</tr><tr>{''.join(lower)}</tr></thead><tbody>"
    for row in view.all_rows():
        kind = ' class="total"' if row.is_total else ""
        yield f"<tr{kind}>{_cells(view, row)}</tr>"
    yield "</tbody>"


def _cells(view: TableView, row: TableRow) -> str:
    labels = []
    for i, label in enumerate(row.labels):
        kind = "label name" if i == view.name_label and not row.is_total else "label"
        mark = f" {PARTIAL_MARK}" if row.is_partial and i == 0 else ""
        labels.append(f'<th class="{kind}" scope="row">{html_text(isolate(label))}{mark}</th>')
    values = [f"<td{_first(view, i)}{_number(cell)}</td>" for i, cell in enumerate(row.cells)]
    return "".join(labels + values)


def _number(cell: Cell) -> str:
    """Return the rest of a cell's start tag and the cell's content: the number with its change below it."""
    number = number_html(cell.text, THOUSANDS)
    if not cell.change:
        return f">{number}"
    return f' title="before: {escape(cell.before)}">{number}<small>{escape(cell.change)}</small>'


def _first(view: TableView, position: int) -> str:
    return ' class="first"' if position in view.number_starts else ""
