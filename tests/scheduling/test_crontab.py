"""`custdyn queries crontab`: lines that start when schedules say, or the reason why there are none."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from custdyn_widgets.cli import commands as cli
from custdyn_widgets.errors import SavedQueryError, SettingsError
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.saved_queries import folders as saved_queries
from custdyn_widgets.saved_queries.content import SavedQuery
from custdyn_widgets.saved_queries.schedule.conversion import convert_schedule
from custdyn_widgets.saved_queries.schedule.schedule import Schedule
from custdyn_widgets.scheduling import crontab
from custdyn_widgets.settings import Settings
from tests.saved_queries.test_schedule import crons

NOW = datetime(2026, 11, 25, 10, tzinfo=UTC)
DAY = timedelta(days=1)


# On another clock


@pytest.mark.parametrize(
    ("cron", "zone", "clock", "lines"),
    [
        ("0 6 1 * *", "Europe/Paris", "Europe/Paris", ["0 6 1 * *"]),
        ("0 6 1 Jan-Mar,dec sun", "UTC", "UTC", ["0 6 1 1-3,12 0"]),
        ("0 6 1 * *", "UTC", "Etc/UTC", ["0 6 1 * *"]),
        ("0 6 1 * *", "Europe/Paris", "Europe/London", ["0 5 1 * *"]),
        ("30 2 * * *", "Europe/Paris", "Europe/London", ["30 1 * * *"]),
        ("30 0 * * mon", "Europe/Paris", "Europe/London", ["30 23 * * 0"]),
        ("0 23 1 * *", "Europe/London", "Europe/Paris", ["0 0 2 * *"]),
        ("0 23 1 * 0-6", "Europe/London", "Europe/Paris", ["0 0 2 * 0-6"]),  # on any day: either part matches
        ("0 23 1-31 * 1", "Europe/London", "Europe/Paris", ["0 0 1-31 * 2"]),
        ("30 0 2 * *", "Europe/Paris", "Europe/London", ["30 23 1 * *"]),
        ("0 23 27 * *", "Europe/London", "Europe/Paris", ["0 0 28 * *"]),
        ("30 0 * * sun", "Europe/Paris", "Europe/London", ["30 23 * * 6"]),
        ("0 23 * * sat", "Europe/London", "Europe/Paris", ["0 0 * * 0"]),
        ("0 7,8,9,11,12 * * *", "Europe/Paris", "Europe/London", ["0 6-8,10,11 * * *"]),
        ("0 6,7,8 * * *", "Europe/Paris", "Europe/Berlin", ["0 6,7,8 * * *"]),  # as it was written
        ("0 6 * * *", "Asia/Kolkata", "UTC", ["30 0 * * *"]),
        ("0 0,12 * * 1-5", "Asia/Tokyo", "UTC", ["0 15 * * 0-4", "0 3 * * 1-5"]),
        ("*/5 * * * *", "Europe/Paris", "UTC", ["*/5 * * * *"]),
        ("0 12 * * *", "America/Chicago", "America/New_York", ["0 13 * * *"]),
    ],
)
def test_a_schedule_is_told_on_a_clock_that_goes_with_its_own(
    cron: str, zone: str, clock: str, lines: list[str]
) -> None:
    told = convert_schedule(Schedule(cron, zone), clock, NOW)
    assert [one.cron for one in told] == lines
    assert {one.timezone for one in told} == {clock}


@pytest.mark.parametrize(
    ("cron", "zone", "clock", "why"),
    [
        ("0 6 1 * *", "Europe/Paris", "UTC", "cron would miss 2027-04-01 06:00"),
        ("0 6 * * *", "UTC", "Europe/Paris", "cron would run at 2027-03-28 05:00"),
        ("0 2 * * *", "America/Chicago", "America/New_York", "cron would run at 2027-03-14 01:00"),
        ("30 0 1 * *", "Europe/Paris", "Europe/London", "across the end of a month"),
        ("30 0 * jan *", "Europe/Paris", "Europe/London", "across the end of a month"),
        ("0 23 1 jan 1", "Europe/London", "Europe/Paris", "across the end of a month"),  # a Monday January 31
        ("0 23 28 * *", "Europe/London", "Europe/Paris", "across the end of a month"),
        ("0 23 */2 * 1", "Europe/London", "Europe/Paris", "across the end of a month"),
    ],
)
def test_what_the_clock_cannot_say_is_explained(cron: str, zone: str, clock: str, why: str) -> None:
    with pytest.raises(SavedQueryError) as caught:
        convert_schedule(Schedule(cron, zone), clock, NOW)
    message = caught.value.message
    assert why in message
    assert f"{cron!r} in {zone} cannot be converted for cron in {clock}" in message
    assert f"Set the schedule's timezone to {clock}" in message


ZONES = ("UTC", "Europe/Paris", "Europe/London", "America/New_York", "Asia/Kolkata", "Asia/Tokyo")


@settings(max_examples=60, deadline=None)
@given(crons, st.sampled_from(ZONES), st.sampled_from(ZONES))
def test_whatever_is_told_starts_at_the_same_instants_in_a_year_that_was_not_tried(
    cron: str, zone: str, clock: str
) -> None:
    schedule = Schedule(cron, zone)
    assume(len(schedule.times.minutes) * len(schedule.times.hours) < 50)
    try:
        told = convert_schedule(schedule, clock, NOW)
    except SavedQueryError:
        return
    days = [date(2030, 1, 1) + n * DAY for n in range(366)]
    first, last = (datetime(2030, 1, 3, tzinfo=UTC), datetime(2030, 12, 29, tzinfo=UTC))
    wanted, have = (
        {at for one in side for day in days for at in one.on(day) if first < at < last}
        for side in ([schedule], told)
    )
    assert have == wanted


# The lines


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the saved queries out of the checkout, and work in a folder that has to be quoted."""
    for name in ("SHARE_URL", "ROLE", "SMTP_URL", "MAIL_FROM", "VIEWER_URL", "SNAPSHOTS", "CACHE", "RUNS"):
        monkeypatch.delenv(f"CUSTDYN_{name}", raising=False)
    folder = tmp_path / "it's 50% done"
    folder.mkdir()
    (folder / "custdyn.toml").write_text('queries = "shared"\nmy_queries = "mine"\n')
    for name in ("QUERIES", "MY_QUERIES", "CONFIG", "SOURCES", "EXTENSIONS"):
        monkeypatch.delenv(f"CUSTDYN_{name}", raising=False)
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(folder)
    return folder


