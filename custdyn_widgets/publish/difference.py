"""Freezing a difference between two reports as a page, CSV and JSON with its own link."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from custdyn_widgets.files import canonical_json
from custdyn_widgets.report import ReportDifference
from custdyn_widgets.text import format_instant_utc

KIND = "difference"


def without_client_names(difference: ReportDifference) -> ReportDifference:
    """Return a difference in its frozen form: with the number of changed clients but not their names."""
    clients = difference.clients
    return replace(difference, clients=clients.without_names()) if clients else difference


def difference_files(difference: ReportDifference) -> dict[str, bytes]:
    """Return the files of a frozen difference by name: the page, and the cells as CSV and JSON."""
    from custdyn_widgets.render import render_difference, table_csv  # imported late: slow to load

    return {
        "report.html": render_difference(difference),
        "report.csv": table_csv(difference.line_headings, difference.lines()),
        "report.json": canonical_json(difference.to_dict()),
    }


def difference_manifest(difference: ReportDifference, role: str) -> dict[str, Any]:
    """Return the manifest of a frozen difference; `role` is the role shown as its author.

    Only the manifest contains the ids of the compared snapshots, because an id gives access to a whole
    report.
    """
    info = difference.new
    return {
        "kind": KIND,
        "title": "What Changed",
        "query": {KIND: difference.query.to_dict()},
        "query_words": f"What changed: {difference.query.describe()}",
        "interval": {
            "timezone": info.timezone,
            "first": info.interval_start,
            "last": info.interval_end,
            "start": info.start,
            "effective_end": info.effective_end,
        },
        "role": role,
        "generated_at": format_instant_utc(datetime.now(UTC)),
        "as_of": info.as_of,
        "data_as_of": info.data_as_of,
        "source": info.source,
        "currency": info.currency,
        "compared": list(difference.compared),
        "cells": len(difference.cells),
    }
