"""Whether a scheduled time is due, from the records alone: each gets one run, on time or as asked."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from custdyn_widgets.errors import NotDueError, RunError
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.saved_queries.content import SavedQuery
from custdyn_widgets.saved_queries.schedule.schedule import Schedule
from custdyn_widgets.scheduling.due import (
    WAITING,
    Due,
    check_busy,
    check_due,
    check_reported,
    describe_missed,
    parse_delay,
    schedule_text,
)
from custdyn_widgets.scheduling.locks import RunLock
from custdyn_widgets.scheduling.outcomes import Outcome
from custdyn_widgets.scheduling.records import Runs
from custdyn_widgets.scheduling.run_record import Run
from custdyn_widgets.scheduling.run_request import RunRequest
from custdyn_widgets.text import format_instant_utc

HOUR, DAY, SECOND = timedelta(hours=1), timedelta(days=1), timedelta(seconds=1)
MONDAY = datetime(2022, 2, 14, 5, 0, tzinfo=UTC)  # 06:00 in Paris
DAILY = SavedQuery(
    "Board", ReportQuery("last_month"), source="demo", schedule=Schedule("0 6 * * *", "Europe/Paris")
)
AT = "board for 2022-02-14 06:00:00 +01:00: "
AGAIN = " Use --again to repeat the run for all recipients."


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


def record(runs: Runs, result: str, at: datetime = MONDAY, delay: timedelta = SECOND, **about: Any) -> Run:
    """Write the record of a run for a time."""
    began = at + delay
    run = Run(
        f"{began:%Y%m%dT%H%M%S.%f}Z-{len(list(runs.folder.rglob('*.json'))):08}",
        "board",
        "Board",
        format_instant_utc(began),
        **{"logical_time": format_instant_utc(at), "schedule": "0 6 * * * Europe/Paris", **about},
        result=result,
    )
    runs.write(run)
    return run


def due(runs: Runs, after: timedelta = 2 * SECOND, saved: SavedQuery = DAILY, **order: Any) -> Due:
    locked = order.pop("locked", False)
    request = RunRequest("board", **{"within": HOUR, **order})
    return check_due(request, saved, runs, MONDAY + after, locked=locked)


def refused(found: Due) -> tuple[str, bool]:
    """Return a refusal's message, and whether it counts as a failure."""
    assert found.missed == ()
    assert found.refusal is not None
    return found.refusal.message, found.refusal.failed


@pytest.mark.parametrize(
    ("result", "what", "failed"),
    [
        *((one, "already done", False) for one in ("sent", "frozen", "not sent", "unchanged", "empty")),
        *((one, "already done", True) for one in ("failed", "undelivered", "stale")),
        ("missed", "not run", True),
    ],
)
@pytest.mark.parametrize("locked", [False, True])
def test_a_time_that_had_a_run_gets_no_other(
    runs: Runs, result: str, what: str, failed: bool, locked: bool
) -> None:
    record(runs, result)
    message = f"{AT}{what} at 2022-02-14T05:00:01Z ({result}).{AGAIN}"
    assert refused(due(runs, locked=locked)) == (message, failed)
    assert due(runs, again=True) == due(runs, as_of="2022-02-14T05:00:00Z") == Due()
    assert due(runs, saved=replace(DAILY, schedule=None)) == Due()


def test_of_several_runs_for_a_time_the_one_that_went_well_is_named(runs: Runs) -> None:
    record(runs, "stale")
    record(runs, "failed", delay=2 * SECOND)
    assert "at 2022-02-14T05:00:02Z (failed)" in refused(due(runs))[0]
    record(runs, "sent", delay=3 * SECOND)
    record(runs, "failed", delay=4 * SECOND)
    message, failed = refused(due(runs))
    assert "at 2022-02-14T05:00:03Z (sent)" in message
    assert not failed


def test_what_was_held_back_is_due_unless_it_is_to_be_held_back_again(runs: Runs) -> None:
    record(runs, "held back")
    assert due(runs) == Due()
    assert refused(due(runs, send=False))[1] is False


def test_a_run_that_only_waited_for_another_does_not_count(runs: Runs) -> None:
    record(runs, "failed", where=WAITING)
    assert due(runs) == Due()


def test_a_killed_run_is_repeated_twice_unless_it_sent_anything(runs: Runs) -> None:
    record(runs, "killed", where="running")
    record(runs, "killed", where="running", delay=2 * SECOND)
    assert due(runs) == due(runs, locked=True) == Due()
    record(runs, "killed", where="running", delay=3 * SECOND)
    message = f"{AT}already run at 2022-02-14T05:00:03Z (killed).{AGAIN}"
    assert refused(due(runs)) == refused(due(runs, locked=True)) == (message, True)


