"""Movement, comparison, cohorts and the clients behind a row by the product itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from custdyn_widgets.engine.clients import clients_behind
from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.query.query import ReportQuery

from . import answer
from .question import AS_OF, CLIENTS, Question


def report(folder: Path, question: Question) -> answer.Table | Callable[[], answer.Table]:
    """Return the table of the question: the report, or the clients behind its last row.

    Clients are given as a function: an analyst gets a DataFrame, and does not wait for its million values to
    be written as text.
    """
    if question.name == CLIENTS:
        frame = clients_behind(question.query, question.labels[-1], folder, as_of=AS_OF)
        return lambda: _as_text(frame)
    made = run_report(ReportQuery.from_dict(question.query), folder, as_of=AS_OF)
    return [
        [*row.labels, *("" if v is None else str(v) for v in row.values)]
        for row in (*made.rows, *filter(None, [made.total]))
    ]


def _as_text(frame: pd.DataFrame) -> answer.Table:
    columns = (frame[name].tolist() for name in frame.columns)
    return [["" if v is None else str(v) for v in line] for line in zip(*columns, strict=True)]
