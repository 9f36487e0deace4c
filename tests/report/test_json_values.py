"""A report becomes JSON values and back; older versions read those that they can show."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from custdyn_widgets.errors import CustDynError
from custdyn_widgets.report.cohorts import CohortTriangle
from custdyn_widgets.report.report import Column, Report
from tests.make_report import make_comparison, make_report

TRIANGLE = CohortTriangle(("2021-01", "2021-02"), (3, 2), ((3, 1), (2, None)))
RATE = Column("Clients - Movement", "Churn Rate", "rate", "Lapsed and closed clients.")


def with_rate() -> Report:
    report = make_report(2)
    return replace(report, columns=(*report.columns[:-1], RATE))


REPORTS = {
    "plain": (make_report(3, ("a", "b")), 1),
    "without a total": (make_report(3, total=None), 1),
    "empty": (make_report(0, total=None, message="There is nothing to show."), 1),
    "with charts": (make_report(2, charts={"Line Chart": {"mark": "line"}}), 1),
    "with gaps": (make_report(2, info=replace(make_report(2).info, data_gaps=("3 days",))), 1),
    "with a rate": (with_rate(), 2),
    "compared": (make_comparison(), 2),
    "with a triangle": (make_report(2, triangle=TRIANGLE), 2),
}


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_is_the_same_after_json_and_has_the_oldest_format_that_can_hold_it(name: str) -> None:
    report, form = REPORTS[name]
    data = json.loads(json.dumps(report.to_dict()))
    assert data["format"] == form
    assert Report.from_dict(data) == report
    assert ("triangle" in data, "data_gaps" in data["info"]) == (
        name == "with a triangle",
        name == "with gaps",
    )


def test_values_are_whole_numbers_and_text_never_floats() -> None:
    def kinds(value: object) -> set[type]:
        items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return {type(value)}.union(*map(kinds, items))

    assert float not in kinds(make_comparison().to_dict())


@pytest.mark.parametrize("form", [None, 0, 3, "1"])
def test_a_report_of_another_format_is_refused(form: object) -> None:
    with pytest.raises(CustDynError, match="reads only formats 1 and 2"):
        Report.from_dict({**make_report(1).to_dict(), "format": form})
