"""Measure the first report on the ledger in every shape, against SQL on the same files."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .environment import environment
from .figures import Finding, finding_line
from .runner import Figure, Runner, Say, TablesDifferError
from .shapes import SHAPES, Shape
from .steps import BOTH, FIRST, MONTHS, SQL_CHECKED, Step

STEPS = (
    Step(SQL_CHECKED, "duckdb_sql", MONTHS, BOTH, warm=False),
    Step(FIRST, "ours", MONTHS, empty_cache=True, warm=False),
    Step("imports and reading only", "reading_only", "", ("check",), warm=False),
)
PARQUET_TARGETS = {10_000_000: 0.6, 100_000_000: 0.5}
CSV_TARGET = 0.7
MEMORY_TARGETS = {10_000_000: 900, 100_000_000: 2_500}  # MB


@dataclass(frozen=True)
class ShapeFigures:
    """The figures of a shape.

    Attributes
    ----------
    shape
        The shape.
    sql, ours
        The checks and the first report: by hand-written SQL, and by ours with an empty cache.
    floor
        Importing pyarrow and decoding the ledger, without doing anything with it.
    parts
        Where our processor time goes, in seconds (see `where_time_goes`); nothing for CSV.
    """

    shape: Shape
    sql: Figure
    ours: Figure
    floor: Figure
    parts: Mapping[str, float] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """Ours ÷ SQL, seconds of whole processes; None if one of them failed."""
        return self.ratio_of("process")

    def ratio_of(self, what: str) -> float | None:
        """Return ours ÷ SQL of a measure of `Figure`."""
        return _quotient(self.ours.median(what), self.sql.median(what))

    @property
    def floor_ratio(self) -> float | None:
        """The floor ÷ SQL, seconds of whole processes; None if one of them failed."""
        return _quotient(self.floor.median("process"), self.sql.median("process"))

    @property
    def missing(self) -> str:
        """Why a process gave no answer, or ""."""
        return self.sql.missing or self.ours.missing or self.floor.missing


def _quotient(above: float | None, below: float | None) -> float | None:
    return above / below if above and below else None


def measure(
    rows: int, repeat: int, say: Say, scratch: Path, shapes: Sequence[Shape] = SHAPES
) -> list[ShapeFigures]:
    """Measure shapes one after the other; a shape's files are deleted before the next is written.

    Raises
    ------
    TablesDifferError
        If SQL and ours give different tables for a shape.
    """
    found = []
    for shape in shapes:
        say(f"{rows:,} rows, {shape.name}")
        base = scratch / f"clients-{shape.count_clients(rows)}"
        drawn = Runner(base, scratch)
        if not base.exists():
            drawn.write_mart(rows, 1, False, clients=shape.count_clients(rows))
        folder = scratch / "shape"
        drawn.write_shape(folder, shape.name)
        runner = Runner(folder, scratch)
        figures = runner.measure(STEPS, repeat, lambda _: None)
        parts = {} if shape.is_csv or figures[1].missing else runner.time_parts()
        found.append(ShapeFigures(shape, *figures, parts))
        shutil.rmtree(folder)
    return found


def findings(rows: int, figures: Sequence[ShapeFigures]) -> Iterator[Finding]:
    """Yield the worst ratios and the largest peak, with the targets for the number of rows."""
    for kind, is_csv in (("Parquet", False), ("CSV", True)):
        chosen = [f for f in figures if f.shape.is_csv == is_csv]
        if not chosen:
            continue
        ratios = [f.ratio for f in chosen]
        worst = max(chosen, key=lambda f: f.ratio or 0)
        yield Finding(
            f"worst shape of {kind} ({worst.shape.name}): facts and first report ÷ SQL's checks and report",
            None if None in ratios else worst.ratio,
            "",
            CSV_TARGET if is_csv else PARQUET_TARGETS.get(rows),
        )
    peaks = [f.ours.median("peak_mb") for f in figures]
    peak = None if None in peaks else max(p for p in peaks if p)
    yield Finding("peak memory of ours, worst shape", peak, "MB", MEMORY_TARGETS.get(rows))


def cells(figures: ShapeFigures) -> tuple[str, ...]:
    """Return a shape's name, seconds of both, ratios of seconds and of processor time, and peaks in MB."""
    if figures.missing or figures.ratio is None:
        return (figures.shape.name, "not available", figures.missing, "", "", "", "", "")
    sql, ours = figures.sql, figures.ours
    seconds = (f"{f.median('process') or 0:.3f}" for f in (sql, ours))
    peaks = (f"{f.median('peak_mb') or 0:,.0f}" for f in (sql, ours))
    return (
        figures.shape.name,
        *seconds,
        f"{figures.ratio:.3f}",
        f"{figures.floor_ratio:.3f}",
        f"{figures.ratio_of('processor'):.3f}",
        *peaks,
    )


