"""A report as CSV.

An export is the report as it stands, all its rows in the order shown; it never queries again.
"""

from __future__ import annotations

import csv
import io

from custdyn_widgets.report import Report, Row, Value
from custdyn_widgets.text import format_amount, guard_formula, replace_surrogates


def to_csv(report: Report, *, total: bool = False) -> bytes:
    """Return the report as CSV: RFC 4180 with CRLF, minimal quotes, UTF-8 without a byte-order mark.

    The headings are the label headings and the columns' one-level names. Counts are integers; amounts
    have a point and 2 to 6 places, in the report's currency; an average over nothing is an empty cell.
    A text that a spreadsheet would run as a formula gets a leading apostrophe; numbers never do.

    Parameters
    ----------
    report
        The report; without rows, there are only the headings.
    total
        Whether to end with the Total: `Total` in the first label column, the other labels empty. A query
        without grouping has none, so nothing is added there.

    Returns
    -------
    bytes
        The same bytes for the same headings, labels and values.
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
    """Return a count as an integer, an amount with 2 to 6 places, None as the empty text; never `-0`."""
    if value is None:
        return ""
    if isinstance(value, int):
        return str(value)
    return format_amount(value)


def _cells(row: Row) -> list[str]:
    return [*map(_text_cell, row.labels), *map(number_text, row.values)]


def _text_cell(text: str) -> str:
    """Return text from the data as a cell that no spreadsheet runs and that UTF-8 can encode."""
    return replace_surrogates(guard_formula(text))
