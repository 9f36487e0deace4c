"""The machine's clock is moved between two runs of a schedule: the real command, on a clock of the test's.

A library loaded before the C library's moves what a process and its kernel are told the time is; files keep
the times of the machine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from custdyn_widgets.scheduling.records import Runs
from custdyn_widgets.settings import Settings
from custdyn_widgets.text import format_instant_utc
from tests.mail_server import Received
from tests.scheduling.test_job import ANNA, BEN, BOARD, custdyn, frozen, keep, received, settings

__all__ = ["received", "settings"]  # fixtures
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler here"),
]
_CLOCK = """
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static time_t moved(void) { return strtol(getenv("CLOCK_MOVED"), NULL, 10); }

int clock_gettime(clockid_t id, struct timespec *out) {
    int failed = syscall(SYS_clock_gettime, id, out);
    if (!failed && id == CLOCK_REALTIME) out->tv_sec += moved();
    return failed;
}

time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    out->tv_sec = now.tv_sec;
    out->tv_usec = now.tv_nsec / 1000;
    return 0;
}
"""


@pytest.fixture
def clock(tmp_path: Path) -> Path:
    (tmp_path / "clock.c").write_text(_CLOCK)
    library = tmp_path / "clock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, tmp_path / "clock.c"], check=True)
    return library


def run_at(clock: Path, moved: timedelta) -> subprocess.CompletedProcess[str]:
    moved_by = str(round(moved.total_seconds()))
    environment = {**os.environ, "LD_PRELOAD": str(clock), "CLOCK_MOVED": moved_by}
    return custdyn("run", "--saved", "board", "--scheduled", "--quiet", env=environment)


def test_a_schedule_goes_on_whichever_way_the_clock_is_moved(
    clock: Path, settings: Settings, received: Received
) -> None:
    assert BOARD.schedule is not None
    keep(BOARD, settings)
    seen = []
    for days in (400, 0, 800):
        before = datetime.now(UTC) + timedelta(days=days)
        done = run_at(clock, timedelta(days=days))
        after = datetime.now(UTC) + timedelta(days=days)
        [run] = [run for run in Runs(settings.runs or Path()).listing() if run.id not in seen]
        seen.append(run.id)
        assert (done.returncode, run.result) == (0, "sent"), done.stderr
        assert format_instant_utc(before) <= run.began <= str(run.ended) <= format_instant_utc(after)
        assert run.logical_time in {format_instant_utc(BOARD.schedule.last(at)) for at in (before, after)}
        assert ("clock was moved back" in done.stderr) == (days == 0)
    assert received.recipients() == [ANNA, BEN] * 3
    assert len(frozen(settings)) == 3
