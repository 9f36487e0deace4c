"""A report as a whole: its messages, warnings and Info, and numbers larger than an int64."""

from __future__ import annotations

import gc
import os
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.engine.rows import _without_garbage_collection
from custdyn_widgets.errors import CustDynError, MartError, QueryError, RateError
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.report.report import Report

pytestmark = pytest.mark.usefixtures("own_cache")

Frames = dict[str, pd.DataFrame]
LARGEST = Decimal(2**63 - 1).scaleb(-6)


def mart(
    *ledger: tuple[str, str, str, str], clients: Mapping[str, Any] | None = None, **tables: Any
) -> Frames:
    """Return a mart of the clients a and b with these rows: (client, at, kind, amount)."""
    who = pd.DataFrame(
        {
            "client_id": ["a", "b"],
            "client_type": "client",
            "currency": "USD",
            "created_at": "2021-01-01",
            **(clients or {}),
        }
    )
    rows = pd.DataFrame(list(ledger), columns=["client_id", "at", "kind", "amount"], dtype=object)
    rows["transaction_id"] = [str(i) for i in range(len(rows))]
    return {"clients": who, "transactions": rows, **{n: pd.DataFrame(t) for n, t in tables.items()}}


def report(source: Any, as_of: str = "2022-01-01", **fields: Any) -> Report:
    asked = {"interval": {"start": "2021-01-01", "end": "2021-02-28"}, "group_by": [], **fields}
    return run_report(ReportQuery.from_dict(asked), source, as_of=as_of)


def value(found: Report, name: str) -> Any:
    return found.rows[0].values[found.column(name)]


SMALL = mart(("a", "2021-01-05", "usage", "-1.5"), ("b", "2021-02-05", "refill", "2"))


# No rows


@pytest.mark.parametrize(
    ("fields", "as_of", "message"),
    [
        (
            {},
            "2021-01-01",
            "There is nothing to show yet: the interval starts at 2021-01-01T00:00:00Z, and nothing at or "
            "after 2021-01-01T00:00:00Z is counted.",
        ),
        (
            {"client_type": "reseller"},
            "2022-01-01",
            "There is nothing to show: no client matches the filters.",
        ),
        (
            {"interval": {"start": "2020-01-01", "end": "2020-12-31"}},
            "2022-01-01",
            "There is nothing to show: no chosen client existed before 2021-01-01T00:00:00Z.",
        ),
        (
            {"interval": {"start": "2011-12-30", "end": "2011-12-30"}, "timezone": "Pacific/Apia"},
            "2022-01-01",
            "There is nothing to show: clocks in this time zone skipped the whole interval.",
        ),
    ],
)
@pytest.mark.parametrize("group_by", [[], ["month"], ["date", "package"]])
def test_a_report_of_nothing_has_headings_and_a_message(
    fields: dict[str, Any], as_of: str, message: str, group_by: list[str]
) -> None:
    found = report(SMALL, as_of, group_by=group_by, **fields)
    assert found.rows == ()
    assert found.total is None
    assert found.message == message
    assert (found.info.transactions, found.info.actual_start, found.info.actual_end) == (0, None, None)
    assert len(found.columns) == 21
    assert len(found.headings) == len(group_by)
    assert Report.from_dict(found.to_dict()) == found
    assert found.table.empty


def test_the_position_of_a_column_that_the_report_lacks_is_an_error() -> None:
    found = report(SMALL, "2021-03-01")
    assert found.column(found.columns[3].name) == 3
    with pytest.raises(KeyError, match="No Such: Column"):
        found.column("No Such: Column")


# Info and warnings


