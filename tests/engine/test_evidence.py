"""Evidence names exactly the clients whose contribution changed, and reveals nothing without the data."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import replace
from decimal import Decimal
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from custdyn_widgets.engine import evidence
from custdyn_widgets.engine.changed_clients import changed_clients
from custdyn_widgets.engine.clients import clients_behind
from custdyn_widgets.engine.evidence import EvidenceMaker, digests
from custdyn_widgets.engine.plan import Plan, plan_report
from custdyn_widgets.engine.report import report_on
from custdyn_widgets.mart import OpenedMart, open_mart
from custdyn_widgets.query.query import ReportQuery, parse_as_of
from custdyn_widgets.report import ClientChange, ClientChanges, Report
from custdyn_widgets.snapshots import Evidence

pytestmark = pytest.mark.usefixtures("own_cache")
MART = Path(__file__).parents[1] / "golden" / "mixed" / "mart"
AS_OF = "2022-03-20T10:00:00Z"
EVERY = {"client_type": "all", "currency": "EUR", "timezone": "Europe/Kyiv", "active_duration": 2}
YEAR = {"start": "2021-04-01 00:00:00", "end": "2022-03-31 23:59:59"}
QUARTER = {"start": "2022-01-01 00:00:00", "end": "2022-03-31 23:59:59"}
QUERIES: dict[str, dict[str, Any]] = {
    "months": {"interval": YEAR, "group_by": ["month"]},
    "no rows of time": {"interval": YEAR, "group_by": []},
    "packages": {"interval": QUARTER, "group_by": ["month", "package"]},
    "filtered packages": {"interval": QUARTER, "group_by": ["month", "package"], "package": ["P1"]},
    "companies": {"interval": QUARTER, "group_by": ["month", "company"]},
    "cohorts": {"interval": QUARTER, "group_by": ["year", "cohort"], "columns": ["active", "movement"]},
    "movement": {"interval": YEAR, "group_by": ["month"], "columns": ["movement", "payg"]},
}
# What `clients_behind` shows and the cells of the row do not depend on.
NOT_IN_CELLS = ["Name", "Company", "Owner User", "Currency", "First Use", "Last Use", "Balance"]
Changes = set[tuple[tuple[str, ...], str]]


def tables() -> dict[str, pd.DataFrame]:
    return {
        path.stem: pd.read_csv(path, dtype=str, keep_default_na=False) for path in sorted(MART.glob("*.csv"))
    }


def changed_tables() -> dict[str, pd.DataFrame]:
    """Return the mart with calls re-rated, one deleted, one moved, a client closed, and one elsewhere."""
    found = tables()
    ledger, clients = found["transactions"], found["clients"]
    usage = ledger.index[(ledger["kind"] == "usage") & ledger["at"].between("2021-12", "2022-03")]
    for i in usage[::20]:
        ledger.loc[i, "amount"] = str(Decimal(ledger.loc[i, "amount"]) - 1)
    ledger.loc[usage[3], "at"] = "2022-02-11T10:00:00Z"
    found["transactions"] = ledger.drop(usage[7])
    open_clients = clients.index[(clients["closed_at"] == "") & (clients["created_at"] < "2021")]
    clients.loc[open_clients[2], "closed_at"] = "2022-02-05T00:00:00Z"
    clients.loc[open_clients[5], "company"] = "Root"
    return found


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> OpenedMart:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CUSTDYN_CACHE", str(tmp_path_factory.mktemp("cache")))
        return open_mart(tables())


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> OpenedMart:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CUSTDYN_CACHE", str(tmp_path_factory.mktemp("cache")))
        return open_mart(changed_tables())


def report_of(mart: OpenedMart, name: str, **fields: Any) -> Report:
    return report_on(ReportQuery.from_dict({**EVERY, **QUERIES[name], **fields}), mart, AS_OF)


def plan_of(mart: OpenedMart, report: Report) -> Plan:
    return plan_report(report.query, mart.facts, parse_as_of(AS_OF))


def made(report: Report) -> Evidence:
    assert isinstance(report.evidence, EvidenceMaker)
    found = report.evidence()
    assert found is not None
    return found


def found_changes(old: Report, new: Report, plan: Plan, against: Evidence | None = None) -> ClientChanges:
    labels = [row.labels for report in (old, new) for row in report.rows]
    found = changed_clients(plan, new.headings, labels, made(old), against)
    assert found is not None
    return found


def parts(report: Report, mart: OpenedMart) -> dict[tuple[tuple[str, ...], str], tuple[object, ...]]:
    """Return what each client adds to the cells of each row, by labels and id."""
    found = {}
    for row in report.rows:
        behind = clients_behind(report, row.labels or None, mart)
        # A client that is not alive has a balance, but not in the row.
        behind.loc[behind["Alive"] == 0, "Balance Converted"] = 0
        if "movement" not in report.query.columns:
            behind["Movement"] = ""
        behind["Movement"] = behind["Movement"].replace("retained", "")
        for line in behind.drop(columns=NOT_IN_CELLS).itertuples(index=False, name=None):
            if any(value not in (0, "") for value in line[1:]):
                found[row.labels, line[0]] = line[1:]
    return found


@pytest.mark.parametrize("name", QUERIES)
def test_exactly_the_clients_whose_contribution_changed_are_named(
    old: OpenedMart, new: OpenedMart, name: str
) -> None:
    before, after = report_of(old, name), report_of(new, name)
    was, now = parts(before, old), parts(after, new)
    expected = {key for key in {*was, *now} if was.get(key) != now.get(key)}
    assert len({client for _, client in expected}) > 3
    found = found_changes(before, after, plan_of(new, after))
    assert {(line.labels, line.client_id) for line in found.lines} == expected
    assert (found.count, found.gone) == (len({client for _, client in expected}), 0)


@pytest.mark.parametrize("name", QUERIES)
def test_nothing_changed_where_the_data_is_the_same(old: OpenedMart, name: str) -> None:
    report = report_of(old, name, compare="previous_quarter")
    found = found_changes(report, report, plan_of(old, report))
    assert (found.lines, found.count, found.gone) == ((), 0, 0)
    assert found.text == "No client's contribution changed."


def test_a_change_in_the_period_before_is_one_of_the_row_that_is_compared_with_it(
    old: OpenedMart, new: OpenedMart
) -> None:
    march = {"start": "2022-03-01 00:00:00", "end": "2022-03-31 23:59:59"}
    flows = {"interval": march, "columns": ["payg"], "client_tags": []}
    alone, compared = ({**flows, "compare": period} for period in (None, "previous_month"))
    counts = []
    for fields in (alone, compared):
        before, after = (report_of(mart, "months", **fields) for mart in (old, new))
        counts.append({line.client_id for line in found_changes(before, after, plan_of(new, after)).lines})
    february = {**flows, "interval": {"start": "2022-02-01 00:00:00", "end": "2022-02-20 09:59:59"}}
    before, after = (report_of(mart, "months", **february) for mart in (old, new))
    own = {line.client_id for line in found_changes(before, after, plan_of(new, after)).lines}
    assert counts[0] < counts[1]
    assert own <= counts[1]


def test_between_two_snapshots_only_data_that_equals_one_of_them_decides(
    old: OpenedMart, new: OpenedMart
) -> None:
    before, after = report_of(old, "months"), report_of(new, "months")
    direct = found_changes(before, after, plan_of(new, after))
    for mart, report in ((new, after), (old, before)):
        found = found_changes(before, after, plan_of(mart, report), made(after))
        assert (found.lines, found.undecided) == (direct.lines, 0)
    third = changed_tables()
    ledger = third["transactions"]
    ledger.loc[ledger["client_id"] == direct.lines[0].client_id, "amount"] = "-99"
    mart = open_mart(third)
    later = found_changes(before, after, plan_of(mart, report_of(mart, "months")), made(after))
    assert set(later.lines) < set(direct.lines)
    assert later.undecided + later.count == direct.count
    told = replace(later, undecided=1).text
    assert (
        "1 client may have changed, too; this cannot be determined, because their data changed again after"
        in told
    )


def test_clients_that_are_no_longer_in_the_data_are_counted_but_not_named(old: OpenedMart) -> None:
    fewer = tables()
    gone = fewer["transactions"]["client_id"].iloc[0]
    for name in ("transactions", "clients"):
        fewer[name] = fewer[name][fewer[name]["client_id"] != gone]
    mart = open_mart(fewer)
    before, after = report_of(old, "months"), report_of(mart, "months")
    found = found_changes(before, after, plan_of(mart, after))
    assert (found.count, found.gone, found.lines) == (0, 1, ())
    assert "1 client in the old report is no longer in the data" in found.text


def test_evidence_differs_under_another_nonce_and_has_no_name_in_it(old: OpenedMart) -> None:
    report = report_of(old, "companies")
    first, second = made(report), made(report)
    assert first.nonce != second.nonce
    a, b = (evidence.from_parquet(one.data) for one in (first, second))
    assert len(a) == len(b) > 100
    for column in ("client", "row"):
        assert set(a[column]).isdisjoint(b[column])
    assert len(set(a["digest"]) & set(b["digest"])) < 3
    pd.testing.assert_frame_equal(a, digests(plan_of(old, report), first.nonce)[["client", "row", "digest"]])  # type: ignore[index]
    for text in (*tables()["clients"]["client_id"], *(row.labels[1] for row in report.rows)):
        assert text.encode() not in first.data


def test_equal_contributions_of_different_clients_and_rows_have_different_digests() -> None:
    mart = open_mart(
        {
            "clients": pd.DataFrame(
                {
                    "client_id": ["A", "B"],
                    "client_type": "client",
                    "currency": "USD",
                    "created_at": "2021-01-01T00:00:00Z",
                }
            ),
            "transactions": pd.DataFrame(
                {"transaction_id": [], "client_id": [], "at": [], "kind": [], "amount": []}, dtype=str
            ),
        }
    )
    report = report_of(mart, "months", currency="USD")
    found = evidence.from_parquet(made(report).data)
    assert len(found) == 24
    assert found["digest"].nunique() == 24


def test_rows_with_the_same_labels_are_not_confused() -> None:
    client = {"client_id": ["A"], "client_type": "client", "currency": "USD", "created_at": "2021-01-01"}
    ledger = {
        "transaction_id": ["1", "2"], "client_id": "A", "at": "2021-05-01", "kind": "package_renewal",
        "amount": ["-1", "-2"], "package_id": ["P1", "P3"],
    }  # fmt: skip
    packages = {"package_id": ["P1", "P2", "P3"], "name": ["Gold", "Gold", "Gold (P1)"]}
    tables = {"clients": client, "transactions": ledger, "packages": packages}
    mart = open_mart({name: pd.DataFrame(table) for name, table in tables.items()})
    report = report_of(mart, "months", currency="USD", group_by=["package"])
    assert [row.labels for row in report.rows].count(("Gold (P1)",)) == 2
    found = found_changes(report, report, plan_of(mart, report))
    assert (found.lines, found.count) == ((), 0)


def test_the_tags_of_rows_are_those_of_stored_snapshots() -> None:
    """They may not change with a version, or snapshots of an earlier one could not be compared."""
    nonce, same = "00ff", ("2022-01", "é")
    found = evidence.row_tags([same, ("2022-01", "b"), same], nonce)
    texts = {
        json.dumps([period, number, *labels]): labels
        for period in ("", "before")
        for number, labels in ((0, same), (0, ("2022-01", "b")), (1, same))
    }
    expected = {}
    for text, labels in texts.items():
        tag = blake2b(text.encode(), key=bytes.fromhex(nonce), digest_size=8, person=b"custdyn row")
        expected[int.from_bytes(tag.digest(), "little")] = labels
    assert found == expected


def test_a_report_leaves_its_process_with_finished_evidence(old: OpenedMart) -> None:
    report = report_of(old, "months")
    sent = pickle.loads(pickle.dumps(report))
    assert isinstance(sent.evidence, Evidence)
    assert sent == report == copy.deepcopy(report)
    found = found_changes(replace(report, evidence=report.evidence), report, plan_of(old, report))
    assert found.count == 0


def test_a_report_with_too_many_contributions_keeps_no_evidence(
    old: OpenedMart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "MAX_CONTRIBUTIONS", 10)
    report = report_of(old, "months")
    assert isinstance(report.evidence, EvidenceMaker)
    assert report.evidence() is None


def small_mart(clients: list[dict[str, str]], *fees: tuple[str, str, str]) -> OpenedMart:
    """Return a mart of clients, with a renewal of a package for 5 USD for each (client, at, package)."""
    common = {"client_type": "client", "currency": "USD", "created_at": "2020-01-01"}
    ledger = [
        {"transaction_id": str(i), "client_id": who, "at": at, "package_id": package,
         "kind": "package_renewal", "amount": "-5"}
        for i, (who, at, package) in enumerate(fees)
    ]  # fmt: skip
    columns = ["transaction_id", "client_id", "at", "kind", "amount", "package_id"]
    who = pd.DataFrame([{**common, **client} for client in clients])
    return open_mart({"clients": who, "transactions": pd.DataFrame(ledger, columns=columns, dtype=str)})


@pytest.mark.parametrize(("compare", "most"), [(None, 24), ("previous_year", 48)])
def test_a_report_of_as_many_clients_times_rows_as_may_be_still_keeps_evidence(
    compare: str | None, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B adds to the last of 12 months only, but that is known too late to be worth the time."""
    mart = small_mart([{"client_id": "A"}, {"client_id": "B", "created_at": "2022-03-01"}])
    plan = plan_of(mart, report_of(mart, "months", currency="USD", compare=compare))
    monkeypatch.setattr(evidence, "MAX_CONTRIBUTIONS", most)
    found = digests(plan, "00")
    assert found is not None
    assert len(found) == most // 2 + 1
    monkeypatch.setattr(evidence, "MAX_CONTRIBUTIONS", most - 1)
    assert digests(plan, "00") is None


