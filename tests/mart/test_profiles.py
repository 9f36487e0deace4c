"""What a sample of a column says: numbers, times, keys, and the marks and orders that they are written in."""

from __future__ import annotations

import pytest

from custdyn_widgets.mart.mapping.profiles import Column, date_order, decimal_mark, positive_share


def column(*cells: str | None) -> Column:
    return Column("t", "A Heading-1", cells)


@pytest.mark.parametrize(
    ("cells", "true_of"),
    [
        ((), ""),
        ((None, ""), ""),
        (("word",), "unique"),
        (("a.b", "c,d"), "unique"),
        (("5", "5"), "number"),
        (("5", None), "number"),
        (("5", "-7"), "unique number"),
        (("5", "word"), "unique"),
        (("5", "7.5"), "unique number fractions"),
        (("5", "7,5"), "unique number fractions"),
        (("1 234", "1'234.5"), "unique number fractions"),
        (("12 34", "5"), "unique"),
        (("-", "+"), "unique"),
        ((".", "5"), "unique"),
        ((".5", "−5"), "unique number fractions"),
        (("2021-01-05", "2021-01-06"), "unique time lacks_offset"),
        (("2021-01-05T10:00:00Z", "2021-01-05 10:00+02:00"), "unique time clock_in"),
        (("2021-01-05T10:00:00Z", "2021-01-05 10:00"), "unique time clock_in lacks_offset"),
        (("2021-01-05", "word"), "unique"),
        (("5.1.2021", "31/12/2021 9:05"), "unique time clock_in lacks_offset"),
        (("2021/1/5", "2021.01.05"), "unique time lacks_offset"),
        (("2021-01-05 00:00:00", "2021-01-06"), "unique time clock_in midnight lacks_offset"),
        (("5.1.2021 0:00", "31/12/2021 12:00 AM"), "unique time clock_in midnight lacks_offset"),
        (("2021-01-05 00:00:00", "2021-01-06 00:00:01"), "unique time clock_in lacks_offset"),
        (("10:00", "9:00:59"), "unique clock"),
        (("10:00", "2021-01-05"), "unique"),
    ],
)
def test_what_the_values_are(cells: tuple[str | None, ...], true_of: str) -> None:
    one = column(*cells)
    found = {
        "unique": one.is_unique,
        "number": one.is_number,
        "fractions": one.has_fractions,
        "time": one.is_time,
        "clock": one.is_clock,
        "clock_in": one.has_clock,
        "midnight": one.is_midnight,
        "lacks_offset": one.lacks_offset,
    }
    assert {name for name, is_so in found.items() if is_so} == set(true_of.split())


@pytest.mark.parametrize(
    ("values", "share"),
    [
        ([], 1),
        (["0", "-0.0", "word"], 1),
        (["1", "-2"], 0.5),
        (["−1", "-2", "0"], 0),
        (["1", "2", "3", "-1"], 0.75),
    ],
)
def test_the_share_of_positive_numbers_leaves_zeros_out(values: list[str], share: float) -> None:
    assert positive_share(values) == share


@pytest.mark.parametrize(
    ("values", "mark"),
    [
        ([], None),
        (["5", "1,234"], None),
        (["1.5"], "."),
        (["1,5"], ","),
        (["1,2345"], ","),
        (["1.234,50"], ","),
        (["1,234.50"], "."),
        (["1.234.567"], ","),
        (["1,234,567"], "."),
        (["1,234,567.8"], "."),
        (["1.234,567"], ","),
        (["1,234.567"], "."),
        (["1.5", "1,5"], None),
        (["1.5", "word"], None),
    ],
)
def test_the_only_mark_that_the_numbers_can_have(values: list[str], mark: str | None) -> None:
    assert decimal_mark([column(*values)]) == mark


def test_the_marks_of_all_columns_count_and_those_of_text_do_not() -> None:
    assert decimal_mark([column("1,5", "word"), column("1.5")]) == "."
    assert decimal_mark([column("1,5"), column("1.5")]) is None


@pytest.mark.parametrize(
    ("values", "order"),
    [
        ([], (None, "")),
        (["2021-01-31"], (None, "")),
        (["1/2/2021"], (None, "1/2/2021")),
        (["12/12/2021"], (None, "12/12/2021")),
        (["1/2/2021", "13/2/2021"], ("DMY", "13/2/2021")),
        (["1/2/2021", "2/13/2021"], ("MDY", "2/13/2021")),
        (["2021/1/5"], ("YMD", "2021/1/5")),
        (["13/2/2021", "word"], (None, "")),
    ],
)
def test_the_only_order_that_the_dates_can_have(values: list[str], order: tuple[str | None, str]) -> None:
    assert date_order([column(*values)]) == order
    assert date_order([column("word"), column(*values)]) == order