@pytest.mark.parametrize(("outcome", "is_due"), [("sent", False), ("given up", True), ("refused", True)])
def test_a_run_that_was_killed_after_it_sent_is_not_repeated(runs: Runs, outcome: str, is_due: bool) -> None:
    receipts = ({"recipient": "a@b", "outcome": "given up"}, {"recipient": "c@d", "outcome": outcome})
    run = record(
        runs, "killed", where="running", reports=(Outcome("undelivered", None, "a" * 52, "d", receipts),)
    )
    if is_due:
        assert due(runs) == Due()
    else:
        hint = f" To reach the other recipients, use `custdyn runs resend {run.id}`."
        message = f"{AT}already run at 2022-02-14T05:00:01Z (killed).{hint}{AGAIN}"
        assert refused(due(runs)) == (message, True)


def test_a_run_that_was_killed_and_not_reported_is_left_to_the_holder_of_the_lock(runs: Runs) -> None:
    for delay in range(3):
        record(runs, "killed", delay=delay * SECOND)
    assert due(runs) == Due()
    assert refused(due(runs, locked=True))[1]


def test_a_run_under_way_is_not_started_again_and_under_the_lock_it_was_killed(runs: Runs) -> None:
    record(runs, "running")
    with RunLock(runs.folder, "board"):
        message = (
            "board for 2022-02-14 06:00:00 +01:00 has been running since 2022-02-14T05:00:01Z; it was not "
            "started again."
        )
        assert refused(due(runs)) == (message, False)
        assert due(runs, locked=True) == Due()
        for delay in (2, 3):
            record(runs, "running", delay=delay * SECOND)
        message = f"{AT}already run at 2022-02-14T05:00:03Z (killed).{AGAIN}"
        assert refused(due(runs, locked=True)) == (message, True)


def test_a_run_for_a_later_time_is_not_followed_by_one_for_an_earlier_time(runs: Runs) -> None:
    """The schedule was changed from 06:30 to 06:00 after it had run."""
    record(runs, "sent", MONDAY + HOUR / 2, schedule="30 6 * * * Europe/Paris")
    message = (
        "board for 2022-02-14 06:30:00 +01:00: already run for this later time at 2022-02-14T05:30:01Z "
        f"(sent).{AGAIN}"
    )
    assert refused(due(runs, HOUR * 3 / 4)) == (message, False)


@pytest.mark.parametrize("about", [{"asked_for": True}, {"logical_time": None}])
def test_a_run_that_was_asked_for_begins_no_schedule(runs: Runs, about: dict[str, Any]) -> None:
    record(runs, "sent", MONDAY - 3 * DAY, **about)
    assert due(runs) == Due()


def test_a_run_in_the_future_is_that_of_a_wrong_clock(runs: Runs) -> None:
    record(runs, "sent", MONDAY + DAY)
    assert due(runs) == Due()


def test_a_time_is_late_after_the_time_limit_and_not_at_it(runs: Runs) -> None:
    record(runs, "sent", MONDAY - DAY)
    assert due(runs, HOUR) == Due()
    late = due(runs, HOUR + SECOND)
    assert late.missed == (MONDAY,)
    assert late.refusal is not None
    assert late.refusal.failed
    assert late.refusal.message == (
        "board for 2022-02-14 06:00:00 +01:00 was missed: it is more than 1 h late. To run it now, use "
        "`custdyn run --saved board --as-of 2022-02-14T05:00:00Z`."
    )
    assert due(runs, 9 * HOUR, within=None) == Due()
    assert due(runs, HOUR + SECOND, within=timedelta(minutes=90)) == Due()
    half_an_hour = due(runs, HOUR, within=HOUR / 2).refusal
    assert half_an_hour is not None
    assert "more than 0.5 h late" in half_an_hour.message


def test_times_without_a_run_are_told_with_the_next(runs: Runs) -> None:
    record(runs, "sent", MONDAY - 3 * DAY)
    missed = (MONDAY - 2 * DAY, MONDAY - DAY)
    assert due(runs) == Due(missed)
    late = due(runs, 2 * HOUR)
    assert late.missed == (*missed, MONDAY)
    assert late.refusal is not None
    assert due(runs, 2 * HOUR, replace(DAILY, catch_up=True)) == Due(missed)


def test_a_schedule_begins_with_its_next_time(runs: Runs) -> None:
    words = "board has not run on this schedule yet; its first run is due at 2022-02-15 06:00:00 +01:00."
    for saved in (DAILY, replace(DAILY, catch_up=True)):
        assert due(runs, HOUR, saved) == Due()
        assert refused(due(runs, 2 * HOUR, saved)) == (words, False)
    record(runs, "sent", MONDAY - DAY, schedule="0 7 * * * Europe/Paris")
    assert refused(due(runs, 2 * HOUR)) == (words, False)
    assert due(runs) == Due()


