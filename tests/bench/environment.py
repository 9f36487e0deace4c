"""When and where a benchmark runs."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

_LIBRARIES = ("custdyn-widgets", "duckdb", "polars", "pandas", "numpy", "pyarrow")


def environment() -> dict[str, Any]:
    """Return the date, the machine, its cores and its load, and the versions of the contenders."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": _machine(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "versions": f"Python {platform.python_version()}, "
        + ", ".join(f"{name} {metadata.version(name)}" for name in _LIBRARIES),
    }


def _machine() -> str:
    """Return the processor and the memory, as far as the system tells."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    told = Path("/proc/cpuinfo")
    lines = told.read_text(encoding="utf-8").splitlines() if told.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{(models or [platform.machine()])[0]}, {memory:.0f} GB, {platform.system()}"
