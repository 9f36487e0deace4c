from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal

import pytest

from custdyn_widgets.report.formatting import (
    format_duration,
    format_instant,
    format_value,
    info_rows,
    number_html,
)
from custdyn_widgets.report.report import Column, Quote
from tests.make_report import INFO, make_report

QTY = Column("Packages", "Renew Qty", "count", "")
TOTAL = Column("Packages", "Renew Total", "money", "")


@pytest.mark.parametrize(
    ("value", "currency", "text"),
    [
        ("1234567.895000", "USD", "1,234,567.90"),
        ("0.125000", "USD", "0.13"),
        ("0.005000", "USD", "0.01"),
        ("-0.005000", "USD", "-0.01"),
        ("0.004999", "USD", "0.00"),
        ("0.135000", "USD", "0.14"),
        ("-1234.500000", "USD", "-1,234.50"),
        ("-0.001000", "USD", "0.00"),
        ("1234.500000", "JPY", "1,235"),
        ("1.234500", "KWD", "1.235"),
        ("123456789012345678901234567890.123456", "EUR", "123,456,789,012,345,678,901,234,567,890.12"),
        ("1.000000", "XYZ", "1.00"),
    ],
)
def test_amounts_are_grouped_and_shown_with_the_currencys_own_digits(value, currency, text):
    assert format_value(Decimal(value), TOTAL, currency) == text


@pytest.mark.parametrize("value", ["-0.500000", "-1234567.890000", "7.000000", "123456.000000"])
def test_what_is_copied_of_a_number_is_a_number_in_any_spreadsheet(value):
    html = number_html(format_value(Decimal(value), TOTAL, "USD"))
    copied = re.sub(r"<[^>]*>", "", html)
    assert Decimal(copied) == Decimal(value)
    assert html.count("<span>") == format_value(Decimal(value), TOTAL, "USD").count(",")


def test_counts_are_grouped_and_nothing_is_a_dash():
    assert format_value(1234567, QTY, "USD") == "1,234,567"
    assert format_value(0, QTY, "USD") == "0"
    assert format_value(None, TOTAL, "USD") == "–"


def test_instants_are_told_on_the_clock_of_the_report_with_their_offset():
    assert format_instant("2022-12-16T08:30:00Z", "UTC") == "2022-12-16 08:30:00 UTC"
    assert format_instant("2022-12-16T08:30:00Z", "Asia/Kolkata") == "2022-12-16 14:00:00 +05:30"
    assert format_instant("2022-12-16T08:30:00Z", "America/New_York") == "2022-12-16 03:30:00 −05:00"
    assert format_instant("9999-12-31T23:59:59Z", "Asia/Tokyo") == "9999-12-31 23:59:59 UTC"


def test_a_duration_is_told_in_the_unit_that_fits():
    assert [format_duration(ms) for ms in (7, 4_260, 185_000)] == ["7 ms", "4.2 s", "3 min 5 s"]


def test_info_tells_every_item_and_each_warning_on_its_own():
    rows = info_rows(make_report())
    told = dict(rows)
    assert told["Data Interval"] == "2021-01-01 00:00:00 to 2022-12-31 23:59:59 (UTC)"
    assert told["Actual Interval"] == "2021-01-03 10:00:00 UTC to 2022-12-15 21:10:02 UTC"
    assert told["Transactions read"] == "123,456"
    assert told["Quotes used"] == "EUR per USD: 0.82 as of 2021-01-01"
    assert [text for label, text in rows if label == "Warning"] == [*INFO.warnings]


def test_info_says_what_is_not_known_and_sums_up_many_quotes():
    quotes = tuple(Quote("EUR", f"2021-01-{day:02}", "0.8", "USD") for day in range(1, 11))
    info = replace(INFO, actual_start=None, actual_end=None, data_as_of=None, quotes=quotes)
    told = dict(info_rows(make_report(info=info)))
    assert told["Actual Interval"] == "no transactions in this interval"
    assert told["Data as of"] == "unknown (data in memory)"
    assert told["Quotes used"] == "EUR per USD: 10 quotes from 2021-01-01 to 2021-01-10"