def test_a_time_that_waited_for_another_run_until_it_was_late_is_missed_or_caught_up(runs: Runs) -> None:
    record(runs, "failed", where=WAITING)
    late = due(runs, 2 * HOUR)
    assert (late.missed, late.refusal is None) == ((MONDAY,), False)
    assert due(runs, 2 * HOUR, replace(DAILY, catch_up=True)) == Due()
    record(runs, "sent", MONDAY - 3 * DAY)
    assert due(runs, 2 * HOUR).missed == (MONDAY,)  # those before it were told by the run that waited


def test_an_unreadable_record_stops_a_time_that_it_may_be_about(runs: Runs) -> None:
    run = record(runs, "sent")
    file = runs.folder / "records" / "board" / f"{run.id}.json"
    file.write_text("{")
    words = r"cannot tell whether there was a run for 2022-02-14T05:00:00Z\. Delete the record, and use"
    with pytest.raises(RunError, match=words):
        due(runs, locked=True)
    assert due(runs) == Due()
    assert due(runs, DAY, locked=True) == Due()  # it is older than the time
    file.rename(file.with_name("20220214T050000.json"))
    with pytest.raises(RunError, match=words):
        due(runs, locked=True)
    record(runs, "sent")
    assert refused(due(runs)) == (f"{AT}already done at 2022-02-14T05:00:01Z (sent).{AGAIN}", False)


def test_behind_another_run_a_time_waits_once(runs: Runs) -> None:
    request, now = RunRequest("board"), MONDAY + SECOND
    with RunLock(runs.folder, "board"):
        check_busy(request, DAILY, runs, now)
        record(runs, "running", MONDAY - DAY)
        check_busy(request, DAILY, runs, now)
        record(runs, "failed", where=WAITING)
        with pytest.raises(NotDueError) as waiting:
            check_busy(request, DAILY, runs, now)
        assert waiting.value.failed
        assert waiting.value.message == (
            "board for 2022-02-14 06:00:00 +01:00 is still waiting for an earlier run."
        )
        record(runs, "running")
        with pytest.raises(NotDueError, match="has been running since") as running:
            check_busy(request, DAILY, runs, now)
        assert not running.value.failed
    [*_, newest] = sorted(runs.folder.rglob("*.json"))
    newest.write_text("{")
    with pytest.raises(NotDueError, match="is still waiting"):
        check_busy(request, DAILY, runs, now)  # the holder of the lock reports it


def test_a_problem_with_a_saved_query_is_told_again_after_a_day(runs: Runs) -> None:
    problem = "'board.json' is not valid JSON."
    check_reported("board", problem, runs, MONDAY)
    about: dict[str, Any] = {"logical_time": None, "delay": timedelta(), "problem": problem}
    record(runs, "failed", **about)
    words = "'board.json' is not valid JSON. This was recorded at 2022-02-14T05:00:00Z."
    for now in (MONDAY, MONDAY + DAY - SECOND):
        with pytest.raises(NotDueError) as told:
            check_reported("board", problem, runs, now)
        assert (told.value.message, told.value.failed) == (words, True)
    for now in (MONDAY + DAY, MONDAY - SECOND):  # a record in the future is that of a wrong clock
        check_reported("board", problem, runs, now)
    check_reported("board", "Another problem.", runs, MONDAY)


@pytest.mark.parametrize(
    ("result", "about"),
    [("sent", {"logical_time": None}), ("failed", {"logical_time": "2022-02-14T05:00:00Z"})],
)
def test_only_a_run_that_could_not_read_its_saved_query_has_reported_it(
    runs: Runs, result: str, about: dict[str, Any]
) -> None:
    record(runs, result, delay=timedelta(), problem="No.", **about)
    check_reported("board", "No.", runs, MONDAY)


def test_missed_times_are_described_by_the_first_the_last_and_their_number() -> None:
    one = describe_missed(DAILY, [MONDAY])
    off = "the machine was off, or its scheduler did not run."
    assert one == f"No run was started for 2022-02-14 06:00:00 +01:00: {off}"
    assert describe_missed(DAILY, [MONDAY + n * DAY for n in range(3)]) == (
        "No run was started for 3 scheduled times, from 2022-02-14 06:00:00 +01:00 to "
        f"2022-02-16 06:00:00 +01:00: {off}"
    )


@pytest.mark.parametrize(
    ("text", "minutes"), [("1min", 1), ("90min", 90), ("36h", 2160), ("3d", 4320), ("2w", 20160)]
)
def test_a_delay_is_a_number_of_minutes_hours_days_or_weeks(text: str, minutes: int) -> None:
    assert parse_delay(text, "--within") == timedelta(minutes=minutes)


def test_a_schedule_is_recorded_with_its_time_zone() -> None:
    assert schedule_text(DAILY.schedule) == "0 6 * * * Europe/Paris"
    assert schedule_text(None) == ""
