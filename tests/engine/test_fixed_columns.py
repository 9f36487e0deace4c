"""Columns in fixed point against Fractions: bounds that hold, values that are right or not certain."""

from __future__ import annotations

from collections import Counter
from datetime import date
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custdyn_widgets.engine.cells.balances import BalanceTables
from custdyn_widgets.engine.cells.compute import Cells
from custdyn_widgets.engine.cells.flows import BALANCE_FLOW_COLUMNS, FLOW_COLUMNS
from custdyn_widgets.engine.cells.movement import MOVEMENT_COLUMNS
from custdyn_widgets.engine.cells.stocks import STOCK_COLUMNS
from custdyn_widgets.engine.cells.table import KEYS, SumTable
from custdyn_widgets.engine.comparison import compare_numbers
from custdyn_widgets.engine.conversion import add_up_rows, to_fixed_columns, to_lines
from custdyn_widgets.engine.fixed_columns import FixedColumn
from custdyn_widgets.engine.fixed_point import Amounts, Factors, add_up
from custdyn_widgets.engine.metrics import ratio
from custdyn_widgets.engine.quotes import Rates
from custdyn_widgets.engine.registry import METRICS
from custdyn_widgets.engine.rounded_columns import Rounded, values_of
from custdyn_widgets.engine.rounding import round_value
from custdyn_widgets.mart.facts.facts import Names
from custdyn_widgets.report.report import Column

MONEY, COUNT = Column("Group", "Money", "money", ""), Column("Group", "Count", "count", "")
NEAR_LIMITS = st.sampled_from([s * (2**k + d) for k in (59, 60, 61, 62) for d in (-1, 0, 1) for s in (1, -1)])
SIZES = st.one_of(st.integers(-(10**15), 10**15), st.integers(-20, 20), NEAR_LIMITS, st.just(-(2**63)))
RATIOS = st.one_of(
    st.sampled_from([(1, 1), (0, 1), (1, 2), (1, 3), (10**6, 1), (2**31, 1), (1, 10**30)]),
    st.tuples(st.integers(0, 10**12), st.integers(1, 10**12)),
)
NUMBERS = st.lists(st.tuples(SIZES, RATIOS), min_size=1, max_size=8)


def column(lines: list[tuple[int, tuple[int, int]]]) -> tuple[FixedColumn, list[Fraction]]:
    """A column with an amount for each line, and the exact amounts."""
    amounts = np.array([amount for amount, _ in lines], np.int64)
    factors, each = Factors.of([ratio for _, ratio in lines]), np.arange(len(lines) + 1)
    exact = [Fraction(amount * top, bottom * 10**6) for amount, (top, bottom) in lines]
    return FixedColumn.of(add_up(amounts, each, factors, each[:-1])), exact


def bounds(found: FixedColumn, i: int) -> tuple[Fraction, Fraction]:
    whole, part, missing = (int(own[i]) for own in vars(found.amounts).values())
    middle = (whole * 2**48 + part) * Fraction(1, 2**48 * 10**6)
    error = missing * Fraction(1, 2**48 * 10**6)
    return middle - error, middle + error


def is_unknown(found: FixedColumn, i: int) -> bool:
    return int(found.amounts.missing[i]) >= 2**47


def assert_encloses(found: FixedColumn, exact: list[Any]) -> None:
    for i, expected in enumerate(exact):
        if expected is None:
            assert found.null[i] or is_unknown(found, i)
        elif not is_unknown(found, i):
            low, high = bounds(found, i)
            assert low <= expected <= high


@given(lines=NUMBERS, others=NUMBERS, counts=st.lists(st.integers(0, 2**41), min_size=8, max_size=8))
def test_every_operation_keeps_the_exact_number_between_its_bounds(
    lines: Any, others: Any, counts: list[int]
) -> None:
    size = min(len(lines), len(others))
    (left, exact_left), (right, exact_right) = column(lines[:size]), column(others[:size])
    by = FixedColumn.of_counts(np.array(counts[:size]))
    pairs = list(zip(exact_left, exact_right, strict=True))
    assert_encloses(left, exact_left)
    assert_encloses(-left, [-own for own in exact_left])
    assert_encloses(left + right, [one + two for one, two in pairs])
    assert_encloses(left - right, [one - two for one, two in pairs])
    assert_encloses(
        (left - right).divided_by(by),
        [(one - two) / n if n else None for (one, two), n in zip(pairs, counts, strict=False)],
    )
    for own in (left, left - right, (left + right).divided_by(by)):
        nonzero, sure = own.amounts.nonzero()
        for i in range(size):
            if not own.null[i] and not is_unknown(own, i):
                low, high = bounds(own, i)
                assert nonzero[i] == (low > 0 or high < 0)
                assert sure[i] == (nonzero[i] or low == high)


