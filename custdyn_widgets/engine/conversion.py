"""Exact conversion of cells in many currencies to one line per report row, in one currency.

Only sums are multiplied by rates, which are exact fractions; see `quotes`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from fractions import Fraction
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from custdyn_widgets.engine.cells.compute import Cells
from custdyn_widgets.engine.cells.flows import FLOW_COLUMNS
from custdyn_widgets.engine.cells.movement import MOVEMENT_COLUMNS
from custdyn_widgets.engine.cells.stocks import STOCK_COLUMNS
from custdyn_widgets.engine.cells.sums import Sums, join
from custdyn_widgets.engine.cells.table import SumTable
from custdyn_widgets.engine.fixed_columns import FixedColumn
from custdyn_widgets.engine.fixed_point import MILLION, Factors, add_up, sums_between, to_int64
from custdyn_widgets.engine.quotes import Rates, Ratio
from custdyn_widgets.mart import Int64s, distinct_values

if TYPE_CHECKING:
    import pandas as pd

_RowFactors = tuple[list[int], list[int], int]  # lines, factors, denominator
_NOTHING = Fraction(0)
_EPOCH = date(1970, 1, 1)
_IGNORED = ("ignored_refill_qty", "ignored_refill")  # shown only in a warning, without conversion
LINE_COLUMNS = [c for c in (*STOCK_COLUMNS, *FLOW_COLUMNS) if c not in _IGNORED]


def to_lines(cells: Cells, rates: Rates, row_count: int) -> pd.DataFrame:
    """Convert cells to one line for each row of a report.

    Returns
    -------
    DataFrame
        The index is 0 … row_count − 1. The columns are those of `cells`, except keys and ignored refills:
        `…_qty` columns are Python ints, and all others are Fractions in units of the target currency.

    Raises
    ------
    RateError
        If the quote needed to convert a nonzero amount is missing.
    """
    return _frame(to_exact_columns(cells, rates, row_count))


def to_exact_columns(cells: Cells, rates: Rates, row_count: int) -> dict[str, list[object]]:
    """Convert cells to the columns of `to_lines`, as lists.

    Raises
    ------
    RateError
        As for `to_lines`.
    """
    columns: dict[str, list[object]] = {}
    for table in cells.sums:
        columns |= convert(table, rates, row_count)
    if cells.movement is not None:
        columns |= zip(MOVEMENT_COLUMNS, cells.movement.T.tolist(), strict=True)
    return columns


def to_fixed_columns(cells: Cells, rates: Rates, row_count: int) -> dict[str, FixedColumn]:
    """Convert cells to the columns of `to_lines`, but much faster, in fixed point (see `fixed_columns`).

    Raises
    ------
    RateError
        As for `to_lines`.
    """
    columns: dict[str, FixedColumn] = {}
    for table in cells.sums:
        columns |= _convert_fixed(table, rates, row_count)
    if cells.movement is not None:
        for name, counts in zip(MOVEMENT_COLUMNS, cells.movement.T, strict=True):
            columns[name] = FixedColumn.of_counts(counts)
    return columns


def _convert_fixed(table: SumTable, rates: Rates, row_count: int) -> dict[str, FixedColumn]:
    rows = table["row"]
    order = np.argsort(rows, kind="stable")
    bounds = np.searchsorted(rows[order], np.arange(row_count + 1))
    ratios, which = _factors(table, rates)
    is_foreign = any(ratio != (1, 1) for ratio in ratios[1:])
    factors, which = Factors.of(ratios) if is_foreign else None, which[order]
    columns: dict[str, FixedColumn] = {}
    for name, sums in _converted_sums(table):
        values = sums[order]
        if name.endswith("_qty"):
            columns[name] = FixedColumn.of_counts(sums_between(values.astype(np.int64), bounds))
        else:
            columns[name] = FixedColumn.of(add_up(to_int64(values), bounds, factors, which))
    return columns


def convert(table: SumTable, rates: Rates, row_count: int) -> dict[str, list[object]]:
    """Convert one table of cells, and return its columns with a value for each row; see `to_lines`."""
    columns: dict[str, list[object]] = {}
    of_rows = _of_rows(table, rates, row_count)
    for name, sums in _converted_sums(table):
        values = sums.tolist()
        if name.endswith("_qty"):
            columns[name] = [sum([values[i] for i in lines]) for lines, _, _ in of_rows]
        else:
            columns[name] = [_money(values, *row) if row[0] else _NOTHING for row in of_rows]
    return columns


def _converted_sums(table: SumTable) -> list[tuple[str, Sums]]:
    return [(name, sums) for name, sums in table.sums.items() if name not in _IGNORED]


def _frame(columns: Mapping[str, Sequence[object]]) -> pd.DataFrame:
    """Build lines from their columns, as a single block.

    Building one block per column would take longer than computing the sums.
    """
    import pandas as pd  # imported late: only custom metrics and `report_lines` need DataFrames

    block = np.empty((len(columns), len(next(iter(columns.values())))), object)
    for i, values in enumerate(columns.values()):
        block[i] = values
    return pd.DataFrame(block.T, columns=list(columns))


def _of_rows(table: SumTable, rates: Rates, row_count: int) -> list[_RowFactors]:
    """Return each row's lines, with their factors over a common denominator.

    With daily quotes, the denominator has thousands of digits. It is computed once for all columns, and
    fractions are reduced only at the end: reducing each one would take longer than the rest of the report.
    """
    lines: list[list[int]] = [[] for _ in range(row_count)]
    for line, row in enumerate(table["row"].tolist()):
        lines[row].append(line)
    distinct, which = _factors(table, rates)
    factors = [distinct[place] for place in which.tolist()]
    found: list[_RowFactors] = []
    for own in lines:
        ratios = [factors[line] for line in own]
        denominator = prod({d for _, d in ratios})
        found.append((own, [n * (denominator // d) for n, d in ratios], denominator * MILLION))
    return found


def _factors(table: SumTable, rates: Rates) -> tuple[list[Ratio], Int64s]:
    """Return the factors and the position of each line's factor; position 0 is for lines without amounts.

    Rates are looked up in the order of the lines, so that an error names the first quote that is missing.
    """
    needed = np.flatnonzero(table["needs_quote"])
    place, distinct = distinct_values(_dated_currencies(table)[needed])
    ratios: list[Ratio] = [(0, 1)]
    for key in distinct.tolist():
        day, code = divmod(key, len(table.currencies))
        ratios.append(rates.factor(table.currencies[code], _EPOCH + timedelta(days=day)))
    which = np.zeros(len(table), np.int64)
    which[needed] = place + 1
    return ratios, which


def _dated_currencies(table: SumTable) -> Int64s:
    """Return a number for each line that stands for its currency and valuation date."""
    keys: Int64s = table["value_day"] * len(table.currencies) + table["currency"]
    return keys


def _money(values: Sequence[int], lines: Sequence[int], factors: Sequence[int], denominator: int) -> Fraction:
    """Return the sum of the lines' amounts, each multiplied by its factor."""
    total = sum([values[i] * factor for i, factor in zip(lines, factors, strict=True)])
    return Fraction(total, denominator) if total else _NOTHING


def add_up_rows(table: SumTable) -> SumTable:
    """Add up all rows of some cells, and return the sums as row 0."""
    place, distinct = distinct_values(_dated_currencies(table))
    order = np.argsort(place, kind="stable")
    bounds = np.searchsorted(place[order], np.arange(len(distinct) + 1))
    day, currency = np.divmod(distinct, len(table.currencies))
    total: dict[str, Any] = {
        "row": np.zeros(len(distinct), np.int64),
        "currency": currency,
        "value_day": day,
        "needs_quote": sums_between(table["needs_quote"][order].astype(np.int64), bounds) > 0,
    }
    for name, values in _converted_sums(table):
        if values.dtype == object:
            total[name] = np.zeros(len(distinct), object)
            np.add.at(total[name], place, values)
        else:
            high, low = values[order] >> 32, values[order] & 0xFFFFFFFF
            total[name] = join(sums_between(high, bounds), sums_between(low, bounds))
    return SumTable(table.currencies, total)
