"""A row of the report on screen, split by an attribute of its clients or transactions, such as company.

The parts are rows of the same report with one more grouping, so counts and sums add up to the row.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from custdyn_widgets.engine import column_groups, report_on
from custdyn_widgets.mart import OpenedMart
from custdyn_widgets.query import ROW_GROUPS
from custdyn_widgets.report import Column, Report, Row

if TYPE_CHECKING:
    import pandas as pd

_PACKAGES, _BALANCES = "package", "balances"


def possible_groups(report: Report, mart: OpenedMart, column: Column) -> list[str]:
    """Return the groupings by which a row can be split; none if the report's rows are already split."""
    if report.query.row_group:
        return []
    names = mart.facts.names
    pointless = {
        "company": not names.companies,
        "owner_user": not names.owners,
        "package": not names.packages or _group_id(column) == _BALANCES,
        "client_type": report.query.client_type != "all",
        "currency": len(names.currencies) < 2,
    }
    return [group for group in ROW_GROUPS if not pointless.get(group, False)]


class Breakdown:
    """A row split by a grouping.

    Parameters
    ----------
    report, mart
        The report on screen and the data that it was computed from.
    row
        The row; None for the Total.
    column
        The column that was clicked. The columns of its group are shown.
    group
        The grouping.
    """

    def __init__(self, report: Report, mart: OpenedMart, row: Row | None, column: Column, group: str) -> None:
        self._report, self._mart, self._row = report, mart, row
        self._column, self._group = column, group

    @cached_property
    def _split(self) -> Report:
        query = self._report.query
        time = query.time_group if self._row is not None else None
        groups = (*([time] if time else []), self._group)
        group_id = _group_id(self._column)
        columns = (group_id,) if group_id else query.columns
        asked = replace(query, group_by=groups, columns=columns)
        return report_on(asked, self._mart, self._report.info.as_of)

    @cached_property
    def columns(self) -> dict[str, Column]:
        """The columns by label, excluding the label column."""
        return {column.label: column for column in self._split.columns if column.group == self._column.group}

    def table(self) -> pd.DataFrame:
        """Return one line for each part: its label and values.

        Raises
        ------
        CustDynError
            As for `report_on`.
        """
        import pandas as pd

        split = self._split
        rows = [row for row in split.rows if self._row is None or row.labels[:-1] == self._row.labels]
        places = [split.columns.index(column) for column in self.columns.values()]
        lines = [[row.labels[-1], *(row.values[place] for place in places)] for row in rows]
        return pd.DataFrame(lines, columns=[split.headings[-1], *self.columns], dtype=object)

    def whole(self) -> list[Any]:
        """Return the values of the row itself, in the order of the columns."""
        report = self._report
        row = self._row or report.total or report.rows[0]
        places = {column.name: place for place, column in enumerate(report.columns)}
        return [row.values[places[column.name]] for column in self.columns.values()]


def _group_id(column: Column) -> str:
    groups = column_groups().items()
    return next((name for name, columns in groups if columns[0].group == column.group), "")
