"""Where the time of a report goes: `python -m bench.where_time_goes MART [warm]`, JSON out.

For the first report, functions of the product are wrapped so that each thread adds up its own processor time;
time in a wrapped function counts for it alone, not for the one that called it. For warm reports, it is the
time on the clock, summing the rows or not.
"""

from __future__ import annotations

import json
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from custdyn_widgets.engine import compute, lines
from custdyn_widgets.engine.cells import fast
from custdyn_widgets.engine.report import report_on
from custdyn_widgets.mart.checking.checks import BatchCheck
from custdyn_widgets.mart.checking.distinct_ids import DistinctIds
from custdyn_widgets.mart.facts import blocks, by_client
from custdyn_widgets.mart.opening import open_mart
from custdyn_widgets.query.query import ReportQuery

from . import ours
from .question import AS_OF, QUESTIONS
from .steps import MONTHS

DECODING, CHECKING, IDS, SORTING, REPORT, REST = (
    "decoding Parquet",
    "checking rows",
    "comparing ids",
    "sorting by client",
    "the report",
    "imports and the rest",
)
_WARM = 6  # reports; the first one is not counted
PARTS = (DECODING, CHECKING, IDS, SORTING, REPORT, REST)


class Clock:
    """Adds up the processor time of wrapped functions by name."""

    def __init__(self) -> None:
        self.seconds = Counter[str]()
        self._lock = threading.Lock()
        self._open = threading.local()

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, whose own processor time counts for `name`."""

        def wrapper(*args: Any, **options: Any) -> Any:
            inner = self._open.__dict__.setdefault("inner", [])
            inner.append(0.0)
            began = time.thread_time()
            try:
                return function(*args, **options)
            finally:
                taken = time.thread_time() - began
                with self._lock:
                    self.seconds[name] += taken - inner.pop()
                if inner:
                    inner[-1] += taken

        return wrapper


def main() -> None:
    """Print the seconds of each part."""
    mart, *warm = sys.argv[1:]
    print(json.dumps(_warm(Path(mart)) if warm else _first(Path(mart))))


def _warm(mart: Path) -> dict[str, float]:
    """Make warm reports with and without numba, and return the medians of the seconds of their parts."""
    opened = open_mart(mart)
    query, found = ReportQuery.from_dict(QUESTIONS[MONTHS].query), {}
    cells = lines.compute_cells
    for name, worth in (("NumPy", sys.maxsize), ("numba", 0)):
        fast.WORTH_ITS_IMPORT = worth
        summing: list[float] = []
        lines.compute_cells = _on_the_clock(cells, summing)
        whole: list[float] = []
        for _ in range(_WARM):
            _on_the_clock(report_on, whole)(query, opened, AS_OF)
        rest = [total - own for total, own in zip(whole, summing, strict=True)]
        found[f"summing rows with {name}"] = statistics.median(summing[1:])
        found[f"the rest, with {name}"] = statistics.median(rest[1:])
    return found


def _on_the_clock(function: Callable[..., Any], seconds: list[float]) -> Callable[..., Any]:
    """Return the function, which adds the time that each call takes to a list."""

    def wrapper(*args: Any) -> Any:
        began = time.perf_counter()
        result = function(*args)
        seconds.append(time.perf_counter() - began)
        return result

    return wrapper


def _first(mart: Path) -> dict[str, float]:
    """Make the first report on a mart, and return the processor seconds of each part."""
    clock = Clock()
    for owner, method, name in (
        (BatchCheck, "read", CHECKING),
        (DistinctIds, "add", IDS),
        (DistinctIds, "repeated", IDS),
        (by_client.SortedRuns, "put", SORTING),
        (by_client.SortedRuns, "merged", SORTING),
        (blocks, "_place", SORTING),
        (compute, "_report_on", REPORT),
    ):
        setattr(owner, method, clock.timed(name, getattr(owner, method)))
    batches = pq.ParquetFile.iter_batches

    def iter_batches(*args: Any, **options: Any) -> Iterator[Any]:
        step = clock.timed(DECODING, batches(*args, **options).__next__)
        return iter(lambda: _next(step), None)

    pq.ParquetFile.iter_batches = iter_batches
    ours.report(mart, QUESTIONS[MONTHS])
    found = {name: clock.seconds[name] for name in PARTS}
    found[REST] = time.process_time() - sum(found.values())
    return found


def _next(step: Callable[[], Any]) -> Any:
    """Return the next batch, or None after the last one."""
    try:
        return step()
    except StopIteration:
        return None


if __name__ == "__main__":
    main()
