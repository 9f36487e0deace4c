"""Print the benchmark's figures: the same table by every contender, compared, then timed."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from importlib import metadata
from pathlib import Path

from .figures import figure_lines, ratio_lines
from .runner import STEPS, TablesDifferError, prepared


def main() -> int:
    """Run the benchmark; 1 if tables differ or a contender failed."""
    options = _options()
    setting = _setting(options)
    try:
        with prepared(options.rows, options.seed, options.shuffled, options.mart, _say) as runner:
            figures = runner.measure(STEPS, options.repeat, _say)
    except TablesDifferError as error:
        print(f"The tables differ, so there are no figures. {error}", file=sys.stderr)
        return 1
    print(f"{options.rows:,} ledger rows, {setting['clients']:,} clients, medians of {options.repeat} turns")
    print(f"{setting['cores']} cores, load {setting['load']} at the start, {setting['versions']}")
    silent = sorted({f.step.contender for f in figures if f.missing})
    print("All tables agree in every cell" + (f"; none from: {', '.join(silent)}.\n" if silent else ".\n"))
    for line in (*figure_lines(figures), "", *ratio_lines(figures)):
        print(line)
    if options.json:
        found = {"setting": setting, "figures": [f.to_dict() for f in figures]}
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return int(any(f.missing for f in figures))


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    add = parser.add_argument
    add("--rows", type=int, default=1_000_000, help="rows of the ledger (default: %(default)s)")
    add("--repeat", type=int, default=3, help="turns of every contender (default: %(default)s)")
    add("--seed", type=int, default=1, help="which mart (default: %(default)s)")
    add("--shuffled", action="store_true", help="rows in any order, not in that of time")
    add("--mart", type=Path, help="draw the mart here and keep it; used as it is if it is there")
    add("--json", type=Path, help="write every measurement into this file")
    options = parser.parse_args()
    options.mart = options.mart.absolute() if options.mart else None
    return options


def _setting(options: argparse.Namespace) -> dict[str, object]:
    libraries = ("duckdb", "polars", "pandas", "numpy", "pyarrow")
    return {
        "rows": options.rows,
        "clients": max(20, options.rows // 200),
        "seed": options.seed,
        "shuffled": options.shuffled,
        "repeat": options.repeat,
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "versions": f"Python {platform.python_version()}, "
        + ", ".join(f"{name} {metadata.version(name)}" for name in libraries),
    }


if __name__ == "__main__":
    sys.exit(main())
