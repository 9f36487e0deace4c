"""Runs of saved queries: `custdyn run --saved NAME --scheduled`, and the `custdyn runs` commands."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from custdyn_widgets.cli.report_output import discard, json_option, say

if TYPE_CHECKING:
    from custdyn_widgets.scheduling import Run, RunCheck

_MAX_PROBLEM_LENGTH, _MAX_CHECK_LENGTH = 160, 400
_MEANINGS = {
    "frozen": "without recipients",
    "held back": "frozen but not sent",
    "not sent": "frozen, but no condition became true or stopped being true",
    "unchanged": "so nothing was frozen or sent",
    "empty": "so nothing was frozen or sent",
    "stale": "so nothing was frozen or sent",
    "undelivered": "frozen but not delivered to everybody",
}


@click.group("runs")
def runs_group() -> None:
    """Show the runs of saved queries and their results."""


@runs_group.command("list")
@json_option("Print JSON, including the receipt for each email.")
@click.option("--last", type=click.IntRange(min=1), metavar="N", help="List only the newest N runs.")
@click.option("--saved", "saved_name", metavar="NAME", help="List only the runs of this saved query.")
def runs_list(as_json: bool, last: int | None, saved_name: str | None) -> None:
    """List the runs of saved queries, newest last, with times and results.

    sent: frozen, and a mail server accepted every email. frozen: there are no recipients. held back: frozen
    with --no-send. not sent: frozen, but no condition became true or stopped being true. unchanged, empty:
    skipped, as set in the saved query. stale: skipped, because the data ends too early. undelivered: frozen
    but not delivered to everybody. failed: the message says why. killed: ended without a result. running: not
    finished yet.
    """
    from custdyn_widgets import settings
    from custdyn_widgets.errors import SavedQueryError
    from custdyn_widgets.saved_queries import is_name
    from custdyn_widgets.scheduling import Runs

    if saved_name is not None and not is_name(saved_name):
        raise SavedQueryError.bad_name(saved_name, [])
    folder = settings.load().runs
    assert folder is not None
    runs = Runs(folder).listing(last, saved=saved_name)
    click.echo(json.dumps([run.to_dict() for run in runs], indent=1) if as_json else _as_table(runs))


@runs_group.command("check")
@click.option(
    "--max-age",
    metavar="AGE",
    help="Check all scheduled times within the last AGE, such as 3d. Default: the most recent one for each "
    "saved query.",
)
@json_option("Print JSON.")
def runs_check(max_age: str | None, as_json: bool) -> None:
    """Check that the scheduled saved queries ran; exit 1 if a run was missed or killed, failed, or is late.

    A report sent even though its data ends early is a warning, which does not change the exit code.

    A problem is resolved once a run for the scheduled time has succeeded: use "custdyn run --saved NAME
    --as-of TIME" or "custdyn runs resend RUN". This command is for monitoring: it neither sends nor changes
    anything.
    """
    from dataclasses import asdict
    from datetime import UTC

    from custdyn_widgets import saved_queries, settings
    from custdyn_widgets.scheduling import check_runs, parse_delay
    from custdyn_widgets.text import cut_short, printable

    age = parse_delay(max_age, "--max-age") if max_age else None
    current = settings.load()
    entries = saved_queries.listing(current)
    found = check_runs(entries, current, datetime.now(UTC), age)
    if as_json:
        click.echo(json.dumps({"ok": not found.problems, **asdict(found)}, indent=1))
    elif not found.problems:
        click.echo(_without_problems(found, max_age))
    for one in () if as_json else [*found.problems, *found.warnings]:
        text = " ".join(filter(None, (one.saved, one.kind, one.time))) + f": {one.problem}"
        text = f"Warning: {text}" if one in found.warnings else text
        remedy = f" Once this is fixed, run `{one.command}`." if one.command else ""
        click.echo(cut_short(printable(text), _MAX_CHECK_LENGTH) + printable(remedy))
    if found.problems:
        raise click.exceptions.Exit(1)


def _without_problems(found: RunCheck, max_age: str | None) -> str:
    """Return the sentence for a check that found no problem; it says OK only if something ran."""
    none = ("has had no scheduled time since it was", "have had no scheduled time since they were")
    not_due = [f"had no scheduled time to check in the last {max_age}"] * 2
    states = (
        (found.ran, "ran as scheduled", "ran as scheduled"),
        (found.running, "is starting or running", "are starting or running"),
        (found.not_due, *(not_due if max_age else [f"{words} last changed" for words in none])),
    )
    parts = [f"{count:,} {one if count == 1 else more}" for count, one, more in states if count]
    if not parts:
        return "No saved query has a schedule."
    count, _, rest = parts[0].partition(" ")
    parts[0] = f"{count} scheduled saved quer{'y' if count == '1' else 'ies'} {rest}"
    return f"{'OK' if found.ran else 'No finished run to check'}: {'; '.join(parts)}."


@runs_group.command("resend")
@click.argument("run")
def runs_resend(run: str) -> None:
    """Send the report of RUN to the recipients that it did not reach, and to no one else.

    RUN is a run's id, as shown by "custdyn runs list --json", or a saved query's name, which stands for its
    newest run. The email contains the report that the run froze; nothing is recomputed.
    """
    from custdyn_widgets import settings
    from custdyn_widgets.scheduling import resend

    done = resend(run, settings=settings.load(), progress=say)
    say(f"{done.saved}: {done.result}{_made_for(done)}.")
    if done.problem:
        say(f"custdyn: {done.problem}")
        raise click.exceptions.Exit(1)


def check_own_run(
    name: str | None,
    scheduled: bool,
    as_of: str | None,
    options: Mapping[str, object],
    parameters: Mapping[str, str],
) -> str:
    """Return the name of the saved query if the options of a recorded run are consistent.

    Raises
    ------
    click.UsageError
        If they are inconsistent, or if `options` or `parameters` would change the query.
    QueryError
        If `as_of` is not a timestamp.
    """
    from custdyn_widgets.notebook import NAMES
    from custdyn_widgets.query import parse_as_of

    parse_as_of(as_of)
    if name is None or scheduled == (as_of is not None):
        raise click.UsageError("A recorded run needs --saved NAME and either --scheduled or --as-of TIME.")
    given = [f"--{key.replace('_', '-')}" for key, value in options.items() if value not in (None, ())]
    given += [f"-p {key}" for key in parameters if key in NAMES]
    if given:
        raise click.UsageError(
            f"A recorded run cannot change the saved query: remove {', '.join(given)}, or save another query."
        )
    return name


def check_scheduled(scheduled: bool, again: bool, within: str | None) -> None:
    """Check the options that apply only to a scheduled run.

    Raises
    ------
    click.UsageError
        If one of them is given for any other run.
    """
    given = [name for name, value in (("--again", again), ("--within", within)) if value]
    if given and not scheduled:
        raise click.UsageError(f"{given[0]} needs --scheduled. With --as-of, the query always runs.")
    if len(given) > 1:
        raise click.UsageError("--again runs no matter how late it is: remove --within.")


def run_saved_query(
    name: str, *, timeout_s: float | None, quiet: bool, within: str | None, **options: Any
) -> None:
    """Run a saved query and print its links; exit 1 if something fails.

    With `quiet`, nothing is printed unless something fails. `options` contains the other fields of a
    `RunRequest`.
    """
    from custdyn_widgets import settings
    from custdyn_widgets.errors import NotDueError
    from custdyn_widgets.scheduling import TIMEOUT_S, RunRequest, dispatch, parse_delay

    if within:
        options["within"] = parse_delay(within, "--within")

    current = settings.load()
    held_back: list[str] = []
    try:
        run = dispatch(
            RunRequest(name, timeout_s=timeout_s or TIMEOUT_S, **options),
            settings=current,
            progress=held_back.append if quiet else say,
            warn=say,
        )
    except NotDueError as error:  # failures have already been reported
        if not quiet:
            _say_all([*held_back, error.message])
        raise click.exceptions.Exit(int(error.failed)) from error
    except BaseException:  # including signals: the messages show how far it got
        _say_all(held_back)
        raise
    if quiet and not run.problem:
        return
    _say_all(held_back)
    links = [(one.company, current.link(one.snapshot)) for one in run.reports if one.snapshot]
    try:
        for company, link in links:
            click.echo(f"{company}: {link}" if company else link)
    except OSError as error:  # the run itself has ended and is recorded
        discard(sys.stdout)
        say(f"The link cannot be printed: {error.strerror}. `custdyn runs list` shows the snapshot.")
    meaning = f", {_MEANINGS[run.result]}" if run.result in _MEANINGS else ""
    say(f"{name}: {run.result}{meaning}{_made_for(run)}.")
    if run.problem:
        say(f"custdyn: {run.problem}")
        if run.waiting:
            say(f"The next run of {name} will send the report to the remaining recipients.")
        raise click.exceptions.Exit(1)


def _made_for(run: Run) -> str:
    """Return the time that a run is for, in parentheses; empty if it failed before its time was known."""
    return f" (for {run.logical_time})" if run.logical_time else ""


def _say_all(messages: Sequence[str]) -> None:
    for message in messages:
        say(message)


def _as_table(runs: Sequence[Run]) -> str:
    """Return the list as an aligned table, or a sentence if it is empty."""
    from custdyn_widgets.text import align_rows, cut_short, format_clock, printable

    if not runs:
        return "No saved query has run yet."
    rows: list[tuple[str, ...]] = [("Began (UTC)", "Saved query", "For", "Seconds", "Result", "Snapshot")]
    for run in runs:
        cells = (
            format_clock(run.began),
            run.saved,
            format_clock(run.logical_time),
            _seconds(run),
            run.result,
        )
        rows.append(tuple(map(printable, (*cells, _snapshots(run)))))
    lines = align_rows(rows)
    found = [lines[0]]
    for line, run in zip(lines[1:], runs, strict=True):
        found += [line, *(f"    {cut_short(printable(text), _MAX_PROBLEM_LENGTH)}" for text in _notes(run))]
    return "\n".join(found)


def _notes(run: Run) -> list[str]:
    """Return the lines below a run: the problem (or else gaps in the data), and the results of conditions."""
    from custdyn_widgets.scheduling import run_lines

    note = run.problem or "".join(f"Note: {gap} " for gap in run.data_gaps)
    return [text for text in (note, *run_lines(run.reports)) if text.strip()]


def _seconds(run: Run) -> str:
    if not run.ended:
        return "–"
    took = datetime.fromisoformat(run.ended) - datetime.fromisoformat(run.began)
    return f"{took.total_seconds():.0f}"


def _snapshots(run: Run) -> str:
    ids = [one.snapshot for one in run.reports if one.snapshot]
    if len(run.reports) > 1:
        return f"{len(ids):,} snapshots of {len(run.reports):,} reports"
    return ids[0] if ids else "–"
