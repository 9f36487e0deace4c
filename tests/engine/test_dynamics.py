"""Sections 7 to 10 in the product: against every golden table, and against the oracle on drawn marts."""

from __future__ import annotations

import csv
import io
import json
import sys
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custdyn_widgets.engine.cells import fast, pieces, stays, sums
from custdyn_widgets.engine.clients import clients_behind
from custdyn_widgets.engine.cohorts import cohort_triangle
from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.errors import CustDynError, QueryError
from custdyn_widgets.query.fields import COLUMN_GROUPS, COMPARISONS
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.render.csv import to_csv
from custdyn_widgets.report.report import Report, Row
from tests import oracle
from tests.beside_edges import QUERIES, beside_edges
from tests.engine.test_golden import CASES, CDNOW, GOLDEN, expected, question, table
from tests.engine.test_golden_dynamics import CLIENTS, TABLES, TRIANGLES, difference, name
from tests.engine.test_oracle import is_the_error
from tests.golden_answers import frame_as_text
from tests.mart_forms import frames
from tests.oracle import dynamics
from tests.strategies import Case, cases, dense_cases

pytestmark = pytest.mark.usefixtures("own_cache")
NO_LEDGER = pd.DataFrame(columns=["transaction_id", "client_id", "at", "kind", "amount"])
ATTRIBUTES = ("company", "owner_user", "client_type", "currency", "cohort")


@pytest.mark.parametrize("case", [case for case in TABLES if case not in CASES], ids=name)
def test_the_product_gives_every_table(case: Path) -> None:
    """Those of the first sections are in `test_golden`, which compares them exactly."""
    query, as_of = question(case)
    report = run_report(query, str(case.parent / "mart"), as_of=as_of)
    for total in (False, True):
        got = list(csv.reader(io.StringIO(to_csv(report, total=total).decode())))
        assert not difference(got, expected(case, total=total))


PIECEMEAL = [
    "moves/year-before-with-packages",
    "moves/closed-on-the-edge",
    "small/balances-by-date-eur",
    "small/movement-by-package",
    "ties/to-eur-by-date",
]


@pytest.mark.parametrize(("rows", "keys", "few"), [(1, 0, 0), (2, 2**20, 0), (5, 2**20, 50)])
def test_a_ledger_summed_in_small_pieces_gives_the_same_table(rows: int, keys: int, few: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "PIECE_ROWS", rows)
        patch.setattr(stays, "_MOST_STAYS", rows)
        for limit, most in {"_MAX_ROWS": rows, "_MOST_PARTS": rows, "_DENSE": keys, "_FEW": few}.items():
            patch.setattr(sums, limit, most)
        for case in (GOLDEN / own for own in PIECEMEAL):
            query, as_of = question(case)
            report = run_report(query, str(case.parent / "mart"), as_of=as_of)
            assert not difference(cells(report), expected(case, total=True))


@pytest.mark.parametrize("case", CLIENTS, ids=name)
def test_the_product_gives_the_clients_behind_a_row(case: Path) -> None:
    query, as_of = question(case)
    labels = json.loads((case / "row.json").read_text(encoding="utf-8"))
    frame = clients_behind(query, labels, str(case.parent / "mart"), as_of=as_of)
    want = table(case / "expected.csv")
    assert not difference(frame_as_text(frame[want[0]]), want)


@pytest.mark.parametrize("case", TRIANGLES, ids=name)
def test_the_product_gives_the_triangle_of_cohorts(case: Path) -> None:
    query, as_of = question(case)
    frame = cohort_triangle(query, str(case.parent / "mart"), as_of=as_of)
    assert not difference(frame_as_text(frame), table(case / "cohorts.csv"))


@st.composite
def asked(draw: st.DrawFn, case: Case) -> Case:
    """Draw columns, groups by an attribute and a comparison into the query of a case."""
    query = dict(case.query)
    groups = [g for g in query.get("group_by", ["month"]) or [] if g != "package"]
    row_group = draw(st.sampled_from((None, "package", *ATTRIBUTES, "cohort")))
    query["group_by"] = [*groups, *([row_group] if row_group else [])]
    ids = [g for g in COLUMN_GROUPS if row_group != "package" or g != "balances"]
    query["columns"] = draw(st.lists(st.sampled_from(ids), max_size=5, unique=True))
    if draw(st.booleans()):
        query["compare"] = draw(st.sampled_from(COMPARISONS))
    return replace(case, query=query)


drawn = cases().flatmap(asked)
drawn_densely = dense_cases().flatmap(asked)


def lines(answer: dynamics.Dynamics) -> list[list[str]]:
    return dynamics.table(answer, with_total=True)


def cells(report: Report) -> list[list[str]]:
    heading = [*report.headings, *(column.name for column in report.columns)]
    return [heading, *([*row.labels, *map(text, row.values)] for row in report.shown_rows())]