def test_contributions_to_several_packages_are_counted_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    mart = small_mart([{"client_id": "A"}], ("A", "2022-01-05", "P1"), ("A", "2022-01-06", "P2"))
    plan = plan_of(mart, report_of(mart, "months", interval=QUARTER, currency="USD", group_by=["package"]))
    found = digests(plan, "00")
    assert found is not None
    for short in (0, 1):
        monkeypatch.setattr(evidence, "MAX_CONTRIBUTIONS", len(found) - short)
        assert (digests(plan, "00") is None) == bool(short)


def test_a_client_that_left_a_row_without_a_label_is_named_last_and_with_all_that_is_known() -> None:
    """A was alone in a company that showed nothing, so neither report has its label; B now has no company."""
    fees = ("B", "2022-01-05", "P1"), ("C", "2022-01-05", "P1")
    where = {"A": ("Old", "me"), "B": ("North", ""), "C": ("North", "")}
    reports = []
    for own in (where, {**where, "A": ("New", "me"), "B": ("", "you")}):
        clients = [
            {"client_id": client, "name": f"Dr. {client}", "company": company, "owner_user": owner}
            for client, (company, owner) in own.items()
        ]
        mart = small_mart(clients, *fees)
        fields = {"group_by": ["company"], "columns": ["packages"], "interval": QUARTER, "currency": "USD"}
        reports.append(report_of(mart, "months", **fields))
    shown = [[row.labels for row in report.rows] for report in reports]
    assert shown == [[("North",)], [("North",), ("(none)",)]]
    before, after = reports
    found = found_changes(before, after, plan_of(mart, after))
    assert found.lines == (
        ClientChange(("New",), "A", "Dr. A", "New", "me"),
        ClientChange(("North",), "B", "Dr. B", "", "you"),
        ClientChange(("(none)",), "B", "Dr. B", "", "you"),
        ClientChange(("",), "A", "Dr. A", "New", "me"),
    )
    assert found.count == 2
