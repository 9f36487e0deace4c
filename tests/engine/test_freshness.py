"""Whether a report says that its data ends too early, and only then."""

from __future__ import annotations

import itertools
import os
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custdyn_widgets.engine import freshness
from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.engine.strays import Daily
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.report.report import Report


@pytest.fixture(params=[0, 6, freshness._FIRST_ROWS], ids="first {} rows".format, autouse=True)
def first_rows(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Find the kinds of use in the first rows, or in later ones a few at once."""
    monkeypatch.setattr(freshness, "_FIRST_ROWS", request.param)
    if request.param <= 6:
        monkeypatch.setattr(freshness, "_FEW_ROWS", 3)
        monkeypatch.setattr(freshness, "_ROWS_AT_ONCE", 2)


LAST = datetime(2022, 1, 19, 23, 50, tzinfo=UTC)
SECOND = 1 / 3600  # in hours


def mart(last: datetime, every: timedelta, count: int = 60) -> dict[str, pd.DataFrame]:
    """Return a mart with a transaction at regular times up to the last."""
    times = [last - every * n for n in range(count)]
    return {
        "clients": pd.DataFrame(
            {
                "client_id": ["a"],
                "created_at": ["2020-01-01T00:00:00Z"],
                "client_type": ["client"],
                "currency": ["USD"],
            }
        ),
        "transactions": pd.DataFrame(
            {
                "transaction_id": [f"t{n}" for n in range(count)],
                "client_id": "a",
                "at": [f"{at:%Y-%m-%dT%H:%M:%SZ}" for at in times],
                "kind": "refill",
                "amount": "1.00",
            }
        ),
    }


def report(
    last: datetime,
    every: timedelta = timedelta(hours=7),
    *,
    as_of: str = "2022-02-01",
    count: int = 60,
    zone: str = "UTC",
) -> Report:
    return run_report(ReportQuery("last_month", timezone=zone), mart(last, every, count), as_of=as_of)


def test_data_that_ends_twelve_days_early_is_told_on_the_clock_of_the_query() -> None:
    found = report(LAST, zone="Europe/Paris").info
    [gap] = found.data_gaps
    assert gap == (
        "The last transaction in the data is from 2022-01-20 00:50:00 +01:00, 11 days before the report's "
        "end at 2022-02-01 00:00:00 +01:00, and no earlier gap was this long. Check that the data "
        "is complete."
    )
    assert gap in found.warnings


def test_a_report_with_gaps_reads_back_and_one_without_does_not_mention_them() -> None:
    found = report(LAST)
    assert Report.from_dict(found.to_dict()) == found
    assert "data_gaps" not in report(LAST + timedelta(days=12)).to_dict()["info"]


@pytest.mark.parametrize(
    ("days_early", "every_hours", "count", "is_told"),
    [
        (0, 7, 60, False),
        (1, 7, 60, False),  # a quiet day
        (3, 7, 60, True),
        (2, 48, 60, False),  # a pause as there always were
        (3, 48, 60, True),
        (10, 240, 60, False),
        (11, 240, 60, True),
        (12, 24, 1, False),  # a few days have no rhythm
        (12, 24, 6, False),
        (12, 24, 7, True),
    ],
)
def test_a_pause_is_told_if_it_is_longer_than_any_before(
    days_early: int, every_hours: int, count: int, is_told: bool
) -> None:
    last = datetime(2022, 1, 31, 12, tzinfo=UTC) - timedelta(days=days_early)
    assert bool(report(last, timedelta(hours=every_hours), count=count).info.data_gaps) == is_told


@pytest.mark.parametrize("seconds", [0, 1])
def test_a_pause_that_is_a_day_longer_is_told_from_the_next_second_on(seconds: int) -> None:
    last = datetime(2022, 1, 29, tzinfo=UTC) - timedelta(seconds=seconds)
    assert len(report(last, timedelta(hours=48)).info.data_gaps) == seconds


@pytest.mark.parametrize("seconds", [0, 1])
def test_a_transaction_of_the_second_in_which_its_file_was_written_counts(
    tmp_path: Path, seconds: int
) -> None:
    """One of the next second does not: then two gaps are told."""
    written = datetime(2022, 1, 31, 12, tzinfo=UTC)
    tables = mart(LAST, timedelta(hours=7))
    at = f"{written + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}"
    late = tables["transactions"].iloc[[0]].assign(transaction_id="late", at=at)
    tables["transactions"] = pd.concat([tables["transactions"], late])
    for name, frame in tables.items():
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
        os.utime(tmp_path / f"{name}.csv", (written.timestamp(),) * 2)
    gaps = run_report(ReportQuery("last_month"), tmp_path, as_of="2022-02-01").info.data_gaps
    assert len(gaps) == 1 + seconds


def test_transactions_after_the_end_are_no_gap() -> None:
    assert report(LAST + timedelta(days=40), timedelta(days=20)).info.data_gaps == ()


@pytest.mark.parametrize(
    ("interval", "group_by", "as_of", "hours_old", "is_told"),
    [
        ("this_month", ("month",), "2022-01-20T12:00:00Z", 0.1, False),
        ("this_month", ("month",), "2022-01-20T12:00:00Z", 23, False),
        ("this_month", ("month",), "2022-01-20T12:00:00Z", 25, True),
        ("this_month", (), "2022-01-20T12:00:00Z", 23, False),
        ("this_month", ("date",), "2022-01-20T12:00:00Z", 0.9, False),
        ("this_month", ("date",), "2022-01-20T12:00:00Z", 1.1, True),
        ("this_month", ("month",), "2022-01-20T12:00:00Z", 24, False),
        ("this_month", ("month",), "2022-01-20T12:00:00Z", 24 + SECOND, True),
        ("this_month", ("date",), "2022-01-20T12:00:00Z", 1, False),
        ("this_month", ("date",), "2022-01-20T12:00:00Z", 1 + SECOND, True),
        ("last_month", ("month",), "2022-02-20T12:00:00Z", 0.1, True),
        ("last_month", ("month",), "2022-02-20T12:00:00Z", SECOND, True),
        ("last_month", ("month",), "2022-02-01T00:00:00Z", 0.1, True),  # it has just ended
        ("today", ("month",), "2022-01-20T12:00:00Z", 20, False),  # 21:00 in Tokyo, so 21 hours
        ("today", ("month",), "2022-01-20T12:00:00Z", 22, True),
        ("today", (), "2022-01-20T12:00:00Z", 22, True),
    ],
)
def test_files_older_than_the_reports_end_matter_by_the_bucket(
    tmp_path: Path, interval: str, group_by: tuple[str, ...], as_of: str, hours_old: float, is_told: bool
) -> None:
    moment = datetime.fromisoformat(as_of)
    end = moment if interval != "last_month" else datetime(2022, 2, 1, tzinfo=UTC)
    written = end.timestamp() - round(hours_old * 3600)
    for name, frame in mart(end - timedelta(hours=hours_old), timedelta(hours=7)).items():
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
        os.utime(tmp_path / f"{name}.csv", (written, written))
    query = ReportQuery(interval, group_by=group_by, timezone="Asia/Tokyo")
    if interval == "last_month":
        query = ReportQuery(interval, group_by=group_by)
    gaps = run_report(query, tmp_path, as_of=moment).info.data_gaps
    assert bool(gaps) == is_told
    assert all("The data is as of" in gap for gap in gaps)


@pytest.mark.parametrize("kind", ["refill", "other"])
def test_one_transaction_dated_in_the_future_does_not_hide_that_the_data_ends_early(
    tmp_path: Path, kind: str
) -> None:
    """A row dated after the files were written is a typing error or a plan, not the end of the data."""
    tables = mart(LAST, timedelta(hours=7))
    future = {
        "transaction_id": "f",
        "client_id": "a",
        "at": "2022-12-01T00:00:00Z",
        "kind": kind,
        "amount": "1.00",
    }
    tables["transactions"] = pd.concat([tables["transactions"], pd.DataFrame([future])])
    for name, frame in tables.items():
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
        os.utime(tmp_path / f"{name}.csv", (datetime(2022, 2, 1, tzinfo=UTC).timestamp(),) * 2)
    [gap] = run_report(ReportQuery("last_month"), tmp_path, as_of="2022-02-01").info.data_gaps
    assert "The last transaction in the data is from 2022-01-19 23:50:00 UTC, 12 days before" in gap


def test_every_kind_of_use_just_before_the_files_were_written_does_not_hide_when_the_data_ends(
    tmp_path: Path,
) -> None:
    tables = mart(LAST, timedelta(hours=7))
    rows = tables["transactions"]
    kinds = ("usage", "package_activation", "package_renewal")
    uses = [rows.iloc[[0]].assign(transaction_id=kind, kind=kind, amount="-1.00") for kind in kinds]
    tables["transactions"] = pd.concat([rows, *uses])
    for name, frame in tables.items():
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
        os.utime(tmp_path / f"{name}.csv", (datetime(2022, 1, 20, 12, tzinfo=UTC).timestamp(),) * 2)
    _, gap = run_report(ReportQuery("last_month"), tmp_path, as_of="2022-02-01").info.data_gaps
    assert "The last transaction in the data is from 2022-01-19 23:50:00 UTC, 12 days before" in gap


def test_data_that_is_entirely_dated_after_its_files_is_only_told_to_be_old(tmp_path: Path) -> None:
    for name, frame in mart(LAST, timedelta(hours=7)).items():
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
        os.utime(tmp_path / f"{name}.csv", (0, 0))
    [gap] = run_report(ReportQuery("last_month"), tmp_path, as_of="2022-02-01").info.data_gaps
    assert gap.startswith("The data is as of 1970-01-01")


@given(
    days=st.lists(st.integers(0, 400), min_size=1, max_size=30), first=st.sampled_from([0, -90_000, 700_000])
)
def test_the_longest_pause_is_that_between_neighbouring_days(days: list[int], first: int) -> None:
    times = np.array([(first + day) * 86_400 + 5 for day in days])
    ordered = sorted(set(days))
    expected = max((b - a for a, b in itertools.pairwise(ordered)), default=0)
    for parts in ([times], times.reshape(-1, 1)):
        daily = Daily.of(parts)
        assert daily.days.tolist() == [first + day for day in ordered]
        assert daily.rows.tolist() == [days.count(day) for day in ordered]
        assert daily.longest_pause() == expected * 86_400


@pytest.mark.parametrize("at", ["2022-02-01T00:00:00Z", "2022-12-31T00:00:00Z"])
def test_a_transaction_in_the_future_hides_no_gap(at: str) -> None:
    data = mart(LAST, timedelta(hours=7))
    late = data["transactions"].iloc[[0]].assign(transaction_id="late", at=at)
    data["transactions"] = pd.concat([data["transactions"], late], ignore_index=True)
    [gap] = run_report(ReportQuery("last_month"), data, as_of="2022-02-01").info.data_gaps
    assert "from 2022-01-19 23:50:00 UTC, 12 days before" in gap


def test_data_that_goes_on_after_the_interval_has_no_gap() -> None:
    data = mart(LAST, timedelta(hours=7))
    late = data["transactions"].iloc[[0]].assign(transaction_id="late", at="2022-02-01T00:00:00Z")
    data["transactions"] = pd.concat([data["transactions"], late], ignore_index=True)
    query = ReportQuery({"start": "2022-01-01", "end": "2022-01-31"})
    assert run_report(query, data, as_of="2022-02-02").info.data_gaps == ()


def with_use(
    kind: str,
    days_early: float,
    *,
    share: float = 1,
    amount: str = "-1.00",
    days: Collection[int] = (),
) -> dict[str, pd.DataFrame]:
    """Return a mart whose refills go on to the end, with a use on some days that ends early."""
    data = mart(datetime(2022, 1, 31, 23, tzinfo=UTC), timedelta(hours=7), 200)
    last = datetime(2022, 1, 31, 22, tzinfo=UTC) - timedelta(days=days_early)
    days = days or [n for n in range(60) if n * share % 1 < share]
    use = pd.DataFrame(
        {
            "transaction_id": [f"u{n}" for n in days],
            "client_id": "a",
            "at": [f"{last - timedelta(days=n):%Y-%m-%dT%H:%M:%SZ}" for n in days],
            "kind": kind,
            "amount": amount,
        }
    )
    data["transactions"] = pd.concat([data["transactions"], use], ignore_index=True)
    return data


def gaps_of(data: dict[str, pd.DataFrame]) -> tuple[str, ...]:
    return run_report(ReportQuery("last_month"), data, as_of="2022-02-01").info.data_gaps


@pytest.mark.parametrize("kind", ["usage", "package_activation", "package_renewal"])
def test_a_kind_of_use_that_ends_early_while_refills_go_on_is_told_by_its_name(kind: str) -> None:
    [gap] = gaps_of(with_use(kind, 3))
    assert gap == (
        f"The last transaction of kind {kind} is from 2022-01-28 22:00:00 UTC, 3 days before the report's "
        "end at 2022-02-01 00:00:00 UTC, and no earlier gap was this long. Check that the data is "
        "complete."
    )


def test_usage_that_was_not_paid_counts_as_usage() -> None:
    data = with_use("usage", 0, amount="0.00")
    data["transactions"].loc[data["transactions"]["transaction_id"] == "u5", "amount"] = "-1.00"
    assert gaps_of(data) == ()


@pytest.mark.parametrize(
    ("kind", "days_early", "share"),
    [
        ("usage", 0, 1),
        ("usage", 1, 1),  # a quiet day
        ("usage", 10, 0.8),  # not on nearly every day
        ("usage", 10, 0.4),
        ("other", 10, 1),
    ],
)
def test_a_kind_of_use_that_goes_on_or_is_not_daily_is_no_gap(
    kind: str, days_early: int, share: float
) -> None:
    assert gaps_of(with_use(kind, days_early, share=share)) == ()


@pytest.mark.parametrize(
    ("count", "span", "is_told"), [(28, 31, True), (28, 32, False), (36, 40, True), (36, 41, False)]
)
def test_nine_of_ten_days_with_a_use_are_nearly_every_day(count: int, span: int, is_told: bool) -> None:
    """The days left out are apart, so that the longest pause has two days."""
    left_out = range(1, 2 * (span - count), 2)
    days = [n for n in range(span) if n not in left_out]
    assert len(days) == count
    assert bool(gaps_of(with_use("usage", 10, days=days))) == is_told


@pytest.mark.parametrize("seconds", [0, 1])
def test_a_kind_of_use_may_pause_for_a_day_more_than_ever_to_the_second(seconds: int) -> None:
    early = timedelta(days=2, hours=-2, seconds=seconds) / timedelta(days=1)
    assert len(gaps_of(with_use("usage", early))) == seconds


def test_a_new_kind_of_use_has_no_rhythm_yet() -> None:
    data = with_use("usage", 10)
    data["transactions"] = data["transactions"].iloc[: 200 + 27]
    assert gaps_of(data) == ()
    data = with_use("usage", 10)
    data["transactions"] = data["transactions"].iloc[: 200 + 28]
    assert len(gaps_of(data)) == 1


def test_data_that_ends_early_as_a_whole_is_told_once() -> None:
    data = with_use("usage", 9)
    rows = data["transactions"]
    data["transactions"] = rows[(rows["kind"] == "usage") | (rows["at"] < "2022-01-25")]
    [gap] = gaps_of(data)
    assert gap.startswith("The last transaction in the data ")


def test_use_in_the_future_or_after_the_interval() -> None:
    data = with_use("usage", 9)
    late = data["transactions"].iloc[[-1]].assign(transaction_id="late", at="2022-03-01T00:00:00Z")
    data["transactions"] = pd.concat([data["transactions"], late], ignore_index=True)
    assert len(gaps_of(data)) == 1  # dated after the report was made
    query = ReportQuery({"start": "2022-01-01", "end": "2022-01-31"})
    assert run_report(query, data, as_of="2022-03-02").info.data_gaps == ()
