"""The README's section on schedules, followed block for block by a shell in a copy of what a clone holds.

The mail server is real, and so is cron's daemon. What a newcomer has of their own is the test's: the
server's name, its login and who vouches for it, and `.venv`, a link to the environment of the tests.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from zoneinfo import ZoneInfo

import openpyxl
import pytest

from custdyn_widgets.scheduling.crontab import machine_zone
from custdyn_widgets.scheduling.records import Runs
from custdyn_widgets.scheduling.run_record import Run
from tests.cron_daemon import cron_daemon, missing
from tests.mail_server import PASSWORD, USER, Authority, Received, mail_server
from tests.readme_columns import README

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path(sys.prefix, "bin", "activate").exists(), reason="needs .venv/bin/activate"),
]
TEXT = README.read_text(encoding="utf-8")
SECTION = TEXT.partition("## A report on a schedule\n")[2].partition("\n## ")[0]
BLOCKS: list[tuple[str, str]] = re.findall(r"^```(\w+)\n(.*?)^```", SECTION, re.DOTALL | re.MULTILINE)
ACTIVATE = ". .venv/bin/activate"
ZONE = "readlink -f /etc/localtime"
ANNA, EVA = "anna@example.com", "eva@example.com"
_EXIT = re.compile(r"\[exit (\d+)\]\n")
_ADDRESS = re.compile(r"http://127\.0\.0\.1:8899/view\?id=[a-z2-7]{52}")
_PATIENCE_S = 120


@dataclass(frozen=True)
class Typed:
    """What came of a line on the screen, and its exit code."""

    screen: str
    code: int


@dataclass(frozen=True)
class Newcomer:
    """Somebody with a fresh clone, a home of their own, and a mail server."""

    clone: Path
    environment: Mapping[str, str]
    host: str
    received: Received

    def types(self, *lines: str) -> list[Typed]:
        """Type lines into a new shell; where one reads a password, that is typed next."""
        keys = ""
        for line in lines:
            asked = f"{PASSWORD}\n" if line.startswith("read ") else ""
            keys += f'{line}\n{asked}echo "[exit $?]"\n'
        done = subprocess.run(
            ["bash", "--noprofile", "--norc"],
            cwd=self.clone,
            env=self.environment,
            input=keys,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_PATIENCE_S,
            check=True,
        )
        told = _EXIT.split(done.stdout)
        assert len(told) == 2 * len(lines) + 1, done.stdout
        return [Typed(screen, int(code)) for screen, code in zip(told[::2], told[1::2], strict=False)]

    def runs(self) -> list[Run]:
        """Return the records of what ran, in the place that is theirs by default."""
        return Runs(Path(self.environment["HOME"], ".local", "share", "custdyn", "runs")).listing()


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    """A newcomer before the first line; folders have blanks in their names."""
    place = tmp_path_factory.mktemp("new comer")
    clone, home = place / "customer dynamics", place / "home"
    home.mkdir()
    shutil.copytree(
        README.parent / "templates", clone / "templates", ignore=shutil.ignore_patterns("queries")
    )
    for name in ("README.md", "custdyn.toml"):
        shutil.copy(README.parent / name, clone)
    (clone / ".venv").symlink_to(sys.prefix)
    authority, received = Authority.made(place), Received()
    environment = {
        "HOME": str(home),
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "SSL_CERT_FILE": str(authority.file),
    }
    how = {"tls_context": authority.context, "authenticator": received.login, "auth_required": True}
    with mail_server(received, require_starttls=True, **how) as port:
        yield Newcomer(clone, environment, f"localhost:{port}", received)


def replaced(text: str, given: Mapping[str, str]) -> str:
    """Return a text with what is the test's in place of what the README gives as an example."""
    for readme, here in given.items():
        assert readme in text, readme
        text = text.replace(readme, here)
    return text


def lines_of(at: int) -> list[str]:
    """Return a block's lines as they are typed."""
    language, text = BLOCKS[at]
    assert language == "sh"
    return text.splitlines()


