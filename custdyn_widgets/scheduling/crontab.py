"""Crontab lines for the saved queries that have a schedule, in the machine's time zone.

Cron starts jobs in the home folder with almost no environment. The crontab therefore sets the environment
variables that contain the settings, and each line changes to the folder that relative paths refer to.
Secrets are never printed.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from custdyn_widgets.errors import SavedQueryError, SettingsError, shown
from custdyn_widgets.mail import parse_smtp_url
from custdyn_widgets.publish import without_secrets
from custdyn_widgets.query import is_time_zone
from custdyn_widgets.saved_queries import ListedQuery, Schedule, convert_schedule
from custdyn_widgets.scheduling.run_request import DEADLINE
from custdyn_widgets.settings import Settings
from custdyn_widgets.text import printable

_LOCALTIME = Path("/etc/localtime")
_MAX_LINE_LENGTH = 998  # cron truncates longer lines
_PASSED_ON = (
    "CUSTDYN_SMTP_URL", "CUSTDYN_MAIL_FROM", "CUSTDYN_SMTP_WAITS", "CUSTDYN_FAILURE_RECIPIENTS",
    "CUSTDYN_WEBHOOK_EVENTS", "XDG_DATA_HOME", "XDG_CACHE_HOME", "SSL_CERT_FILE", "SSL_CERT_DIR",
)  # fmt: skip
_SECRET_FILE = re.compile("CUSTDYN_(SMTP_PASSWORD|SMTP_TOKEN|WEBHOOK_SECRET|PASSWORD_[A-Z0-9_]+)_FILE")
_USER = "# Add CUSTDYN_SMTP_USER=… here, the user name for the mail server."
_LOGIN = "# If the mail server requires a login, add CUSTDYN_SMTP_USER=… and CUSTDYN_SMTP_PASSWORD=… here."
_CHECKED = timedelta(days=1500)  # long enough to include a February 29 and every clock change
_SET_BY_JUPYTER = "CUSTDYN_VIEWER_URL"  # invalid once the Jupyter Server stops


@dataclass(frozen=True)
class Crontab:
    """The text of a crontab, and messages about what it cannot express."""

    text: str
    problems: Sequence[str]


@dataclass(frozen=True)
class Place:
    """Where cron jobs run: the time zone, the program, the folder and the environment variables.

    `secrets` contains comments that tell the operator which secrets to add; secrets are never printed.
    """

    zone: str
    program: Path
    folder: Path
    environment: Mapping[str, str]
    secrets: Sequence[str] = ()


def crontab(entries: Iterable[ListedQuery], place: Place, now: datetime) -> Crontab:
    """Return the crontab for the saved queries that have a schedule.

    Parameters
    ----------
    entries
        The saved queries, from `saved_queries.listing`; if two share a name, the user's own is used.
    place
        Where the jobs run.
    now
        The time from which the lines must be valid.

    Raises
    ------
    SettingsError
        If a path or a setting cannot be written in a crontab.
    """
    lines, problems, mails = [], [], False
    for entry in one_for_each_name(entries):
        if entry.error:
            problems.append(entry.error.message)
        elif entry.saved and entry.saved.schedule:
            saved, schedule = entry.saved, entry.saved.schedule
            lines += ["", f"# {printable(saved.title)}: {schedule.cron} in {schedule.timezone}"]
            try:
                there = [one.cron for one in convert_schedule(schedule, place.zone, now)]
            except SavedQueryError:  # the two time zones change their clocks at different times
                there = [_hourly(schedule, place.zone, now)]
                lines.append(f"# In {place.zone}, cron checks every hour whether a run is due.")
            there += ["@reboot"] if saved.catch_up else []
            command = _command(place, entry.name)
            lines += [_checked(f"{one} {command}") for one in there]
            mails = mails or saved.sends_mail
    if not lines:
        return Crontab("", problems)
    head = [f"# For a machine whose time zone is {place.zone}."]
    head += comments(place, mails=mails)
    head += [_checked(f"{name}={_quoted(name, value)}") for name, value in place.environment.items()]
    return Crontab("\n".join([*head, *lines]) + "\n", problems)


def this_place(settings: Settings, zone: str | None = None) -> Place:
    """Return the place where cron jobs run: this machine, folder and environment.

    Raises
    ------
    SettingsError
        If the machine's time zone or the program cannot be found, or if the mail server's address is invalid
        or contains a login.
    """
    if url := os.environ.get("CUSTDYN_SMTP_URL"):
        parse_smtp_url(url)
    environment = needed_environment(settings)
    return Place(zone or machine_zone(), program(), Path.cwd(), environment, _secrets_to_add(settings))


def needed_environment(settings: Settings) -> dict[str, str]:
    """Return the environment variables that give a command these settings, without any logins."""
    given = os.environ
    environment = {
        name: value
        for name, value in settings.environment().items()
        if name == "CUSTDYN_CONFIG" or (given.get(name) and name != _SET_BY_JUPYTER)
    }
    files = {name: _absolute(file) for name, file in given.items() if file and _SECRET_FILE.fullmatch(name)}
    return environment | {name: given[name] for name in _PASSED_ON if given.get(name)} | files


def _absolute(file: str) -> str:
    with contextlib.suppress(RuntimeError):  # `~name` with an unknown user; reading the file will fail
        return str(Path(file).expanduser().absolute())
    return file


def comments(place: Place, *, mails: bool) -> list[str]:
    """Return comments that tell the operator which secrets to add, because secrets are never printed."""
    given = place.environment
    has_file = any(f"CUSTDYN_SMTP_{name}_FILE" in given for name in ("PASSWORD", "TOKEN"))
    login = _USER if has_file else _LOGIN
    return [*([login] if mails or "CUSTDYN_FAILURE_RECIPIENTS" in given else []), *place.secrets]


def _secrets_to_add(settings: Settings) -> list[str]:
    given = os.environ
    names = ["CUSTDYN_WEBHOOK_URL"] if given.get("CUSTDYN_WEBHOOK_URL") else []
    if settings.webhook_url and not given.get("CUSTDYN_WEBHOOK_SECRET_FILE"):
        names.append("CUSTDYN_WEBHOOK_SECRET")
    listed = " and ".join(f"{name}=…" for name in names)
    return [f"# Add {listed} here for the webhook."] if names else []


def machine_zone(localtime: Path = _LOCALTIME) -> str:
    """Return the time zone of this machine's clock, which cron uses.

    Raises
    ------
    SettingsError
        If it cannot be determined.
    """
    named = str(localtime.resolve()).rpartition("zoneinfo/")[2]
    if not is_time_zone(named):
        raise SettingsError(
            f"{localtime} does not identify this machine's time zone. Set it with --zone, for "
            "example --zone Europe/Paris.",
            field="zone",
        )
    return named


def one_for_each_name(entries: Iterable[ListedQuery]) -> list[ListedQuery]:
    """Return one entry per name, preferring the user's own saved query to the shared one."""
    by_name: dict[str, ListedQuery] = {}
    unnamed = []
    for entry in entries:
        if not entry.name:
            unnamed.append(entry)
        elif entry.name not in by_name or entry.place == "mine":
            by_name[entry.name] = entry
    return [*unnamed, *by_name.values()]


