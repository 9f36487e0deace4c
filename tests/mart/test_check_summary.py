"""A check sums its faults up by kind: for a terminal, for a notebook and as a plain value."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custdyn_widgets import Dialect, Source
from custdyn_widgets.mart.checking import fault_kinds
from custdyn_widgets.mart.checking.checked import CheckedMart
from custdyn_widgets.mart.checking.faults import EXAMPLES, Fault, FaultGroup, FaultKind, group_faults
from custdyn_widgets.mart.checking.summary import CheckSummary
from custdyn_widgets.mart.schema import TABLES
from custdyn_widgets.mart.source_check import check_source
from custdyn_widgets.mart.synced import SyncRecord
from custdyn_widgets.mart.syncing.sync import SyncResult
from custdyn_widgets.text import replace_surrogates
from tests.mart.test_mart import CSV, FAULTS, folder, frames, objects, with_column
from tests.payloads import PAYLOADS

pytestmark = pytest.mark.usefixtures("own_cache")

KINDS = [kind for kind in vars(fault_kinds).values() if isinstance(kind, FaultKind)]


@st.composite
def many_faults(draw: st.DrawFn) -> list[Fault]:
    return [
        Fault(file, row, column, value, kind.reason, kind)
        for file, row, column, value, kind in draw(
            st.lists(
                st.tuples(
                    st.sampled_from(["clients.csv", "transactions.csv"]),
                    st.integers(1, 9),
                    st.sampled_from(["at", "amount"]),
                    st.text(max_size=3),
                    st.sampled_from(KINDS[:4]),
                ),
                max_size=30,
            )
        )
    ]


@given(many_faults(), st.one_of(st.none(), st.integers(1, 4)))
def test_groups_count_every_fault_once_and_keep_the_first_of_each_kind(
    faults: list[Fault], examples: int | None
) -> None:
    def key(fault: Fault) -> tuple[str, str, FaultKind]:
        return fault.file, fault.column if fault.kind.of_column else "", fault.kind

    groups = group_faults(faults, examples)
    counts = Counter(map(key, faults))
    assert [(g.file, g.column, g.kind) for g in groups] == list(counts)  # in the order of their first faults
    assert [g.count for g in groups] == list(counts.values())
    for group in groups:
        same = [fault for fault in faults if key(fault) == (group.file, group.column, group.kind)]
        assert group.examples == same[:examples]


def test_kinds_have_names_of_their_own_and_say_how_to_mend_them() -> None:
    assert len({kind.code for kind in KINDS}) == len(KINDS) > 20
    assert all(re.fullmatch(r"[A-Z].*[^.]\.", kind.remedy) for kind in KINDS)
    assert not any(kind.reason.endswith(".") for kind in KINDS)


@pytest.mark.parametrize(("tables", "words"), FAULTS, ids=[words[0][:60] for _, words in FAULTS])
def test_every_kind_of_fault_is_summed_up(tmp_path: Path, tables: dict[str, str], words: list[str]) -> None:
    mart = check_source(folder(tmp_path, **tables))
    summary = mart.summary()
    assert summary.fault_count == len(words)
    assert summary.verdict == (
        f"{len(words)} fault{'s' if len(words) > 1 else ''} of "
        f"{len(summary.kinds)} kind{'s' if len(summary.kinds) > 1 else ''}"
    )
    firsts = [f"{group.file}, row {group.examples[0].row}" for group in summary.kinds]
    assert all(any(line.startswith(first) for line in words) for first in firsts)
    assert str(mart).endswith(f"{summary.verdict}.")
    assert json.loads(json.dumps(summary.to_dict()))["verdict"] == summary.verdict


def test_a_first_example_has_its_row_its_value_and_what_the_kind_does_not_say(tmp_path: Path) -> None:
    rows = "t6,c1,2021-01-05Z,Usage,1,\nt7,c1,2021-01-05T00:00:00Z,x,1e5,\n"
    mart = check_source(folder(tmp_path, transactions=CSV["transactions"] + rows))
    assert str(mart).splitlines()[:9] == [
        "transactions.csv, at: is not an ISO 8601 time (1 fault)",
        "  First: row 7: '2021-01-05Z'",
        "  Remedy: Write times as 2021-10-01T09:30:00Z, in UTC or with an offset. A mapping can read "
        "other formats: see docs/own-mapping.md.",
        "transactions.csv, kind: is not a known kind (2 faults)",
        "  First: row 7: 'Usage' is not a known kind (did you mean usage?)",
        "  Remedy: Use one of these: refill, usage, package_activation, package_renewal, other.",
        "transactions.csv, amount: has an exponent, but amounts must be plain decimals (1 fault)",
        "  First: row 8: '1e5'",
        "  Remedy: Write all digits: 0.00001, not 1e-5.",
    ]


def test_a_missing_column_has_no_value_to_show() -> None:
    missing = [Fault("clients.csv", 1, "currency", "", fault_kinds.NO_COLUMN.reason, fault_kinds.NO_COLUMN)]
    [group] = group_faults(missing)
    assert group.first == "the headings"


def test_near_headings_and_misshapen_rows_are_one_kind_each(tmp_path: Path) -> None:
    clients = CSV["clients"].replace("tags", "Tags").replace("owner_user", "Owner_User")
    source = folder(tmp_path, clients=clients, packages=CSV["packages"] + "p3\np4\n")
    summary = check_source(source).summary()
    assert [(group.kind.code, group.place, group.count) for group in summary.kinds] == [
        ("near_heading", "clients.csv", 2),
        ("cell_count", "packages.csv", 2),
    ]


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 clients, 0 transactions, 0 packages, 0 companies, 0 rates"),
        (1, "1 client, 1 transaction, 1 package, 1 company, 1 rate"),
        (2, "2 clients, 2 transactions, 2 packages, 2 companies, 2 rates"),
        (1001, "1,001 clients, 1,001 transactions, 1,001 packages, 1,001 companies, 1,001 rates"),
    ],
)
def test_the_last_lines_of_check_and_sync_count_one_row_as_one(size: int, words: str) -> None:
    sizes = dict.fromkeys(TABLES, size)
    assert CheckSummary("mine", sizes, [], []).closing == f"mine: {words}. No faults."
    record = SyncRecord(0, sizes, 2, "a server", "own", "")
    assert SyncResult("mine", record).text() == f"mine: {words}. Read from a server in 2.0 seconds."


@pytest.mark.parametrize(
    ("counts", "verdict"),
    [
        ((), "No faults"),
        ((1,), "1 fault of 1 kind"),
        ((2,), "2 faults of 1 kind"),
        ((1, 1), "2 faults of 2 kinds"),
    ],
)
def test_the_verdict_counts_one_fault_as_one(counts: tuple[int, ...], verdict: str) -> None:
    groups = [FaultGroup(KINDS[n], "clients.csv", "", count) for n, count in enumerate(counts)]
    assert CheckSummary("mine", {}, groups, []).verdict == verdict


@pytest.mark.parametrize(
    ("headings", "setting_helps"),
    [
        ({"tags": "Tags", "owner_user": "Owner User"}, True),
        ({"tags": "tags,Tags"}, False),  # the column is there too
        ({"tags": "Tags,TAGS"}, False),  # which of them is meant?
        ({"tags": "t\u0430gs"}, False),  # a Cyrillic letter
        ({"tags": "Tags", "company": "c\u043empany"}, False),
    ],
)
def test_the_remedy_for_near_headings_names_a_setting_only_if_it_helps(
    tmp_path: Path, headings: dict[str, str], setting_helps: bool
) -> None:
    rows = list(csv.reader(io.StringIO(CSV["clients"])))
    names = [headings.get(name, name).split(",") for name in rows[0]]
    lines = [[cell for cell, of in zip(row, names, strict=True) for _ in of] for row in rows[1:]]
    text = "".join(",".join(row) + "\n" for row in [[name for of in names for name in of], *lines])
    source = folder(tmp_path, clients=text)
    kinds = check_source(source).summary().kinds
    [group] = [group for group in kinds if group.kind.code == "near_heading"]
    assert f"{group.place}: {group.kind.reason}" == (
        "clients.csv: a heading resembles the name of a column but does not match it, so it is not read"
    )
    assert ("delimiter" in group.kind.remedy) is setting_helps
    loose = check_source(Source(source, dialect=Dialect(delimiter=","))) if setting_helps else None
    assert loose is None or not loose.faults


def test_a_hundred_thousand_faults_are_a_few_lines_and_a_small_table() -> None:
    rows = range(100_000)
    ledger = pd.DataFrame(
        {
            "transaction_id": [f"t{i}" for i in rows],
            "client_id": [f"c{i}" for i in rows],
            "at": [f"day {i}" for i in rows],
            "kind": [f"k{i % 1000}" for i in rows],
            "amount": [f"{i}e5" for i in rows],
        }
    )
    mart = check_source(frames(transactions=ledger))
    assert len(mart.faults) == 400_000
    assert str(mart).count("\n") < 20
    assert repr(mart) == str(mart)
    assert len(mart._repr_html_()) < 5_000
    assert "400,000 faults of 4 kinds" in mart._repr_html_()
    assert sum(len(kind["examples"]) for kind in mart.summary().to_dict()["kinds"]) == 4 * EXAMPLES


def test_a_thousand_extra_columns_are_one_short_note() -> None:
    extra = pd.DataFrame({f"extra{i}": ["x", "y"] for i in range(1000)})
    clients = pd.concat([frames()["clients"], extra], axis=1)
    [note] = [note for note in check_source(frames(clients=clients)).notes if note.kind == "extra_columns"]
    assert note.endswith("'extra19' and 980 more.")
    assert len(note.figures["columns"]) == 1000


@pytest.mark.parametrize(("count", "end"), [(20, "'extra19'."), (21, "'extra19' and 1 more.")])
def test_twenty_extra_columns_are_all_named(count: int, end: str) -> None:
    extra = pd.DataFrame({f"extra{i}": ["x", "y"] for i in range(count)})
    clients = pd.concat([frames()["clients"], extra], axis=1)
    [note] = [note for note in check_source(frames(clients=clients)).notes if note.kind == "extra_columns"]
    assert note.endswith(end)


class Tags(HTMLParser):
    """Collects the tags, attributes and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.rows: list[list[str]] = []
        self._text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag == "tr":
            self.rows.append([])
        if tag == "td":
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def test_a_notebook_shows_the_kinds_as_a_table(tmp_path: Path) -> None:
    rows = "t6,c1,2021-01-05T00:00:00Z,usage,a<b,\n"
    found = Tags(check_source(folder(tmp_path, transactions=CSV["transactions"] + rows))._repr_html_())
    assert found.rows[1][:5] == [
        "1", "transactions.csv", "amount", "is not a plain decimal number", "row 7: 'a<b'",
    ]  # fmt: skip
    assert "table" not in Tags(check_source(folder(tmp_path / "good"))._repr_html_()).tags


