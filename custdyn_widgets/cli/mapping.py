"""The commands `custdyn mapping …`: draft a mapping from exported files, and show the shipped ones."""

from __future__ import annotations

import json
from pathlib import Path

import click

from custdyn_widgets.cli.answer import json_option, say


@click.group("mapping")
def mapping_group() -> None:
    """Map the data of another system to the tables that reports need."""


@mapping_group.command("new")
@click.argument("name")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--currency", metavar="CODE", help="The currency of all clients, if no column has it.")
@click.option("--timezone", metavar="ZONE", help="The time zone of times without an offset. Default: UTC.")
@click.option("--decimal", metavar="CHARACTER", help="The decimal separator: a point or a comma.")
@click.option("--dates", metavar="ORDER", help="The order of day, month and year: DMY, MDY or YMD.")
@click.option("--delimiter", metavar="CHARACTER", help="The separator of cells in CSV files.")
@click.option("--encoding", metavar="NAME", help="The encoding of CSV files, such as cp1251.")
@json_option()
def mapping_new(name: str, path: Path, currency: str | None, as_json: bool, **dialect: str | None) -> None:
    """Draft a mapping for the exported files in a folder, and add it as the source NAME.

    Tables, columns, kinds of transactions, signs and formats are guessed from headings and values. Each guess
    is printed with how sure it is, and written to NAME.sql next to sources.toml, for you to check and change.
    """
    from custdyn_widgets.mart import Dialect, add_source, check_new_name, draft_mapping
    from custdyn_widgets.progress import ProgressBar

    check_new_name(name)
    known = Dialect(**dialect)  # type: ignore[arg-type]  # checked by Dialect
    with ProgressBar():
        draft = draft_mapping(path, known, currency)
    added = add_source(name, path, draft)
    click.echo(json.dumps(draft.to_dict(), indent=1) if as_json else str(draft))
    say(f"Written: {added.mapping}, and [{name}] in {added.sources}")
    say(f"Next: custdyn check {name}")


@mapping_group.command("show")
@click.argument("system", required=False)
@click.option("--dialect", metavar="NAME", help="The dialect of SQL: mysql or postgresql.")
def mapping_show(system: str | None, dialect: str | None) -> None:
    """Print the shipped mapping of a billing system, as a start for your own; without SYSTEM, list them."""
    from custdyn_widgets.mart import shipped_mapping, shipped_systems

    systems = shipped_systems()
    if system is None:
        for name, dialects in systems.items():
            click.echo(f"{name}: {', '.join(dialects)}")
        return
    chosen = dialect or next(iter(systems.get(system, ())), "")
    click.echo(shipped_mapping(system, chosen).text)
