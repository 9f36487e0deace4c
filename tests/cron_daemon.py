"""Debian's own cron daemon with a table, a zone and a clock of the test's, which nobody else sees.

It runs in a mount namespace in which its spool and its run folder are folders of the test. Its clock is
that of a library loaded before the C library's: cron asks `time` and `sleep`, and nothing else. The clock
stands still except while cron sleeps, so that cron is never late, however busy the machine.
"""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import psutil

_FAST = 3600.0  # a minute of cron's takes 17 ms
_PATIENCE_S = 30
_CLOCK = """
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static time_t slept;

static double number(const char *name) { return strtod(getenv(name), NULL); }

time_t time(time_t *out) {
    time_t shown = number("CLOCK_BEGINS") + slept;
    if (out) *out = shown;
    return shown;
}

unsigned sleep(unsigned seconds) {
    double wait = seconds / number("CLOCK_SPEED");
    struct timespec span = { (time_t)wait, (long)((wait - (time_t)wait) * 1e9) };
    nanosleep(&span, NULL);
    slept += seconds;
    if (time(NULL) < number("CLOCK_ENDS")) return 0;
    close(creat(getenv("CLOCK_ENDED"), 0644));
    for (;;) pause();
}
"""
_START = """
set -e
chgrp crontab spool
chmod 1730 spool
mount --bind spool /var/spool/cron/crontabs
mount --bind empty /etc/cron.d
mount --bind no_table /etc/crontab
mount --bind run "$(readlink -f /var/run)"
crontab table
LD_PRELOAD=$PWD/clock.so exec cron -f
"""


def missing() -> str | None:
    """Return what this machine lacks to run it, or None."""
    for program in ("cron", "crontab", "unshare", "cc"):
        if shutil.which(program) is None:
            return f"there is no {program} here"
    allowed = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    return "mounting takes root" if os.getuid() or allowed.returncode else None


@contextlib.contextmanager
def cron_daemon(
    folder: Path, table: str, zone: str, begins: datetime, speed: float, ends: datetime | None = None
) -> Iterator[psutil.Process]:
    """Let cron run a table.

    Parameters
    ----------
    folder
        An empty folder of its own.
    table
        The text that `crontab` takes.
    zone
        The time zone of its clock.
    begins, ends
        What the clock shows at first and at last; it stops there, and cron with it.
    speed
        How many of its seconds go into a second.
    """
    for name in ("spool", "empty", "run"):
        (folder / name).mkdir(parents=True)
    (folder / "no_table").touch()
    (folder / "table").write_text(table, encoding="utf-8")
    (folder / "clock.c").write_text(_CLOCK)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", "clock.so", "clock.c"], cwd=folder, check=True)
    last = ends.timestamp() if ends else math.inf
    clock = {
        "CLOCK_BEGINS": str(begins.timestamp()),
        "CLOCK_ENDS": str(last),
        "CLOCK_ENDED": str(folder / "ended"),
        "CLOCK_SPEED": str(speed),
    }
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", _START],
            cwd=folder,
            env={**os.environ, **clock, "TZ": zone},
            stdout=log,
            stderr=log,
        )
        try:
            yield psutil.Process(daemon.pid)
            assert daemon.poll() is None, (folder / "log").read_text()
        finally:
            daemon.kill()
            daemon.wait()


def run_cron(folder: Path, table: str, zone: str, begins: datetime, ends: datetime) -> None:
    """Let cron run a table from one moment to another, and wait for the jobs that it starts."""
    with cron_daemon(folder, table, zone, begins, _FAST, ends) as daemon:
        patience = time.monotonic() + _PATIENCE_S
        while not (folder / "ended").exists() or daemon.children():
            assert daemon.is_running()
            assert time.monotonic() < patience, (folder / "log").read_text()
            time.sleep(0.05)
