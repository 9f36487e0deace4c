"""The metrics by themselves: pandas functions over lines, exact, and an analyst's own among them."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from custdyn_widgets.engine.compute import report_lines, run_report
from custdyn_widgets.engine.metrics import balance_refill
from custdyn_widgets.engine.registry import METRICS, Metric, chosen_metrics, metric, ratio
from custdyn_widgets.errors import CustDynError
from custdyn_widgets.query.query import ReportQuery

QUANTITIES = [
    "active_qty", "overall_qty", "all_qty", "refill_qty", "activation_qty", "renewal_qty", "opening_qty",
    "new_qty", "reactivated_qty", "lapsed_qty", "closed_qty", "first_use_qty",
]  # fmt: skip
AMOUNTS = [
    *(f"{level}_{sign}" for level in ("active", "overall", "all") for sign in ("pos", "neg")),
    "refill", "usage", "activation", "renewal", "opening_balance", "joined", "all_refills", "all_usage",
    "all_fees", "other", "left",
]  # fmt: skip


def _computed(lines: pd.DataFrame) -> dict[str, list[int | Fraction | None]]:
    return {name: values for m in chosen_metrics() for name, values in m.compute(lines).items()}


@pytest.fixture
def lines() -> pd.DataFrame:
    """Two lines, the second of nothing, on an index that is not 0, 1."""
    columns: dict[str, list[Any]] = {name: [3, 0] for name in QUANTITIES}
    for i, name in enumerate(AMOUNTS, start=1):
        columns[name] = [Fraction(-i, 3) if not name.endswith("pos") else Fraction(i, 7), Fraction(0)]
    return pd.DataFrame(columns, index=pd.Index([5, 9], name="line"), dtype=object)


@pytest.fixture
def registry() -> Iterator[dict[str, Metric]]:
    """Put back the metrics as they were."""
    before = dict(METRICS)
    yield METRICS
    METRICS.clear()
    METRICS.update(before)


@pytest.mark.parametrize("group", METRICS)
def test_a_metric_returns_its_columns_on_the_index_and_leaves_its_lines_alone(
    group: str, lines: pd.DataFrame
) -> None:
    before = lines.copy(deep=True)
    result = METRICS[group].function(lines)
    assert isinstance(result, pd.DataFrame)
    assert result.index.equals(lines.index)
    assert list(result.columns) == [column.label for column in METRICS[group].columns]
    pd.testing.assert_frame_equal(lines, before)


@pytest.mark.parametrize("group", METRICS)
def test_every_column_says_what_it_is(group: str) -> None:
    for column in METRICS[group].columns:
        assert column.group == group
        assert column.unit in ("count", "money", "rate")
        assert column.definition.endswith(".")


def test_the_metrics_are_what_the_specification_says(lines: pd.DataFrame) -> None:
    exact = _computed(lines)
    first = {name: values[0] for name, values in exact.items()}
    row = lines.iloc[0]
    for level, label in (("active", "Active"), ("overall", "Overall Active"), ("all", "All")):
        assert first[f"Clients - {label}: Qty"] == 3
        pos, neg = first[f"Clients - {label}: Balance Pos"], first[f"Clients - {label}: Balance Neg"]
        assert (pos, neg) == (row[f"{level}_pos"], row[f"{level}_neg"])
        assert first[f"Clients - {label}: Balance"] == pos + neg
    assert first["Balance Refill: Avg"] == row["refill"] / 3
    assert first["Pay As You Go: Total"] == -row["usage"]
    assert first["Pay As You Go: Active Avg"] == -row["usage"] / 3
    assert first["Packages: Activation Total"] == -row["activation"]
    assert first["Packages: Renew Total"] == -row["renewal"]
    assert {type(value) for value in first.values()} == {int, Fraction}


def test_an_average_over_nothing_is_none_and_all_else_zero(lines: pd.DataFrame) -> None:
    nothing = {name: values[1] for name, values in _computed(lines).items()}
    averages = {"Balance Refill: Avg", "Pay As You Go: Active Avg"}
    assert {name for name, value in nothing.items() if value is None} == averages
    assert all(value == 0 for name, value in nothing.items() if name not in averages)


def test_a_ratio_is_exact_and_none_over_nothing() -> None:
    index = pd.Index(["a", "b"])
    result = ratio(pd.Series([1, 1], index), pd.Series([3, 0], index))
    assert result.to_dict() == {"a": Fraction(1, 3), "b": None}


@pytest.mark.parametrize(
    ("unit", "value"),
    [
        ("money", 0.5),
        ("money", np.float64(1)),
        ("money", float("nan")),
        ("money", Decimal("NaN")),
        ("money", Decimal("Infinity")),
        ("money", "1"),
        ("money", True),
        ("money", pd.NA),
        ("count", 1.0),
        ("count", Fraction(1)),
        ("count", Decimal(1)),
        ("count", "\ud800" * 1000),
    ],
)
def test_what_is_not_exact_is_refused(
    unit: Any, value: object, lines: pd.DataFrame, registry: dict[str, Metric]
) -> None:
    metric("Own", [("X", unit, "X.")])(
        lambda lines: pd.DataFrame({"X": pd.Series([value] * 2, lines.index, dtype=object)})
    )
    with pytest.raises(CustDynError, match="The metric 'Own: X' returned") as caught:
        registry["Own"].compute(lines)
    assert len(caught.value.message) < 200


@pytest.mark.parametrize("value", [None, 2, Fraction(1, 3), Decimal("0.1"), 10**40])
def test_what_is_exact_is_taken(value: object, lines: pd.DataFrame, registry: dict[str, Metric]) -> None:
    metric("Own", [("X", "money", "X.")])(
        lambda lines: pd.DataFrame({"X": pd.Series([value] * 2, lines.index, dtype=object)})
    )
    assert registry["Own"].compute(lines)["Own: X"] == [value, value]


@pytest.mark.parametrize(
    "answer",
    [
        lambda lines: lines["refill"],
        lambda _: None,
        lambda _: {"X": [1, 1]},
        lambda lines: pd.DataFrame({"Y": lines["refill"]}),
        lambda lines: pd.DataFrame({"X": lines["refill"], "Y": lines["refill"]}),
        lambda lines: pd.DataFrame({"X": lines["refill"]}).reset_index(drop=True),
        lambda lines: pd.DataFrame({"X": lines["refill"]}).iloc[:1],
        lambda lines: pd.DataFrame({"X": lines["refill"]}).iloc[::-1],
    ],
    ids=["Series", "None", "dict", "other", "more", "other index", "fewer rows", "other order"],
)
def test_a_metric_that_returns_anything_else_is_an_error(
    answer: Any, lines: pd.DataFrame, registry: dict[str, Metric]
) -> None:
    metric("Own", [("X", "money", "X.")])(answer)
    with pytest.raises(CustDynError, match="The metric 'Own' must return") as caught:
        registry["Own"].compute(lines)
    assert caught.value.field == "Own"


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda lines: lines["refil"], "no column 'refil'. Choose from refill"),
        (lambda lines: lines["zzz"], "no column 'zzz'. Choose from active_qty, overall_qty"),
        (lambda _: {"a": 1}["b"], "no column 'b'"),
        (lambda _: {}[1], "failed: it raised KeyError"),
        (lambda _: int("hunter2"), "failed: it raised ValueError"),
    ],
)
def test_a_metric_that_fails_says_which_and_not_what_is_in_its_data(
    function: Any, words: str, lines: pd.DataFrame, registry: dict[str, Metric]
) -> None:
    metric("Own", [("X", "money", "X.")])(function)
    with pytest.raises(CustDynError, match="The metric 'Own' failed") as caught:
        registry["Own"].compute(lines)
    assert words in caught.value.message
    assert "hunter2" not in caught.value.message
    assert caught.value.__cause__ is not None


def test_a_metric_that_writes_into_its_lines_disturbs_no_other(
    lines: pd.DataFrame, registry: dict[str, Metric]
) -> None:
    @metric("Rude", [("X", "count", "X.")])
    def rude(lines: pd.DataFrame) -> pd.DataFrame:
        lines["all_qty"] = 0
        return pd.DataFrame({"X": lines["all_qty"]})

    registry.update({"Clients - All": registry.pop("Clients - All")})  # now it comes after the rude one
    assert _computed(lines)["Clients - All: Qty"] == [3, 0]


@pytest.mark.parametrize("columns", [[("X", "count", "."), ("X", "money", ".")], [("X", "percent", ".")], []])
def test_a_metric_of_wrong_columns_cannot_be_registered(columns: Any, registry: dict[str, Metric]) -> None:
    with pytest.raises(CustDynError, match="The metric 'Own'"):
        metric("Own", columns)
    assert "Own" not in registry


def test_two_groups_cannot_give_one_name_to_two_columns(registry: dict[str, Metric]) -> None:
    metric("A: B", [("C", "count", "C.")])
    metric("A: B", [("C", "count", "C.")])(lambda lines: lines)
    with pytest.raises(CustDynError, match="two columns with the same name"):
        metric("A", [("B: C", "count", "C.")])
    metric("A: B", [("C", "count", "Another one.")])  # the same group again is replaced


def test_an_own_metric_stands_in_reports_until_it_is_removed(registry: dict[str, Metric]) -> None:
    clients = pd.DataFrame(
        {"client_id": ["a", "b"], "client_type": "client", "currency": "USD", "created_at": "2021-01-01"}
    )
    ledger = pd.DataFrame(
        {"transaction_id": ["1"], "client_id": "a", "at": "2021-01-05", "kind": "refill", "amount": "1"}
    )
    query = ReportQuery.from_dict({"interval": {"start": "2021-01-01", "end": "2021-02-28"}})
    source = {"clients": clients, "transactions": ledger}
    plain = run_report(query, source, as_of="2022-01-01")

    @metric("Refill Habits", [("Per Client", "money", "Refills divided by clients that are there.")])
    def refill_habits(lines: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"Per Client": ratio(lines["refill"], lines["all_qty"])})

    report = run_report(query, source, as_of="2022-01-01")
    assert report.columns[:-1] == plain.columns
    assert report.columns[-1].name == "Refill Habits: Per Client"
    assert [row.values[-1] for row in report.shown_rows()] == [Decimal("0.5"), 0, Decimal("0.5")]
    assert report.table["Refill Habits", "Per Client"].tolist() == [Decimal("0.5"), 0]

    del registry["Refill Habits"]
    assert run_report(query, source, as_of="2022-01-01").columns == plain.columns


@pytest.mark.usefixtures("registry")
def test_an_own_metric_has_nothing_to_be_compared_with_before_a_day_that_clocks_skipped() -> None:
    metric("Own", [("X", "money", "X.")])(lambda lines: pd.DataFrame({"X": lines["all_qty"] * 2}))
    client = {"client_id": ["a"], "client_type": "client", "currency": "USD", "created_at": "2011-01-01"}
    ledger = {"transaction_id": ["1"], "client_id": "a", "at": "2011-01-05", "kind": "refill", "amount": "1"}
    query = {
        "interval": {"start": "2011-12-31", "end": "2011-12-31"},
        "timezone": "Pacific/Apia",  # 30 December 2011 was skipped
        "compare": "previous_day",
        "group_by": ["date"],
    }
    source = {"clients": pd.DataFrame(client), "transactions": pd.DataFrame(ledger)}
    report = run_report(query, source, as_of="2012-02-01")
    assert report.columns[-4].name == "Own: X"
    assert [row.values[-4:] for row in report.shown_rows()] == [(2, None, None, None)] * 2


@pytest.mark.parametrize("group_by", [[], ["month"], ["package"], ["month", "package"]])
def test_a_metric_is_of_use_by_itself_on_the_lines_of_a_query(group_by: list[str]) -> None:
    query = {"interval": {"start": "2021-01-01", "end": "2021-12-31"}, "group_by": group_by}
    mart = Path(__file__).parents[1] / "golden" / "small" / "mart"
    lines = report_lines(query, mart, as_of="2022-01-01")
    report = run_report(query, mart, as_of="2022-01-01")
    refills = balance_refill(lines)
    assert list(refills.index.names) == (list(report.headings) or [None])
    for row in report.rows:
        line = (
            refills.loc[row.labels if len(row.labels) > 1 else row.labels[0]]
            if row.labels
            else refills.iloc[0]
        )
        assert line["Qty"] == row.values[report.column("Balance Refill: Qty")]


def test_a_query_without_rows_has_no_lines_but_their_columns() -> None:
    mart = Path(__file__).parents[1] / "golden" / "small" / "mart"
    lines = report_lines({"interval": "today"}, mart, as_of="2000-01-01")
    assert lines.empty
    assert list(lines) == list(report_lines({"interval": "last_month"}, mart, as_of="2021-05-05"))
    assert {"active_qty", "refill", "all_neg"} <= set(lines.columns)
