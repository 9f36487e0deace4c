"""Each scheduled time is run once: whatever triggers it, however often, and whatever happens in between."""

from __future__ import annotations

import os
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

from custdyn_widgets.errors import NotDueError, RunError
from custdyn_widgets.saved_queries.content import SavedQuery
from custdyn_widgets.saved_queries.schedule.schedule import Schedule
from custdyn_widgets.scheduling import making
from custdyn_widgets.scheduling.due import parse_delay
from custdyn_widgets.scheduling.job import dispatch
from custdyn_widgets.scheduling.locks import RunLock
from custdyn_widgets.scheduling.records import Outcome, Run, Runs
from custdyn_widgets.scheduling.run_request import RunRequest
from custdyn_widgets.settings import Settings
from custdyn_widgets.settings import load as load_settings
from custdyn_widgets.text import format_instant_utc
from tests.mail_server import Received
from tests.scheduling.test_job import ANNA, BEN, BOARD, EVA, custdyn, frozen, keep, received, settings, text_of

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
            patch.setattr("custdyn_widgets.scheduling.records.datetime", _clock(now))
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
    assert "it begins at 2022-02-14 06:00:00 +01:00" in str(outcomes[0])
    assert "2022-02-14 06:00:00 +01:00: already done at 2022-02-14T05:00:00Z (sent)" in str(outcomes[-1])
    assert "Use --again" in str(outcomes[-1])
    assert received.recipients() == [ANNA, BEN]
    assert results(settings) == ["sent"]
    again = trigger(MONDAY + HOUR / 2, again=True, within=None)
    assert isinstance(again, Run)
    assert received.recipients() == [ANNA, BEN] * 2
