"""The tables worked out beforehand: `tests/golden`, and CDNOW where it stands beside the project."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import pytest

from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.render.csv import to_csv
from tests import oracle

pytestmark = pytest.mark.usefixtures("own_cache")
GOLDEN = Path(__file__).parents[1] / "golden"
DYNAMICS = {"columns", "compare"}  # fields of sections 7 to 10; their cases are in test_golden_dynamics
ATTRIBUTES = {"company", "owner_user", "client_type", "currency", "cohort"}


def is_of_the_first_sections(query: dict[str, Any]) -> bool:
    return not (DYNAMICS & set(query) or ATTRIBUTES & set(query.get("group_by") or ()))


CASES = sorted(
    path.parent
    for path in GOLDEN.glob("*/*/query.json")
    if not (path.parent / "row.json").exists()
    and is_of_the_first_sections(json.loads(path.read_text(encoding="utf-8")))
)
CDNOW = Path(__file__).parents[3] / "shared" / "data" / "cdnow"

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


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_the_oracle_agrees_with_the_goldens(case: Path) -> None:
    query, as_of = question(case)
    answer = oracle.answer(oracle.read_mart(case.parent / "mart"), query, as_of)
    for total in (False, True):
        lines = [*answer.rows, *([answer.total] if total and answer.total else [])]
        cells = [
            [*line.labels, *("" if value is None else str(value) for value in line.values)] for line in lines
        ]
        assert [[*answer.headings, *oracle.COLUMNS], *cells] == unguarded(expected(case, total=total))


def differences(got: Table, want: Table) -> list[str]:
    """Return the cells that differ, each with its row and column."""
    if [len(row) for row in got] != [len(row) for row in want]:
        return [f"{len(got)} rows instead of {len(want)}"]
    places = ((i, j) for i, row in enumerate(want) for j in range(len(row)))
    return [
        f"row {i}, {want[0][j]}: {got[i][j]!r} instead of {want[i][j]!r}"
        for i, j in places
        if not same_cell(got[i][j], want[i][j])
    ]


def same_cell(got: str, want: str) -> bool:
    """Whether two cells show the same: the same text, perhaps guarded, or exactly the same number."""
    if got in (want, "'" + want):
        return True
    try:
        return Decimal(got) == Decimal(want)
    except InvalidOperation:
        return False


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_the_product_gives_the_golden_table(case: Path) -> None:
    query, as_of = question(case)
    report = run_report(ReportQuery.from_dict(query), case.parent / "mart", as_of=as_of)
    for total in (False, True):
        got = list(csv.reader(io.StringIO(to_csv(report, total=total).decode("utf-8"), newline="")))
        assert not differences(got, expected(case, total=total))


if CDNOW.is_dir():  # public research data; it stands beside the project and is not part of it

    def test_the_product_gives_the_table_of_cdnow() -> None:
        query = ReportQuery.from_dict(json.loads((CDNOW / "query-month.json").read_text(encoding="utf-8")))
        got = list(csv.reader(io.StringIO(to_csv(run_report(query, CDNOW)).decode("utf-8"), newline="")))
        assert not differences(got, table(CDNOW / "expected-month.csv"))
