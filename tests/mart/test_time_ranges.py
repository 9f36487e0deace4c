"""Times of every type, at both ends of its range: the right moment, or a fault."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custdyn_widgets.mart import columns
from custdyn_widgets.mart.checking import values
from custdyn_widgets.mart.checking.fault_kinds import (
    INFINITE_TIME,
    LARGER_UNIT,
    NOT_A_DATE,
    NOT_A_TIME,
    OUTSIDE_CALENDAR,
)
from custdyn_widgets.mart.checking.faults import FaultKind
from custdyn_widgets.mart.source_check import check_source
from tests.mart.test_mart import faults, folder, frames, with_column

pytestmark = pytest.mark.usefixtures("own_cache")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
ENDS = [
    (datetime.min.replace(tzinfo=UTC) - EPOCH) // MICROSECOND,
    (datetime.max.replace(tzinfo=UTC) - EPOCH) // MICROSECOND,
]
INFINITE = (2**63 - 1, -(2**63) + 1)  # in DuckDB, of any unit


def near(*places: int, low: int, high: int) -> st.SearchStrategy[int]:
    """Return integers around some places and at both ends of a range, within it."""
    around = st.builds(int.__add__, st.sampled_from([*places, low, high]), st.integers(-3, 3))
    return st.one_of(around, st.integers(low, high)).filter(lambda n: low <= n <= high)


def of_unit(unit: str) -> st.SearchStrategy[int]:
    places = [end * PER_SECOND[unit] // 10**6 for end in ENDS]
    return near(0, *places, low=-(2**63) + 1, high=2**63 - 1)


def read_times(column: pa.Array) -> tuple[list[int], dict[int, FaultKind]]:
    """Return the times and faults; a number that seems to be in a larger unit is outside the calendar too."""
    read, found = values.times(column, columns.blanks(column))
    outside = {i: OUTSIDE_CALENDAR if kind == LARGER_UNIT else kind for i, kind in found.items()}
    return read.tolist(), outside


def expected(micros: int) -> tuple[list[int], dict[int, FaultKind]]:
    if ENDS[0] <= micros <= ENDS[1]:
        return [micros], {}
    return [0], {0: OUTSIDE_CALENDAR}


@pytest.mark.parametrize("unit", PER_SECOND)
@given(data=st.data(), zone=st.sampled_from([None, "UTC", "Europe/Berlin", "+05:45"]))
def test_a_timestamp_of_any_unit_is_right_or_a_fault(
    unit: str, data: st.DataObject, zone: str | None
) -> None:
    number = data.draw(of_unit(unit))
    column = pa.array([number], pa.int64()).view(pa.timestamp(unit, zone))
    wanted = expected(number * 10**6 // PER_SECOND[unit])
    if unit == "ns" and number in INFINITE:
        wanted = [number // 1000], {0: INFINITE_TIME}
    assert read_times(column) == wanted


@given(near(0, *(end // 86_400_000_000 for end in ENDS), low=-(2**31), high=2**31 - 1))
def test_a_date32_is_right_or_a_fault(days: int) -> None:
    column = pa.array([days], pa.int32()).view(pa.date32())
    assert read_times(column) == expected(days * 86_400_000_000)
    read, found = values.dates(column, columns.blanks(column))
    wanted, outside = expected(days * 86_400_000_000)
    assert (read.tolist(), found) == ([wanted[0] // 86_400_000_000], dict.fromkeys(outside, NOT_A_DATE))


@given(near(0, *(end // 1000 for end in ENDS), low=-(2**63) + 1, high=2**63 - 1))
def test_a_date64_is_right_or_a_fault(millis: int) -> None:
    column = pa.array([millis], pa.int64()).view(pa.date64())
    assert read_times(column) == expected(millis * 1000)


@given(
    st.datetimes(datetime(1, 1, 1), datetime.max),
    st.sampled_from(["Z", "+00:00", "-12:00", "+14:00", ""]),
    st.sampled_from(["T", " "]),
)
def test_a_time_as_text_is_right_or_a_fault(at: datetime, offset: str, between: str) -> None:
    text = at.isoformat(between) + offset
    away = timedelta(0) if offset in ("", "Z") else timedelta(hours=int(offset[:3]))
    micros = (at.replace(tzinfo=UTC) - EPOCH - away) // MICROSECOND
    for column in (pa.array([text]), pa.array([text, "soon"])):  # by Arrow, and one by one
        read, found = read_times(column)
        assert ([read[0]], {i: kind for i, kind in found.items() if i == 0}) == expected(micros)


@pytest.mark.parametrize("year", ["0000", "10000", "-0001", "+10000", "99999", "292278"])
def test_a_year_outside_the_calendar_as_text_is_a_fault(year: str) -> None:
    for text in (f"{year}-01-01", f"{year}-12-31T23:59:59Z"):
        _, found = read_times(pa.array([text]))
        assert found[0] in (NOT_A_TIME, OUTSIDE_CALENDAR)


DUCKDB = ["TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMPTZ", "DATE"]


@pytest.mark.parametrize("kind", DUCKDB)
@pytest.mark.parametrize(
    "moment", ["infinity", "-infinity", "0044-03-15 (BC)", "10000-01-01", "290000-01-01"]
)
def test_infinity_and_far_years_of_duckdb_are_faults(tmp_path: Path, kind: str, moment: str) -> None:
    if kind == "TIMESTAMP_NS" and "infinity" not in moment:
        moment = "infinity"  # DuckDB has no such time in nanoseconds
    assert len(faults(with_time(tmp_path, f"'{moment}'::{kind}"))) == 2


@pytest.mark.parametrize("kind", DUCKDB)
@pytest.mark.parametrize("day", ["0001-01-01", "1677-09-22", "1969-12-31", "2262-04-11", "9999-12-31"])
def test_the_first_and_last_days_of_duckdb_are_right(tmp_path: Path, kind: str, day: str) -> None:
    if kind == "TIMESTAMP_NS":  # which reaches less far
        day = {"0001-01-01": "1677-09-22", "9999-12-31": "2262-04-10"}.get(day, day)
    mart = check_source(with_time(tmp_path, f"'{day}'::{kind}"))
    assert mart.faults == []
    wanted = datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC)
    assert mart.tables["clients"].columns["created_at"].tolist() == [(wanted - EPOCH) // MICROSECOND] * 2


def with_time(tmp_path: Path, sql: str) -> Path:
    """Return a DuckDB file whose clients have this creation time."""
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for name, frame in frames().items():
            chosen = f"* REPLACE ({sql} AS created_at)" if name == "clients" else "*"
            connection.register("frame", frame)
            connection.execute(f"CREATE TABLE {name} AS SELECT {chosen} FROM frame")
    return tmp_path / "shop.duckdb"


@pytest.mark.parametrize("version", ["1.0", "2.4", "2.6"])
@pytest.mark.parametrize(
    "kind",
    [*(pa.timestamp(unit, zone) for unit in PER_SECOND for zone in (None, "UTC")), pa.date32(), pa.date64()],
    ids=str,
)
def test_times_survive_parquet(tmp_path: Path, kind: pa.DataType, version: str) -> None:
    days = [date(1678, 1, 1), date(2262, 1, 1)] if "ns" in str(kind) else [date.min, date.max]
    array = (
        pa.array(days).cast(pa.timestamp("s")).cast(kind) if "ns" in str(kind) else pa.array(days).cast(kind)
    )
    source = folder(tmp_path)
    (source / "clients.csv").unlink()
    clients = pa.Table.from_pandas(frames()["clients"]).drop_columns(["created_at"])
    pq.write_table(clients.append_column("created_at", array), source / "clients.parquet", version=version)
    read = check_source(source).tables["clients"].columns["created_at"].tolist()
    wanted = [datetime.combine(day, datetime.min.time(), UTC) for day in days]
    assert read == [(at - EPOCH) // MICROSECOND for at in wanted]


@pytest.mark.parametrize("unit", PER_SECOND)
def test_the_ends_of_pandas_times_are_right_or_faults(unit: str) -> None:
    times = pd.array(
        [pd.Timestamp.min.as_unit(unit), pd.Timestamp("2021-01-01").as_unit(unit)], f"M8[{unit}]"
    )
    mart = check_source(with_column("clients", "created_at", times))
    assert [(fault.row, fault.column) for fault in mart.faults] == (
        [(1, "created_at")] if unit == "ns" else []
    )


FAR_TIMES = [
    *((pa.timestamp(unit, zone), unit) for unit in ("s", "ms", "us") for zone in (None, "UTC")),
    (pa.date64(), "ms"),
    (pa.date32(), "days"),
]


@pytest.mark.parametrize("end", [1, -1], ids=["latest", "earliest"])
@pytest.mark.parametrize(("kind", "unit"), FAR_TIMES, ids=str)
def test_the_ends_of_arrow_times_are_shown_as_numbers(kind: pa.DataType, unit: str, end: int) -> None:
    size = 32 if kind == pa.date32() else 64
    numbers = [end * (2 ** (size - 1) - 1), 0]
    times = pa.array(numbers, pa.int32() if size == 32 else pa.int64()).view(kind)
    [fault] = check_source(with_column("clients", "created_at", pd.array(times, pd.ArrowDtype(kind)))).faults
    assert fault.value == f"{numbers[0]} {unit} since 1970"
    assert fault.why == "is outside the years 1 to 9999"


def test_a_year_that_arrow_can_write_is_shown_as_a_date() -> None:
    days = pd.array(pa.array([2_932_897, 0], pa.int32()).view(pa.date32()), pd.ArrowDtype(pa.date32()))
    [fault] = check_source(with_column("clients", "created_at", days)).faults
    assert fault.value == "10000-01-01"