HEADINGS = (
    "shape",
    "SQL",
    "ours",
    "ours ÷ SQL",
    "floor ÷ SQL",
    "all cores",
    "SQL, peak MB",
    "ours, peak MB",
)


def main() -> int:
    """Run the benchmark; 1 if tables differ, a contender failed or a target is missed."""
    options = _options()
    where = environment()
    scratch = Path(tempfile.mkdtemp(prefix="custdyn-bench-"))
    shapes = [shape for shape in SHAPES if options.only in shape.name]
    try:
        figures = measure(options.rows, options.repeat, _say, scratch, shapes)
    except TablesDifferError as error:
        print(f"The tables differ, so there are no figures. {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print(f"{options.rows:,} ledger rows, 24 months, medians of {options.repeat} turns, seconds of processes")
    print(f"{where['cores']} cores, load {where['load']} at the start\n")
    for line in (HEADINGS, *map(cells, figures)):
        print(f"{line[0]:58}" + "".join(f"{cell:>15}" for cell in line[1:]))
    found = list(findings(options.rows, figures))
    print("", *map(finding_line, found), sep="\n")
    if options.document and not any(f.missing for f in figures):
        options.document.write_text("\n".join(_page(options, where, figures, found)) + "\n", encoding="utf-8")
    missed = [finding for finding in found if finding.target is not None and not finding.holds]
    return int(bool(missed) or any(f.missing for f in figures))


def _page(
    options: argparse.Namespace,
    where: Mapping[str, Any],
    figures: Sequence[ShapeFigures],
    found: Sequence[Finding],
) -> Iterator[str]:
    """Yield the lines of the page: what this run measured, and nothing else."""
    from . import document, plot  # large, and a process's peak counts what its parent held

    picture = options.document.parent / "pictures" / f"{options.document.stem}.svg"
    picture.parent.mkdir(parents=True, exist_ok=True)
    ratios = {f.shape.name: f.ratio for f in figures if f.ratio}
    picture.write_text(plot.draw_shapes(ratios, PARQUET_TARGETS.get(options.rows, 1)), encoding="utf-8")
    yield "# Benchmarks: shapes of ledger\n"
    yield (
        "The first report on the same ledger as different systems store it: reading, checking, computing 24 "
        "months, in a new process with nothing in the cache. SQL is hand-written for DuckDB and makes the "
        "checks listed in [Benchmarks](benchmarks.md); both read the same files and give the same table. All "
        "numbers here were measured in one run of"
        f"\n\n```sh\npython -m tests.bench.by_shape --rows {options.rows} --repeat {options.repeat} "
        "--document FILE\n```\n\nwhich wrote this page.\n"
    )
    yield from document.environment_table(
        where, ("rows", f"{options.rows:,}"), ("repetitions", options.repeat)
    )
    yield from document.findings_table(found)
    yield f"![Ours ÷ SQL for each shape, and the target](pictures/{picture.name})\n"
    yield (
        "Median seconds of whole processes with imports, their ratio, the ratio of the processor time of all "
        "cores, and peak resident memory. The floor is a process that only imports pyarrow and decodes the "
        "ledger with pyarrow, batch by batch. Every report made with pyarrow has to do that, too; "
        "where the floor alone is near the target or above it, the target cannot be met. CSV is an "
        "exception: this process reads it in one thread and detects types, so ours can be faster.\n"
    )
    yield from document.table(HEADINGS, map(cells, figures))
    some = [f for f in figures if f.parts]
    if some:
        yield (
            "Where the processor time of our first report goes, in seconds of all cores, measured once. What "
            "other threads do to sort ids and to sum the report's rows is part of the rest.\n"
        )
        lines = ([f.shape.name, *(f"{f.parts[name]:.3f}" for name in some[0].parts)] for f in some)
        yield from document.table(["shape", *some[0].parts], lines)


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.by_shape", description=__doc__)
    add = parser.add_argument
    add("--rows", type=int, default=1_000_000, help="rows of the ledger (default: %(default)s)")
    add("--repeat", type=int, default=3, help="turns of every contender (default: %(default)s)")
    add("--document", type=Path, help="write a page with the figures into this Markdown file")
    add("--only", default="", metavar="TEXT", help="only shapes with this text in their name")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
