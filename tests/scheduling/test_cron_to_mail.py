"""From the crontab to the recipients: cron's own daemon, the real command, kernels and mail server.

Cron's clock is the test's; the jobs that it starts read the machine's.
"""

from __future__ import annotations

import re
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from custdyn_widgets.saved_queries import folders as saved_queries
from custdyn_widgets.saved_queries.schedule.schedule import Schedule
from custdyn_widgets.scheduling.crontab import crontab, this_place
from custdyn_widgets.scheduling.records import Runs
from custdyn_widgets.scheduling.run_record import Run
from custdyn_widgets.settings import Settings
from custdyn_widgets.snapshots.store import Store
from custdyn_widgets.text import format_instant_utc
from tests.cron_daemon import cron_daemon, missing
from tests.mail_server import Received
from tests.scheduling.test_job import BOARD, EVA, received, settings, text_of

__all__ = ["received", "settings"]  # fixtures
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing()), reason=str(missing()))]

DUE = datetime.now(UTC).replace(second=0) - timedelta(minutes=1)  # the runs see the machine's own clock
DAILY = Schedule(f"{DUE.minute} {DUE.hour} * * *", "UTC")
JUST_BEFORE = datetime(2026, 11, 2, DUE.hour, DUE.minute, tzinfo=UTC) - timedelta(seconds=30)
_PATIENCE_S = 120


@pytest.fixture
def finished(settings: Settings, tmp_path: Path) -> dict[str, Run]:
    """The records, by name, of two saved queries that cron started at once: one has no data."""
    good = replace(BOARD, schedule=DAILY)
    for saved in (good, replace(good, title="Broken", source=str(tmp_path / "gone"))):
        saved_queries.save(saved, "shared", over=None, settings=settings)
    table = crontab(saved_queries.listing(settings), this_place(settings, "UTC"), JUST_BEFORE)
    assert not table.problems
    assert settings.runs is not None
    runs = Runs(settings.runs)
    with cron_daemon(tmp_path / "cron", table.text, "UTC", JUST_BEFORE, speed=30):
        end = time.monotonic() + _PATIENCE_S
        while time.monotonic() < end:
            done = {run.saved: run for run in runs.listing() if run.ended}
            if len(done) == 2:
                break
            time.sleep(0.2)
    return done


def test_cron_runs_what_the_crontab_says_and_everybody_is_told(
    finished: dict[str, Run], settings: Settings, received: Received
) -> None:
    assert {name: run.result for name, run in finished.items()} == {"board": "sent", "broken": "failed"}
    for run in finished.values():
        assert run.logical_time == format_instant_utc(DAILY.last(datetime.fromisoformat(run.began)))
    assert Store(settings.snapshots).ids() == [finished["board"].reports[0].snapshot]
    letters = {to: at for at, to in enumerate(received.recipients())}
    assert sorted(letters) == sorted([*BOARD.recipients, EVA])
    for recipient in BOARD.recipients:
        [attachment] = received.message(letters[recipient]).iter_attachments()
        assert re.fullmatch(
            r"board-last-month-\d{4}-\d\d-\d\d-[a-z2-7]{8}\.csv", attachment.get_filename() or ""
        )
    said, _, command = text_of(received, letters[EVA]).partition(" cd ")
    assert "not a folder that exists" in said
    assert str(settings.runs) not in said
    assert f"CUSTDYN_RUNS={settings.runs} " in command