def test_info_tells_what_the_report_stands_on() -> None:
    before = datetime.now(UTC)
    asked = ReportQuery.from_dict(
        {"interval": {"start": "2021-01-05", "end": "2021-02-28"}, "timezone": "Europe/Berlin"}
    )
    info = run_report(asked, SMALL, as_of="2021-02-20T12:00:00.9+02:00", role="auditor").info
    assert (info.interval_start, info.interval_end) == ("2021-01-05 00:00:00", "2021-02-28 23:59:59")
    assert info.timezone == "Europe/Berlin"
    assert (info.start, info.effective_end) == ("2021-01-04T23:00:00Z", "2021-02-20T10:00:00Z")
    assert (info.actual_start, info.actual_end) == ("2021-01-05T00:00:00Z", "2021-02-05T00:00:00Z")
    assert info.as_of == "2021-02-20T10:00:00Z"
    assert (info.role, info.source, info.data_as_of) == ("auditor", "DataFrames", None)
    assert (info.clients, info.transactions, info.currency) == (2, 2, "USD")
    assert (info.quotes, info.warnings) == ((), ())
    assert before.strftime("%Y-%m-%dT%H:%M:%SZ") <= info.generated_at
    assert info.duration_ms >= 0
    assert info.versions == {name: version(name) for name in ("custdyn-widgets", "pandas", "numpy")}


def test_the_actual_interval_counts_only_what_lies_in_the_report() -> None:
    source = mart(
        ("a", "2020-12-31T23:59:59", "other", "1"),
        ("a", "2021-01-01T00:00:00", "other", "1"),
        ("a", "2021-02-28T23:59:59.9", "other", "1"),
        ("a", "2021-03-01T00:00:00", "other", "1"),
    )
    info = report(source).info
    assert (info.actual_start, info.actual_end) == ("2021-01-01T00:00:00Z", "2021-02-28T23:59:59Z")
    quiet = report(mart(("a", "2020-12-31", "other", "1"))).info
    assert (quiet.actual_start, quiet.actual_end) == (None, None)


def test_a_refill_of_nothing_or_less_is_told_with_number_and_sum() -> None:
    source = mart(
        ("a", "2021-01-05", "refill", "-2.5"),
        ("a", "2021-01-06", "refill", "0"),
        ("b", "2021-01-05", "refill", "-1"),
        ("b", "2021-03-05", "refill", "-9"),
        clients={"currency": ["USD", "EUR"]},
        rates={"currency": ["EUR"], "date": "2021-01-01", "units_per_base": "0.5", "base": "USD"},
    )
    found = report(source)
    assert found.info.warnings == (
        "3 refills have an amount of 0 or less, which counts toward balances but not toward Balance Refill. "
        "Their sum: -1.00 EUR, -2.50 USD.",
    )
    assert value(found, "Balance Refill: Qty") == 0
    assert value(found, "Clients - All: Balance") == Decimal("-4.5")
    [alone] = report(mart(("a", "2021-01-05", "refill", "0.000000"))).info.warnings
    assert alone.startswith("1 refill has an amount of 0 or less")
    assert "Its amount: 0" in alone


def test_data_older_than_the_report_is_told(tmp_path: Path) -> None:
    for name, frame in SMALL.items():
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    for path in tmp_path.iterdir():
        os.utime(path, (1_612_000_000, 1_612_000_000))
    found = report(tmp_path)
    assert found.info.data_as_of == "2021-01-30T09:46:40Z"
    assert found.info.warnings == (
        "The data is as of 2021-01-30 09:46:40 UTC, before the report's end at 2021-03-01 00:00:00 UTC. "
        "Transactions between these times are missing.",
    )
    assert report(tmp_path, as_of="2021-01-30").info.warnings == ()


def test_a_last_window_that_begins_earlier_is_counted_by_package_and_past_a_new_quote() -> None:
    """At 00:01 on 1994-10-30 the clocks of St. John's went back to 23:01 of the day before."""
    source = mart(
        ("a", "1994-09-30T02:00:00Z", "package_renewal", "-1"),  # 23:30 there: only the last window has it
        ("a", "1994-10-30T01:00:00Z", "refill", "2"),  # in the first bucket, at a quote of its own
        clients={"currency": "EUR", "created_at": "1994-09-01"},
        rates={
            "currency": "EUR",
            "date": ["1994-09-01", "1994-10-30"],
            "units_per_base": ["0.5", "0.25"],
            "base": "USD",
        },
    )
    source["transactions"]["package_id"] = "p"
    found = report(
        source,
        "1994-10-30T02:31:00Z",
        interval={"start": "1994-10-29 00:00:00", "end": "1994-10-30 00:00:59"},
        timezone="America/St_Johns",
        active_duration=1,
        group_by=["date", "package"],
        currency="USD",
    )
    names = ("Clients - Active: Qty", "Clients - Active: Balance", "Clients - Overall Active: Qty")
    seen = {row.labels: [row.values[found.column(name)] for name in names] for row in found.rows}
    assert seen["1994-10-29", "p"] == [0, 0, 1]
    assert seen["1994-10-30", "p"] == [1, 4, 1]


