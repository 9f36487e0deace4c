"""A report's table, Total and Info as pandas objects, for further analysis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from custdyn_widgets.report.report import Report

if TYPE_CHECKING:
    Series = pd.Series[Any]


def report_frame(report: Report, *, floats: bool = False) -> pd.DataFrame:
    """Return the rows of a report, without the Total.

    Returns
    -------
    DataFrame
        The index contains the labels, or is a plain range if there is no grouping. The columns have two
        levels, group and label. Counts are Int64. Amounts are in the report's currency, as Decimals with
        6 places or, if `floats` is set, as float64. An undefined average is None, or NaN with `floats`.
    """
    inexact = "float64" if floats else "object"
    values = {
        (column.group, column.label): pd.Series(
            [row.values[i] for row in report.rows], dtype="Int64" if column.unit == "count" else inexact
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


def total_series(report: Report) -> Series | None:
    """Return the values of the Total by (group, label), or None if there is no Total."""
    if report.total is None:
        return None
    index = pd.MultiIndex.from_tuples([(c.group, c.label) for c in report.columns])
    return pd.Series(list(report.total.values), index=index, dtype=object, name="Total")


def info_series(report: Report) -> Series:
    """Return the attributes of `report.info` as a Series."""
    facts = vars(report.info)
    return pd.Series(list(facts.values()), index=list(facts), dtype=object, name="Info")
