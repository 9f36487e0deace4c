"""The compiled kernel against NumPy, which defines the cells: the same integers, or no kernel at all."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custdyn_widgets.engine.cells import compute, fast, pieces
from custdyn_widgets.engine.cells.grid import Grid
from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.errors import CustDynError
from custdyn_widgets.mart import Facts, Int64s
from tests.engine.test_dynamics import asked
from tests.engine.test_golden import question
from tests.engine.test_golden_dynamics import TABLES
from tests.mart_forms import frames
from tests.strategies import Case, cases, dense_cases

pytestmark = pytest.mark.usefixtures("own_cache")
CELLS = compute._sum_up


@pytest.fixture(autouse=True, scope="module")
def compiled() -> Iterator[None]:
    """Compute all cells both ways, and compare them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compute, "_sum_up", both_ways)
        yield


def both_ways(facts: Facts, clients: Int64s, grid: Grid) -> compute.Cells:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast, "WORTH_ITS_IMPORT", sys.maxsize)
        want = CELLS(facts, clients, grid)
        patch.setattr(fast, "WORTH_ITS_IMPORT", 0)
        assert grid.by_package or facts.time.dtype != np.uint32 or fast.kernel_for(facts, grid, 0)
        got = CELLS(facts, clients, grid)
    for mine, defined in zip(got.sums, want.sums, strict=True):
        assert mine.to_dict("list") == defined.to_dict("list")
    assert (got.movement is None) == (want.movement is None)
    if got.movement is not None and want.movement is not None:
        assert got.movement.to_dict("list") == want.movement.to_dict("list")
    return got


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[pytest.mark.slow] if i % 20 else []) for i, case in enumerate(TABLES)]
)
def test_the_kernel_gives_the_cells_of_every_table(case: Path) -> None:
    query, as_of = question(case)
    run_report(query, str(case.parent / "mart"), as_of=as_of)


def without_package_rows(case: Case) -> Case:
    groups = [group for group in case.query.get("group_by", ["month"]) or [] if group != "package"]
    return replace(case, query={**case.query, "group_by": groups})


@pytest.mark.slow
@settings(max_examples=max(1, settings.default.max_examples // 8))
@given(
    case=st.one_of(cases(), dense_cases()).flatmap(asked).map(without_package_rows),
    rows=st.sampled_from((1, 5, 2**18)),
)
def test_the_kernel_gives_the_same_integers(case: Case, rows: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "PIECE_ROWS", rows)
        try:
            run_report(case.query, frames(case.mart), as_of=case.as_of)
        except CustDynError:
            return


@pytest.mark.parametrize("missing", ["raise ImportError", "raise RuntimeError('no place to cache')"])
def test_without_numba_nothing_is_said_and_numpy_computes(missing: str) -> None:
    code = f"""
import sys
class Missing:
    def find_spec(self, name, *_):
        if name == "numba":
            {missing}
sys.meta_path.insert(0, Missing())
from custdyn_widgets import run_report
from custdyn_widgets.engine.cells import fast
fast.WORTH_ITS_IMPORT = 0
mart = {str(Path(__file__).parents[1] / "golden" / "small" / "mart")!r}
print(len(run_report({{"interval": {{"start": "2021-10-01", "end": "2021-11-30"}}}}, mart).rows))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("2\n", "")


def test_the_kernel_waits_until_slower_sums_have_cost_as_much(monkeypatch: pytest.MonkeyPatch) -> None:
    asked_for = []
    grid = Grid(np.array([0, 1]), np.array([0]), (), 1, np.zeros(1, np.int64), np.ones(1, np.bool_))
    facts = type("", (), {"time": np.zeros(0, np.uint32)})()
    monkeypatch.setattr(fast, "WORTH_ITS_IMPORT", 100)
    monkeypatch.setattr(fast, "_summed", 0)
    monkeypatch.setattr(fast, "_module", lambda: asked_for.append(fast._summed))
    for rows in (40, 40, 40, 1):
        fast.kernel_for(facts, grid, rows)
    assert asked_for == [100, 100]