# Currency


def rates(**quotes: str) -> dict[str, Any]:
    return {
        "currency": list(quotes),
        "date": "2021-02-01",
        "units_per_base": list(quotes.values()),
        "base": "EUR",
    }


def test_a_currency_is_chosen_where_none_is_asked_for() -> None:
    assert report(mart(clients={"currency": "GBP"})).currency == "GBP"
    assert report(mart(rates=rates(GBP="0.9"))).currency == "USD"
    assert report(mart(rates=rates(GBP="0.9"), clients={"currency": "GBP"})).currency == "EUR"
    assert report(mart(rates=rates(USD="1.2"))).currency == "USD"
    with pytest.raises(
        QueryError, match="currency is required: the data has no rates, and its currencies are"
    ):
        report(mart(clients={"currency": ["GBP", "EUR"]}))


def test_a_quote_that_is_needed_and_missing_names_currency_and_date() -> None:
    source = mart(("a", "2021-01-05", "refill", "1"), rates=rates(USD="1.2"))
    with pytest.raises(RateError, match="no quote for USD on or before 2021-01-05, but the report in EUR"):
        report(source, currency="EUR")
    with pytest.raises(RateError, match="no quote for JPY on or before"):
        report(source, currency="JPY")
    last = mart(
        ("a", "2021-02-28", "usage", "1"), ("a", "2021-02-28", "refill", "-1"), rates=rates(GBP="0.9")
    )
    with pytest.raises(RateError, match="no quote for USD on or before 2021-02-28, but the report in EUR"):
        report(last, currency="EUR")
    assert report(source, currency="USD").info.quotes == ()


def test_a_quote_of_the_second_day_counts_from_its_first_to_the_last_second() -> None:
    source = mart(
        ("a", "2021-02-27T23:59:59", "refill", "8"),
        ("a", "2021-02-28T00:00:00", "refill", "8"),
        clients={"currency": "GBP"},
        rates={
            "currency": "GBP",
            "date": ["2021-01-01", "2021-02-28"],
            "units_per_base": ["2", "4"],
            "base": "EUR",
        },
    )
    interval = {"start": "2021-02-27 12:00:00", "end": "2021-02-28 00:00:00"}
    assert value(report(source, currency="EUR", interval=interval), "Balance Refill: Total") == 8 / 2 + 8 / 4


def test_amounts_that_come_to_nothing_need_a_quote_like_others() -> None:
    source = mart(
        ("a", "2021-01-05", "other", "2"), ("a", "2021-01-06", "other", "-2"), rates=rates(USD="1.2")
    )
    with pytest.raises(RateError, match="no quote for USD on or before 2021-01-"):
        report(source, currency="EUR", columns=["balances"])


def test_the_quotes_used_are_kept() -> None:
    source = mart(("a", "2021-02-05", "refill", "6"), rates=rates(USD="1.2", GBP="0.9"))
    found = report(source, currency="EUR")
    assert [(q.currency, q.date, q.units_per_base, q.base) for q in found.info.quotes] == [
        ("USD", "2021-02-01", "1.2", "EUR")
    ]
    assert value(found, "Balance Refill: Total") == 5


@pytest.mark.parametrize("group_by", [[], ["month"]])
def test_clients_without_money_need_no_quote(group_by: list[str]) -> None:
    source = mart(("a", "2021-01-05", "usage", "0"), rates=rates(GBP="0.9"))
    found = report(source, currency="JPY", group_by=group_by)
    for row in found.shown_rows():
        assert row.values[found.column("Clients - All: Qty")] == 2
        assert row.values[found.column("Clients - All: Balance")] == 0


