"""How much memory a process may use, and what is kept out of memory when that is little."""

from __future__ import annotations

import platform
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from custdyn_widgets.mart.facts import memory

_LARGE = """
import mmap, resource
limit = {limit}
resource.setrlimit(resource.{kind}, (limit, limit))
import numpy as np
from custdyn_widgets.mart.facts.large_arrays import LargeArrays
from custdyn_widgets.mart.facts.memory import memory_limit
arrays = LargeArrays()
in_files = [isinstance(arrays.empty(size, np.uint8).base, mmap.mmap) for size in (2**24, 2**26)]
print(memory_limit() == limit, *in_files)
"""


@pytest.mark.parametrize(
    ("kind", "limit"), [("RLIMIT_DATA", 2**30), ("RLIMIT_AS", 2**33 - 2**20), ("RLIMIT_DATA", 2**28)]
)
def test_arrays_go_into_files_sooner_where_memory_is_limited(tmp_path: Path, kind: str, limit: int) -> None:
    run = subprocess.run(
        [sys.executable, "-c", _LARGE.format(kind=kind, limit=limit)],
        env={"CUSTDYN_CACHE": str(tmp_path), "OPENBLAS_NUM_THREADS": "1", "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    expected = [size > limit // 32 for size in (2**24, 2**26)]
    assert run.stdout.split() == ["True", *map(str, expected)]


@pytest.mark.parametrize(
    ("groups", "files"),
    [
        ("0::/a/b\n", ["a/b/memory.max", "a/memory.max", "memory.max"]),
        ("0::/\n", ["memory.max"]),
        ("0::/a:b\n", ["a:b/memory.max", "memory.max"]),
        ("12:cpu:/x\n4:memory:/a\n", ["memory/a/memory.limit_in_bytes", "memory/memory.limit_in_bytes"]),
        ("2:cpu,memory:/\n", []),
        ("", []),
        (None, []),
    ],
)
def test_limits_of_control_groups_are_looked_up(tmp_path: Path, groups: str | None, files: list[str]) -> None:
    own = tmp_path / "cgroup"
    if groups is not None:
        own.write_text(groups, encoding="utf-8")
    found = [str(file.relative_to("/sys/fs/cgroup")) for file in memory._limit_files(own)]
    assert found == files


def test_without_limits_the_memory_is_the_machines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    unlimited = tmp_path / "memory.max"
    unlimited.write_text("max\n", encoding="ascii")
    broken = tmp_path / "missing"
    monkeypatch.setattr(memory, "_limit_files", lambda: [unlimited, broken])
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY,) * 2)
    whole = memory.memory_limit()
    small = tmp_path / "small"
    small.write_text("1000000\n", encoding="ascii")
    monkeypatch.setattr(memory, "_limit_files", lambda: [unlimited, small])
    assert whole > memory.memory_limit() == 1_000_000


_FREED = """
import resource
import numpy as np
from custdyn_widgets.mart.facts.memory import keep_freed_memory
keep_freed_memory()
for time in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    arrays = [np.ones(3 * 2**20, np.uint8) for _ in range(8)]  # too small for huge pages
    del arrays
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries keep freed memory anyway")
def test_the_memory_of_freed_arrays_is_used_again(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", _FREED],
        env={"CUSTDYN_CACHE": str(tmp_path), "OPENBLAS_NUM_THREADS": "1", "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    pages = 8 * 3 * 2**20 // resource.getpagesize()
    assert int(run.stdout) < pages / 10
