"""The command `custdyn snapshots diff`: compare two snapshots, or a snapshot with the current data."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from custdyn_widgets.cli.report_output import SOURCE_HELP, chosen_format, json_option, say, say_page
from custdyn_widgets.cli.tables import format_option

if TYPE_CHECKING:
    from custdyn_widgets.report import ReportDifference

_MAX_LABEL = 60  # characters, as in the tables of reports


@click.command("diff")
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="[NEW]", required=False)
@click.option(
    "--source",
    "-s",
    metavar="SOURCE",
    help=f"The source if NEW is not given. {SOURCE_HELP} Default: the snapshot's, if it is in sources.toml.",
)
@click.option("--freeze", "frozen", is_flag=True, help="Publish the differences as a page with its own link.")
@format_option
@json_option("Print JSON: short for --format json.")
def diff_command(
    old: str, new: str | None, source: str | None, frozen: bool, form: str | None, as_json: bool
) -> None:
    """Print every cell that differs between two snapshots of the same query, and what else differs.

    Give each ID in full, or the full link. Without NEW, the same query is run on the current data, for the
    interval and as-of time of OLD.

    Reasons are printed to stderr; JSON includes them. The exit code is 0 even if cells differ.
    """
    from custdyn_widgets.engine import compare_snapshots
    from custdyn_widgets.progress import ProgressBar

    form = chosen_format(form, as_json, "table")
    if new is not None and source is not None:
        raise click.UsageError("Give either NEW or --source, not both.")
    with ProgressBar():
        difference = compare_snapshots(old, new, source=source)
        data = _formatted(difference, form)
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
    for note in difference.notes():
        say(note)
    if frozen:
        from custdyn_widgets.publish import freeze

        with ProgressBar():
            snapshot = freeze(difference)
        say_page(snapshot)
        say(f"Link: {snapshot.link}")


def _formatted(difference: ReportDifference, form: str) -> bytes:
    if form == "json":
        return json.dumps(difference.to_dict(), ensure_ascii=True, indent=1).encode() + b"\n"
    if form == "csv":
        from custdyn_widgets.render import table_csv

        return table_csv(difference.line_headings, difference.lines())
    if not difference.cells:
        return b""
    from custdyn_widgets.text import align_rows, cut_short, printable

    rows = [[cut_short(printable(text), _MAX_LABEL) for text in line] for line in difference.texts()]
    width = len(rows[0])
    lines = align_rows(rows, right=range(width - 3, width))
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")
