"""Reports on the command line: data goes to stdout or to a file, and messages go to stderr."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

from custdyn_widgets.cli.arguments import LocalPath, masked
from custdyn_widgets.errors import CustDynError

if TYPE_CHECKING:
    from custdyn_widgets.publish import Frozen
    from custdyn_widgets.query import ReportQuery
    from custdyn_widgets.report import Report
    from custdyn_widgets.settings import Settings

Command = TypeVar("Command", bound=Callable[..., Any])

SOURCE_HELP = (
    "A folder of CSV or Parquet files or a DuckDB file, on this machine or on object storage "
    '(s3://bucket/folder); a name in sources.toml; or "demo".'
)
source_option = click.option(
    "--source",
    "-s",
    help=f"{SOURCE_HELP} Default: the saved query's source, if it has one.",
    metavar="SOURCE",
)
engine_option = click.option(
    "--engine",
    type=click.Choice(("local", "spark")),
    default="local",
    show_default=True,
    help="Where to compute: on this machine, or on a Spark cluster.",
)
as_of_option = click.option(
    "--as-of", metavar="TIME", help="Exclude data at or after this ISO 8601 timestamp. Default: now."
)


class _Format(click.Choice):  # type: ignore[type-arg]  # generic from click 8.2 on
    """The formats of a report; `xls` is rejected with an explanation."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value == "xls":
            self.fail("xls is limited to 65,536 rows and is not an open format: choose xlsx.", param, ctx)
        chosen: str = super().convert(value, param, ctx)
        return chosen


_FORMATS = _Format(("table", "csv", "csv-excel", "json", "xlsx", "pdf"))
_BY_ENDING = {".csv": "csv", ".json": "json", ".xlsx": "xlsx", ".pdf": "pdf", ".txt": "table"}
_FILES = {"xlsx": "workbook", "pdf": "PDF"}  # formats that a terminal cannot show

pdf_option = click.option(
    "--pdf",
    is_flag=True,
    help="Add a PDF of the page to the snapshot; the pdf setting does so for all snapshots.",
)


def json_option(text: str = "Print JSON.", *, expose_value: bool = True) -> Callable[[Command], Command]:
    """Return the --json option, which every command that prints data has."""
    return click.option("--json", "as_json", is_flag=True, help=text, expose_value=expose_value)


def chosen_format(form: str | None, as_json: bool, default: str, output: Path | None = None) -> str:
    """Return the format given by --format or --json, or else by the output file's extension.

    Raises
    ------
    click.UsageError
        If they contradict each other.
    """
    if as_json and form not in (None, "json"):
        raise click.UsageError(f"Give --json or --format {form}, not both.")
    if as_json or form:
        return "json" if as_json else form or default
    ending = _BY_ENDING.get(output.suffix.lower(), default) if output else default
    return default if default.startswith(ending) else ending  # the extension of csv-excel is .csv, too


