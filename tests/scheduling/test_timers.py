"""The units of systemd elapse at each time of a schedule, and carry the paths and settings as they are."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner, Result
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from custdyn_widgets import cli, saved_queries
from custdyn_widgets.errors import SettingsError
from custdyn_widgets.saved_queries.schedule.schedule import Schedule
from custdyn_widgets.scheduling.crontab import Place
from custdyn_widgets.scheduling.timers import calendar_lines, timer_units
from tests.saved_queries.test_schedule import crons
from tests.scheduling.test_crontab import NOW, folders, keep

__all__ = ["folders"]  # fixtures

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
CHANGES = [
    ("30 2 * * *", "Europe/Paris"),
    ("0 2 1-7 3,11 *", "America/New_York"),
    ("*/30 2 * * *", "Europe/Paris"),
    ("0 * * * *", "Europe/Paris"),
    ("*/20 1-2 * * sun", "Australia/Lord_Howe"),
    ("45 23 * * *", "America/Havana"),
    ("15 0 * * *", "America/Havana"),
    ("0 6 1 * *", "Europe/Paris"),
    ("0 6 1 * mon", "Asia/Kolkata"),
    ("0 6 */2 * mon", "UTC"),
]
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")


def elapses(line: str, first: date, days: int) -> set[datetime]:
    """Return when systemd's timer elapses: at wall times that exist, of repeated ones at the first only."""
    match = re.fullmatch(r"(?:([A-Z][a-z,A-Z]+) )?\*-(\S+)-(\S+) (\S+):(\S+):00 (\S+)", line)
    assert match is not None, line
    weekdays, month, day, hour, minute, name = match.groups()
    months, month_days, hours, minutes = (numbers(text) for text in (month, day, hour, minute))
    zone = ZoneInfo(name)
    found = set()
    for on in (first + timedelta(days=n) for n in range(days)):
        if on.month not in months or on.day not in month_days:
            continue
        if weekdays and WEEKDAYS[on.weekday()] not in weekdays.split(","):
            continue
        for wall in (datetime(on.year, on.month, on.day, h, m, tzinfo=zone) for h in hours for m in minutes):
            instant = wall.astimezone(UTC)
            if instant.astimezone(zone).replace(tzinfo=None) == wall.replace(tzinfo=None):
                found.add(instant)
    return found


def numbers(text: str) -> set[int]:
    return set(range(60)) if text == "*" else {int(part) for part in text.split(",")}


def elapse_together(schedule: Schedule, first: date, days: int) -> set[datetime]:
    start, end = (datetime(d.year, d.month, d.day, tzinfo=UTC) for d in (first, first + timedelta(days=days)))
    lines = calendar_lines(schedule, NOW)
    found = set().union(*(elapses(one, first - timedelta(days=2), days + 4) for one in map(hours_in, lines)))
    return {at for at in found if start <= at < end}


def hours_in(line: str) -> str:
    """Return an expression with the hours in full, of which `*` has only 24."""
    return line.replace(" *:", f" {','.join(f'{n:02}' for n in range(24))}:")


@pytest.mark.parametrize(("cron", "zone"), CHANGES)
def test_a_timer_elapses_at_each_time_of_the_schedule_also_on_nights_of_change(cron: str, zone: str) -> None:
    schedule = Schedule(cron, zone)
    first, days = date(2028, 1, 1), 730
    wanted = schedule.between(datetime(2028, 1, 1, tzinfo=UTC), datetime(2029, 12, 30, tzinfo=UTC))
    missing = set(wanted) - elapse_together(schedule, first, days)
    assert not missing