def keep(title: str, cron: str | None, zone: str = "UTC", place: Any = "mine", **about: Any) -> None:
    schedule = Schedule(cron, zone) if cron else None
    query = ReportQuery(interval="last_month")
    saved = SavedQuery(title, query, source="demo", schedule=schedule, **about)
    saved_queries.save(saved, place, over=None)


def printed(*args: str) -> Result:
    result = CliRunner().invoke(cli.main, ["queries", "crontab", "--zone", "UTC", *args])
    assert "Traceback" not in result.output
    return result


def jobs(result: Result) -> list[str]:
    """Return what cron would run: all but comments, blank lines and settings."""
    lines = result.stdout.splitlines()
    return [line for line in lines if line and not line.startswith(("#", "CUSTDYN_", "XDG_"))]


def test_the_file_of_certificates_that_a_command_needs_is_passed_on(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/srv/own authority.pem")
    keep("A", "0 6 1 * *")
    assert 'SSL_CERT_FILE="/srv/own authority.pem"' in printed().stdout.splitlines()


def test_files_with_secrets_are_passed_on_and_secrets_are_not(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep("A", "0 6 1 * *", recipients=("a@example.com",), output="csv")
    given = {
        "SMTP_USER": "someone", "SMTP_TOKEN_FILE": "token", "WEBHOOK_SECRET_FILE": "/srv/hook",
        "PASSWORD_SHOP_FILE": "/srv/shop", "PASSWORD_OLD_FILE": "~no-such-user/x", "WEBHOOK_URL": "https://alerts.example/sEcReT",
        "FAILURE_RECIPIENTS": "eva@example.net", "SMTP_WAITS": "5 30",
    }  # fmt: skip
    for name, value in given.items():
        monkeypatch.setenv(f"CUSTDYN_{name}", value)
    lines = printed().stdout.splitlines()
    for line in (
        f'CUSTDYN_SMTP_TOKEN_FILE="{folders}/token"',
        'CUSTDYN_WEBHOOK_SECRET_FILE="/srv/hook"',
        'CUSTDYN_PASSWORD_SHOP_FILE="/srv/shop"',
        'CUSTDYN_PASSWORD_OLD_FILE="~no-such-user/x"',  # no failure is told if this raises an error
        'CUSTDYN_FAILURE_RECIPIENTS="eva@example.net"',
        'CUSTDYN_SMTP_WAITS="5 30"',
        "# Add CUSTDYN_SMTP_USER=… here, the user name for the mail server.",
        "# Add CUSTDYN_WEBHOOK_URL=… here for the webhook.",
    ):
        assert line in lines
    text = "\n".join(lines)
    assert "sEcReT" not in text
    assert "someone" not in text
    units = CliRunner().invoke(cli.main, ["queries", "systemd-timers"]).stdout
    assert "sEcReT" not in units
    assert 'Environment="CUSTDYN_WEBHOOK_SECRET_FILE=/srv/hook"' in units.splitlines()
    assert "# Add CUSTDYN_WEBHOOK_URL=… here for the webhook." in units.splitlines()
    monkeypatch.delenv("CUSTDYN_WEBHOOK_URL")
    monkeypatch.delenv("CUSTDYN_WEBHOOK_SECRET_FILE")
    with (folders / "custdyn.toml").open("a") as file:
        file.write('webhook_url = "https://alerts.example/x"\n')
    assert "# Add CUSTDYN_WEBHOOK_SECRET=… here for the webhook." in printed().stdout.splitlines()


def test_each_schedule_has_a_line_that_stands_alone(folders: Path) -> None:
    keep("Monthly refills", "0 6 1 * *")
    keep("Without", None)
    result = printed()
    assert (result.exit_code, result.stderr) == (0, "")
    [job] = jobs(result)
    quoted = str(folders).replace("'", "'\"'\"'").replace("%", "\\%")
    before, _, command = job.partition(" && ")
    assert before == f"0 6 1 * * cd '{quoted}'"
    assert re.fullmatch(
        "'?/.*/custdyn'? run --saved monthly-refills --scheduled --within 1h --quiet", command
    )
    assert f'CUSTDYN_CONFIG="{folders}/custdyn.toml"' in result.stdout.splitlines()
    assert "# Monthly refills: 0 6 1 * * in UTC" in result.stdout


@pytest.mark.skipif(shutil.which("crontab") is None, reason="there is no cron here")
def test_cron_takes_the_text(folders: Path, tmp_path: Path) -> None:
    keep("Zürich \u202e 100 %", "*/5 1-3 1,15 jan-mar mon", recipients=("a@example.com",), output="csv")
    (tmp_path / "text").write_text(printed().stdout)
    done = subprocess.run(["crontab", "-n", tmp_path / "text"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (tmp_path / "text").write_text("61 * * * * id\n")
    assert subprocess.run(["crontab", "-n", tmp_path / "text"], capture_output=True, check=False).returncode


def test_the_shell_gets_the_folder_and_the_program_as_they_are(folders: Path) -> None:
    keep("A", "0 6 1 * *")
    [job] = jobs(printed())
    command = job.split(maxsplit=5)[5].replace(r"\%", "%")  # as cron hands it on
    place = command.partition(" && ")[0]
    done = subprocess.run(["sh", "-c", f"{place} && pwd -P"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(folders.resolve())


@pytest.mark.parametrize("mails", [(), ("recipients",), ("failure_recipients",)])
def test_a_login_for_mail_is_mentioned_if_a_run_sends_mail(folders: Path, mails: tuple[str, ...]) -> None:
    keep("A", "0 6 1 * *", output="csv", **dict.fromkeys(mails, ("a@example.com",)))
    assert ("CUSTDYN_SMTP_PASSWORD" in printed().stdout) == bool(mails)


def test_settings_of_this_environment_are_handed_on_and_secrets_are_not(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep("A", "0 6 1 * *", recipients=("a@example.com",), output="csv")
    for name, value in {
        "SNAPSHOTS": "store",
        "SMTP_URL": "smtp://localhost:25",
        "SMTP_USER": "someone",
        "SMTP_PASSWORD": "sEcReT",
        "VIEWER_URL": "http://localhost:8888",
    }.items():
        monkeypatch.setenv(f"CUSTDYN_{name}", value)
    lines = printed().stdout.splitlines()
    assert f'CUSTDYN_SNAPSHOTS="{folders}/store"' in lines
    assert 'CUSTDYN_SMTP_URL="smtp://localhost:25"' in lines
    text = "\n".join(lines)
    for kept in ("sEcReT", "someone", "CUSTDYN_VIEWER_URL", "CUSTDYN_CACHE"):
        assert kept not in text
    assert "CUSTDYN_SMTP_PASSWORD=… here" in text


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("smtps://someone:sEcReT@mail.example.com", "CUSTDYN_SMTP_URL contains a login"),
        ("smtps://someone:sEcReT", "CUSTDYN_SMTP_URL must have the form"),
    ],
)
def test_a_mail_server_with_a_login_in_its_address_is_refused_and_not_printed(
    folders: Path, monkeypatch: pytest.MonkeyPatch, url: str, words: str
) -> None:
    keep("A", "0 6 1 * *")
    monkeypatch.setenv("CUSTDYN_SMTP_URL", url)
    result = printed()
    assert result.exit_code == 1
    assert words in result.stderr
    assert "sEcReT" not in result.output


def test_a_schedule_that_the_clock_cannot_say_is_asked_for_every_hour(folders: Path) -> None:
    keep("Howe", "15,50 6 1 * *", "Australia/Lord_Howe")  # its clocks change by half an hour
    keep("Paris", "0 6 1 * *", "Europe/Paris")
    keep("World", "0 6 1 * *")
    result = printed()
    assert (result.exit_code, result.stderr) == (0, "")
    assert [job.partition(" cd ")[0] for job in jobs(result)] == [
        "15,20,45,50 * * * *",
        "0 * * * *",
        "0 6 1 * *",
    ]
    assert result.stdout.count("# In UTC, cron checks every hour whether a run is due.") == 2


@pytest.mark.parametrize(
    ("cron", "zone", "clock"),
    [
        ("0 6 1 * *", "Europe/Paris", "UTC"),
        ("30 2 * * *", "Europe/Paris", "America/New_York"),
        ("*/30 1-2 * * *", "Australia/Lord_Howe", "Europe/Paris"),
        ("30 0 1 * *", "Europe/Paris", "Asia/Kolkata"),
    ],
)
def test_asking_every_hour_comes_at_each_time_of_the_schedule(cron: str, zone: str, clock: str) -> None:
    schedule = Schedule(cron, zone)
    place = crontab.Place(clock, Path("/bin/custdyn"), Path("/"), {})
    saved = SavedQuery("A", ReportQuery(interval="last_month"), source="demo", schedule=schedule)
    text = crontab.crontab([saved_queries.ListedQuery("a", "A", "mine", saved)], place, NOW).text
    asks = [Schedule(line.partition(" cd ")[0], clock) for line in text.splitlines() if " cd /" in line]
    assert [one.cron.partition(" ")[2] for one in asks] == ["* * * *"]
    first, last = datetime(2030, 1, 3, tzinfo=UTC), datetime(2030, 12, 29, tzinfo=UTC)
    assert set(schedule.between(first, last)) <= {at for one in asks for at in one.between(first, last)}


def test_a_saved_query_that_catches_up_is_asked_for_when_the_machine_starts(folders: Path) -> None:
    keep("A", "0 6 1 * *", catch_up=True)
    exact, at_start = jobs(printed())
    assert at_start == exact.replace("0 6 1 * *", "@reboot")


def test_the_persons_own_is_the_one_that_runs_under_a_name_of_both(folders: Path) -> None:
    keep("A", "0 6 1 * *", place="shared")
    keep("A", "0 7 1 * *")
    [job] = jobs(printed())
    assert job.startswith("0 7 1 * * ")


def test_a_file_that_cannot_be_used_is_told_since_it_may_have_a_schedule(folders: Path) -> None:
    keep("A", "0 6 1 * *")
    (folders / "mine" / "bad.json").write_text("{")
    result = printed()
    assert result.exit_code == 1
    assert len(jobs(result)) == 1
    assert "'bad.json' is not valid JSON" in result.stderr


def test_without_a_schedule_there_is_no_text_and_a_word(folders: Path) -> None:
    keep("A", None)
    result = printed()
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "No saved query has a schedule.\n")


def test_a_zone_that_is_none_is_wrong_use(folders: Path) -> None:
    result = printed("--zone", "Europe/Pari")
    assert result.exit_code == 2
    assert "'Europe/Paris'" in result.stderr


@pytest.mark.parametrize("folder", ["two\nlines", "back\\slash", "\u202eleft", "long/" + "x" * 200])
def test_a_folder_that_cron_takes_in_no_line_is_told(
    folder: str, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep("A", "0 6 1 * *")
    place = crontab.Place("UTC", Path("/bin/custdyn"), Path("/", *([folder] * 6)), {})
    with pytest.raises(SettingsError, match=r"(crontab line|cron cannot read)"):
        crontab.crontab(saved_queries.listing(), place, NOW)


def test_a_setting_with_both_kinds_of_quotes_is_told(folders: Path) -> None:
    keep("A", "0 6 1 * *")
    place = crontab.Place("UTC", Path("/bin/custdyn"), folders, {"CUSTDYN_CONFIG": "/a'b\"c"})
    with pytest.raises(SettingsError, match="both kinds of quotes"):
        crontab.crontab(saved_queries.listing(), place, NOW)


def test_the_machines_zone_is_the_one_that_its_clock_is_linked_to(tmp_path: Path) -> None:
    link = tmp_path / "localtime"
    zones = tmp_path / "zoneinfo" / "Europe"
    zones.mkdir(parents=True)
    (zones / "Paris").touch()
    link.symlink_to(zones / "Paris")
    assert crontab.machine_zone(link) == "Europe/Paris"
    copied = tmp_path / "copied"
    copied.touch()
    with pytest.raises(SettingsError, match="Set it with --zone"):
        crontab.machine_zone(copied)


# Parts


def entry(name: str, place: Any = "mine", **about: Any) -> saved_queries.ListedQuery:
    return saved_queries.ListedQuery(name, name, place, **about)


def test_the_user_s_own_saved_query_is_preferred_wherever_it_stands() -> None:
    own, shared, other = entry("a"), entry("a", "shared"), entry("b", "shared")
    folder = entry("", "shared", error=SavedQueryError("It cannot be read.", field="place"))
    for given_ in ([own, shared, other, folder, folder], [shared, other, folder, folder, own]):
        assert crontab.one_for_each_name(given_) == [folder, folder, own, other]


def test_a_setting_is_quoted_with_the_quotes_that_it_does_not_contain() -> None:
    saved = SavedQuery("A", ReportQuery("last_month"), source="demo", schedule=Schedule("0 6 1 * *", "UTC"))
    settings_ = {"CUSTDYN_ROLE": "it's", "CUSTDYN_CONFIG": '/a "b"'}
    place = crontab.Place("UTC", Path("/bin/custdyn"), Path("/srv"), settings_, ("# Add a secret here.",))
    found = crontab.crontab([entry("a", saved=saved), entry("b")], place, NOW)
    assert found.text.splitlines() == [
        "# For a machine whose time zone is UTC.",
        "# Add a secret here.",
        'CUSTDYN_ROLE="it\'s"',
        "CUSTDYN_CONFIG='/a \"b\"'",
        "",
        "# A: 0 6 1 * * in UTC",
        "0 6 1 * * cd /srv && /bin/custdyn run --saved a --scheduled --within 1h --quiet",
    ]
    assert found.problems == []
    assert crontab.crontab([entry("b")], place, NOW) == crontab.Crontab("", [])


def test_a_line_has_at_most_998_bytes() -> None:
    saved = SavedQuery("A", ReportQuery("last_month"), source="demo", schedule=Schedule("0 6 1 * *", "UTC"))

    def lines(folder: Path) -> list[str]:
        place = crontab.Place("UTC", Path("/bin/custdyn"), folder, {})
        return crontab.crontab([entry("a", saved=saved)], place, NOW).text.splitlines()

    longest = Path("/", "x" * (998 - len(lines(Path("/"))[-1])))
    assert len(lines(longest)[-1]) == 998
    with pytest.raises(SettingsError, match="limited to 998 bytes"):
        lines(Path(f"{longest}y"))
    with pytest.raises(SettingsError, match="limited to 998 bytes"):
        lines(Path(str(longest)[:-1] + "ü"))  # two bytes
    assert len(lines(Path("/100%"))[-1]) == len(lines(Path("/100"))[-1]) + 2  # the backslash before it


def environment(
    monkeypatch: pytest.MonkeyPatch, *, viewer: str | None = None, **given_: str
) -> dict[str, str]:
    folder = Path("/srv")
    settings_ = Settings(folder, folder, folder, config=folder / "custdyn.toml", viewer_url=viewer)
    for name, value in given_.items():
        monkeypatch.setenv(name, value)
    return crontab.needed_environment(settings_)


def test_a_command_needs_the_settings_of_this_environment_and_no_others(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert environment(monkeypatch) == {"CUSTDYN_CONFIG": "/srv/custdyn.toml"}
    given_ = {
        "CUSTDYN_CACHE": "/elsewhere", "CUSTDYN_VIEWER_URL": "http://localhost:8888", "XDG_CACHE_HOME": "/c",
        "CUSTDYN_SMTP_WAITS": "", "CUSTDYN_SMTP_PASSWORD_FILE": "~/password", "CUSTDYN_OTHER_FILE": "/other",
        "CUSTDYN_PASSWORD_A_FILE": "",
    }  # fmt: skip
    assert environment(monkeypatch, viewer="http://localhost:8888", **given_) == {
        "CUSTDYN_CACHE": "/srv",
        "CUSTDYN_CONFIG": "/srv/custdyn.toml",
        "XDG_CACHE_HOME": "/c",
        "CUSTDYN_SMTP_PASSWORD_FILE": str(Path.home() / "password"),
    }


def test_this_place_is_this_machine_this_program_and_this_folder(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings_ = Settings(folders, folders, folders)
    monkeypatch.setattr(crontab, "machine_zone", lambda: "Europe/Paris")
    place = crontab.this_place(settings_)
    assert (place.zone, place.folder, place.secrets) == ("Europe/Paris", folders, [])
    assert place.program == crontab.program()
    assert crontab.this_place(settings_, "UTC").zone == "UTC"


@pytest.mark.parametrize(
    ("url", "hook", "file", "added"),
    [
        (None, None, None, None),
        (
            "https://a.example",
            "https://a.example",
            None,
            "CUSTDYN_WEBHOOK_URL=… and CUSTDYN_WEBHOOK_SECRET=…",
        ),
        ("https://a.example", "https://a.example", "/srv/secret", "CUSTDYN_WEBHOOK_URL=…"),
        (None, "https://a.example", None, "CUSTDYN_WEBHOOK_SECRET=…"),
        (None, "https://a.example", "/srv/secret", None),
    ],
)
def test_what_a_webhook_needs_and_is_never_printed_is_named(
    folders: Path, monkeypatch: pytest.MonkeyPatch, url: str, hook: str, file: str, added: str | None
) -> None:
    for name, value in (("CUSTDYN_WEBHOOK_URL", url), ("CUSTDYN_WEBHOOK_SECRET_FILE", file)):
        monkeypatch.delenv(name, raising=False)
        if value:
            monkeypatch.setenv(name, value)
    place = crontab.this_place(Settings(folders, folders, folders, webhook_url=hook), "UTC")
    assert place.secrets == ([f"# Add {added} here for the webhook."] if added else [])


def test_the_program_is_the_one_beside_this_python_or_the_installed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crontab.sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(crontab.shutil, "which", lambda _: None)
    with pytest.raises(SettingsError, match="The custdyn command is not installed"):
        crontab.program()
    monkeypatch.setattr(crontab.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert crontab.program() == Path("/usr/bin/custdyn")
    (tmp_path / "custdyn").touch()
    assert crontab.program() == tmp_path / "custdyn"
