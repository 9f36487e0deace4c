"""Print how long getting data in takes, from databases and through a mapping, compared with code by hand."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests import databases

from ..runner import ChildError, Spent, TablesDifferError, compare, finished, touch_memory
from .data import define_sources, fill
from .figures import SERVERS, STEPS, TITLES, Figure, figure_lines, finding_lines


def main() -> int:
    """Run the benchmark; 1 if ledgers differ or a contender failed."""
    options = _options()
    load = round(os.getloadavg()[0], 1)
    try:
        with prepared(options.rows, options.seed) as (folder, urls):
            figures = measure(folder, urls, options.repeat)
    except TablesDifferError as error:
        print(f"The ledgers differ, so there are no figures. {error}", file=sys.stderr)
        return 1
    print(f"{options.rows:,} ledger rows, medians of {options.repeat} turns")
    print(f"{os.cpu_count()} cores, load {load} at the start\n")
    print(*figure_lines(figures), "", *finding_lines(figures), sep="\n")
    if any(figure.missing for figure in figures):
        print("Not every contender gave a ledger.", file=sys.stderr)
        return 1
    return 0


@contextmanager
def prepared(rows: int, seed: int) -> Iterator[tuple[Path, dict[str, str]]]:
    """Draw the ledgers; yield the folder of `sources.toml` and the URLs of the databases, by kind."""
    databases.begin_run()
    folder = Path(tempfile.mkdtemp(prefix="custdyn-bench-sync-"))
    try:
        with ExitStack() as stack:
            urls = {}
            for kind in SERVERS:
                database = stack.enter_context(databases.new_database(kind))
                _say(f"drawing {rows:,} rows in {SERVERS[kind]}")
                fill(database, rows, seed)
                urls[kind] = database.url
            _say(f"drawing {rows:,} rows in CSV files")
            _child({"contender": "write_csv", "folder": str(folder), "rows": rows, "seed": seed}, {})
            define_sources(folder, urls)
            yield folder, urls
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        databases.end_run()


def measure(folder: Path, urls: Mapping[str, str], repeat: int) -> list[Figure]:
    """Run every step `repeat` times, taking turns, and compare all ledgers.

    Raises
    ------
    TablesDifferError
        If two ledgers differ.
    """
    figures = [Figure(step) for step in STEPS]
    ledgers: dict[str, tuple[str, list[list[str]]]] = {}
    for turn in range(repeat):
        for figure in figures:
            if figure.missing:
                continue
            step = figure.step
            _say(f"{turn + 1} of {repeat}: {TITLES[step.source]}, {step.name}")
            try:
                spent, table = _turn(figure, folder, urls.get(step.source, ""))
            except ChildError as error:
                figure.missing = str(error)
                continue
            figure.spent.append(spent)
            compare("ledger", ledgers.setdefault("first", (step.name, table)), (step.name, table))
    return figures


def _turn(figure: Figure, folder: Path, url: str) -> tuple[Spent, list[list[str]]]:
    """Run a step once, in folders of its own; return what it took and what its ledger adds up to."""
    with tempfile.TemporaryDirectory(dir=folder) as made:
        env = {
            "CUSTDYN_SOURCES": str(folder / "sources.toml"),
            "CUSTDYN_MARTS": f"{made}/marts",
            "CUSTDYN_CACHE": f"{made}/cache",
        }
        job = {"contender": figure.step.contender, "source": figure.step.source, "url": url}
        touch_memory()
        done, spent = _child({**job, "folder": str(folder), "file": f"{made}/transactions.parquet"}, env)
        looked, _ = _child({"contender": "look", "file": done["file"]}, {})
        return spent, looked["table"]


def _child(job: Mapping[str, Any], env: Mapping[str, str]) -> tuple[dict[str, Any], Spent]:
    """Run a job; return its answer and what the process took."""
    package = Path(__file__).parents[1]
    command = [sys.executable, "-m", f"{package.name}.sync.child", json.dumps(job)]
    answer, spent = finished(command, {**os.environ, **env}, package.parent)
    return json.loads(answer), spent


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.sync", description=__doc__)
    add = parser.add_argument
    add("--rows", type=int, default=1_000_000, help="rows of the ledger (default: %(default)s)")
    add("--repeat", type=int, default=3, help="turns of every contender (default: %(default)s)")
    add("--seed", type=int, default=1, help="which ledger (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
