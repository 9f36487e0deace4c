"""Render the summary of a check as HTML, in the colours of the notebook's theme."""

from __future__ import annotations

from html import escape

from custdyn_widgets.mart.checking.faults import FaultGroup
from custdyn_widgets.mart.checking.notes import Note
from custdyn_widgets.mart.checking.summary import CheckSummary
from custdyn_widgets.text import printable

_HEADINGS = ("Faults", "File", "Column", "What is wrong", "First", "Remedy")
_BALANCES = {
    "Client": "client_id",
    "From the ledger": "derived",
    "Stored": "stored",
    "Difference": "difference",
    "Currency": "currency",
}
# JupyterLab narrows wide tables in outputs and right-aligns their text. Overriding this takes two classes.
_STYLE = """
.custdyn-check table { table-layout: auto; width: max-content; max-width: 100%; border-collapse: collapse;
  margin: 0; }
.custdyn-check.custdyn-check tr > * { padding: 3px 9px; text-align: left; vertical-align: top;
  white-space: normal; border-bottom: 1px solid var(--jp-border-color2, #8884); }
.custdyn-check.custdyn-check td:nth-child(5) { min-width: 10em; overflow-wrap: anywhere; }
.custdyn-check.custdyn-check tr > :first-child { text-align: right; font-variant-numeric: tabular-nums; }
.custdyn-check.custdyn-check .balances tr > :first-child { text-align: left; }
.custdyn-check.custdyn-check .balances td:nth-child(n+2):nth-child(-n+4) { min-width: 0; text-align: right;
  font-variant-numeric: tabular-nums; }
.custdyn-check p { margin: 0.4em 0; overflow-wrap: anywhere; }
"""


def summary_html(summary: CheckSummary) -> str:
    """Return a summary as HTML, with the kinds of fault, the notes and the verdict, all escaped."""
    parts = []
    if summary.kinds:
        heads = "".join(f'<th scope="col">{heading}</th>' for heading in _HEADINGS)
        rows = "".join(map(_row, summary.kinds))
        parts.append(f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>")
    parts += map(_note, summary.notes)
    parts.append(f"<p><b>{_escape(summary.closing)}</b></p>")
    # Without the mathjax_ignore class, JupyterLab would typeset "from $5 to $10" as a formula.
    return f'<div class="custdyn-check mathjax_ignore"><style>{_STYLE}</style>{"".join(parts)}</div>'


def _row(group: FaultGroup) -> str:
    kind = group.kind
    texts = (f"{group.count:,}", group.file, group.column, kind.reason, group.first, kind.remedy)
    return f"<tr>{''.join(f'<td>{_escape(text)}</td>' for text in texts)}</tr>"


def _note(note: Note) -> str:
    """Return a note as a paragraph; add a table of the first differing balances to a note about balances."""
    text = f"<p>Note: {_escape(note)}</p>"
    if note.kind != "stored_balances":
        return text
    heads = "".join(f'<th scope="col">{heading}</th>' for heading in _BALANCES)
    rows = "".join(
        f"<tr>{''.join(f'<td>{_escape(client[key])}</td>' for key in _BALANCES.values())}</tr>"
        for client in note.figures["first"]
    )
    return f'{text}<table class="balances"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'


def _escape(text: str) -> str:
    return escape(printable(text))