ZONES = ("UTC", "Europe/Paris", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe")


@settings(max_examples=40, deadline=None)
@given(crons, st.sampled_from(ZONES))
def test_whatever_the_schedule_its_timer_elapses_then(cron: str, zone: str) -> None:
    schedule = Schedule(cron, zone)
    assume(len(schedule.times.minutes) * len(schedule.times.hours) < 50)
    wanted = schedule.between(datetime(2030, 1, 1, tzinfo=UTC), datetime(2030, 12, 30, tzinfo=UTC))
    assert set(wanted) <= elapse_together(schedule, date(2030, 1, 1), 365)


def test_a_schedule_in_a_zone_without_changes_is_one_line() -> None:
    assert calendar_lines(Schedule("0 6 1 * *", "UTC"), NOW) == ["*-*-01 06:00:00 UTC"]
    assert calendar_lines(Schedule("0 6 1 * *", "Europe/Paris"), NOW) == ["*-*-01 06:00:00 Europe/Paris"]
    assert calendar_lines(Schedule("*/30 8-9 * 1,7 mon-tue", "Asia/Tokyo"), NOW) == [
        "Mon,Tue *-01,07-* 08,09:00,30:00 Asia/Tokyo"
    ]


@needs_systemd
@pytest.mark.parametrize(("cron", "zone"), CHANGES)
def test_systemd_itself_elapses_as_the_tests_believe(cron: str, zone: str) -> None:
    for line in calendar_lines(Schedule(cron, zone), NOW):
        command = [
            "systemd-analyze",
            "calendar",
            "--base-time=2028-03-01 00:00:00 UTC",
            "--iterations=300",
            line,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env={"TZ": "UTC"})
        assert done.returncode == 0, (line, done.stderr)
        shown = re.findall(r"(?:elapse|#\d+): \w{3} ([-\d]{10} [:\d]{8}) UTC", done.stdout)
        told = {datetime.fromisoformat(f"{text}+00:00") for text in shown}
        assert len(told) > 25, done.stdout
        believed = elapses(hours_in(line), date(2028, 2, 27), 12_000)
        assert told == {at for at in believed if min(told) <= at <= max(told)}


def printed(*options: str) -> Result:
    result = CliRunner().invoke(cli.main, ["queries", "systemd-timers", *options])
    assert "Traceback" not in result.output
    return result


@needs_systemd
def test_systemd_takes_the_units(folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", '/srv/own "authority" 100%\\.pem')
    keep("Zürich 100 %", "30 2 1,15 jan-mar mon", "Europe/Paris", recipients=("a@example.com",), output="csv")
    units = tmp_path / "units"
    result = printed("--output", str(units))
    assert (result.exit_code, result.stdout) == (0, "")
    names = sorted(path.name for path in units.iterdir())
    assert names == ["custdyn-zurich-100.service", "custdyn-zurich-100.timer"]
    done = subprocess.run(
        ["systemd-analyze", "verify", *(units / name for name in names)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    told = [line for line in done.stderr.splitlines() if "custdyn-" in line]
    assert (done.returncode, told) == (0, [])


def test_the_units_carry_the_folder_the_program_and_the_settings(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", '/srv/a "b" 100%\\.pem')
    monkeypatch.setenv("CUSTDYN_SMTP_URL", "smtp://localhost:25")
    monkeypatch.setenv("CUSTDYN_SMTP_PASSWORD", "sEcReT")
    keep("Board", "0 6 1 * *", "Europe/Paris", recipients=("a@example.com",), output="csv")
    keep("Without", None)
    result = printed()
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert [line for line in lines if line.startswith("# custdyn-")] == [
        "# custdyn-board.service",
        "# custdyn-board.timer",
    ]
    assert f"WorkingDirectory={str(folders).replace('%', '%%')}" in lines
    assert 'Environment="SSL_CERT_FILE=/srv/a \\"b\\" 100%%\\\\.pem"' in lines
    assert 'Environment="CUSTDYN_SMTP_URL=smtp://localhost:25"' in lines
    config = str(folders).replace("%", "%%")
    assert f'Environment="CUSTDYN_CONFIG={config}/custdyn.toml"' in lines
    [command] = [line for line in lines if line.startswith("ExecStart=")]
    words = '"run" "--saved" "board" "--scheduled" "--within" "1h" "--quiet"'
    assert re.fullmatch(f'ExecStart="/.*/custdyn" {words}', command)
    for line in ("Persistent=true", "OnCalendar=*-*-01 06:00:00 Europe/Paris", "WantedBy=timers.target"):
        assert line in lines
    assert "sEcReT" not in result.stdout
    assert "CUSTDYN_SMTP_PASSWORD=… here" in result.stdout


def test_what_cannot_be_written_in_a_unit_or_read_is_told(folders: Path) -> None:
    keep("A", "0 6 1 * *")
    for place in (
        Place("UTC", Path("/bin/custdyn"), Path("/two\nlines"), {}),
        Place("UTC", Path("/bin/custdyn"), Path("/"), {"CUSTDYN_ROLE": "a\x1b"}),
    ):
        with pytest.raises(SettingsError, match="systemd cannot read"):
            timer_units(saved_queries.listing(), place, NOW)
    (folders / "mine" / "bad.json").write_text("{")
    result = printed()
    assert result.exit_code == 1
    assert "'bad.json' is not valid JSON" in result.stderr
    assert "custdyn-a.timer" in result.stdout


def test_without_a_schedule_there_are_no_units_and_a_word(folders: Path) -> None:
    keep("A", None)
    result = printed()
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "No saved query has a schedule.\n")
