"""From a query placed on its data to the lines of a report, its rows and its Total."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from fractions import Fraction

import numpy as np
import pandas as pd

from custdyn_widgets.engine.cells.compute import Cells, compute_cells
from custdyn_widgets.engine.cells.grid import Grid
from custdyn_widgets.engine.cells.stocks import STOCK_COLUMNS
from custdyn_widgets.engine.conversion import (
    LINE_COLUMNS,
    Rates,
    lines_of,
    target_currency,
    to_lines,
)
from custdyn_widgets.engine.metrics import columns, compute_metrics
from custdyn_widgets.engine.selection import Selection, select
from custdyn_widgets.mart import Facts
from custdyn_widgets.query import Bucket, ReportQuery, ResolvedInterval, resolve
from custdyn_widgets.report import Column, Row, Value
from custdyn_widgets.text import format_instant_utc, format_millionths

_TIME_HEADINGS = {"year": "Year", "month": "Month", "date": "Date"}
_PACKAGE_HEADING = "Package Name"
_NO_PACKAGE, _OTHER_PACKAGES = "(no package)", "(other)"
_DAY = 86_400
_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)  # the usual one rounds to 28 digits


@dataclass(frozen=True)
class Asked:
    """A query placed on its data: everything that the computation needs."""

    query: ReportQuery
    facts: Facts
    interval: ResolvedInterval
    selection: Selection
    rates: Rates
    buckets: list[Bucket]
    packages: tuple[int, ...]  # codes of the package rows in order, without the rest; () ungrouped

    @property
    def headings(self) -> tuple[str, ...]:
        """The headings of the label columns."""
        time_heading = [_TIME_HEADINGS[self.query.time_group]] if self.query.time_group else []
        return (*time_heading, *([_PACKAGE_HEADING] if self.query.by_package else []))

    @property
    def package_labels(self) -> list[str]:
        """The labels of the package rows of a bucket; one empty one without a package grouping."""
        if not self.query.by_package:
            return [""]
        rest = _OTHER_PACKAGES if self.selection.packages else _NO_PACKAGE
        names = Counter(name for _, name in self.facts.names.packages)
        names.update([_NO_PACKAGE, _OTHER_PACKAGES, "Total"])
        labels = []
        for package_id, name in (self.facts.names.packages[p] for p in self.packages):
            # A name of several packages, or one that our own rows have, tells nothing without the id.
            labels.append(name if names[name] == 1 else f"{name} ({package_id})")
        return [*labels, rest]


def place(query: ReportQuery, facts: Facts, as_of: datetime) -> Asked:
    """Place a query on its data.

    Raises
    ------
    QueryError
        If a field names what the data does not have.
    """
    interval = resolve(query, as_of)
    rates = Rates(facts.names, target_currency(facts.names, query.currency))
    selection = select(facts, query, interval.effective_end)
    exists = facts.exists[selection.clients]
    since = int(exists.min()) if len(exists) else interval.effective_end
    nothing = interval.is_empty or since >= interval.effective_end
    names = facts.names.packages
    shown = selection.packages or tuple(range(len(names)))
    return Asked(
        query=replace(query, package=tuple(names[p][0] for p in selection.packages)),
        facts=facts,
        interval=interval,
        selection=selection,
        rates=rates,
        buckets=[] if nothing else interval.buckets(query.time_group, since),
        packages=tuple(sorted(shown, key=lambda p: (names[p][1], names[p][0]))) if query.by_package else (),
    )


def labelled_lines(asked: Asked) -> pd.DataFrame:
    """Return the lines under the labels of their rows; `compute.report_lines` describes them."""
    if not asked.buckets:
        return pd.DataFrame(columns=LINE_COLUMNS, dtype=object)
    lines, _ = _lines(asked)
    levels = [[b.label for b in asked.buckets], asked.package_labels]
    shown = [asked.query.time_group is not None, asked.query.by_package]
    if asked.query.group_by:
        index = pd.MultiIndex.from_product(levels)
        lines.index = index.droplevel([i for i in (0, 1) if not shown[i]]).set_names(asked.headings)
    return lines


def table(asked: Asked) -> tuple[list[Row], Row | None, Cells | None]:
    """Return the rows, the Total where there is one, and the cells behind the rows."""
    if not asked.buckets:
        return [], None, None
    labels = asked.package_labels
    lines, cells = _lines(asked)
    shown = columns()
    rows = []
    for i, values in enumerate(zip(*compute_metrics(lines).values(), strict=True)):
        bucket, package = asked.buckets[i // len(labels)], labels[i % len(labels)]
        if asked.query.by_package and not any(values):
            continue
        by_time, by_package = asked.query.time_group is not None, asked.query.by_package
        row_labels = [bucket.label] * by_time + [package] * by_package
        rows.append(_row(row_labels, values, bucket, shown))
    if not asked.query.group_by:
        return rows, None, cells
    whole = asked.interval.whole()
    (values,) = zip(*compute_metrics(_total_line(asked, lines, whole)).values(), strict=True)
    total_labels = ["Total"] + [""] * (len(asked.headings) - 1)
    return rows, _row(total_labels, values, whole, shown), cells


def _lines(asked: Asked) -> tuple[pd.DataFrame, Cells]:
    """Return a line for each row, before any is left out, and the cells behind them."""
    grid = _grid(asked, asked.buckets, asked.query.by_package)
    cells = compute_cells(asked.facts, asked.selection.clients, grid)
    return to_lines(cells, asked.rates, len(asked.buckets) * len(asked.package_labels)), cells


def _total_line(asked: Asked, lines: pd.DataFrame, whole: Bucket) -> pd.DataFrame:
    """Return the line of the same query without grouping.

    Grouped by time alone it is there already: flows add up, and stocks are those of the last row, if its
    window is the Total's (an `as_of` or end on a wall time that clocks skip may part them).
    """
    if asked.query.by_package or asked.buckets[-1].window_start != whole.window_start:
        cells = compute_cells(asked.facts, asked.selection.clients, _grid(asked, [whole], by_package=False))
        return to_lines(cells, asked.rates, 1)
    total = {
        name: lines[name].tolist()[-1:] if name in STOCK_COLUMNS else [sum(lines[name])]
        for name in LINE_COLUMNS
    }
    return lines_of(total)


def _grid(asked: Asked, buckets: list[Bucket], by_package: bool) -> Grid:
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


def _row(
    labels: Iterable[str], values: Iterable[int | Fraction | None], bucket: Bucket, shown: Iterable[Column]
) -> Row:
    rounded = (_rounded(value, column) for value, column in zip(values, shown, strict=True))
    return Row(
        tuple(labels),
        tuple(rounded),
        format_instant_utc(bucket.start),
        format_instant_utc(bucket.end),
        bucket.partial,
    )


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


def ignored_refills(cells: Cells) -> str | None:
    """Return the sentence that tells of refills which are not counted, if there are any."""
    told = (cells.flows[name] for name in ("currency", "ignored_refill_qty", "ignored_refill"))
    ignored = [line for line in zip(*told, strict=True) if line[1]]
    if not ignored:
        return None
    count = sum(qty for _, qty, _ in ignored)
    totals = Counter[str]()
    for currency, _, millionths in ignored:
        totals[currency] += millionths
    sums = (f"{format_millionths(total)} {currency}" for currency, total in sorted(totals.items()))
    refills = "refill has" if count == 1 else "refills have"
    return (
        f"{count:,} {refills} an amount of 0 or less: part of balances, not of Balance Refill. "
        f"Their sum: {', '.join(sums)}."
    )
