"""One contender's work in a process of its own: `python -m bench.child JOB`, JSON in, JSON out.

A job names the contender's module and others to import, the steps of a call, the mart, the question and how
many calls; the answer has the seconds of each call, imports not included, and the last table. If a contender
returns a function, it gives the table, and is not timed. If it has `prepare`, its calls get what that returns
instead of the mart; this is not timed either.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

from .question import DYNAMICS, QUESTIONS, WORKBOOKS


def main() -> None:
    """Do the job."""
    job = json.loads(sys.argv[1])
    contender = importlib.import_module(f"{__package__}.{job['contender']}")
    if job["contender"] in ("ledger", "shapes") or "action" in job:
        _write(contender, job)
        print(json.dumps({"seconds": [], "table": []}))
        return
    for name in job["imports"]:
        importlib.import_module(name)
    question = (QUESTIONS | DYNAMICS | WORKBOOKS).get(job["question"])
    mart, seconds, table = Path(job["mart"]), [], []
    given = contender.prepare(mart, question) if hasattr(contender, "prepare") else mart
    for _ in range(job["calls"]):
        began = time.perf_counter()
        if "check" in job["steps"]:
            contender.check(given)
        if "report" in job["steps"]:
            table = contender.report(given, question)
        seconds.append(time.perf_counter() - began)
    if callable(table):
        table = table()
    print(json.dumps({"seconds": seconds, "table": table}))


def _write(writer: ModuleType, job: dict[str, Any]) -> None:
    """Draw a mart, write one in another shape, or load it into a database or drop that."""
    mart = Path(job["mart"])
    if "action" in job:
        writer.load(mart) if job["action"] == "load" else writer.drop()
    elif job["contender"] == "ledger":
        told = {name: job[name] for name in ("seed", "shuffled", "clients")}
        writer.write_mart(mart, job["rows"], **told)
    else:
        (shape,) = (shape for shape in writer.SHAPES if shape.name == job["shape"])
        writer.write_shape(mart, Path(job["folder"]), shape)


if __name__ == "__main__":
    main()
