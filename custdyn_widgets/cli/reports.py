"""The commands that make reports: `custdyn query`, `custdyn run` and `custdyn demo`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from custdyn_widgets import settings
from custdyn_widgets.cli.arguments import LocalPath
from custdyn_widgets.cli.query_options import (
    chosen_source,
    query_fields,
    query_options,
    saved_source,
    wants_pdf,
)
from custdyn_widgets.cli.report_output import (
    as_of_option,
    chosen_format,
    engine_option,
    pdf_option,
    print_report,
    report_options,
    say,
    say_page,
    source_option,
)
from custdyn_widgets.cli.runs import check_own_run, check_scheduled, run_saved_query
from custdyn_widgets.cli.syncing import sync_first
from custdyn_widgets.query import ReportQuery

_FOLDER = LocalPath()


@click.command("query")
@source_option
@query_options
@report_options(default="table")
@engine_option
def query_command(
    source: str | None,
    query_file: Path | None,
    saved_name: str | None,
    as_of: str | None,
    form: str | None,
    as_json: bool,
    output: Path | None,
    total: bool,
    frozen: bool,
    pdf: bool,
    engine: str,
    **options: Any,
) -> None:
    """Print a report.

    The query is given by a JSON file (--query), a saved query (--saved), or options. Options override the
    fields of the file or saved query.
    """
    source = chosen_source(source, saved_name)
    form = chosen_format(form, as_json, "table", output)
    query = ReportQuery.from_dict(query_fields(query_file, saved_name, options))
    print_report(
        query,
        source,
        as_of=as_of,
        form=form,
        output=output,
        total=total,
        frozen=frozen,
        pdf=pdf,
        engine=engine,
    )


@click.command("run")
@click.argument("template", required=False, type=_FOLDER)
@source_option
@query_options
@as_of_option
@click.option(
    "--parameter",
    "-p",
    nargs=2,
    multiple=True,
    metavar="NAME VALUE",
    help="Set one of the template's own parameters.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Stop the run if it takes longer than this. Default: an hour for a recorded run, otherwise no "
    "limit.",
)
@click.option(
    "--scheduled",
    is_flag=True,
    help="Run the saved query as its schedule would, for its most recent scheduled time.",
)
@click.option(
    "--again", is_flag=True, help="With --scheduled: run even if a run for the scheduled time already exists."
)
@click.option(
    "--within",
    metavar="AGE",
    help="With --scheduled: record the run as missed if it is late by more than AGE, such as 1h.",
)
@click.option(
    "--sync", "synced", is_flag=True, help="Read the source's database first, as custdyn sync does."
)
@pdf_option
@click.option("--no-send", is_flag=True, help="Do not send email.")
@click.option(
    "--quiet",
    is_flag=True,
    help="Print nothing about a recorded run unless it fails; cron mails all output.",
)
def run_command(
    template: Path | None,
    source: str | None,
    query_file: Path | None,
    saved_name: str | None,
    as_of: str | None,
    parameter: tuple[tuple[str, str], ...],
    timeout: float | None,
    scheduled: bool,
    again: bool,
    within: str | None,
    synced: bool,
    pdf: bool,
    no_send: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Run a template notebook and freeze its report into a snapshot; the last line of output is the link.

    Without TEMPLATE, the default template is run. Nothing is published if the run fails.

    --saved NAME with --scheduled, or with --as-of for another time, records the run: it is listed by
    "custdyn runs list", its report is sent to the recipients, and a failure is reported to the failure
    recipients. With --scheduled, there is only one run for each scheduled time, unless --again is given.
    """
    if scheduled or again or within or no_send or quiet or (saved_name is not None and as_of is not None):
        own = dict(parameter)
        name = check_own_run(saved_name, scheduled, as_of, {**options, "query": query_file}, own)
        check_scheduled(scheduled, again, within)
        run_saved_query(
            name, as_of=as_of, source=source, template=template, parameters=own, send=not no_send,
            pdf=pdf, timeout_s=timeout, quiet=quiet, sync=synced, again=again, within=within,
        )  # fmt: skip
        return
    from custdyn_widgets.notebook import run_template

    given: dict[str, Any] = {**query_fields(query_file, saved_name, options), **dict(parameter)}
    if source is None and "source" not in given:
        source = saved_source(saved_name)  # overrides the template's, as in a scheduled run
    if synced:
        sync_first(source)
    given.update({name: value for name, value in (("source", source), ("as_of", as_of)) if value is not None})
    current = replace(settings.load(), pdf=True) if pdf or wants_pdf(saved_name) else settings.load()
    frozen = run_template(template, given, settings=current, timeout_s=timeout, progress=say)
    say_page(frozen)
    click.echo(frozen.link)


@click.command("demo")
@as_of_option
def demo_command(as_of: str | None) -> None:
    """Create a demo operator's data, a report covering three years, and a snapshot of the report."""
    from custdyn_widgets.engine import run_report
    from custdyn_widgets.mart import demo_folder, demo_query, last_midnight
    from custdyn_widgets.publish import freeze
    from custdyn_widgets.query import parse_as_of

    instant = parse_as_of(as_of) if as_of else last_midnight()
    say("Creating the demo operator: about 3,000 clients over three years …")
    folder = demo_folder(instant)
    say(f"Data: {folder}")
    report = run_report(demo_query(instant), folder, as_of=instant)
    say("Rendering the page …")
    frozen = freeze(report)
    say_page(frozen)
    click.echo(frozen.link)
