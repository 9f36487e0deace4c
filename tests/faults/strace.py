"""A publishing as the kernel sees it: which calls it makes, and one of them failing or killing it.

The calls are counted, failed and killed at by strace, outside of the process: nothing in the publisher is
replaced, so the calls that C code makes (writes and closes of buffered files) are met as well, and Python
gets from the kernel what a broken disk would give it.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .publisher import BEGIN, END, started

# What a publishing does to files; reading the clock, the terminal's state or memory can lose no snapshot.
CALLS = (
    "mkdir", "open", "openat", "flock", "stat", "fstat", "newfstatat", "lseek", "write", "pwrite64", "fsync",
    "fdatasync", "close", "rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir",
)  # fmt: skip
_NAME = re.compile(r"(\w+)\(")


class NoTracingError(Exception):
    """strace is not there, or may not trace here; the message says what to do."""


@dataclass(frozen=True)
class Call:
    """One of the calls of a publishing: the `number`-th of its name since the process was ready."""

    name: str
    number: int

    def __str__(self) -> str:
        return f"{self.name} no. {self.number}"


@dataclass(frozen=True)
class Published:
    """What came of a publishing: `published`, `unknown`, `not published` or `killed`."""

    outcome: str
    id: str = ""
    words: str = ""
    calls: tuple[Call, ...] = ()
    hit: bool = False


def published(folder: Path, fault: str = "", call: Call | None = None, *, on: bool = False) -> Published:
    """Publish one snapshot in a process of its own, traced.

    Parameters
    ----------
    folder
        The store's.
    fault
        What strace is to do: `signal=KILL`, or `error=EIO` and the like.
    call
        To which call; None: to none.
    on
        Whether it is done to all later calls of that name too.
    """
    process = started(folder, "once")
    with tempfile.NamedTemporaryFile("r", prefix="custdyn-strace-", encoding="utf-8") as log:
        options = ["-e", f"inject={call.name}:{fault}:when={call.number}{'+' if on else ''}"] if call else []
        tracer = _attached(process.pid, log.name, options)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("go\n")
        process.stdin.flush()
        told = process.stdout.read()
        process.communicate()
        tracer.communicate()
        lines = log.read().splitlines()
    hit = any("(INJECTED)" in line for line in lines) or process.returncode < 0
    if not told:
        return Published("killed" if process.returncode < 0 else "died", hit=hit)
    return Published(**json.loads(told), calls=_calls(lines), hit=hit)


def _attached(pid: int, log: str, options: list[str]) -> subprocess.Popen[str]:
    """Let strace trace a process; return when it does."""
    command = shutil.which("strace")
    if command is None:
        raise NoTracingError("strace is not installed; on Debian: apt install strace")
    traced = ["-e", f"trace={','.join(('read', 'access', 'faccessat', 'faccessat2', *CALLS))}"]
    tracer = subprocess.Popen(
        [command, "-p", str(pid), "-o", log, *traced, *options], stderr=subprocess.PIPE, text=True
    )
    assert tracer.stderr is not None
    said = tracer.stderr.readline()
    if "attached" not in said:
        tracer.communicate()
        raise NoTracingError(f"strace may not trace here: {said.strip()}")
    return tracer


def _calls(lines: list[str]) -> tuple[Call, ...]:
    """Return the calls between begin and end of the publishing, each numbered among those of its name."""
    found: list[Call] = []
    numbers: dict[str, int] = {}
    within = False
    for line in lines:
        name = _NAME.match(line)
        if not name:
            continue
        numbers[name[1]] = numbers.get(name[1], 0) + 1
        if BEGIN in line or END in line:
            within = BEGIN in line
        elif within and name[1] in CALLS:
            found.append(Call(name[1], numbers[name[1]]))
    return tuple(found)
