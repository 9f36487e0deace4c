"""From a query and a source to a report: the one way in which numbers come about."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from fractions import Fraction
from functools import cache
from importlib import metadata
from typing import Any

import numpy as np
import pandas as pd

from custdyn_widgets import settings
from custdyn_widgets.cells import STOCK_COLUMNS, Cells, Grid, compute_cells
from custdyn_widgets.conversion import LINE_COLUMNS, Rates, in_currency, target_currency, to_lines
from custdyn_widgets.extensions import load_extensions
from custdyn_widgets.intervals import Bucket, ResolvedInterval, resolve, time_zone_data, to_text
from custdyn_widgets.mart.cache import OpenedMart, open_mart
from custdyn_widgets.mart.facts import Facts
from custdyn_widgets.mart.sources import SourceLike
from custdyn_widgets.metrics import SURPRISES, columns, compute_metrics
from custdyn_widgets.query import ReportQuery, parse_as_of
from custdyn_widgets.report import Column, Info, Report, Row, Value
from custdyn_widgets.selection import Selection, select

_TIME_HEADINGS = {"year": "Year", "month": "Month", "date": "Date"}
PACKAGE_HEADING = "Package Name"
NO_PACKAGE, OTHER_PACKAGES = "(no package)", "(other)"
_DAY = 86_400
_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)  # the usual one rounds to 28 digits


@dataclass(frozen=True)
class _Asked:
    """A query placed on its data: everything that the computation needs."""

    query: ReportQuery
    facts: Facts
    interval: ResolvedInterval
    selection: Selection
    rates: Rates
    buckets: list[Bucket]
    packages: tuple[int, ...]  # codes of the package rows in order, without the rest; () ungrouped

    @property
    def package_labels(self) -> list[str]:
        """The labels of the package rows of a bucket; one empty one without a package grouping."""
        if not self.query.by_package:
            return [""]
        rest = OTHER_PACKAGES if self.selection.packages else NO_PACKAGE
        names = Counter(name for _, name in self.facts.names.packages)
        names.update([NO_PACKAGE, OTHER_PACKAGES, "Total"])
        labels = []
        for package_id, name in (self.facts.names.packages[p] for p in self.packages):
            # A name of several packages, or one that our own rows have, tells nothing without the id.
            labels.append(name if names[name] == 1 else f"{name} ({package_id})")
        return [*labels, rest]


def run_report(
    query: ReportQuery | Mapping[str, Any],
    source: SourceLike,
    *,
    as_of: str | datetime | None = None,
    role: str | None = None,
) -> Report:
    """Compute a report.

    Parameters
    ----------
    query
        What is asked: a `ReportQuery`, or the JSON object of one.
    source
        A name of `sources.toml`, a folder of CSV or Parquet files, a DuckDB file, `demo`, a dict of
        DataFrames by the names of the tables, or a `Source`, which says what happens to faulty rows.
    as_of
        The instant at and after which nothing counts, and that relative intervals resolve against;
        ISO 8601 or a datetime, without an offset UTC, cut to its second. Default: now.
    role
        By which role the report is generated; default: the setting.

    Returns
    -------
    Report
        Counts as int; money as Decimal with 6 places in `report.currency`, rounded once, half-even.

    Raises
    ------
    QueryError
        If a field's value is none that it takes, or names what the data does not have.
    SourceError, MartError
        If the source cannot be read or has faults.
    RateError
        If a conversion needs a quote that is missing.
    SettingsError
        If an extension that the settings name cannot be imported.
    """
    began = time.monotonic()
    in_force = settings.load()
    load_extensions(in_force.extensions)
    checked, instant = _checked(query), parse_as_of(as_of)
    mart = open_mart(source)
    asked = _place(checked, mart.facts, instant)
    rows, total, cells = _table(asked)
    return Report(
        query=asked.query,
        headings=_headings(asked.query),
        columns=columns(),
        rows=tuple(rows),
        total=total,
        info=_info(asked, mart, cells, role or in_force.role, time.monotonic() - began),
        message=None if asked.buckets else _why_no_rows(asked),
        definitions=SURPRISES,
    )


def report_lines(
    query: ReportQuery | Mapping[str, Any], source: SourceLike, *, as_of: str | datetime | None = None
) -> pd.DataFrame:
    """Compute the lines of a report: what its metrics are computed from, exact and unrounded.

    Parameters
    ----------
    query, source, as_of
        As for `run_report`.

    Returns
    -------
    DataFrame
        A line for each row of the report, and for package rows in which nothing happened too. Index: the
        labels, a level for each heading (none without grouping). Columns as `conversion.to_lines` describes
        them: `…_qty` Python ints, all others Fractions in the report's currency. Without rows: empty.

    Raises
    ------
    QueryError, SourceError, MartError, RateError
        As `run_report`.
    """
    checked, instant = _checked(query), parse_as_of(as_of)
    asked = _place(checked, open_mart(source).facts, instant)
    if not asked.buckets:
        return pd.DataFrame(columns=LINE_COLUMNS, dtype=object)
    lines, _ = _lines(asked)
    levels = [[b.label for b in asked.buckets], asked.package_labels]
    shown = [asked.query.time_group is not None, asked.query.by_package]
    if asked.query.group_by:
        index = pd.MultiIndex.from_product(levels)
        lines.index = index.droplevel([i for i in (0, 1) if not shown[i]]).set_names(_headings(asked.query))
    return lines


def _checked(query: ReportQuery | Mapping[str, Any]) -> ReportQuery:
    """Return the query with every field checked, also where it was built by hand."""
    return ReportQuery.from_dict(query.to_dict() if isinstance(query, ReportQuery) else query)


def _place(query: ReportQuery, facts: Facts, as_of: datetime) -> _Asked:
    interval = resolve(query, as_of)
    rates = Rates(facts.names, target_currency(facts.names, query.currency))
    selection = select(facts, query, interval.effective_end)
    exists = facts.exists[selection.clients]
    since = int(exists.min()) if len(exists) else interval.effective_end
    nothing = interval.is_empty or since >= interval.effective_end
    names = facts.names.packages
    shown = selection.packages or tuple(range(len(names)))
    return _Asked(
        query=replace(query, package=tuple(names[p][0] for p in selection.packages)),
        facts=facts,
        interval=interval,
        selection=selection,
        rates=rates,
        buckets=[] if nothing else interval.buckets(query.time_group, since),
        packages=tuple(sorted(shown, key=lambda p: (names[p][1], names[p][0]))) if query.by_package else (),
    )


def _table(asked: _Asked) -> tuple[list[Row], Row | None, Cells | None]:
    """Return the rows, the Total where there is one, and the cells behind the rows."""
    if not asked.buckets:
        return [], None, None
    labels = asked.package_labels
    lines, cells = _lines(asked)
    exact = compute_metrics(lines)
    shown = columns()
    rows = []
    for i, values in enumerate(exact.itertuples(index=False, name=None)):
        bucket, package = asked.buckets[i // len(labels)], labels[i % len(labels)]
        if asked.query.by_package and not any(values):
            continue
        by_time, by_package = asked.query.time_group is not None, asked.query.by_package
        row_labels = [bucket.label] * by_time + [package] * by_package
        rows.append(_row(row_labels, values, bucket, shown))
    if not asked.query.group_by:
        return rows, None, cells
    whole = asked.interval.whole()
    exact = compute_metrics(_total_line(asked, lines, whole))
    values = next(exact.itertuples(index=False, name=None))
    total_labels = ["Total"] + [""] * (len(_headings(asked.query)) - 1)
    return rows, _row(total_labels, values, whole, shown), cells


def _lines(asked: _Asked) -> tuple[pd.DataFrame, Cells]:
    """Return a line for each row, before any is left out, and the cells behind them."""
    grid = _grid(asked, asked.buckets, asked.query.by_package)
    cells = compute_cells(asked.facts, asked.selection.clients, grid)
    return to_lines(cells, asked.rates, len(asked.buckets) * len(asked.package_labels)), cells


def _total_line(asked: _Asked, lines: pd.DataFrame, whole: Bucket) -> pd.DataFrame:
    """Return the line of the same query without grouping.

    Grouped by time alone it is there already: flows add up, and stocks are those of the last row, if its
    window is the Total's (an `as_of` or end on a wall time that clocks skip may part them).
    """
    if asked.query.by_package or asked.buckets[-1].window_start != whole.window_start:
        cells = compute_cells(asked.facts, asked.selection.clients, _grid(asked, [whole], by_package=False))
        return to_lines(cells, asked.rates, 1)
    total = lines.iloc[-1:].reset_index(drop=True)
    for name in total.columns.difference(list(STOCK_COLUMNS)):
        total.at[0, name] = sum(lines[name])
    return total


def _grid(asked: _Asked, buckets: list[Bucket], by_package: bool) -> Grid:
    edges = np.array([b.start for b in buckets] + [buckets[-1].end], np.int64)
    first, last = int(edges[0]) // _DAY + 1, (int(edges[-1]) - 1) // _DAY
    changes = (asked.rates.changes([c], first, last) for c in asked.facts.names.currencies)
    count = len(asked.facts.names.packages)
    fee_counts = np.ones(count + 1, np.bool_)
    if asked.selection.packages:
        fee_counts[:] = False
        fee_counts[list(asked.selection.packages)] = True
    groups = len(asked.packages) + 1 if by_package else 1
    group_of = np.full(count + 1, groups - 1, np.int64)
    if by_package:
        group_of[list(asked.packages)] = np.arange(groups - 1)
    return Grid(
        edges=edges,
        windows=np.array([b.window_start for b in buckets], np.int64),
        changes=tuple(np.array(days, np.int64) * _DAY for days in changes),
        groups=groups,
        group_of=group_of,
        fee_counts=fee_counts,
    )


def _info(asked: _Asked, mart: OpenedMart, cells: Cells | None, role: str, seconds: float) -> Info:
    interval = asked.interval
    return Info(
        interval_start=interval.period.start.isoformat(sep=" "),
        interval_end=interval.period.end.isoformat(sep=" "),
        timezone=asked.query.timezone,
        start=to_text(interval.start),
        effective_end=to_text(interval.effective_end),
        actual_start=_text_or_none(cells.first if cells else None),
        actual_end=_text_or_none(cells.last if cells else None),
        role=role,
        generated_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        duration_ms=round(seconds * 1000),
        as_of=to_text(interval.as_of),
        data_as_of=_text_or_none(mart.data_as_of),
        source=mart.name,
        clients=len(asked.selection.clients),
        transactions=cells.transactions if cells else 0,
        currency=asked.rates.target,
        time_zone_data=time_zone_data(),
        quotes=asked.rates.used(),
        warnings=tuple(_warnings(mart, interval, cells)),
        versions=_versions(),
    )


@cache
def _versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in ("custdyn-widgets", "pandas", "numpy")}


def _headings(query: ReportQuery) -> tuple[str, ...]:
    time_heading = [_TIME_HEADINGS[query.time_group]] if query.time_group else []
    return (*time_heading, *([PACKAGE_HEADING] if query.by_package else []))


def _row(
    labels: Iterable[str], values: Iterable[int | Fraction | None], bucket: Bucket, shown: Iterable[Column]
) -> Row:
    rounded = (_rounded(value, column) for value, column in zip(values, shown, strict=True))
    return Row(tuple(labels), tuple(rounded), to_text(bucket.start), to_text(bucket.end), bucket.partial)


def _rounded(value: int | Fraction | None, column: Column) -> Value:
    """Return a value as reports hold it: money rounded once, half-even, to 6 places."""
    if value is None or column.unit == "count":
        return value if value is None else int(value)
    return _six_places(value)


def _six_places(amount: int | Fraction) -> Decimal:
    """Return an amount rounded half-even to 6 places."""
    millionths, rest = divmod(amount.numerator * 10**6, amount.denominator)
    if 2 * rest > amount.denominator or (2 * rest == amount.denominator and millionths % 2):
        millionths += 1
    return Decimal(millionths).scaleb(-6, _EXACT)


def _text_or_none(instant: int | None) -> str | None:
    return None if instant is None else to_text(instant)


def _why_no_rows(asked: _Asked) -> str:
    interval = asked.interval
    if interval.end <= interval.start:
        return "There is nothing to show: the clocks of the time zone skipped the whole interval."
    if interval.is_empty:
        return (
            f"There is nothing to show yet: the interval starts at {to_text(interval.start)}, and nothing at "
            f"or after {to_text(interval.as_of)} is counted."
        )
    if not len(asked.selection.clients):
        return "There is nothing to show: no client matches the filters."
    return f"There is nothing to show: no chosen client existed before {to_text(interval.effective_end)}."


def _warnings(mart: OpenedMart, interval: ResolvedInterval, cells: Cells | None) -> Iterable[str]:
    """Yield the sentences that a reader of the numbers must know."""
    yield from mart.warnings
    if mart.data_as_of is not None and mart.data_as_of < interval.effective_end:
        yield (
            f"The data is as of {to_text(mart.data_as_of)}, before the report's end "
            f"{to_text(interval.effective_end)}: what happened in between is missing."
        )
    ignored = cells.flows[cells.flows["ignored_refill_qty"] != 0] if cells else pd.DataFrame()
    if len(ignored):
        count = sum(ignored["ignored_refill_qty"])
        sums = (f"{_plain(total)} {currency}" for currency, total in in_currency(ignored).items())
        refills = "refill has" if count == 1 else "refills have"
        yield (
            f"{count:,} {refills} an amount of 0 or less: part of balances, not of Balance Refill. "
            f"Their sum: {', '.join(sums)}."
        )


def _plain(amount: Fraction) -> str:
    """Return an amount as text: at least 2 and at most 6 places."""
    whole, places = format(_six_places(amount), "f").split(".")
    return f"{whole}.{places.rstrip('0').ljust(2, '0')}"