def login() -> list[str]:
    """Return the lines that tell a shell the login of the mail server."""
    return [line.replace("=reports", f"={USER}") for line in lines_of(4)]


@pytest.fixture(scope="module")
def followed(newcomer: Newcomer) -> dict[str, Typed]:
    """What came of each line of the section, up to the one that hands the file to cron."""
    assert f"`{ZONE}` does\nnot end in `UTC`" in SECTION
    assert [language for language, _ in BLOCKS] == ["sh", "json", "sh", "toml", "sh", "sh", "text", "sh"]
    written = re.search(r"`(mkdir -p (\S+))`.*? as `(\S+)`", SECTION, re.DOTALL)
    assert written
    folder, file = newcomer.clone / written[2], newcomer.clone / written[3]
    assert file.parent == folder
    first = [ACTIVATE, *lines_of(0), written[1]]
    done = newcomer.types(*first)
    [zone] = newcomer.types(ZONE)
    own = {} if zone.screen.endswith("UTC\n") else {'"UTC"': f'"{machine_zone()}"'}
    file.write_text(replaced(BLOCKS[1][1], own))
    second = [ACTIVATE, *lines_of(2)]
    done += newcomer.types(*second)
    assert newcomer.received.mails == []
    with (newcomer.clone / "custdyn.toml").open("a") as settings:
        settings.write(replaced(BLOCKS[3][1], {"mail.example.com:587": newcomer.host}))
    to_cron = lines_of(7)
    assert to_cron.pop() == "crontab board.cron"
    third = [ACTIVATE, *login(), *lines_of(5), *to_cron]
    done += newcomer.types(*third)
    return dict(zip((*first, *second, *third), done, strict=True))


def words(newcomer: Newcomer, at: int) -> str:
    """Return the text of a mail."""
    body = newcomer.received.message(at).get_body(("plain",))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


def unlike(listing: str) -> str:
    """Return the list of runs without what differs each time: instants, ids and seconds."""
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "(an instant)", listing)
    text = re.sub(r"[a-z2-7]{52}", "(an id)", text)
    return re.sub(r"(board {8}\(an instant\)) {2}\d+ +", r"\1  (seconds)  ", text)


def test_the_shell_finds_the_command_as_the_readme_says(newcomer: Newcomer) -> None:
    assert f"\n```sh\n{ACTIVATE}\n```\n" in TEXT.partition("## The columns")[0]
    before, _, after = newcomer.types("custdyn --version", ACTIVATE, "custdyn --version")
    assert (before.code, after.code) == (127, 0)


def test_every_line_works_and_the_failure_alone_exits_with_1(followed: dict[str, Typed]) -> None:
    failed = {line: typed.code for line, typed in followed.items() if typed.code}
    assert failed == {"custdyn run --saved board --scheduled --again --source nowhere": 1}
    assert re.search(r"^board +shared +xlsx +Board ", followed["custdyn queries list"].screen, re.MULTILINE)


def test_the_try_without_mail_ends_with_the_link_and_what_came_of_it(followed: dict[str, Typed]) -> None:
    *_, link, result = followed["custdyn run --saved board --scheduled --no-send"].screen.splitlines()
    assert _ADDRESS.fullmatch(link)
    assert result.startswith("board: held back")


def test_the_mail_has_the_workbook_and_the_link_which_shows_the_report(
    newcomer: Newcomer, followed: dict[str, Typed]
) -> None:
    assert newcomer.received.recipients()[:2] == [ANNA, EVA]
    assert newcomer.received.secret[:2] == [True, True]
    assert newcomer.received.logins[:2] == [True, True]
    mail = newcomer.received.message(0)
    assert mail["From"] == "Reports <reports@example.com>"
    assert str(mail["Subject"]).startswith("Board: ")
    [attached] = mail.iter_attachments()
    assert re.fullmatch(r"board-last-month-\d{4}-\d\d-\d\d-[a-z2-7]{8}\.xlsx", attached.get_filename() or "")
    assert openpyxl.load_workbook(BytesIO(attached.get_content())).sheetnames
    link = followed["custdyn run --saved board --scheduled"].screen.splitlines()[-2]
    assert link in words(newcomer, 0).splitlines()
    assert b"<title>Customer Dynamics" in shown(newcomer, link)


