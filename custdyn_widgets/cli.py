"""The command `custdyn`. Data goes to stdout, everything else to stderr; exit 0 done, 1 failed, 2 wrong use.

Each command imports what it needs when it runs, so that `custdyn --help` is there at once.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from custdyn_widgets import __version__, settings
from custdyn_widgets.errors import CustDynError, QueryError, SnapshotError
from custdyn_widgets.query import ReportQuery
from custdyn_widgets.query_options import asked_fields, query_options

if TYPE_CHECKING:
    from custdyn_widgets.freezing import Frozen
    from custdyn_widgets.report import Report


class _Format(click.Choice):  # type: ignore[type-arg]  # generic from click 8.2 on
    """The formats of a report; `xls` is refused with the reason."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value == "xls":
            self.fail("xls holds at most 65,536 rows and is no open format; choose xlsx.", param, ctx)
        chosen: str = super().convert(value, param, ctx)
        return chosen


_FORMATS = _Format(("table", "csv", "json", "xlsx"))
_FOLDER = click.Path(path_type=Path)


def say(text: str) -> None:
    """Write to the person at the terminal, without what a name in it could do to the terminal."""
    from custdyn_widgets.display import printable  # late: --help has no need of it

    click.echo("\n".join(map(printable, text.split("\n"))), err=True)


class _Group(click.Group):
    """Turns errors into words and exit codes; a traceback only with --debug."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CustDynError as error:
            _explain(ctx, error, error.message)
            ctx.exit(2 if isinstance(error, QueryError) else 1)
        except (BrokenPipeError, click.exceptions.Exit, click.ClickException, click.Abort):
            raise
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            _explain(ctx, error, f"{place}{error.strerror or error}.")
            _give_up_stdout()
            ctx.exit(1)
        except Exception as error:
            fault = "This is a fault of custdyn; --debug shows where."
            _explain(ctx, error, f"{type(error).__name__}: {error}. {fault}")
            ctx.exit(1)


def _explain(ctx: click.Context, error: Exception, message: str) -> None:
    if ctx.params.get("debug"):
        raise error
    say(f"custdyn: {message}")


def _give_up_stdout() -> None:
    """Drop what stdout does not take, or Python tries again at its end and exits with a code of its own."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="custdyn")
@click.option("--debug", is_flag=True, help="Show a traceback when something fails.")
def main(debug: bool) -> None:
    """Tell who is active, what customers hold, refill and spend, and what packages bring in."""


_SOURCE_HELP = 'A folder of CSV or Parquet files, a DuckDB file, a name of sources.toml, or "demo".'
_source_option = click.option("--source", "-s", required=True, help=_SOURCE_HELP, metavar="SOURCE")
_as_of_option = click.option(
    "--as-of", metavar="INSTANT", help="Count nothing at or after this ISO 8601 instant. Default: now."
)


@main.command("query")
@_source_option
@query_options
@_as_of_option
@click.option("--format", "form", type=_FORMATS, default="table", show_default=True, help="What to print.")
@click.option("--output", "-o", type=_FOLDER, help="Write to this file instead of stdout.")
@click.option("--total", is_flag=True, help="Add the Total to a CSV.")
@click.option("--freeze", "frozen", is_flag=True, help="Freeze the report into a snapshot and say its link.")
def query_command(
    source: str,
    query_file: Path | None,
    as_of: str | None,
    form: str,
    output: Path | None,
    total: bool,
    frozen: bool,
    **options: Any,
) -> None:
    """Ask for one report.

    The query comes from a JSON file (--query), from options, or from both: an option wins.
    """
    from custdyn_widgets.compute import run_report
    from custdyn_widgets.progress_bar import ProgressBar

    if form == "xlsx" and output is None and sys.stdout.isatty():
        raise click.UsageError("A workbook is no text for a terminal: give --output FILE.")
    query = ReportQuery.from_dict(asked_fields(query_file, options))
    with ProgressBar():
        report = run_report(query, source, as_of=as_of)
    data = _formatted(report, form, total)
    if output is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        _write_whole(output, data)
        say(f"Wrote {output} ({len(data):,} bytes).")
    for told in (report.message, *report.info.warnings):
        if told and not (told == report.message and form == "table"):
            say(f"Note: {told}")
    if frozen:
        _freeze(report)


def _formatted(report: Report, form: str, total: bool) -> bytes:
    if form == "csv":
        from custdyn_widgets.export import to_csv

        return to_csv(report, total=total)
    if form == "xlsx":
        from custdyn_widgets.export import to_xlsx

        return to_xlsx(report)
    if form == "json":
        return json.dumps(report.to_dict(), ensure_ascii=True, indent=1).encode() + b"\n"
    from custdyn_widgets.terminal import report_text

    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    return report_text(report, columns).encode("utf-8", "replace")


def _write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it is never there half; a pipe or a device takes the bytes as it is."""
    aside = None
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            path.write_bytes(data)
            return
        path = path.resolve()  # what a link leads to is written, and the link stays
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            aside = Path(file.name)
            file.write(data)
        mask = os.umask(0)
        os.umask(mask)
        aside.chmod(0o666 & ~mask)
        aside.replace(path)
    except OSError as error:
        if aside:
            aside.unlink(missing_ok=True)
        raise CustDynError(f"{path} cannot be written: {error.strerror}.", field="output") from error


def _freeze(report: Report) -> None:
    from custdyn_widgets.freezing import freeze

    frozen = freeze(report)
    _tell_page(frozen)
    say(f"Link: {frozen.link}")


def _tell_page(frozen: Frozen) -> None:
    """Say where a snapshot's page is, and what answers its link."""
    say(f"Page: {frozen.page}")
    if settings.load().share_url is None:
        say('The link opens while "custdyn serve" runs:')


