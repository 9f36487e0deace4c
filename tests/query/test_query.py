"""A query from JSON: what each field takes, what it means, and what is refused with which words."""

from __future__ import annotations

import inspect
import json
import re
from dataclasses import FrozenInstanceError, fields, replace
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest

from custdyn_widgets.errors import QueryError
from custdyn_widgets.query.checks import Period, time_zones
from custdyn_widgets.query.fields import FIELDS, PRESETS
from custdyn_widgets.query.query import ReportQuery

FIXED = {"start": "2021-01-01", "end": "2021-12-31"}


def query(**given: Any) -> ReportQuery:
    return ReportQuery.from_dict({"interval": "today", **given})


def refused(**given: Any) -> QueryError:
    with pytest.raises(QueryError) as caught:
        query(**given)
    return caught.value


# What is taken


def test_the_defaults_are_those_of_the_specification() -> None:
    assert query().to_dict() == {
        "interval": "today",
        "timezone": "UTC",
        "client_type": "client",
        "client_tags": [],
        "tags_match": "any",
        "company": [],
        "include_descendants": True,
        "owner_user": [],
        "package": [],
        "group_by": ["month"],
        "currency": None,
        "active_duration": 3,
    }


def test_the_table_has_every_field_in_the_order_of_the_query_with_label_and_help() -> None:
    assert list(FIELDS) == [f.name for f in fields(ReportQuery)]
    for name, field in FIELDS.items():
        assert field.name == name
        assert field.label
        assert field.help.endswith(".")
        assert re.search(rf"^(\w+, )?{name}\b", inspect.getdoc(ReportQuery) or "", re.MULTILINE), name


def test_every_default_is_a_value_that_its_field_takes() -> None:
    for name, value in vars(query()).items():
        if value is not None:
            assert FIELDS[name].check(value) == value


def test_null_means_left_out_in_every_field() -> None:
    names = [f.name for f in fields(ReportQuery) if f.name != "interval"]
    assert query(**dict.fromkeys(names)) == query()


def test_a_query_round_trips_through_json() -> None:
    asked = query(
        interval=FIXED, timezone="Asia/Kathmandu", client_type="all", client_tags=["b", "a"],
        tags_match="all", company=["x"], include_descendants=False, owner_user=["u"], package=["p"],
        currency="EUR", group_by=["package", "date"], active_duration=120,
    )  # fmt: skip
    assert ReportQuery.from_dict(json.loads(json.dumps(asked.to_dict()))) == asked


def test_a_query_is_a_value_that_does_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        query().currency = "EUR"  # type: ignore[misc]
    assert hash(query(interval=FIXED)) == hash(query(interval=dict(FIXED)))


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_taken(preset: str) -> None:
    assert query(interval=preset).interval == preset


@pytest.mark.parametrize(
    ("start", "end", "first", "last"),
    [
        ("2021-01-01", "2021-01-01", datetime(2021, 1, 1), datetime(2021, 1, 1, 23, 59, 59)),
        (
            "2021-01-01T08:00:00", "2021-01-01 08:00:00", datetime(2021, 1, 1, 8), datetime(2021, 1, 1, 8),
        ),
        ("1900-01-01", "2100-12-31", datetime(1900, 1, 1), datetime(2100, 12, 31, 23, 59, 59)),
    ],
)  # fmt: skip
def test_an_interval_is_a_first_and_a_last_second(
    start: str, end: str, first: datetime, last: datetime
) -> None:
    assert query(interval={"start": start, "end": end}).interval == Period(first, last)


def test_groupings_are_kept_in_one_order_and_lists_without_repeats() -> None:
    assert query(group_by=["package", "year"]).group_by == ("year", "package")
    assert query(group_by=[]).group_by == ()
    assert query(client_tags=["b", "a", "b"]).client_tags == ("b", "a")


def test_a_query_takes_values_of_json_and_of_python() -> None:
    from_json = ReportQuery(
        {"start": "2021-01-01", "end": "2021-12-31"},  # type: ignore[arg-type]
        client_tags=["b", "a", "b"],  # type: ignore[arg-type]
        group_by=["package", "date"],  # type: ignore[arg-type]
        timezone=None,  # type: ignore[arg-type]
        active_duration=None,  # type: ignore[arg-type]
    )
    from_python = ReportQuery(
        Period(datetime(2021, 1, 1), datetime(2021, 12, 31, 23, 59, 59)),
        client_tags=("b", "a"),
        group_by=("date", "package"),
    )
    assert from_json == from_python
    assert from_json.to_dict() == from_python.to_dict()
    assert hash(from_json) == hash(from_python)


