"""The `custdyn check` command."""

from __future__ import annotations

import json

import click

from custdyn_widgets.cli.report_output import engine_option, json_option


@click.command("check")
@click.argument("source")
@click.option("--all", "every", is_flag=True, help="List every fault, not just the first of each kind.")
@engine_option
@json_option()
def check_command(source: str, every: bool, engine: str, as_json: bool) -> None:
    """Check a source: summarize its faults by kind and say how to fix them. Exit 1 if there are any."""
    from custdyn_widgets.mart import check_source
    from custdyn_widgets.progress import ProgressBar

    if every and engine == "spark":
        raise click.UsageError("--engine spark counts faults by kind; --all needs --engine local.")
    faults = None
    with ProgressBar():
        if engine == "spark":
            from custdyn_widgets.mart import check_on_spark  # imported late: rarely needed

            summary = check_on_spark(source)
        else:
            mart = check_source(source)
            summary = mart.summary(None) if every and as_json else mart.summary()
            faults = mart.faults if every else None
    click.echo(json.dumps(summary.to_dict(), indent=1) if as_json else summary.text(faults))
    if summary.kinds:
        raise click.exceptions.Exit(1)
