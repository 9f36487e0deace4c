"""A query on the command line: an option for each of its fields, a file, and what both together ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import click

from custdyn_widgets.errors import QueryError
from custdyn_widgets.query import ReportQuery, read_json

Command = TypeVar("Command", bound=Callable[..., Any])


def query_options(command: Command) -> Command:
    """Give a command an option for each field of a query, from the fields' own metadata."""
    for field in reversed(fields(ReportQuery)):
        name, meta = field.name, field.metadata
        allowed = "Presets" if name == "interval" else "One of"
        choices = f" {allowed}: {', '.join(meta['choices'])}." if meta["choices"] else ""
        flag = f"--{name.replace('_', '-')}"
        about: dict[str, Any] = {"help": meta["help"] + choices, "default": None}
        if field.type == "bool":
            option = click.option(f"{flag}/--no-{name.replace('_', '-')}", name, **about)
        elif field.type == "int":
            option = click.option(flag, name, type=int, **about)
        elif str(field.type).startswith("tuple"):
            about["help"] += " May be given again."
            option = click.option(flag, name, multiple=True, **{**about, "default": ()})
        else:
            option = click.option(
                flag, name, metavar="PRESET|START/END" if name == "interval" else None, **about
            )
        command = option(command)
    saved_option = click.option(
        "--saved", "saved_name", metavar="NAME", help='A saved query: "custdyn queries list" names them.'
    )
    file_option = click.option(
        "--query", "query_file", type=click.Path(path_type=Path), help="A JSON file with the query's fields."
    )
    return file_option(saved_option(command))


def asked_fields(
    query_file: Path | None, saved_name: str | None, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the query's fields: those of the file or saved query, with the options given in their place.

    Parameters
    ----------
    query_file
        A JSON file, or None.
    saved_name
        A saved query's name, or None.
    options
        By field name, as click gives them: None or an empty tuple where an option was left out.

    Raises
    ------
    click.UsageError
        If there are a file and a saved query.
    SavedQueryError
        If the saved query is not there or cannot be used.
    QueryError
        If the file cannot be read or is not a JSON object. Names and values are checked by `ReportQuery`.
    """
    if query_file and saved_name is not None:
        raise click.UsageError("Give --query FILE or --saved NAME, not both.")
    asked: object = read_json(query_file) if query_file else {}
    if saved_name is not None:
        from custdyn_widgets import saved_queries  # late: most commands have no need of it

        asked = saved_queries.load(saved_name).saved.query.to_dict()
    if not isinstance(asked, dict):
        raise QueryError.wrong_type("query", asked, "an object with field names as keys")
    for name, value in options.items():
        if value is None or value == ():
            continue
        if name == "interval":
            start, slash, end = value.partition("/")
            value = {"start": start, "end": end} if slash else value
        elif isinstance(value, tuple):
            value = [] if name == "group_by" and value == ("none",) else list(value)
        asked[name] = value
    return asked
