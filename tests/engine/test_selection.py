"""Which clients a query chooses, and what it says to names that the data does not have."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from custdyn_widgets.engine.selection import package_codes, select
from custdyn_widgets.errors import QueryError
from custdyn_widgets.mart.checking.values import MICROS
from custdyn_widgets.mart.facts.facts import Facts
from custdyn_widgets.mart.opening import open_mart
from custdyn_widgets.query.query import ReportQuery

DAY = 86_400
NAMES = ["ann", "bob", "cid", "dot", "eve"]


@pytest.fixture(scope="module")
def facts() -> Facts:
    clients = pd.DataFrame(
        {
            "client_id": NAMES,
            "client_type": ["client", "client", "reseller", "calling_card", "call_shop"],
            "company": ["top", "mid", "leaf", "other", None],
            "owner_user": ["x", "y", "x", None, " "],
            "tags": ["vip;new;vip", "vip", "", "new", None],
            "currency": "USD",
            "created_at": "1970-01-01",
            "opening_balance": range(len(NAMES)),  # tells them apart: facts have an order of their own
        }
    )
    ledger = pd.DataFrame(
        [
            ("1", "ann", "1970-01-02", "package_renewal", "-1", "p1"),
            ("2", "bob", "1970-01-05", "package_activation", "0", "p1"),
            ("3", "cid", "1970-01-02", "package_renewal", "1", "p2"),
            ("4", "dot", "1970-01-02", "usage", "-1", "p1"),
            ("5", "eve", "1970-01-02", "package_renewal", "-1", None),
        ],
        columns=["transaction_id", "client_id", "at", "kind", "amount", "package_id"],
    )
    packages = pd.DataFrame({"package_id": ["p1", "p2", "p3", "Gold"], "name": ["Gold", "Dup", "Dup", "Id"]})
    companies = pd.DataFrame(
        {"company": ["top", "mid", "leaf", "other"], "parent": [None, "top", "mid", None]}
    )
    return open_mart(
        {"clients": clients, "transactions": ledger, "packages": packages, "companies": companies}
    ).facts


def chosen(facts: Facts, end: int = 10 * DAY, **fields: Any) -> list[str]:
    query = ReportQuery.from_dict({"interval": "today", "client_type": "all", **fields})
    return [NAMES[i] for i in sorted(facts.opening[select(facts, query, end).clients] // MICROS)]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, NAMES),
        ({"client_type": "client"}, ["ann", "bob"]),
        ({"client_type": "call_shop"}, ["eve"]),
        ({"client_tags": ["vip"]}, ["ann", "bob"]),
        ({"client_tags": ["vip", "new"]}, ["ann", "bob", "dot"]),
        ({"client_tags": ["vip", "new"], "tags_match": "all"}, ["ann"]),
        ({"client_tags": []}, NAMES),
        ({"company": ["top"]}, ["ann", "bob", "cid"]),
        ({"company": ["mid"]}, ["bob", "cid"]),
        ({"company": ["mid"], "include_descendants": False}, ["bob"]),
        ({"company": ["mid", "other"]}, ["bob", "cid", "dot"]),
        ({"company": ["(none)"]}, ["eve"]),
        ({"company": ["(none)", "mid"]}, ["bob", "cid", "eve"]),
        ({"company": ["(none)", "mid"], "include_descendants": False}, ["bob", "eve"]),
        ({"owner_user": ["(none)"]}, ["dot", "eve"]),
        ({"owner_user": ["x"]}, ["ann", "cid"]),
        ({"owner_user": ["x", "y"], "company": ["mid"]}, ["bob", "cid"]),
        ({"owner_user": ["y"], "client_type": "reseller"}, []),
    ],
)
def test_filters_choose_clients(facts: Facts, fields: dict[str, Any], expected: list[str]) -> None:
    assert chosen(facts, **fields) == expected


def test_a_package_filter_takes_whoever_had_a_fee_of_any_sign_before_the_end(facts: Facts) -> None:
    assert chosen(facts, package=["p1"]) == ["ann", "bob"]
    assert chosen(facts, package=["p1"], end=4 * DAY) == ["ann"]
    assert chosen(facts, package=["p1"], end=4 * DAY + 1) == ["ann", "bob"]
    assert chosen(facts, package=["p2"]) == ["cid"]
    assert chosen(facts, package=["p1", "p2"]) == ["ann", "bob", "cid"]
    assert chosen(facts, package=["p3"]) == []


def test_a_package_is_given_by_id_or_name_and_an_id_wins(facts: Facts) -> None:
    ids = [package_id for package_id, _ in facts.names.packages]
    assert [ids[code] for code in package_codes(facts, ["p1", "Id", "Gold"])] == ["p1", "Gold"]
    assert package_codes(facts, []) == ()


def test_a_name_of_several_packages_is_an_error_that_lists_their_ids(facts: Facts) -> None:
    with pytest.raises(QueryError, match="'Dup' is the name of several packages; give an id: 'p2', 'p3'"):
        package_codes(facts, ["Dup"])


@pytest.mark.parametrize(
    ("field", "given", "words"),
    [
        ("client_tags", "VIP", "client_tags: the data has no tag 'VIP'. Choose from: 'new', 'vip'."),
        (
            "company",
            "midd",
            "company: the data has no company 'midd'. Choose from: 'leaf', 'mid', 'other', 'top'.",
        ),
        ("owner_user", "", "owner_user: the data has no owner user ''. Choose from: 'x', 'y'."),
        ("owner_user", " ", "owner_user: the data has no owner user ' '. Choose from: 'x', 'y'."),
        (
            "package",
            "gold",
            "package: the data has no package 'gold'. Choose from: 'Gold', 'p1', 'p2', 'p3', 'Id', 'Dup'.",
        ),
    ],
)
def test_a_name_that_the_data_does_not_have_is_an_error_with_the_valid_ones(
    facts: Facts, field: str, given: str, words: str
) -> None:
    with pytest.raises(QueryError) as caught:
        chosen(facts, **{field: [given]})
    assert caught.value.field == field
    assert caught.value.message == words


@pytest.mark.parametrize("given", ["</script>\n\ud800", "x" * 100_000, "\x00", "‮gold"])
def test_a_hostile_name_gives_one_short_line(facts: Facts, given: str) -> None:
    with pytest.raises(QueryError) as caught:
        chosen(facts, package=[given])
    assert len(caught.value.message) < 300
    assert caught.value.message.isprintable()


def test_filters_by_what_no_client_has_say_that_there_is_none() -> None:
    clients = pd.DataFrame(
        {"client_id": ["a"], "client_type": "client", "currency": "USD", "created_at": "2021-01-01"}
    )
    ledger = pd.DataFrame(columns=["transaction_id", "client_id", "at", "kind", "amount"], dtype=object)
    bare = open_mart({"clients": clients, "transactions": ledger}).facts
    for field in ("client_tags", "company", "owner_user", "package"):
        with pytest.raises(QueryError, match="There are none"):
            select(bare, ReportQuery.from_dict({"interval": "today", field: ["x"]}), 0)
