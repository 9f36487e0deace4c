"""Times without an offset are on the clock of the source's time zone, resolved as Python does with fold=0."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custdyn_widgets import Dialect, Source
from custdyn_widgets.mart.building import read_located
from custdyn_widgets.mart.checking import values
from custdyn_widgets.mart.checking.checks import check_others
from custdyn_widgets.mart.checking.local_times import to_utc
from custdyn_widgets.mart.columns import blanks
from custdyn_widgets.mart.facts.in_pieces import build_in_pieces
from custdyn_widgets.mart.located import locate
from custdyn_widgets.mart.opening import open_mart
from custdyn_widgets.mart.source_check import check_source
from custdyn_widgets.mart.sources import resolve_source
from custdyn_widgets.query import time_zones
from tests.strategies import clock_changes

pytestmark = pytest.mark.usefixtures("own_cache")

_EPOCH = datetime(1970, 1, 1)
_MICRO = timedelta(microseconds=1)
KYIV = Dialect(timezone="Europe/Kyiv")


def by_python(wall: datetime, zone: str) -> int:
    return (wall.replace(tzinfo=ZoneInfo(zone)) - _EPOCH.replace(tzinfo=UTC)) // _MICRO


def micros(wall: datetime) -> int:
    return (wall - _EPOCH) // _MICRO


@given(
    st.sampled_from(time_zones()),
    st.lists(st.datetimes(datetime(1900, 1, 1), datetime(2100, 12, 31, 23, 59, 59, 999_999)), max_size=20),
)
def test_any_wall_time_in_any_zone_is_resolved_as_python_does(zone: str, walls: list[datetime]) -> None:
    found = to_utc(np.array([micros(wall) for wall in walls], np.int64), zone)
    assert found.tolist() == [by_python(wall, zone) for wall in walls]


@pytest.mark.parametrize(
    "zone",
    ["America/New_York", "Europe/Kyiv", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca",
     "America/Sao_Paulo", "Asia/Gaza", "Europe/Dublin", "Antarctica/Troll", "America/St_Johns"],
)  # fmt: skip
def test_the_times_around_every_change_of_a_clock_are_resolved_as_python_does(zone: str) -> None:
    hours = [timedelta(minutes=30 * n) for n in range(-55, 56)]
    around = [h + s * _MICRO for h in hours for s in (-1, 0, 1)]
    walls = [
        change.astimezone(ZoneInfo(zone)).replace(tzinfo=None) + apart
        for change in clock_changes(zone)
        for apart in around
    ]
    found = to_utc(np.array([micros(wall) for wall in walls], np.int64), zone)
    assert found.tolist() == [by_python(wall, zone) for wall in walls]


def test_times_at_the_ends_of_the_calendar_are_resolved_or_faults() -> None:
    column = pa.array(["0001-01-01 01:00:00", "9999-12-31 23:00:00", "2021-07-01 12:00"])
    for zone, outside in (("Asia/Tokyo", [0]), ("America/Los_Angeles", [1]), ("UTC", [])):
        for stored in (column, column.slice(0).cast(pa.timestamp("s")) if not outside else column):
            found, faults = values.times(stored, blanks(stored), zone)
            assert list(faults) == outside
            assert found[2] == by_python(datetime(2021, 7, 1, 12), zone)


# Every form of time without an offset

WALL = datetime(2021, 7, 1, 12, 0, 0, 250_000)
LOCAL = micros(WALL) - 3 * 3600 * 1_000_000


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array(["2021-07-01 12:00:00.25"]), LOCAL),
        (pa.array(["2021-07-01T12:00:00.25", "2021-07-01T12:00:00Z"]), LOCAL),  # one has an offset
        (pa.array(["20210701T120000.25"]), LOCAL),  # only Python reads it
        (pa.array(["2021-07-01T12:00:00.25Z"]), micros(WALL)),
        (pa.array(["2021-07-01T14:00:00.25+02:00"]), micros(WALL)),
        (pa.array([WALL], pa.timestamp("us")), LOCAL),
        (pa.array([WALL], pa.timestamp("ms")), LOCAL),
        (pa.array([WALL], pa.timestamp("ns")), LOCAL),
        (pa.array([WALL], pa.timestamp("us", "America/New_York")), micros(WALL)),
        (pa.array(["2021-07-01"]).cast(pa.date32()), LOCAL - 12 * 3_600_000_000 - 250_000),
    ],
)
def test_values_without_an_offset_are_moved_and_others_are_not(column: pa.Array, expected: int) -> None:
    found, faults = values.times(column, blanks(column), "Europe/Kyiv")
    assert (found[0], faults) == (expected, {})


def test_dates_of_quotes_are_not_moved() -> None:
    tables = mart()
    tables["rates"] = pd.DataFrame(
        {"currency": "EUR", "date": [pd.Timestamp("2021-07-01").date()], "units_per_base": "2", "base": "USD"}
    )
    for dates in (tables["rates"]["date"], tables["rates"]["date"].astype("datetime64[us]"), "2021-07-01"):
        tables["rates"] = tables["rates"].assign(date=dates)
        quotes = open_mart(Source(tables, dialect=KYIV)).facts.names.quotes
        assert quotes["EUR"][0][0] == datetime(2021, 7, 1).toordinal() - _EPOCH.toordinal()


# Every kind of source


def mart(times: Any = "2021-07-01 12:00:00") -> dict[str, Any]:
    return {
        "clients": pd.DataFrame(
            {"client_id": ["A"], "client_type": "client", "currency": "USD", "created_at": "2021-07-01"}
        ),
        "transactions": pd.DataFrame(
            {"transaction_id": ["t1"], "client_id": "A", "at": times, "kind": "refill", "amount": "5"}
        ),
    }


def _csv(folder: Path) -> Any:
    for name, frame in mart().items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    return folder


def _parquet(folder: Path) -> Any:
    for name, frame in mart(pd.Timestamp("2021-07-01 12:00:00")).items():
        frame.to_parquet(folder / f"{name}.parquet")
    return folder


def _duckdb(folder: Path) -> Any:
    with duckdb.connect(str(folder / "shop.duckdb")) as connection:
        for name, frame in mart(pd.Timestamp("2021-07-01 12:00:00")).items():
            connection.register("frame", frame)
            connection.execute(f"CREATE TABLE {name} AS FROM frame")
    return folder / "shop.duckdb"


def _polars(_: Path) -> Any:
    return {name: pl.from_pandas(frame) for name, frame in mart(pd.Timestamp("2021-07-01 12:00:00")).items()}


FORMS = [_csv, _parquet, _duckdb, _polars, lambda _: mart(), lambda _: mart(datetime(2021, 7, 1, 12))]


@pytest.mark.parametrize("form", FORMS, ids=["csv", "parquet", "duckdb", "polars", "text", "datetimes"])
def test_every_kind_of_source_is_read_in_its_zone(form: Callable[[Path], Any], tmp_path: Path) -> None:
    data = form(tmp_path)
    at = by_python(datetime(2021, 7, 1, 12), "Europe/Kyiv") // 10**6
    created = by_python(datetime(2021, 7, 1), "Europe/Kyiv") // 10**6
    for source, hours in ((Source(data, dialect=KYIV), 0), (Source(data), 3), (data, 3)):
        facts = open_mart(source).facts
        assert facts.time.tolist() == [at + hours * 3600]
        assert facts.exists.tolist() == [created + hours * 3600]


@pytest.mark.parametrize("form", FORMS[:2], ids=["csv", "parquet"])
def test_a_ledger_read_in_pieces_is_in_the_zone_too(form: Callable[[Path], Any], tmp_path: Path) -> None:
    source = resolve_source(Source(form(tmp_path), dialect=KYIV))
    stored = read_located(locate(source), source)
    assert not check_others(stored).faults
    built = build_in_pieces(stored)
    assert built is not None
    assert built.facts.time.tolist() == [by_python(datetime(2021, 7, 1, 12), "Europe/Kyiv") // 10**6]


def test_the_note_says_which_zone_was_used() -> None:
    for source, zone in ((Source(mart(), dialect=KYIV), "Europe/Kyiv"), (mart(), "UTC")):
        [note] = [n for n in check_source(source).notes if n.kind == "times_without_offset"]
        assert note == (
            f"2 times without an offset were read as {zone} (clients, created_at: 1; transactions, at: 1)."
        )


def test_times_of_the_old_type_int96_are_instants(tmp_path: Path) -> None:
    folder = _parquet(tmp_path)
    table = pq.read_table(folder / "transactions.parquet")
    pq.write_table(table, folder / "transactions.parquet", use_deprecated_int96_timestamps=True)
    source = Source(folder, dialect=KYIV)
    assert open_mart(source).facts.time.tolist() == [by_python(datetime(2021, 7, 1, 12), "UTC") // 10**6]
    [note] = [n for n in check_source(source).notes if n.kind == "times_without_offset"]
    assert "transactions" not in note
