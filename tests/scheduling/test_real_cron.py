"""The real cron daemon runs the lines that `custdyn queries crontab` prints, also on nights of change."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.saved_queries.content import SavedQuery
from custdyn_widgets.saved_queries.folders import ListedQuery
from custdyn_widgets.saved_queries.schedule.schedule import Schedule
from custdyn_widgets.scheduling.crontab import Place, crontab
from tests.cron_daemon import missing, run_cron
from tests.saved_queries.test_schedule import all_between, instant

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing()), reason=str(missing()))]

JOBS = {"set": "30 2 * * *", "star": "*/30 2 * * *", "hour": "0 * * * *"}


def entry(name: str, cron: str, zone: str) -> ListedQuery:
    query = ReportQuery(interval="last_month")
    saved = SavedQuery(name, query, source="demo", schedule=Schedule(cron, zone))
    return ListedQuery(name, name, "mine", saved)


def place(folder: Path, zone: str) -> Place:
    """Return a place whose program writes down how it was started; its folder has to be quoted."""
    work = folder / 'it\'s 50% of "all"'
    work.mkdir()
    program = folder / "custdyn"
    program.write_text('#!/bin/sh\necho "$@ $CUSTDYN_ROLE" >> ran\n')
    program.chmod(0o755)
    return Place(zone, program, work, {"CUSTDYN_ROLE": "it's 50% done"})


@pytest.mark.parametrize(
    ("begins", "minutes"),
    [("2026-03-29T01:50:30+01:00", 50), ("2026-10-25T01:50:30+02:00", 140)],
    ids=["the night that skips an hour", "the night that repeats an hour"],
)
def test_cron_runs_each_job_as_often_as_its_schedule_says(begins: str, minutes: int, tmp_path: Path) -> None:
    where = place(tmp_path, "Europe/Paris")
    table = crontab(
        [entry(name, cron, "Europe/Paris") for name, cron in JOBS.items()], where, instant(begins)
    )
    start = instant(begins)
    end = start + timedelta(minutes=minutes)
    due = {name: len(all_between(Schedule(cron, "Europe/Paris"), start, end)) for name, cron in JOBS.items()}
    expected = sorted(
        f"run --saved {name} --scheduled --within 1h --quiet it's 50% done"
        for name, times in due.items()
        for _ in range(times)
    )
    run_cron(tmp_path / "cron", table.text, "Europe/Paris", start, end)
    assert sorted((where.folder / "ran").read_text().splitlines()) == expected
    assert due["set"] == 1


def test_cron_in_another_zone_starts_at_the_instants_of_the_schedules_own(tmp_path: Path) -> None:
    where = place(tmp_path, "Europe/London")
    start = datetime.fromisoformat("2026-12-31T23:50:30+01:00")
    table = crontab([entry("daily", "5 0 * * *", "Europe/Paris")], where, start)
    assert "\n5 23 * * * cd " in table.text
    run_cron(tmp_path / "before", table.text, "Europe/London", start, start + timedelta(minutes=10))
    assert not (where.folder / "ran").exists()
    run_cron(tmp_path / "cron", table.text, "Europe/London", start, start + timedelta(minutes=25))
    assert len((where.folder / "ran").read_text().splitlines()) == 1
