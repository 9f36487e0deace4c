"""Render a drafted mapping as HTML, in the colours of the notebook's theme."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from custdyn_widgets.mart.mapping.choices import TableGuess
from custdyn_widgets.text import printable

_HEADINGS = ("Column", "SQL", "Certainty", "Why")
# JupyterLab narrows wide tables in outputs and right-aligns their text. Overriding this takes two classes.
_STYLE = """
.custdyn-draft table { table-layout: auto; width: max-content; max-width: 100%; border-collapse: collapse;
  margin: 0 0 0.8em; }
.custdyn-draft caption { text-align: left; font-weight: bold; padding: 3px 9px; }
.custdyn-draft.custdyn-draft tr > * { padding: 3px 9px; text-align: left; vertical-align: top;
  white-space: nowrap;  border-bottom: 1px solid var(--jp-border-color2, #8884); }
.custdyn-draft.custdyn-draft tr > :nth-child(2n) { white-space: normal; overflow-wrap: anywhere;
  min-width: 16em; }
.custdyn-draft p { margin: 0.4em 0; }
"""


def draft_html(guesses: Sequence[TableGuess], remarks: Sequence[str]) -> str:
    """Return guesses and remarks as escaped HTML, with a table for each SELECT."""
    parts = [_table(guess) for guess in guesses]
    parts += [f"<p>{_escape(remark)}</p>" for remark in remarks]
    # Without the mathjax_ignore class, JupyterLab would typeset "from $5 to $10" as a formula.
    return f'<style>{_STYLE}</style><div class="custdyn-draft mathjax_ignore">{"".join(parts)}</div>'


def _table(guess: TableGuess) -> str:
    heads = "".join(f'<th scope="col">{heading}</th>' for heading in _HEADINGS)
    rows = "".join(
        f"<tr><td>{choice.column}</td><td><code>{_escape(choice.sql)}</code></td>"
        f"<td>{_marked(choice.certainty)}</td><td>{_escape(choice.why)}</td></tr>"
        for choice in guess.choices
    )
    caption = f"{_escape(guess.source)} → {guess.table}"
    return f"<table><caption>{caption}</caption><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def _marked(certainty: str) -> str:
    return f"<b>{certainty}</b>" if certainty == "please check" else certainty


def _escape(text: str) -> str:
    return escape(printable(text))
