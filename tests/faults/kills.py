"""Kill publishers with SIGKILL at random moments: nothing partial is ever seen, nothing acknowledged is lost.

`calls` does the same at each file-system call of a publishing.
"""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

from custdyn_widgets.snapshots.store import Store

from .findings import Findings, Onlooker, asked, scratch
from .publisher import acknowledged, started

_ENDLESS = 1_000_000
_LONGEST = 0.06  # seconds: some ten publishings


def main() -> int:
    options = asked(__doc__, 1_000, "how many kills")
    with scratch(options.folder) as folder:
        return random_kills(folder / "store", options.count).tell()


def random_kills(folder: Path, count: int, seed: int = 1) -> Findings:
    """Let publishers publish without end, and kill each at a moment of its own."""
    findings, draw = Findings(), random.Random(seed)
    onlooker = Onlooker(folder, findings)
    said: set[str] = set()
    for kill in range(1, count + 1):
        process = started(folder, _ENDLESS)
        time.sleep(draw.random() * _LONGEST)
        process.kill()
        said |= set(acknowledged(process))
        findings.counts["publishers killed"] += 1
        onlooker.look(f"kill {kill}", there=said, maybe=None)
    onlooker.look_anew("at the end", there=said, maybe=None)
    findings.counts["snapshots acknowledged"] = len(said)
    silent = set(Store(folder).ids()) - said
    findings.counts["whole ones whose publisher died before it could say so"] = len(silent)
    left = list((folder / "tmp").iterdir()) if (folder / "tmp").exists() else []
    findings.counts["unfinished folders left in tmp/, which nobody reads"] = len(left)
    return findings


if __name__ == "__main__":
    sys.exit(main())
