"""A query answered on the command line: the report in the form that was asked for, and a word on it.

Data goes to stdout or into a file, everything else to stderr.
"""

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
            self.fail("xls holds at most 65,536 rows and is no open format; choose xlsx.", param, ctx)
        chosen: str = super().convert(value, param, ctx)
        return chosen


_FORMATS = _Format(("table", "csv", "json", "xlsx"))


def answer_options(*, default: str | None) -> Callable[[Command], Command]:
    """Give a command the options of `answer`.

    Parameters
    ----------
    default
        The format without `--format`; None: what the saved query says.
    """
    about: dict[str, Any] = {"help": "What to print.", "default": default, "show_default": True}
    if default is None:
        about["show_default"] = "the saved query's output"
    options = (
        as_of_option,
        click.option("--format", "form", type=_FORMATS, **about),
        click.option(
            "--output", "-o", type=click.Path(path_type=Path), help="Write to this file instead of stdout."
        ),
        click.option("--total", is_flag=True, help="Add the Total to a CSV."),
        click.option(
            "--freeze", "frozen", is_flag=True, help="Freeze the report into a snapshot and say its link."
        ),
    )

    def with_options(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return with_options


def say(text: str) -> None:
    """Write to the person at the terminal, without what a name in it could do to the terminal."""
    from custdyn_widgets.text import printable  # late: --help has no need of it

    click.echo("\n".join(map(printable, text.split("\n"))), err=True)


def check_terminal(form: str, output: Path | None) -> None:
    """Refuse to print a workbook at a person.

    Raises
    ------
    click.UsageError
        If that would happen.
    """
    if form == "xlsx" and output is None and sys.stdout.isatty():
        raise click.UsageError("A workbook is no text for a terminal: give --output FILE.")


def answer(
    query: ReportQuery,
    source: str,
    *,
    as_of: str | None,
    form: str,
    output: Path | None,
    total: bool,
    frozen: bool,
) -> None:
    """Run a report and print it, or write it into a file; say what its reader must know.

    Parameters
    ----------
    query, source, as_of
        What is asked, of what, as of when.
    form
        `table`, `csv`, `json` or `xlsx`.
    output
        The file; None: stdout.
    total
        Whether a CSV has the Total.
    frozen
        Whether the report becomes a snapshot too.
    """
    from custdyn_widgets.engine import run_report
    from custdyn_widgets.progress import ProgressBar

    with ProgressBar():
        report = run_report(query, source, as_of=as_of)
    data = _formatted(report, form, total)
    if output is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        _write(output, data)
        say(f"Wrote {output} ({len(data):,} bytes).")
    for told in (report.message, *report.info.warnings):
        if told and not (told == report.message and form == "table"):
            say(f"Note: {told}")
    if frozen:
        _freeze(report)


def tell_page(frozen: Frozen) -> None:
    """Say where a snapshot's page is, and what answers its link."""
    say(f"Page: {frozen.page}")
    if settings.load().share_url is None:
        say('The link opens while "custdyn serve" runs:')


def _freeze(report: Report) -> None:
    from custdyn_widgets.publish import freeze

    frozen = freeze(report)
    tell_page(frozen)
    say(f"Link: {frozen.link}")


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