def text(value: int | Decimal | None) -> str:
    return "" if value is None else str(value)


def check(case: Case, rows: int | None = None) -> None:
    """Compare product and oracle, and the product once more if it sums up pieces of so few ledger rows.

    Of 2 rows, the compiled kernel sums them up.
    """
    try:
        answer = dynamics.dynamics(case.mart, case.query, case.as_of)
    except oracle.NoAnswer as none:
        with pytest.raises(CustDynError) as caught:
            run_report(case.query, frames(case.mart), as_of=case.as_of)
        assert is_the_error(caught.value, none), f"{caught.value}, and not {none}"  # noqa: PT017
        return
    try:
        report = run_report(case.query, frames(case.mart), as_of=case.as_of)
    except QueryError as error:
        if error.field == "compare":  # it starts before 1900, which the oracle does not refuse
            return
        raise
    assert cells(report) == lines(answer)
    if report.rows:
        check_laws(report)
    if rows:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pieces, "PIECE_ROWS", rows)
            patch.setattr(fast, "WORTH_ITS_IMPORT", 0 if rows == 2 else sys.maxsize)
            assert cells(run_report(case.query, frames(case.mart), as_of=case.as_of)) == lines(answer)


def check_laws(report: Report) -> None:
    """Check the laws of sections 7 and 9 on rounded values, as far as rounding lets them be exact."""
    columns = {column.name: i for i, column in enumerate(report.columns)}

    def of(row: Row, group: str) -> dict[str, Any]:
        return {c.label: row.values[i] for i, c in enumerate(report.columns) if c.group == group}

    for row in report.shown_rows():
        if moved := of(row, "Clients - Movement"):
            gained = moved["New"] + moved["Reactivated"] - moved["Lapsed"] - moved["Closed"]
            assert moved["Opening"] + gained == moved["Closing"]
            assert moved["Churn Rate"] is None or 0 <= moved["Churn Rate"] <= 1
            if "Clients - Active: Qty" in columns:
                assert moved["Closing"] == row.values[columns["Clients - Active: Qty"]]
    if report.total and not report.query.by_package and "Clients - Movement: New" in columns:
        total = of(report.total, "Clients - Movement")
        first = sum(of(row, "Clients - Movement")["First Use"] for row in report.rows)
        assert first == total["First Use"]


@pytest.mark.parametrize("asked_for", QUERIES)
def test_everything_beside_an_edge_counts_as_the_oracle_counts_it(asked_for: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stays, "_MOST_STAYS", 5)
        check(beside_edges(asked_for), 5)


@pytest.mark.slow
@given(drawn, st.sampled_from((1, 2, 5)))
def test_product_and_oracle_agree_on_movement_groups_and_comparison(case: Case, rows: int) -> None:
    check(case, rows)


