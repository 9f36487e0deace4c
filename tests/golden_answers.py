"""Comparing the answers to golden queries, on a golden mart in any form, with the golden tables."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from custdyn_widgets.engine.clients import clients_behind
from custdyn_widgets.engine.cohorts import cohort_triangle
from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.render.csv import to_csv
from tests.engine.test_golden import Table, differences, expected, question, table
from tests.engine.test_golden_dynamics import ALL

MARTS = sorted({case.parent.name for case in ALL})


def wrong_cells_of(mart: str, source: Any) -> list[str]:
    """Return the cells in which the answers to all golden queries on a mart differ from the golden tables."""
    return [cell for case in ALL if case.parent.name == mart for cell in wrong_cells(case, source)]


def wrong_cells(case: Path, source: Any) -> list[str]:
    """Return the cells in which the answers to a golden query differ from its golden tables."""
    return [f"{case.name}: {cell}" for got, want in _answers(case, source) for cell in differences(got, want)]


def _answers(case: Path, source: Any) -> Iterator[tuple[Table, Table]]:
    query, as_of = question(case)
    if (case / "row.json").exists():
        labels = json.loads((case / "row.json").read_text(encoding="utf-8"))
        want = table(case / "expected.csv")
        frame = clients_behind(query, labels, source, as_of=as_of)
        yield frame_as_text(frame[want[0]]), want
        return
    report = run_report(ReportQuery.from_dict(query), source, as_of=as_of)
    written = to_csv(report, total=True).decode("utf-8")
    yield list(csv.reader(io.StringIO(written, newline=""))), expected(case, total=True)
    if (case / "cohorts.csv").exists():
        triangle = cohort_triangle(query, source, as_of=as_of)
        yield frame_as_text(triangle), table(case / "cohorts.csv")


def frame_as_text(frame: Any) -> Table:
    rows = frame.astype(object).where(frame.notna(), None).itertuples(index=False)
    return [list(frame.columns), *(["" if v is None else str(v) for v in row] for row in rows)]
