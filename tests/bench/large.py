"""Measure how seconds and memory grow up to 100 million rows, by every contender that takes part at a size.

Naive pandas and PostgreSQL only take part up to 10 million rows: beyond that they take minutes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from .environment import environment
from .figures import Finding, figure_lines, finding_line
from .runner import ChildError, Figure, Runner, TablesDifferError, prepared
from .steps import (
    BOTH,
    CACHED,
    DAYS,
    FIRST,
    MONTHS,
    PANDAS,
    POLARS,
    POLARS_CHECKED,
    SQL,
    SQL_CHECKED,
    Step,
)

SIZES = (1_000_000, 10_000_000, 100_000_000)
SLOW_UP_TO = 10_000_000  # rows
POSTGRESQL, POSTGRESQL_CHECKED = "PostgreSQL, report", "PostgreSQL, checks and report"
WITHOUT_NUMBA = "ours without numba, report on cached facts"
STEPS = (
    Step(SQL_CHECKED, "duckdb_sql", MONTHS, BOTH, warm=False),
    Step(SQL, "duckdb_sql", MONTHS),
    Step(POLARS_CHECKED, "polars_lazy", MONTHS, BOTH, warm=False),
    Step(POLARS, "polars_lazy", MONTHS, warm=False),
    Step(FIRST, "ours", MONTHS, empty_cache=True, warm=False),
    Step(CACHED, "ours", MONTHS),
    Step(WITHOUT_NUMBA, "ours_without_numba", MONTHS),
    Step(SQL, "duckdb_sql", DAYS, warm=False),
    Step(CACHED, "ours", DAYS),
)
SLOW_STEPS = (
    Step(PANDAS, "naive_pandas", MONTHS, warm=False),
    Step(POSTGRESQL_CHECKED, "postgresql_sql", MONTHS, BOTH, warm=False),
    Step(POSTGRESQL, "postgresql_sql", MONTHS, warm=False),
)


def main() -> int:
    """Run the benchmark; 1 if tables differ or a contender other than PostgreSQL failed."""
    options = _options()
    where = environment()
    try:
        by_rows = {rows: measure(rows, options.repeat) for rows in sorted(options.rows)}
    except TablesDifferError as error:
        print(f"The tables differ, so there are no figures. {error}", file=sys.stderr)
        return 1
    for rows, figures in by_rows.items():
        print(f"\n{rows:,} ledger rows", *figure_lines(figures), sep="\n")
        print("", *map(finding_line, findings(rows, figures)), sep="\n")
    failed = [f for figures in by_rows.values() for f in figures if f.missing]
    if any(f.step.contender != "postgresql_sql" for f in failed):
        print("Not every contender gave a table.", file=sys.stderr)
        return 1
    if options.document:
        from . import document  # large, and a process's peak counts what its parent held

        document.write_large(options.document, {**where, "command": _command(options)}, by_rows)
    return 0


def measure(rows: int, repeat: int) -> list[Figure]:
    """Return the figures for so many rows.

    Raises
    ------
    TablesDifferError
        If two contenders give different tables.
    """
    with prepared(rows, seed=1, shuffled=False, mart=None, say=_say) as runner:
        steps = STEPS
        if rows <= SLOW_UP_TO:
            steps += SLOW_STEPS
            _load_postgresql(runner)
        try:
            return runner.measure(steps, repeat, _say)
        finally:
            _drop_postgresql(runner)


def findings(rows: int, figures: Sequence[Figure]) -> Iterator[Finding]:
    """Yield the ratios to SQL, with their targets for 10 and 100 million rows."""
    found = {(f.step.question, f.step.name): f for f in figures}

    def ratio(name: str, ours: str, other: str, what: str, targets: Mapping[int, float], q: str) -> Finding:
        above, below = found[q, ours].median(what), found[q, other].median(what)
        return Finding(name, above / below if above and below else None, "", targets.get(rows))

    ten, hundred = 10_000_000, 100_000_000
    yield ratio(
        "facts and first report ÷ SQL's checks and report, processes",
        FIRST,
        SQL_CHECKED,
        "process",
        {ten: 0.6, hundred: 0.5},
        MONTHS,
    )
    for q in (MONTHS, DAYS):
        yield ratio(
            f"{q}: cached facts ÷ SQL's report", CACHED, SQL, "first_call", {ten: 1 / 5, hundred: 1 / 12}, q
        )
    yield ratio("24 months: warm ÷ SQL's", CACHED, SQL, "warm", {ten: 1 / 30, hundred: 1 / 80}, MONTHS)
    yield ratio(
        "24 months: warm without numba ÷ SQL's",
        WITHOUT_NUMBA,
        SQL,
        "warm",
        {ten: 1 / 10, hundred: 1 / 14},
        MONTHS,
    )
    peaks = [f.median("peak_mb") or 0 for f in figures if f.step.contender.startswith("ours")]
    yield Finding("peak memory of ours", max(peaks), "MB", {ten: 900.0, hundred: 2_500.0}.get(rows))


def _load_postgresql(runner: Runner) -> None:
    _say("copying the mart into PostgreSQL")
    try:
        runner.prepare_database("load")
    except ChildError as error:  # its steps will fail in the same way, and the figures will say so
        _say(f"PostgreSQL takes no part: {error}")


def _drop_postgresql(runner: Runner) -> None:
    try:
        runner.prepare_database("drop")
    except ChildError:
        return  # there is no server


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


def _command(options: argparse.Namespace) -> str:
    rows = " ".join(map(str, options.rows))
    return f"python -m tests.bench.large --rows {rows} --repeat {options.repeat} --document FILE"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.large", description=(__doc__ or "").split("\n")[0]
    )
    add = parser.add_argument
    add(
        "--rows", type=int, nargs="+", default=SIZES, help="rows of each ledger (default: 1, 10, 100 million)"
    )
    add("--repeat", type=int, default=2, help="turns of every contender (default: %(default)s)")
    add("--document", type=Path, help="write a page with the figures and a plot into this Markdown file")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
