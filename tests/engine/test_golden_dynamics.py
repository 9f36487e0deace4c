"""The oracle of sections 7 to 10 against every golden table, compared as `golden/check` compares them."""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from pathlib import Path

import pytest

from tests import oracle
from tests.engine.test_golden import GOLDEN, expected, question, table
from tests.oracle import dynamics

ALL = sorted(path.parent for path in GOLDEN.glob("*/*/query.json"))
TABLES = [case for case in ALL if not (case / "row.json").exists()]
CLIENTS = [case for case in ALL if (case / "row.json").exists()]
TRIANGLES = [case for case in ALL if (case / "cohorts.csv").exists()]

Table = list[list[str]]


def name(case: Path) -> str:
    return f"{case.parent.name}/{case.name}"


def same(got: str, want: str) -> bool:
    if got in (want, "'" + want) or "'" + got == want:
        return True
    try:
        return abs(Decimal(got) - Decimal(want)) <= Decimal("0.000002")
    except InvalidOperation:
        return False


def difference(got: Table, want: Table) -> str | None:
    """Return the first place where two tables differ, if there is one."""
    if got[0] != want[0] or [len(row) for row in got] != [len(row) for row in want]:
        return f"{len(got)} rows under {got[0]} instead of {len(want)} under {want[0]}"
    for i, (g, w) in enumerate(zip(got, want, strict=True)):
        for j, (a, b) in enumerate(zip(g, w, strict=True)):
            if not same(a, b):
                return f"row {i}, {want[0][j]}: {a!r} instead of {b!r}"
    return None


def test_there_are_eighty_eight_golden_cases() -> None:
    assert (len(ALL), len(CLIENTS), len(TRIANGLES)) == (88, 9, 3)


@pytest.mark.parametrize("case", TABLES, ids=name)
def test_the_oracle_gives_every_table(case: Path) -> None:
    query, as_of = question(case)
    answer = dynamics.dynamics(oracle.read_mart(case.parent / "mart"), query, as_of)
    for total in (False, True):
        assert not difference(dynamics.table(answer, with_total=total), expected(case, total=total))


@pytest.mark.parametrize("case", CLIENTS, ids=name)
def test_the_oracle_gives_the_clients_behind_a_row(case: Path) -> None:
    query, as_of = question(case)
    labels = tuple(json.loads((case / "row.json").read_text(encoding="utf-8")))
    lines = dynamics.clients_behind(oracle.read_mart(case.parent / "mart"), query, as_of, labels)
    want = table(case / "expected.csv")
    got = [want[0], *([dynamics.text(line[name]) for name in want[0]] for line in lines)]
    assert not difference(got, want)


@pytest.mark.parametrize("case", TRIANGLES, ids=name)
def test_the_oracle_gives_the_triangle_of_cohorts(case: Path) -> None:
    query, as_of = question(case)
    got = dynamics.cohort_triangle(oracle.read_mart(case.parent / "mart"), query, as_of)
    assert not difference(got, table(case / "cohorts.csv"))
