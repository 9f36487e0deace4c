"""The compiled kernel against NumPy, which defines the cells: the same integers, or no kernel at all."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custdyn_widgets.engine.cells import compute, fast, pieces
from custdyn_widgets.engine.cells.grid import CounterArrays, EdgeCounter, Grid
from custdyn_widgets.engine.cells.table import SumTable
from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.errors import CustDynError
from custdyn_widgets.mart import Facts, Int64s
from tests.beside_edges import QUERIES, beside_edges
from tests.engine.test_dynamics import asked
from tests.engine.test_golden import question
from tests.engine.test_golden_dynamics import TABLES, name
from tests.mart.ordinary_mart import ordinary_mart
from tests.mart_forms import frames
from tests.strategies import Case, cases, dense_cases

pytestmark = pytest.mark.usefixtures("own_cache")
CELLS = compute._sum_up
ARRAYS = EdgeCounter.arrays
QUICK = [
    "edges/compare-leap-day",
    "mixed/13-date",
    "mixed/17-movement-balances",
    "moves/closed-on-the-edge",
    "small/balances-by-date-eur",
    "small/by-client-type-ungrouped-time",
    "small/movement",
    "ties/balances-exchange",
    "ties/no-money-moves",
]


@pytest.fixture(autouse=True, scope="module")
def compiled() -> Iterator[None]:
    """Compute all cells both ways, and compare them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compute, "_sum_up", both_ways)
        patch.setattr(EdgeCounter, "arrays", arrays_before_zeros)
        yield


def arrays_before_zeros(counter: EdgeCounter) -> CounterArrays:
    """Return the arrays of a counter, with a table that is followed by wrong counts in memory."""
    arrays = ARRAYS(counter)
    return arrays._replace(table=np.append(arrays.table, [0] * 4)[:-4])


def both_ways(facts: Facts, clients: Int64s, grid: Grid) -> compute.Cells:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast, "WORTH_ITS_IMPORT", sys.maxsize)
        want = CELLS(facts, clients, grid)
        patch.setattr(fast, "WORTH_ITS_IMPORT", 0)
        assert grid.by_package or facts.time.dtype != np.uint32 or fast.kernel_for(facts, grid, 0)
        got = CELLS(facts, clients, grid)
    for mine, defined in zip(got.sums, want.sums, strict=True):
        assert lists(mine) == lists(defined)
    assert (got.movement is None) == (want.movement is None)
    if got.movement is not None and want.movement is not None:
        assert got.movement.tolist() == want.movement.tolist()
    return got


def lists(table: SumTable) -> dict[str, list[Any]]:
    return {name: values.tolist() for name, values in table.columns.items()}


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[] if name(case) in QUICK else [pytest.mark.slow]) for case in TABLES]
)
def test_the_kernel_gives_the_cells_of_every_table(case: Path) -> None:
    query, as_of = question(case)
    run_report(query, str(case.parent / "mart"), as_of=as_of)


@pytest.mark.parametrize(
    "fields",
    [
        {"group_by": ["date"], "columns": ["payg", "packages", "movement", "balances"], "package": ["p1"]},
        {"group_by": ["month", "client_type"], "columns": ["active", "all", "movement", "balances"]},
        {"group_by": ["year"], "columns": ["packages"], "package": ["p2", "p3"]},
    ],
)
def test_the_kernel_gives_the_cells_of_an_ordinary_mart_in_which_clients_join_with_balances(
    fields: dict[str, Any],
) -> None:
    mart = ordinary_mart()
    opening = ["12.50" if i % 2 else "-7.25" for i in range(len(mart["clients"]))]
    mart["clients"] = mart["clients"].assign(opening_balance=opening)
    pair = mart["clients"].iloc[[0, 0]].assign(client_id=["d1", "d2"], currency="GBP", closed_at="")
    pair = pair.assign(created_at="2025-09-10T00:00:00Z", opening_balance=["3", "-3"])  # together nothing
    mart["clients"] = pd.concat([mart["clients"], pair])
    mart["rates"] = pd.concat([mart["rates"], mart["rates"].iloc[:1].assign(currency="GBP")])
    query = {"interval": {"start": "2025-08-03", "end": "2025-11-09"}, "client_type": "all", **fields}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "PIECE_ROWS", 2**9)
        report = run_report({**query, "active_duration": 1}, mart, as_of="2025-11-20")
    if "balances" in fields["columns"]:
        joined = report.column("Balance Movement: Joined")
        assert any(row.values[joined] for row in report.rows)


@pytest.mark.parametrize("asked_for", [name for name in QUERIES if name != "packages"])
@pytest.mark.parametrize("rows", [7, 2**18])
def test_the_kernel_gives_the_cells_of_what_happens_beside_edges(
    asked_for: str, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "PIECE_ROWS", rows)
    case = beside_edges(asked_for)
    run_report(case.query, frames(case.mart), as_of=case.as_of)


@pytest.mark.parametrize("second", [0, 1])  # only the latter is summed by the kernel
def test_the_first_seconds_of_1970_are_times_like_others(second: int) -> None:
    at = pd.to_datetime([second, second + 1], unit="s", utc=True)
    source = {
        "clients": pd.DataFrame(
            {"client_id": ["a"], "client_type": "client", "currency": "USD", "created_at": "1969-01-01"}
        ),
        "transactions": pd.DataFrame(
            {"transaction_id": ["1", "2"], "client_id": "a", "at": at, "kind": ["usage", "refill"]}
        ).assign(amount=["-2", "5"]),
    }
    query = {"interval": {"start": "1970-01-01", "end": "1970-01-02"}, "group_by": ["date"]}
    report = run_report({**query, "columns": ["active", "refill"]}, source, as_of="1970-01-03")
    assert list(report.table["Clients - Active", "Qty"]) == [1, 1]
    assert list(report.table["Balance Refill", "Total"]) == [5, 0]


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
    grid = Grid(
        np.array([0, 1]),
        np.array([0]),
        (),
        1,
        np.zeros(1, np.int64),
        np.ones(1, np.bool_),
        1,
        None,
        False,
        False,
        0,
    )
    facts = type("", (), {"time": np.zeros(0, np.uint32)})()
    monkeypatch.setattr(fast, "WORTH_ITS_IMPORT", 100)
    monkeypatch.setattr(fast, "_summed", 0)
    monkeypatch.setattr(fast, "_module", lambda: asked_for.append(fast._summed))
    for rows in (40, 40, 40, 1):
        fast.kernel_for(facts, grid, rows)
    assert asked_for == [100, 100]
