"""Each scheduled time is run once: whatever triggers it, however often, and whatever happens in between."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from custdyn_widgets.errors import NotDueError, QueryError, RunError
from custdyn_widgets.saved_queries.content import SavedQuery
from custdyn_widgets.saved_queries.schedule.schedule import Schedule
from custdyn_widgets.scheduling import making
from custdyn_widgets.scheduling.due import parse_delay
from custdyn_widgets.scheduling.job import dispatch
from custdyn_widgets.scheduling.locks import RunLock
from custdyn_widgets.scheduling.outcomes import Outcome
from custdyn_widgets.scheduling.records import Runs
from custdyn_widgets.scheduling.run_record import Run
from custdyn_widgets.scheduling.run_request import RunRequest
from custdyn_widgets.settings import Settings
from custdyn_widgets.settings import load as load_settings
from custdyn_widgets.text import format_instant_utc
from tests.mail_server import Received
from tests.scheduling.test_job import (
    ANNA,
    BEN,
    BOARD,
    EVA,
    QUOTED,
    custdyn,
    frozen,
    keep,
    received,
    settings,
    text_of,
)

__all__ = ["received", "settings"]  # fixtures

HOUR = timedelta(hours=1)
DAILY = replace(BOARD, schedule=Schedule("0 6 * * *", "Europe/Paris"))
MONDAY = datetime(2022, 2, 14, 5, 0, tzinfo=UTC)  # 06:00 in Paris
Trigger = Callable[..., Run | NotDueError]


@pytest.fixture
def trigger(settings: Settings) -> Trigger:
    """Do what a scheduler's line does, at a time; `clock` is also what the records say."""

    def triggered(now: datetime, saved: SavedQuery = DAILY, **order: Any) -> Run | NotDueError:
        keep(saved, settings)
        request = RunRequest("board", **{"within": HOUR, **order})
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("custdyn_widgets.scheduling.run_record.datetime", _clock(now))
            try:
                return dispatch(request, settings=load_settings(), progress=print, now=now)
            except NotDueError as refusal:
                return refusal

    return triggered


def _clock(now: datetime) -> type[datetime]:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return now.astimezone(tz)

    return Clock


def results(settings: Settings) -> list[str]:
    return [run.result for run in Runs(settings.runs or Path()).listing()]


def is_bad(refusal: Run | NotDueError) -> bool:
    assert isinstance(refusal, NotDueError), refusal
    return refusal.failed


def test_a_minutely_trigger_is_as_good_as_an_exact_one(
    trigger: Trigger, settings: Settings, received: Received
) -> None:
    at = MONDAY - timedelta(minutes=3)
    outcomes = [trigger(at + timedelta(minutes=n)) for n in range(8)]
    assert [isinstance(one, Run) for one in outcomes] == [False] * 3 + [True] + [False] * 4
    assert [is_bad(one) for one in outcomes if isinstance(one, NotDueError)] == [False] * 7
    assert "its first run is due at 2022-02-14 06:00:00 +01:00" in str(outcomes[0])
    assert "2022-02-14 06:00:00 +01:00: already done at 2022-02-14T05:00:00Z (sent)" in str(outcomes[-1])
    assert "Use --again" in str(outcomes[-1])
    assert received.recipients() == [ANNA, BEN]
    assert results(settings) == ["sent"]
    again = trigger(MONDAY + HOUR / 2, again=True, within=None)
    assert isinstance(again, Run)
    assert received.recipients() == [ANNA, BEN] * 2


def test_a_schedule_that_has_not_run_yet_does_not_begin_with_a_time_of_long_ago(
    trigger: Trigger, settings: Settings, received: Received
) -> None:
    late = MONDAY + timedelta(hours=9)
    for saved in (DAILY, replace(DAILY, catch_up=True)):
        assert not is_bad(trigger(late, saved))
    assert (results(settings), received.recipients()) == ([], [])
    trigger(MONDAY)
    earlier = replace(DAILY, schedule=Schedule("0 5 * * *", "Europe/Paris"))  # changed during the day
    later = replace(DAILY, schedule=Schedule("30 11 * * *", "Europe/Paris"))
    for saved in (earlier, later):
        assert not is_bad(trigger(late, saved)), saved.schedule
    assert results(settings) == ["sent"]


def test_a_person_runs_the_last_scheduled_time_however_late_it_is(trigger: Trigger) -> None:
    run = trigger(MONDAY + timedelta(hours=9), within=None)
    assert isinstance(run, Run)
    assert (run.result, run.logical_time) == ("sent", "2022-02-14T05:00:00Z")


