"""A report as the browser is sent it: every text as it is shown, and a whole number to sort each cell by."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import groupby
from typing import Any

from custdyn_widgets.render import column_colour
from custdyn_widgets.report import CUT_SHORT, Report, Row, Value, format_value, heading_groups, info_rows
from custdyn_widgets.text import cut_short, printable

MOST_ROWS = 2_000
LONGEST_NAME = 300  # characters; the exports have longer names whole
LONGEST_WORDS = 5_000
PARTIAL = "◐"  # as on pages
_LAST_PACKAGES = ("(no package)", "(other)")
_OVERLAP = (
    "Clients and balances of packages overlap and do not add up: a client that used two packages stands in "
    "both rows, and once in the Total."
)


def shown_report(report: Report) -> dict[str, Any]:
    """Return what is shown of a report, as JSON values: texts that are printable, and keys to sort by.

    A key is a whole number as text, so that the browser compares amounts exactly; None, for an average over
    nothing, comes last in either direction. Of more than 2,000 rows the first 2,000 are there, and a note.
    """
    rows = report.rows[:MOST_ROWS]
    asked = report.query.describe() + ("" if report.query.currency else f", amounts in {report.currency}")
    return {
        "title": printable(report.title),
        "asked": printable(cut_short(asked, LONGEST_WORDS)),
        "message": printable(report.message or ""),
        "warnings": [printable(warning) for warning in report.info.warnings],
        "headings": list(report.headings),
        "groups": [
            {
                "name": printable(group),
                "span": span,
                "colour": next(column_colour(c) for c in report.columns if c.group == group),
            }
            for group, span in heading_groups(report)
        ],
        "columns": [[printable(c.label), printable(c.definition)] for c in report.columns],
        "rows": [_row(row, report) for row in rows],
        "keys": _keys(rows),
        "total": None if report.total is None else _row(report.total, report),
        "notes": list(_notes(report)),
        "info": [[printable(label), printable(text)] for label, text in info_rows(report)],
        "definitions": [
            [printable(group), [[printable(c.label), printable(c.definition)] for c in columns]]
            for group, columns in groupby(report.columns, key=lambda c: c.group)
        ],
        "surprises": [printable(words) for words in report.definitions],
    }


def _row(row: Row, report: Report) -> dict[str, Any]:
    return {
        "labels": [printable(cut_short(label, LONGEST_NAME)) for label in row.labels],
        "partial": row.partial and bool(report.headings) and row is not report.total,
        "cells": [
            format_value(value, column, report.currency)
            for value, column in zip(row.values, report.columns, strict=True)
        ],
    }


def _keys(rows: tuple[Row, ...]) -> list[list[str | None]]:
    """Return the keys of each row: the rank of each label among its column's, then each value's number."""
    ranks = [
        {label: str(rank) for rank, label in enumerate(sorted(set(labels), key=_label_order))}
        for labels in zip(*(row.labels for row in rows), strict=True)
    ]
    return [
        [
            *(rank[label] for rank, label in zip(ranks, row.labels, strict=True)),
            *map(_value_key, row.values),
        ]
        for row in rows
    ]


def _label_order(label: str) -> tuple[bool, str]:
    return label in _LAST_PACKAGES, label


def _value_key(value: Value) -> str | None:
    """Return a number as whole millionths, or a count as it is; within a column all are of one kind."""
    if isinstance(value, Decimal):
        return f"{value:.6f}".replace(".", "")
    return None if value is None else str(value)


def _notes(report: Report) -> Iterator[str]:
    yield f"Amounts in {report.currency}."
    if report.headings and any(row.partial for row in report.rows[:MOST_ROWS]):
        yield f"{PARTIAL} marks a bucket {CUT_SHORT}."
    if report.query.by_package:
        yield _OVERLAP
    if len(report.rows) > MOST_ROWS:
        yield f"Showing {MOST_ROWS:,} of {len(report.rows):,} rows; the exports have them all."
