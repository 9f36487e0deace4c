"""How stored values become exact arrays."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from custdyn_widgets.mart import columns
from custdyn_widgets.mart.checking import amounts, epochs, fault_kinds, values


def _amounts(items: list[object], kind: pa.DataType | None = None) -> tuple[list[int], dict[int, str]]:
    return _amounts_of(pa.array(items, kind))


def _amounts_of(column: pa.Array) -> tuple[list[int], dict[int, str]]:
    read, faults = amounts.amounts(column, columns.blanks(column))
    return read.tolist(), faults


def _times(column: pa.Array) -> tuple[list[int], dict[int, str]]:
    read, faults = values.times(column, columns.blanks(column))
    return read.tolist(), faults


@pytest.mark.parametrize(
    ("text", "millionths"),
    [
        ("1", 1_000_000),
        ("+1.5", 1_500_000),
        ("-0.000001", -1),
        ("1.", 1_000_000),
        (".5", 500_000),
        ("1.0000000", 1_000_000),
        ("-0", 0),
        ("9223372036854.775807", 2**63 - 1),
        ("-9223372036854.775808", -(2**63)),
    ],
)
def test_a_plain_decimal_is_read_exactly(text: str, millionths: int) -> None:
    assert _amounts([text]) == ([millionths], {})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1e5", fault_kinds.EXPONENT),
        ("-1E-3", fault_kinds.EXPONENT),
        ("1.0000001", fault_kinds.TOO_PRECISE),
        ("9223372036854.775808", fault_kinds.TOO_LARGE),
        ("1" * 60, fault_kinds.TOO_LARGE),
        ("nan", fault_kinds.NOT_A_NUMBER),
        ("-Infinity", fault_kinds.NOT_A_NUMBER),
        (" 1", fault_kinds.NOT_AN_AMOUNT),
        ("1,5", fault_kinds.NOT_AN_AMOUNT),
        ("1_000", fault_kinds.NOT_AN_AMOUNT),
        ("٣", fault_kinds.NOT_AN_AMOUNT),
        ("-", fault_kinds.NOT_AN_AMOUNT),
        (".", fault_kinds.NOT_AN_AMOUNT),
    ],
)
def test_an_unreadable_amount_is_a_fault_and_its_neighbours_are_read(text: str, why: str) -> None:
    assert _amounts(["1.25", text, "-2"]) == ([1_250_000, 0, -2_000_000], {1: why})


def test_a_blank_amount_is_not_a_fault_and_reads_as_zero() -> None:
    column = pa.array(["1", "", None, "  "])
    blank = columns.blanks(column)
    assert blank.tolist() == [False, True, True, True]
    assert amounts.amounts(column, blank)[0].tolist() == [1_000_000, 0, 0, 0]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_blank_cells_in_the_middle_of_a_file_do_not_disturb_their_neighbours(kind: pa.DataType) -> None:
    """PyArrow 23 replaced blanks in a slice with parts of its neighbours."""
    column = pa.array(["2021-02-01T10:00:00Z", "2021-02-02T10:00:00Z", "", "2021-02-04"], kind).slice(1)
    second = 10**6
    assert _times(column) == ([1_612_260_000 * second, 0, 1_612_396_800 * second], {})
    column = pa.array(["1.25", "2.5", "", "-3"], kind).slice(1)
    assert _amounts_of(column) == ([2_500_000, 0, -3_000_000], {})


def test_integers_and_decimals_of_any_scale_are_amounts() -> None:
    assert _amounts([3, -4]) == ([3_000_000, -4_000_000], {})
    assert _amounts([2**64 - 1], pa.uint64()) == ([0], {0: fault_kinds.TOO_LARGE})
    assert _amounts([Decimal("1.5"), Decimal("2")]) == ([1_500_000, 2_000_000], {})
    assert _amounts([Decimal("0.0000001")])[1] == {0: fault_kinds.TOO_PRECISE}


@given(st.integers(-(10**17), 10**17))
@example(4_294_967_296_000_007)  # just above 2**32, where a product of doubles is rounded twice
def test_a_float_is_read_as_the_decimal_it_is_nearest_to(millionths: int) -> None:
    amount = float(Decimal(millionths).scaleb(-6))
    read, faults = _amounts([amount], pa.float64())
    assert not faults
    # Where several decimals share a double, the shortest is meant; it must at least read back as the double.
    assert float(Decimal(read[0]).scaleb(-6)) == amount
    if abs(amount) < 2**33:  # below, no two of them do
        assert read == [millionths]


def test_a_float_that_is_no_decimal_of_six_places_is_a_fault() -> None:
    read, faults = _amounts([0.1, 1 / 3, float("inf"), 1e300], pa.float64())
    assert read[0] == 100_000
    assert faults == {1: fault_kinds.TOO_PRECISE, 2: fault_kinds.NOT_A_NUMBER, 3: fault_kinds.TOO_LARGE}


def test_times_with_and_without_an_offset_may_share_a_column() -> None:
    read, faults = _times(
        pa.array(["2021-10-31T23:30:00Z", "2021-10-31 23:30:00", "2021-11-01T05:00:00+05:30", "2021-10-31"])
    )
    half_past = int(datetime(2021, 10, 31, 23, 30, tzinfo=UTC).timestamp()) * values.MICROS
    midnight = int(datetime(2021, 10, 31, tzinfo=UTC).timestamp()) * values.MICROS
    assert (read, faults) == ([half_past, half_past, half_past, midnight], {})


@pytest.mark.parametrize("text", ["2021-11-01T10:00", "20211101T1000Z", "2021-W44-1 10:00:00,0+00:00"])
def test_a_time_may_be_in_any_form_of_iso_8601(text: str) -> None:
    at = datetime(2021, 11, 1, 10, tzinfo=UTC)
    assert _times(pa.array([text])) == ([int(at.timestamp()) * values.MICROS], {})


def test_times_are_truncated_to_microseconds() -> None:
    read, _ = _times(pa.array(["1969-12-31T23:59:59.9999999Z"]))
    assert read == [-1]
    assert _times(pa.array([-1], pa.timestamp("ns")))[0] == [-1]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_a_timestamp_of_any_unit_and_zone_is_its_instant(unit: str) -> None:
    at = datetime(2021, 7, 1, 12, tzinfo=ZoneInfo("America/New_York"))
    column = pa.array([at], pa.timestamp(unit, "America/New_York"))
    assert _times(column)[0] == [int(at.timestamp()) * values.MICROS]


@pytest.mark.parametrize(
    "text",
    [
        "2021-02-30",
        "yesterday",
        "2021-13-01",
        "12:00",
        "2021-01-01T25:00",
        "2021-01-01-10",  # ten o'clock, or an offset?
        "2021-01-01x10:00",
        "2021-01-01_10:00:00Z",
        "2021-01-0110:00",
        "2021-01-01\u00a010:00",
    ],
)
def test_an_invalid_time_is_a_fault(text: str) -> None:
    assert _times(pa.array([text, "2021-01-01"]))[1] == {0: fault_kinds.NOT_A_TIME}


def test_dates_are_days_since_1970() -> None:
    column = pa.array(["1970-01-02", "nonsense"])
    days, faults = values.dates(column, columns.blanks(column))
    assert days.tolist() == [1, 0]
    assert list(faults) == [1]
    own = pa.array([date(1970, 1, 3)])
    assert values.dates(own, columns.blanks(own))[0].tolist() == [2]


def test_quotes_are_exact_and_above_zero() -> None:
    column = pa.array(["0.82", "0", "-1", "1e3", "NaN"])
    quotes, faults = amounts.positives(column, columns.blanks(column))
    assert quotes[0] == Decimal("0.82")
    assert sorted(faults) == [1, 2, 3, 4]
    floats = pa.array([0.1])
    assert amounts.positives(floats, columns.blanks(floats))[0] == [Decimal("0.1")]


def test_whole_numbers_are_read_as_text_even_as_floats() -> None:
    assert columns.as_text(pa.array([7, None])).to_pylist() == ["7", None]
    gaps = pa.array(pd.Series([10, None, 12]), from_pandas=True)
    assert columns.as_text(gaps).to_pylist() == ["10", None, "12"]
    assert columns.as_text(pa.array(["007"])).to_pylist() == ["007"]


def test_a_million_good_values_and_a_thousand_bad_ones_give_a_thousand_faults() -> None:
    texts = np.full(1_000_000, "12.345678", dtype=object)
    texts[::1000] = "bad"
    column = pa.array(texts)
    read, faults = amounts.amounts(column, columns.blanks(column))
    assert list(faults) == list(range(0, 1_000_000, 1000))
    assert read[1] == 12_345_678


@pytest.mark.parametrize("unit", ["s", "ms", "us"])
@pytest.mark.parametrize(
    ("seconds", "kind"),
    [
        (1_700_000_000_000, fault_kinds.LARGER_UNIT),  # milliseconds that were read as seconds
        (946_684_800_000, fault_kinds.LARGER_UNIT),  # the first and the last of the years 2000 to 2039
        (946_684_799_999, fault_kinds.OUTSIDE_CALENDAR),
        (2_208_988_799_999, fault_kinds.LARGER_UNIT),
        (2_208_988_800_000, fault_kinds.OUTSIDE_CALENDAR),
        (-4_000_000_000_000, fault_kinds.OUTSIDE_CALENDAR),
        (4_000_000_000_000, fault_kinds.OUTSIDE_CALENDAR),
    ],
)
def test_a_stored_time_outside_the_calendar_is_told_by_what_it_seems_to_be(
    unit: str, seconds: int, kind: object
) -> None:
    per_second = {"s": 1, "ms": 1_000, "us": 1_000_000}[unit]
    column = pa.array([0, seconds * per_second], pa.timestamp(unit))
    assert _times(column)[1] == {1: kind}


@pytest.mark.parametrize(
    ("per_second", "kind"),
    [
        (1, fault_kinds.EPOCH_SECONDS),
        (10**3, fault_kinds.EPOCH_MILLISECONDS),
        (10**6, fault_kinds.EPOCH_MICROSECONDS),
        (10**9, fault_kinds.EPOCH_NANOSECONDS),
    ],
)
def test_a_number_is_a_time_in_a_unit_from_2000_to_2039(per_second: int, kind: object) -> None:
    for second, found in (
        (946_684_799, fault_kinds.NOT_A_TIME),
        (946_684_800, kind),
        (2_208_988_799, kind),
        (2_208_988_800, fault_kinds.NOT_A_TIME),
    ):
        assert epochs.not_a_time(str(second * per_second)) is found
        assert epochs.not_a_time(second * per_second) is found


def test_a_number_is_a_day_of_a_spreadsheet_from_2000_to_2039() -> None:
    for day, found in (
        (36_525, fault_kinds.NOT_A_TIME),
        (36_526, fault_kinds.SPREADSHEET_DAYS),  # 2000-01-01
        (51_135, fault_kinds.SPREADSHEET_DAYS),  # 2039-12-31
        (51_136, fault_kinds.NOT_A_TIME),
    ):
        assert epochs.not_a_time(str(day)) is found
    assert epochs.not_a_time(None) is epochs.not_a_time("123") is fault_kinds.NOT_A_TIME


@pytest.mark.parametrize(
    "column",
    [pa.array([1_700_000_000, None]), pa.array([1.7e9, None]), pa.array([Decimal(1_700_000_000), None])],
    ids=str,
)
def test_a_column_of_numbers_has_no_times_and_its_faults_name_the_unit(column: pa.Array) -> None:
    assert _times(column) == ([0, 0], {0: fault_kinds.EPOCH_SECONDS})


def test_columns_of_other_types_have_neither_times_nor_amounts() -> None:
    column = pa.array([True, None])
    assert _times(column) == ([0, 0], {0: fault_kinds.NOT_A_TIME})
    assert _amounts_of(column) == ([0, 0], {0: fault_kinds.NOT_AN_AMOUNT})
    assert amounts.positives(column, columns.blanks(column)) == (
        [Decimal(1), Decimal(1)], {0: fault_kinds.NOT_AN_AMOUNT}
    )  # fmt: skip
