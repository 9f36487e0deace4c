"""The tables worked out beforehand: `tests/golden`, and CDNOW where it stands beside the project."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import oracle
import pytest

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(path.parent for path in GOLDEN.glob("*/*/query.json"))
CDNOW = Path(__file__).parents[2] / "shared" / "data" / "cdnow"

Table = list[list[str]]


def table(path: Path) -> Table:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def question(case: Path) -> tuple[dict[str, object], str]:
    return json.loads((case / "query.json").read_text(encoding="utf-8")), (case / "as_of").read_text().strip()


def expected(case: Path, *, total: bool) -> Table:
    """Return the table of a case, with its Total as the last row where the query is grouped and has rows."""
    rows, totals = table(case / "expected.csv"), table(case / "total.csv")
    labels = len(rows[0]) - len(totals[0])
    if total and labels:
        rows += [["Total", *[""] * (labels - 1), *line] for line in totals[1:]]
    return rows


def unguarded(rows: Table) -> Table:
    """Return the rows without the apostrophe that keeps a spreadsheet from running a label."""
    return [[cell[1:] if cell.startswith("'") else cell for cell in row] for row in rows]


def test_there_are_fifty_golden_cases() -> None:
    assert len(CASES) == 50


@pytest.mark.parametrize("total", [False, True], ids=["rows", "rows and Total"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_the_oracle_agrees_with_the_goldens(case: Path, total: bool) -> None:
    query, as_of = question(case)
    answer = oracle.answer(oracle.read_mart(case.parent / "mart"), query, as_of)
    lines = [*answer.rows, *([answer.total] if total and answer.total else [])]
    cells = [
        [*line.labels, *("" if value is None else str(value) for value in line.values)] for line in lines
    ]
    assert [[*answer.headings, *oracle.COLUMNS], *cells] == unguarded(expected(case, total=total))
