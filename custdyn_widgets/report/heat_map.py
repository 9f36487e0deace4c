"""The retention triangle as a heat map: a static HTML table whose colours show shares of cohorts.

A cell shows the number of clients; its colour shows the share of the cohort in eleven steps of one hue, from
pale to dark on light backgrounds and on paper, and from dark to bright on dark backgrounds. Numbers are
readable on every colour.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from html import escape
from typing import Literal

from custdyn_widgets.report.cohorts import CohortTriangle

Theme = Literal["page", "notebook"]

MAX_COHORTS = 120  # browsers are slow with much larger tables
STEPS = (0, 5, 10, 15, 20, 30, 40, 50, 60, 80)  # the percentage of the cohort at which each colour begins
LIGHT = (
    "#ffffff", "#f1f7fc", "#e2effa", "#d2e6f7", "#c1dcf3", "#aed1ee",
    "#9ac5e9", "#85b8e2", "#6eaadb", "#569cd3", "#3d8dca",
)  # fmt: skip
DARK = (
    "#14181d", "#17222d", "#192a3a", "#1b3246", "#1d3a53", "#1f4260",
    "#214a6d", "#24537b", "#265c89", "#296598", "#2c6ea7",
)  # fmt: skip
LIGHT_INK, DARK_INK = "#10151b", "#ffffff"
_NOTE_CLASSES: dict[Theme, str] = {"page": "under", "notebook": "note"}
TRIANGLE_NOTE = (
    "A cohort consists of the clients whose first paid use was in the month shown; Size is their number. "
    "Columns 0, 1, 2 and so on show how many of them had a paid use in that month, one month later, two "
    "months later and so on. The colour shows this as a share of Size."
)

# The selectors are specific enough to override the styles of pages and notebooks.
_STYLE = """
.custdyn-cohorts { overflow: auto; max-height: 88vh; width: fit-content; max-width: 100%; }
.custdyn-cohorts table.custdyn { table-layout: auto; width: auto; margin: 0; border-collapse: separate;
  border-spacing: 1px; font-size: 12px; line-height: 1.4; font-variant-numeric: tabular-nums;
  white-space: nowrap; background: var(--s0); }
.custdyn-cohorts table.custdyn th, .custdyn-cohorts table.custdyn td { position: static; border: 0;
  height: auto; min-width: 2.2em; padding: 2px 5px; text-align: right; font-weight: normal; color: var(--ink);
  background: var(--s0); }
.custdyn-cohorts table.custdyn thead th { position: sticky; top: 0; z-index: 1; font-weight: 600; }
.custdyn-cohorts table.custdyn tr > th:first-child { position: sticky; left: 0; z-index: 1;
  text-align: left; }
.custdyn-cohorts table.custdyn thead tr > th:first-child { z-index: 2; }
.custdyn-cohorts-scale { margin: 0.5em 0; font-size: 12px; }
.custdyn-cohorts-scale span { display: inline-block; padding: 1px 6px; color: var(--ink);
  background: var(--s0); }
