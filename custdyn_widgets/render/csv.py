"""CSV export of a report: all its rows in the order shown, without another query."""

from __future__ import annotations

import csv
import io

from custdyn_widgets.report import Report, Row, Value
from custdyn_widgets.text import format_amount, guard_formula, replace_surrogates


def to_csv(report: Report, *, total: bool = False) -> bytes:
    """Return the report as RFC 4180 CSV: CRLF, minimal quoting, UTF-8 without a byte-order mark.

    The headings are the label headings and the one-level names of columns. Counts are integers; amounts are
    in the report's currency with a decimal point and 2 to 6 places; an undefined average is an empty cell.
    Text that a spreadsheet would run as a formula gets a leading apostrophe; numbers never do.

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
        Depends only on the headings, labels and values.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n", quoting=csv.QUOTE_MINIMAL)
    writer.writerow([_text_cell(text) for text in (*report.headings, *(c.name for c in report.columns))])
    writer.writerows(_cells(row) for row in report.rows)
    if total and report.total is not None and report.headings:
        labels = ("Total", *[""] * (len(report.headings) - 1))
        writer.writerow([*labels, *(number_text(value) for value in report.total.values)])
    return out.getvalue().encode()


def number_text(value: Value) -> str:
    """Format a count as an integer, an amount with 2 to 6 places and None as ""; never return `-0`."""
    if value is None:
        return ""
    if isinstance(value, int):
        return str(value)
    return format_amount(value)


def _cells(row: Row) -> list[str]:
    return [*map(_text_cell, row.labels), *map(number_text, row.values)]


def _text_cell(text: str) -> str:
    """Return text as a cell that no spreadsheet runs as a formula and that UTF-8 can encode."""
    return replace_surrogates(guard_formula(text))
