"""Load on the viewer: requests at a steady rate over many connections, and what they had to wait.

`python -m tests.faults.viewer_load` freezes a report, serves it with `custdyn serve` as a process of its own,
and asks for its page so many times a second. It prints counts, percentiles and memory, and ends with 1 if a
limit is missed: an answer that is not the page, a median over 10 ms, a 99th percentile over 100 ms, or memory
that grows.

Requests are sent when they are due, whatever became of those before (an open loop), each over the connection
that has waited longest; a request that finds none free waits, and its time runs from when it was due.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import psutil

from custdyn_widgets.publish.freezing import manifest_of, report_files
from custdyn_widgets.snapshots.store import Store
from tests.make_report import make_report

MEDIAN_MS, NINETY_NINTH_MS = 10.0, 100.0
GROWTH = 4 * 2**20  # bytes
SERVE = "from custdyn_widgets.cli import main; main()"
TIMEOUT = 10.0


@dataclass
class Seen:
    """What came of the requests: seconds until each whole answer, errors by kind, the server's memory.

    `took` is the time in seconds, and `others` the cores that other processes kept busy meanwhile: beside a
    busy neighbour, waiting tells of him.
    """

    waited: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    memory: list[int] = field(default_factory=list)
    took: float = 0.0
    others: float = 0.0

    def percentile(self, share: float) -> float:
        """Return the milliseconds within which this share of the answers was there."""
        ordered = sorted(self.waited)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("inf")

    @property
    def growth(self) -> float:
        """The bytes by which the server's memory grew from the second tenth of the time to the last.

        Medians: a burst of answers takes room for a moment, and the first tenth loads what is loaded late.
        """
        tenth = len(self.memory) // 10
        if not tenth:
            return 0
        return median(self.memory[-tenth:]) - median(self.memory[tenth : 2 * tenth])

    def missed(self) -> list[str]:
        """Return the limits that were missed, in words."""
        found = [f"{count:,} × {kind}" for kind, count in sorted(self.errors.items())]
        for share, limit in ((0.5, MEDIAN_MS), (0.99, NINETY_NINTH_MS)):
            if self.percentile(share) > limit:
                found.append(f"the {share:.0%} percentile is over {limit:.0f} ms")
        if self.growth > GROWTH:
            found.append(f"memory grew by {self.growth / 2**20:.1f} MiB")
        return found


@dataclass(frozen=True)
class Asked:
    """The request, as bytes, and the frozen page that every answer has to end with."""

    request: bytes
    page: bytes

    def wrong(self, status: bytes, body: bytes) -> str:
        """Return what is wrong with an answer; empty: nothing."""
        if not status.startswith(b"HTTP/1.1 200 "):
            return status.decode("latin-1").strip()
        return "" if body.endswith(self.page) and len(body) > len(self.page) else "another body"


@contextmanager
def served(store: Path) -> Iterator[tuple[psutil.Process, int]]:
    """Run `custdyn serve` on a free port; give the process and the port."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(store.parent), "CUSTDYN_SNAPSHOTS": str(store)}
    command = [sys.executable, "-c", SERVE, "serve", "--port", "0"]
    log = store.parent / "access.log"
    with log.open("wb") as written:
        process = subprocess.Popen(command, env=environment, stderr=written)
    try:
        yield psutil.Process(process.pid), _port(process, log)
    finally:
        process.terminate()
        process.wait(20)


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    for _ in range(600):
        ready = re.search(r"127\.0\.0\.1:(\d+)/", log.read_text())
        if ready:
            return int(ready[1])
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError(f"The viewer did not start: {log.read_text()[-500:]}")


async def _one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: Asked) -> str:
    writer.write(asked.request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"\r\nContent-Length: (\d+)\r\n", head)
    body = await reader.readexactly(int(length[1])) if length else b""
    return asked.wrong(head.split(b"\r\n", 1)[0], body)


async def load(port: int, asked: Asked, seconds: float, rate: float, connections: int, seen: Seen) -> None:
    """Send requests at the rate for so many seconds; what came of them is added to `seen`."""
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(connections):
        free.put_nowait(await asyncio.open_connection("127.0.0.1", port, limit=2**24))

    async def ask(due: float) -> None:
        connection = await free.get()
        try:
            wrong = await asyncio.wait_for(_one(*connection, asked), TIMEOUT)
            seen.waited.append(time.perf_counter() - due)
        except (OSError, EOFError, TimeoutError, asyncio.IncompleteReadError) as error:
            wrong = type(error).__name__
            connection[1].close()
            connection = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
        if wrong:
            seen.errors[wrong] += 1
        free.put_nowait(connection)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for n in range(int(seconds * rate)):
            due = began + n / rate
            ahead = due - time.perf_counter()
            if ahead > 0:
                await asyncio.sleep(ahead)
            group.create_task(ask(due))
    seen.took = time.perf_counter() - began
    while not free.empty():
        free.get_nowait()[1].close()


async def _watched(server: psutil.Process, seen: Seen) -> None:
    while True:
        seen.memory.append(server.memory_info().rss)
        await asyncio.sleep(0.5)


def _busy(server: psutil.Process) -> float:
    """Return the seconds for which cores were busy with anything but the server and this process."""
    every = psutil.cpu_times()
    ours = [process.cpu_times() for process in (server, psutil.Process())]
    return float(sum(every) - every.idle - every.iowait - sum(own.user + own.system for own in ours))


def run(seconds: float, rate: float, connections: int, months: int = 24) -> Seen:
    """Freeze a report, serve it, load the viewer; return what was seen."""
    seen = Seen()
    with tempfile.TemporaryDirectory(prefix="viewer-load-") as folder:
        store = Store(Path(folder) / "store")
        report = make_report(months)
        files = report_files(report)
        snapshot_id = store.publish(manifest_of(report, files), files)
        request = f"GET /view?id={snapshot_id} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
        asked = Asked(request, files["report.html"])

        async def loaded(server: psutil.Process, port: int) -> None:
            watch = asyncio.create_task(_watched(server, seen))
            before = _busy(server)
            await load(port, asked, seconds, rate, connections, seen)
            seen.others = (_busy(server) - before) / seen.took
            watch.cancel()

        with served(store.folder) as (server, port):
            asyncio.run(loaded(server, port))
    return seen


def main() -> int:
    """Run from the command line; return its exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, default=300, help="requests a second")
    parser.add_argument("--connections", type=int, default=200)
    given = parser.parse_args()
    seen = run(given.seconds, given.rate, given.connections)
    asked = len(seen.waited) + sum(seen.errors.values())
    print(
        f"{asked:,} requests in {seen.took:.1f} s over {given.connections} connections: "
        f"{len(seen.waited):,} answered, {sum(seen.errors.values()):,} errors"
    )
    print("  ".join(f"{share:.1%} {seen.percentile(share):.1f} ms" for share in (0.5, 0.9, 0.99, 0.999, 1)))
    print(f"memory {max(seen.memory) / 2**20:.1f} MiB at most, grown by {seen.growth / 2**20:.1f} MiB")
    print(f"other processes kept {max(seen.others, 0):.2f} of {os.cpu_count()} cores busy")
    missed = seen.missed()
    print("\n".join(f"MISSED: {words}" for words in missed) or "All limits hold.")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