def test_a_period_is_kept_as_plain_wall_times() -> None:
    stamps = Period(pd.Timestamp("2021-01-01"), datetime(2021, 10, 31, 2, fold=1))
    kept = ReportQuery(stamps).interval
    assert isinstance(kept, Period)
    assert (type(kept.start), kept.end.fold) == (datetime, 0)


def test_a_changed_query_is_checked_again() -> None:
    asked = replace(query(), group_by=["package", "year"])  # type: ignore[arg-type]
    assert asked.group_by == ("year", "package")
    assert replace(asked, group_by=None).group_by == ("month",)  # type: ignore[arg-type]
    with pytest.raises(QueryError, match="interval is required"):
        replace(asked, interval=None)  # type: ignore[arg-type]


def test_a_query_tells_itself_in_words() -> None:
    asked = query(
        interval=FIXED, client_type="calling_card", client_tags=["vip"], company=["A"], owner_user=["u"],
        package=["P1"], currency="EUR", group_by=["month", "package"], active_duration=1,
    )  # fmt: skip
    assert asked.describe() == (
        "2021-01-01 00:00:00 to 2021-12-31 23:59:59 (UTC), calling cards with any of the tags vip of A and "
        "resellers below owned by u, packages P1, by month and package, in EUR, active within 1 month"
    )
    assert query(group_by=[]).describe() == "Today (UTC), clients, in one row, active within 3 months"


# What is refused