# Large numbers


def test_totals_may_be_larger_than_an_int64() -> None:
    source = mart(
        ("a", "2021-01-05", "refill", str(LARGEST)),
        ("a", "2021-01-06", "usage", str(-LARGEST)),
        ("a", "2021-01-07", "refill", str(LARGEST)),
        ("b", "2021-01-05", "refill", str(LARGEST)),
        ("b", "2021-01-06", "usage", "-" + str(LARGEST)),
        ("b", "2021-02-06", "refill", str(LARGEST)),
    )
    for group_by in ([], ["month"]):
        found = report(source, group_by=group_by)
        total = found.total or found.rows[0]
        values = dict(zip((c.name for c in found.columns), total.values, strict=True))
        assert values["Balance Refill: Total"] == 4 * LARGEST
        assert values["Balance Refill: Avg"] == LARGEST
        assert values["Pay As You Go: Total"] == 2 * LARGEST
        assert values["Clients - All: Balance"] == 2 * LARGEST
        assert Report.from_dict(found.to_dict()) == found


def test_a_balance_is_exact_at_both_ends_of_an_int64() -> None:
    lowest = Decimal(-(2**63)).scaleb(-6)
    found = report(mart(clients={"opening_balance": [str(LARGEST), str(lowest)]}))
    assert value(found, "Clients - All: Balance Pos") == LARGEST
    assert value(found, "Clients - All: Balance Neg") == lowest
    assert value(found, "Clients - All: Balance") == Decimal("-0.000001")


def test_a_balance_that_no_int64_holds_is_an_error_that_names_the_client() -> None:
    with pytest.raises(MartError, match="'a' has a balance outside ±9 223 372 036 854"):
        report(
            mart(("a", "2021-01-05", "refill", "0.000001"), clients={"opening_balance": [str(LARGEST), "0"]})
        )


def test_amounts_in_one_second_may_pass_beyond_an_int64_on_the_way() -> None:
    found = report(
        mart(
            ("a", "2021-01-05", "refill", "1"),
            ("a", "2021-01-05", "usage", "-1"),
            clients={"opening_balance": [str(LARGEST), "0"]},
        )
    )
    assert value(found, "Clients - All: Balance") == LARGEST


@pytest.mark.parametrize("zeros", [30, 5000])
def test_a_value_of_any_length_keeps_every_digit(zeros: int) -> None:
    source = mart(
        ("a", "2021-02-05", "refill", "0.000003"),
        rates={**rates(USD="1"), "units_per_base": ["0." + "0" * zeros + "1"]},
    )
    found = report(source, currency="EUR")
    assert value(found, "Balance Refill: Total") == Decimal("3E-6").scaleb(zeros + 1)
    assert Report.from_dict(found.to_dict()) == found


def test_no_value_is_a_negative_zero() -> None:
    found = report(mart(("a", "2021-01-05", "usage", "0"), ("a", "2021-01-05", "refill", "0.000001")))
    assert not any(isinstance(v, Decimal) and v.is_zero() and v.is_signed() for v in found.rows[0].values)


def test_a_value_is_rounded_once_half_to_even() -> None:
    source = mart(
        ("a", "2021-02-05", "refill", "0.000001"),
        ("b", "2021-02-05", "refill", "0.000002"),
        rates={**rates(USD="2")},
    )
    assert value(report(source, currency="EUR"), "Balance Refill: Total") == Decimal("0.000002")
    assert value(report(source, currency="USD"), "Balance Refill: Avg") == Decimal("0.000002")


# What is asked


def test_packages_are_asked_for_by_name_and_kept_as_ids() -> None:
    source = mart(
        ("a", "2021-01-05", "package_renewal", "-1"), packages={"package_id": ["p1"], "name": ["Gold"]}
    )
    source["transactions"]["package_id"] = "p1"
    found = report(source, package=["Gold", "p1"], group_by=["package"])
    assert found.query.package == ("p1",)
    assert [row.labels for row in found.shown_rows()] == [("Gold",), ("Total",)]


