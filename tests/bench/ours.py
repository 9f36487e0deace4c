"""The report by the product itself; the cache is where `CUSTDYN_CACHE` says."""

from __future__ import annotations

from pathlib import Path

from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.mart import import_library
from custdyn_widgets.query.query import ReportQuery

from . import answer
from .question import AS_OF, Question


def check(folder: Path) -> None:
    """Make the facts, which finds every fault, or open them where they are made."""
    import_library("numpy")  # first, as `run_report` does
    from custdyn_widgets.mart import open_mart

    open_mart(folder)


def report(folder: Path, question: Question) -> answer.Table:
    """Return the table of the question."""
    made = run_report(ReportQuery.from_dict(question.query), folder, as_of=AS_OF)
    names = tuple(column.name for column in made.columns)
    if names != answer.HEADINGS:
        raise ValueError(f"the columns are {names}")
    return [[row.labels[0], *("" if v is None else str(v) for v in row.values)] for row in made.shown_rows()]
