"""CSV export of a report: all its rows in the order shown, without running the query again."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from itertools import chain

from custdyn_widgets.report import Report, Row, Value
from custdyn_widgets.text import format_amount, guard_formula, replace_surrogates


def to_csv(report: Report, *, total: bool = False) -> bytes:
    """Return the report as RFC 4180 CSV: CRLF, minimal quoting, UTF-8 without a byte-order mark.

    The headings are the label headings and the one-level names of the columns. Counts are integers; amounts
    are in the report's currency with a decimal point and 2 to 6 places; an undefined average is an empty
    cell. Text that a spreadsheet would evaluate as a formula gets a leading apostrophe; numbers never do.

    Parameters
    ----------
    report
        The report. If it has no rows, the CSV has only headings.
    total
        Whether to add the Total as the last row, with `Total` in the first label column and the other labels
        empty. Has no effect for a query without grouping, which has no Total.

    Returns
    -------
    bytes
        The CSV, which depends only on the headings, labels and values.
    """
    return _report_csv(report, total, ",", ".").encode()


def to_excel_csv(report: Report, *, total: bool = False) -> bytes:
    """Return the report as CSV for Excel on systems whose decimal separator is a comma.

    The content is the same as that of `to_csv`, and no number is rounded further. It begins with a byte-order
    mark, so that Excel recognizes UTF-8, and uses semicolons between cells and decimal commas.

    Parameters
    ----------
    report, total
        As for `to_csv`.
    """
    return _report_csv(report, total, ";", ",").encode("utf-8-sig")


def total_line(report: Report) -> bytes:
    """Return the line that `to_csv` adds if `total` is set, or no bytes if the report has no Total."""
    return _written(_total_cells(report, "."), ",").encode()


def table_csv(headings: Sequence[str], rows: Iterable[Sequence[str | Value]]) -> bytes:
    """Return a table of text and numbers as CSV, in the same format as a report."""
    cells = ([_text_cell(v) if isinstance(v, str) else number_text(v) for v in row] for row in rows)
    return _written(chain([[_text_cell(text) for text in headings]], cells), ",").encode()


def number_text(value: Value) -> str:
    """Format a count as an integer, an amount with 2 to 6 places and None as ""; never return `-0`."""
    if value is None:
        return ""
    if isinstance(value, int):
        return str(value)
    return format_amount(value)


def _report_csv(report: Report, total: bool, delimiter: str, point: str) -> str:
    headings = [_text_cell(text) for text in (*report.headings, *(c.name for c in report.columns))]
    rows = (_cells(row.labels, row, point) for row in report.rows)
    return _written(chain([headings], rows, _total_cells(report, point) if total else ()), delimiter)


def _total_cells(report: Report, point: str) -> list[list[str]]:
    """Return the Total as a row of cells; no row for a query without grouping."""
    if report.total is None or not report.headings:
        return []
    return [_cells(("Total", *[""] * (len(report.headings) - 1)), report.total, point)]


def _written(rows: Iterable[Sequence[str]], delimiter: str) -> str:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, lineterminator="\r\n", quoting=csv.QUOTE_MINIMAL).writerows(rows)
    return out.getvalue()


def _cells(labels: Sequence[str], row: Row, point: str) -> list[str]:
    numbers = map(number_text, row.values)
    return [*map(_text_cell, labels), *(number.replace(".", point) for number in numbers)]


def _text_cell(text: str) -> str:
    """Return text as a cell that no spreadsheet evaluates as a formula and that UTF-8 can encode."""
    return replace_surrogates(guard_formula(text))