@given(lines=NUMBERS, others=NUMBERS)
def test_what_is_sure_is_rounded_as_fractions_are(lines: Any, others: Any) -> None:
    size = min(len(lines), len(others))
    (now, exact_now), (before, exact_before) = column(lines[:size]), column(others[:size])
    change = now - before
    parts = [Rounded.of(now), Rounded.of(before), Rounded.of(change), Rounded.percentages(change, before)]
    values = values_of(parts, [MONEY] * 4)
    for i, (one, two) in enumerate(zip(exact_now, exact_before, strict=True)):
        for part, own, exact in zip(parts, values, compare_numbers(one, two), strict=True):
            if part.sure[i]:
                assert str(own[i]) == str(round_value(exact, MONEY))


def test_ordinary_percentages_are_sure_and_half_of_a_millionth_goes_to_the_even_one() -> None:
    def exactly(millionths: list[int]) -> FixedColumn:
        return FixedColumn.of(Amounts.exactly(np.array(millionths)))

    change = exactly([1, -1, 3, 0, 5, 1_000_000, 10**12])
    before = exactly([2 * 10**8, 2 * 10**8, 2 * 10**8, 7, 0, -3_000_000, 1])
    found = Rounded.percentages(change, before)
    assert found.sure.tolist()[:6] == [True] * 6
    assert found.null.tolist() == [False] * 4 + [True, False, False]
    assert found.millionths.tolist()[:4] == [0, 0, 2, 0]
    assert found.millionths[5] == 33_333_333
    assert not found.sure[6]  # 10**14 percent, which does not fit


def test_equal_amounts_share_a_decimal_and_counts_are_ints() -> None:
    fixed = FixedColumn.of(Amounts.exactly(np.array([1_500_000, -1, 0, 1_500_000])))
    money, counts = Rounded.of(fixed), Rounded.of(FixedColumn.of_counts(np.array([3, 0, 1, 2**40 - 1])))
    (first, second), (number,) = values_of([money, money], [MONEY, MONEY]), values_of([counts], [COUNT])
    assert list(map(str, first)) == ["1.500000", "-0.000001", "0.000000", "1.500000"]
    assert first[0] is first[3] is second[0]
    assert number == [3, 0, 1, 2**40 - 1]
    assert {type(value) for value in number} == {int}


@pytest.mark.parametrize(
    "use",
    [
        lambda c: c * 2,
        lambda c: c + 1,
        lambda c: 1 + c,
        lambda c: c - 0.5,
        lambda c: c / c,
        lambda c: c + Fraction(1),
        lambda c: c + pd.Series([Fraction(1), Fraction(2)]),
        lambda c: np.array([1, 2]) + c,
        lambda c: np.negative(c),
        lambda c: c < c,
        lambda c: c == c,
        lambda c: c != 0,
        bool,
        hash,
        float,
    ],
    ids=[
        *("times", "an int", "an int before", "a float", "divided", "a Fraction", "Fractions"),
        *("an array", "a function of NumPy", "less", "equal", "not 0", "as a bool", "hashed", "as a float"),
    ],
)
def test_a_column_refuses_what_it_cannot_do_exactly(use: Any) -> None:
    with pytest.raises(TypeError):
        use(FixedColumn.of_counts(np.array([1, 2])))


def test_quotients_by_nothing_and_numbers_at_no_place_are_missing() -> None:
    counts = FixedColumn.of_counts(np.array([6, 5, 0]))
    averages = ratio(counts, FixedColumn.of_counts(np.array([2, 0, 4])))
    assert averages.null.tolist() == [False, True, False]
    assert averages.amounts.whole[[0, 2]].tolist() == [3_000_000, 0]
    found = averages.take(np.array([2, -1, 0, 1]))
    assert (found.null.tolist(), found.amounts.whole[[0, 2]].tolist()) == (
        [False, True, False, True],
        [0, 3_000_000],
    )
    assert FixedColumn.nothing(0).take(np.array([-1, -1])).null.tolist() == [True, True]
    assert sum([counts, counts]).amounts.whole.tolist() == [12_000_000, 10_000_000, 0]


# Lines and metrics