@pytest.mark.slow
@settings(max_examples=max(1, settings.default.max_examples // 2))
@given(drawn_densely)
def test_they_agree_where_everything_happens_beside_every_edge(case: Case) -> None:
    check(case)


@pytest.mark.slow
@given(drawn)
def test_the_triangle_agrees(case: Case) -> None:
    try:
        want = dynamics.cohort_triangle(case.mart, case.query, case.as_of)
        frame = cohort_triangle(case.query, frames(case.mart), as_of=case.as_of)
    except (oracle.NoAnswer, QueryError):
        return
    assert frame_as_text(frame) == want


_SUMS = {
    "Clients - Active: Qty": "Active", "Clients - Overall Active: Qty": "Overall Active",
    "Clients - All: Qty": "Alive", "Balance Refill: Qty": "Refill Qty", "Packages: Renew Qty": "Renew Qty",
    "Packages: Activation Qty": "Activation Qty",
}  # fmt: skip


@pytest.mark.slow
@given(drawn, st.randoms(use_true_random=False))
def test_the_clients_behind_a_row_agree_and_add_up_to_it(case: Case, random: Any) -> None:
    query = {**case.query, "columns": []}
    query.pop("compare", None)
    mart = frames(case.mart)
    try:
        report = run_report(query, mart, as_of=case.as_of)
    except CustDynError:
        return
    if not report.rows:
        return
    row = random.choice(report.rows)
    is_labelled = [r.labels for r in report.rows].count(row.labels) == 1
    if not is_labelled:
        return
    frame = clients_behind(report, row.labels or None, mart)
    for column, part in _SUMS.items():
        assert sum(frame[part]) == row.values[report.column(column)], column
    for column, part in (
        ("Clients - All: Balance", "Balance Converted"), ("Balance Refill: Total", "Refill Total"),
        ("Pay As You Go: Total", "Pay As You Go Total"), ("Packages: Renew Total", "Renew Total"),
    ):  # fmt: skip
        own = frame[frame["Alive"] == 1] if part == "Balance Converted" else frame
        off = abs(Fraction(sum(own[part])) - Fraction(row.values[report.column(column)] or 0))
        assert off <= Fraction(len(frame) + 1, 2 * 10**6), column
    want = dynamics.clients_behind(case.mart, query, case.as_of, row.labels or None)
    shared = [
        "Client Id",
        "Active",
        "Overall Active",
        "Alive",
        "Movement",
        "First Use",
        "Last Use",
        "Balance",
    ]
    got = [["" if v is None else str(v) for v in line] for line in frame[shared].itertuples(index=False)]
    assert got == [[dynamics.text(line[name]) for name in shared] for line in want]


def test_a_comparison_that_reaches_before_1900_names_the_field() -> None:
    query = {"interval": {"start": "1900-01-01", "end": "1900-12-31"}, "compare": "previous_year"}
    rows = [
        {"client_id": "A", "client_type": "client", "currency": "USD", "created_at": "1899-01-01T00:00:00Z"}
    ]
    with pytest.raises(QueryError, match="compare: 'previous_year' starts before the year 1900"):
        run_report(query, frames({"clients": rows, "transactions": []}))


def test_balances_by_package_name_the_field() -> None:
    with pytest.raises(QueryError, match="columns: 'balances' cannot be shown by package"):
        ReportQuery("last_month", group_by=["package"], columns=["balances"])  # type: ignore[arg-type]


def test_unknown_columns_and_two_groups_name_the_field() -> None:
    mart = frames({"clients": [], "transactions": []})
    with pytest.raises(
        QueryError, match=r"columns: 'movment' is not an allowed value\. Choose from: 'active'"
    ):
        run_report({"interval": "last_month", "columns": ["movment"], "currency": "USD"}, mart)
    with pytest.raises(QueryError, match="has more than one of package, company"):
        ReportQuery("last_month", group_by=["company", "cohort"])  # type: ignore[arg-type]


def test_a_client_without_a_name_is_named_by_its_id() -> None:
    made = {"client_type": "client", "currency": "USD", "created_at": "2021-01-01T00:00:00Z"}
    query = {"interval": {"start": "2021-01-01", "end": "2021-12-31"}, "group_by": []}
    for named in ({}, {"name": ""}, {"name": None}):
        rows = [{"client_id": "B", **made, **named}, {"client_id": "A", **made, "name": "Ann"}]
        frame = clients_behind(query, None, {"clients": pd.DataFrame(rows), "transactions": NO_LEDGER})
        assert frame["Name"].tolist() == ["Ann", "B"]


def test_clients_who_were_all_closed_at_the_first_edge_leave_rows_of_zeros() -> None:
    client = {
        "client_id": "A", "client_type": "client", "currency": "USD", "created_at": "2020-01-01T00:00:00Z",
        "closed_at": "2021-03-01T00:00:00Z",
    }  # fmt: skip
    query = {
        "interval": {"start": "2021-03-01", "end": "2021-04-30"},
        "columns": ["all", "movement", "balances"],
    }
    report = run_report(query, {"clients": pd.DataFrame([client]), "transactions": NO_LEDGER})
    assert [set(row.values) for row in report.rows] == [{0, None}, {0, None}]


if CDNOW.is_dir():  # public research data; it stands beside the project and is not part of it

    def test_the_triangle_of_cdnow_is_that_of_ten_lines_of_pandas() -> None:
        ledger = pd.read_csv(CDNOW / "transactions.csv", dtype=str)
        paid = ledger[(ledger["kind"] == "usage") & ledger["amount"].str.startswith("-")]
        at = pd.to_datetime(paid["at"], utc=True)
        month = at.dt.year * 12 + at.dt.month - 1
        cohort = month.groupby(paid["client_id"]).transform("min")
        since = pd.DataFrame({"cohort": cohort, "since": month - cohort, "client": paid["client_id"]})
        counts = since.drop_duplicates().groupby(["cohort", "since"]).size().unstack()
        last = int(month.max())
        want = {
            f"{c // 12}-{c % 12 + 1:02d}": [
                0 if pd.isna(row.get(n)) else int(row[n]) for n in range(last - c + 1)
            ]
            for c, row in counts.iterrows()
        }
        query = json.loads((CDNOW / "query-month.json").read_text(encoding="utf-8"))
        triangle = cohort_triangle(query, str(CDNOW))
        got = {
            row[0]: [int(n) for n in row[2:] if not pd.isna(n)] for row in triangle.itertuples(index=False)
        }
        assert got == want
        assert triangle["Size"].tolist() == [row[0] for row in want.values()]
        assert int(triangle["Size"].sum()) == paid["client_id"].nunique()
