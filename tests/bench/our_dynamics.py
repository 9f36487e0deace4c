"""Movement, comparison, cohorts and the clients behind a row by the product itself."""

from __future__ import annotations

from pathlib import Path

from custdyn_widgets.engine.clients import clients_behind
from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.query.query import ReportQuery

from . import answer
from .question import AS_OF, CLIENTS, Question


def report(folder: Path, question: Question) -> answer.Table:
    """Return the table of the question: the report, or the clients behind its last row."""
    if question.name == CLIENTS:
        frame = clients_behind(question.query, question.labels[-1], folder, as_of=AS_OF)
        columns = (frame[name].tolist() for name in frame.columns)
        return [["" if v is None else str(v) for v in line] for line in zip(*columns, strict=True)]
    made = run_report(ReportQuery.from_dict(question.query), folder, as_of=AS_OF)
    return [
        [*row.labels, *("" if v is None else str(v) for v in row.values)]
        for row in (*made.rows, *filter(None, [made.total]))
    ]
