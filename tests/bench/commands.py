"""Whole command lines on the demo mart, as people start them, its facts in the cache."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from .runner import ChildError, Figure, Say, Spent, finished
from .steps import Step

TEMPLATE = Path(__file__).parents[2] / "templates" / "customer_dynamics.ipynb"
HELP, QUERY, RUN = "custdyn --help", "custdyn query on the demo mart", "custdyn run"
NOTEBOOK = "papermill, then nbconvert"
INTERVAL = "last_12_months"
DEMO = "commands, demo mart"  # what the figures call their question

COMMANDS: dict[str, tuple[tuple[str, ...], ...]] = {
    HELP: (("custdyn", "--help"),),
    QUERY: (("custdyn", "query", "--source", "demo", "--interval", INTERVAL),),
    RUN: (("custdyn", "run", str(TEMPLATE), "--source", "demo", "--interval", INTERVAL),),
    NOTEBOOK: (
        ("papermill", str(TEMPLATE), "made.ipynb", "-p", "source", "demo", "-p", "interval", INTERVAL),
        ("jupyter-nbconvert", "--to", "html", "made.ipynb"),
    ),
}


def measure(scratch: Path, repeat: int, say: Say) -> list[Figure]:
    """Run every command `repeat` times, taking turns, after one that draws the demo mart.

    Cache and snapshots go into `scratch`. A command that fails has its reason in its figure.
    """
    figures = [Figure(Step(name, "", DEMO, warm=False)) for name in COMMANDS]
    for turn in range(repeat + 1):
        for figure in figures:
            if figure.missing or (not turn and figure.step.name != QUERY):
                continue
            say(f"{turn} of {repeat}: {figure.step.name}")
            try:
                spent = [_run(command, scratch) for command in COMMANDS[figure.step.name]]
            except ChildError as error:
                figure.missing = str(error)
                continue
            if turn:
                figure.process.append(sum(s.seconds for s in spent))
                figure.processor.append(sum(s.processor for s in spent))
                figure.peak_mb.append(max(s.peak_mb for s in spent))
    return figures


def _run(command: tuple[str, ...], scratch: Path) -> Spent:
    env = {
        **os.environ,
        "CUSTDYN_CACHE": str(scratch / "cache"),
        "CUSTDYN_SNAPSHOTS": str(scratch / "snapshots"),
    }
    program = Path(sys.executable).parent / command[0]
    return finished([str(program), *command[1:]], env, scratch)[1]
