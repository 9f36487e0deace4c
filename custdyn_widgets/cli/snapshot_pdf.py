"""The `custdyn snapshots pdf` command: write a snapshot's report as a PDF, even if the snapshot has none."""

from __future__ import annotations

import json
from pathlib import Path

import click

from custdyn_widgets import settings
from custdyn_widgets.cli.arguments import LocalPath
from custdyn_widgets.cli.report_output import say, write_output
from custdyn_widgets.errors import CustDynError


@click.command("pdf")
@click.argument("given", metavar="ID")
@click.option(
    "--output",
    "-o",
    required=True,
    metavar="FILE",
    type=LocalPath(),
    help="The file to write.",
)
def pdf_command(given: str, output: Path) -> None:
    """Write a snapshot's report as a PDF with the link in the footer. Give the ID in full, or the full link.

    The PDF is made from the frozen report, even if the data has changed since, and the snapshot does not
    change. The PDF does not include cells that the author of a notebook added around the report.
    """
    from custdyn_widgets.progress import ProgressBar
    from custdyn_widgets.render import to_pdf
    from custdyn_widgets.report import Report
    from custdyn_widgets.snapshots import Store, id_in

    current, snapshot_id = settings.load(), id_in(given)
    store = Store(current.snapshots)
    if "kind" in store.manifest(snapshot_id):
        raise CustDynError("This snapshot is a comparison of reports, which cannot be written as a PDF.")
    report = Report.from_dict(json.loads(store.read(snapshot_id, "report.json")))
    with ProgressBar():
        data = to_pdf(report, paper=current.paper, identity=current.link(snapshot_id))
    write_output(output, data)
    say(f"Wrote {output} ({len(data):,} bytes).")