NAMES = Names(
    ("EUR", "JPY", "USD"),
    (), (), (), (), {},
    {"EUR": ((0, "0.9231"), (1, "0.9377")), "JPY": ((0, "151.337"),)},
    "USD",
)  # fmt: skip
SMALL = st.integers(0, 50)
MONEY_CELLS = st.one_of(st.integers(-(10**11), 10**11), st.sampled_from([0, 1, -1, 2**59, 2**62, 2**70]))


@st.composite
def tables(draw: st.DrawFn, columns: tuple[str, ...], row_count: int) -> SumTable:
    keys = draw(
        st.lists(
            st.tuples(st.integers(0, row_count - 1), st.sampled_from(range(3)), st.integers(0, 2)),
            max_size=5,
            unique=True,
        )
    )
    lines = [
        (*key, True, *(draw(SMALL if name.endswith("_qty") else MONEY_CELLS) for name in columns))
        for key in sorted(keys)
    ]
    found = {}
    for i, name in enumerate((*KEYS, *columns)):
        values = [line[i] for line in lines]
        small = all(abs(value) < 2**63 for value in values)
        found[name] = np.array(values, np.bool_ if name == "needs_quote" else np.int64 if small else object)
    return SumTable(NAMES.currencies, found)


@st.composite
def drawn_cells(draw: st.DrawFn, row_count: int = 3) -> Cells:
    movement = [[draw(SMALL) for _ in MOVEMENT_COLUMNS] for _ in range(row_count)]
    return Cells(
        flows=draw(tables(FLOW_COLUMNS, row_count)),
        stocks=draw(tables(STOCK_COLUMNS, row_count)),
        balances=BalanceTables(
            *(draw(tables(own, row_count)) for own in (("opening_balance",), BALANCE_FLOW_COLUMNS, ("left",)))
        ),
        movement=np.array(movement),
    )


@settings(max_examples=max(1, settings.default.max_examples // 10))
@given(cells=drawn_cells(), target=st.sampled_from(NAMES.currencies))
def test_built_in_metrics_give_the_same_values_in_fixed_point(cells: Cells, target: str) -> None:
    rates, same_rates = Rates(NAMES, target), Rates(NAMES, target)
    exact_lines = to_lines(cells, rates, 3)
    exact = {name: values for m in METRICS.values() for name, values in m.compute(exact_lines).items()}
    arrays = {str(name): values.to_numpy(object) for name, values in exact_lines.items()}
    found_in_arrays = [m.compute_exact(arrays) for m in METRICS.values()]
    assert {name: values for own in found_in_arrays for name, values in own.items()} == exact
    lines = to_fixed_columns(cells, same_rates, 3)
    assert rates.used() == same_rates.used()
    sure = 0
    for metric in METRICS.values():
        assert metric.takes_fixed
        for about, found in zip(metric.columns, metric.compute_fixed(lines).values(), strict=True):
            part = Rounded.of(found)
            (values,) = values_of([part], [about])
            for value, is_sure, expected in zip(values, part.sure, exact[about.name], strict=True):
                sure += is_sure
                assert not is_sure or str(value) == str(round_value(expected, about))
    assert sure > 0


@settings(max_examples=max(1, settings.default.max_examples // 10))
@given(cells=drawn_cells())
def test_the_sum_of_all_rows_is_exact(cells: Cells) -> None:
    for table in cells.sums:
        total = add_up_rows(table)
        assert set(total["row"]) <= {0}
        for name in total.sums:
            expected = Counter[tuple[int, int]]()
            for currency, day, value in zip(table["currency"], table["value_day"], table[name], strict=True):
                expected[int(currency), int(day)] += int(value)
            found = zip(total["currency"], total["value_day"], total[name], strict=True)
            assert {(int(currency), int(day)): int(value) for currency, day, value in found} == expected


def test_ordinary_rows_are_sure_in_every_column() -> None:
    keys = {
        "row": np.arange(3).repeat(3),
        "currency": np.arange(9) % 3,
        "value_day": np.ones(9, np.int64),
        "needs_quote": np.ones(9, np.bool_),
    }
    flows, stocks = (
        SumTable(
            NAMES.currencies,
            {**keys, **{n: np.full(9, 12 if n.endswith("_qty") else 98_765_432_101_234) for n in columns}},
        )
        for columns in (FLOW_COLUMNS, STOCK_COLUMNS)
    )
    cells = Cells(flows=flows, stocks=stocks)
    lines = to_fixed_columns(cells, Rates(NAMES, "EUR"), 3)
    assert Rates(NAMES, "EUR").factor("USD", date(1970, 1, 2)) == (9377, 10_000)
    for metric in list(METRICS.values())[:6]:
        for found in metric.compute_fixed(lines).values():
            assert Rounded.of(found).sure.all()