OCTOBER = '{"start": "2021-10-01", "end": "2021-11-30"}'
ANY_PERIOD = '{"start": "YYYY-MM-DD", "end": "YYYY-MM-DD"}'


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("2021-10-01/2021-11-30", OCTOBER),
        (" 2021-10-01 / 2021-11-30 ", OCTOBER),
        ("2021-10-01..2021-11-30", OCTOBER),
        ("2021-10-01 to 2021-11-30", OCTOBER),
        (
            "2021-10-01 06:00:00/2021-10-02T06:00:00",
            '{"start": "2021-10-01 06:00:00", "end": "2021-10-02T06:00:00"}',
        ),
        ("2021-10-01", '{"start": "2021-10-01", "end": "2021-10-01"}'),
        ("2021-02-30/2021-11-30", ANY_PERIOD),
        ("2021-11-30/2021-10-01", ANY_PERIOD),
        ("2021-10/2021-11", ANY_PERIOD),
        ("2021", ANY_PERIOD),
        ("Q3 2021", ANY_PERIOD),
        ("01.10.2021-30.11.2021", ANY_PERIOD),
        ('{"start": "2021-10-01", "end": "2021-11-30"}', ANY_PERIOD),
    ],
)
def test_a_period_written_as_text_is_told_the_form_with_its_own_dates(text: str, remedy: str) -> None:
    with pytest.raises(QueryError) as caught:
        ReportQuery(interval=text)
    assert caught.value.message == f"interval: {text!r} is not a preset. Write a period as {remedy}."
    if remedy != ANY_PERIOD:
        ReportQuery.from_dict({"interval": json.loads(remedy)})


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({"intervall": 1}, "intervall", "no field 'intervall'"),
        ({"interval": "last_moth"}, "interval", "Did you mean 'last_month'"),
        ({"interval": "last_5_days"}, "interval", "Did you mean 'last_7_days'"),
        ({"interval": 7}, "interval", "must be the name of a preset or"),
        ({"interval": {"start": "2021-01-01"}}, "interval.end", "interval.end is required"),
        ({"interval": {**FIXED, "zone": "UTC"}}, "interval.zone", "no field 'interval.zone'"),
        ({"interval": {**FIXED, "start": "2021-1-1"}}, "interval.start", "must be a wall time"),
        ({"interval": {**FIXED, "start": "2021-01-01 08:00"}}, "interval.start", "must be a wall time"),
        ({"interval": {**FIXED, "start": "2021-01-01T00:00:00Z"}}, "interval.start", "must be a wall time"),
        ({"interval": {**FIXED, "start": "2021-02-29"}}, "interval.start", "is not a valid date and time"),
        ({"interval": {**FIXED, "start": "1899-12-31"}}, "interval.start", "outside the years 1900 to 2100"),
        ({"interval": {**FIXED, "end": "2101-01-01"}}, "interval.end", "outside the years 1900 to 2100"),
        ({"interval": {**FIXED, "start": "2022-01-01"}}, "interval.start", "is after the end '2021-12-31'"),
        ({"timezone": "Europe/Berlln"}, "timezone", "Did you mean 'Europe/Berlin'"),
        ({"timezone": "localtime"}, "timezone", "'localtime' is not an allowed value"),
        ({"timezone": "posix/UTC"}, "timezone", "'posix/UTC' is not an allowed value"),
        ({"client_type": "Client"}, "client_type", "Choose from: 'client', 'reseller'"),
        ({"client_tags": "vip"}, "client_tags", "must be a list of strings, not 'vip'"),
        ({"client_tags": ["vip", 1]}, "client_tags", "must be a list of strings"),
        ({"tags_match": "both"}, "tags_match", "Choose from: 'any', 'all'"),
        ({"include_descendants": 1}, "include_descendants", "must be true or false, not 1"),
        ({"group_by": ["month", "year"]}, "group_by", "more than one of year, month and date"),
        ({"group_by": ["week"]}, "group_by", "'week' is not an allowed value"),
        ({"currency": "usd"}, "currency", "three capital letters"),
        ({"active_duration": 0}, "active_duration", "not between 1 and 120"),
        ({"active_duration": 121}, "active_duration", "not between 1 and 120"),
        ({"active_duration": 3.0}, "active_duration", "must be a whole number of months, not 3.0"),
        ({"active_duration": True}, "active_duration", "must be a whole number of months, not True"),
    ],
)  # fmt: skip
def test_what_means_nothing_is_refused_by_field_and_value(
    given: dict[str, Any], field: str, words: str
) -> None:
    error = refused(**given)
    assert error.field == field
    assert words in error.message


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("interval", "last_monht"),
        ("interval", None),
        ("interval", ("2021-01-01", "2021-02-01")),
        ("interval", Period(datetime(2021, 1, 1), datetime(2021, 1, 2, 0, 0, 0, 5))),
        ("interval", Period(datetime(2021, 1, 1, tzinfo=UTC), datetime(2021, 1, 2, tzinfo=UTC))),
        ("interval", Period(datetime(2021, 1, 2), datetime(2021, 1, 1))),
        ("timezone", "Mars/Olympus"),
        ("timezone", "../etc/passwd"),
        ("timezone", "posix/UTC"),
        ("client_type", "x"),
        ("client_tags", "vip"),
        ("tags_match", 1),
        ("company", (1,)),
        ("include_descendants", "no"),
        ("owner_user", {"x"}),
        ("package", "p1"),
        ("group_by", "month"),
        ("group_by", ("month", "date")),
        ("currency", "usd"),
        ("currency", 5),
        ("active_duration", 0),
        ("active_duration", 2.0),
        ("active_duration", 10**30),
    ],
)
def test_a_query_that_is_wrong_cannot_be_built(field: str, given: Any) -> None:
    with pytest.raises(QueryError) as built:
        ReportQuery(**{"interval": "this_month", field: given})
    assert str(built.value.field).split(".")[0] == field
    with pytest.raises(QueryError) as changed:
        replace(ReportQuery(interval="this_month"), **{field: given})
    assert changed.value.message == built.value.message


def test_an_interval_is_required() -> None:
    with pytest.raises(QueryError, match="interval is required"):
        ReportQuery.from_dict({})
    with pytest.raises(QueryError, match="interval is required"):
        ReportQuery.from_dict({"interval": None})


@pytest.mark.parametrize("given", [None, [], "today", 1])
def test_what_is_no_object_is_no_query(given: object) -> None:
    with pytest.raises(QueryError, match="query must be an object"):
        ReportQuery.from_dict(given)


def test_the_zones_leave_out_what_no_person_chooses() -> None:
    zones = time_zones()
    assert {"UTC", "Europe/Berlin", "Australia/Lord_Howe"} <= set(zones)
    assert not {"localtime", "Factory", "posixrules"} & set(zones)
    assert list(zones) == sorted(zones)