def program() -> Path:
    """Return the path of the `custdyn` command, preferring the one next to this Python interpreter.

    Raises
    ------
    SettingsError
        If it cannot be found.
    """
    beside = Path(sys.executable).with_name("custdyn")
    found = beside if beside.is_file() else shutil.which("custdyn")
    if found is None:
        raise SettingsError("The custdyn command is not installed: install the package with pip.")
    return Path(found).absolute()


def in_place(command: str, settings: Settings) -> str:
    """Return a shell command that runs a `custdyn` command in this folder with these settings."""
    words = [f"{name}={shlex.quote(value)}" for name, value in needed_environment(settings).items()]
    with contextlib.suppress(SettingsError):  # not installed: leave the command as it is
        command = shlex.quote(str(program())) + command.removeprefix("custdyn")
    try:
        folder = f"cd {shlex.quote(str(Path.cwd()))} && "
    except FileNotFoundError:  # the current folder has been deleted
        folder = ""
    return without_secrets(folder + " ".join([*words, command]), ())


def _command(place: Place, name: str) -> str:
    """Return the shell command, with percent signs escaped for cron."""
    run = shlex.join(run_words(place, name))
    return f"cd {shlex.quote(str(place.folder))} && {run}".replace("%", r"\%")


def run_words(place: Place, name: str) -> tuple[str, ...]:
    """Return the command that a scheduler runs for a saved query, as a tuple of words."""
    within = f"{DEADLINE // timedelta(hours=1)}h"
    return (str(place.program), "run", "--saved", name, "--scheduled", "--within", within, "--quiet")


def _hourly(schedule: Schedule, zone: str, now: datetime) -> str:
    """Return an hourly cron expression for a schedule's minutes, converted to another time zone."""
    there = ZoneInfo(zone)
    due = schedule.between(now, now + _CHECKED)
    return f"{','.join(map(str, sorted({at.astimezone(there).minute for at in due})))} * * * *"


def _quoted(name: str, value: str) -> str:
    """Return a value quoted for a crontab line that sets a variable; cron expands nothing in it."""
    quote = '"' if '"' not in value else "'"
    if quote in value:
        raise SettingsError(
            f"{name} contains both kinds of quotes, which cron cannot read: {shown(value)}. Rename it.",
            field=name,
        )
    return f"{quote}{value}{quote}"


def _checked(line: str) -> str:
    if not line.isprintable() or "\\" in line.replace(r"\%", ""):
        what = "a line break, a control character or a backslash"
        raise SettingsError(f"A path or setting contains {what}, which cron cannot read: {shown(line)}.")
    if len(line.encode()) > _MAX_LINE_LENGTH:
        raise SettingsError(
            f"A crontab line is limited to {_MAX_LINE_LENGTH} bytes, and this one is longer: {shown(line)}."
        )
    return line
