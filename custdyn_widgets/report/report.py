"""Reports as plain values: the table and Info that result from a query.

This value is all that charts, pages, exports and snapshots need. It round-trips through JSON and can be
passed between processes. This module does not depend on sources, and only `Report.table` imports pandas.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from custdyn_widgets.errors import CustDynError
from custdyn_widgets.query import ReportQuery

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1
Value = int | Decimal | None
Unit = Literal["count", "money"]


@dataclass(frozen=True)
class Column:
    """Column of numbers.

    Attributes
    ----------
    group, label
        The two levels of the heading, e.g. `Clients - Active` and `Qty`.
    unit
        `count` (values are ints) or `money` (values are Decimals with 6 places in the report's currency).
    definition
        The meaning of the column in a sentence or two.
    """

    group: str
    label: str
    unit: Unit
    definition: str

    @property
    def name(self) -> str:
        """The one-level name used in exports and charts, e.g. `Clients - Active: Qty`."""
        return f"{self.group}: {self.label}"


@dataclass(frozen=True)
class Row:
    """Row with a label for each heading of the report and a value for each column.

    `start` and `end` (exclusive) are the bucket's edges in UTC, ISO 8601 with `Z`. `partial` is true if the
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
    """Quote used by a report: `units_per_base` units of `currency` equal one `base` as of `date`."""

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
        Actual Interval: the selected clients' first and last transactions in the period, None if there are
        none.
    role, generated_at, duration_ms
        The role that generated the report, when, and how many milliseconds it took.
    as_of, data_as_of
        The time that relative intervals were resolved against, and the time when the data was read from
        its database or its files last changed (None for DataFrames).
    source
        The source's name, never a path or URL.
    clients, transactions
        How many of each were read for the report.
    currency, time_zone_data
        The currency of every amount, and the version of the time-zone data used.
    quotes, warnings
        The quotes used, and warnings to the reader.
    data_gaps
        The warnings that the data ends before the report does.
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
    """Result of a query.

    Attributes
    ----------
    query
        The query as requested.
    headings
        The label headings, e.g. `("Month", "Package Name")`; empty without grouping.
    columns
        The number columns, in order.
    rows
        The rows, in order, without the Total. Empty if there is nothing to count; `message` then says why.
    total
        The row of the same query without grouping. None if the query has no grouping or there are no rows.
    info
        Facts about the report.
    message
        The reason why there are no rows, or None.
    definitions
        Notes on surprising results, shown with the column definitions.
    charts
        The report's own charts, by title, as Vega-Lite specifications (may be empty).
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

    def __repr__(self) -> str:
        rows = f"{len(self.rows):,} row{'' if len(self.rows) == 1 else 's'}"
        return f"<Report: {self.query.describe()}; {rows} in {self.currency}>"

    def _repr_html_(self) -> str:
        from custdyn_widgets.report.html import (
            report_html,
        )  # imported late because it is only needed for display

        return report_html(self)

    @property
    def title(self) -> str:
        """The report's title."""
        return "Customer Dynamics"

    @property
    def currency(self) -> str:
        """The ISO 4217 code of the currency of every amount."""
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
        """The rows as a DataFrame indexed by label, with two-level columns of Int64 counts and Decimals."""
        from custdyn_widgets.report.frames import report_frame

        return report_frame(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values, with Decimals as strings and without any floats."""
        return {
            "format": FORMAT,
            "query": self.query.to_dict(),
            "headings": list(self.headings),
            "columns": [_plain(c) for c in self.columns],
            "rows": [_row_to_dict(r) for r in self.rows],
            "total": _row_to_dict(self.total) if self.total else None,
            "info": _info_to_dict(self.info),
            "message": self.message,
            "definitions": list(self.definitions),
            "charts": dict(self.charts),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Report:
        """Return a report from the output of `to_dict`.

        Raises
        ------
        CustDynError
            If this version cannot read the format.
        """
        if data.get("format") != FORMAT:
            raise CustDynError(
                f"This report has format {data.get('format')!r}, but this version can only read {FORMAT}."
            )
        columns = tuple(Column(**c) for c in data["columns"])
        info = dict(data["info"])
        info["quotes"] = tuple(Quote(**q) for q in info["quotes"])
        info["warnings"] = tuple(info["warnings"])
        info["data_gaps"] = tuple(info.get("data_gaps", ()))
        return cls(
            query=ReportQuery.from_dict(data["query"]),
            headings=tuple(data["headings"]),
            columns=columns,
            rows=tuple(_row_from_dict(r, columns) for r in data["rows"]),
            total=_row_from_dict(data["total"], columns) if data["total"] else None,
            info=Info(**info),
            message=data["message"],
            definitions=tuple(data["definitions"]),
            charts=data["charts"],
        )


def _plain(value: object) -> dict[str, Any]:
    return {f.name: getattr(value, f.name) for f in fields(value)}  # type: ignore[arg-type]


def _row_to_dict(row: Row) -> dict[str, Any]:
    plain = _plain(row)
    plain["labels"] = list(row.labels)
    plain["values"] = [str(v) if isinstance(v, Decimal) else v for v in row.values]
    return plain


def _row_from_dict(data: Mapping[str, Any], columns: Sequence[Column]) -> Row:
    values = (
        Decimal(v) if c.unit == "money" and v is not None else v
        for c, v in zip(columns, data["values"], strict=True)
    )
    return Row(**{**data, "labels": tuple(data["labels"]), "values": tuple(values)})


def _info_to_dict(info: Info) -> dict[str, Any]:
    plain = _plain(info)
    plain["quotes"] = [_plain(q) for q in info.quotes]
    plain["warnings"] = list(info.warnings)
    plain["versions"] = dict(info.versions)
    gaps = plain.pop("data_gaps")
    return {**plain, "data_gaps": list(gaps)} if gaps else plain
