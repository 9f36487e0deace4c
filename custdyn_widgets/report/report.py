"""Reports as plain values: the table and Info that result from a query.

A `Report` contains everything that charts, pages, exports and snapshots need. It round-trips through JSON and
can be passed between processes. This module does not depend on sources; its methods import pandas, Arrow and
the display modules only when they are called.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from custdyn_widgets.query import ReportQuery

if TYPE_CHECKING:
    import pandas as pd

    from custdyn_widgets.report.cohorts import CohortTriangle
    from custdyn_widgets.snapshots import Evidence

Value = int | Decimal | None
Unit = Literal["count", "money", "rate", "percent", "points"]
Part = Literal["value", "before", "change", "change_percent"]


@dataclass(frozen=True)
class Column:
    """A column of numbers.

    Attributes
    ----------
    group, label
        The two levels of the heading, e.g. `Clients - Active` and `Qty`.
    unit
        `count`: ints. `money`: Decimals with 6 places in the report's currency. `rate`: fractions as
        Decimals, shown as percentages. `points`: differences between rates as Decimals, shown in percentage
        points. `percent`: percentages as Decimals.
    definition
        The meaning of the column, in a sentence or two.
    part
        `value`; in a comparison, also `before` (the earlier value), `change` or `change_percent`.
    """

    group: str
    label: str
    unit: Unit
    definition: str
    part: Part = "value"

    @property
    def name(self) -> str:
        """The one-level name used in exports and charts, e.g. `Clients - Active: Qty`."""
        return f"{self.group}: {self.label}"


@dataclass(frozen=True, slots=True)
class Row:
    """A row with a label for each heading of the report and a value for each column.

    `start` and `end` (exclusive) are the bucket's edges in UTC, ISO 8601 with `Z`. `partial` is True if the
    bucket is cut short by the interval's start or end or by `as_of`. A value is an int, a Decimal with 6
    places, or None for an undefined average.
    """

    labels: tuple[str, ...]
    values: tuple[Value, ...]
    start: str = ""
    end: str = ""
    partial: bool = False


@dataclass(frozen=True)
class Quote:
    """A quote used by a report: `units_per_base` units of `currency` equal one `base` as of `date`."""

    currency: str
    date: str
    units_per_base: str
    base: str


@dataclass(frozen=True)
class Info:
    """Facts about a report. Instants are ISO 8601 in UTC with `Z`; wall times have no offset.

    Attributes
    ----------
    interval_start, interval_end
        Data Interval: the requested period as wall times in `timezone`. The end is the last second included.
    start, effective_end
        The same period as instants. The effective end is exclusive and never after `as_of`.
    actual_start, actual_end
        Actual Interval: the times of the selected clients' first and last transactions in the period; None if
        there are none.
    role, generated_at, duration_ms
        The role that generated the report, the time of generation, and the duration in milliseconds.
    as_of, data_as_of
        The time that relative intervals were resolved against, and the time of the data: when it was read
        from its database, or when its files last changed (None for DataFrames).
    source
        The source's name, never a path or URL.
    clients, transactions
        The numbers of clients and transactions read for the report.
    currency, time_zone_data
        The currency of every amount, and the version of the time-zone data used.
    quotes, warnings
        The quotes used, and warnings for the reader.
    data_gaps
        The warnings that say that the data ends before the report does.
    """

    interval_start: str
    interval_end: str
    timezone: str
    start: str
    effective_end: str
    actual_start: str | None
    actual_end: str | None
    role: str
    generated_at: str
    duration_ms: int
    as_of: str
    data_as_of: str | None
    source: str
    clients: int
    transactions: int
    currency: str
    time_zone_data: str
    quotes: tuple[Quote, ...] = ()
    warnings: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    data_gaps: tuple[str, ...] = ()


@dataclass(frozen=True, repr=False)
class Report:
    """The result of a query.

    Attributes
    ----------
    query
        The query as requested.
    headings
        The label headings, e.g. `("Month", "Package Name")`; empty without grouping.
    columns
        The number columns, in order.
    rows
        The rows, in order, without the Total. Empty if there is nothing to show; `message` then says why.
    total
        The row of the same query without grouping; None if the query has no grouping or there are no rows.
    info
        Facts about the report.
    message
        The reason why there are no rows, or None.
    definitions
        Notes on surprising results, shown with the column definitions.
    charts
        The report's own charts, by title, as Vega-Lite specifications (may be empty).
    triangle
        The retention triangle, if the query groups by cohort.
    evidence
        The evidence for a snapshot, or a function that computes it from the data; None if there is none.
    """

    query: ReportQuery
    headings: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    total: Row | None
    info: Info
    message: str | None = None
    definitions: tuple[str, ...] = ()
    charts: Mapping[str, Any] = field(default_factory=dict)
    triangle: CohortTriangle | None = None
    evidence: Evidence | Callable[[], Evidence | None] | None = field(default=None, compare=False)

    def __repr__(self) -> str:
        return str(self).rstrip("\n")  # what `>>> report` shows

    def __str__(self) -> str:
        from custdyn_widgets.report.display import plain_text

        return plain_text(self)

    def _repr_html_(self) -> str:
        from custdyn_widgets.report.html import report_html

        return report_html(self)

    def _repr_mimebundle_(
        self, include: Collection[str] | None = None, exclude: Collection[str] | None = None
    ) -> dict[str, str]:
        """Return the report as HTML for notebooks, LaTeX for PDF, and text for terminals."""
        from custdyn_widgets.report.display import mime_bundle

        return mime_bundle(self, include, exclude)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Return the rows, without the Total, as an Arrow stream, as used by `pyarrow.table(report)`."""
        from custdyn_widgets.report.arrow import arrow_table

        return arrow_table(self).__arrow_c_stream__(requested_schema)

    @property
    def title(self) -> str:
        """The report's title."""
        return "Customer Dynamics"

    @property
    def currency(self) -> str:
        """The ISO 4217 currency code of every amount."""
        return self.info.currency

    @property
    def is_partial(self) -> bool:
        """Whether the figures end at `as_of`, before the interval does."""
        whole = self.total if self.headings else next(iter(self.rows), None)
        return whole is not None and whole.partial

    def shown_rows(self) -> Iterator[Row]:
        """Yield the rows in display order, with the Total last."""
        yield from self.rows
        if self.total is not None:
            yield self.total

    def column(self, name: str) -> int:
        """Return the position of the column with this one-level name.

        Raises
        ------
        KeyError
            If the report has no such column.
        """
        for i, column in enumerate(self.columns):
            if column.name == name:
                return i
        raise KeyError(name)

    @property
    def table(self) -> pd.DataFrame:
        """The rows as a DataFrame indexed by label, with two-level columns of Int64 counts and Decimals.

        Multiplying a Decimal by a float such as 1.2 raises TypeError; multiply by `Decimal("1.2")`, or use
        `to_pandas(floats=True)`.
        """
        return self.to_pandas()

    def to_pandas(self, *, floats: bool = False) -> pd.DataFrame:
        """Return the rows as a DataFrame like `table`, without the Total.

        Parameters
        ----------
        floats
            Whether to return amounts as float64, with NaN for an undefined average. Floats are convenient for
            statistics and plots, but have only about 15 significant digits.
        """
        from custdyn_widgets.report.frames import report_frame

        return report_frame(self, floats=floats)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values, with Decimals as strings and without any floats."""
        from custdyn_widgets.report.json_values import report_to_dict

        return report_to_dict(self)

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Report:
        """Return a report from the output of `to_dict`.

        Raises
        ------
        CustDynError
            If this version cannot read the format.
        """
        from custdyn_widgets.report.json_values import report_from_dict

        return report_from_dict(data)
