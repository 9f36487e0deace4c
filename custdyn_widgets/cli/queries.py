"""The `custdyn queries` commands: list, show, delete and run saved queries, and print a crontab."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from custdyn_widgets.cli.arguments import LocalPath
from custdyn_widgets.cli.lazy_commands import LazyCommand, LazyGroup
from custdyn_widgets.cli.query_options import without_source
from custdyn_widgets.cli.report_output import (
    chosen_format,
    json_option,
    print_report,
    report_options,
    say,
    source_option,
)
from custdyn_widgets.errors import QueryError
from custdyn_widgets.text import format_clock, format_instant_utc

if TYPE_CHECKING:
    from custdyn_widgets.saved_queries import ListedQuery, Place
    from custdyn_widgets.scheduling import Run
    from custdyn_widgets.settings import Settings

_MAX_TITLE_LENGTH, _MAX_QUERY_LENGTH = 40, 120
_place_option = click.option(
    "--place",
    type=click.Choice(("mine", "shared")),
    help="Your own saved query or the shared one. Default: your own if it exists.",
)


@click.group(
    "queries",
    cls=LazyGroup,
    lazy={
        "address": LazyCommand(
            "addresses",
            "address_command",
            "Print an address that always leads to the newest snapshot of a saved query.",
        )
    },
)
def queries_group() -> None:
    """Manage and run saved queries."""


@queries_group.command("list")
@click.option(
    "--format",
    "form",
    type=click.Choice(("table", "json")),
    show_default="table",
    help="The output format.",
)
@json_option("Print JSON: short for --format json.")
def queries_list(form: str | None, as_json: bool) -> None:
    """List your own and shared saved queries by title, with their next and last runs."""
    from custdyn_widgets import saved_queries, settings

    form = chosen_format(form, as_json, "table")
    current = settings.load()
    entries = saved_queries.listing(current)
    runs = [_runs_of(entry, entries, current) for entry in entries]
    if form == "json":
        listed = [
            {**_as_json(entry), **of_entry.as_json()} for entry, of_entry in zip(entries, runs, strict=True)
        ]
        click.echo(json.dumps(listed, indent=1))
        return
    click.echo(_as_table(entries, runs))
    for entry in entries:
        if entry.error:
            say(f"Note: {entry.error.message}")


@queries_group.command("show")
@click.argument("name")
@_place_option
@json_option("Print JSON (the default).", expose_value=False)
def queries_show(name: str, place: Place | None) -> None:
    """Print a saved query as JSON."""
    from custdyn_widgets import saved_queries

    text = saved_queries.load(name, place).saved.to_bytes().decode()
    click.echo(re.sub(r"[^\n]", lambda found: _escaped(found[0]), text), nl=False)


@queries_group.command("delete")
@click.argument("name")
@_place_option
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def queries_delete(name: str, place: Place | None, yes: bool) -> None:
    """Delete a saved query, even if it is invalid, and revoke your addresses for it.

    The addresses remain if another saved query, your own or the shared one, has the same name.
    """
    from custdyn_widgets import saved_queries, settings
    from custdyn_widgets.cli.addresses import revoke_addresses
    from custdyn_widgets.snapshots import Store

    if not yes:
        place = saved_queries.find(name, place)
        whose = {"mine": "your saved query", "shared": "the shared saved query"}[place]
        click.confirm(f"Delete {whose} {name}?", abort=True, err=True)
    place = saved_queries.delete(name, place)
    say(f"Deleted: {name} ({place}).")
    current = settings.load()
    if name not in {listed.name for listed in saved_queries.listing(current)}:
        revoke_addresses(Store(current.snapshots), name)


@queries_group.command("run")
@click.argument("name")
@_place_option
@source_option
@report_options(default="the saved query's output")
def queries_run(
    name: str,
    place: Place | None,
    source: str | None,
    as_of: str | None,
    form: str | None,
    as_json: bool,
    output: Path | None,
    total: bool,
    frozen: bool,
    pdf: bool,
) -> None:
    """Run a saved query as `custdyn query` would, in the saved query's output format."""
    from custdyn_widgets import saved_queries

    saved = saved_queries.load(name, place).saved
    source = saved.source if source is None else source
    if source is None:
        raise without_source(name)
    form = chosen_format(form, as_json, "table" if saved.output == "web" else saved.output, output)
    print_report(
        saved.query,
        source,
        as_of=as_of,
        form=form,
        output=output,
        total=total or saved.total,
        frozen=frozen,
        pdf=pdf,
    )


@queries_group.command("crontab")
@click.option(
    "--zone", metavar="ZONE", help="The time zone of the machine that runs cron. Default: this machine's."
)
def queries_crontab(zone: str | None) -> None:
    """Print the crontab lines that run the saved queries on their schedules.

    Check them, then add them with `crontab -e`. The runs use the working directory and the settings of this
    command. Exit 1 if a saved query cannot be read; the message says why.
    """
    from custdyn_widgets import saved_queries, settings
    from custdyn_widgets.query import is_time_zone, time_zones
    from custdyn_widgets.scheduling import crontab

    if zone is not None and not is_time_zone(zone):
        raise QueryError.not_allowed("--zone", zone, time_zones())
    current = settings.load()
    place = crontab.this_place(current, zone)
    found = crontab.crontab(saved_queries.listing(current), place, datetime.now(UTC))
    click.echo(found.text, nl=False)
    _end(found.problems, is_empty=not found.text)