def test_a_query_may_be_its_json_object_and_nothing_else() -> None:
    assert run_report({"interval": "this_month"}, SMALL).query == ReportQuery(interval="this_month")
    for junk in (None, 5, "last_month", ["last_month"]):
        with pytest.raises(QueryError, match="query must be an object with field names as keys"):
            run_report(junk, SMALL)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "as_of",
    [
        "2021-02-01T00:00:00Z",
        "2021-02-01",
        "2021-02-01T01:00:00.999999+01:00",
        datetime(2021, 2, 1),
        datetime(2021, 2, 1, 1, tzinfo=timezone(timedelta(hours=1))),
        pd.Timestamp("2021-02-01T00:00:00.123456789"),
    ],
)
def test_as_of_is_any_instant_cut_to_its_second(as_of: Any) -> None:
    assert run_report({"interval": "this_month"}, SMALL, as_of=as_of).info.as_of == "2021-02-01T00:00:00Z"


@pytest.mark.parametrize(
    "as_of",
    ["", "now", "2021-02-30", 5, b"2021", pd.NaT, date(2021, 1, 1), np.datetime64("2021"), float("nan")],
)
def test_what_is_no_instant_is_an_error(as_of: Any) -> None:
    with pytest.raises(QueryError, match="as_of must be"):
        run_report({"interval": "this_month"}, SMALL, as_of=as_of)


@pytest.mark.parametrize("as_of", ["0001-01-01", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00"])
def test_an_as_of_at_the_ends_of_the_calendar_is_no_crash(as_of: str) -> None:
    with pytest.raises(QueryError, match="as_of"):
        run_report({"interval": "this_year", "timezone": "Pacific/Kiritimati"}, SMALL, as_of=as_of)


def test_years_before_1000_are_written_in_full() -> None:
    assert report(SMALL, as_of="0987-06-05").info.as_of == "0987-06-05T00:00:00Z"


def test_the_same_question_gives_the_same_table_in_any_order_of_rows() -> None:
    shuffled = {name: frame.iloc[::-1] for name, frame in SMALL.items()}
    one, other = report(SMALL, group_by=["date"]), report(shuffled, group_by=["date"])
    assert (one.rows, one.total) == (other.rows, other.total)


def test_data_frames_are_left_as_they_were() -> None:
    before = {name: frame.copy(deep=True) for name, frame in SMALL.items()}
    report(SMALL, group_by=["month", "package"])
    for name, frame in SMALL.items():
        pd.testing.assert_frame_equal(frame, before[name])


def test_a_faulty_mart_is_refused_and_quarantine_is_not_there_yet() -> None:
    source = mart(("a", "2021-01-05", "usage", "x"))
    with pytest.raises(MartError, match="transactions, row 1, amount: 'x' is not a plain decimal number"):
        report(source)
    with pytest.raises(CustDynError):
        report({**source, "on_fault": "quarantine"})


def test_a_package_whose_name_is_not_its_own_is_told_by_its_id_too() -> None:
    folder = Path(__file__).parents[1] / "golden" / "small" / "mart"
    mart = {
        name: pd.read_csv(folder / f"{name}.csv", dtype=str)
        for name in ("clients", "transactions", "packages")
    }
    mart["rates"] = pd.read_csv(folder / "rates.csv", dtype=str)
    names = {"P10": "Flat", "P20": "Flat", "P30": "(no package)"}
    mart["packages"]["name"] = [names[i] for i in mart["packages"]["package_id"]]
    query = {"interval": {"start": "2021-10-01", "end": "2021-11-30"}, "group_by": ["package"]}
    report = run_report(query, mart, as_of="2022-01-01")
    assert [row.labels[0] for row in report.rows] == ["(no package) (P30)", "Flat (P10)", "(no package)"]


def test_garbage_is_collected_again_after_a_report_that_failed() -> None:
    seen = []

    def fail() -> None:
        with _without_garbage_collection():
            seen.append(gc.isenabled())
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert [*seen, gc.isenabled()] == [False, True]
