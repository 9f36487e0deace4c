"""Amounts and times in each form are read exactly, to the last value that the form can have."""

from __future__ import annotations

import functools
from typing import Any

import duckdb
import pytest

from custdyn_widgets.errors import SourceError
from custdyn_widgets.mart.dialect import NO_DIALECT
from custdyn_widgets.mart.mapping.forms import amount_form, plain_amount, time_form, two_digit_years
from custdyn_widgets.mart.mapping.macros import macros
from custdyn_widgets.mart.mapping.sql_file import whole_number
from custdyn_widgets.mart.mapping.sql_text import Syntax


@functools.cache
def connection() -> duckdb.DuckDBPyConnection:
    found = duckdb.connect()
    found.execute("SET TimeZone = 'UTC'")
    for statement in macros(NO_DIALECT):
        found.execute(statement)
    return found


def read(sql: str, value: str) -> Any:
    """Return what DuckDB reads from a value with a form's SQL."""
    rows = f"(SELECT '{value}' AS v)"
    [(found,)] = connection().sql(f"SELECT CAST({sql.replace('{}', 'v')} AS VARCHAR) FROM {rows}").fetchall()
    return found


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ("5", ("5", "", "")),
        ("$5", ("5", "$", "")),
        ("5 EUR", ("5", "EUR", "")),
        ("EUR -5", ("-5", "EUR", "")),
        ("−5 €", ("-5", "€", "")),
        ("5 zł", ("5", "zł", "")),
        ("5- kr", None),
        ("5 CR", ("5", "", "CR")),
        ("5 dr", ("-5", "", "DR")),
        ("$5 DR", ("-5", "$", "DR")),
        ("($5)", ("-5", "$", "")),
        ("+5", ("5", "", "")),
        ("-5 DR", None),
        ("+5 CR", None),
        ("(5) DR", None),
        ("(-5)", None),
        ("5)", None),
        ("+-5", None),
        ("$5$", None),
        ("5 XYZ", None),
        ("5 eur", None),
        ("$", None),
    ],
)
def test_an_amount_has_a_number_a_mark_and_a_side(value: str, parts: tuple[str, str, str] | None) -> None:
    assert plain_amount(value) == parts


@pytest.mark.parametrize(
    ("values", "numbers", "why"),
    [
        (["5", "-7.25"], ["5", "-7.25"], ""),
        (["$5", "7"], ["5", "7"], "'$' is removed; it must be the clients' currency"),
        (["5 CR", "7.5 DR", "8dr", "9"], ["5", "-7.5", "-8", "9"], "DR is negative"),
        (
            ["$5 CR", "$7 DR"],
            ["5", "-7"],
            "DR is negative; '$' is removed; it must be the clients' currency",
        ),
    ],
)
def test_amounts_in_a_form_are_these_numbers(values: list[str], numbers: list[str], why: str) -> None:
    form = amount_form([parts for value in values if (parts := plain_amount(value))])
    assert form is not None
    assert form.why == why
    assert [float(read(form.sql, value)) for value in values] == [float(number) for number in numbers]


def test_amounts_in_two_currencies_have_no_form() -> None:
    assert amount_form([("5", "$", ""), ("5", "€", "")]) is None