def shown(newcomer: Newcomer, link: str) -> bytes:
    """Return what a link shows while the viewer runs in the clone, at a port of the test's."""
    command = [str(Path(sys.prefix, "bin", "custdyn")), "serve", "--port", "0"]
    with subprocess.Popen(
        command, cwd=newcomer.clone, env=newcomer.environment, stderr=subprocess.PIPE, text=True
    ) as serving:
        try:
            assert serving.stderr is not None
            port = re.search(r":(\d+)/view", serving.stderr.readline())
            assert port
            with urllib.request.urlopen(link.replace(":8899", f":{port[1]}"), timeout=20) as answer:
                page: bytes = answer.read()
                return page
        finally:
            serving.terminate()


def test_the_list_is_the_one_that_the_readme_shows(followed: dict[str, Typed]) -> None:
    language, listing = BLOCKS[6]
    assert language == "text"
    assert unlike(followed["custdyn runs list"].screen) == unlike(listing)


def test_the_mail_about_the_failure_says_what_is_wrong_and_its_command_runs_it_again(
    newcomer: Newcomer, followed: dict[str, Typed]
) -> None:
    assert followed
    told = words(newcomer, 1)
    assert "Source 'nowhere' is not a folder that exists. Give a folder" in " ".join(told.split())
    command = re.search(r"^ {4}(cd .* && .*\bcustdyn'? run .*)$", told, re.MULTILINE)
    assert command
    shutil.copytree(README.parent / "tests" / "golden" / "small" / "mart", newcomer.clone / "nowhere")
    before = len(newcomer.received.mails)
    *_, again = newcomer.types(ACTIVATE, *login(), command[1])
    assert again.code == 0, again.screen
    assert newcomer.received.recipients()[before:] == [ANNA]
    failed, last = (next(r for r in newcomer.runs()[::-1] if r.result == x) for x in ("failed", "sent"))
    assert last.logical_time == failed.logical_time


@pytest.mark.skipif(bool(missing()), reason=str(missing()))
def test_cron_runs_the_lines_as_they_were_printed(
    newcomer: Newcomer, followed: dict[str, Typed], tmp_path: Path
) -> None:
    assert followed
    table = (newcomer.clone / "board.cron").read_text()
    [place] = [line for line in table.splitlines() if "login" in line]
    [job] = [line for line in table.splitlines() if line.startswith("0 6 1 * * ")]
    assert f"cd {shlex.quote(str(newcomer.clone))} && " in job
    here = "".join(f'{name}="{newcomer.environment[name]}"\n' for name in ("HOME", "SSL_CERT_FILE"))
    with_login = f"{place}\nCUSTDYN_SMTP_USER={USER}\nCUSTDYN_SMTP_PASSWORD={PASSWORD}\n"
    # The run sees the machine's own clock, on which the scheduled time is past and done.
    table = here + replaced(table, {f"{place}\n": with_login, " --within 1h": " --again"})
    runs, mails, zone = len(newcomer.runs()), len(newcomer.received.mails), machine_zone()
    begins = datetime(2026, 12, 1, 5, 59, 30, tzinfo=ZoneInfo(zone))
    with cron_daemon(tmp_path / "cron", table, zone, begins, speed=30):
        end = time.monotonic() + _PATIENCE_S
        while time.monotonic() < end and not any(run.ended for run in newcomer.runs()[runs:]):
            time.sleep(0.2)
    assert [run.result for run in newcomer.runs()[runs:]] == ["sent"]
    assert newcomer.received.recipients()[mails:] == [ANNA]
