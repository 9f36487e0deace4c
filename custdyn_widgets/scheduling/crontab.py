"""Lines for cron: every saved query that has a schedule, on the clock of cron's machine.

Cron starts a job in the home folder with next to no environment, so the text says where settings come from,
and each line the folder in which relative paths mean what they mean here. Secrets are never printed.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from custdyn_widgets.errors import SavedQueryError, SettingsError, shown
from custdyn_widgets.mail import parse_smtp_url
from custdyn_widgets.query import is_time_zone
from custdyn_widgets.saved_queries import Entry, on_clock_of
from custdyn_widgets.settings import Settings
from custdyn_widgets.text import printable

_LOCALTIME = Path("/etc/localtime")
_LONGEST_LINE = 998  # cron takes no more of one
_HANDED = ("CUSTDYN_SMTP_URL", "CUSTDYN_MAIL_FROM", "XDG_DATA_HOME", "XDG_CACHE_HOME")
_LOGIN = "# If the mail server asks for a login, CUSTDYN_SMTP_USER=… and CUSTDYN_SMTP_PASSWORD=… go here."
_OF_THE_SERVER = "CUSTDYN_VIEWER_URL"  # a Jupyter Server's own, gone when it stops


@dataclass(frozen=True)
class Crontab:
    """The text for cron, and what could not be said in it, in words."""

    text: str
    problems: Sequence[str]


@dataclass(frozen=True)
class Place:
    """Where cron's jobs run: its machine's zone, the program, the folder and the environment."""

    zone: str
    program: Path
    folder: Path
    environment: Mapping[str, str]


def crontab(entries: Iterable[Entry], place: Place, now: datetime) -> Crontab:
    """Return cron's lines for the saved queries that have a schedule.

    Parameters
    ----------
    entries
        The saved queries, as `saved_queries.listing` gives them; of one name the person's own is meant.
    place
        Where the jobs run.
    now
        From when on the lines have to be right.

    Raises
    ------
    SettingsError
        If a path or a setting cannot be written in a crontab.
    """
    lines, problems, mails = [], [], False
    for entry in _meant(entries):
        if entry.error:
            problems.append(entry.error.message)
        elif entry.saved and entry.saved.schedule:
            saved, schedule = entry.saved, entry.saved.schedule
            lines += ["", f"# {printable(saved.title)}: {schedule.cron} in {schedule.timezone}"]
            try:
                there = on_clock_of(schedule, place.zone, now)
            except SavedQueryError as error:
                problems.append(f"{entry.name}: {error.message}")
                lines.append(f"# {problems[-1]}")
                continue
            command = _command(place, entry.name)
            lines += [_checked(f"{one.cron} {command}") for one in there]
            mails = mails or bool(saved.recipients or saved.failure_recipients or saved.for_each)
    if not lines:
        return Crontab("", problems)
    head = [f"# For a cron whose clock is that of {place.zone}."]
    if mails:
        head.append(_LOGIN)
    head += [_checked(f"{name}={_quoted(name, value)}") for name, value in place.environment.items()]
    return Crontab("\n".join([*head, *lines]) + "\n", problems)


def this_place(settings: Settings, zone: str | None = None) -> Place:
    """Return this machine, folder and environment as the place of cron's jobs.

    Raises
    ------
    SettingsError
        If the machine's zone or the program cannot be found, or the mail server's address is none, or holds
        a login.
    """
    given = os.environ
    if url := given.get("CUSTDYN_SMTP_URL"):
        parse_smtp_url(url)
    environment = {
        name: value
        for name, value in settings.environment().items()
        if name == "CUSTDYN_CONFIG" or (given.get(name) and name != _OF_THE_SERVER)
    }
    environment.update({name: given[name] for name in _HANDED if given.get(name)})
    return Place(zone or machine_zone(), _program(), Path.cwd(), environment)


def machine_zone(localtime: Path = _LOCALTIME) -> str:
    """Return the zone of this machine's clock, which is cron's.

    Raises
    ------
    SettingsError
        If the machine does not say it by name.
    """
    named = str(localtime.resolve()).rpartition("zoneinfo/")[2]
    if not is_time_zone(named):
        raise SettingsError(
            f"The time zone of this machine cannot be told from {localtime}: give it with --zone, such as "
            "--zone Europe/Paris.",
            field="zone",
        )
    return named


def _meant(entries: Iterable[Entry]) -> list[Entry]:
    """Return the entry that each name means: the person's own before the shared one."""
    by_name: dict[str, Entry] = {}
    unnamed = []
    for entry in entries:
        if not entry.name:
            unnamed.append(entry)
        elif entry.name not in by_name or entry.place == "mine":
            by_name[entry.name] = entry
    return [*unnamed, *by_name.values()]


def _program() -> Path:
    beside = Path(sys.executable).with_name("custdyn")
    found = beside if beside.is_file() else shutil.which("custdyn")
    if found is None:
        raise SettingsError("The command custdyn is not installed: install the package with pip.")
    return Path(found).absolute()


def _command(place: Place, name: str) -> str:
    """Return the shell's command, with the signs escaped that cron would take for itself."""
    run = (str(place.program), "run", "--saved", name, "--scheduled", "--quiet")
    return f"cd {shlex.quote(str(place.folder))} && {shlex.join(run)}".replace("%", r"\%")


def _quoted(name: str, value: str) -> str:
    """Return a value as cron's own lines take it; nothing in it is expanded."""
    quote = '"' if '"' not in value else "'"
    if quote in value:
        raise SettingsError(
            f"{name} holds both kinds of quotes, which cron takes in no line: {shown(value)}. Rename it.",
            field=name,
        )
    return f"{quote}{value}{quote}"


def _checked(line: str) -> str:
    if not line.isprintable() or "\\" in line.replace(r"\%", ""):
        why = "a line end, a control character or a backslash"
        raise SettingsError(f"A path or setting holds {why}, which cron takes in no line: {shown(line)}.")
    if len(line.encode()) > _LONGEST_LINE:
        raise SettingsError(f"A line for cron would be longer than {_LONGEST_LINE} bytes: {shown(line)}.")
    return line
