"""The laws that hold for every query (specification, section 6), on drawn marts and queries.

Where every client has the report's currency, printed sums are exact; else each may miss by a millionth.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.render.csv import to_csv
from custdyn_widgets.report.report import Report, Row
from tests.mart_forms import frames
from tests.strategies import Case, cases

ADDEND = Decimal("0.000001")
LEVELS = ("Clients - Active", "Clients - Overall Active", "Clients - All")
FLOWS = (
    "Balance Refill: Qty", "Balance Refill: Total", "Pay As You Go: Total", "Packages: Activation Qty",
    "Packages: Activation Total", "Packages: Renew Qty", "Packages: Renew Total",
)  # fmt: skip
STOCKS = tuple(
    f"{level}: {label}" for level in LEVELS for label in ("Qty", "Balance Pos", "Balance Neg", "Balance")
)
AVERAGES = {
    "Balance Refill: Avg": ("Balance Refill: Total", "Balance Refill: Qty"),
    "Pay As You Go: Active Avg": ("Pay As You Go: Total", "Clients - Active: Qty"),
}
fewer = settings(max_examples=max(1, settings.default.max_examples // 8))  # nine laws, some asked twice
answered = cases(sparse_quotes=False, known_names=True)


def ask(case: Case, **changes: Any) -> Report:
    return run_report(ReportQuery.from_dict({**case.query, **changes}), frames(case.mart), as_of=case.as_of)


def by_name(report: Report, row: Row) -> dict[str, Any]:
    return {column.name: value for column, value in zip(report.columns, row.values, strict=True)}


def lines(report: Report) -> list[dict[str, Any]]:
    return [by_name(report, row) for row in report.shown_rows()]


@fewer
@given(answered)
def test_active_clients_are_among_overall_active_ones_and_these_among_all(case: Case) -> None:
    for line in lines(ask(case)):
        for part, whole in pairwise(LEVELS):
            assert line[f"{part}: Qty"] <= line[f"{whole}: Qty"]
            assert line[f"{part}: Balance Pos"] <= line[f"{whole}: Balance Pos"]
            assert line[f"{part}: Balance Neg"] >= line[f"{whole}: Balance Neg"]


@fewer
@given(answered)
def test_a_balance_is_its_positive_and_negative_part(case: Case) -> None:
    for line in lines(ask(case)):
        for level in LEVELS:
            positive, negative = line[f"{level}: Balance Pos"], line[f"{level}: Balance Neg"]
            assert positive >= 0 >= negative
            assert abs(line[f"{level}: Balance"] - positive - negative) <= 2 * ADDEND


@fewer
@given(answered, st.integers(1, 24))
def test_a_longer_active_duration_never_lowers_active(case: Case, months: int) -> None:
    longer = min(120, case.query["active_duration"] + months)
    before, after = ask(case), ask(case, active_duration=longer)
    assert [row.labels for row in before.rows] == [row.labels for row in after.rows]
    for short, long in zip(lines(before), lines(after), strict=True):
        assert short["Clients - Active: Qty"] <= long["Clients - Active: Qty"]
        assert short["Clients - Active: Balance Pos"] <= long["Clients - Active: Balance Pos"]
        assert short["Clients - Active: Balance Neg"] >= long["Clients - Active: Balance Neg"]
        unchanged = {
            name for name in short if not name.startswith(LEVELS[0]) and name != "Pay As You Go: Active Avg"
        }
        assert {name: short[name] for name in unchanged} == {name: long[name] for name in unchanged}


@fewer
@given(answered)
def test_flows_of_the_rows_sum_to_the_total(case: Case) -> None:
    report = ask(case)
    if report.total is None:
        return
    total, rows = by_name(report, report.total), [by_name(report, row) for row in report.rows]
    exact = {client["currency"] for client in case.mart["clients"]} == {report.currency}
    for name in FLOWS:
        allowed = 0 if exact or name.endswith("Qty") else (len(rows) + 1) * ADDEND
        assert abs(sum(row[name] for row in rows) - total[name]) <= allowed, name


@fewer
@given(answered)
def test_the_total_is_the_row_of_the_same_query_without_grouping(case: Case) -> None:
    grouped, alone = ask(case), ask(case, group_by=[])
    if case.query.get("group_by", ["month"]):
        assert [row.values for row in (grouped.total,) if row] == [row.values for row in alone.rows]


@fewer
@given(answered)
def test_the_same_mart_query_and_as_of_give_the_same_csv(case: Case) -> None:
    assert to_csv(ask(case), total=True) == to_csv(ask(case), total=True)


@fewer
@given(answered, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_of_a_mart_does_not_matter(case: Case, chance: Any) -> None:
    shuffled = {name: chance.sample(rows, len(rows)) for name, rows in case.mart.items()}
    first, second = ask(case), ask(replace(case, mart=shuffled))
    assert to_csv(first, total=True) == to_csv(second, total=True)
    assert (first.info.quotes, first.info.warnings) == (second.info.quotes, second.info.warnings)


@fewer
@given(answered)
def test_a_report_leaves_the_given_frames_as_they_were(case: Case) -> None:
    given_frames, untouched = frames(case.mart), frames(case.mart)
    run_report(ReportQuery.from_dict(case.query), given_frames, as_of=case.as_of)
    assert list(given_frames) == list(untouched)
    for name, frame in given_frames.items():
        assert frame.equals(untouched[name])


# Two marts


def halves(case: Case, currency: str) -> tuple[Case, Case]:
    """Return the case on the clients of even and of odd place, each with their transactions."""
    parts = []
    for remainder in (0, 1):
        kept = case.mart["clients"][remainder::2]
        ids = {client["client_id"] for client in kept}
        ledger = [row for row in case.mart["transactions"] if row["client_id"] in ids]
        parts.append(
            Case(
                {**case.mart, "clients": kept, "transactions": ledger},
                {**case.query, "currency": currency},
                case.as_of,
            )
        )
    return parts[0], parts[1]


def by_place(report: Report) -> dict[tuple[str, ...], dict[str, Any]]:
    """Return the rows by their labels and how often these came before (packages may share a name)."""
    seen: Counter[tuple[str, ...]] = Counter()
    found = {}
    for row in report.shown_rows():
        found[(*row.labels, str(seen[row.labels]))] = by_name(report, row)
        seen[row.labels] += 1
    return found


def added(parts: Sequence[Mapping[str, Any] | None], name: str) -> Any:
    return sum(part[name] for part in parts if part)


@pytest.mark.slow
@fewer
@given(cases(sparse_quotes=False, filtered=False), st.booleans())
def test_splitting_the_clients_between_two_marts_adds_up(case: Case, one_package: bool) -> None:
    assume(len(case.mart["clients"]) > 1)
    for package in case.mart.get("packages", ()):
        package["name"] = package["package_id"] + "'s name"  # a row of each must be found again
    if one_package and "packages" in case.mart:
        case = replace(case, query={**case.query, "package": ["P1"]})
    whole = ask(case)
    parts = [by_place(ask(half)) for half in halves(case, whole.currency)]
    rows = by_place(whole)
    assert rows.keys() >= parts[0].keys() | parts[1].keys()
    for place, row in rows.items():
        found = [part.get(place) for part in parts]
        for name in (*FLOWS, *STOCKS):
            allowed = 0 if name.endswith("Qty") else 2 * ADDEND
            assert abs(added(found, name) - row[name]) <= allowed, (place, name)
        for name, (total, quantity) in AVERAGES.items():
            count = added(found, quantity)
            if count:
                assert abs(Decimal(added(found, total)) / count - row[name]) <= 2 * ADDEND, (place, name)
            else:
                assert row[name] is None
