"""The settings of unattended runs: round trips and checks."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custdyn_widgets.errors import SavedQueryError
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.saved_queries.automation import ForEach, Retention
from custdyn_widgets.saved_queries.content import SavedQuery
from custdyn_widgets.saved_queries.schedule.schedule import Schedule

PLAIN: dict[str, Any] = {
    "format": 1,
    "title": "Monthly refills",
    "query": {"interval": "last_month"},
    "output": "csv",
}
FIRST = {"cron": "0 6 1 * *", "timezone": "Europe/Paris"}
WHOLE: dict[str, Any] = {
    **PLAIN,
    "source": "shop",
    "schedule": FIRST,
    "recipients": ["anna@example.com", "bert@example.com"],
    "failure_recipients": ["ops@example.com"],
    "retention": {"keep_last": 12, "older_than": "1y"},
    "only_if": ["changed", "not_empty"],
}


def test_the_settings_are_read_and_written() -> None:
    saved = SavedQuery.from_dict(WHOLE)
    assert saved.source == "shop"
    assert saved.schedule == Schedule("0 6 1 * *", "Europe/Paris")
    assert saved.recipients == ("anna@example.com", "bert@example.com")
    assert saved.failure_recipients == ("ops@example.com",)
    assert saved.retention == Retention(12, "1y")
    assert saved.only_if == ("changed", "not_empty")
    assert {key: saved.to_dict()[key] for key in WHOLE} == {**WHOLE, "query": saved.query.to_dict()}
    assert SavedQuery.from_file("x.json", saved.to_bytes()) == saved


def test_a_division_is_read_and_written() -> None:
    division = {"by": "company", "addresses": "addresses.csv"}
    saved = SavedQuery.from_dict({**PLAIN, "for_each": division})
    assert saved.for_each == ForEach("company", "addresses.csv")
    assert saved.to_dict()["for_each"] == division
    assert SavedQuery.from_file("x.json", saved.to_bytes()) == saved


def test_a_file_without_these_settings_keeps_its_keys() -> None:
    keys = ["format", "title", "description", "query", "output", "chart"]
    absent = SavedQuery.from_dict(PLAIN)
    nulls = SavedQuery.from_dict({**PLAIN, **dict.fromkeys(set(WHOLE) - set(PLAIN)), "for_each": None})
    empty = SavedQuery.from_dict({**PLAIN, "recipients": [], "failure_recipients": [], "only_if": []})
    assert absent == nulls == empty
    assert list(json.loads(empty.to_bytes())) == keys


def test_conditions_are_stored_once_and_in_a_fixed_order() -> None:
    saved = SavedQuery.from_dict({**PLAIN, "only_if": ["not_empty", "changed", "not_empty"]})
    assert saved.only_if == ("changed", "not_empty")


def test_retention_gives_the_rule_of_pruning() -> None:
    now = datetime(2026, 3, 31, tzinfo=UTC)
    assert Retention(12, "1m").rule(now).before == datetime(2026, 2, 28, tzinfo=UTC)
    assert Retention(12).rule(now).before is None
    assert Retention(12).rule(now).keep_last == 12
    assert Retention(1).rule(now).keep_last == 1


def test_failure_recipients_need_no_recipients() -> None:
    page = SavedQuery.from_dict({**PLAIN, "output": "web", "failure_recipients": ["ops@example.com"]})
    assert page.failure_recipients == ("ops@example.com",)


def test_up_to_a_hundred_recipients_are_kept_in_their_order() -> None:
    addresses = [f"a{n}@example.com" for n in range(100)]
    saved = SavedQuery.from_dict({**PLAIN, "recipients": addresses})
    assert saved.recipients == tuple(addresses)


ADDRESSES = [
    "a@b", "anna@example.com", "anna.b+c@mail.example.com", "root@localhost", "o'neil@example.com",
    "a@xn--bcher-kva.example", "a@bücher.example", "1@2.example", "a" * 64 + "@example.com",
]  # fmt: skip
NO_ADDRESSES = [
    "", " ", "anna", "@example.com", "anna@", "a@@b", "a@b@c", "a b@example.com", " a@example.com",
    "a@example.com ", "a@example.com\n", "a@example.com\r\nBcc: b@example.com", "a\x00@example.com",
    "Anna <a@example.com>", "<a@example.com>", "a@example.com, b@example.com", "a@example.com;b@example.com",
    '"a b"@example.com', "a@[127.0.0.1]", "a@-b.com", "a@b-.com", "a@b..com", "a@.com", "a@b.com.",
    ".a@example.com", "a.@example.com", "a..b@example.com", "a@exa_mple.com", "ä@example.com",
    "a" * 65 + "@example.com", "a@" + "b" * 64 + ".com", "a@" + ("b" * 60 + ".") * 5 + "com",
    "mailto:a@example.com", "a@example.com?bcc=b", "a(comment)@example.com", "=?utf-8?q?a?=@exa mple.com",
    "a@example.com%0aBcc:b", "\u202ea@example.com", "a\u200b@example.com", "a@" + "x." * 50_000 + "com",
]  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_plain_address_is_kept_unchanged(address: str) -> None:
    assert SavedQuery.from_dict({**PLAIN, "recipients": [address]}).recipients == (address,)


@pytest.mark.parametrize("address", NO_ADDRESSES, ids=range(len(NO_ADDRESSES)))
@pytest.mark.parametrize("key", ["recipients", "failure_recipients"])
def test_anything_but_a_plain_address_is_refused(key: str, address: str) -> None:
    with pytest.raises(SavedQueryError, match="is not a plain email address") as caught:
        SavedQuery.from_dict({**PLAIN, key: ["good@example.com", address]})
    assert caught.value.field == key
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 300


@given(st.text(max_size=30) | st.from_regex(r"[\w.@ \n<>,;:=?-]{1,30}"))
def test_no_accepted_address_can_end_a_header(text: str) -> None:
    try:
        SavedQuery.from_dict({**PLAIN, "recipients": [text]})
    except SavedQueryError:
        return
    assert not set(text) & set('\r\n\x00 \t,;<>"()')
    assert text.count("@") == 1


# Hostile files

_CRONS = ["", "* * * *", "* * * * * *", "@daily", "@reboot", "61 * * * *", "0 0 31 2 *", "0 0 L * *", "\x00"]
_BAD: list[tuple[dict[str, Any], str]] = [
    *(({"schedule": {**FIRST, "cron": cron}}, "schedule.cron: ") for cron in _CRONS),
    ({"schedule": {**FIRST, "cron": "* * * * *\n* * * * * id"}}, "has 11 fields"),
    ({"schedule": {**FIRST, "cron": "0 6 1 * * ; id"}}, "has 7 fields"),
    ({"schedule": {**FIRST, "cron": "0," * 30_000}}, "is longer than 200"),
    ({"schedule": {**FIRST, "cron": 6}}, "schedule.cron must be text"),
    ({"schedule": {**FIRST, "cron": ["0 6 1 * *"]}}, "schedule.cron must be text"),
    ({"schedule": {**FIRST, "cron": None}}, "schedule.cron is required"),
    ({"schedule": {**FIRST, "timezone": None}}, "schedule.timezone is required"),
    ({"schedule": {"cron": "0 6 1 * *"}}, "schedule.timezone is required"),
    ({"schedule": {"timezone": "UTC"}}, "schedule.cron is required"),
    ({"schedule": {}}, "schedule.cron is required"),
    ({"schedule": {**FIRST, "timezone": "Mars/Olympus"}}, "schedule.timezone: 'Mars/Olympus'"),
    ({"schedule": {**FIRST, "timezone": "../../etc/passwd"}}, "schedule.timezone: "),
    ({"schedule": {**FIRST, "timezone": "posix/UTC"}}, "schedule.timezone: "),
    ({"schedule": {**FIRST, "timezone": "+02:00"}}, "schedule.timezone: "),
    ({"schedule": {**FIRST, "timezone": 2}}, "schedule.timezone must be text"),
    ({"schedule": {**FIRST, "zone": "UTC"}}, "no key 'schedule.zone'"),
    ({"schedule": {**FIRST, "seconds": "0"}}, "no key 'schedule.seconds'"),
    ({"schedule": "0 6 1 * *"}, "schedule must be an object"),
    ({"schedule": [FIRST]}, "schedule must be an object"),
    ({"schedule": True}, "schedule must be an object"),
    ({"schedule": FIRST, "source": None}, "source is required: a schedule requires"),
    ({"source": ""}, "source: '' is blank"),
    ({"source": " \t"}, "source: ' \\t' is blank"),
    ({"source": 1}, "source must be text"),
    ({"source": ["shop"]}, "source must be text"),
    ({"source": {"path": "shop"}}, "source must be text"),
    ({"source": False}, "source must be text"),
    ({"source": "a\x00b"}, "contains a control character"),
    ({"source": "a\nb"}, "contains a control character"),
    ({"source": "\x1b[2J"}, "contains a control character"),
    ({"source": "s" * 1001}, "is longer than 1,000"),
    ({"source": "postgresql://user:sEcReT@db/billing"}, "must be a name or a path"),
    ({"source": "postgresql:/user:sEcReT@db/billing"}, "must be a name or a path"),
    ({"source": "./postgresql:/user:sEcReT@db/billing"}, "must be a name or a path"),
    ({"source": "user:sEcReT@db/billing"}, "must be a name or a path"),
    ({"source": "user/sEcReT@//db/billing"}, "must be a name or a path"),
    ({"source": "\ud800"}, "an incomplete character"),
    ({"recipients": "anna@example.com"}, "recipients must be a list of strings"),
    ({"recipients": {"anna@example.com": 1}}, "recipients must be a list of strings"),
    ({"recipients": [1]}, "recipients must be a list of strings"),
    ({"recipients": [None]}, "recipients must be a list of strings"),
    ({"recipients": [["anna@example.com"]]}, "recipients must be a list of strings"),
    ({"recipients": True}, "recipients must be a list of strings"),
    ({"recipients": ["a@example.com"] * 2}, "is listed twice"),
    ({"recipients": ["a@example.com", "a@EXAMPLE.com"]}, "is listed twice"),
    ({"recipients": ["a@bücher.example", "a@xn--bcher-kva.example"]}, "is listed twice"),
    ({"recipients": [f"a{n}@example.com" for n in range(101)]}, "at most 100 are allowed"),
    (
        {"recipients": ["a@example.com"], "output": "web"},
        "cannot be sent by email: choose csv, csv-excel, xlsx or pdf",
    ),
    ({"recipients": ["a@example.com"], "output": None}, "cannot be sent by email"),
    ({"total": "yes"}, "total must be true or false"),
    ({"total": True, "output": "xlsx"}, "is allowed only with the csv and csv-excel outputs: remove it"),
    ({"failure_recipients": "ops@example.com"}, "failure_recipients must be a list"),
    ({"failure_recipients": ["o@example.com"] * 2}, "is listed twice"),
    ({"failure_recipients": [f"a{n}@example.com" for n in range(101)]}, "at most 100 are allowed"),
    ({"failure_recipients": [3]}, "failure_recipients must be a list"),
    ({"retention": {}}, "retention is required"),
    ({"retention": 12}, "retention must be an object"),
    ({"retention": "1y"}, "retention must be an object"),
    ({"retention": []}, "retention must be an object"),
    ({"retention": {"keep_last": 0}}, "0 is less than 1"),
    ({"retention": {"keep_last": -1}}, "-1 is less than 1"),
    ({"retention": {"keep_last": 1.0}}, "must be a whole number"),
    ({"retention": {"keep_last": True}}, "must be a whole number"),
    ({"retention": {"keep_last": "12"}}, "must be a whole number"),
    ({"retention": {"keep_last": None}}, "retention is required"),
    ({"retention": {"older_than": ""}}, "retention.older_than: "),
    ({"retention": {"older_than": "1 year"}}, "retention.older_than: "),
    ({"retention": {"older_than": "0d"}}, "retention.older_than: "),
    ({"retention": {"older_than": "-1d"}}, "retention.older_than: "),
    ({"retention": {"older_than": "9999999d"}}, "retention.older_than: "),
    ({"retention": {"older_than": 90}}, "retention.older_than must be text"),
    ({"retention": {"keep_last": 1, "keep": 2}}, "no key 'retention.keep'"),
    ({"only_if": "changed"}, "only_if must be a list"),
    ({"only_if": ["change"]}, "'change' is not an allowed value"),
    ({"only_if": ["not empty"]}, "'not empty' is not an allowed value"),
    ({"only_if": [""]}, "'' is not an allowed value"),
    ({"only_if": [1]}, "only_if must be a list"),
    ({"only_if": {"changed": True}}, "only_if must be a list"),
    ({"for_each": "company"}, "for_each must be an object"),
    ({"for_each": ["company"]}, "for_each must be an object"),
    ({"for_each": {}}, "for_each.by is required"),
    ({"for_each": {"by": "company"}}, "for_each.addresses is required"),
    ({"for_each": {"addresses": "a.csv"}}, "for_each.by is required"),
    ({"for_each": {"by": "client", "addresses": "a.csv"}}, "for_each.by: 'client'"),
    ({"for_each": {"by": ["company"], "addresses": "a.csv"}}, "for_each.by: ['company']"),
    ({"for_each": {"by": "company", "addresses": ""}}, "for_each.addresses: '' is blank"),
    ({"for_each": {"by": "company", "addresses": 1}}, "for_each.addresses must be text"),
    ({"for_each": {"by": "company", "addresses": "a\x00"}}, "contains a control character"),
    ({"for_each": {"by": "company", "addresses": "https://x/a.csv"}}, "must be a name or a path"),
    ({"for_each": {"by": "company", "addresses": "a.csv", "to": "b"}}, "no key 'for_each.to'"),
    ({"for_each": {"by": "company", "addresses": "a.csv"}, "output": "web"}, "cannot be sent by email"),
    (
        {"for_each": {"by": "company", "addresses": "a.csv"}, "recipients": ["a@b.example"]},
        "cannot be combined with for_each",
    ),
]


@pytest.mark.parametrize(("change", "words"), _BAD, ids=range(len(_BAD)))
def test_a_hostile_file_is_refused_with_its_name_and_the_reason(change: dict[str, Any], words: str) -> None:
    content = json.dumps({**PLAIN, "source": "shop", **change}).encode()
    with pytest.raises(SavedQueryError) as caught:
        SavedQuery.from_file("bad.json", content)
    message = caught.value.message
    assert message.startswith("'bad.json'")
    assert words in message
    assert "sEcReT" not in message
    assert message.isprintable()
    assert len(message) < 500


def test_an_invalid_value_is_refused_when_it_is_built() -> None:
    query = ReportQuery(interval="last_month")
    for wrong in ({"schedule": FIRST}, {"recipients": None}, {"retention": 3}, {"source": ""}):
        with pytest.raises(SavedQueryError):
            SavedQuery("T", query, output="csv", **wrong)
