"""Static pages: a report as one inert HTML file, without scripts or network requests.

Rendering computes no values, and the same report always produces the same bytes.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Literal

from custdyn_widgets.errors import CustDynError, shown
from custdyn_widgets.render.charts.presets import presets_of, row_presets
from custdyn_widgets.render.charts.specs import column_colour
from custdyn_widgets.render.charts.svg import inert_svg
from custdyn_widgets.render.paper import chart_height, print_size, prints_whole
from custdyn_widgets.render.templates import markup, page_template
from custdyn_widgets.report import (
    COUNTED_UNTIL,
    MAX_QUERY_TEXT,
    MAX_ROWS,
    Cell,
    Report,
    Row,
    TableRow,
    TableView,
    format_value,
    info_rows,
    number_cells,
    table_view,
    triangle_html,
    value_positions,
)
from custdyn_widgets.text import cut_short, isolate, printable

MAX_QUOTES = 400
_MAX_TITLE = 300  # characters of the query in the document's title and the table's caption
_HEADING = re.compile(r"<(/?)h([1-5])(?=[\s>])", re.IGNORECASE)

Kind = Literal["html", "text", "svg", "png", "note", "report"]


@dataclass(frozen=True)
class Section:
    """A section that the notebook's author added before or after the report.

    Attributes
    ----------
    kind
        `html` for sanitized markup; `text` for plain text; `svg` for an SVG document or `png` for an image
        (bytes or base64), both shown as images; `note` for a note from this package, such as one about
        omitted content; `report` for the position of the report itself.
    content
        The content; not used for `report`.
    """

    kind: Kind
    content: str | bytes = ""


def render_page(report: Report, charts: Mapping[str, str], sections: Sequence[Section] = ()) -> bytes:
    """Render a report as an HTML page in UTF-8.

    Parameters
    ----------
    report
        The report. At most 2,000 of its rows are shown; the page has a note if there are more.
    charts
        SVG drawings by title. They are reduced to inert shapes and text, even if already inert.
    sections
        The author's sections around the report. If none is of kind `report`, the report comes last.

    Raises
    ------
    CustDynError
        If a section has an unknown kind, or a drawing is not SVG.
    """
    before, after = sections_around(sections)
    view = table_view(report, max_rows=MAX_ROWS)
    words = cut_short(report.query.describe(isolate), MAX_QUERY_TEXT)
    message = report.message or ""
    height = chart_height(view, words, message, charts=len(charts), has_sections=bool(before))
    html: str = page_template("page.html.j2").render(
        report=report,
        view=view,
        query=words,
        brief=cut_short(report.query.describe(isolate), _MAX_TITLE),
        chart_height=f"{height:.1f}",
        before=[inert_section(s) for s in before],
        after=[inert_section(s) for s in after],
        charts=[markup(inert_svg(svg, printable(title))) for title, svg in charts.items()],
        figures=headline_figures(report),
        table=_table(view),
        cohorts=markup(triangle_html(report.triangle, "page")) if report.triangle else "",
        facts=info_rows(report, warnings=False),
        quotes=report.info.quotes[:MAX_QUOTES],
        quotes_left=max(0, len(report.info.quotes) - MAX_QUOTES),
        labels=len(report.headings) or 1,
        facts_at_top=facts_at_top(report),
    )
    return html.encode("utf-8")


def sections_around(sections: Sequence[Section]) -> tuple[list[Section], list[Section]]:
    """Return the sections before and after the report."""
    place = next((i for i, s in enumerate(sections) if s.kind == "report"), len(sections))
    return list(sections[:place]), [s for s in sections[place + 1 :] if s.kind != "report"]


def inert_section(section: Section) -> dict[str, Any]:
    """Return a section's kind and content as the template expects them."""
    kind, content = section.kind, section.content
    if kind in ("html", "text", "note"):
        text = content if isinstance(content, str) else content.decode("utf-8", "replace")
        lines = "\n".join(printable(line) for line in text.splitlines())
        if kind != "html":
            return {"kind": kind, "content": markup(escape(lines))}
        # The page has its own h1, so the author's headings start one level lower.
        return {"kind": kind, "content": markup(_HEADING.sub(lambda m: f"<{m[1]}h{int(m[2]) + 1}", lines))}
    if kind == "svg":
        raw = content.encode("utf-8", "replace") if isinstance(content, str) else content
        return {
            "kind": "picture",
            "content": "data:image/svg+xml;base64," + base64.b64encode(raw).decode("ascii"),
        }
    if kind == "png":
        raw = base64.b64decode(content) if isinstance(content, str) else content
        return {
            "kind": "picture",
            "content": "data:image/png;base64," + base64.b64encode(raw).decode("ascii"),
        }
    raise CustDynError(f"A page section cannot be of kind {shown(kind)}.", field="sections")


def facts_at_top(report: Report) -> tuple[str, ...]:
    """Return the facts that are repeated at the top, including the interval if the query uses a preset."""
    always = (COUNTED_UNTIL, "Actual Interval", "Data as of", "Source")
    return ("Data Interval", *always) if isinstance(report.query.interval, str) else always


def headline_figures(report: Report) -> list[dict[str, str]]:
    """Return the headline figures: the values of the presets' columns in the Total, or in the only row."""
    row = report.total or (report.rows[0] if len(report.rows) == 1 else None)
    names = {c.name: i for i, c in enumerate(report.columns)}
    cells = _named_cells(report, row) if row else {}
    found = []
    presets = row_presets(report) or list(presets_of(report).values())[:1]
    for name in dict.fromkeys(name for preset in presets for name in preset.columns):
        if row is None or name not in names:
            continue
        column = report.columns[names[name]]
        found.append(
            {
                "group": column.group,
                "label": column.label,
                "text": format_value(row.values[names[name]], column, report.currency),
                "unit": report.currency if column.unit == "money" else "",
                "colour": column_colour(column),
                "change": cells[name].change,
            }
        )
    return found


def _named_cells(report: Report, row: Row) -> dict[str, Cell]:
    """Return the cells of a row by column name."""
    texts = [format_value(v, c, report.currency) for v, c in zip(row.values, report.columns, strict=True)]
    names = [report.columns[position].name for position in value_positions(report.columns)]
    return dict(zip(names, number_cells(texts, row.values, report.columns, report.currency), strict=True))


def _table(view: TableView) -> dict[str, Any]:
    """Return the values that the template needs for the table in addition to the view."""
    rows = list(table_rows(view))
    total = row_cells(view.total) if view.total else None
    size = print_size(view, [*rows, *([{"cells": total}] if total else [])])
    return {
        "groups": [
            {"view": group, "colour": column_colour(group.columns[0])} for group in view.number_groups
        ],
        "rows": rows,
        "total": total,
        "size": f"{size:.1f}",
        "whole": prints_whole(view, size),
    }


def table_rows(view: TableView) -> Iterator[dict[str, Any]]:
    """Yield rows as text; mark a first label that repeats the one above, so that the page can dim it."""
    above = ""
    for row in view.rows:
        repeats = len(row.labels) > 1 and row.labels[0] == above
        yield {"labels": row.labels, "repeats": repeats, "partial": row.is_partial, "cells": row_cells(row)}
        above = row.labels[0] if row.labels else ""


def row_cells(row: TableRow) -> list[tuple[Cell, bool]]:
    """Return the formatted numbers of a row, and whether each is negative."""
    return [(cell, cell.text.startswith("-")) for cell in row.cells]
