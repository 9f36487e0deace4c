"""The page for a comparison of two reports; it is inert, like a report's page, and has no client names."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from custdyn_widgets.render.templates import page_template
from custdyn_widgets.report import MAX_LABEL, MAX_QUERY_TEXT, MAX_ROWS, Info, ReportDifference, format_instant
from custdyn_widgets.text import cut_short, isolate

_MAX_TITLE = 300  # characters of the query in the document's title and the table's caption
_COLOURS = ("#0072b2", "#009e73", "#d55e00", "#cc79a7")


def render_difference(difference: ReportDifference) -> bytes:
    """Render a difference as an HTML page in UTF-8; at most 2,000 cells are shown.

    The page says how many clients changed, but never names them.
    """
    query = difference.query.describe(isolate)
    html: str = page_template("difference.html.j2").render(
        query=cut_short(query, MAX_QUERY_TEXT),
        brief=cut_short(query, _MAX_TITLE),
        facts=list(_facts(difference)),
        figures=list(_figures(difference)),
        notes=list(difference.notes()),
        currency=difference.currency,
        rows=list(_rows(difference)),
        most=MAX_ROWS,
        more=max(0, len(difference.cells) - MAX_ROWS),
        both=list(_both(difference)),
    )
    return html.encode("utf-8")


def _facts(difference: ReportDifference) -> Iterator[tuple[str, str]]:
    zone = difference.new.timezone
    for label, info in (("Old report", difference.old), ("New report", difference.new)):
        yield label, format_instant(info.generated_at, zone)
    yield "Source", difference.new.source


def _figures(difference: ReportDifference) -> Iterator[tuple[str, str, str]]:
    rows = {(cell.labels, cell.is_total) for cell in difference.cells if not cell.is_total}
    columns = {cell.column.name for cell in difference.cells}
    clients = difference.clients
    counts = {
        "Cells that differ": f"{len(difference.cells):,}",
        "Rows": f"{len(rows):,}",
        "Columns": f"{len(columns):,}",
        "Clients whose contribution changed": f"{clients.count:,}" if clients else "unknown",
    }
    for (label, text), colour in zip(counts.items(), _COLOURS, strict=True):
        yield label, text, colour


def _rows(difference: ReportDifference) -> Iterator[dict[str, Any]]:
    """Yield each row with its cells as text: column, old, new and change."""
    shown = difference.cells[:MAX_ROWS]
    for (labels, is_total), cells in groupby(shown, key=lambda cell: (cell.labels, cell.is_total)):
        yield {
            "labels": [cut_short(label, MAX_LABEL) for label in labels] if difference.headings else [],
            "is_total": is_total,
            "cells": [(cell.column.name, *cell.texts(difference.currency)) for cell in cells],
        }


def _both(difference: ReportDifference) -> Iterator[tuple[str, str, str]]:
    yield from zip(
        ("Generated at", "As of", "Data as of", "Source", "Clients", "Transactions", "Versions"),
        _texts(difference.old),
        _texts(difference.new),
        strict=True,
    )


def _texts(info: Info) -> Iterator[str]:
    for instant in (info.generated_at, info.as_of, info.data_as_of):
        yield format_instant(instant, info.timezone) if instant else "unknown"
    yield info.source
    yield f"{info.clients:,}"
    yield f"{info.transactions:,}"
    yield ", ".join(f"{name} {version}" for name, version in sorted(info.versions.items()))
