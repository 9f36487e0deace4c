"""A query on the command line: an option for each of its fields, a file, and what both together ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from custdyn_widgets.errors import QueryError
from custdyn_widgets.files import strict_json
from custdyn_widgets.query import FIELDS, Kind

Command = TypeVar("Command", bound=Callable[..., Any])


def query_options(command: Command) -> Command:
    """Give a command an option for each field of a query, from the table of fields."""
    for name, field in reversed(tuple(FIELDS.items())):
        flag = name.replace("_", "-")
        option = f"--{flag}/--no-{flag}" if field.kind is Kind.FLAG else f"--{flag}"
        command = click.option(option, name, help=_help(name), **_settings(name))(command)
    saved_option = click.option(
        "--saved", "saved_name", metavar="NAME", help='A saved query: "custdyn queries list" names them.'
    )
    file_option = click.option(
        "--query", "query_file", type=click.Path(path_type=Path), help="A JSON file with the query's fields."
    )
    return file_option(saved_option(command))


def _help(name: str) -> str:
    field = FIELDS[name]
    words = field.help
    if field.choices:
        words += f" {'Presets' if field.kind is Kind.INTERVAL else 'One of'}: {', '.join(field.choices)}."
    return words + " May be given again." if field.is_list else words


def _settings(name: str) -> dict[str, Any]:
    """Return what click has to know of a field's values; an option that is left out gives None or ()."""
    field = FIELDS[name]
    if field.is_list:
        return {"multiple": True, "default": ()}
    if field.kind is Kind.NUMBER:
        return {"type": int, "default": None}
    return {"metavar": "PRESET|START/END" if field.kind is Kind.INTERVAL else None, "default": None}


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
        If the file cannot be read or is not a JSON object; `ReportQuery` checks names and values.
    """
    if query_file and saved_name is not None:
        raise click.UsageError("Give --query FILE or --saved NAME, not both.")
    asked: object = _read(query_file) if query_file else {}
    if saved_name is not None:
        from custdyn_widgets import saved_queries  # late: most commands have no need of it

        asked = saved_queries.load(saved_name).saved.query.to_dict()
    if not isinstance(asked, dict):
        raise QueryError.wrong_type("query", asked, "an object with field names as keys")
    for name, value in options.items():
        if value is None or value == ():
            continue
        field = FIELDS[name]
        if field.kind is Kind.INTERVAL:
            start, slash, end = value.partition("/")
            value = {"start": start, "end": end} if slash else value
        elif field.is_list:
            value = [] if field.kind is Kind.GROUPS and value == ("none",) else list(value)
        asked[name] = value
    return asked


def _read(file: Path) -> object:
    try:
        return strict_json(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise QueryError.invalid("query", str(file), f"cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise QueryError.invalid("query", file.name, f"is not valid JSON: {error}") from error
