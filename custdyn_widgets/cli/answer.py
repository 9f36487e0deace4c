"""A report on the command line: data goes to stdout or into a file, messages go to stderr."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from custdyn_widgets import settings
from custdyn_widgets.errors import CustDynError

if TYPE_CHECKING:
    from custdyn_widgets.publish import Frozen
    from custdyn_widgets.query import ReportQuery
    from custdyn_widgets.report import Report

Command = TypeVar("Command", bound=Callable[..., Any])

SOURCE_HELP = 'A folder of CSV or Parquet files, a DuckDB file, a name of sources.toml, or "demo".'
source_option = click.option("--source", "-s", required=True, help=SOURCE_HELP, metavar="SOURCE")
as_of_option = click.option(
    "--as-of", metavar="INSTANT", help="Count nothing at or after this ISO 8601 instant. Default: now."
)


class _Format(click.Choice):  # type: ignore[type-arg]  # generic from click 8.2 on
    """The formats of a report; `xls` is refused with the reason."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value == "xls":
            self.fail("xls holds at most 65,536 rows and is not an open format; choose xlsx.", param, ctx)
        chosen: str = super().convert(value, param, ctx)
        return chosen


_FORMATS = _Format(("table", "csv", "json", "xlsx"))


def report_options(*, default: str | None) -> Callable[[Command], Command]:
    """Add the options of `print_report` to a command; `default` is the format, None for the saved query's."""
    options = (
        as_of_option,
        click.option(
            "--format",
            "form",
            type=_FORMATS,
            help="What to print.",
            default=default,
            show_default="the saved query's output" if default is None else True,
        ),
        click.option(
            "--output", "-o", type=click.Path(path_type=Path), help="Write to this file instead of stdout."
        ),
        click.option("--total", is_flag=True, help="Add the Total to a CSV."),
        click.option(
            "--freeze", "frozen", is_flag=True, help="Freeze the report into a snapshot and print its link."
        ),
    )

    def with_options(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return with_options


def say(text: str) -> None:
    """Write a message to stderr; control characters in it cannot act on the terminal."""
    from custdyn_widgets.text import printable  # late: --help does not need it

    click.echo("\n".join(map(printable, text.split("\n"))), err=True)


def print_report(
    query: ReportQuery,
    source: str,
    *,
    as_of: str | None,
    form: str,
    output: Path | None,
    total: bool,
    frozen: bool,
) -> None:
    """Run a report, then print it or write it to a file, and say what its reader must know.

    Raises
    ------
    click.UsageError
        If a workbook would be printed on a terminal.
    """
    from custdyn_widgets.engine import run_report
    from custdyn_widgets.progress import ProgressBar

    if form == "xlsx" and output is None and sys.stdout.isatty():
        raise click.UsageError("A workbook cannot be printed to a terminal: give --output FILE.")
    with ProgressBar():
        report = run_report(query, source, as_of=as_of)
    data = _formatted(report, form, total)
    if output is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        _write(output, data)
        say(f"Wrote {output} ({len(data):,} bytes).")
    if report.message and form != "table":  # the table has it
        say(f"Note: {report.message}")
    for warning in report.info.warnings:
        say(f"Note: {warning}")
    if frozen:
        from custdyn_widgets.publish import freeze

        snapshot = freeze(report)
        say_page(snapshot)
        say(f"Link: {snapshot.link}")


def say_page(frozen: Frozen) -> None:
    """Say where a snapshot's page is, and what makes its link open."""
    say(f"Page: {frozen.page}")
    if settings.load().share_url is None:
        say('The link opens while "custdyn serve" runs:')


def _formatted(report: Report, form: str, total: bool) -> bytes:
    if form == "csv":
        from custdyn_widgets.render import to_csv

        return to_csv(report, total=total)
    if form == "xlsx":
        from custdyn_widgets.render import to_xlsx

        return to_xlsx(report)
    if form == "json":
        return json.dumps(report.to_dict(), ensure_ascii=True, indent=1).encode() + b"\n"
    from custdyn_widgets.render import report_text

    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    return report_text(report, columns).encode("utf-8", "replace")


def _write(path: Path, data: bytes) -> None:
    from custdyn_widgets.files import write_whole

    try:
        write_whole(path, data, follow=True, lasting=False)
    except OSError as error:
        raise CustDynError(f"{path} cannot be written: {error.strerror}.", field="output") from error
