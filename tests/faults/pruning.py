"""Prune while others publish and read: a reader gets a whole page or none, and nothing else is lost.

Two processes publish, four read at random what is there and what was, and this one deletes all but the
newest, again and again.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from custdyn_widgets.errors import SnapshotNotFoundError
from custdyn_widgets.snapshots import pruning, trash
from custdyn_widgets.snapshots.store import Store

from .findings import Findings, Onlooker, scratch
from .publisher import acknowledged, started

PUBLISHERS, READERS = 2, 4
_KEPT = 10
_ENDLESS = 1_000_000
_PAGE = "report.html"
_OLD = 50  # ids that a reader goes back to


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=5_000, help="how many deletions (default: 5,000)")
    parser.add_argument("--folder", type=Path, help="on which disk (default: that of temporary files)")
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        print(json.dumps(reading(options.read)))
        return 0
    with scratch(options.folder) as folder:
        return under_readers(folder / "store", options.count).tell()


def under_readers(folder: Path, count: int) -> Findings:
    """Delete so many snapshots under publishers and readers, all but the newest each time."""
    findings = Findings()
    publishers = [started(folder, _ENDLESS) for _ in range(PUBLISHERS)]
    readers = [_reader(folder) for _ in range(READERS)]
    deleted: set[str] = set()
    with ThreadPoolExecutor(PUBLISHERS) as listeners:
        said = [listeners.submit(acknowledged, process) for process in publishers]
        try:
            while len(deleted) < count and all(process.poll() is None for process in publishers):
                deleted |= _prune(Store(folder), findings)
        finally:
            findings.law(all(p.poll() is None for p in publishers), "a publisher ended by itself")
            for process in publishers:
                process.kill()
    told = [json.loads(process.communicate()[0]) for process in readers]
    _sum_up(folder, findings, deleted, said, told)
    return findings


def _prune(store: Store, findings: Findings) -> set[str]:
    """Delete all but the newest, as `custdyn snapshots prune --keep-last` does, and sweep."""
    plan = pruning.plan(store, pruning.Rule(keep_last=_KEPT), store.ids())
    for entry in plan.to_delete:
        pruning.delete(store, entry.id)
    trash.sweep(store.folder)
    findings.counts["prunes"] += 1
    return {entry.id for entry in plan.to_delete}


def _sum_up(
    folder: Path,
    findings: Findings,
    deleted: set[str],
    said: list[Future[list[str]]],
    told: list[dict[str, object]],
) -> None:
    published = {snapshot_id for one in said for snapshot_id in one.result()}
    findings.counts["snapshots acknowledged"] = len(published)
    findings.counts["snapshots deleted"] = len(deleted)
    Onlooker(folder, findings).look("at the end", there=published - deleted, maybe=None)
    findings.law(not deleted & set(Store(folder).ids()), "a deleted snapshot is there again")
    for one in told:
        findings.counts.update(one["counts"])  # type: ignore[call-overload]
        findings.law(not one["torn"], f"a reader saw {one['torn']}")


def _reader(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", __spec__.name, "--read", str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip


def reading(folder: Path) -> dict[str, object]:
    """Read pages as a viewer does until the standard input ends; return counts, and what was torn."""
    with ThreadPoolExecutor(1) as waiter:
        end = waiter.submit(sys.stdin.read)
        store, counts, torn, old = Store(folder), Counter[str](), list[str](), list[str]()
        draw = random.Random()
        while not end.done():
            ids = store.ids()
            old = [*old, *ids][-_OLD:]
            for snapshot_id in draw.sample([*ids, *old], min(_KEPT, len(ids) + len(old))):
                seen = _seen(store, snapshot_id)
                if seen in ("pages read whole", "pages not found"):
                    counts[seen] += 1
                else:
                    torn.append(seen)
    return {"counts": counts, "torn": torn}


def _seen(store: Store, snapshot_id: str) -> str:
    try:
        data, wrong = store.read_compared(snapshot_id, _PAGE)
        again = store.read(snapshot_id, _PAGE)
    except SnapshotNotFoundError:
        return "pages not found"
    except Exception as error:  # whatever it is, a reader should not have met it
        return f"{type(error).__name__}: {error}"
    return "pages read whole" if data == again and not wrong else f"a page beside {wrong}"


if __name__ == "__main__":
    sys.exit(main())
