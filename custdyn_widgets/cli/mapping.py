"""The `custdyn mapping` commands: draft a mapping from exported files, and show the shipped ones."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from custdyn_widgets.cli.report_output import json_option, say
from custdyn_widgets.errors import SourceError

if TYPE_CHECKING:
    from custdyn_widgets.mart import Dialect, Source


@click.group("mapping")
def mapping_group() -> None:
    """Map data from another system to the tables that reports need."""


@mapping_group.command("new")
@click.argument("name")
@click.argument("place", metavar="PATH|URL")
@click.option("--currency", metavar="CODE", help="The currency of all clients, if no column contains it.")
@click.option("--timezone", metavar="ZONE", help="The time zone of times without an offset. Default: UTC.")
@click.option("--decimal", metavar="CHARACTER", help="The decimal separator: a point or a comma.")
@click.option("--dates", metavar="ORDER", help="The order of day, month and year: DMY, MDY or YMD.")
@click.option("--delimiter", metavar="CHARACTER", help="The delimiter of CSV files.")
@click.option("--encoding", metavar="NAME", help="The encoding of CSV files, such as cp1251.")
@json_option()
def mapping_new(name: str, place: str, currency: str | None, as_json: bool, **dialect: str | None) -> None:
    """Add exported files or a database as the source NAME, with a mapping.

    For files in a folder, a mapping is drafted: its tables, columns, kinds of transactions, signs and formats
    are guessed from headings and values. Each guess is printed with its confidence, and written to NAME.sql
    next to sources.toml, for you to check and change.

    If you give the URL of a database (without a password), the billing system is recognized from its tables.
    If the system is unknown, a mapping is drafted from the tables and a sample of their rows, as for files.
    """
    from custdyn_widgets.mart import Dialect, check_new_name

    check_new_name(name)
    if place.lower().startswith(("s3://", "s3a://")):
        raise click.UsageError(
            "A mapping is drafted from files on this machine. Download some of the bucket's files to a "
            f"folder, and run custdyn mapping new {name} FOLDER. Then set path in sources.toml to the URL."
        )
    known = Dialect(**dialect)  # type: ignore[arg-type]  # checked by Dialect
    (_new_database if "://" in place else _new_files)(name, place, known, currency, as_json)


def _new_files(name: str, place: str, known: Dialect, currency: str | None, as_json: bool) -> None:
    from custdyn_widgets.mart import DIALECT_FIELDS, Source, add_source, draft_mapping
    from custdyn_widgets.progress import ProgressBar

    try:
        with ProgressBar():
            draft = draft_mapping(place, known, currency)
    except SourceError as error:
        if error.field in DIALECT_FIELDS and "--" not in error.message:
            message = f"{error.message} With this command, use --{error.field}."
            raise SourceError(message, field=error.field) from error
        raise
    mapping, sources = add_source(Source(draft.path, name=name, dialect=draft.dialect), draft.sql())
    click.echo(json.dumps(draft.to_dict(), indent=1) if as_json else str(draft))
    say(f"Wrote {mapping}, and added [{name}] to {sources}")
    say(f"Next: custdyn check {name}")


def _new_database(name: str, url: str, known: Dialect, currency: str | None, as_json: bool) -> None:
    from custdyn_widgets.mart import Source, add_database, detect_system

    source = Source(url=url, name=name, dialect=known)
    found = detect_system(source)
    if found is None:
        _new_mapped_database(source, currency, as_json)
        return
    sources = add_database(source, found.system)
    sentence = f"The database has the {found.tables} tables that the {found.system!r} mapping reads."
    click.echo(json.dumps({"system": found.system, "tables": found.tables}) if as_json else sentence)
    say(f"Added [{name}] to {sources}")
    say(f"Next: custdyn sync {name}")


def _new_mapped_database(source: Source, currency: str | None, as_json: bool) -> None:
    """Draft the mapping of a database whose system is unknown."""
    from custdyn_widgets.mart import add_source, draft_database, grants_for
    from custdyn_widgets.progress import ProgressBar

    with ProgressBar():
        draft = draft_database(source, currency)
    assert source.name is not None
    mapping, sources = add_source(replace(source, dialect=draft.dialect), draft.sql())
    click.echo(json.dumps(draft.to_dict(), indent=1) if as_json else str(draft))
    say(f"Wrote {mapping}, and added [{source.name}] to {sources}")
    if draft.is_whole:
        say("The database user needs only these privileges:")
        for line in grants_for(source.name):
            say(f"  {line}")
        say(f"Next: custdyn sync {source.name}")
    else:
        say(f"Next: replace each FILL_IN in {mapping.name} with SQL, then run custdyn sync {source.name}")


@mapping_group.command("show")
@click.argument("system", required=False)
@click.option("--dialect", metavar="NAME", help="The SQL dialect: mysql or postgresql.")
def mapping_show(system: str | None, dialect: str | None) -> None:
    """Print a billing system's shipped mapping as a basis for your own; without SYSTEM, list all systems."""
    from custdyn_widgets.mart import shipped_mapping, shipped_systems

    systems = shipped_systems()
    if system is None:
        for name, dialects in systems.items():
            click.echo(f"{name}: {', '.join(dialects)}")
        return
    chosen = dialect or next(iter(systems.get(system, ())), "")
    click.echo(shipped_mapping(system, chosen).text)
