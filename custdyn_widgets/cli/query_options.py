"""Command-line options for queries: one per field, merged with a file or a saved query."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from custdyn_widgets.cli.arguments import LocalPath
from custdyn_widgets.errors import QueryError
from custdyn_widgets.files import strict_json
from custdyn_widgets.query import FIELDS, Kind

Command = TypeVar("Command", bound=Callable[..., Any])
_YEAR = re.compile(r"(?<!\d)(?:19|20|21)\d\d", re.ASCII)  # no preset contains a year
_RESET = ("group_by", "columns", "compare")  # fields of a saved query that `none` clears


def query_options(command: Command) -> Command:
    """Add an option for each query field to a command."""
    for name, field in reversed(tuple(FIELDS.items())):
        flag = name.replace("_", "-")
        option = f"--{flag}/--no-{flag}" if field.kind is Kind.FLAG else f"--{flag}"
        command = click.option(option, name, help=_help(name), **_value_type(name))(command)
    saved_option = click.option(
        "--saved", "saved_name", metavar="NAME", help='A saved query, as listed by "custdyn queries list".'
    )
    file_option = click.option(
        "--query", "query_file", type=LocalPath(), help="A JSON file with the query's fields."
    )
    return file_option(saved_option(command))


def _help(name: str) -> str:
    field = FIELDS[name]
    text = field.help
    if field.choices:
        text += f" {'Presets' if field.kind is Kind.INTERVAL else 'One of'}: {', '.join(field.choices)}."
    return text + " Can be repeated." if field.is_list else text


def _value_type(name: str) -> dict[str, Any]:
    """Return click's settings for the values of a field; an omitted option is None or ()."""
    field = FIELDS[name]
    if field.is_list:
        return {"multiple": True}
    if field.kind is Kind.NUMBER:
        return {"type": int}
    return {"metavar": "PRESET|START/END" if field.kind is Kind.INTERVAL else None, "default": None}


def query_fields(
    query_file: Path | None, saved_name: str | None, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the fields of a query file or saved query, overridden by the given options.

    Raises
    ------
    click.UsageError
        If both a file and a saved query are given.
    SavedQueryError
        If the saved query does not exist or is not valid.
    QueryError
        If the file cannot be read or is not a JSON object; `ReportQuery` checks names and values.
    """
    if query_file and saved_name is not None:
        raise click.UsageError("Give --query FILE or --saved NAME, not both.")
    base: object = _read(query_file) if query_file else {}
    if saved_name is not None:
        from custdyn_widgets import saved_queries  # imported late: most commands do not need it

        base = saved_queries.load(saved_name).saved.query.to_dict()
    if not isinstance(base, dict):
        raise QueryError.wrong_type("query", base, "an object with field names as keys")
    given = {name: value for name, value in options.items() if value not in (None, ())}
    return {**base, **{name: _field_value(name, value) for name, value in given.items()}}


def chosen_source(source: str | None, saved_name: str | None) -> str:
    """Return the given source or else the saved query's.

    Raises
    ------
    click.UsageError
        If there is neither.
    SavedQueryError
        If the saved query does not exist or is not valid.
    """
    found = saved_source(saved_name) if source is None else source
    if found is not None:
        return found
    ctx = click.get_current_context()
    if saved_name is not None:
        raise without_source(saved_name)
    [option] = (one for one in ctx.command.params if one.name == "source")
    raise click.MissingParameter(ctx=ctx, param=option)


def saved_source(saved_name: str | None) -> str | None:
    """Return the source of a saved query; None if it has none, or if there is no saved query."""
    if saved_name is None:
        return None
    from custdyn_widgets import saved_queries  # imported late: most commands do not need it

    return saved_queries.load(saved_name).saved.source


def without_source(saved_name: str) -> click.UsageError:
    """Return the error to raise when no source is given and the saved query has none."""
    message = f"The saved query {saved_name} has no source: use --source, or save it with a source."
    return click.UsageError(message, ctx=click.get_current_context(silent=True))


def wants_pdf(saved_name: str | None) -> bool:
    """Return whether this is a saved query whose output is a PDF."""
    if saved_name is None:
        return False
    from custdyn_widgets import saved_queries  # imported late: most commands do not need it

    return saved_queries.load(saved_name).saved.output == "pdf"


def _field_value(name: str, value: Any) -> Any:
    field = FIELDS[name]
    if field.kind is Kind.INTERVAL:
        start, slash, end = value.partition("/")
        years = _YEAR.findall(value)
        if not slash and (start[:1].isdigit() or years):
            lacks = "slash between its start and end" if len(years) > 1 else "end"
            why = f"has no {lacks}. Give a start and an end, as dates or times: 2021-10-01/2021-10-31"
            raise QueryError.invalid(name, value, why)
        return {"start": start, "end": end} if slash else value
    if name in _RESET and value in ("none", "", ("none",), ("",)):
        return [] if field.is_list else None
    return list(value) if field.is_list else value


def _read(file: Path) -> object:
    try:
        text = file.read_text(encoding="utf-8-sig")
        if not text.strip():
            raise QueryError.invalid(
                "query", file.name, 'is empty. Write a query such as {"interval": "last_month"}'
            )
        return strict_json(text)
    except OSError as error:
        raise QueryError.invalid("query", str(file), f"cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise QueryError.invalid("query", file.name, f"is not valid JSON: {error}") from error
