"""Lines of a report's rows, and of the earlier periods that they are compared with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from custdyn_widgets.engine.cells.compute import Cells, compute_cells
from custdyn_widgets.engine.conversion import to_lines
from custdyn_widgets.engine.plan import Plan
from custdyn_widgets.query import Bucket


@dataclass(frozen=True)
class Lines:
    """Lines of some buckets, with one line for each of their rows.

    Attributes
    ----------
    buckets
        The buckets, in order.
    frame
        The lines; see `conversion.to_lines`.
    left
        The cells for balances that left with closed clients; their `row` is a line's position. None if not
        needed.
    """

    buckets: Sequence[Bucket]
    frame: pd.DataFrame
    left: pd.DataFrame | None


def compute_lines(plan: Plan) -> tuple[Lines, Lines, pd.DataFrame]:
    """Return the lines of a report's rows, those of the earlier periods, and the flow cells of the rows.

    Earlier periods that directly precede the report, or are rows of it, are summed together with its rows, so
    comparing months with the previous months costs only one more month.
    """
    earlier = [bucket for bucket in plan.befores if bucket]
    before_rows = _directly_before(earlier, plan.buckets[0])
    chain = [*before_rows, *plan.buckets]
    in_chain = set(map(_key, chain))
    others = _without_gaps(bucket for bucket in earlier if _key(bucket) not in in_chain)
    runs = [_Run.of(plan, buckets) for buckets in (chain, *others)]
    flows = runs[0].cells.flows
    return (
        _select(plan, runs, plan.buckets),
        _select(plan, runs, earlier),
        flows[flows["row"] >= len(before_rows) * len(plan.groups.labels)],
    )


@dataclass(frozen=True)
class _Run:
    """Buckets without gaps between them, with their cells and a line for each of their rows."""

    buckets: Sequence[Bucket]
    cells: Cells
    lines: pd.DataFrame

    @classmethod
    def of(cls, plan: Plan, buckets: Sequence[Bucket]) -> _Run:
        cells = compute_cells(plan.facts, plan.selection.clients, plan.grid(buckets, plan.groups))
        return cls(buckets, cells, to_lines(cells, plan.rates, len(buckets) * len(plan.groups.labels)))


def _select(plan: Plan, runs: Sequence[_Run], buckets: Sequence[Bucket]) -> Lines:
    """Return the lines of these buckets, taken from the runs."""
    count = len(plan.groups.labels)
    place = {_key(b): k for k, b in enumerate(b for run in runs for b in run.buckets)}
    first = np.array([place[_key(b)] * count for b in buckets], np.int64)
    rows = (first[:, None] + np.arange(count)).ravel()
    frame = pd.concat([run.lines for run in runs], ignore_index=True).iloc[rows].reset_index(drop=True)
    if not plan.has_balances:
        return Lines(buckets, frame, None)
    position = np.full(len(place) * count, -1)
    position[rows] = np.arange(len(rows))
    lefts, offset = [], 0
    for run in runs:
        if run.cells.balances:
            left = run.cells.balances.left
            lefts.append(left.assign(row=position[left["row"].to_numpy(np.int64) + offset]))
        offset += len(run.lines)
    left = pd.concat(lefts, ignore_index=True)
    return Lines(buckets, frame, left[left["row"] >= 0])


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
