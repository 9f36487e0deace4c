"""A report as JSON for the browser, with the text and a sort key of each cell."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from custdyn_widgets.query import NO_PACKAGE, OTHER_PACKAGES
from custdyn_widgets.render import column_colour
from custdyn_widgets.report import (
    MAX_QUERY_TEXT,
    MAX_ROWS,
    Column,
    Report,
    TableRow,
    Value,
    describe_query,
    info_rows,
    table_view,
)
from custdyn_widgets.text import cut_short, guard_formula, printable

_LIMIT_NOTE = "Showing {shown:,} of {total:,} rows; the exports have them all."
_IN_VIEW = "Ctrl+F searches only the rows in view; Find in table and Copy table cover all rows."


def shown_report(report: Report) -> dict[str, Any]:
    """Return a report as JSON values: printable strings and sort keys.

    A sort key is an integer as a string, so that the browser compares amounts exactly. None, for an undefined
    average, comes last in both directions. At most 2,000 rows are included; if there are more, a note
    says so. Another note is shown if the browser draws only the rows in view.
    """
    view = table_view(report, max_rows=MAX_ROWS, limit_note=_LIMIT_NOTE)
    return {
        "title": printable(report.title),
        "asked": printable(cut_short(describe_query(report), MAX_QUERY_TEXT), isolates=True),
        "message": printable(report.message or ""),
        "warnings": list(view.warnings),
        "headings": list(view.headings),
        "groups": [
            {"name": group.name, "span": group.span, "colour": column_colour(group.columns[0])}
            for group in view.groups
        ],
        "columns": _definitions(view.columns),
        "parts": [column.part for column in report.columns],
        "rows": [_row(row) for row in view.rows],
        "keys": _keys(view.rows),
        "total": None if view.total is None else _row(view.total),
        "notes": [f"Amounts in {report.currency}.", *view.notes],
        "large_note": _IN_VIEW,
        "info": [[printable(label), printable(text)] for label, text in info_rows(report)],
        "definitions": [[group.name, _definitions(group.columns)] for group in view.groups],
        "surprises": [printable(note) for note in report.definitions],
    }


def _definitions(columns: tuple[Column, ...]) -> list[list[str]]:
    return [[column.label, column.definition] for column in columns]


def _row(row: TableRow) -> dict[str, Any]:
    """Return a row. If a spreadsheet would evaluate a label as a formula, add copy-safe labels."""
    labels = list(row.labels)
    guarded = list(map(guard_formula, labels))
    copied = {"guarded": guarded} if guarded != labels else {}
    return {"labels": labels, "partial": row.is_partial, "cells": list(row.texts), **copied}


def _keys(rows: tuple[TableRow, ...]) -> list[list[str | None]]:
    """Return each row's sort keys: the rank of each label in its column, then a number for each value."""
    ranks = [
        {label: str(rank) for rank, label in enumerate(sorted(set(labels), key=_label_order))}
        for labels in zip(*(row.source.labels for row in rows), strict=True)
    ]
    return [
        [
            *(rank[label] for rank, label in zip(ranks, row.source.labels, strict=True)),
            *map(_value_key, row.values),
        ]
        for row in rows
    ]


def _label_order(label: str) -> tuple[bool, str]:
    return label in (NO_PACKAGE, OTHER_PACKAGES), label


def _value_key(value: Value) -> str | None:
    """Return a value's sort key: counts are unchanged, and amounts are in millionths. No column has both."""
    if isinstance(value, Decimal):
        return f"{value:.6f}".replace(".", "")
    return None if value is None else str(value)
