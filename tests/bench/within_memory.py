"""Make the first report on a mart several times larger than the memory that the process may use.

The limit is that of a control group, as containers and services have it: it counts pages of files too, but
the system may write those back and drop them. This needs root.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .runner import ChildError, Runner, Spent, TablesDifferError, compare, finished
from .steps import BOTH, MONTHS

SHAPE = "UUIDs, not compressed"
_GROUP = "custdyn-bench"
_ENTER = 'echo $$ > "$0" && exec "$@"'


def main() -> int:
    """Print what was measured; 1 if there is no report, 2 if no limit can be set."""
    options = _options()
    scratch = Path(tempfile.mkdtemp(prefix="custdyn-bench-"))
    try:
        with control_group(options.limit * 10**6) as group:
            print(*measure(options.rows, options.limit, scratch, group), sep="\n")
    except OSError as error:
        print(f"Cannot set a limit: {error}", file=sys.stderr)
        return 2
    except (ChildError, TablesDifferError) as error:
        print(f"No report within {options.limit:,} MB: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return 0


def measure(rows: int, limit: int, scratch: Path, group: Path) -> Iterator[str]:
    """Yield the size of the mart, then a line each for SQL without the limit and ours within it.

    Raises
    ------
    ChildError
        If a process failed.
    TablesDifferError
        If ours differs from SQL's.
    """
    base, mart = scratch / "base", scratch / "mart"
    Runner(base, scratch).write_mart(rows, 1, False)
    Runner(base, scratch).write_shape(mart, SHAPE)
    size = sum(file.stat().st_size for file in mart.iterdir()) / 1e6
    yield f"{rows:,} rows, {SHAPE}: {size:,.0f} MB, {size / limit:.1f} times the limit of {limit:,} MB"
    answer, spent = _report("duckdb_sql", mart, scratch)
    yield _line("DuckDB SQL, no limit", spent)
    within, spent = _report("ours", mart, scratch, "sh", "-c", _ENTER, str(group / "cgroup.procs"))
    compare(MONTHS, ("DuckDB SQL", answer["table"]), ("ours", within["table"]))
    yield _line("ours, within the limit", spent)


def _report(contender: str, mart: Path, scratch: Path, *before: str) -> tuple[dict[str, Any], Spent]:
    job = {
        "contender": contender,
        "imports": [],
        "steps": BOTH,
        "question": MONTHS,
        "mart": str(mart),
        "calls": 1,
    }
    package = Path(__file__).parent
    command = [*before, sys.executable, "-m", f"{package.name}.child", json.dumps(job)]
    env = {**os.environ, "CUSTDYN_CACHE": str(scratch / "cache")}
    answer, spent = finished(command, env, package.parent)
    return json.loads(answer), spent


def _line(name: str, spent: Spent) -> str:
    return f"{name:24} {spent.seconds:8.1f} s {spent.processor:8.1f} s of all cores {spent.peak_mb:8,.0f} MB"


@contextmanager
def control_group(limit: int) -> Iterator[Path]:
    """Yield the folder of a new control group whose processes may use so many bytes of memory.

    Raises
    ------
    OSError
        If there is no such group: not root, or control groups are not mounted or not writable.
    """
    first = Path("/sys/fs/cgroup/memory")  # version 1
    root, name = (first, "memory.limit_in_bytes") if first.is_dir() else (first.parent, "memory.max")
    group = root / _GROUP
    group.mkdir(exist_ok=True)
    try:
        (group / name).write_text(str(limit), encoding="ascii")
        yield group
    finally:
        group.rmdir()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.within_memory", description=(__doc__ or "").split("\n")[0]
    )
    add = parser.add_argument
    add("--rows", type=int, default=25_000_000, help="rows of the ledger (default: %(default)s)")
    add("--limit", type=int, default=600, metavar="MB", help="memory of the process (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