def test_after_three_days_off_what_was_missed_is_told_once(
    trigger: Trigger, settings: Settings, received: Received
) -> None:
    trigger(MONDAY)
    back = MONDAY + timedelta(days=3, hours=4)
    refusals = [trigger(back + timedelta(minutes=n)) for n in range(3)]
    assert [is_bad(one) for one in refusals] == [True] * 3
    assert "was missed: it is more than 1 h late" in str(refusals[0])
    assert "custdyn run --saved board --as-of 2022-02-17T05:00:00Z" in str(refusals[0])
    assert "not run at 2022-02-17T09:00:00Z (missed)" in str(refusals[1])
    assert received.recipients() == [ANNA, BEN, EVA]
    assert results(settings) == ["sent", "missed"]
    words = "for 3 scheduled times, from 2022-02-15 06:00:00 +01:00 to 2022-02-17 06:00:00 +01:00"
    assert words in text_of(received, 2)
    assert f"{QUOTED} run --saved board --as-of 2022-02-17T05:00:00Z" in text_of(received, 2)
    friday = trigger(MONDAY + timedelta(days=4))
    assert isinstance(friday, Run)
    assert friday.result == "sent"
    assert results(settings) == ["sent", "missed", "sent"]


def test_after_three_days_off_the_last_time_is_caught_up_if_the_saved_query_says_so(
    trigger: Trigger, settings: Settings, received: Received
) -> None:
    saved = replace(DAILY, catch_up=True)
    trigger(MONDAY, saved)
    back = MONDAY + timedelta(days=3, hours=4)
    run = trigger(back, saved)
    assert isinstance(run, Run)
    assert (run.result, run.logical_time) == ("sent", "2022-02-17T05:00:00Z")
    assert not is_bad(trigger(back + timedelta(minutes=1), saved))
    assert sorted(results(settings)) == ["missed", "sent", "sent"]
    assert sorted(received.recipients()) == sorted([ANNA, BEN, EVA, ANNA, BEN])
    [missed] = [one for one in Runs(settings.runs or Path()).listing() if one.result == "missed"]
    assert (missed.logical_time, missed.schedule) == ("2022-02-16T05:00:00Z", "0 6 * * * Europe/Paris")


def test_times_missed_before_one_in_time_are_told_and_it_is_run(trigger: Trigger, settings: Settings) -> None:
    trigger(MONDAY)
    run = trigger(MONDAY + timedelta(days=2, minutes=1))
    assert isinstance(run, Run)
    assert run.result == "sent"
    assert sorted(results(settings)) == ["missed", "sent", "sent"]


def test_a_failure_is_told_once_and_not_at_every_trigger(
    trigger: Trigger, settings: Settings, received: Received
) -> None:
    broken = replace(DAILY, source="none-such")
    outcomes = [trigger(MONDAY + timedelta(minutes=n), broken) for n in range(3)]
    assert is_bad(outcomes[1])
    assert is_bad(outcomes[2])
    assert "already done at 2022-02-14T05:00:00Z (failed)" in str(outcomes[2])
    assert received.recipients() == [EVA]
    repaired = trigger(MONDAY + HOUR / 2, as_of="2022-02-14T05:00:00Z", within=None)
    assert isinstance(repaired, Run)
    assert repaired.result == "sent"
    assert not is_bad(trigger(MONDAY + HOUR / 2))
    assert received.recipients() == [EVA, ANNA, BEN]


def test_a_saved_query_that_cannot_be_read_is_told_once_a_day(
    trigger: Trigger, settings: Settings, received: Received
) -> None:
    trigger(MONDAY)
    request = RunRequest("board", within=HOUR)
    path = settings.queries / "board.json"
    path.write_text(path.read_text().replace('"csv"', '"docx"'))
    now = datetime.now(UTC)
    for minutes in range(3):
        at = now + timedelta(minutes=minutes)
        if minutes:
            with pytest.raises(NotDueError, match="docx"):
                dispatch(request, settings=settings, progress=print, now=at)
        else:
            assert dispatch(request, settings=settings, progress=print, now=at).result == "failed"
    assert received.recipients() == [ANNA, BEN, EVA]
    assert (
        dispatch(request, settings=settings, progress=print, now=now + timedelta(days=2)).result == "failed"
    )


def test_what_did_not_reach_everybody_is_not_sent_to_all_again(
    trigger: Trigger, settings: Settings, received: Received
) -> None:
    received.at_recipient = lambda _, address: "550 no such person" if address == BEN else None
    run = trigger(MONDAY)
    assert isinstance(run, Run)
    refusal = trigger(MONDAY + HOUR / 2)
    assert is_bad(refusal)
    assert f"To reach the other recipients, use `custdyn runs resend {run.id}`." in str(refusal)
    assert received.recipients().count(ANNA) == 1