@queries_group.command("systemd-timers")
@click.option(
    "--output",
    type=LocalPath(file_okay=False),
    metavar="FOLDER",
    help="Write the units to this folder, such as ~/.config/systemd/user, instead of printing them.",
)
def queries_systemd_timers(output: Path | None) -> None:
    """Print or write the systemd units that run the saved queries on their schedules.

    There is a service and a timer for each saved query. The runs use the working directory and the settings
    of this command. Exit 1 if a saved query cannot be read; the message says why.
    """
    from custdyn_widgets import saved_queries, settings
    from custdyn_widgets.files import write_whole
    from custdyn_widgets.scheduling import crontab, timers

    current = settings.load()
    place = crontab.this_place(current, "UTC")
    found = timers.timer_units(saved_queries.listing(current), place, datetime.now(UTC))
    for name, text in found.files.items():
        if output is None:
            click.echo(f"# {name}\n{text}")
        else:
            output.mkdir(parents=True, exist_ok=True)
            write_whole(output / name, text.encode())
            say(f"Wrote {output / name}")
    _end(found.problems, is_empty=not found.files)


def _end(problems: Sequence[str], *, is_empty: bool) -> None:
    """Print problems with schedules and exit with 1 if there are any; if no schedules are set, say so."""
    for problem in problems:
        say(f"custdyn: {problem}")
    if problems:
        raise click.exceptions.Exit(1)
    if is_empty:
        say("No saved query has a schedule.")


def _as_json(entry: ListedQuery) -> dict[str, object]:
    saved = entry.saved.to_dict() if entry.saved else None
    error = entry.error.message if entry.error else None
    return {"name": entry.name, "place": entry.place, "saved": saved, "error": error}


@dataclass(frozen=True)
class _Runs:
    """The next scheduled time and the last run of a saved query; None if there is none."""

    next: datetime | None = None
    last: Run | None = None

    def as_json(self) -> dict[str, object]:
        last = self.last and {
            name: getattr(self.last, name) for name in ("id", "began", "logical_time", "result")
        }
        return {"next": self.next and format_instant_utc(self.next), "last": last}

    def cells(self, entry: ListedQuery) -> tuple[str, str, str]:
        """Return the cells of the table: schedule, next run (in the schedule's time zone) and last run."""
        schedule = entry.saved.schedule if entry.saved else None
        last = f"{format_clock(self.last.began)} {self.last.result}" if self.last else "–"
        if schedule is None or self.next is None:
            return "–", "–", last
        following = self.next.astimezone(ZoneInfo(schedule.timezone))
        return f"{schedule.cron} {schedule.timezone}", f"{following:%Y-%m-%d %H:%M}", last


def _runs_of(entry: ListedQuery, entries: Sequence[ListedQuery], settings: Settings) -> _Runs:
    """Return a saved query's runs; none for a shared query if the user's own query has the same name."""
    from custdyn_widgets.saved_queries import is_name
    from custdyn_widgets.scheduling import Runs, crontab

    if entry not in crontab.one_for_each_name(entries) or not is_name(entry.name):
        return _Runs()
    assert settings.runs is not None
    schedule = entry.saved.schedule if entry.saved else None
    following = schedule.next(datetime.now(UTC)) if schedule else None
    return _Runs(following, next(Runs(settings.runs).newest_first(entry.name), None))


def _as_table(entries: Sequence[ListedQuery], runs: Sequence[_Runs]) -> str:
    """Return the list as an aligned table, or a sentence if it is empty."""
    from custdyn_widgets.text import align_rows, cut_short, printable

    if not entries:
        return "There are no saved queries yet."
    about_runs = (
        ("Schedule", "Next run", "Last run (UTC)") if any(one.next or one.last for one in runs) else ()
    )
    rows: list[tuple[str, ...]] = [("Name", "Where", "Output", "Title", *about_runs, "Query")]
    for entry, of_entry in zip(entries, runs, strict=True):
        output, query = "–", "(cannot be used)"
        if entry.saved:
            output, query = entry.saved.output, entry.saved.query.describe()
        cells: tuple[str, ...] = (
            entry.name or "–",
            entry.place,
            output,
            cut_short(entry.title, _MAX_TITLE_LENGTH) or "–",
        )
        cells += of_entry.cells(entry) if about_runs else ()
        rows.append((*map(printable, cells), printable(cut_short(query, _MAX_QUERY_LENGTH))))
    return "\n".join(align_rows(rows))


def _escaped(character: str) -> str:
    """Return a character of JSON text, escaped if a terminal would interpret it."""
    return character if character.isprintable() else json.dumps(character)[1:-1]
