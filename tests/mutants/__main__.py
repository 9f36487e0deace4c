"""Change the package in small ways and list the changes that no test notices.

    python -m tests.mutants                          a sample of the whole package
    python -m tests.mutants --since main --all       every change to lines that differ from main
    python -m tests.mutants custdyn_widgets/engine   a sample of a room
    python -m tests.mutants --record                 record which tests run each line first (half an hour)

With a recording, a change is tried by the tests that run its line; otherwise by those of its room.
Changes that make no difference are listed in `equivalent.toml` with the reason; they do not count.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from .changes import changes_of
from .recording import Recording, record
from .trial import NOT_FOR_MUTANTS, PACKAGE, Checkout, Mutant, Outcome, changed_lines, tracked_files

ROOT = Path(__file__).resolve().parents[2]
EQUIVALENT = Path(__file__).with_name("equivalent.toml")
RECORDING = ROOT / ".cache" / "mutants"
_LEAST = 90


def main() -> int:
    """Try the changes; 1 if too many survive."""
    options = _options()
    if options.record:
        record(
            ROOT, RECORDING, ["--numprocesses", str(options.jobs), "--few-examples", "-m", NOT_FOR_MUTANTS]
        )
    mutants = list(_chosen(options))
    known = _equivalent()
    mutants = [mutant for mutant in mutants if _key(mutant) not in known]
    if not options.all:
        random.Random(options.seed).shuffle(mutants)
        mutants = sorted(mutants[: options.sample], key=str)
    if not mutants:
        print("There is nothing to change.")
        return 0
    share, lines = summary(list(_tried(mutants, options)))
    print(f"{lines[0]}, seed {options.seed}.", *lines[1:], sep="\n")
    return int(share < options.least)


def summary(tried: Sequence[tuple[Mutant, Outcome]]) -> tuple[float, list[str]]:
    """Return the percentage of changes that were noticed, and lines that list the others.

    Tests that were stopped have noticed nothing: they may run in a loop that the change made, or only take
    longer than `--timeout`.
    """
    left = [(mutant, outcome) for mutant, outcome in tried if outcome is not Outcome.DIED]
    dead = len(tried) - len(left)
    share = 100 * dead / len(tried)
    first = f"{dead} of {len(tried)} changes were noticed ({share:.1f} %)"
    return share, [first, *(f"{outcome.value:9} {mutant}" for mutant, outcome in left)]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutants", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("places", nargs="*", default=[PACKAGE], help="modules or folders (default: all)")
    parser.add_argument("--since", metavar="REV", help="only lines that differ from this revision")
    parser.add_argument("--sample", type=int, default=40, metavar="N", help="how many changes (default: 40)")
    parser.add_argument("--all", action="store_true", help="every change instead of a sample")
    parser.add_argument("--seed", type=int, default=1, help="which sample (default: 1)")
    parser.add_argument("--jobs", type=int, default=2, help="how many at once (default: 2)")
    parser.add_argument("--timeout", type=float, default=1800, help="seconds for the tests of one change")
    parser.add_argument(
        "--least", type=float, default=_LEAST, help=f"percent that must die (default: {_LEAST})"
    )
    parser.add_argument("--record", action="store_true", help="record which tests run each line first")
    parser.add_argument("--tests", action="append", default=[], help="tests to run instead of the nearest")
    return parser.parse_args()


def _chosen(options: argparse.Namespace) -> Iterator[Mutant]:
    lines = changed_lines(ROOT, options.since) if options.since else None
    places = tuple(str(Path(place)) for place in options.places)
    for name in sorted(tracked_files(ROOT)):
        if not name.endswith(".py") or not any(name == p or name.startswith(f"{p}/") for p in places):
            continue
        if lines is not None and name not in lines:
            continue
        for change in changes_of((ROOT / name).read_bytes()):
            if lines is None or change.line in lines[name]:
                yield Mutant(name, change)


def _tried(mutants: list[Mutant], options: argparse.Namespace) -> Iterator[tuple[Mutant, Outcome]]:
    recording = Recording.read(RECORDING) if (RECORDING / "lines").exists() else None
    with tempfile.TemporaryDirectory(prefix="mutants-") as scratch:
        free: SimpleQueue[Checkout] = SimpleQueue()
        for n in range(options.jobs):
            free.put(Checkout(ROOT, Path(scratch, str(n)), options.tests, options.timeout, recording))

        def try_it(mutant: Mutant) -> Outcome:
            checkout = free.get()
            try:
                return checkout.try_mutant(mutant)
            finally:
                free.put(checkout)

        with ThreadPoolExecutor(options.jobs) as pool:
            for n, (mutant, outcome) in enumerate(
                zip(mutants, pool.map(try_it, mutants), strict=True), start=1
            ):
                print(f"{n}/{len(mutants)} {outcome.value:8} {mutant}", file=sys.stderr, flush=True)
                yield mutant, outcome


def _equivalent() -> set[tuple[str, str, str]]:
    """Return the changes that make no difference: module, line without blanks around it, and the change."""
    if not EQUIVALENT.exists():
        return set()
    listed = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))["equivalent"]
    return {(entry["module"], entry["line"], entry["change"]) for entry in listed if entry["why"]}


def _key(mutant: Mutant) -> tuple[str, str, str]:
    lines = (ROOT / mutant.module).read_text(encoding="utf-8").splitlines()
    return mutant.module, lines[mutant.change.line - 1].strip(), str(mutant.change)


if __name__ == "__main__":
    sys.exit(main())