@main.command("run")
@click.argument("template", required=False, type=_FOLDER)
@click.option("--source", "-s", help=_SOURCE_HELP, metavar="SOURCE")
@query_options
@_as_of_option
@click.option(
    "--parameter",
    "-p",
    nargs=2,
    multiple=True,
    metavar="NAME VALUE",
    help="A parameter of the template's own.",
)
@click.option("--timeout", type=float, metavar="SECONDS", help="End a run that takes longer.")
def run_command(
    template: Path | None,
    source: str | None,
    query_file: Path | None,
    as_of: str | None,
    parameter: tuple[tuple[str, str], ...],
    timeout: float | None,
    **options: Any,
) -> None:
    """Run a template notebook and freeze its report into a snapshot; its link is the last line.

    Without TEMPLATE, the default one. Nothing is published when the run fails.
    """
    from custdyn_widgets.notebook.run import run_template

    given: dict[str, Any] = {**asked_fields(query_file, options), **dict(parameter)}
    given.update({name: value for name, value in (("source", source), ("as_of", as_of)) if value is not None})
    frozen = run_template(template, given, settings=settings.load(), timeout_s=timeout, progress=say)
    _tell_page(frozen)
    click.echo(frozen.link)


@main.command("demo")
@_as_of_option
def demo_command(as_of: str | None) -> None:
    """Make the demo operator's data, a report of its three years, and a snapshot of that."""
    from custdyn_widgets.compute import run_report
    from custdyn_widgets.freezing import freeze
    from custdyn_widgets.mart.demo import demo_query
    from custdyn_widgets.mart.sources import demo_folder, last_midnight
    from custdyn_widgets.query import parse_as_of

    instant = parse_as_of(as_of) if as_of else last_midnight()
    say("Drawing the demo operator: about 3,000 clients over three years …")
    folder = demo_folder(instant)
    say(f"Data: {folder}")
    report = run_report(demo_query(instant), folder, as_of=instant)
    say("Drawing the page …")
    frozen = freeze(report)
    _tell_page(frozen)
    click.echo(frozen.link)


@main.command("check")
@click.argument("source")
def check_command(source: str) -> None:
    """Check a source: every fault with file, row, column and value. Exit 1 if there is one."""
    from custdyn_widgets.mart.cache import check_source
    from custdyn_widgets.progress_bar import ProgressBar

    with ProgressBar():
        mart = check_source(source)
    for fault in mart.faults:
        click.echo(str(fault))
    for note in mart.notes:
        say(f"Note: {note}")
    sizes = ", ".join(f"{len(table):,} {name}" for name, table in mart.tables.items())
    count = len(mart.faults)
    say(f"{mart.name}: {sizes}. {f'{count:,}' if count else 'No'} fault{'' if count == 1 else 's'}.")
    if count:
        raise click.exceptions.Exit(1)


@main.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8899, show_default=True, help="The port to listen on; 0 takes a free one.")
@click.option("--base-url", default="/", show_default=True, help="The path below which links lead.")
@click.option("--allow-host", multiple=True, metavar="NAME", help="Also answer under this host name.")
def serve_command(host: str, port: int, base_url: str, allow_host: tuple[str, ...]) -> None:
    """Serve the snapshots behind their links, until Ctrl-C."""
    import logging

    from custdyn_widgets.snapshots.store import Store
    from custdyn_widgets.viewer import hosts_for, serve

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    in_force = settings.load()
    hosts = hosts_for(host, allow_host, in_force.share_url)
    serve(Store(in_force.snapshots), host, port, base_url=base_url, allowed_hosts=hosts)


@main.group("snapshots")
def snapshots_group() -> None:
    """Look after the snapshot store."""


@snapshots_group.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def snapshots_list(as_json: bool) -> None:
    """List the snapshots, the newest first."""
    from custdyn_widgets.snapshots import listing
    from custdyn_widgets.snapshots.store import Store

    entries = listing.entries(Store(settings.load().snapshots))
    click.echo(json.dumps([vars(e) for e in entries], indent=1) if as_json else listing.entries_text(entries))


@snapshots_group.command("show")
@click.argument("snapshot_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="The manifest as JSON.")
def snapshots_show(snapshot_id: str, as_json: bool) -> None:
    """Tell what a snapshot holds."""
    from custdyn_widgets.snapshots import listing
    from custdyn_widgets.snapshots.store import Store

    manifest = Store(settings.load().snapshots).manifest(snapshot_id)
    click.echo(json.dumps(manifest, indent=1) if as_json else listing.manifest_text(snapshot_id, manifest))


@snapshots_group.command("verify")
@click.argument("snapshot_ids", metavar="[ID]...", nargs=-1)
def snapshots_verify(snapshot_ids: tuple[str, ...]) -> None:
    """Read every byte of snapshots (all without ID) and compare; exit 1 if anything differs."""
    from custdyn_widgets.snapshots import listing
    from custdyn_widgets.snapshots.store import Store

    in_force = settings.load()
    if not in_force.snapshots.is_dir():
        raise SnapshotError(
            f"There is no store {in_force.snapshots}: nothing was verified.", field="snapshots"
        )
    store = Store(in_force.snapshots)
    problems = store.verify(list(snapshot_ids) or None)
    click.echo(listing.problems_text(problems, len(snapshot_ids) or len(store.ids())))
    if problems:
        raise click.exceptions.Exit(1)
