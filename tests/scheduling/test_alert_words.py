"""What records, emails and lists of runs say about conditions: exact values, first rows and states."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.report.report import Column, Report, Value
from custdyn_widgets.saved_queries.alerts.condition import Condition, parse_alert_if
from custdyn_widgets.scheduling.alerts import describe, has_news, letter_alerts, letter_mark, run_lines
from custdyn_widgets.scheduling.outcomes import Outcome
from tests.scheduling.test_conditions import (
    CHURN,
    CHURN_COLUMN,
    MONTHS,
    QTY,
    TOTAL,
    TOTAL_COLUMN,
    compared,
    report_of,
)

QUERY = ReportQuery("last_year", group_by=("month",))
NO_VALUE = "not met, because there is no value"


def told(report: Report, column: str = QTY, row: str = "any", **relation: object) -> dict[str, Any]:
    conditions = parse_alert_if([{"column": column, "row": row, **relation}])
    [found] = describe(report, conditions, QUERY, ())
    return found


def test_up_to_five_rows_are_listed_and_the_others_are_counted() -> None:
    rows = [f"{month}: 1" for month in MONTHS]
    for count, more in ((1, []), (5, []), (6, ["and 1 more row"]), (7, ["and 2 more rows"])):
        found = told(report_of(*[1] * count, *[9] * 3), below=5)
        assert found["lines"] == [*rows[: min(count, 5)], *more]
        assert (found["rows"], found["unknown"], found["state"]) == (count, 0, "became true")


def test_the_only_row_is_listed_even_if_it_does_not_meet_the_condition() -> None:
    assert told(report_of(9), below=5)["lines"] == ["2021-01: 9"]
    assert told(report_of(9, 8), below=5)["lines"] == []
    assert told(report_of(9, 8), row="last", below=5)["lines"] == ["2021-02: 8"]
    assert told(report_of(9, 8, total=17), row="total", below=5)["lines"] == ["Total: 17"]


def test_each_reason_is_told_once_with_up_to_five_rows() -> None:
    for count, more in ((1, ""), (5, ""), (6, "; 1 more row"), (7, "; 2 more rows")):
        found = told(report_of(*[None] * count, 9, 9), below=5)
        assert found["lines"] == [f"{'; '.join(MONTHS[: min(count, 5)])}{more}: {NO_VALUE}"]
        assert (found["unknown"], found["state"]) == (count, "not true")
    found = told(report_of(None, 1, 9), row="any", falls_by="50%")
    assert found["lines"] == [
        "2021-03: 9, after 1",
        "2021-02: not met, because there is no value to compare with",
    ]
    assert told(report_of(), below=5)["lines"] == ["not met, because the report has no such row"]


PERCENT_COLUMN = replace(CHURN_COLUMN, unit="percent")


@pytest.mark.parametrize(
    ("value", "column", "currency", "shown"),
    [
        (1234567, None, "USD", "1,234,567"),
        (Decimal("1234.500000"), TOTAL_COLUMN, "USD", "1,234.50 USD"),
        (Decimal("0.123456"), TOTAL_COLUMN, "USD", "0.123456 USD"),
        (Decimal("1200.000000"), TOTAL_COLUMN, "JPY", "1,200 JPY"),
        (Decimal("-7.100000"), TOTAL_COLUMN, "JPY", "-7.1 JPY"),
        (Decimal("0.050000"), CHURN_COLUMN, "USD", "5%"),
        (Decimal("0.051234"), CHURN_COLUMN, "USD", "5.1234%"),
        (Decimal("12.500000"), PERCENT_COLUMN, "USD", "12.5%"),
    ],
)
def test_a_value_is_told_with_all_its_digits(
    value: Value, column: Column | None, currency: str, shown: str
) -> None:
    report = report_of(value, **({"column": column} if column else {}))
    report = replace(report, info=replace(report.info, currency=currency))
    assert told(report, report.columns[0].name, row="last", above=-9)["lines"] == [f"2021-01: {shown}"]


def test_a_change_is_told_with_the_value_before_it_and_a_running_period_is_called_partial() -> None:
    report = report_of(Decimal(100), Decimal(80), column=TOTAL_COLUMN)
    assert told(report, TOTAL, row="last", falls_by="20%")["lines"] == [
        "2021-02: 80.00 USD, after 100.00 USD"
    ]
    last = replace(report.rows[-1], partial=True)
    report = replace(report, rows=(report.rows[0], last))
    assert told(report, TOTAL, row="last", below=90)["lines"] == ["2021-02 (partial): 80.00 USD"]
    rate = compared(Decimal("0.05"), Decimal(0), Decimal("0.05"), None, column=CHURN_COLUMN)
    assert told(rate, CHURN, row="total", against="compare", rises_by="3%")["lines"] == [
        "Total: 5%, after 0%"
    ]


def conditions_of(*bounds: int) -> tuple[Condition, ...]:
    return parse_alert_if([{"column": QTY, "row": "last", "below": bound} for bound in bounds])


def test_a_condition_s_state_follows_from_what_was_true_before() -> None:
    report, conditions = report_of(50), conditions_of(60, 40)
    first = describe(report, conditions, QUERY, ())
    assert [one["state"] for one in first] == ["became true", "not true"]
    before = {one["key"] for one in first}
    assert len(before) == 2
    then = describe(report, conditions, QUERY, before)
    assert [one["state"] for one in then] == ["still true", "passed"]
    changed = describe(report, conditions, replace(QUERY, currency="EUR"), before)
    assert [one["state"] for one in changed] == ["became true", "not true"]
    assert first[0]["condition"] == {"column": QTY, "row": "last", "below": 60}
    assert first[0]["words"] == f"{QTY}, last row: is below 60"


def result(state: str, name: str = "", unknown: int = 0, lines: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"state": state, "words": f"words {name}".strip(), "unknown": unknown, "lines": [*lines]}


@pytest.mark.parametrize(
    ("states", "mark", "news"),
    [
        (["passed", "became true"], "Alert", True),
        (["still true", "passed"], "Passed", True),
        (["still true", "not true"], "", False),
        ([], "", False),
    ],
)
def test_the_subject_says_whether_a_condition_became_true_or_passed(
    states: list[str], mark: str, news: bool
) -> None:
    found = [result(state) for state in states]
    assert (letter_mark(found), has_news(found)) == (mark, news)


def test_a_letter_lists_what_changed_first_and_leaves_out_what_is_not_true() -> None:
    found = [
        result("not true", "1"),
        result("not true", "2", unknown=1, lines=("why",)),
        result("still true", "3"),
        result("passed", "4"),
        result("became true", "5", lines=("a", "b")),
        result("passed", "6"),
    ]
    assert letter_alerts(found) == (
        ("Became true: words 5.", "a", "b"),
        ("Passed: words 4.",),
        ("Passed: words 6.",),
        ("Still true: words 3.",),
        ("Not true: words 2.", "why"),
    )


def outcome(*conditions: dict[str, Any], company: str | None = None) -> Outcome:
    return Outcome("sent", company, conditions=conditions)


def test_the_list_of_runs_tells_news_and_what_cannot_be_judged() -> None:
    assert run_lines([outcome()]) == []
    assert run_lines([outcome(result("still true"))]) == ["No condition became true or stopped being true."]
    assert run_lines([outcome(result("not true", unknown=1, lines=("why",)))]) == [
        "No condition became true or stopped being true.",
        "Not true: words. why.",
    ]
    each = [
        outcome(result("passed", lines=("a", "b")), company="Blue"),
        outcome(result("not true"), company="Red"),
    ]
    assert run_lines(each) == ["Blue: Passed: words. a. b."]


@pytest.mark.parametrize(("count", "more"), [(12, []), (13, ["And 1 more: see --json."])])
def test_the_list_of_runs_has_up_to_twelve_lines_about_conditions(count: int, more: list[str]) -> None:
    lines = run_lines([outcome(*(result("passed", str(n)) for n in range(count)))])
    assert lines == [f"Passed: words {n}." for n in range(12)] + more
