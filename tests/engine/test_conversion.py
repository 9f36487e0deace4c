"""One currency for a report: which one, at which quotes, and exactly."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from custdyn_widgets.engine.cells.compute import Cells
from custdyn_widgets.engine.cells.table import KEYS, SumTable
from custdyn_widgets.engine.conversion import to_lines
from custdyn_widgets.engine.default_currency import target_currency
from custdyn_widgets.engine.quotes import Rates
from custdyn_widgets.errors import QueryError, RateError
from custdyn_widgets.mart.facts.facts import Names
from custdyn_widgets.report.report import Quote


def names(currencies: tuple[str, ...] = (), base: str = "", **quotes: list[tuple[int, str]]) -> Names:
    held = {currency: tuple(given) for currency, given in quotes.items()}
    return Names(currencies, (), (), (), (), {}, held, base)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (names(("EUR",), "USD"), "USD"),
        (names(("EUR",), "EUR", USD=[(0, "2")]), "USD"),
        (names(("USD",)), "USD"),
        (names(("EUR", "GBP"), "GBP"), "GBP"),
        (names(("GBP",), "EUR"), "EUR"),
        (names(("EUR",)), "EUR"),
    ],
    ids=["the base", "quoted", "the clients' only one", "else the base", "base first", "else the only one"],
)
def test_without_a_choice_the_currency_is_the_datas_own(data: Names, expected: str) -> None:
    assert target_currency(data, None) == expected


@pytest.mark.parametrize("currencies", [("EUR", "GBP"), ("EUR", "USD"), ()])
def test_where_none_can_be_chosen_an_error_asks_for_one(currencies: tuple[str, ...]) -> None:
    with pytest.raises(
        QueryError, match="currency is required: the data has no rates, and its currencies are"
    ):
        target_currency(names(currencies), None)


def test_any_iso_currency_may_be_asked_for_and_any_that_the_data_has() -> None:
    assert target_currency(names(("EUR",)), "JPY") == "JPY"
    assert target_currency(names(("XQQ",)), "XQQ") == "XQQ"
    with pytest.raises(QueryError, match="currency: 'EUX' is not an allowed value") as e:
        target_currency(names(("EUR", "USD")), "EUX")
    assert e.value.message.endswith("Choose from: 'EUR'.")
    assert e.value.field == "currency"


RATES = names(("EUR", "RUB"), "USD", EUR=[(0, "0.8"), (10, "0.5")], RUB=[(5, "70")])


def worth(target: str, currency: str, day: int) -> Fraction:
    numerator, denominator = Rates(RATES, target).factor(currency, date.fromordinal(719163 + day))
    return Fraction(numerator, denominator)


@pytest.mark.parametrize(
    ("target", "currency", "day", "expected"),
    [
        ("USD", "EUR", 0, Fraction(10, 8)),
        ("USD", "EUR", 9, Fraction(10, 8)),
        ("USD", "EUR", 10, Fraction(2)),
        ("USD", "EUR", 40_000, Fraction(2)),
        ("EUR", "USD", 10, Fraction(1, 2)),
        ("EUR", "RUB", 5, Fraction(8, 700)),
        ("RUB", "EUR", 12, Fraction(140)),
        ("RUB", "RUB", 0, Fraction(1)),
        ("USD", "USD", -1, Fraction(1)),
    ],
)
def test_an_amount_is_worth_the_latest_quote_on_or_before_its_date(
    target: str, currency: str, day: int, expected: Fraction
) -> None:
    assert worth(target, currency, day) == expected


@pytest.mark.parametrize(("target", "currency"), [("USD", "RUB"), ("RUB", "USD"), ("EUR", "RUB")])
def test_a_missing_quote_names_currency_and_date(target: str, currency: str) -> None:
    with pytest.raises(RateError, match=f"no quote for RUB on or before 1970-01-05.* report in {target}"):
        worth(target, currency, 4)


def test_a_quote_of_any_length_is_exact() -> None:
    long = "0." + "0" * 5000 + "1"
    rates = Rates(names(("EUR",), "USD", EUR=[(0, long)]), "USD")
    numerator, denominator = rates.factor("EUR", date(1970, 1, 1))
    assert Fraction(numerator, denominator) == 1 / Fraction(Decimal(long))


def test_only_quotes_that_were_used_are_kept() -> None:
    rates = Rates(RATES, "USD")
    rates.factor("USD", date(1970, 1, 1))
    assert rates.used() == ()
    rates.factor("EUR", date(1970, 1, 20))
    rates.factor("EUR", date(1970, 1, 21))
    assert rates.used() == (Quote("EUR", "1970-01-11", "0.5", "USD"),)


def table(lines: list[tuple[Any, ...]], *columns: str) -> SumTable:
    """A table of lines whose second value is the name of a currency."""
    held = dict(zip((*KEYS, *columns), zip(*lines, strict=True), strict=True))
    currencies = tuple(sorted(set(held["currency"])))
    codes = [currencies.index(name) for name in held["currency"]]
    own = {**held, "currency": codes, **{name: np.array(held[name], object) for name in columns}}
    return SumTable(currencies, {name: np.asarray(values) for name, values in own.items()})


def values_of(cells: Cells) -> list[dict[str, list[Any]]]:
    return [{name: values.tolist() for name, values in own.columns.items()} for own in cells.sums]


def test_lines_add_up_rows_in_exact_fractions() -> None:
    day, huge = 0, 3 * 2**62
    usage = [(1, "EUR", day, True, huge), (1, "USD", day, True, 1), (0, "USD", day, True, -1)]
    cells = Cells(
        flows=table(usage, "usage"),
        stocks=table([(0, "EUR", day, False, 7, 0)], "all_qty", "all_pos"),
    )
    before = values_of(cells)
    lines = to_lines(cells, Rates(RATES, "USD"), 3)
    assert lines["usage"].tolist() == [
        Fraction(-1, 10**6),
        Fraction(huge * 10, 8 * 10**6) + Fraction(1, 10**6),
        Fraction(0),
    ]
    assert lines["all_qty"].tolist() == [7, 0, 0]
    assert {type(value) for value in lines["usage"]} == {Fraction}
    assert {type(value) for value in lines["all_qty"]} == {int}
    assert values_of(cells) == before


def test_an_amount_of_zero_needs_no_quote() -> None:
    early = 0
    cells = Cells(
        flows=table([(0, "RUB", early, False, 0)], "usage"),
        stocks=table([(0, "RUB", early, False, 2, 0)], "all_qty", "all_pos"),
    )
    lines = to_lines(cells, Rates(RATES, "USD"), 1)
    assert lines["all_qty"].tolist() == [2]
    assert lines["usage"].tolist() == [0]
