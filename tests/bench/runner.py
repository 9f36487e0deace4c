"""Run the contenders in turn, each in its own processes, compare their tables, and take medians.

The runner itself imports nothing large: on Linux a process's peak memory counts what its parent held
when it was made.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .steps import Step

Say = Callable[[str], None]
WARM_CALLS = 4  # in one process; the first is not counted
TOUCHED = 2 * 10**9  # bytes
# In large pages, as contenders' arrays have them, and a fourth as much in small ones.
_TOUCH = """
import mmap, sys
size, page = int(sys.argv[1]), 2**21
large = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE)
large.madvise(mmap.MADV_HUGEPAGE)
for at in range(0, size, page):
    large[at] = 1
small = mmap.mmap(-1, size // 4, flags=mmap.MAP_PRIVATE | mmap.MAP_POPULATE)
"""
SLOW = 20.0  # seconds: a step whose process takes longer is not repeated


@dataclass
class Figure:
    """What was measured, a value for each turn; or why it is missing.

    Attributes
    ----------
    process, processor
        Seconds of a whole process with one call, imports included: on the clock, and of all cores together
        (which other work on the machine disturbs less).
    first_call, warm
        Seconds of the first and of later calls in a process, imports not included.
    peak_mb
        The largest resident memory of the process with one call, in MB.
    """

    step: Step
    process: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    first_call: list[float] = field(default_factory=list)
    warm: list[float] = field(default_factory=list)
    peak_mb: list[float] = field(default_factory=list)
    missing: str = ""

    def median(self, what: str) -> float | None:
        """Return the median of some seconds, or the largest peak; None if there is no measurement."""
        values: list[float] = getattr(self, what)
        return (max(values) if what == "peak_mb" else statistics.median(values)) if values else None

    def to_dict(self) -> dict[str, Any]:
        """Return all measurements as JSON values."""
        return asdict(self)


class TablesDifferError(Exception):
    """Two contenders gave different tables, so that no figure means anything."""


@dataclass(frozen=True)
class Spent:
    """What a process took: seconds on the clock, seconds of all cores, MB at the peak."""

    seconds: float
    processor: float
    peak_mb: float


class Runner:
    """Runs steps over one mart."""

    def __init__(self, mart: Path, scratch: Path) -> None:
        self.mart = mart
        self.scratch = scratch

    def measure(self, steps: Sequence[Step], repeat: int, say: Say) -> list[Figure]:
        """Run every step `repeat` times, taking turns, and compare all tables.

        Raises
        ------
        TablesDifferError
            If two tables of the same question differ in a cell.
        """
        figures = [Figure(step) for step in steps]
        tables: dict[str, tuple[str, list[list[str]]]] = {}
        if not all(step.empty_cache or step.contender != "ours" for step in steps):
            self._fill_cache(say)
        for turn in range(repeat):
            for figure in figures:
                if figure.missing or (turn and max(figure.process) > SLOW):
                    continue
                say(f"{turn + 1} of {repeat}: {figure.step.name} {figure.step.question}")
                try:
                    table = self._turn(figure)
                except ChildError as error:
                    figure.missing = str(error)
                    continue
                if table:
                    first = tables.setdefault(figure.step.question, (figure.step.name, table))
                    compare(figure.step.question, first, (figure.step.name, table))
        return figures

    def write_mart(self, rows: int, seed: int, shuffled: bool, clients: int | None = None) -> None:
        """Draw the mart, in a process of its own."""
        told = {"rows": rows, "seed": seed, "shuffled": shuffled, "clients": clients}
        self._child({"contender": "ledger", **told}, self.scratch / "none")

    def write_shape(self, folder: Path, shape: str) -> None:
        """Write the mart in another shape into `folder`, in a process of its own."""
        self._child({"contender": "shapes", "folder": str(folder), "shape": shape}, self.scratch / "none")

    def prepare_database(self, action: str) -> None:
        """Load the mart into PostgreSQL, or drop its database there, in a process of its own."""
        self._child({"contender": "postgresql_sql", "action": action}, self.scratch / "none")

    def time_parts(self) -> dict[str, float]:
        """Return where the processor time of the first report goes, in seconds (see `where_time_goes`)."""
        package = Path(__file__).parent
        command = [sys.executable, "-m", f"{package.name}.where_time_goes", str(self.mart)]
        touch_memory()
        with tempfile.TemporaryDirectory(dir=self.scratch) as cache:
            answer, _ = finished(command, {**os.environ, "CUSTDYN_CACHE": cache}, package.parent)
        seconds: dict[str, float] = json.loads(answer)
        return seconds

    def _fill_cache(self, say: Say) -> None:
        """Make the facts that the steps on cached facts find."""
        job = {"contender": "ours", "imports": [], "steps": ["check"], "question": "", "calls": 1}
        try:
            self._child(job, self.scratch / "cache")
        except ChildError as error:  # its steps will fail in the same way, and the figures will say so
            say(f"the cache could not be filled: {error}")

    def _turn(self, figure: Figure) -> list[list[str]]:
        """Measure a step once: a process with one call, then one with several; return the table."""
        step = figure.step
        told = ("contender", "imports", "steps", "question")
        job = {name: getattr(step, name) for name in told}
        with self._cache(step) as cache:
            done, spent = self._child({**job, "calls": 1}, cache)
        figure.process.append(spent.seconds)
        figure.processor.append(spent.processor)
        figure.first_call.append(done["seconds"][0])
        figure.peak_mb.append(spent.peak_mb)
        if step.warm:
            with self._cache(step) as cache:
                again, _ = self._child({**job, "calls": WARM_CALLS}, cache)
            figure.warm += again["seconds"][1:]
            compare(step.question, (step.name, done["table"]), (f"{step.name}, again", again["table"]))
        table: list[list[str]] = done["table"]
        return table

    @contextmanager
    def _cache(self, step: Step) -> Iterator[Path]:
        if not step.empty_cache:
            yield self.scratch / "cache"
            return
        with tempfile.TemporaryDirectory(dir=self.scratch) as folder:
            yield Path(folder)

    def _child(self, job: dict[str, Any], cache: Path) -> tuple[dict[str, Any], Spent]:
        """Run a job; return its answer and what the process took."""
        package = Path(__file__).parent
        command = [sys.executable, "-m", f"{package.name}.child", json.dumps({**job, "mart": str(self.mart)})]
        touch_memory()
        answer, spent = finished(command, {**os.environ, "CUSTDYN_CACHE": str(cache)}, package.parent)
        return json.loads(answer), spent


def touch_memory() -> None:
    """Let a process touch memory and give it back, so that the next one finds what the machine has at hand.

    A virtual machine's host takes free memory away and hands it out again at its first touch, which was
    seen to take 0.4 s for 180 MB instead of 0.01 s: nothing that a contender could do anything about.
    """
    room = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    subprocess.run([sys.executable, "-c", _TOUCH, str(min(TOUCHED, room))], check=True)


class ChildError(Exception):
    """A contender's process did not give an answer."""


def finished(command: Sequence[str], env: Mapping[str, str], folder: Path) -> tuple[bytes, Spent]:
    """Run a command in a folder; return what it wrote to stdout, and what its process took.

    Raises
    ------
    ChildError
        If it fails; with the last line of what it wrote to stderr.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        began = time.perf_counter()
        process = subprocess.Popen(command, env=env, cwd=folder, stdout=out, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        errors.seek(0)
        if process.returncode:
            last = errors.read().decode(errors="replace").strip().splitlines()[-1:]
            raise ChildError(f"exit {process.returncode}: {last[0] if last else 'no message'}")
        return out.read(), Spent(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6)


def compare(question: str, first: tuple[str, list[list[str]]], second: tuple[str, list[list[str]]]) -> None:
    """Raise TablesDifferError at the first cell that differs."""
    (one, left), (other, right) = first, second
    if [len(row) for row in left] != [len(row) for row in right]:
        raise TablesDifferError(f"{question}: {one} has {len(left)} rows, {other} {len(right)}")
    for a, b in zip(left, right, strict=True):
        for place, (x, y) in enumerate(zip(a, b, strict=True)):
            if x != y:
                raise TablesDifferError(f"{question}, row {a[0]}, value {place}: {one} has {x}, {other} {y}")


@contextmanager
def prepared(rows: int, seed: int, shuffled: bool, mart: Path | None, say: Say) -> Iterator[Runner]:
    """Yield a runner over a mart of this size, drawn into `mart` (kept, used again) or a folder that goes."""
    scratch = Path(tempfile.mkdtemp(prefix="custdyn-bench-"))
    try:
        runner = Runner(mart or scratch / "mart", scratch)
        if not (runner.mart / "transactions.parquet").exists():
            say(f"drawing a mart of {rows:,} rows")
            runner.write_mart(rows, seed, shuffled)
        yield runner
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
