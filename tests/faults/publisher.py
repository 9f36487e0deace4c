"""A process that publishes, to be killed or made to fail: `python -m tests.faults.publisher FOLDER COUNT`.

It publishes so many snapshots and writes each acknowledged id to its standard output; `once` instead of a
number waits for a line, publishes between two calls that a trace can be cut at, and says what came of it as
JSON.
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import subprocess
import sys
from pathlib import Path

from custdyn_widgets.errors import SnapshotError, SnapshotUnknownError
from custdyn_widgets.snapshots.store import Store

BEGIN, END = "/begin-of-publishing", "/end-of-publishing"
MANIFEST = {"generated_at": "2026-11-22T10:00:00Z", "role": "analyst", "query_words": "Last month, by month"}
_ANY_TRACER = (0x59616D61, -1)  # prctl: where only a parent may trace, let the sibling strace do it


def some_files(seed: int) -> dict[str, bytes]:
    """Return files of a few hundred to some ten thousand bytes."""
    draw = random.Random(seed)
    names = ("report.json", "report.csv", "report.html", "chart-1.svg")
    return {name: draw.randbytes(draw.randrange(200, 40_000)) for name in names}


def started(folder: Path, how: int | str) -> subprocess.Popen[str]:
    """Start such a process; return when it is ready to publish."""
    process = subprocess.Popen(
        [sys.executable, "-m", __spec__.name, str(folder), str(how)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert process.stdout is not None
    if process.stdout.readline() != "ready\n":
        raise RuntimeError("The publisher did not start.")
    return process


def acknowledged(process: subprocess.Popen[str]) -> list[str]:
    """Return the ids that a process has written, and will write, until its end; half a line is none."""
    assert process.stdout is not None
    text = process.stdout.read()
    process.communicate()
    return text.split("\n")[:-1]


def main() -> None:
    store, how = Store(sys.argv[1]), sys.argv[2]
    print("ready", flush=True)
    if how == "once":
        _once(store)
        return
    for n in range(int(how)):
        os.write(1, f"{store.publish(MANIFEST, some_files(n))}\n".encode())


def _once(store: Store) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(*_ANY_TRACER, 0, 0, 0)
    files = {name: data[:5_000] for name, data in list(some_files(1).items())[:2]}
    sys.stdin.readline()
    outcome, told, words = "published", "", ""
    os.access(BEGIN, os.F_OK)
    try:
        told = store.publish(MANIFEST, files)
    except SnapshotUnknownError as error:
        outcome, told, words = "unknown", error.snapshot_id, str(error)
    except SnapshotError as error:
        outcome, words = "not published", str(error)
    os.access(END, os.F_OK)
    # Not by write, which may be failing from now on.
    os.writev(1, [json.dumps({"outcome": outcome, "id": told, "words": words}).encode()])


if __name__ == "__main__":
    main()