@pytest.mark.parametrize(
    ("value", "time", "has_clock"),
    [
        ("05-JAN-26", "2026-01-05 00:00:00", False),
        ("5-Jan-2026", "2026-01-05 00:00:00", False),
        ("5 Jan 2026 9:05", "2026-01-05 09:05:00", True),
        ("05-JAN-26 21:05:06", "2026-01-05 21:05:06", True),
        ("05-JAN-26 21.05.06", "2026-01-05 21:05:06", True),
        ("05-JAN-26 09.05 PM", "2026-01-05 21:05:00", True),
        ("05-JAN-26 09.05.06.5 PM", "2026-01-05 21:05:06.5", True),
        ("05-JAN-26 09:05:06.123456", "2026-01-05 09:05:06.123456", True),
        ("05-JAN-26 09:05:06.1234567", "2026-01-05 09:05:06.1234567", True),
        ("05-JAN-26 09.05.06.123456000 AM", "2026-01-05 09:05:06.123456", True),
        ("20260105", "2026-01-05 00:00:00", False),
        ("20260105093010", "2026-01-05 09:30:10", True),
        ("946684800", "2000-01-01 00:00:00+00", True),
        ("946684800000", "2000-01-01 00:00:00+00", True),
        ("946684800000001", "2000-01-01 00:00:00.000001+00", True),
        ("2208988799.0", "2039-12-31 23:59:59+00", True),
    ],
)
def test_a_time_is_read_exactly(value: str, time: str, has_clock: bool) -> None:
    form = time_form([value])
    assert form is not None
    assert (read(form.sql, value), form.has_clock) == (time, has_clock)
    assert form.has_offset is time.endswith("+00")


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (["05-JAN-26"], "two-digit years are read as 1969 to 2068"),
        (["05-JAN-2026"], "month names are in English"),
        (["20260105"], "times written as digits"),
        (["44561.5"], "Excel's day numbers, counted from 1899-12-30"),
        (["946684800"], "seconds since 1970"),
        (["946684800", "0"], "seconds since 1970; 0 means no time"),
        (["946684800000"], "milliseconds since 1970"),
        (["946684800000000"], "microseconds since 1970"),
    ],
)
def test_a_form_says_how_times_are_read(values: list[str], why: str) -> None:
    form = time_form(values)
    assert form is not None
    assert form.why == why


def test_times_of_several_formats_are_all_read() -> None:
    form = time_form(["05-JAN-26", "06-JAN-26 10:00"])
    assert form is not None
    assert form.has_clock
    assert read(form.sql, "05-JAN-26") == "2026-01-05 00:00:00"
    assert read(form.sql, "06-JAN-26 10:00") == "2026-01-06 10:00:00"


@pytest.mark.parametrize(
    "values", [["946684799"], ["2208988800"], ["946684799999"], ["20260105", "20260105093000"], ["0", "0.0"]]
)
def test_numbers_beyond_recent_times_are_no_times(values: list[str]) -> None:
    assert time_form(values) is None


@pytest.mark.parametrize(("value", "has_clock"), [("44561", False), ("44561.25", True)])
def test_day_numbers_stay_text_and_have_a_time_if_they_are_fractions(value: str, has_clock: bool) -> None:
    form = time_form([value])
    assert form is not None
    assert (form.has_clock, form.family, read(form.sql, value)) == (has_clock, "text", value)


@pytest.mark.parametrize(
    ("dialect", "family"), [("duckdb", "instant"), ("postgresql", "instant"), ("mysql", "text")]
)
def test_seconds_are_instants_except_in_mysql(dialect: Any, family: str) -> None:
    form = time_form(["946684800"], Syntax(dialect))
    assert form is not None
    assert form.family == family


@pytest.mark.parametrize(
    "values", [["01/02/26"], ["31/01/26", "30/01/26"], ["01/02/68"], ["31.01.26 10:00", "1.1.26"]]
)
def test_years_of_two_digits_become_those_of_this_century(values: list[str]) -> None:
    form = two_digit_years(values)
    assert form is not None
    for value in values:
        day, _, clock = value.partition(" ")
        expected = f"{day[:-2]}20{day[-2:]}" + (f" {clock}" if clock else "")
        assert read(form.sql, value) == expected


def test_a_year_that_varies_more_than_the_day_may_be_first() -> None:
    assert two_digit_years(["1/1/26", "1/1/27"]) is None


@pytest.mark.parametrize(
    ("value", "number"),
    [(None, 0), (0, 0), (12, 12), ("3.0", 3), (b"7", 7), ("1234567890123456789", 1234567890123456789)],
)
def test_a_count_is_a_whole_number(value: object, number: int) -> None:
    assert whole_number(value) == number


@pytest.mark.parametrize("value", ["1.5", "x", b"\xff", "Infinity", "NaN"])
def test_a_count_that_is_no_whole_number_is_an_error(value: object) -> None:
    with pytest.raises(SourceError, match=r"the SELECT returns .*, not a whole number; use count\(\*\)"):
        whole_number(value)
