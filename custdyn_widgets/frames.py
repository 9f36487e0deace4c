"""A report's table as a pandas DataFrame, for analysts who go on from there."""

from __future__ import annotations

import pandas as pd

from custdyn_widgets.report import Report


def report_frame(report: Report) -> pd.DataFrame:
    """Return the rows of a report, without the Total.

    Returns
    -------
    DataFrame
        Index: the labels (one row without grouping has a plain index). Columns: two levels, group and
        label; counts as Int64, money as object holding Decimal with 6 places in the report's currency,
        None for an average over nothing.
    """
    values = {
        (column.group, column.label): pd.Series(
            [row.values[i] for row in report.rows], dtype="Int64" if column.unit == "count" else object
        )
        for i, column in enumerate(report.columns)
    }
    frame = pd.DataFrame(values)
    frame.columns = pd.MultiIndex.from_tuples(list(values))
    if len(report.headings) == 1:
        frame.index = pd.Index([row.labels[0] for row in report.rows], name=report.headings[0])
    elif report.headings:
        frame.index = pd.MultiIndex.from_tuples([row.labels for row in report.rows], names=report.headings)
    return frame
