"""A report as a PDF: the content of its page, with the table split if it is too wide for a sheet.

No values are computed, and the same report always produces the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from custdyn_widgets import progress
from custdyn_widgets.errors import ExportError
from custdyn_widgets.render.charts.drawing import report_charts
from custdyn_widgets.render.charts.specs import column_colour
from custdyn_widgets.render.page import (
    Section,
    facts_at_top,
    headline_figures,
    inert_section,
    row_cells,
    sections_around,
    table_rows,
)
from custdyn_widgets.render.pdf.charts import chart_html
from custdyn_widgets.render.pdf.layout import Layout, Part, lay_out, part_titles
from custdyn_widgets.render.pdf.names import with_directions
from custdyn_widgets.render.pdf.typesetting import require_pdf, typeset
from custdyn_widgets.render.templates import markup, page_template
from custdyn_widgets.report import (
    MAX_QUERY_TEXT,
    Report,
    TableView,
    info_rows,
    table_view,
    triangle_html,
)
from custdyn_widgets.text import cut_short, isolate

CELL_LIMIT = 20_000  # more would take over half a minute and 750 MB
_MAX_TITLE, _MAX_FOOTER = 300, 110  # characters of the query in the title and in the footer
_ROWS_KEPT = 22  # a table with at most this many rows is not split across sheets
_ROWS_ON_A_SHEET = 30  # about as many rows as fit on a landscape sheet


def to_pdf(
    report: Report,
    drawn: Mapping[str, str] | None = None,
    sections: Sequence[Section] = (),
    *,
    paper: str = "A4",
    identity: str = "",
) -> bytes:
    """Return the report as a tagged PDF for printing and for screen readers.

    It has the same content as the page: the headline figures, the charts, the table, what the columns mean,
    and Info. A table that is too wide for a sheet is split into parts, each with the row labels.

    Parameters
    ----------
    report
        The report, with or without rows. All its rows are printed.
    drawn
        The finished charts of the report; see `report_charts`.
    sections
        The author's sections around the report, as for `render_page`.
    paper
        `A4` or `letter`.
    identity
        Text that identifies the report, such as its link, for the footer of each sheet.

    Returns
    -------
    bytes
        The PDF, which depends only on the arguments, the version of WeasyPrint and the installed fonts.

    Raises
    ------
    ExportError
        If the table has more than 20,000 cells, or this machine cannot create PDFs.
    SettingsError
        If the paper size is unknown.
    """
    require_pdf()
    cells = len(report.rows) * (len(report.headings) + len(report.columns))
    if cells > CELL_LIMIT:
        raise ExportError.too_long_for_pdf(len(report.rows), cells, CELL_LIMIT)
    progress.step("Drawing the charts", 0)
    charts = report_charts(report, drawn)
    progress.step("Typesetting the PDF", 0)
    view = table_view(report)
    layout = lay_out(view, paper)
    html = _html(report, view, layout, charts, sections, identity)
    return typeset(html, 2 + len(layout.parts) * (1 + len(view.rows) // _ROWS_ON_A_SHEET))


def _html(
    report: Report,
    view: TableView,
    layout: Layout,
    charts: Mapping[str, str],
    sections: Sequence[Section],
    identity: str,
) -> str:
    """Return the document to typeset."""
    before, after = sections_around(sections)
    query = report.query.describe(isolate)
    html: str = page_template("pdf/report.html.j2").render(
        report=report,
        view=view,
        layout=layout,
        query=cut_short(query, MAX_QUERY_TEXT),
        brief=cut_short(query, _MAX_TITLE),
        footer=cut_short(query, _MAX_FOOTER),
        identity=identity,
        before=[inert_section(s) for s in before],
        after=[inert_section(s) for s in after],
        charts=[markup(chart_html(title, svg)) for title, svg in charts.items()],
        figures=headline_figures(report),
        parts=list(_parts(view, layout.parts)),
        cohorts=markup(triangle_html(report.triangle, "page")) if report.triangle else "",
        facts=info_rows(report, warnings=False),
        facts_at_top=facts_at_top(report),
        colour=column_colour,
    )
    return with_directions(html)


def _parts(view: TableView, parts: Sequence[Part]) -> Iterator[dict[str, Any]]:
    """Yield the values that the template needs for each part of the table."""
    rows = list(table_rows(view))
    total = row_cells(view.total) if view.total else None
    for title, part in zip(part_titles(parts), parts, strict=True):
        columns = slice(part.positions.start, part.positions.stop)
        yield {
            "title": title,
            "fits": len(rows) <= _ROWS_KEPT,
            "widths": [f"{width:.1f}" for width in (*part.labels, *part.numbers)],
            "groups": part.groups,
            "rows": [{**row, "cells": row["cells"][columns]} for row in rows],
            "total": total[columns] if total else None,
        }