def test_what_was_held_back_is_sent_by_the_next_run(trigger: Trigger, received: Received) -> None:
    for _ in range(2):
        held = trigger(MONDAY, send=False)
    assert not is_bad(held)
    run = trigger(MONDAY)
    assert isinstance(run, Run)
    assert run.result == "sent"
    assert received.recipients() == [ANNA, BEN]


@pytest.mark.parametrize("after", ["Europe/Paris", "America/New_York", "Australia/Lord_Howe"])
@pytest.mark.parametrize("cron", ["30 2 * * *", "*/30 * * * *", "15 2,3 * * *"])
def test_a_minutely_trigger_runs_each_time_of_a_night_of_change_once(
    cron: str, after: str, trigger: Trigger, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights = {
        "Europe/Paris": ("2022-03-26T23:50Z", "2022-10-29T23:50Z"),
        "America/New_York": ("2022-03-13T05:50Z", "2022-11-06T04:50Z"),
        "Australia/Lord_Howe": ("2022-10-01T14:20Z", "2022-04-02T13:50Z"),
    }
    monkeypatch.setattr(making, "run_notebook", _refuse)  # a failure is an outcome too, and is quick
    for night in nights[after]:
        begin = datetime.fromisoformat(night)
        saved = replace(BOARD, schedule=Schedule(cron, after), failure_recipients=())
        assert saved.schedule is not None
        end = begin + timedelta(hours=5)
        at = begin
        while at < end:
            trigger(at, saved)
            at += timedelta(minutes=5)
        due = [format_instant_utc(one) for one in saved.schedule.between(begin - timedelta(minutes=30), end)]
        ran = [run.logical_time for run in Runs(settings.runs or Path()).listing()]
        assert ran == due
        assert len(set(ran)) == len(ran)
        for record in (settings.runs or Path()).glob("records/board/*.json"):
            record.unlink()


def _refuse(*_: object, **__: object) -> None:
    raise RunError("Not tonight.")


def test_a_clock_that_goes_back_sends_nothing_twice(trigger: Trigger, received: Received) -> None:
    for days in (0, 1):
        assert isinstance(trigger(MONDAY + timedelta(days=days)), Run)
    for hours in (23, 1, 26):
        assert not is_bad(trigger(MONDAY + timedelta(hours=hours)))
    assert received.recipients() == [ANNA, BEN] * 2


def test_a_clock_that_was_a_year_ahead_stops_no_schedule(trigger: Trigger) -> None:
    for at in (MONDAY + timedelta(days=365), MONDAY, MONDAY + timedelta(days=1)):
        run = trigger(at)
        assert isinstance(run, Run), run
        assert run.result == "sent"


def record_of(settings: Settings, result: str, **about: Any) -> Run:
    run = replace(
        Run.begun("board", title="Board", logical_time="2022-02-14T05:00:00Z"),
        id=f"20220214T050001.000000Z-{secrets.token_hex(4)}",
        began="2022-02-14T05:00:01Z",
        result=result,
        schedule="0 6 * * * Europe/Paris",
        **about,
    )
    Runs(settings.runs or Path()).write(run)
    return run


def test_a_run_killed_before_it_sent_anything_is_told_and_run_again(
    trigger: Trigger, settings: Settings, received: Received
) -> None:
    record_of(settings, "running")
    run = trigger(MONDAY + timedelta(minutes=1))
    assert isinstance(run, Run)
    assert received.recipients() == [EVA, ANNA, BEN]
    assert sorted(results(settings)) == ["killed", "sent"]


def test_a_run_that_is_always_killed_is_not_tried_for_ever(trigger: Trigger, settings: Settings) -> None:
    for _ in range(3):
        record_of(settings, "running")
    refusal = trigger(MONDAY + timedelta(minutes=5))
    assert is_bad(refusal)
    assert "(killed)" in str(refusal)
    assert results(settings) == ["killed"] * 3


def test_a_run_killed_while_it_sent_is_told_and_not_sent_to_all_again(
    trigger: Trigger, settings: Settings, received: Received
) -> None:
    receipts = ({"recipient": ANNA, "outcome": "sent"}, {"recipient": BEN, "outcome": "given up"})
    killed = record_of(
        settings, "running", reports=(Outcome("undelivered", None, "a" * 52, "d", receipts, "…"),)
    )
    refusal = trigger(MONDAY + timedelta(minutes=1))
    assert is_bad(refusal)
    assert f"custdyn runs resend {killed.id}" in str(refusal)
    assert received.recipients() == [EVA]
    assert f"{QUOTED} runs resend {killed.id}" in text_of(received)
    assert is_bad(trigger(MONDAY + timedelta(minutes=2)))
    assert received.recipients() == [EVA]


def test_while_a_time_is_being_run_it_is_not_started_again(trigger: Trigger, settings: Settings) -> None:
    with RunLock(settings.runs or Path(), "board"):
        record_of(settings, "running")
        refusal = trigger(MONDAY + timedelta(minutes=1))
    assert not is_bad(refusal)
    assert "has been running since 2022-02-14T05:00:01Z" in str(refusal)


def test_while_an_earlier_time_is_being_run_this_is_told_once_and_then_run(
    trigger: Trigger, settings: Settings, received: Received
) -> None:
    with RunLock(settings.runs or Path(), "board"):
        record_of(settings, "running")
        refused = trigger(MONDAY + timedelta(days=1))
        assert isinstance(refused, Run)
        assert refused.result == "failed"
        assert is_bad(trigger(MONDAY + timedelta(days=1, minutes=1)))
        assert received.recipients() == [EVA]
    run = trigger(MONDAY + timedelta(days=1, minutes=2))
    assert isinstance(run, Run)
    assert run.result == "sent"


def test_a_damaged_record_of_the_time_fails_it_once_and_sends_nothing(
    trigger: Trigger, settings: Settings, received: Received
) -> None:
    run = record_of(settings, "sent")
    path = (settings.runs or Path()) / "records" / "board" / f"{run.id}.json"
    path.write_text("{")
    failed = trigger(MONDAY)
    assert isinstance(failed, Run)
    assert failed.result == "failed"
    assert "custdyn cannot tell whether" in str(failed.problem)
    assert received.recipients() == [EVA]


def test_where_the_run_cannot_be_recorded_nothing_is_sent_and_the_failure_is_told_once(
    trigger: Trigger, settings: Settings, received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    trigger(MONDAY - timedelta(days=1))
    with monkeypatch.context() as patch:
        patch.setattr("custdyn_widgets.scheduling.records.write_whole", full)
        for minutes in range(3):
            run = trigger(MONDAY + timedelta(minutes=minutes))
            assert isinstance(run, Run)
            assert run.result == "failed"
    assert received.recipients() == [ANNA, BEN, EVA]
    assert len(frozen(settings)) == 1
    assert isinstance(trigger(MONDAY + timedelta(minutes=3)), Run)
    assert received.recipients() == [ANNA, BEN, EVA, ANNA, BEN]


def test_a_length_of_time_has_a_unit() -> None:
    assert parse_delay("15min", "--within") == timedelta(minutes=15)
    assert parse_delay("2w", "--within") == timedelta(weeks=2)
    for text in ("1", "1m", "0h", "-1h", "1 h", "999999d", ""):
        with pytest.raises(QueryError, match="is not a duration"):
            parse_delay(text, "--within")


def test_catching_up_needs_a_schedule_and_is_kept_in_the_file() -> None:
    saved = replace(DAILY, catch_up=True)
    assert SavedQuery.from_dict(saved.to_dict()) == saved
    assert "catch_up" not in DAILY.to_dict()
    with pytest.raises(Exception, match="catch_up requires"):
        replace(saved, schedule=None)
    with pytest.raises(Exception, match="true or false"):
        replace(DAILY, catch_up="yes")


@pytest.mark.slow
def test_two_triggers_in_one_second_make_one_run(settings: Settings, received: Received) -> None:
    keep(BOARD, settings)
    line = [
        str(Path(sys.executable).with_name("custdyn")),
        "run",
        "--saved",
        "board",
        "--scheduled",
        "--quiet",
    ]
    started = [subprocess.Popen(line, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    assert not any("already running" in one.communicate()[1] for one in started)
    assert [one.returncode for one in started] == [0] * 3
    assert results(settings) == ["sent"]
    assert received.recipients() == [ANNA, BEN]


@pytest.mark.slow
def test_a_real_run_killed_half_way_is_made_up_for_by_the_next_trigger(
    settings: Settings, received: Received
) -> None:
    keep(BOARD, settings)
    line = [str(Path(sys.executable).with_name("custdyn")), "run", "--saved", "board", "--scheduled"]
    first = subprocess.Popen(line, stderr=subprocess.PIPE, start_new_session=True)
    records = (settings.runs or Path()) / "records" / "board"
    while not list(records.glob("*.json")):
        assert first.poll() is None, first.stderr and first.stderr.read()
        time.sleep(0.02)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    assert received.recipients() == []
    assert custdyn(*line[1:], "--quiet").returncode == 0
    assert custdyn(*line[1:], "--quiet").returncode == 0
    assert sorted(results(settings)) == ["killed", "sent"]
    assert received.recipients() == [EVA, ANNA, BEN]
