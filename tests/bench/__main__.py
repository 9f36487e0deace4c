"""Print the benchmark's figures: the same table by every contender, compared, then timed."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import commands
from .environment import environment
from .figures import figure_lines, finding_lines
from .runner import Figure, TablesDifferError, prepared
from .steps import BUCKET_STEPS, SHARES, SIZE_STEPS, STEPS


def main() -> int:
    """Run the benchmark; 1 if tables differ or a contender failed."""
    options = _options()
    setting = _setting(options)
    try:
        by_rows = _measured(options)
    except TablesDifferError as error:
        print(f"The tables differ, so there are no figures. {error}", file=sys.stderr)
        return 1
    _print(setting, by_rows)
    if options.json:
        figures = {rows: [f.to_dict() for f in found] for rows, found in by_rows.items()}
        found = {"setting": setting, "figures": figures.pop(options.rows), "smaller": figures}
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if any(f.missing for figures in by_rows.values() for f in figures):
        print("Not every contender gave a table.", file=sys.stderr)
        return 1
    if options.document:
        from . import document  # large, and a process's peak counts what its parent held

        document.write(options.document, setting, by_rows)
        _say(f"written: {options.document}")
    return 0


def _measured(options: argparse.Namespace) -> dict[int, list[Figure]]:
    """Return the figures by rows of the mart: the one asked for, and for a document smaller ones."""
    drawn = {"seed": options.seed, "shuffled": options.shuffled, "say": _say}
    with prepared(options.rows, mart=options.mart, **drawn) as runner:
        steps = (*STEPS, *BUCKET_STEPS) if options.document else STEPS
        by_rows = {options.rows: runner.measure(steps, options.repeat, _say)}
        if options.document:
            by_rows[options.rows] += commands.measure(runner.scratch, options.repeat, _say)
    for share in SHARES if options.document else ():
        rows = options.rows // share
        with prepared(rows, mart=None, **drawn) as runner:
            by_rows[rows] = runner.measure(SIZE_STEPS, options.repeat, _say)
    return by_rows


def _print(setting: Mapping[str, Any], by_rows: Mapping[int, Sequence[Figure]]) -> None:
    figures = by_rows[setting["rows"]]
    print(f"{setting['rows']:,} ledger rows, {setting['clients']:,} clients, {setting['versions']}")
    print(
        f"medians of {setting['repeat']} turns, {setting['cores']} cores, load {setting['load']} at the start"
    )
    silent = sorted({f.step.name for f in figures if f.missing})
    print("All tables agree in every cell" + (f"; none from: {', '.join(silent)}.\n" if silent else ".\n"))
    for line in (*figure_lines(figures), "", *finding_lines(figures)):
        print(line)
    for rows, smaller in sorted(by_rows.items()):
        if rows != setting["rows"]:
            print(f"\n{rows:,} ledger rows", *figure_lines(smaller), sep="\n")


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
    add(
        "--document",
        type=Path,
        help="measure growth with rows and buckets and whole commands too, and write a page with a plot "
        "into this Markdown file",
    )
    options = parser.parse_args()
    options.mart = options.mart.absolute() if options.mart else None
    return options


def _setting(options: argparse.Namespace) -> dict[str, Any]:
    told = [f"--rows {options.rows} --repeat {options.repeat}"]
    told += [f"--seed {options.seed}"] if options.seed != 1 else []
    told += ["--shuffled"] if options.shuffled else []
    return {
        **environment(),
        "command": " ".join(["python -m tests.bench", *told, "--document FILE"]),
        "rows": options.rows,
        "clients": max(20, options.rows // 200),
        "seed": options.seed,
        "shuffled": options.shuffled,
        "repeat": options.repeat,
    }


if __name__ == "__main__":
    sys.exit(main())
