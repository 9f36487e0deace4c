"""One contender's work in a process of its own: `python -m bench.child JOB`, JSON in, JSON out.

A job names the contender's module and others to import, the steps of a call, the mart, the question and how
many calls; the answer has the seconds of each call, imports not included, and the last table. If a contender
returns a function, it gives the table, and is not timed.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path

from .question import DYNAMICS, QUESTIONS


def main() -> None:
    """Do the job."""
    job = json.loads(sys.argv[1])
    if job["contender"] == "ledger":
        module = importlib.import_module(f"{__package__}.ledger")
        module.write_mart(Path(job["mart"]), job["rows"], seed=job["seed"], shuffled=job["shuffled"])
        print(json.dumps({"seconds": [], "table": []}))
        return
    contender = importlib.import_module(f"{__package__}.{job['contender']}")
    for name in job["imports"]:
        importlib.import_module(name)
    questions = QUESTIONS | DYNAMICS
    mart, seconds, table = Path(job["mart"]), [], []
    for _ in range(job["calls"]):
        began = time.perf_counter()
        if "check" in job["steps"]:
            contender.check(mart)
        if "report" in job["steps"]:
            table = contender.report(mart, questions[job["question"]])
        seconds.append(time.perf_counter() - began)
    if callable(table):
        table = table()
    print(json.dumps({"seconds": seconds, "table": table}))


if __name__ == "__main__":
    main()
