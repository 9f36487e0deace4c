"""Eight processes publish side by side: no snapshot is lost, and none is there twice."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .findings import Findings, Onlooker, asked, scratch
from .publisher import acknowledged, started

PUBLISHERS = 8


def main() -> int:
    options = asked(__doc__, 1_000, "how many snapshots each of the eight publishes")
    with scratch(options.folder) as folder:
        return side_by_side(folder / "store", options.count).tell()


def side_by_side(folder: Path, count: int) -> Findings:
    """Let eight processes publish so many snapshots each into one store, new at the start."""
    findings = Findings()
    processes = [started(folder, count) for _ in range(PUBLISHERS)]
    with ThreadPoolExecutor(PUBLISHERS) as readers:
        said = [snapshot_id for ids in readers.map(acknowledged, processes) for snapshot_id in ids]
    findings.counts["publishers at once"] = len(processes)
    findings.counts["snapshots acknowledged"] = len(said)
    findings.law(all(process.returncode == 0 for process in processes), "a publisher failed")
    findings.law(len(set(said)) == PUBLISHERS * count, "an id is missing or was given twice")
    Onlooker(folder, findings).look("at the end", there=said)
    return findings


if __name__ == "__main__":
    sys.exit(main())
