"""Where the processor time of the first report goes: `python -m bench.where_time_goes MART`, JSON out.

Functions of the product are wrapped so that each thread adds up its own processor time; time in a wrapped
function counts for it alone, not for the one that called it.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from custdyn_widgets.engine import compute
from custdyn_widgets.mart.checking.checks import BatchCheck
from custdyn_widgets.mart.checking.distinct_ids import DistinctIds
from custdyn_widgets.mart.facts import by_client

from . import ours
from .question import QUESTIONS
from .steps import MONTHS

DECODING, CHECKING, IDS, SORTING, REPORT, REST = (
    "decoding Parquet",
    "checking rows",
    "comparing ids",
    "sorting by client",
    "the report",
    "imports and the rest",
)
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
    """Make the first report on a mart, and print the seconds of each part."""
    clock = Clock()
    for owner, method, name in (
        (BatchCheck, "read", CHECKING),
        (DistinctIds, "add", IDS),
        (DistinctIds, "repeated", IDS),
        (by_client.SortedRuns, "put", SORTING),
        (by_client.SortedRuns, "merged", SORTING),
        (by_client, "_place_block", SORTING),
        (compute, "report_on", REPORT),
    ):
        setattr(owner, method, clock.timed(name, getattr(owner, method)))
    batches = pq.ParquetFile.iter_batches

    def iter_batches(*args: Any, **options: Any) -> Iterator[Any]:
        step = clock.timed(DECODING, batches(*args, **options).__next__)
        return iter(lambda: _next(step), None)

    pq.ParquetFile.iter_batches = iter_batches
    ours.report(Path(sys.argv[1]), QUESTIONS[MONTHS])
    found = {name: clock.seconds[name] for name in PARTS}
    found[REST] = time.process_time() - sum(found.values())
    print(json.dumps(found))


def _next(step: Callable[[], Any]) -> Any:
    """Return the next batch, or None after the last one."""
    try:
        return step()
    except StopIteration:
        return None


if __name__ == "__main__":
    main()