"""
_PRINT = """
@media print {
  .custdyn-cohorts { overflow: visible; max-height: none; width: auto; }
  .custdyn-cohorts table.custdyn { font-size: %.1fpt; line-height: 1.25; }
  .custdyn-cohorts table.custdyn th, .custdyn-cohorts table.custdyn td { padding: 0.3mm 0.5mm; min-width: 0; }
  .custdyn-cohorts table.custdyn thead th, .custdyn-cohorts table.custdyn tr > th:first-child {
    position: static; }
  .custdyn-cohorts table.custdyn tr { break-inside: avoid; }
}
"""
_PAPER_WIDTH, _DIGIT, _CELL_SPACE = 770, 0.6, 4  # in points, except `_DIGIT`, which is in ems


def triangle_html(triangle: CohortTriangle, theme: Theme = "notebook") -> str:
    """Return a retention triangle as self-contained HTML: a style sheet, a table, a colour scale and a note.

    Parameters
    ----------
    triangle
        The triangle. Only the last 120 cohorts are shown, with a note if there are more.
    theme
        Whether dark colours follow the reader's system (`page`) or JupyterLab's theme (`notebook`).
    """
    if not triangle.cohorts:
        return ""
    shown = _last_cohorts(triangle)
    table = f"<thead>{_heading(shown)}</thead><tbody>{''.join(_rows(shown))}</tbody>"
    left_out = len(triangle.cohorts) - len(shown.cohorts)
    limit = f" Showing the last {len(shown.cohorts):,} of {len(triangle.cohorts):,} cohorts."
    return (
        f"<style>{_colours(theme)}{_STYLE}{_PRINT % _print_size(shown)}</style>"
        f'<div class="custdyn-cohorts" role="region" aria-label="Cohorts" tabindex="0">'
        f'<table class="custdyn">{table}</table></div>'
        f'<p class="custdyn-cohorts-scale">Share of Size: {"".join(_scale())}</p>'
        f'<p class="{_NOTE_CLASSES[theme]}">{TRIANGLE_NOTE}{limit if left_out else ""}</p>'
    )


def share_step(count: int, size: int) -> int:
    """Return the colour of a count, from 0 (no clients) to 10 (80% or more of the cohort)."""
    return sum(100 * count >= step * size for step in STEPS) if count else 0


def _last_cohorts(triangle: CohortTriangle) -> CohortTriangle:
    """Return the last cohorts, without the columns that are empty for all of them."""
    counts = triangle.counts[-MAX_COHORTS:]
    used = [i for row in counts for i, count in enumerate(row) if count is not None]
    width = max(used, default=-1) + 1
    return CohortTriangle(
        triangle.cohorts[-MAX_COHORTS:], triangle.sizes[-MAX_COHORTS:], tuple(row[:width] for row in counts)
    )


def _heading(triangle: CohortTriangle) -> str:
    return "<tr>" + "".join(f'<th scope="col">{text}</th>' for text in triangle.headings) + "</tr>"


def _rows(triangle: CohortTriangle) -> Iterator[str]:
    for cohort, size, counts in zip(triangle.cohorts, triangle.sizes, triangle.counts, strict=True):
        label = escape(cohort)
        cells = "".join(_cell(count, size, months, label) for months, count in enumerate(counts))
        yield f'<tr><th scope="row">{label}</th><td>{size:,}</td>{cells}</tr>'


def _cell(count: int | None, size: int, months: int, label: str) -> str:
    if count is None:
        return "<td></td>"
    later = "in its first month" if not months else f"{months} month{'s' if months > 1 else ''} later"
    title = f"{label}, {later}: {count:,} of {size:,} ({_percent(count, size)})"
    return f'<td style="background:var(--s{share_step(count, size)})" title="{title}">{count:,}</td>'


def _percent(count: int, size: int) -> str:
    tenths = int(Fraction(1000 * count, size) + Fraction(1, 2)) if size else 0
    return f"{tenths // 10}.{tenths % 10}%"


def _scale() -> Iterator[str]:
    yield '<span style="background:var(--s0)">0</span>'
    ends = [*STEPS[1:], 100]
    for step, (start, end) in enumerate(zip(STEPS, ends, strict=True), 1):
        yield f'<span style="background:var(--s{step})">{start}–{end}%</span>'


def _colours(theme: Theme) -> str:
    """Return the CSS rules that define the colours, for light and dark backgrounds and for paper."""
    parts = ".custdyn-cohorts,.custdyn-cohorts-scale"
    light, dark = _variables(LIGHT, LIGHT_INK), _variables(DARK, DARK_INK)
    paper = f"{parts}{{{light};-webkit-print-color-adjust:exact;print-color-adjust:exact}}"
    if theme == "page":
        return f"{paper}@media screen and (prefers-color-scheme:dark){{{parts}{{{dark}}}}}"
    in_lab = ",".join(f'[data-jp-theme-light="false"] {part}' for part in parts.split(","))
    return f"{paper}@media screen{{{in_lab}{{{dark}}}}}"


def _variables(colours: tuple[str, ...], ink: str) -> str:
    return ";".join([f"--ink:{ink}", *(f"--s{step}:{colour}" for step, colour in enumerate(colours))])


def _print_size(triangle: CohortTriangle) -> float:
    """Return the font size, in points, at which the columns fit on a landscape page."""
    columns = list(zip(*triangle.rows, strict=True))
    letters = [
        max(len(heading), *(len(f"{value:,}" if isinstance(value, int) else value or "") for value in column))
        for heading, column in zip(triangle.headings, columns, strict=True)
    ]
    room = _PAPER_WIDTH - _CELL_SPACE * len(letters)
    return max(3.0, min(9.0, room / (sum(letters) * _DIGIT)))
