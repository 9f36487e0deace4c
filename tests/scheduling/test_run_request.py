"""A request for a run: its time, its source, its note for readers, and the command that repeats it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from custdyn_widgets.errors import RunError, SavedQueryError
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.saved_queries.content import SavedQuery
from custdyn_widgets.saved_queries.schedule.schedule import Schedule
from custdyn_widgets.scheduling.run_request import RunRequest

MONTHLY = SavedQuery(
    "Board",
    ReportQuery("last_month", timezone="Europe/Paris"),
    source="shop",
    schedule=Schedule("0 6 1 * *", "Europe/Paris"),
)
UNSCHEDULED = replace(MONTHLY, schedule=None)
NOW = datetime(2022, 2, 14, 9, 30, tzinfo=UTC)
FIRST = datetime(2022, 2, 1, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("order", "is_once"),
    [({}, True), ({"again": True}, False), ({"as_of": "2022-02-01"}, False), ({"send": False}, True)],
)
def test_only_a_run_of_the_schedule_that_is_not_repeated_takes_place_once(
    order: dict[str, Any], is_once: bool
) -> None:
    assert RunRequest("board", **order).is_once is is_once


def test_a_run_is_for_the_given_time_or_the_last_one_of_the_schedule() -> None:
    assert RunRequest("board").logical_time(MONTHLY, NOW) == FIRST
    asked = RunRequest("board", as_of="2022-01-05T00:00:00Z")
    for saved in (MONTHLY, UNSCHEDULED):
        assert asked.logical_time(saved, NOW) == datetime(2022, 1, 5, tzinfo=UTC)
    with pytest.raises(SavedQueryError, match="the saved query board has none") as none:
        RunRequest("board").logical_time(UNSCHEDULED, NOW)
    assert none.value.field == "schedule"


def test_the_source_is_the_given_one_or_that_of_the_saved_query() -> None:
    assert RunRequest("board").source_of(MONTHLY) == "shop"
    assert RunRequest("board", source="other").source_of(MONTHLY) == "other"
    nowhere = replace(UNSCHEDULED, source=None)
    assert RunRequest("board", source="other").source_of(nowhere) == "other"
    with pytest.raises(RunError, match="The saved query board has no source: use --source"):
        RunRequest("board").source_of(nowhere)


def test_a_report_that_is_made_after_its_time_says_so() -> None:
    second = timedelta(seconds=1)
    asked = RunRequest("board", as_of="…")
    assert RunRequest("board").note(MONTHLY, FIRST - second, NOW) == ""  # the schedule says when it is made
    assert asked.note(MONTHLY, FIRST, NOW) == ""
    assert asked.note(UNSCHEDULED, NOW, NOW) == asked.note(UNSCHEDULED, NOW + second, NOW) == ""
    made = "was made later, at 2022-02-14 10:30:00 +01:00, from the data available then: it includes entries"
    assert asked.note(MONTHLY, FIRST - second, NOW).startswith(
        f"This report for 2022-02-01 05:59:59 +01:00 {made}"
    )
    assert asked.note(UNSCHEDULED, FIRST, NOW).startswith(
        f"This report for 2022-02-01 06:00:00 +01:00 {made}"
    )


@pytest.mark.parametrize(
    ("order", "at", "command"),
    [
        ({}, None, "custdyn run --saved board --scheduled"),
        ({}, "2022-02-01T05:00:00Z", "custdyn run --saved board --as-of 2022-02-01T05:00:00Z"),
        ({"sync": True}, None, "custdyn run --saved board --scheduled --sync"),
        ({"pdf": True}, None, "custdyn run --saved board --scheduled --pdf"),
        ({"send": False, "again": True, "within": timedelta(hours=1)}, None, None),
        (
            {"template": Path("my own.ipynb"), "source": "s", "parameters": {"a": 1, "b": "x y"}},
            "2022-02-01",
            "custdyn run 'my own.ipynb' --saved board --as-of 2022-02-01 --source s -p a 1 -p b 'x y'",
        ),
    ],
)
def test_the_command_that_repeats_a_run_makes_the_same_report(
    order: dict[str, Any], at: str | None, command: str | None
) -> None:
    expected = command or "custdyn run --saved board --scheduled"
    assert RunRequest("board", **order).repeat_command(at) == expected


def test_a_run_sends_and_makes_no_copies_unless_it_is_asked_to() -> None:
    plain = RunRequest("board")
    assert (plain.send, plain.sync, plain.pdf, plain.again, plain.within) == (True, False, False, False, None)
