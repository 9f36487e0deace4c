"""The `custdyn snapshots diff` command: compare two snapshots, or a snapshot with the current data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from custdyn_widgets.cli.report_output import (
    SOURCE_HELP,
    chosen_format,
    json_option,
    print_data,
    say,
    say_page,
)
from custdyn_widgets.cli.tables import format_option

if TYPE_CHECKING:
    from custdyn_widgets.report import ReportDifference

_MAX_LABEL = 60  # characters, as in report tables


@click.command("diff")
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="[NEW]", required=False)
@click.option(
    "--source",
    "-s",
    metavar="SOURCE",
    help=f"The current data. {SOURCE_HELP} Default without NEW: the snapshot's source, if it is in "
    "sources.toml.",
)
@click.option(
    "--clients",
    "by_client",
    is_flag=True,
    help="Instead of the cells, print the clients whose contributions changed.",
)
@click.option("--freeze", "frozen", is_flag=True, help="Publish the differences as a page with its own link.")
@format_option
@json_option("Print JSON: short for --format json.")
def diff_command(
    old: str,
    new: str | None,
    source: str | None,
    by_client: bool,
    frozen: bool,
    form: str | None,
    as_json: bool,
) -> None:
    """Print every cell that differs between two snapshots of the same query, and all other differences.

    Give each ID in full, or the full link. Without NEW, the same query is run on the current data, for
    the interval and as-of time of OLD. With NEW, --source is needed only to name the clients that changed.

    Other differences, and the reasons for them, are printed to stderr and included in the JSON. The exit code
    is 0 even if cells differ.
    """
    from custdyn_widgets.engine import compare_snapshots
    from custdyn_widgets.progress import ProgressBar

    form = chosen_format(form, as_json, "table")
    with ProgressBar():
        difference = compare_snapshots(old, new, source=source)
        data = _formatted(difference, form, by_client)
    print_data(data)
    if not difference.cells:
        say("No cell differs.")
    for note in difference.notes():
        say(note)
    if by_client and difference.clients is None:
        raise click.exceptions.Exit(1)
    if frozen:
        from custdyn_widgets.publish import freeze

        with ProgressBar():
            snapshot = freeze(difference)
        say_page(snapshot)
        say(f"Link: {snapshot.link}")


def _formatted(difference: ReportDifference, form: str, by_client: bool) -> bytes:
    clients = difference.clients
    if form == "json":
        if clients and not by_client:
            difference = replace(difference, clients=clients.without_names())
        return json.dumps(difference.to_dict(), ensure_ascii=True, indent=1).encode() + b"\n"
    if by_client and clients is None:
        return b""
    if form == "csv":
        from custdyn_widgets.render import table_csv

        if clients and by_client:
            return table_csv(clients.line_headings, clients.texts())
        return table_csv(difference.line_headings, difference.lines())
    if clients and by_client:
        return _aligned([clients.line_headings, *clients.texts()], numbers=0)
    return _aligned(difference.texts(), numbers=3)


def _aligned(lines: Sequence[Sequence[str]], numbers: int) -> bytes:
    """Return a table whose last columns are numbers; empty if there are only headings."""
    from custdyn_widgets.text import align_rows, cut_short, printable

    if len(lines) == 1:
        return b""
    rows = [[cut_short(printable(text), _MAX_LABEL) for text in line] for line in lines]
    width = len(rows[0])
    aligned = align_rows(rows, right=range(width - numbers, width))
    return "".join(f"{line}\n" for line in aligned).encode("utf-8", "replace")