def report_options(*, default: str) -> Callable[[Command], Command]:
    """Add the options of `print_report` to a command; `default` describes the default format."""
    options = (
        as_of_option,
        click.option(
            "--format",
            "form",
            type=_FORMATS,
            help="The output format. csv-excel uses semicolons and decimal commas, for Excel.",
            show_default=default,
        ),
        json_option("Print JSON: short for --format json."),
        click.option(
            "--output",
            "-o",
            type=LocalPath(),
            help="Write to this file instead of stdout. Without --format, the extension determines the "
            "format: .csv, .json, .pdf, .txt (a table) or .xlsx.",
        ),
        click.option("--total", is_flag=True, help="Add the Total row to a CSV."),
        click.option(
            "--freeze", "frozen", is_flag=True, help="Freeze the report into a snapshot and print its link."
        ),
        pdf_option,
    )

    def with_options(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return with_options


def say(text: str) -> None:
    """Write a message to stderr if possible, without control characters and with passwords masked."""
    from custdyn_widgets.text import printable  # imported late: --help does not need it

    try:
        click.echo("\n".join(map(printable, masked(text).split("\n"))), err=True)
    except OSError:  # such as a log on a full disk; the command itself has succeeded
        discard(sys.stderr)


def print_data(data: bytes, *, is_text: bool = True) -> None:
    """Write data to stdout, unchanged unless it is text for a terminal.

    Names in the data may contain control characters, which are replaced because a terminal would interpret
    them.
    """
    if is_text and sys.stdout.isatty():
        from custdyn_widgets.text import replace_controls  # imported late: --help does not need it

        data = replace_controls(data.decode()).encode()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def discard(stream: TextIO) -> bool:
    """Discard pending output that cannot be written, and return whether there was any.

    Python would try to write it again at exit, which would change the exit code.
    """
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return True
    return False


def print_report(
    query: ReportQuery,
    source: str,
    *,
    as_of: str | None,
    form: str,
    output: Path | None,
    total: bool,
    frozen: bool,
    pdf: bool = False,
    engine: str = "local",
) -> None:
    """Run a report, print it or write it to a file, and print its notes to stderr.

    With `pdf`, or if the report is written as a PDF, its snapshot also contains a PDF.

    Raises
    ------
    click.UsageError
        If a workbook or a PDF would be printed to a terminal, or `pdf` is given without `frozen`.
    ExportError
        If this machine cannot create PDFs; nothing has been computed.
    """
    from custdyn_widgets.engine import run_report
    from custdyn_widgets.progress import ProgressBar

    if form in _FILES and output is None and sys.stdout.isatty():
        raise click.UsageError(f"A {_FILES[form]} cannot be printed to a terminal: give --output FILE.")
    if pdf and not frozen:
        raise click.UsageError("--pdf needs --freeze; to write only a PDF, use --format pdf --output FILE.")
    current = _settings_for(form, frozen=frozen, pdf=pdf)
    with ProgressBar():
        report = run_report(query, source, as_of=as_of, engine=engine)
        data = _formatted(report, form, total, current.paper)
    if output is None:
        print_data(data, is_text=form not in _FILES)
    else:
        write_output(output, data)
        say(f"Wrote {output} ({len(data):,} bytes).")
    _say_notes(report, is_table=form == "table", is_file=output is not None)
    if frozen:
        from custdyn_widgets.publish import freeze

        with ProgressBar():
            snapshot = freeze(report, pdf=current.pdf)
        say_page(snapshot)
        say(f"Link: {snapshot.link}")


def _say_notes(report: Report, *, is_table: bool, is_file: bool) -> None:
    """Print what a report's figures do not show: the message, notes on partial periods, and the warnings."""
    from custdyn_widgets.report import partial_notes

    if report.message and not is_table:  # the table already shows it
        say(f"Note: {report.message}")
    if (not is_table or is_file) and (notes := partial_notes(report)):  # a CSV does not mark partial rows
        say(f"Note: {' '.join(notes)}")
    for warning in report.info.warnings:
        say(f"Note: {warning}")


def _settings_for(form: str, *, frozen: bool, pdf: bool) -> Settings:
    """Return the settings, with `pdf` set; raise an error if a PDF is needed but cannot be created."""
    from custdyn_widgets import settings

    current = settings.load()
    current = replace(current, pdf=pdf or form == "pdf" or (frozen and current.pdf))
    if current.pdf:
        from custdyn_widgets.render import require_pdf

        require_pdf()
    return current


def say_page(frozen: Frozen) -> None:
    """Print the path of a snapshot's page and, without a `share_url`, a note on when its link works."""
    from custdyn_widgets import settings

    say(f"Page: {frozen.page}")
    if settings.load().share_url is None:
        say('The link works while "custdyn serve" is running:')


def _formatted(report: Report, form: str, total: bool, paper: str) -> bytes:
    if form == "csv":
        from custdyn_widgets.render import to_csv

        return to_csv(report, total=total)
    if form == "csv-excel":
        from custdyn_widgets.render import to_excel_csv

        return to_excel_csv(report, total=total)
    if form == "xlsx":
        from custdyn_widgets.render import to_xlsx

        return to_xlsx(report)
    if form == "pdf":
        from custdyn_widgets.publish import report_pdf
        from custdyn_widgets.render import with_own_presets

        return report_pdf(with_own_presets(report), paper=paper)
    if form == "json":
        return json.dumps(report.to_dict(), ensure_ascii=True, indent=1).encode() + b"\n"
    from custdyn_widgets.report import report_text

    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    return report_text(report, columns).encode("utf-8", "replace")


def write_output(path: Path, data: bytes) -> None:
    """Write a file that the user requested; follow links, and write to pipes and devices."""
    from custdyn_widgets.files import write_whole

    try:
        write_whole(path, data, follow=True, lasting=False)
    except OSError as error:
        raise CustDynError(f"{path} cannot be written: {error.strerror}.", field="output") from error
