"""Lines of a report's rows, and of the earlier periods that they are compared with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from custdyn_widgets.engine.cells.compute import Cells, compute_cells
from custdyn_widgets.engine.cells.table import SumTable
from custdyn_widgets.engine.conversion import to_exact_columns, to_fixed_columns, to_lines
from custdyn_widgets.engine.fixed_columns import FixedColumn
from custdyn_widgets.engine.plan import Plan
from custdyn_widgets.engine.quotes import Rates
from custdyn_widgets.mart import Int64s
from custdyn_widgets.query import Bucket

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class ConvertedCells:
    """Cells and their lines (one for each row), which are converted when needed."""

    cells: Cells
    rates: Rates
    row_count: int

    @cached_property
    def exact(self) -> pd.DataFrame:
        """The lines as ints and Fractions; see `conversion.to_lines`."""
        return to_lines(self.cells, self.rates, self.row_count)

    @cached_property
    def fixed(self) -> Mapping[str, FixedColumn]:
        """The columns of the lines in fixed point, which take much less time and memory."""
        return to_fixed_columns(self.cells, self.rates, self.row_count)

    def some(self, rows: Int64s) -> Cells:
        """Return the cells of some rows, renumbered from 0."""
        position = np.full(self.row_count, -1)
        position[rows] = np.arange(len(rows))
        movement = None if self.cells.movement is None else self.cells.movement[rows]
        moved = self.cells.replace_sums(lambda table: _moved_rows(table, position))
        return moved._replace(movement=movement)


class Lines(NamedTuple):
    """Lines of some buckets, with one line for each of their rows.

    Attributes
    ----------
    buckets
        The buckets, in order.
    source
        The cells of these buckets and others.
    rows
        int64[lines]: each line's row in these cells.
    """

    buckets: Sequence[Bucket]
    source: ConvertedCells
    rows: Int64s

    @property
    def exact(self) -> pd.DataFrame:
        """The lines as ints and Fractions."""
        if self._are_all:
            return self.source.exact
        lines: pd.DataFrame = self.source.exact.iloc[self.rows].reset_index(drop=True)
        return lines

    @property
    def fixed(self) -> Mapping[str, FixedColumn]:
        """The columns of the lines in fixed point."""
        columns = self.source.fixed
        return columns if self._are_all else {name: own.take(self.rows) for name, own in columns.items()}

    @property
    def _are_all(self) -> bool:
        """Whether there is a line for every row of the cells, in the same order."""
        return np.array_equal(self.rows, np.arange(self.source.row_count))

    def exact_at(self, positions: Int64s) -> Mapping[str, npt.NDArray[np.object_]]:
        """Return the columns of the lines at these positions as ints and Fractions."""
        rows, place = np.unique(self.rows[positions], return_inverse=True)
        columns = to_exact_columns(self.source.some(rows), self.source.rates, len(rows))
        return {name: np.array(values, object)[place] for name, values in columns.items()}


def compute_lines(plan: Plan) -> tuple[Lines, Lines, SumTable]:
    """Return the lines for a report's rows, the lines for the earlier periods, and the rows' flow cells.

    Earlier periods that directly precede the report, or are among its rows, are computed together with its
    rows, so comparing each month with the previous one costs only one more month.
    """
    earlier = [bucket for bucket in plan.befores if bucket]
    before_rows = _directly_before(earlier, plan.buckets[0])
    chain = [*before_rows, *plan.buckets]
    in_chain = set(map(_key, chain))
    others = _without_gaps(bucket for bucket in earlier if _key(bucket) not in in_chain)
    count, runs = len(plan.groups.labels), [chain, *others]
    found = [compute_cells(plan.facts, plan.selection.clients, plan.grid(run, plan.groups)) for run in runs]
    source = ConvertedCells(
        Cells.joined(found, [len(run) * count for run in runs]),
        plan.rates,
        sum(len(run) for run in runs) * count,
    )
    place = {_key(b): k for k, b in enumerate(b for run in runs for b in run)}

    def lines_of(buckets: Sequence[Bucket]) -> Lines:
        first = np.array([place[_key(b)] * count for b in buckets], np.int64)
        return Lines(buckets, source, (first[:, None] + np.arange(count)).ravel())

    flows = found[0].flows
    return (
        lines_of(plan.buckets),
        lines_of(earlier),
        flows.take(flows["row"] >= len(before_rows) * count),
    )


def _moved_rows(table: SumTable, position: Int64s) -> SumTable:
    """Renumber the rows of cells, and drop the lines whose row becomes -1."""
    rows = position[table["row"]]
    kept = rows >= 0
    return table.take(kept).replace(row=rows[kept])


def _key(bucket: Bucket) -> tuple[int, int, int, int]:
    return bucket.start, bucket.end, bucket.opening_window, bucket.window_start


def _meet(left: Bucket, right: Bucket) -> bool:
    """Return whether the left bucket ends where the right one starts, with the same window."""
    return (left.end, left.window_start) == (right.start, right.opening_window)


def _directly_before(earlier: Sequence[Bucket], first: Bucket) -> list[Bucket]:
    """Return the earlier periods that lead up to the first bucket without a gap; none if there is a gap."""
    found: list[Bucket] = []
    for bucket in earlier:
        if bucket.start >= first.start or (found and not _meet(found[-1], bucket)):
            break
        found.append(bucket)
    return found if found and _meet(found[-1], first) else []


def _without_gaps(buckets: Iterable[Bucket]) -> Iterator[list[Bucket]]:
    """Yield runs of buckets without gaps between them."""
    run: list[Bucket] = []
    for bucket in buckets:
        if run and not _meet(run[-1], bucket):
            yield run
            run = []
        run.append(bucket)
    if run:
        yield run