@pytest.mark.parametrize("field", ["kind", "at", "amount", "client_id"])
def test_hostile_values_cannot_act_in_a_notebook_or_a_terminal(field: str) -> None:
    for name in PAYLOADS:
        mart = check_source(with_column("transactions", field, objects(name + "!", name + "?")))
        assert_inert(mart)


def test_hostile_currencies_tags_and_headings_cannot_act() -> None:
    for name in PAYLOADS:
        mart = frames()
        heading, tags = replace_surrogates(name), objects(name + ",", name)  # pandas refuses such headings
        mart["clients"] = mart["clients"].assign(**{"tags": tags, heading: "", f"Name {heading[:1]}": ""})
        mart["rates"] = pd.DataFrame(
            {
                "currency": objects(name, name),
                "date": "2021-01-01",
                "units_per_base": ["1", "2"],
                "base": objects(name, name + "!"),
            }
        )
        assert_inert(check_source(mart))


def assert_inert(mart: CheckedMart) -> None:
    found = Tags(mart._repr_html_())
    assert found.tags <= {"div", "style", "table", "thead", "tbody", "tr", "th", "td", "p", "b"}
    assert found.attributes <= {"class", "scope"}
    for text in (mart._repr_html_(), str(mart), *map(str, mart.faults)):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text)
    assert max(map(len, str(mart).splitlines())) < 500
    assert len(str(mart).splitlines()) == str(mart).count("\n") + 1
