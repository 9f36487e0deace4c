"""Debian's own cron daemon with a table, a zone and a clock of the test's, which nobody else sees.

It runs in a mount namespace in which its spool and its run folder are folders of the test. Its clock is moved
and sped up by a library loaded before the C library's: cron asks `time` and `sleep`, and nothing else.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

_CLOCK = """
#define _GNU_SOURCE
#include <stdlib.h>
#include <time.h>

static double real(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

static double number(const char *name) { return strtod(getenv(name), NULL); }

time_t time(time_t *out) {
    time_t shown = number("CLOCK_BEGINS") + (real() - number("CLOCK_SINCE")) * number("CLOCK_SPEED");
    if (out) *out = shown;
    return shown;
}

unsigned sleep(unsigned seconds) {
    double wait = seconds / number("CLOCK_SPEED");
    struct timespec span = { (time_t)wait, (long)((wait - (time_t)wait) * 1e9) };
    return nanosleep(&span, NULL) ? 1 : 0;
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
CLOCK_SINCE=$(cut -d ' ' -f 1 /proc/uptime)
export CLOCK_SINCE
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
def cron_daemon(folder: Path, table: str, zone: str, begins: datetime, speed: float) -> Iterator[None]:
    """Let cron run a table.

    Parameters
    ----------
    folder
        An empty folder of its own.
    table
        The text that `crontab` takes.
    zone
        The time zone of its clock.
    begins
        What the clock shows at first.
    speed
        How many of its seconds go into a second.
    """
    for name in ("spool", "empty", "run"):
        (folder / name).mkdir(parents=True)
    (folder / "no_table").touch()
    (folder / "table").write_text(table, encoding="utf-8")
    (folder / "clock.c").write_text(_CLOCK)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", "clock.so", "clock.c"], cwd=folder, check=True)
    clock = {"TZ": zone, "CLOCK_BEGINS": str(begins.timestamp()), "CLOCK_SPEED": str(speed)}
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", _START],
            cwd=folder,
            env={**os.environ, **clock},
            stdout=log,
            stderr=log,
        )
        try:
            yield
            assert daemon.poll() is None, (folder / "log").read_text()
        finally:
            daemon.kill()
            daemon.wait()
